"""What the filter bar understands: text -> a filter, a value that says which rows match."""

from dataclasses import dataclass
from typing import Protocol


class Filterable(Protocol):
    """What a filter may look at."""

    @property
    def name(self) -> str:
        """The file's name."""

    @property
    def url(self) -> str:
        """The URL as shown."""


@dataclass(frozen=True, slots=True)
class SubstringFilter:
    """Matches where the name or the URL contains `needle`, in any case of letters."""

    needle: str = ""

    def matches(self, row: Filterable) -> bool:
        """Whether `row` is shown; an empty needle shows all."""
        if not self.needle:
            return True
        return self.needle in row.name.casefold() or self.needle in row.url.casefold()

    def __bool__(self) -> bool:
        return bool(self.needle)


def parse_filter(text: str) -> SubstringFilter:
    """The filter that `text` asks for; blanks around it do not count."""
    return SubstringFilter(text.strip().casefold())
