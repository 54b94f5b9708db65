"""Find the columns of a list by name: URL, file name, checksum and columns to keep.

`manifest.py` copies the columns of `--keep`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from rheo_core.domain.hash_algorithms import HashAlgorithm
from rheo_core.domain.text import at_most, printable

from .rows import ListError, NoColumnError, Row, checked_row

TableFormat = Literal["lines", "jsonl", "csv", "tsv", "parquet"]
FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)
URL_COLUMNS = ("url", "uri", "link", "href", "download_url")
"""Usual names of a column of URLs, in any case, by preference."""
NO_COLUMN = "off"


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Options for reading lists.

    Args:
        format: format of the lists; None: detect it from names and content.
        url_column: column of URLs; None: the first one with a usual name.
        hash_column: column of hashes; None: the first one named after an algorithm; `off`: none.
        name_column: column of file names; None: none.
        keep: columns that the results repeat.
    """

    format: TableFormat | None = None
    url_column: str | None = None
    hash_column: str | None = None
    name_column: str | None = None
    keep: tuple[str, ...] = ()

    @property
    def needs_columns(self) -> bool:
        """True if the options name a column, which a list of lines does not have."""
        named = (self.url_column, self.hash_column, self.name_column)
        return bool(self.keep) or any(name not in (None, NO_COLUMN) for name in named)


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns to read, as the table spells them."""

    url: str
    hash: str | None
    algorithm: str  # after which the column of hashes is named
    name: str | None
    keep: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """All of them, without repetitions."""
        named = (self.url, self.hash, self.name, *self.keep)
        return list(dict.fromkeys(name for name in named if name is not None))

    def row(self, number: int, values: Mapping[str, object]) -> Row:
        """Return the row of a table with these values by column."""
        return checked_row(
            number,
            values.get(self.url),
            checksum=values.get(self.hash) if self.hash else None,
            algorithm=self.algorithm,
            name=values.get(self.name) if self.name else None,
            extra={name: values.get(name) for name in self.keep},
        )


def find_columns(names: Sequence[str], options: TableOptions, source: str) -> Columns:
    """Return the columns to read from a table with these column names.

    Raises:
        NoColumnError: one of them is missing.
        ListError: one of them appears twice.
    """
    by_lower = {name.lower(): name for name in reversed(names)}
    url = options.url_column or next(filter(None, map(by_lower.get, URL_COLUMNS)), None)
    checksum = options.hash_column or next(filter(None, map(by_lower.get, HashAlgorithm)), None)
    if checksum == NO_COLUMN:
        checksum = None
    columns = (url or URL_COLUMNS[0], checksum, options.name_column, *options.keep)
    for name in columns:
        if name is not None and name not in names:
            hint = "; pass the column of URLs with --url-column" if url is None else ""
            listed = at_most([printable(each) for each in names], ", ", 20) or "none"
            raise NoColumnError(
                f"{source} has no column {printable(name)!r}; its columns are {listed}{hint}"
            )
        if name is not None and names.count(name) > 1:  # which one is meant?
            raise ListError(f"{source} has several columns {printable(name)!r}")
    lower = (checksum or "").lower()
    algorithm = lower if lower in set(HashAlgorithm) else ""
    return Columns(columns[0] or "", checksum, algorithm, options.name_column, options.keep)
