"""ETags that tell nothing about a version of a file, although their form is that of a strong one.

Programs write them where the value is missing, or before the body is there. To take a good ETag for
one of these costs a resume; to believe a bad one mixes two versions.
"""

import hashlib
import re
from base64 import b64encode

_ZEROS = re.compile(r"[\W_0]*|0{8,}-\d+")
"""`0`, `-`, `0-0`, zero digests, and those that MinIO gives to files that were there before it."""
_NUMBER = re.compile(r"0*([0-9a-f]+)")
_WORDS = frozenset({
    "-1", "(null)", "empty", "etag", "false", "n/a", "na", "nan", "nil", "none", "null", "true",
    "undefined", "unknown",
})  # fmt: skip
_DIGESTS = [
    hashlib.new(name, usedforsecurity=False)
    for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s")
]
_OF_NOTHING = frozenset({
    *(each.hexdigest() for each in _DIGESTS),
    *(b64encode(each.digest()).decode().rstrip("=").lower() for each in _DIGESTS),
    "ef46db3751d8e999", "2d06800538d394c2", "99aa06d3014798d86001c324468d497f",  # xxhash
})  # fmt: skip
"""Digests of no bytes, in lower case. Frameworks hash a body before it is there."""
_DIGEST = re.compile(r"[\w+/]{16,}")


def is_constant(etag: str, size: int | None) -> bool:
    """Return True if many versions of a file have an ETag.

    Args:
        etag: a strong ETag, with its quotes.
        size: size of the file, bytes, if the reply gives it. Apache (`FileETag Size`) and others
            make an ETag of the size alone.
    """
    text = etag[1:-1].lower()
    if text in _WORDS or _ZEROS.fullmatch(text):
        return True
    if not _OF_NOTHING.isdisjoint(_DIGEST.findall(text)):
        return True
    number = _NUMBER.fullmatch(text)
    return number is not None and size is not None and number[1] in (f"{size:x}", str(size))
