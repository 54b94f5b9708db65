"""Read files of an output folder within size limits, because they may be damaged.

The folder may also come from somebody else. Reading any file takes no more memory than the largest
file that rheo writes.
"""

import errno
from collections.abc import Iterator
from io import BufferedReader
from typing import NamedTuple, TypeVar

from rheo_core.domain.fleet import (
    MAX_LINE_BYTES,
    MAX_SHARDS,
    FleetPass,
    FleetPlan,
    FleetStatus,
    ShardFacts,
    from_json,
)

from .targets import Target

MAX_JOURNAL_BYTES = 128 << 20
"""Maximum bytes of a journal to read: over a thousand for each entry of the largest shard."""

_T = TypeVar("_T")


class StoredFileError(ValueError):
    """A file of an output folder is damaged or too large; one sentence without a full stop."""


class _Limits(NamedTuple):
    """Limits of one kind of file. Values take up to 500 times the memory of their text."""

    max_bytes: int
    containers: int  # objects and arrays
    commas: int


_LIMITS: dict[type, _Limits] = {
    FleetPlan: _Limits(64 << 20, MAX_SHARDS + 100, 3 * MAX_SHARDS + 100_000),
    FleetPass: _Limits(64 << 20, 100, 2 * MAX_SHARDS + 10_000),
    FleetStatus: _Limits(8 << 20, 100_000, 300_000),
    ShardFacts: _Limits(128 << 10, 1_000, 10_000),
}


def read_value(target: Target, name: str, kind: type[_T]) -> _T:
    """Read the dataclass `kind` from a file.

    Args:
        target: the output folder.
        name: path of the file in it.
        kind: `FleetPlan`, `FleetPass`, `FleetStatus` or `ShardFacts`.

    Raises:
        FileNotFoundError: the file does not exist.
        OSError: it cannot be read.
        StoredFileError: it is damaged, or larger than any of its kind.
    """
    limits = _LIMITS[kind]
    try:
        text = target.read(name, limits.max_bytes)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise StoredFileError(error.strerror) from None
    containers = text.count(b"{") + text.count(b"[")
    if containers > limits.containers or text.count(b",") > limits.commas:
        raise StoredFileError(f"{name} is damaged: it has more values than such a file can have")
    try:
        return from_json(kind, text)
    except ValueError:
        raise StoredFileError(f"{name} is damaged") from None


def journal_lines(file: BufferedReader) -> Iterator[bytes]:
    """Yield the lines of a journal, up to the first incomplete or overlong one."""
    left = MAX_JOURNAL_BYTES
    while line := file.readline(min(MAX_LINE_BYTES, left)):
        if not line.endswith(b"\n"):
            return
        left -= len(line)
        yield line
