"""The verdict on each line of a paste or a list, and their count."""

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from rheo_core.domain.text import printable
from rheo_core.inputs import Entry, Verdict
from rheo_tui.formatting import count_text

from .line_view import LineView

_GLYPHS = {Verdict.OK: "✓", Verdict.DUPLICATE: "=", Verdict.INVALID: "✗"}


class VerdictLines(LineView):
    """Lines that need attention first; a long reason goes on below."""

    COMPONENT_CLASSES: ClassVar = {"verdict--ok", "verdict--duplicate", "verdict--invalid"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._entries: Sequence[Entry] = ()

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show these verdicts in place of others."""
        self._entries = entries
        self._lay_out()

    def on_resize(self) -> None:
        """Reasons are wrapped to the width."""
        super().on_resize()
        self._lay_out()

    def _lay_out(self) -> None:
        width = max(self.scrollable_content_region.width, 20)
        digits = len(str(self._entries[-1].line)) if self._entries else 1
        lines: list[Text] = []
        for entry in sorted(self._entries, key=lambda entry: entry.verdict is Verdict.OK):
            lines += self._entry_lines(entry, width, digits)
        self.show(lines)

    def _entry_lines(self, entry: Entry, width: int, digits: int) -> list[Text]:
        style = self.get_component_rich_style(f"verdict--{entry.verdict.value}", partial=True)
        head = f"{_GLYPHS[entry.verdict]} line {entry.line:>{digits}}  "
        if entry.verdict is Verdict.OK:
            return [Text(head + printable(entry.text), style)]
        body = Text(printable(entry.problem or entry.text), style)
        wrapped = body.wrap(self.app.console, max(width - len(head), 10), overflow="fold")
        lines = []
        for at, part in enumerate(wrapped):
            lines.append(Text(head if at == 0 else " " * len(head), style) + part)
        return lines


class VerdictList(Vertical):
    """A count above the lines."""

    def compose(self) -> ComposeResult:
        """The count and the lines."""
        yield Static("", classes="verdict-count", markup=False)
        yield VerdictLines()

    def show(self, entries: Sequence[Entry], nothing: str) -> None:
        """Show `entries`, or the sentence `nothing` where there are none."""
        self.query_one(".verdict-count", Static).update(summary(entries) or nothing)
        self.query_one(VerdictLines).show_entries(entries)


def summary(entries: Sequence[Entry]) -> str:
    """`3 to add · 1 duplicate · 2 invalid`; empty for no entries."""
    counts = Counter(entry.verdict for entry in entries)
    parts = [f"{counts[Verdict.OK]:,} to add"] if entries else []
    if counts[Verdict.DUPLICATE]:
        parts.append(count_text(counts[Verdict.DUPLICATE], "duplicate"))
    if counts[Verdict.INVALID]:
        parts.append(f"{counts[Verdict.INVALID]:,} invalid")
    return " · ".join(parts)
