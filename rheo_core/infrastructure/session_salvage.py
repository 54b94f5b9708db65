"""Read the rows of a damaged session directly from its pages.

SQLite cannot read a file whose first page is damaged, and stops at the first bad frame of a
write-ahead log. The seal of each row makes a simpler way safe: search every page for cells of
tables, and accept a row if its seal is correct. If rows are missing, records are also searched
anywhere in a page, because its head may be damaged. The formats are those of
https://sqlite.org/fileformat2.html (sections 1.6, 2.1 and 4.1).
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import mode
from struct import unpack, unpack_from
from typing import Any, NamedTuple

from rheo_core.domain.file_config import STORED, FileConfig

from . import session_schema as schema
from .identity import UNTRUSTED_FILE
from .session_integrity import Seals
from .session_schema import Proof
from .session_tally import Tally, latest, tally_of

PAGE_BYTES = 4096  # of every session that we create
WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
_MAX_REREADS = 4
"""Number of times that the overflow pages of a session are read: for its cells, for scattered
records, for older pages, and once more for records that only look like ours."""
_TABLE_LEAF = 0x0D
_SEALED_V3_COLUMNS = len(schema.COLUMNS_OF_LAYOUT_3) + 1
_SEALED_COLUMNS = (_SEALED_V3_COLUMNS, len(schema.COLUMNS) + 1)
_V1_COLUMNS = len(schema.COLUMNS_OF_LAYOUT_3) - 2  # without "listed" and "id_rule"
_LISTED = schema.COLUMNS.index("listed")
_ID_TYPE = 2 * 16 + 13  # a text of sixteen letters, such as the first value of our rows
_RECORD = re.compile(rb"[\x10-\x7f](?=%b)" % re.escape(bytes([_ID_TYPE])))
"""First bytes of a record of ours: the length of its head, and the type of its first value."""

RawRow = tuple[Any, ...]


@dataclass(slots=True)
class Salvaged:
    """Rows and tally read from a damaged session."""

    rows: dict[str, RawRow] = field(
        default_factory=dict
    )  # stored values by id; the seal is the last
    unsealed: dict[str, RawRow] = field(default_factory=dict)  # rows of earlier layouts
    tally: Tally | None = None  # the latest one
    damaged: int = 0  # cells that are not valid
    has_ours: bool = False  # a row or a tally is sealed with our key


class Frame(NamedTuple):
    """A page in a write-ahead log."""

    page: int  # number, from 1
    is_commit: bool
    offset: int  # of its content in the log, bytes


class _Image(NamedTuple):
    """Place of a version of a page, in the session or in its log."""

    descriptor: int
    offset: int


def salvage(path: Path, seals: Seals, known: Tally | None) -> Salvaged:
    """Read all readable rows of a session and its write-ahead log.

    Args:
        path: the session; it and its log may be missing.
        seals: judges the rows.
        known: the tally in the note next to the file. If it counts more rows than the newest
            pages contain, older pages in the log may contain them.

    Raises:
        OSError: the session cannot be opened.
    """
    with ExitStack() as files:
        main = _open(path, files)
        log = _open(path.with_name(f"{path.name}-wal"), files)
        named_size = page_size(_read(main, 0, 18)) if main is not None else PAGE_BYTES
        candidates = [_salvage(main, log, size, seals, known) for size in {named_size, PAGE_BYTES}]
        return max(candidates, key=lambda salvaged: len(salvaged.rows))


def _salvage(
    main: int | None, log: int | None, size: int, seals: Seals, known: Tally | None
) -> Salvaged:
    newest, older = _pages(main, log, size)
    salvaged = Salvaged()
    pages = _Reader(newest, size, _MAX_REREADS * size * (len(newest) + len(older)))
    for number in newest:
        _add_cells(salvaged, pages.cells(number, newest[number]), seals)
    salvaged.tally = latest(salvaged.tally, known)
    expected = salvaged.tally.downloads if salvaged.tally else 0
    if len(salvaged.rows) < expected or salvaged.tally is None:
        for image in newest.values():
            _add_scattered(salvaged, pages.scattered(image), seals)
    for number, image in older:
        if len(salvaged.rows) >= expected:
            break
        _add_cells(salvaged, pages.cells(number, image), seals, only_new=True)
    if not salvaged.rows and salvaged.tally is None:  # else these are damaged rows of this layout
        salvaged.rows = salvaged.unsealed
    return salvaged


def frames(log: int, page_bytes: int) -> list[Frame]:
    """Return the frames of a write-ahead log up to its last commit, damaged ones included.

    Frames of earlier generations, which have other salts, are left out. The header and the first
    two frames vote on the salts, because one of them may be damaged.

    Args:
        log: descriptor of the log.
        page_bytes: size of a page.
    """
    header = _read(log, 0, WAL_HEADER_BYTES)
    step = FRAME_HEADER_BYTES + page_bytes
    heads = [
        head
        for offset in range(WAL_HEADER_BYTES, os.fstat(log).st_size - step + 1, step)
        if len(head := _read(log, offset, FRAME_HEADER_BYTES)) == FRAME_HEADER_BYTES
    ]
    if len(header) < WAL_HEADER_BYTES or not heads:
        return []
    salts = mode([header[16:24], *(head[8:16] for head in heads[:2])])
    committed = [
        Frame(*_page_and_commit(head), WAL_HEADER_BYTES + index * step + FRAME_HEADER_BYTES)
        for index, head in enumerate(heads)
        if head[8:16] == salts
    ]
    while committed and not committed[-1].is_commit:
        committed.pop()
    return committed


def _page_and_commit(head: bytes) -> tuple[int, bool]:
    page, pages_after_commit = unpack_from(">II", head)
    return page, pages_after_commit != 0


def _open(path: Path, files: ExitStack) -> int | None:
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | UNTRUSTED_FILE)
        files.callback(os.close, descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
    return None


def _read(descriptor: int, offset: int, count: int) -> bytes:
    with suppress(OSError):  # a bad sector; the bytes around it may be readable
        return os.pread(descriptor, count, offset)
    return b""


def page_size(head: bytes) -> int:
    """Return the page size in the head of a session, in bytes; the usual size if damaged."""
    size = int.from_bytes(head[16:18], "big")
    return size if size >= 512 and size & (size - 1) == 0 else PAGE_BYTES


def _pages(
    main: int | None, log: int | None, size: int
) -> tuple[dict[int, _Image], list[tuple[int, _Image]]]:
    """Return the newest image of each page by number, and the older images, newest first."""
    newest: dict[int, _Image] = {}
    older: list[tuple[int, _Image]] = []
    if main is not None:
        for index in range(os.fstat(main).st_size // size):
            newest[index + 1] = _Image(main, index * size)
    if log is not None:
        for frame in frames(log, size):
            if frame.page in newest:
                older.append((frame.page, newest[frame.page]))
            newest[frame.page] = _Image(log, frame.offset)
    return newest, older[::-1]


class _Reader:
    """Reader of table cells in pages.

    Args:
        newest: the newest image of each page, for rows that continue in overflow pages.
        size: size of a page, bytes.
        budget: maximum number of bytes of overflow pages to read. Cells of a sound session share
            none, but those of a damaged or hostile one may all lead to the same pages, or in a
            circle.
    """

    def __init__(self, newest: dict[int, _Image], size: int, budget: int) -> None:
        self._newest = newest
        self._size = size
        self._budget = budget

    def cells(self, number: int, image: _Image) -> Iterator[RawRow | None]:
        """Yield the values of each cell of a page; None for a cell that is not valid."""
        page = _read(*image, self._size)
        start = 100 if number == 1 else 0  # the header of the file
        if len(page) < self._size or page[start] != _TABLE_LEAF:
            return
        (count,) = unpack_from(">H", page, start + 3)
        first = start + 8
        count = min(count, (self._size - first) // 2)
        rest = 2 * self._size  # sound cells do not overlap; a damaged length may be too large
        for at in dict.fromkeys(unpack_from(f">{count}H", page, first)):
            try:
                total, start = _varint(page, at)
                _, start = _varint(page, start)  # the rowid
                rest -= start - at + self._local(min(total, schema.MAX_ROW_BYTES))
                yield _values(self._payload(page, total, start))
            except (ValueError, IndexError, OverflowError):
                yield None
            if rest < 0:
                return

    def scattered(self, image: _Image) -> Iterator[RawRow]:
        """Yield the values of records like ours anywhere in a page.

        The head of a page has the offsets of its cells. Even if it is damaged, the cells may be
        sound.
        """
        page = _read(*image, self._size)
        for match in _RECORD.finditer(page):
            at = match.start()
            with suppress(ValueError, IndexError, OverflowError):
                kinds = islice(_kinds(page, at), _SEALED_COLUMNS[-1] + 1)
                sizes = [size for _, size in kinds]
                if len(sizes) in _SEALED_COLUMNS:
                    yield _values(self._payload(page, page[at] + sum(sizes), at))

    def _payload(self, page: bytes, total: int, at: int) -> bytes:
        if total > schema.MAX_ROW_BYTES:  # a damaged length has any value
            raise ValueError("too long")
        local = self._local(total)
        payload = [page[at : at + local]]
        following = unpack_from(">I", page.ljust(at + local + 4), at + local)[0]
        rest = total - local
        while rest > 0:
            self._budget -= self._size
            if self._budget < 0:
                raise ValueError("too many overflow pages")
            more = _read(*self._newest[following], self._size) if following in self._newest else b""
            if len(more) < self._size:
                raise ValueError("cut off")
            payload.append(more[4 : 4 + rest])
            rest -= len(payload[-1])
            (following,) = unpack_from(">I", more)
        return b"".join(payload)

    def _local(self, total: int) -> int:
        """Return the number of bytes of a cell that are in its page (section 1.6)."""
        max_local = self._size - 35
        if total <= max_local:
            return total
        min_local = (self._size - 12) * 32 // 255 - 23
        local = min_local + (total - min_local) % (self._size - 4)
        return local if local <= max_local else min_local


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9


def _values(record: bytes) -> RawRow:
    """Return the values of a record (section 2.1).

    Raises:
        ValueError, IndexError: it is not valid.
    """
    body, _ = _varint(record, 0)
    values: list[Any] = []
    for kind, size in islice(_kinds(record, 0), _SEALED_COLUMNS[-1] + 1):  # our rows have no more
        data = record[body : body + size]
        if len(data) < size:
            raise ValueError("cut off")
        body += size
        values.append(_value(kind, data))
    return tuple(values)


def _kinds(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Yield type and size (bytes) of each value of the record at `start`."""
    head, at = _varint(data, start)
    end = start + head
    while at < end:
        # Most are one byte, and a damaged page is searched for a record at each of its bytes.
        kind, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at)
        size = (kind - 12) // 2 if kind >= 12 else (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, -1, -1)[kind]
        if size < 0:
            raise ValueError("no such type")
        yield kind, size


def _value(kind: int, data: bytes) -> Any:
    if kind == 0:
        return None
    if kind == 7:
        return unpack(">d", data)[0]
    if kind in (8, 9):
        return kind - 8
    if kind < 12:
        return int.from_bytes(data, "big", signed=True)
    return data.decode() if kind % 2 else data


def _add_cells(
    salvaged: Salvaged, cells: Iterable[RawRow | None], seals: Seals, *, only_new: bool = False
) -> None:
    for values in cells:
        if values is None:
            salvaged.damaged += 1
        elif len(values) == 4:
            _add_tally(salvaged, values, seals)
        elif len(values) in range(_V1_COLUMNS, _SEALED_COLUMNS[-1] + 1):
            is_sealed = len(values) in _SEALED_COLUMNS
            row = _sound_row(values, seals) if is_sealed else _sound_unsealed(values, seals)
            rows = salvaged.rows if is_sealed else salvaged.unsealed
            if row is None:
                salvaged.damaged += 1
            elif row[0] not in rows or not only_new:
                rows[row[0]] = row
                salvaged.has_ours |= seals.judge(row[:-1], row[-1]) is Proof.OURS


def _add_scattered(salvaged: Salvaged, cells: Iterable[RawRow], seals: Seals) -> None:
    """Add the rows that are still missing."""
    for values in cells:
        if values[0] in salvaged.rows or (row := _sound_row(values, seals)) is None:
            continue
        salvaged.rows[row[0]] = row
        salvaged.has_ours |= seals.judge(row[:-1], row[-1]) is Proof.OURS


def _add_tally(salvaged: Salvaged, values: RawRow, seals: Seals) -> None:
    if tally := tally_of(values, seals):
        salvaged.tally = latest(salvaged.tally, tally)
        salvaged.has_ours |= seals.judge(values[:-1], values[-1]) is Proof.OURS


def _sound_row(values: RawRow, seals: Seals) -> RawRow | None:
    """Return the values of a row, with its seal last; None if it is damaged."""
    row = _with_floats(values)
    if len(row) == _SEALED_V3_COLUMNS:
        row[-1:] = None, seals.renew(row[:-1], row[-1])
    else:  # a later migration added the failure behind the seal
        row[-2:] = row[-1], row[-2]
    return None if seals.judge_row(row[:-1], row[-1]) is Proof.DAMAGED else tuple(row)


def _sound_unsealed(values: RawRow, seals: Seals) -> RawRow | None:
    """Return the values of a row of an earlier layout, with a seal; None if it is damaged."""
    # Listed, with no rule and no kind of failure.
    row = [*[*_with_floats(values), 1][: _V1_COLUMNS + 1], 0, None]
    is_sound = schema.is_typed(row) and _is_itself(row)
    return (*row, seals.make_late(row)) if is_sound else None


def _with_floats(values: RawRow) -> list[Any]:
    """Undo what SQLite does to a float such as 2.0, which it stores as 2."""
    row = list(values)
    for index in schema.REALS:
        if isinstance(row[index], int):
            row[index] = float(row[index])
    return row


def _is_itself(row: list[Any]) -> bool:
    """Check a row without a seal by its id, which comes from its URL."""
    try:
        config = FileConfig.model_validate_json(row[1], context=STORED)
    except (ValueError, TypeError):
        return False
    return config.id == row[0] or not row[_LISTED]  # the history keeps no secrets of its URLs
