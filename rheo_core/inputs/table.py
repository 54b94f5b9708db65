"""CSV and TSV tables with a column of URLs."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.references import resolve
from rheo_core.domain.text import printable, redact_url
from rheo_core.domain.untrusted import Untrusted

from .reader_api import (
    Candidate,
    Lines,
    ReadOptions,
    base_of,
    destination_fields,
    problem_of,
)

_FORM = "row of a table"
_NAMES = frozenset({"filename", "file_name", "file name"})
_URL = re.compile(r"(?:[^\W_]+[ _-]){0,2}(?:url|uri|link|href)")
"""`Download URL` and `file_link` too."""
_HASH = re.compile(r"(md5|sha-?(?:1|256|384|512)|blake2b)(?:[ _-]?(?:sum|hash|checksum))?")
_DELIMITERS = ",;|\t"
_CELL = re.compile(rf"[^{_DELIMITERS}]+")
_NO_NAME = re.compile(r"[:/\n]")
"""A line with one of these is not the header of a table."""
_URL_CELL = re.compile(rf"\"?{_URL.pattern}\"?", re.IGNORECASE)
_MAX_ROW_LINES = 100
"""Lines of one row. A quote that never closes must not swallow a long table."""
_QUOTED = re.compile(r"\"[^\"]*\"")
_BLANK_BEFORE = re.compile(r"[,;|]\s")


def sniff(text: str) -> bool:
    """Check whether a line is the header of a table with a column of URLs."""
    if _NO_NAME.search(text) or set(_DELIMITERS).isdisjoint(text):
        return False
    if not any(_URL_CELL.fullmatch(text, *cell.span()) for cell in _CELL.finditer(text)):
        return False
    # Prose (`See this link, please`) has blanks after its signs.
    bare = _QUOTED.sub("", text)
    return _BLANK_BEFORE.search(bare) is None or " " not in _BLANK_BEFORE.sub(",", bare)


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the downloads of a table, which ends with a blank line or the text."""
    head = next(lines)
    delimiter = max(_DELIMITERS, key=_QUOTED.sub("", head).count)
    try:
        names = next(csv.reader([head.strip()], delimiter=delimiter))
    except csv.Error as error:
        problem = f"not a table header: {error}"
        yield Candidate(lines.number, head.strip(), problem=problem, form=_FORM)
        return
    columns = [name.strip().lower() for name in names]
    of_urls = frozenset(filter(_URL.fullmatch, columns))
    unknown = frozenset(name for name in columns if not _is_known(name))
    repeated = {name for name, count in Counter(columns).items() if count > 1} - unknown
    max_lines = _MAX_ROW_LINES
    for line in lines:
        if not line.strip():
            return
        number, text = lines.number, line.strip("\r\n")
        try:
            cells = _cells(line, lines, delimiter, max_lines)
        except csv.Error as error:
            max_lines = 1  # for linear time
            problem = f"not a row of a table: {error}"
            yield Candidate(number, text, problem=problem, form=_FORM)
            continue
        row = dict(zip(columns, map(str.strip, cells), strict=False))
        if repeated and (problem := _contradiction(columns, cells, repeated)):
            yield Candidate(number, text, problem=problem, form=_FORM)
            continue
        yield _completed(_candidate(number, text, row, of_urls, unknown), options)


def _cells(line: str, lines: Lines, delimiter: str, max_lines: int) -> list[str]:
    """Return the cells of a row; one in quotes may span several lines (RFC 4180 2.6).

    Raises:
        csv.Error: a cell is too long, or its quote does not close. Only its first line is
        consumed.
    """
    taken: list[str] = []
    is_closed = True

    def row_lines() -> Iterator[str]:
        nonlocal is_closed
        yield line
        for following in islice(lines, max_lines - 1):
            taken.append(following)
            yield following
        is_closed = False

    try:
        cells = next(csv.reader(row_lines(), delimiter=delimiter, skipinitialspace=True))
        if not is_closed:
            raise csv.Error("a quoted cell is not closed")
        if taken:  # a stray quote must not swallow the rows up to the next one
            rows = csv.reader(
                [line, *taken], delimiter=delimiter, skipinitialspace=True, strict=True
            )
            cells = next(rows)
    except csv.Error:
        lines.give_back(*taken)
        raise
    return cells


def _contradiction(columns: list[str], cells: list[str], repeated: set[str]) -> str:
    """Return a phrase about columns of one name with different values; "" for none."""
    for name in sorted(repeated):
        pairs = zip(columns, map(str.strip, cells), strict=False)
        if len({cell for column, cell in pairs if column == name}) > 1:
            return f"its columns {printable(name[:50])!r} have different values"
    return ""


def _candidate(
    number: int, line: str, row: dict[str, str], of_urls: frozenset[str], unknown: frozenset[str]
) -> Candidate:
    with_url = [name for name in row if name in of_urls and row[name]]
    url = row[with_url[0]] if with_url else ""
    if not url:
        return Candidate(number, line, problem="this row has no URL", form=_FORM)
    try:
        fields = _fields(row)
    except ValueError as error:
        return Candidate(number, redact_url(url), problem=problem_of(error), form=_FORM)
    unused = [name for name in with_url[1:] if row[name] != url]
    unused += [name for name in row if name in unknown]
    ignored = [f"column {printable(name[:50])}" for name in unused]
    return Candidate(number, redact_url(url), Untrusted(url, **fields), "", _FORM, ignored)


def _is_known(name: str) -> bool:
    return name in _NAMES or bool(_URL.fullmatch(name) or _HASH.fullmatch(name))


def _completed(candidate: Candidate, options: ReadOptions) -> Candidate:
    """Complete the URL of a row, if the user gave the URL of the table."""
    url = candidate.outside.url
    if candidate.problem or options.base is None or "://" in url:
        return candidate
    try:
        url = resolve(base_of(options, candidate.line) or "", url.replace(" ", "%20"))
    except ValueError as error:
        return candidate._replace(problem=str(error))
    return candidate._replace(outside=candidate.outside._replace(url=url))


def _fields(row: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {"hash_config": []}
    for name, value in row.items():
        if name in _NAMES and value:
            fields |= destination_fields(value, name)
        elif value and (algorithm := _HASH.fullmatch(name)):
            digest = f"{algorithm[1].replace('-', '')}:{value}"
            fields["hash_config"].append(HashConfig.from_checksum_string(digest))
    return fields
