"""FleetErrors: show the failed URLs of a fleet run by kind and by host."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.widget import Widget

from rheo_core.domain.text import printable
from rheo_tui.formatting import fit, fit_middle, fit_right

_MIN_TWO_COLUMNS = 60
_COUNT_WIDTH = 10
_MAX_COLUMN = 52
_NONE = "No URL has failed."

Counts = Sequence[tuple[str, int]]


class FleetErrors(Widget):
    """Shows the most frequent kinds and hosts: side by side, or on a narrow pane in turn."""

    COMPONENT_CLASSES: ClassVar = {"errors--title", "errors--count"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[Counts, Counts] = ((), ())

    def show(self, errors: Counts, hosts: Counts) -> None:
        """Show numbers by kind and by host, largest first."""
        if (errors, hosts) != self._shown:
            self._shown = errors, hosts
            self.refresh()

    def render(self) -> Text:
        """Render the lines that fit."""
        width, height = self.size
        errors, hosts = self._shown
        if not errors:
            return Text(f" {_NONE}", self.get_component_rich_style("errors--title"), end="")
        if width >= _MIN_TWO_COLUMNS:
            column = min(width // 2, _MAX_COLUMN) - 2
            left = self._lines("Errors by kind", errors, column, height)
            right = self._lines("By host", hosts, column, height) if hosts else []
            right += [Text()] * (len(left) - len(right))
            left += [Text(" " * column)] * (len(right) - len(left))
            lines = [Text.assemble(a, "   ", b) for a, b in zip(left, right, strict=True)]
        else:
            share = height if not hosts else max(height // 2, 2)
            lines = self._lines("Errors by kind", errors, width - 2, share)
            if hosts and height - len(lines) > 1:
                rest = height - len(lines)
                lines += self._lines("By host", hosts, width - 2, rest)
        return Text("\n", no_wrap=True, end="").join(lines[:height])

    def _lines(self, title: str, counts: Counts, width: int, height: int) -> list[Text]:
        """Return a title and the counts that fit, with the number of the others."""
        get = self.get_component_rich_style
        lines = [Text(f" {fit(title, width - 1)}", get("errors--title"))]
        space = max(height - 1, 0)
        fits = len(counts) <= space
        for name, count in counts[: space if fits else max(space - 1, 0)]:
            lines.append(
                Text.assemble(
                    " ",
                    fit_middle(printable(name), max(width - _COUNT_WIDTH - 1, 1)),
                    (fit_right(f"{count:,}", _COUNT_WIDTH), get("errors--count", partial=True)),
                )
            )
        if not fits and space:
            more = len(counts) - space + 1
            lines.append(Text(f" {fit(f'and {more:,} more', width - 1)}", get("errors--title")))
        return lines
