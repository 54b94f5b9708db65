"""Checksums in response headers (RFC 9530, RFC 3230, Content-MD5).

rheo stores bodies without decoding them. Digests of the representation (RFC 9530 section 3; RFC
3230 calls it instance) and of the content of one message (section 2; RFC 2616 14.15 for
Content-MD5) also include the content coding. Therefore they match the stored file, with any
Content-Encoding. rheo uses the digest of a message only if it carries the whole representation.

`downloads/verification.py` decides whether it counts. The user's checksum takes precedence.
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
"""Headers with checksums; most responses have none of them."""

_Fields: TypeAlias = Mapping[str, list[str]]
"""Names in lower case -> the values of all lines of that name."""
_Promises: TypeAlias = Iterator[tuple[str, bytes]]
"""Names of algorithms in headers, known or not, and their digests."""


def digest_of(headers: Mapping[str, str], *, partial: bool) -> HashConfig | None:
    """Return the strongest checksum of the whole file that a response promises.

    Unreadable values are ignored.

    Args:
        headers: headers of the response, names in any case. A multidict has every line of a name.
        partial: the response is a 206 with a part of the file.

    Returns:
        The checksum. None if there is none, or if two headers disagree about the strongest
        algorithm: a weaker checksum of such a server would not be better.
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
    if partial:  # the other headers concern the body of this response
        return
    yield from _structured(fields, "content-digest")
    yield from _plain(fields, "content-md5", "md5")
    if _is_as_stored(fields):
        yield from _amazon(fields)


def _google(fields: _Fields) -> _Promises:
    """Read x-goog-hash, which looks like Digest and also has crc32c.

    It is the hash of the stored object. Cloud Storage decompresses an object that is stored with a
    coding if the client, like this one, does not request that coding.
    """
    if all(map(_is_identity, fields.get("x-goog-stored-content-encoding", []))):
        yield from _assignments(fields, "x-goog-hash")


def _amazon(fields: _Fields) -> _Promises:
    """Read x-amz-checksum-*, which may concern one part of the object in a response to a range.

    A composite checksum (of the parts' checksums) ends in `-N`, which is not valid base64.
    """
    kinds = fields.get("x-amz-checksum-type", [])
    if all(kind.strip().upper() == "FULL_OBJECT" for kind in kinds):
        yield from _plain(fields, "x-amz-checksum-sha256", "sha-256")
        yield from _plain(fields, "x-amz-checksum-sha1", "sha")


def _is_as_stored(fields: _Fields) -> bool:
    """Return True if headers of an object store about its object apply to the body.

    No RFC defines these headers, and they pass through caches that compress bodies.
    """
    return all(map(_is_identity, fields.get("content-encoding", []))) and not _is_changed(fields)


def _is_changed(fields: _Fields) -> bool:
    """Return True if a store or a proxy says that it changed the body (RFC 7234 5.5.6)."""
    changes = fields.get("x-guploader-response-body-transformations", [])
    warnings = fields.get("warning", [])
    return any(map(str.strip, changes)) or any(each.strip().startswith("214") for each in warnings)


def _is_identity(coding: str) -> bool:
    return coding.strip().lower() in ("", "identity")


def _structured(fields: _Fields, field: str) -> _Promises:
    """Read dictionaries of byte sequences (RFC 9530 2 and 3; RFC 9651 3.2).

    Each line is parsed separately, so that a broken one does not affect others.
    """
    for line in fields.get(field, []):
        yield from _read_structured(line)


def _read_structured(line: str) -> _Promises:
    from http_sf import parse  # imported late, because most responses have no such header

    repeated: set[str] = set()
    try:
        members = parse(
            line.encode("ascii"),
            tltype="dictionary",
            on_duplicate_key=lambda key, context: repeated.add(key),
        )
    except ValueError:  # StructuredFieldError and UnicodeError are ValueErrors
        return
    # RFC 9651 4.2.2 keeps the last of two members of one name. A contradictory line is ignored
    # here.
    if not isinstance(members, dict) or repeated:
        return
    for name, member in members.items():
        if isinstance(member, tuple) and isinstance(member[0], bytes):
            yield name, member[0]


def _assignments(fields: _Fields, field: str) -> _Promises:
    """Read `NAME=BASE64, ...` (RFC 3230 4.3.2), names in any case (4.1.1)."""
    for line in fields.get(field, []):
        for item in line.split(","):
            name, _, value = item.partition("=")
            yield name.strip().lower(), _decoded(value)


def _plain(fields: _Fields, field: str, name: str) -> _Promises:
    """Read fields that consist of base64."""
    for line in fields.get(field, []):
        yield name, _decoded(line)


def _decoded(text: str) -> bytes:
    """Return decoded base64; empty, which never matches a digest, if it is not valid."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except ValueError:
        return b""
