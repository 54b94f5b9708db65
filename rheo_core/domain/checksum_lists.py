"""Lines of checksum files: SHA256SUMS and its kin."""

import re
from typing import NamedTuple

from .hash_validation import HashAlgorithm

NAMELESS = "-"
"""What coreutils write for the standard input; here also for a hash alone."""

# `HEX  NAME` and `HEX *NAME` of GNU coreutils; one space or a tab, as others write it; `HEX` alone.
_GNU = re.compile(r"(?P<hash>[0-9A-Fa-f]{32,128})(?:[ \t]+\*?(?P<name>.+))?")
# `SHA256 (NAME) = HEX` of BSD and `sha256sum --tag`; `SHA2-256(NAME)= HEX` of openssl.
_BSD = re.compile(
    r"(?P<tag>[A-Za-z0-9-]{3,12}) ?\((?P<name>.+)\) ?= ?(?P<hash>[0-9A-Fa-f]{32,128})"
)
_ESCAPE = re.compile(r"\\([\\nr])")
_ESCAPED = {"\\": "\\", "n": "\n", "r": "\r"}
_ALGORITHMS = {algorithm.value: algorithm for algorithm in HashAlgorithm}
_BY_LENGTH = {
    algorithm.hex_length: algorithm
    for algorithm in HashAlgorithm
    if algorithm is not HashAlgorithm.BLAKE2B  # as long as SHA-512, and seldom without its tag
}


class ChecksumLine(NamedTuple):
    """What a line says of a file."""

    name: str  # without a leading `./`; NAMELESS where there is none
    digest: str  # hexadecimal, lower case
    tag: HashAlgorithm | None  # where the line names one

    @property
    def algorithm(self) -> HashAlgorithm | None:
        """The one that the line names, or that makes digests of this length."""
        return self.tag or _BY_LENGTH.get(len(self.digest))


def read_checksum_line(line: str) -> ChecksumLine | None:
    """What a line says; None for one that is no such line, or names an unknown algorithm."""
    stripped = line.strip(" \t\r\n")
    escaped = stripped.startswith("\\")
    stripped = stripped.removeprefix("\\")
    tag = None
    if (match := _GNU.fullmatch(stripped)) is None:
        match = _BSD.fullmatch(stripped)
        if match is None or (tag := _ALGORITHMS.get(_plain(match["tag"]))) is None:
            return None
    name = _unescape(match["name"]) if escaped and match["name"] else match["name"]
    return ChecksumLine((name or NAMELESS).removeprefix("./"), match["hash"].lower(), tag)


def _plain(tag: str) -> str:
    return tag.lower().replace("sha2-", "sha").replace("-", "")


def _unescape(name: str) -> str:
    """coreutils marks a line with a backslash where it wrote some characters of the name so."""
    return _ESCAPE.sub(lambda match: _ESCAPED[match[1]], name)
