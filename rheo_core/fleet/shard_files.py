"""Shard lists: the entries of each shard, as JSON lines compressed with gzip."""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Set
from io import BytesIO

from isal import igzip

from rheo_core.domain.fleet import (
    LISTS,
    MAX_LINE_BYTES,
    MAX_SHARD_BYTES,
    MAX_SHARDS,
    FleetEntry,
    ShardPlan,
    key_of,
    shard_list_name,
)
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.text import redact_url
from rheo_core.domain.urls import normalise_url
from rheo_core.inputs.reader_api import problem_of

from .rows import Row
from .targets import Target

_MEMBER_LINES = 200
"""Lines compressed at a time. A gzip file may consist of many members (RFC 1952 2.2), so an open
shard needs no state of a compressor, which would take more memory than its data."""
_LEVEL = 2
_URL = re.compile(r"https?://[^\x00-\x20\x7f-\x9f]+")
"""A URL as in plans. If somebody pastes a URL with a line break, a shell would run the rest."""


class ShardWriter:
    """Fills one shard of each lane at a time, and stores full ones."""

    def __init__(self, target: Target, shard_size: int) -> None:
        self._target = target
        self._shard_size = shard_size
        self._open: dict[int, _OpenShard] = {}
        self._plans: list[ShardPlan] = []

    def add(self, lane: int, row: Row) -> None:
        """Append a row to the open shard of a lane.

        Raises:
            ValueError: there are too many shards.
            OSError: the shard cannot be stored.
        """
        shard = self._open.get(lane)
        if shard is None:
            shard = self._open[lane] = self._next_shard(lane)
        shard.add(row)
        if shard.entries == self._shard_size or shard.bytes > MAX_SHARD_BYTES - MAX_LINE_BYTES:
            self._store(lane, shard)

    def finish(self) -> tuple[ShardPlan, ...]:
        """Store the shards that are still open; return the plans of all, by number."""
        for lane, shard in list(self._open.items()):
            self._store(lane, shard)
        return tuple(self._plans)

    def _next_shard(self, lane: int) -> "_OpenShard":
        number = len(self._plans)
        if number == MAX_SHARDS:
            raise ValueError(
                f"the list needs more than {MAX_SHARDS:,} shards of {self._shard_size:,} entries; "
                "choose a larger --shard-size"
            )
        self._plans.append(ShardPlan(lane, 0))
        return _OpenShard(number)

    def _store(self, lane: int, shard: "_OpenShard") -> None:
        data = shard.compressed()
        self._target.put(shard_list_name(shard.number, crc32=shard.crc32), data)
        self._plans[shard.number] = ShardPlan(lane, shard.entries, shard.crc32)
        del self._open[lane]


class _OpenShard:
    """Shard that is being filled; its lines are compressed, a few hundred at a time."""

    __slots__ = ("_compressed", "_lines", "_waiting", "bytes", "crc32", "entries", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.entries = 0
        self.bytes = 0  # of all lines
        self.crc32 = 0  # of the lines that are compressed
        self._lines: list[str] = []
        self._waiting = 0  # bytes of the lines that are not compressed
        self._compressed: list[bytes] = []

    def add(self, row: Row) -> None:
        line = line_of(key_of(self.number, self.entries), row)
        self.entries += 1
        self.bytes += len(line)
        self._waiting += len(line)
        self._lines.append(line)
        if len(self._lines) == _MEMBER_LINES or self._waiting > MAX_LINE_BYTES:
            self._compress()

    def compressed(self) -> bytes:
        self._compress()
        return b"".join(self._compressed)

    def _compress(self) -> None:
        if self._lines:
            text = "".join(self._lines).encode("ascii")
            self.crc32 = zlib.crc32(text, self.crc32)
            self._compressed.append(igzip.compress(text, _LEVEL, mtime=0))
            self._lines.clear()
            self._waiting = 0


def line_of(key: str, row: Row) -> str:
    """Return the line of a row in the list. A row that is too long becomes an unreadable one."""
    line = FleetEntry(key, *row).to_line()
    if len(line) <= MAX_LINE_BYTES:
        return line
    problem = f"it has {len(line):,} bytes with the columns to keep, more than {MAX_LINE_BYTES:,}"
    shown = row.url if row.problem else redact_url(row.url)
    return FleetEntry(key, shown, problem=problem).to_line()


def write_shard(target: Target, shard: int, pass_number: int, entries: Iterable[FleetEntry]) -> int:
    """Store the list of a retry pass, whose entries already have their keys.

    Returns:
        CRC-32 of its lines, which is part of its name.

    Raises:
        OSError: it cannot be stored.
    """
    text = "".join(entry.to_line() for entry in entries).encode("ascii")
    crc32 = zlib.crc32(text)
    data = igzip.compress(text, _LEVEL, mtime=0)
    target.put(shard_list_name(shard, pass_number, crc32), data)
    return crc32


def remove_other_lists(target: Target, named: Set[str], pass_number: int = 1) -> None:
    """Remove lists of planners that were killed, or that lost to another planner.

    A running planner removes its own lists when it finds the plan or the pass.

    Args:
        target: the output folder.
        named: paths of the lists that the plan or the pass names.
        pass_number: 1, or number of the retry pass.

    Raises:
        OSError: they cannot be removed.
    """
    suffix = re.escape(f".p{pass_number}") if pass_number > 1 else ""
    pattern = re.compile(rf"[0-9]{{6}}{suffix}-[0-9a-f]{{8}}\.jsonl\.gz")
    for name in target.names(LISTS):
        if pattern.fullmatch(name) and f"{LISTS}/{name}" not in named:
            target.remove(f"{LISTS}/{name}")


def read_shard(
    target: Target, shard: int, pass_number: int = 1, crc32: int | None = None
) -> Iterator[FleetEntry]:
    """Yield the entries of a shard in the order of their keys.

    Args:
        target: the output folder.
        shard: number of the shard.
        pass_number: 1, or number of a retry pass.
        crc32: checksum of the lines, as `FleetPlan.crc32_of` or `FleetPass.crc32_of` returns it.

    Raises:
        FileNotFoundError: the shard has no list.
        OSError: it cannot be read, or is damaged.
    """
    name, last_key = shard_list_name(shard, pass_number, crc32), ""
    for number, line in enumerate(read_lines(target, shard, pass_number, crc32), 1):
        place = f"line {number:,} of {name}"
        entry = _entry_of(line, shard, place)
        if entry.key <= last_key:
            raise OSError(f"{place}: keys are out of order: {entry.key!r} follows {last_key!r}")
        last_key = entry.key
        yield entry


def read_lines(
    target: Target, shard: int, pass_number: int = 1, crc32: int | None = None
) -> Iterable[bytes]:
    """Return the lines of a shard without checking each of them.

    Arguments and errors are those of `read_shard`.
    """
    name = shard_list_name(shard, pass_number, crc32)
    data = target.read(name, MAX_SHARD_BYTES)
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as plain:
            text = plain.read(MAX_SHARD_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise OSError(f"{name} is damaged: {error}") from None
    if len(text) > MAX_SHARD_BYTES:
        raise OSError(
            f"{name} is damaged: its {len(data):,} bytes decompress to more than "
            f"{MAX_SHARD_BYTES:,}"
        )
    if crc32 not in (None, zlib.crc32(text)):
        raise OSError(f"{name} is damaged: its lines do not match their checksum")
    return BytesIO(text)


def _entry_of(line: bytes, shard: int, place: str) -> FleetEntry:
    """Return the entry of a line; another program may have written it.

    Raises:
        OSError: it is not an entry of this shard, or has neither a usable URL nor a problem.
    """
    if len(line) > MAX_LINE_BYTES:
        raise OSError(f"{place} has {len(line):,} bytes; at most {MAX_LINE_BYTES:,} are read")
    try:
        entry = FleetEntry.from_line(line)
    except ValueError:
        raise OSError(f"{place} is damaged") from None
    if re.fullmatch(rf"{shard:06d}[0-9]{{5}}", entry.key) is None:
        raise OSError(f"{place} has the key {entry.key!r}, which is not of this shard")
    if entry.problem is None:
        _check_usable(entry, place)
    return entry


def _check_usable(entry: FleetEntry, place: str) -> None:
    """Raise OSError if an entry cannot become a download, which would end the whole shard later."""
    try:
        if _URL.fullmatch(entry.url) is None:
            raise ValueError("it is not http or https, or contains spaces")
        normalise_url(entry.url)
    except ValueError as error:
        raise OSError(f"{place} has no URL that can be downloaded: {error}") from None
    try:
        if entry.hash is not None:
            HashConfig.from_checksum_string(entry.hash)
    except ValueError as error:
        raise OSError(f"{place} is damaged: {problem_of(error)}") from None
