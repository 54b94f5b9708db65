"""Checksums written next to a URL: in its fragment, or in the rest of its line."""

import re

from .hash_algorithms import HashAlgorithm
from .hash_validation import HashConfig

_NAMES = frozenset(HashAlgorithm)
_CONDA = (".conda", ".tar.bz2")
_CONDA_HASHES = {32: HashAlgorithm.MD5, 64: HashAlgorithm.SHA256}
_HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)
_NAMED = re.compile(r"([a-z]+-?\d+)[=:](.*)", re.IGNORECASE | re.DOTALL)
_PIP = re.compile(r"(?:^|\s)--hash(?:=|\s+)(\w+:\w+)")
_APT = re.compile(r"^'[^']+'\s+\S+\s+\d+\s+(\w+):([0-9a-fA-F]+)\s*$")
_APT_NAMES = {"md5sum": "md5"}


def hash_in_fragment(url: str) -> HashConfig | None:
    """Return the checksum in a fragment: `#sha256=…` as for pip, a bare one as for conda.

    Raises:
        ValueError: it names an algorithm, and its digest is not valid.
    """
    address, _, fragment = url.partition("#")
    for field in fragment.split("&"):
        named = _NAMED.fullmatch(field)
        if named and (name := named[1].lower().replace("-", "")) in _NAMES:
            return HashConfig.from_checksum_string(f"{name}:{named[2]}")
    algorithm = _CONDA_HASHES.get(len(fragment))
    if algorithm and _HEX.fullmatch(fragment) and address.partition("?")[0].endswith(_CONDA):
        return HashConfig(algorithm=algorithm, expected_hash=fragment)
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
