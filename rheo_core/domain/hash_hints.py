"""Checksums written next to a URL: find them, and choose the strongest for a file."""

import base64
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from .hash_algorithms import STRONGEST_FIRST, HashAlgorithm
from .hash_validation import HashConfig

_NAMES = frozenset(HashAlgorithm)
_CONDA = (".conda", ".tar.bz2")
_CONDA_HASHES = {32: HashAlgorithm.MD5, 64: HashAlgorithm.SHA256}
_HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)
_NAMED = re.compile(r"([a-z]+(?:-?\d+b?)?)[=:](.*)", re.IGNORECASE | re.DOTALL)
_UNSUPPORTED = re.compile(
    r"(?:adler|blake|crc|md|rmd|ripemd|sha|sm|xxh)-?\w{1,4}(?:-\d{3})?[=:][0-9a-f]{8,}",
    re.IGNORECASE,
)
_SRI = re.compile(r"(sha256|sha384|sha512)-([A-Za-z0-9+/]{43,86})=*")
_PIP = re.compile(r"(?:^|\s)--hash(?:=|\s+)(\w+:\w+)")
_APT = re.compile(r"^'[^']+'\s+\S+\s+\d+\s+(\w+):([0-9a-fA-F]+)\s*$")
_APT_NAMES = {"md5sum": "md5"}


class JoinedHash(NamedTuple):
    """The checksum used for a file, and those that it replaces."""

    used: HashConfig | None
    weaker: tuple[HashConfig, ...] = ()  # from the same author
    replaced: tuple[HashConfig, ...] = ()  # from others
    unsupported: tuple[str, ...] = ()  # names of algorithms in fragments

    @property
    def ignored(self) -> list[str]:
        """Notes on the checksums that are not used."""
        notes = []
        if self.used is not None and self.weaker:
            notes.append(f"{_names_of(self.weaker)} ({self.used.algorithm} is used)")
        if self.replaced:
            notes.append(f"{_names_of(self.replaced)} (yours is used)")
        return notes + [f"{name} hash (not supported)" for name in self.unsupported]


def _names_of(checksums: Sequence[HashConfig]) -> str:
    names = " and ".join(each.algorithm for each in checksums)
    return f"{names} {'hash' if len(checksums) == 1 else 'hashes'}"


def join_hashes(
    given: Iterable[HashConfig], urls: Sequence[str] = (), *, own: Iterable[HashConfig] = ()
) -> JoinedHash:
    """Join all checksums of one file: those of the user count, and of these the strongest.

    A stronger one from somebody else would let them choose the file.

    Args:
        given: checksums from all places except the URLs.
        urls: URLs of the file, whose fragments may have more.
        own: checksums of the user; if there are any, the others are only compared.

    Raises:
        ValueError: two checksums of one algorithm differ, or one in a fragment is not valid.
    """
    own = tuple(own)
    by_algorithm: dict[HashAlgorithm, HashConfig] = {}
    for checksum in chain(own, given, chain.from_iterable(map(hashes_in_fragment, urls))):
        other = by_algorithm.setdefault(checksum.algorithm, checksum)
        if other != checksum:
            raise ValueError(
                f"two {checksum.algorithm} hashes of the file differ: "
                f"{other.expected_hash} and {checksum.expected_hash}"
            )
    ranked = [by_algorithm[each] for each in STRONGEST_FIRST if each in by_algorithm]
    usable = [each for each in ranked if each in own] or ranked
    return JoinedHash(
        next(iter(usable), None),
        tuple(usable[1:]),
        tuple(each for each in ranked if each not in usable),
        tuple(chain.from_iterable(map(_unsupported_in_fragment, urls))),
    )


def hashes_in_fragment(url: str) -> list[HashConfig]:
    """Return the checksums in a fragment.

    They are written as `#sha256=…` for pip, bare for conda, or as `#sha256-…` in base 64 (W3C
    Subresource Integrity, 3.1).

    Raises:
        ValueError: one names an algorithm, and its digest is not valid.
    """
    address, _, fragment = url.partition("#")
    if not fragment:
        return []
    algorithm = _CONDA_HASHES.get(len(fragment))
    if algorithm and _HEX.fullmatch(fragment) and address.partition("?")[0].endswith(_CONDA):
        return [HashConfig(algorithm=algorithm, expected_hash=fragment)]
    return [hint for field in fragment.split("&") if (hint := _in_field(field)) is not None]


def _unsupported_in_fragment(url: str) -> list[str]:
    fields = filter(_UNSUPPORTED.fullmatch, url.partition("#")[2].split("&"))
    names = (re.split("[=:]", field, maxsplit=1)[0].lower() for field in fields)
    return [name for name in names if name.replace("-", "") not in _NAMES]


def _in_field(field: str) -> HashConfig | None:
    named = _NAMED.fullmatch(field)
    if named and (name := named[1].lower().replace("-", "")) in _NAMES:
        return HashConfig.from_checksum_string(f"{name}:{named[2]}")
    if sri := _SRI.fullmatch(field):
        algorithm, text = HashAlgorithm(sri[1]), sri[2]
        if len(text) == -(-algorithm.hex_length * 2 // 3):  # otherwise it is an anchor in a page
            digest = base64.b64decode(f"{text}==").hex()
            return HashConfig(algorithm=algorithm, expected_hash=digest)
    return None


def hash_in_line(line: str) -> HashConfig | None:
    """Return the checksum in a line with one URL: `--hash=sha256:…`, or the last field of apt.

    If there are several `--hash` options, nothing tells which one belongs to the file.

    Raises:
        ValueError: the algorithm is unknown, or the digest is not valid.
    """
    hints = _PIP.findall(line)
    if apt := _APT.match(line):
        name = apt[1].lower()
        hints = [f"{_APT_NAMES.get(name, name)}:{apt[2]}"]
    return HashConfig.from_checksum_string(hints[0]) if len(hints) == 1 else None
