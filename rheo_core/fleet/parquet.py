"""Read Parquet lists in batches."""

import math
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from typing import TYPE_CHECKING

from rheo_core.inputs.reader_api import MAX_LINE_LENGTH

from .columns import TableOptions, find_columns
from .parquet_pages import batches, open_parquet
from .rows import ListError, Row, unreadable_row

if TYPE_CHECKING:
    import pyarrow

_BATCH_ROWS = 64
"""Rows to decode at a time. In a few kilobytes of a file, a dictionary may repeat a long value for
a billion rows. 4,096 rows at a time save a twelfth of the time."""
_BUFFER_BYTES = 1 << 20  # of each column; otherwise a row group is read at once
_NO_VALUE_OF_PYTHON = (ValueError, OverflowError, LookupError, NotImplementedError)
"""Errors of a value that does not fit into Python's type. Arrow's errors are subclasses."""


def read_parquet(file: BufferedReader, options: TableOptions, source: str) -> Iterator[Row]:
    """Yield the rows of an open Parquet file.

    Raises:
        ListError: pyarrow is missing, the file is not a Parquet file, or it lacks a column.
    """
    try:
        import pyarrow
    except ImportError:
        raise ListError("Parquet lists need pyarrow: pip install 'rheo-tui[fleet]'") from None
    try:
        table = open_parquet(file, buffer_size=_BUFFER_BYTES)
        columns = find_columns(table.schema_arrow.names, options, source)
        number = 1
        for batch in batches(file, table, _BATCH_ROWS, columns.names):
            for values in _values(_columns_of(batch)):
                if sum(map(_length, values.values())) > MAX_LINE_LENGTH:
                    problem = f"it has more than {MAX_LINE_LENGTH:,} characters"
                    yield unreadable_row(number, None, problem)
                else:
                    yield columns.row(number, values)
                number += 1
    except ListError:
        raise
    except (pyarrow.ArrowException, ValueError, MemoryError) as error:
        reason = str(error).rstrip(".") or "there is not enough memory"
        raise ListError(f"cannot read the list {source}: {reason}") from None


def _columns_of(batch: "pyarrow.RecordBatch") -> dict[str, list[object]]:
    """Return the values of each column."""
    return dict(zip(batch.schema.names, map(_values_of, batch.columns), strict=True))


def _values_of(array: "pyarrow.Array") -> list[object]:
    try:
        values: list[object] = array.to_pylist()
    except _NO_VALUE_OF_PYTHON:
        values = list(map(_value_of, array))
    return values


def _value_of(scalar: "pyarrow.Scalar") -> object:
    """Return a value; as text, or None without a text, if it does not fit into Python's type.

    Arrow's times have more years and digits than Python's, and their zones may be unknown here.
    Some writers store text that is not UTF-8.
    """
    import pyarrow

    with suppress(*_NO_VALUE_OF_PYTHON):
        return scalar.as_py()
    if isinstance(scalar, pyarrow.StructScalar):
        fields = zip(scalar.type, scalar.values(), strict=True)
        return {field.name: _value_of(value) for field, value in fields}
    if isinstance(scalar, pyarrow.ListScalar):  # of any kind, and maps
        return _values_of(scalar.values)
    if isinstance(scalar, pyarrow.DictionaryScalar | pyarrow.ExtensionScalar):
        return _value_of(scalar.value)
    with suppress(*_NO_VALUE_OF_PYTHON):
        if pyarrow.types.is_timestamp(scalar.type):
            scalar = scalar.cast(pyarrow.timestamp(scalar.type.unit))  # in UTC
        is_text = isinstance(scalar, pyarrow.StringScalar)
        return scalar.cast(pyarrow.large_binary() if is_text else pyarrow.string()).as_py()
    return None


def _values(columns: dict[str, list[object]]) -> Iterator[dict[str, object]]:
    plain = {name: list(map(_plain, values)) for name, values in columns.items()}
    for row in zip(*plain.values(), strict=True):
        yield dict(zip(plain, row, strict=True))


def _plain(value: object) -> object:
    """Convert a Parquet value to a JSON value: times and decimals become text."""
    if value is None or isinstance(value, str | int):  # and bool
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _length(value: object) -> int:
    """Return the number of characters in a JSON value."""
    if isinstance(value, list):
        return sum(map(_length, value))
    if isinstance(value, dict):
        return sum(map(_length, value.values()))
    return len(value) if isinstance(value, str) else 0
