"""Read tables of any length row by row: CSV, JSON lines and others."""

import csv
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from pydantic_core import from_json

from rheo_core.domain.request_options import NO_OPTIONS
from rheo_core.inputs import ReadOptions, Verdict, bounded_lines, read_entries
from rheo_core.inputs.pipeline import decoded
from rheo_core.inputs.reader_api import MAX_LINE_LENGTH

from .columns import URL_COLUMNS, Columns, TableFormat, TableOptions, find_columns
from .list_files import open_source
from .rows import ListError, NoColumnError, Row, checked_row, unreadable_row

_BY_SUFFIX: dict[str, TableFormat] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".tsv": "tsv",
}
_SNIFFED_LINES = 100
_SNIFFED_LENGTH = 1 << 20  # characters
_URL_LINE = re.compile(r"\s*+(?:#.*|https?://\S+)?\s*", re.IGNORECASE)
_TABLE_HEAD = re.compile(rf"(?:.*[,;|\t])?[^\S\t]*+\"?(?:{'|'.join(URL_COLUMNS)})\"?(?:[,;|\t].*)?",
                         re.IGNORECASE)  # fmt: skip
_OWN_OPTIONS = "it has separate options, such as headers, which a fleet does not store"


def read_rows(source: str, options: TableOptions) -> Iterator[Row]:
    """Yield the rows of a list during the reading, including unreadable ones.

    Args:
        source: path or fsspec URL.
        options: how to read it.

    Raises:
        ListError: the list cannot be read, or lacks a column.
    """
    try:
        yield from _rows(source, options)
    except OSError as error:
        raise ListError(f"cannot read the list {source}: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise ListError(f"cannot read the list {source}: its compression is damaged") from error


def _rows(source: str, options: TableOptions) -> Iterator[Row]:
    suffix = Path(source.removesuffix(".gz")).suffix.lower()
    named = options.format or _BY_SUFFIX.get(suffix)
    with open_source(source) as file:
        if named == "parquet" or (named is None and file.peek(4)[:4] == b"PAR1"):
            from .parquet import read_parquet

            yield from read_parquet(file, options, source)
            return
        with decoded(file) as text:
            lines = bounded_lines(text)
            head = _head_of(lines)
            lines = chain(head, lines)
            format_name = named or _sniff(head)
            if options.needs_columns and format_name in ("lines", None):
                raise NoColumnError(f"{source} has no columns; it is a list of lines")
            yield from _READERS[format_name](lines, options, source)


def _head_of(lines: Iterator[str]) -> list[str]:
    """Take enough first lines to detect the format."""
    head: list[str] = []
    length = 0
    for line in islice(lines, _SNIFFED_LINES):
        head.append(line)
        length += len(line)
        if length > _SNIFFED_LENGTH:
            break
    return head


def _sniff(head: Sequence[str]) -> TableFormat | None:
    """Return the format of a list that begins with these lines; None for all others."""
    first = next((line for line in map(str.strip, head) if line and line[0] != "#"), "")
    if first.startswith("{"):
        return "jsonl"
    if _TABLE_HEAD.fullmatch(first):
        return "tsv" if "\t" in first else "csv"
    return "lines" if all(map(_URL_LINE.fullmatch, head)) else None


def _read_lines(lines: Iterator[str], _: TableOptions, source: str) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and text[0] != "#":
            yield checked_row(number, text)


def _read_table(delimiters: str) -> "Callable[[Iterator[str], TableOptions, str], Iterator[Row]]":
    def read(lines: Iterator[str], options: TableOptions, source: str) -> Iterator[Row]:
        head = next(lines, "")
        delimiter = max(delimiters, key=head.count)
        csv.field_size_limit(MAX_LINE_LENGTH)
        parts = _PartsOfRows(chain([head.lstrip("\ufeff")], lines))
        cells = csv.reader(parts, delimiter=delimiter)
        try:
            names = [name.strip() for name in next(cells, [])]
        except csv.Error as error:
            raise ListError(f"cannot read the names of the columns of {source}: {error}") from None
        columns = find_columns(names, options, source)
        while True:
            number = cells.line_num + 1
            try:
                parts.begin_row()
                values = next(cells)
            except StopIteration:
                return
            except csv.Error as error:
                yield unreadable_row(number, None, f"it is not a row of a table: {error}")
                continue
            if values:
                yield columns.row(number, dict(zip(names, values, strict=False)))

    return read


class _PartsOfRows(Iterator[str]):
    """Lines of a table. A quoted cell may span many lines, so rows have a limit."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._length = 0

    def begin_row(self) -> None:
        """Note that the next line begins a row."""
        self._length = 0

    def __next__(self) -> str:
        line = next(self._lines)
        self._length += len(line)
        if self._length > MAX_LINE_LENGTH:
            raise csv.Error(f"it has more than {MAX_LINE_LENGTH:,} characters")
        return line


def _read_objects(lines: Iterator[str], options: TableOptions, source: str) -> Iterator[Row]:
    columns: Columns | None = None
    for number, line in enumerate(lines, 1):
        if not (text := line.strip()):
            continue
        try:
            value = from_json(text)
            if not isinstance(value, dict):
                raise ValueError("it is not an object")
        except ValueError as error:
            yield unreadable_row(number, None, f"this line is not a JSON object: {error}")
            continue
        if columns is None:  # later objects may lack columns of this one
            names = [*dict.fromkeys([*value, *options.keep])]
            columns = find_columns(names, options, source)
        yield columns.row(number, value)


def _read_anything(lines: Iterator[str], _: TableOptions, source: str) -> Iterator[Row]:
    """Yield the rows of other formats that `rheo download` reads."""
    for entry in read_entries(lines, options=ReadOptions()):
        config = entry.config
        if entry.verdict is Verdict.NO_URL:
            continue
        if config is None:
            yield unreadable_row(entry.line, entry.text, entry.problem)
            continue
        if config.headers or config.request != NO_OPTIONS:
            yield unreadable_row(entry.line, entry.text, _OWN_OPTIONS)
            continue
        known = config.hash_config
        checksum = f"{known.algorithm}:{known.expected_hash}" if known else None
        yield checked_row(
            entry.line,
            config.url,
            checksum=checksum,
            name=config.filename,
            size_bytes=config.size_bytes,
        )


_READERS: dict[TableFormat | None, Callable[[Iterator[str], TableOptions, str], Iterator[Row]]] = {
    "lines": _read_lines,
    "jsonl": _read_objects,
    "csv": _read_table(",;|"),
    "tsv": _read_table("\t"),
    None: _read_anything,
}
