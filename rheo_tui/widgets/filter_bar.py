"""FilterBar: filter the table while the user types, and show the number of matches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from rich.highlighter import Highlighter
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from rheo_core.domain.filters import FilterError
from rheo_core.domain.text import printable

from .line_input import Completer, LineInput

_HELP = "status:failed  host:example.org  size>1g  name:*.iso  !word  /regex/  or"
_SIGN_WIDTH = 2


class _Mistake(Highlighter):
    """Underlines the character at fault."""

    column: int | None = None

    def highlight(self, text: Text) -> None:
        if self.column is not None:
            text.stylize("underline bold", self.column, self.column + 1)


class FilterBar(Vertical):
    """A bar, hidden while there is no filter.

    While it has the focus, a second line shows an arrow at a mistake, with a sentence about it.

    Args:
        complete: returns a filter with its likeliest rest, or "".
    """

    COMPONENT_CLASSES: ClassVar = {"filter--mistake", "filter--hint"}
    KEYS = (("Enter", "keep"), ("Esc", "clear"), ("Tab", "complete"))

    @dataclass
    class Changed(Message):
        """The text of the filter has changed."""

        text: str

    @dataclass
    class Done(Message):
        """The user returns to the list; the filter stays."""

        text: str

    class Cleared(Message):
        """The user has cleared the filter."""

    def __init__(self, complete: Callable[[str], str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._completer = Completer(complete)
        self._mistake = _Mistake()
        self._count = ""

    def compose(self) -> ComposeResult:
        """Create the slash, the input and the count, and the line below."""
        with Horizontal(id="filter-line"):
            yield Static("/", id="filter-sign")
            yield LineInput(
                id="filter-text",
                compact=True,
                highlighter=self._mistake,
                suggester=self._completer,
            )
            yield Static("", id="filter-count", markup=False)
        yield Static(_HELP, id="filter-hint", markup=False)

    def open(self) -> None:
        """Show the bar and focus it."""
        self.display = True
        self.screen.set_focus(self.query_one(LineInput))  # at once, because keys may be typed ahead

    def show(self, text: str) -> None:
        """Show a filter without the focus; "" hides the bar. Post no message."""
        with self.prevent(Input.Changed):
            self.query_one(LineInput).value = text
        self.display = bool(text)
        self.show_mistake(None)

    def show_count(self, shown: int, total: int) -> None:
        """Show the number of matching rows, and of all rows in the tab."""
        self._count = f"{shown:,} of {total:,}"
        if self._mistake.column is None:
            self.query_one("#filter-count", Static).update(self._count)

    def show_mistake(self, error: FilterError | None) -> None:
        """Show a mistake at its character; a calm hint if more typing can correct it."""
        column = None if error is None or error.is_incomplete else error.column
        if column != self._mistake.column:
            self._mistake.column = column
            self.query_one(LineInput).refresh()
        self.query_one("#filter-hint", Static).update(self._hint(error))
        count = self.query_one("#filter-count", Static)
        count.update(self._count if column is None else f"error at column {column + 1}")
        count.set_class(column is not None, "-wrong")

    def _hint(self, error: FilterError | None) -> Text:
        field = self.query_one(LineInput)
        quiet = self.get_component_rich_style("filter--hint", partial=True)
        if error is None:
            return Text(f"{' ' * _SIGN_WIDTH}{_HELP}", quiet)
        sentence = printable(str(error))
        style = (
            quiet
            if error.is_incomplete
            else self.get_component_rich_style("filter--mistake", partial=True)
        )
        width, column = self.size.width, _SIGN_WIDTH + error.column - field.scroll_offset.x
        if column + 2 + len(sentence) <= width:
            text = f"{' ' * column}↑ {sentence}"
        elif len(sentence) < column < width:
            text = f"{f'{sentence} ↑':>{column + 1}}"
        else:
            text = f"{' ' * _SIGN_WIDTH}{sentence}"
        return Text(text, style, no_wrap=True, overflow="ellipsis")

    def on_descendant_focus(self) -> None:
        """Show the second line while the user types."""
        self.add_class("-typing")

    def on_descendant_blur(self) -> None:
        """Hide the second line."""
        self.remove_class("-typing")

    def on_key(self, event: events.Key) -> None:
        """Complete on Tab, which keeps the focus; Enter and Esc leave the bar."""
        if event.key in ("tab", "shift+tab"):
            if event.key == "tab":
                self.query_one(LineInput).take_suggestion()
            event.stop()
            event.prevent_default()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Done(event.value) if event.value.strip() else self.Cleared())

    @on(LineInput.Left)
    def _left(self, event: LineInput.Left) -> None:
        event.stop()
        self.post_message(self.Cleared())
