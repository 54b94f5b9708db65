"""File checksums in lists, journals and manifests: `sha256:HEX`."""

import hashlib
from collections.abc import Iterable, Iterator
from io import BufferedReader

from rheo_core.domain.hash_algorithms import HashAlgorithm

_BLOCK_BYTES = 1 << 18
_ALGORITHMS = frozenset(HashAlgorithm)


def matches(blocks: Iterable[bytes], checksums: Iterable[str]) -> bool:
    """Return True if the data have all of these checksums.

    Args:
        blocks: the data, read completely if there is a checksum, otherwise not at all.
        checksums: `ALGORITHM:HEX` in lower case; another program may have written them.

    Raises:
        ValueError: an algorithm is unknown.
    """
    expected = {checksum.partition(":")[::2] for checksum in checksums}
    hashes = {}
    for algorithm, _ in expected:
        if algorithm not in _ALGORITHMS:
            raise ValueError(f"the algorithm {algorithm!r} is unknown")
        hashes[algorithm] = hashlib.new(algorithm)
    if hashes:
        for block in blocks:
            for digest in hashes.values():
                digest.update(block)
    return all(hashes[algorithm].hexdigest() == digest for algorithm, digest in expected)


def blocks_of(file: BufferedReader, size: int) -> Iterator[bytes]:
    """Yield the next `size` bytes of a file in blocks; fewer if it ends earlier."""
    while block := file.read(min(size, _BLOCK_BYTES)):
        size -= len(block)
        yield block
