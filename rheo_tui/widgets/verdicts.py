"""The verdict on each entry of a paste or a list, their count, and what is asked about them."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from rheo_core.domain.text import printable
from rheo_core.inputs import Entry, ReadOptions, Verdict
from rheo_tui.formatting import count_text, size_text

from .line_view import LineView

_GLYPHS = {Verdict.OK: "✓", Verdict.DUPLICATE: "=", Verdict.ON_DISK: "=", Verdict.INVALID: "✗"}
_WANTED = {  # fields of ReadOptions
    "links": "which links of the page: *.iso, or * for all",
    "base": "the address of the page or list: https://…",
}


class VerdictLines(LineView):
    """Lines that need attention first; a long reason goes on below."""

    COMPONENT_CLASSES: ClassVar = {f"verdict--{verdict.value}" for verdict in Verdict}

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
            about = "; ".join(filter(None, (entry.form, _size(entry), entry.note)))
            return [Text(head + printable(entry.text) + (f"  ({about})" if about else ""), style)]
        body = Text(printable(entry.problem or entry.text), style)
        wrapped = body.wrap(self.app.console, max(width - len(head), 10), overflow="fold")
        lines = []
        for at, part in enumerate(wrapped):
            lines.append(Text(head if at == 0 else " " * len(head), style) + part)
        return lines


class VerdictList(Vertical):
    """A count above the lines, and inputs for what only the user can say, where it is wanted."""

    def compose(self) -> ComposeResult:
        """The inputs, the count, the lines."""
        for name, what in _WANTED.items():
            yield Input(placeholder=what, classes=f"wanted wanted-{name}", compact=True)
        yield Static("", classes="verdict-count", markup=False)
        yield VerdictLines()

    @property
    def options(self) -> ReadOptions:
        """What the user says about the text; patterns are read, for they are seen here first."""
        links, base = (self._wanted(name).value.strip() or None for name in ("links", "base"))
        return ReadOptions(patterns=True, links=links, base=base)

    def show(
        self, entries: Sequence[Entry], nothing: str, free_space: Callable[[], int | None]
    ) -> None:
        """Show `entries`, or the sentence `nothing` where there are none."""
        for name in _WANTED:
            asked = any(entry.wants == name for entry in entries)
            field = self._wanted(name)
            field.display = asked or (bool(entries) and bool(field.value))
        told = summary(entries, free_space) or nothing
        self.query_one(".verdict-count", Static).update(told)
        self.query_one(VerdictLines).show_entries(entries)

    def _wanted(self, name: str) -> Input:
        return self.query_one(f".wanted-{name}", Input)


def summary(entries: Sequence[Entry], free_space: Callable[[], int | None]) -> str:
    """`3 to add, 4.7 GB (76 GB free) · 1 duplicate · 2 invalid`; empty for no entries.

    `free_space` is asked only where a size is known.
    """
    counts = Counter(entry.verdict for entry in entries)
    parts = [f"{counts[Verdict.OK]:,} to add{_room(entries, free_space)}"] if entries else []
    if counts[Verdict.DUPLICATE]:
        parts.append(count_text(counts[Verdict.DUPLICATE], "duplicate"))
    if counts[Verdict.ON_DISK]:
        parts.append(f"{counts[Verdict.ON_DISK]:,} {Verdict.ON_DISK.words}")
    if counts[Verdict.INVALID]:
        parts.append(f"{counts[Verdict.INVALID]:,} invalid")
    return " · ".join(parts)


def _room(entries: Sequence[Entry], free_space: Callable[[], int | None]) -> str:
    """The known sizes together, and whether there is room."""
    good = (entry.config for entry in entries if entry.verdict is Verdict.OK)
    size = sum(config.size_bytes or 0 for config in good if config)
    if not size:
        return ""
    free = free_space()
    if free is None:
        return f", {size_text(size)}"
    return f", {size_text(size)} ({'only ' if free < size else ''}{size_text(free)} free)"


def _size(entry: Entry) -> str:
    return size_text(entry.config.size_bytes) if entry.config else ""
