"""Check a part file against the checksums of its pieces."""

import hashlib
import heapq
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from isal import isal_zlib

from rheo_core.domain.hash_validation import PieceHashes

from .segments import WrittenRange

_READ_BYTES = 1 << 20
_MAX_RANGES = 1000
"""Maximum number of good ranges. Each gap takes a request and space in the state file."""


@dataclass(frozen=True, slots=True)
class PieceCheck:
    """Result of checking pieces."""

    good: tuple[WrittenRange, ...] = ()  # in order; adjacent pieces are one range
    bad: dict[int, str] = field(default_factory=dict)  # their digests, by number from 0


def check_pieces(
    descriptor: int,
    pieces: PieceHashes,
    total: int | None,
    written: Sequence[WrittenRange],
    stop: threading.Event,
) -> PieceCheck:
    """Read and check every piece that is completely on the disk.

    Args:
        descriptor: the part file.
        pieces: the expected checksums.
        total: size of the file in bytes, where the last piece ends; None if unknown.
        written: ranges in the file.
        stop: ends the check early. The result is then meaningless.

    Raises:
        OSError: the file cannot be read.
    """
    good: list[WrittenRange] = []
    bad: dict[int, str] = {}
    for number, start, end in _whole_pieces(pieces, total, written):
        if not good or good[-1].end != start:
            good.append(WrittenRange(start, start, 0))
        digest, crc = _read(descriptor, start, end, pieces.algorithm, good[-1].crc, stop)
        if digest == pieces.hashes[number]:
            good[-1] = replace(good[-1], end=end, crc=crc)
        else:
            bad[number] = digest
        if stop.is_set():
            break
    return PieceCheck(_largest(good), bad)


def gaps(written: Sequence[WrittenRange], total: int | None) -> list[tuple[int, int]]:
    """Return start and end (exclusive) of missing ranges, up to `total` if it is known."""
    missing, start = [], 0
    for span_start, span_end in _spans(written):
        missing.append((start, span_start))
        start = span_end
    missing.append((start, total or start))
    return [(start, end) for start, end in missing if end > start]


def _whole_pieces(
    pieces: PieceHashes, total: int | None, written: Sequence[WrittenRange]
) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each piece that is completely on the disk."""
    last = len(pieces.hashes) - 1
    for span_start, span_end in _spans(written):
        number = -(-span_start // pieces.length)
        while number <= last:
            start, end = number * pieces.length, (number + 1) * pieces.length
            if number == last:
                end = span_end + 1 if total is None else total  # may not be complete
            if end > span_end:
                break
            yield number, start, end
            number += 1


def _spans(written: Sequence[WrittenRange]) -> Iterator[tuple[int, int]]:
    """Yield the written ranges, joined if they touch."""
    start = end = 0
    for written_range in sorted(written, key=lambda each: each.start):
        if written_range.start > end:
            yield start, end
            start = written_range.start
        end = written_range.end
    yield start, end


def _read(
    descriptor: int, start: int, end: int, algorithm: str, crc: int, stop: threading.Event
) -> tuple[str, int]:
    """Return the digest of a range, and its CRC-32 continued from `crc`."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    while start < end and not stop.is_set():
        data = os.pread(descriptor, min(_READ_BYTES, end - start), start)
        if not data:
            break
        digest.update(data)
        crc = isal_zlib.crc32(data, crc)
        start += len(data)
    return digest.hexdigest(), crc


def _largest(ranges: list[WrittenRange]) -> tuple[WrittenRange, ...]:
    ranges_with_bytes = (one for one in ranges if one.end > one.start)
    largest = heapq.nlargest(_MAX_RANGES, ranges_with_bytes, key=lambda one: one.end - one.start)
    return tuple(sorted(largest, key=lambda one: one.start))
