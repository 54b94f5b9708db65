"""Parquet lists, read in batches."""

import math
from collections.abc import Iterator
from io import BufferedReader
from typing import TYPE_CHECKING

from .columns import TableOptions, find_columns
from .parquet_pages import batches, open_parquet
from .rows import ListError, Row

if TYPE_CHECKING:
    import pyarrow

_BATCH_ROWS = 64
"""Rows that are decoded at a time. A dictionary may repeat a long value for a billion rows, which
takes a few kilobytes of the file. 4,096 rows at a time save a twelfth of the time."""
_BUFFER_BYTES = 1 << 20  # of each column; otherwise a row group is read at once


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
                yield columns.row(number, values)
                number += 1
    except ListError:
        raise
    except (pyarrow.ArrowException, ValueError) as error:
        raise ListError(f"cannot read the list {source}: {error}") from None


def _columns_of(batch: "pyarrow.RecordBatch") -> dict[str, list[object]]:
    """Return the values of each column. Some writers store text that is not UTF-8."""
    try:
        columns: dict[str, list[object]] = batch.to_pydict()
    except UnicodeDecodeError:
        names_and_values = zip(batch.schema.names, batch.columns, strict=True)
        columns = {name: _as_bytes(values).to_pylist() for name, values in names_and_values}
    return columns


def _as_bytes(values: "pyarrow.Array") -> "pyarrow.Array":
    from pyarrow import large_binary, types

    is_text = types.is_string(values.type) or types.is_large_string(values.type)
    return values.cast(large_binary()) if is_text else values


def _values(columns: dict[str, list[object]]) -> Iterator[dict[str, object]]:
    plain = {name: list(map(_plain, values)) for name, values in columns.items()}
    for row in zip(*plain.values(), strict=True):
        yield dict(zip(plain, row, strict=True))


def _plain(value: object) -> object:
    """Return a value of Parquet as one of JSON: times and decimals as text."""
    if value is None or isinstance(value, str | int):  # and bool
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
