"""Filters of the table: parse the text of the filter bar, match rows."""

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Filterable(Protocol):
    """The fields that a filter reads."""

    @property
    def name(self) -> str:
        """Name of the file."""

    @property
    def url(self) -> str:
        """URL as shown."""


@dataclass(frozen=True, slots=True)
class SubstringFilter:
    """Matches rows whose name or URL contains `needle`, ignoring case."""

    needle: str = ""

    def matches(self, row: Filterable) -> bool:
        """Return True if `row` is shown; an empty needle shows all."""
        if not self.needle:
            return True
        return self.needle in row.name.casefold() or self.needle in row.url.casefold()

    def __bool__(self) -> bool:
        return bool(self.needle)


def pattern_of(text: str) -> Callable[[Filterable], bool]:
    """Return the test for a pattern: a name with `*` and `?`, or the text of a filter."""
    if any(sign in text for sign in "*?") and ":" not in text:
        matches = re.compile(fnmatch.translate(text.strip()), re.IGNORECASE).match
        return lambda row: bool(matches(row.name))
    return parse_filter(text).matches


def parse_filter(text: str) -> SubstringFilter:
    """Parse the text of a filter; surrounding blanks are ignored."""
    return SubstringFilter(text.strip().casefold())
