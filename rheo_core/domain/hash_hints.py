"""Checksums written next to a URL: in its fragment, or in the rest of its line."""

import re

from .hash_algorithms import HashAlgorithm
from .hash_validation import HashConfig

_NAMES = frozenset(HashAlgorithm)
_CONDA = (".conda", ".tar.bz2")
_MD5 = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_PIP = re.compile(r"(?:^|\s)--hash(?:=|\s+)(\w+:\w+)")
_APT = re.compile(r"^'[^']+'\s+\S+\s+\d+\s+(\w+):([0-9a-fA-F]+)\s*$")
_APT_NAMES = {"md5sum": "md5"}


def hash_in_fragment(url: str) -> HashConfig | None:
    """Return the checksum in a fragment: `#sha256=…` as for pip, a bare MD5 as for conda.

    Raises:
        ValueError: it names an algorithm, and its digest is not valid.
    """
    address, _, fragment = url.partition("#")
    for field in fragment.split("&"):
        name, mark, digest = field.partition("=")
        if mark and name.lower() in _NAMES:
            return HashConfig.from_checksum_string(f"{name}:{digest}")
    if _MD5.fullmatch(fragment) and address.partition("?")[0].endswith(_CONDA):
        return HashConfig(algorithm=HashAlgorithm.MD5, expected_hash=fragment)
    return None


def hash_in_line(line: str) -> HashConfig | None:
    """Return the checksum in a line with one URL: `--hash=sha256:…`, or the last field of apt.

    Of several `--hash`, none is known to be that of the file.

    Raises:
        ValueError: the algorithm is unknown, or the digest is not valid.
    """
    hints = _PIP.findall(line)
    if apt := _APT.match(line):
        name = apt[1].lower()
        hints = [f"{_APT_NAMES.get(name, name)}:{apt[2]}"]
    return HashConfig.from_checksum_string(hints[0]) if len(hints) == 1 else None
