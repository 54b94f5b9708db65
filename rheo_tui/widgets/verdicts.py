"""The verdict on each line of a paste or a list, and their count."""

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from rheo_core.domain.text import printable
from rheo_core.inputs import Entry, Verdict
from rheo_tui.formatting import count_text

from .line_view import LineView

_GLYPHS = {Verdict.OK: "✓", Verdict.DUPLICATE: "=", Verdict.INVALID: "✗"}


class _Line(NamedTuple):
    """A line on the screen."""

    entry: Entry
    text: str  # the link, or a piece of the reason why not
    is_first: bool = True  # of its entry


class VerdictLines(LineView[_Line]):
    """Lines that need attention first; a long reason goes on below."""

    COMPONENT_CLASSES: ClassVar = {"verdict--ok", "verdict--duplicate", "verdict--invalid"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._entries: Sequence[Entry] = ()
        self._digits = 1

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show these verdicts in place of others."""
        self._entries = entries
        self._lay_out()

    def on_resize(self) -> None:
        """Reasons are wrapped to the width."""
        super().on_resize()
        self._lay_out()

    def _lay_out(self) -> None:
        self._digits = len(str(self._entries[-1].line)) if self._entries else 1
        width = max(self.scrollable_content_region.width, 20)
        room = max(width - len(self._head(self._entries[0])), 10) if self._entries else width
        lines: list[_Line] = []
        for entry in sorted(self._entries, key=lambda entry: entry.verdict is Verdict.OK):
            text = entry.text if entry.verdict is Verdict.OK else entry.problem or entry.text
            pieces = self._wrapped(text, room) if entry.verdict is not Verdict.OK else [text]
            lines += [_Line(entry, piece, at == 0) for at, piece in enumerate(pieces)]
        self.show(lines)

    def _wrapped(self, text: str, width: int) -> list[str]:
        text = printable(text)
        if cell_len(text) <= width:  # of a long list, nearly all
            return [text]
        return [line.plain for line in Text(text).wrap(self.app.console, width, overflow="fold")]

    def _head(self, entry: Entry) -> str:
        return f"{_GLYPHS[entry.verdict]} line {entry.line:>{self._digits}}  "

    def text_of(self, line: _Line) -> Text:
        """Verdict, number, link or reason."""
        name = f"verdict--{line.entry.verdict.value}"
        head = self._head(line.entry)
        shown = head if line.is_first else " " * len(head)
        return Text(shown + printable(line.text), self.get_component_rich_style(name, partial=True))


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
