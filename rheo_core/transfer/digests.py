"""The checksum of the whole file that a reply's headers promise.

Bodies are stored as they come and never decoded. What RFC 9530 calls the representation (section 3;
RFC 3230 says instance) has its content coding applied, and so has the content of a single message
(section 2; RFC 2616 14.15 for Content-MD5). Their digests are therefore those of our file, whatever
Content-Encoding says; but those of a message only where it brings the whole representation.
"""

import base64
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from rheo_core.domain.hash_validation import HashAlgorithm, HashConfig

_ALGORITHMS = {  # strongest first; the names are those of RFC 9530 7.2
    "sha-512": HashAlgorithm.SHA512,
    "sha-256": HashAlgorithm.SHA256,
    "sha": HashAlgorithm.SHA1,
    "md5": HashAlgorithm.MD5,
}

_NAMES = {
    "repr-digest",
    "digest",
    "x-goog-hash",
    "content-digest",
    "content-md5",
    "x-amz-checksum-sha256",
    "x-amz-checksum-sha1",
}
"""The headers that promise; most replies have none of them."""

_Fields: TypeAlias = Mapping[str, list[str]]
"""Names in lower case -> the values of all lines of that name."""
_Promises: TypeAlias = Iterator[tuple[str, bytes]]
"""Algorithms as headers name them, known or not, and what is said to be their digest."""


def digest_of(headers: Mapping[str, str], *, partial: bool) -> HashConfig | None:
    """The strongest checksum of the whole file that a reply promises.

    What cannot be read is ignored.

    Args:
        headers: of the reply, names in any case. A multidict brings every line of one name.
        partial: the reply is a 206 and brings a part of the file.

    Returns:
        The checksum; None where there is none, or where two headers give different ones for the
        strongest algorithm: to trust a weaker one of such a server would be no better.
    """
    if _NAMES.isdisjoint(map(str.lower, headers)):
        return None
    digests: dict[str, set[bytes]] = defaultdict(set)
    for name, digest in _promises(_fields(headers), partial):
        digests[name].add(digest)
    for name, algorithm in _ALGORITHMS.items():
        values = [each.hex() for each in digests[name] if len(each) * 2 == algorithm.hex_length]
        if len(values) > 1:
            return None
        if values:
            return HashConfig(algorithm=algorithm, expected_hash=values[0])
    return None


def _fields(headers: Mapping[str, str]) -> _Fields:
    fields: dict[str, list[str]] = defaultdict(list)
    for name, value in headers.items():  # the items of a multidict repeat its names
        fields[name.lower()].append(value)
    return fields


def _promises(fields: _Fields, partial: bool) -> _Promises:
    yield from _structured(fields, "repr-digest")
    yield from _assignments(fields, "digest")
    if _is_as_stored(fields):
        yield from _google(fields)
    if partial:  # what else there is speaks of the body of this reply
        return
    yield from _structured(fields, "content-digest")
    yield from _plain(fields, "content-md5", "md5")
    if _is_as_stored(fields):
        yield from _amazon(fields)


def _google(fields: _Fields) -> _Promises:
    """x-goog-hash, which looks like Digest and gives crc32c besides.

    It is the hash of the object as stored. Cloud Storage decompresses one that is stored with a
    coding for a client that, as we do, does not ask for it.
    """
    if all(map(_is_identity, fields.get("x-goog-stored-content-encoding", []))):
        yield from _assignments(fields, "x-goog-hash")


def _amazon(fields: _Fields) -> _Promises:
    """x-amz-checksum-*, which may be that of one part of the object where a part is asked for.

    A composite checksum (of the parts' checksums) ends in `-N`, which is no base64.
    """
    kinds = fields.get("x-amz-checksum-type", [])
    if all(kind.strip().upper() == "FULL_OBJECT" for kind in kinds):
        yield from _plain(fields, "x-amz-checksum-sha256", "sha-256")
        yield from _plain(fields, "x-amz-checksum-sha1", "sha")


def _is_as_stored(fields: _Fields) -> bool:
    """Whether what an object store says of its object holds for the body.

    Its headers are defined by no RFC and pass through caches that compress on their own.
    """
    return all(map(_is_identity, fields.get("content-encoding", [])))


def _is_identity(coding: str) -> bool:
    return coding.strip().lower() in ("", "identity")


def _structured(fields: _Fields, field: str) -> _Promises:
    """Dictionaries of byte sequences (RFC 9530 2 and 3; RFC 9651 3.2).

    Each line is read alone, so that one that is broken spoils no other.
    """
    for line in fields.get(field, []):
        yield from _read_structured(line)


def _read_structured(line: str) -> _Promises:
    from http_sf import parse  # most replies have no such header: start-up need not pay for it

    repeated: set[str] = set()
    try:
        members = parse(
            line.encode("ascii"),
            tltype="dictionary",
            on_duplicate_key=lambda key, context: repeated.add(key),
        )
    except ValueError:  # StructuredFieldError and UnicodeError are ValueErrors
        return
    # RFC 9651 4.2.2 keeps the last of two members of one name. A line that says two things of one
    # file is rather no promise at all.
    if not isinstance(members, dict) or repeated:
        return
    for name, member in members.items():
        if isinstance(member, tuple) and isinstance(member[0], bytes):
            yield name, member[0]


def _assignments(fields: _Fields, field: str) -> _Promises:
    """`NAME=BASE64, ...` (RFC 3230 4.3.2), names in any case (4.1.1)."""
    for line in fields.get(field, []):
        for item in line.split(","):
            name, _, value = item.partition("=")
            yield name.strip().lower(), _decoded(value)


def _plain(fields: _Fields, field: str, name: str) -> _Promises:
    """Fields of nothing but base64."""
    for line in fields.get(field, []):
        yield name, _decoded(line)


def _decoded(text: str) -> bytes:
    """What base64 stands for; nothing, which is no digest, where it is not valid."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except ValueError:
        return b""
