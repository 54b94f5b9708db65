"""Check the sizes of Parquet pages before pyarrow allocates memory for them.

A page header states the size of the page, up to 2 GiB, and pyarrow allocates it at once. A few
kilobytes can decompress to that size, so this module reads the headers first.
"""

import os
from collections.abc import Iterator
from io import BufferedReader
from typing import TYPE_CHECKING, Any, NamedTuple

from .thrift_compact import BINARY, INT_32, INT_64, CompactReader, Fields, Struct

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

_BATCH_BYTES = 64 << 20
"""Size of a batch, unless one row is longer. A flat column may take two more pages."""
_MAX_LISTS_BYTES = 512 << 20
"""Size of all lists of a column in a row group, because all of them may be in one row."""
_ITEM_BYTES = 16  # minimum memory of a list item
MAX_PAGE_BYTES = 128 << 20
"""Size of a page. Most programs write pages of 1 MiB, and none more than 100 MB by default."""
_MAX_FOOTER_BYTES = 16 << 20
_MAX_COLUMNS = 10_000  # of all levels
_MAX_ITEMS = 500_000
"""Items of all lists in a footer: columns, row groups, their columns, encodings and names. pyarrow
takes up to a thousand bytes of memory for each, and three bytes of a footer may be one. A list of a
billion rows in groups of a million has a tenth of that."""
_FOOTER_END_BYTES = 8  # length of the footer, and `PAR1`
_HEAD_BYTES = 1 << 10
_MAX_HEAD_BYTES = 1 << 20  # it may contain the minimum and maximum of its page
_MAX_HEAD_ITEMS = 10_000  # Parquet has no lists there so far

# Numbers of fields: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
_SCHEMA, _ROW_GROUPS, _COLUMNS, _META_DATA = 2, 4, 1, 3
_VALUES, _BYTES, _DATA_PAGE, _DICTIONARY_PAGE = 5, 7, 9, 11  # of the data on a column
_COLUMN: Fields = {
    2: [INT_32], 3: [BINARY], _VALUES: INT_64, _BYTES: INT_64, 8: [{}], _DATA_PAGE: INT_64,
    _DICTIONARY_PAGE: INT_64, 13: [{}], 16: {2: [INT_64], 3: [INT_64]}, 17: {2: [INT_32]},
}  # fmt: skip
_ROW_GROUP: Fields = {_COLUMNS: [{_META_DATA: _COLUMN, 8: {2: {1: [BINARY]}}}], 4: [{}]}
_FOOTER: dict[int, Fields] = {_SCHEMA: {}, _ROW_GROUPS: _ROW_GROUP, 5: {}, 7: {}}  # all are lists
_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3  # of the head of a page
_DICTIONARY = 2  # type of a page
_DATA_HEADS = {0: 5, 3: 8}  # fields by the types of pages
_ENCODINGS = {0: 2, 3: 4}  # fields of these
_COUNT = 1
_HEAD: Fields = {
    _TYPE: INT_32,
    _UNCOMPRESSED: INT_32,
    _COMPRESSED: INT_32,
    5: {_COUNT: INT_32, 2: INT_32},
    8: {_COUNT: INT_32, 4: INT_32},
}
_WITH_DICTIONARY, _DELTA_BYTE_ARRAY = frozenset({2, 8}), 7  # encodings


class _Leaf(NamedTuple):
    """A column of values. A column of the list may consist of several."""

    path: str
    is_in_list: bool
    width: int  # bytes in memory of a value or null of fixed length; 0: variable length


def open_parquet(file: BufferedReader, **options: Any) -> "ParquetFile":
    """Open a Parquet file in pyarrow, unless its footer would take too much memory.

    Raises:
        ValueError: the footer is too long, has too many items, or is damaged; a phrase.
        pyarrow.ArrowException, OSError: the file cannot be read.
    """
    from pyarrow import parquet

    if footer := _footer(file):
        _check_footer(footer)
    file.seek(0)
    return parquet.ParquetFile(file, pre_buffer=False, **options)


def batches(
    file: BufferedReader, table: "ParquetFile", rows: int, columns: list[str]
) -> "Iterator[pyarrow.RecordBatch]":
    """Yield some columns of a Parquet file in batches, after checking their pages.

    Batches have fewer rows than requested if rows may be long.

    Args:
        file: the file.
        table: the same, open in pyarrow.
        rows: maximum number of rows in a batch.
        columns: names of columns.

    Raises:
        ValueError: a page is too large, or the file is damaged; a phrase.
        pyarrow.ArrowException, OSError: the file cannot be read.
    """
    for number, row_bytes in enumerate(_checked_groups(file, _leaves(table, columns), rows)):
        fitting = min(rows, _BATCH_BYTES // max(row_bytes, 1)) or 1
        yield from table.iter_batches(fitting, [number], columns, use_threads=False)


def _leaves(table: "ParquetFile", names: list[str]) -> dict[int, _Leaf]:
    """Return these columns and the columns inside them, by their places in a row group."""
    columns = [table.schema.column(number) for number in range(len(table.schema))]
    return {
        number: _Leaf(column.path, column.max_repetition_level > 0, max(column.length, 0))
        for number, column in enumerate(columns)
        if any(column.path == name or column.path.startswith(f"{name}.") for name in names)
    }


def _checked_groups(file: BufferedReader, leaves: dict[int, _Leaf], rows: int) -> Iterator[int]:
    """Check the pages of each row group in turn; yield the maximum bytes of one of its rows.

    Args:
        file: the file.
        leaves: columns to check, by their places in a row group.
        rows: maximum number of rows in a batch. If a page has more rows, a batch takes only a part
            of its bytes.

    Raises:
        ValueError: a page is too large, or the file is damaged; a phrase.
    """
    left = file.seek(0, os.SEEK_END)
    try:
        for group in _items(_footer(file), _ROW_GROUPS):
            row_bytes = 0
            for number, leaf in leaves.items():
                pages = _Pages(leaf, rows)
                pages.check(file, group[_COLUMNS][number][_META_DATA])
                row_bytes += pages.row_bytes
                left -= pages.length
                if left < 0:  # otherwise a short file could take for ever
                    raise ValueError("its columns overlap")
            yield row_bytes
    except (LookupError, OverflowError, TypeError):
        raise ValueError("its footer or the head of a page is damaged") from None


def _footer(file: BufferedReader) -> bytes:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - _FOOTER_END_BYTES, 0))
    length, mark = int.from_bytes(file.read(4), "little"), file.read(4)
    if mark != b"PAR1":
        return b""  # pyarrow reports the problem
    if length > _MAX_FOOTER_BYTES:
        raise ValueError(f"its footer has {length:,} bytes, more than {_MAX_FOOTER_BYTES:,}")
    file.seek(max(end - _FOOTER_END_BYTES - length, 0))
    return file.read(min(length, end))


def _check_footer(footer: bytes) -> None:
    """Raise ValueError if a footer has more columns or items than any useful one."""
    try:
        columns = sum(1 for _ in _items(footer, _SCHEMA))
    except (LookupError, OverflowError, TypeError):
        raise ValueError("its footer is damaged") from None
    if columns > _MAX_COLUMNS:
        raise ValueError(f"it has more than {_MAX_COLUMNS:,} columns")


def _items(footer: bytes, field: int) -> Iterator[Struct]:
    """Yield the items of a list in a footer, one at a time in memory; read the rest too.

    pyarrow's own objects for row groups may end the process if the footer is damaged.
    """
    reader = CompactReader(footer, _MAX_ITEMS)
    for number in reader.fields({number: [shape] for number, shape in _FOOTER.items()}):
        for _ in reader.items(_FOOTER[number]):
            item = reader.value(_FOOTER[number])
            if number == field:
                yield item


class _Pages:
    """Pages of a column in a row group.

    Attributes:
        length: their bytes in the file.
        row_bytes: maximum bytes of a row in memory; 0 for lists, which have a total limit.
    """

    def __init__(self, leaf: _Leaf, rows: int) -> None:
        self._leaf = leaf
        self._rows = rows
        self._dictionary_bytes = 0
        self._lists_bytes = 0
        self.length = 0
        self.row_bytes = 0

    def check(self, file: BufferedReader, column: Struct) -> None:
        """Check all pages.

        Raises:
            ValueError: a page, a value or the total of all lists is too large.
            LookupError, OverflowError, TypeError: something is damaged.
        """
        if column[_VALUES] == 0:
            return  # pyarrow reads no page, and there may be none
        if self._leaf.width > MAX_PAGE_BYTES:  # pyarrow allocates them even for a null
            raise ValueError(
                f"a value of the column {self._leaf.path!r} has {self._leaf.width:,} bytes, more "
                f"than {MAX_PAGE_BYTES:,}"
            )
        start: int = column[_DATA_PAGE]
        if 0 < column.get(_DICTIONARY_PAGE, 0) < start:
            start = column[_DICTIONARY_PAGE]
        place, end = start, start + column[_BYTES]
        while place < end:
            head, length = _head_at(file, place)
            self._add(head)
            place += length + max(head[_COMPRESSED], 0)
        self.length = place - start

    def _add(self, head: Struct) -> None:
        name, size = self._leaf.path, max(head[_UNCOMPRESSED], head[_COMPRESSED])
        if size > MAX_PAGE_BYTES:
            raise ValueError(
                f"a page of the column {name!r} has {size:,} bytes, more than {MAX_PAGE_BYTES:,}"
            )
        if head[_TYPE] == _DICTIONARY:
            self._dictionary_bytes = max(self._dictionary_bytes, size)
        elif (field := _DATA_HEADS.get(head[_TYPE])) is not None:
            data = head[field]
            self._add_values(data[_COUNT], data[_ENCODINGS[head[_TYPE]]], size)

    def _add_values(self, count: int, encoding: int, size: int) -> None:
        """Count a page of values, one of which may be as long as the page."""
        count = max(count, 0)
        longest = size
        if encoding in _WITH_DICTIONARY:
            longest = self._dictionary_bytes
        is_repeated = encoding in _WITH_DICTIONARY or encoding == _DELTA_BYTE_ARRAY
        if not self._leaf.is_in_list:
            most = longest if is_repeated else longest // max(1, min(count, self._rows))
            self.row_bytes = max(self.row_bytes, most, self._leaf.width)
            return
        least = count * max(_ITEM_BYTES, self._leaf.width)
        self._lists_bytes += max(count * longest if is_repeated else longest, least)
        if self._lists_bytes > _MAX_LISTS_BYTES:
            raise ValueError(
                f"the lists of the column {self._leaf.path!r} may take {self._lists_bytes:,} bytes "
                f"in a row group, more than {_MAX_LISTS_BYTES:,}; write it in smaller row groups, "
                "and without a dictionary"
            )


def _head_at(file: BufferedReader, place: int) -> tuple[Struct, int]:
    """Return the head of a page, and its length in bytes.

    Raises:
        ValueError: its lists have too many items.
        LookupError, OverflowError, TypeError: it is damaged.
    """
    if place < 0:
        raise IndexError(place)
    length = _HEAD_BYTES
    while True:
        file.seek(place)
        reader = CompactReader(file.read(length), _MAX_HEAD_ITEMS)
        try:
            return reader.struct(_HEAD), reader.place
        except IndexError:
            if length >= _MAX_HEAD_BYTES:
                raise
            length *= 4  # it may be longer
