"""Pages of Parquet files, measured before pyarrow allocates memory for them.

The head of a page states its size, up to 2 GiB, and pyarrow allocates it at once. A few kilobytes
may decompress to that, so heads are read here first.
"""

import os
from collections.abc import Collection, Iterator
from io import BufferedReader
from typing import TYPE_CHECKING, Any

from .compact import CompactReader, Struct

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

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
_MAX_HEAD_BYTES = 1 << 20  # it may hold the least and the greatest value of its page

# Numbers of fields: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
_SCHEMA, _ROW_GROUPS, _COLUMNS, _META_DATA, _LIST = 2, 4, 1, 3, 9
_PATH, _VALUES, _BYTES, _DATA_PAGE, _DICTIONARY_PAGE = 3, 5, 7, 9, 11  # of the data on a column
_UNCOMPRESSED, _COMPRESSED, _DATA, _DATA_V2, _VALUES_IN_PAGE = 2, 3, 5, 8, 1  # of a head
_NO_DATA = {_VALUES_IN_PAGE: 0}  # as in a dictionary


def open_parquet(file: BufferedReader, **options: Any) -> "ParquetFile":
    """Open a Parquet file in pyarrow, unless its footer would take any amount of memory.

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
    """Yield some columns of a Parquet file in batches; look at their pages before.

    Args:
        file: the file.
        table: the same, open in pyarrow.
        rows: largest number of rows in a batch.
        columns: names of columns.

    Raises:
        ValueError: a page is too large, or the file is damaged; a phrase.
        pyarrow.ArrowException, OSError: the file cannot be read.
    """
    for number, _ in enumerate(_checked_groups(file, columns)):
        yield from table.iter_batches(rows, [number], columns, use_threads=False)


def _checked_groups(file: BufferedReader, columns: Collection[str]) -> Iterator[None]:
    """Check the pages of each row group in turn.

    Raises:
        ValueError: a page is too large, or the file is damaged; a phrase.
    """
    try:
        for group in _row_groups(_footer(file)):
            for column in group[_COLUMNS]:
                _check_column(file, column[_META_DATA], columns)
            yield
    except (LookupError, OverflowError, TypeError, UnicodeDecodeError):
        raise ValueError("its footer or the head of a page is damaged") from None


def _footer(file: BufferedReader) -> bytes:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - _FOOTER_END_BYTES, 0))
    length, mark = int.from_bytes(file.read(4), "little"), file.read(4)
    if mark != b"PAR1":
        return b""  # pyarrow says what it is
    if length > _MAX_FOOTER_BYTES:
        raise ValueError(f"its footer has {length:,} bytes, more than {_MAX_FOOTER_BYTES:,}")
    file.seek(max(end - _FOOTER_END_BYTES - length, 0))
    return file.read(min(length, end))


def _check_footer(footer: bytes) -> None:
    """Raise ValueError if a footer has more columns or items than any useful one."""
    reader = CompactReader(footer, _MAX_ITEMS)
    columns = 0
    try:
        for number, kind in reader.fields():
            if kind != _LIST:
                reader.value(kind)
                continue
            for each in reader.items():  # one at a time in memory
                reader.value(each)
                columns += number == _SCHEMA
                if columns > _MAX_COLUMNS:
                    raise ValueError(f"it has more than {_MAX_COLUMNS:,} columns")
    except (LookupError, OverflowError, TypeError):
        raise ValueError("its footer is damaged") from None


def _row_groups(footer: bytes) -> Iterator[Struct]:
    """Yield the row groups of a footer, one at a time in memory.

    pyarrow's own objects for them may end the process if the footer is damaged.
    """
    reader = CompactReader(footer)
    for number, kind in reader.fields():
        if number == _ROW_GROUPS:
            for each in reader.items():
                yield reader.value(each)
        else:
            reader.value(kind)


def _check_column(file: BufferedReader, column: Struct, names: Collection[str]) -> None:
    """Check the pages of a column in a row group, if it is one of these or within one.

    Raises:
        ValueError: one of them is too large.
        LookupError, OverflowError, TypeError, UnicodeDecodeError: something is damaged.
    """
    path = b".".join(column[_PATH]).decode()
    if not any(path == name or path.startswith(f"{name}.") for name in names):
        return
    place: int = column[_DATA_PAGE]
    if 0 < column.get(_DICTIONARY_PAGE, 0) < place:
        place = column[_DICTIONARY_PAGE]
    end, values = place + column[_BYTES], 0
    while values < column[_VALUES] and place < end:
        head, length = _head_at(file, place)
        size = max(head[_UNCOMPRESSED], head[_COMPRESSED])
        if size > MAX_PAGE_BYTES:
            raise ValueError(
                f"a page of the column {path!r} has {size:,} bytes, more than {MAX_PAGE_BYTES:,}"
            )
        place += length + max(head[_COMPRESSED], 0)
        data = head[_DATA] if _DATA in head else head.get(_DATA_V2, _NO_DATA)
        values += data[_VALUES_IN_PAGE]


def _head_at(file: BufferedReader, place: int) -> tuple[Struct, int]:
    """Return the head of a page, and its length in bytes.

    Raises:
        LookupError, OverflowError, TypeError: it is damaged.
    """
    if place < 0:
        raise IndexError(place)
    length = _HEAD_BYTES
    while True:
        file.seek(place)
        reader = CompactReader(file.read(length))
        try:
            return reader.struct(), reader.place
        except IndexError:
            if length >= _MAX_HEAD_BYTES:
                raise
            length *= 4  # it may be longer
