"""Parse lines of checksum files such as SHA256SUMS."""

import re
from typing import NamedTuple

from .hash_algorithms import HashAlgorithm

NAMELESS = "-"
"""Name for standard input in coreutils; here also for a hash without a name."""

# `HEX  NAME` and `HEX *NAME` of GNU coreutils; other tools write one space or a tab; `HEX` alone.
_GNU = re.compile(r"(?P<hash>[0-9A-Fa-f]{32,128})(?:[ \t]+\*?(?P<name>.+))?")
# `SHA256 (NAME) = HEX` of BSD and `sha256sum --tag`; `SHA2-256(NAME)= HEX` of openssl.
_BSD = re.compile(
    r"(?P<tag>[A-Za-z0-9-]{3,12}) ?\((?P<name>.+)\) ?= ?(?P<hash>[0-9A-Fa-f]{32,128})"
)
# `(stdin)= HEX` and `SHA2-256(stdin)= HEX` of openssl, for standard input.
_STDIN = re.compile(r"(?P<tag>[A-Za-z0-9-]{3,12})?\(stdin\)= (?P<hash>[0-9A-Fa-f]{32,128})")
_ESCAPE = re.compile(r"\\([\\nr])")
_ESCAPED = {"\\": "\\", "n": "\n", "r": "\r"}
_ALGORITHMS = {algorithm.value: algorithm for algorithm in HashAlgorithm}
_BY_LENGTH = {
    algorithm.hex_length: algorithm
    for algorithm in HashAlgorithm
    if algorithm is not HashAlgorithm.BLAKE2B  # as long as SHA-512, and rarely without a tag
}


class ChecksumLine(NamedTuple):
    """Checksum of one file."""

    name: str  # without a leading `./`; NAMELESS if the line has none
    digest: str  # hexadecimal, lower case
    tag: HashAlgorithm | None  # if the line names one

    @property
    def algorithm(self) -> HashAlgorithm | None:
        """Algorithm that the line names, or else the one whose digests have this length."""
        return self.tag or _BY_LENGTH.get(len(self.digest))


def read_checksum_line(line: str) -> ChecksumLine | None:
    """Parse a line; return None if it has another form or names an unknown algorithm."""
    stripped = line.strip(" \t\r\n")
    escaped = stripped.startswith("\\")
    stripped = stripped.removeprefix("\\")
    tag = None
    if stdin := _STDIN.fullmatch(stripped):
        stripped = f"{stdin['tag']}({NAMELESS})= {stdin['hash']}" if stdin["tag"] else stdin["hash"]
    if (match := _GNU.fullmatch(stripped)) is None:
        match = _BSD.fullmatch(stripped)
        if match is None or (tag := _ALGORITHMS.get(_plain(match["tag"]))) is None:
            return None
    name = _unescape(match["name"]) if escaped and match["name"] else match["name"]
    return ChecksumLine((name or NAMELESS).removeprefix("./"), match["hash"].lower(), tag)


def _plain(tag: str) -> str:
    return tag.lower().replace("sha2-", "sha").replace("-", "")


def _unescape(name: str) -> str:
    """Undo the escapes of coreutils, which begins such a line with a backslash."""
    return _ESCAPE.sub(lambda match: _ESCAPED[match[1]], name)
