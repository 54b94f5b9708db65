"""The filter bar: an input that filters as one types, and how many rows are left."""

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from .line_input import LineInput


class FilterBar(Horizontal):
    """Hidden while there is no filter and nobody types one."""

    @dataclass
    class Changed(Message):
        """The text of the filter is another one."""

        text: str

    class Done(Message):
        """The user goes back to the list; the filter stays."""

    class Cleared(Message):
        """The user wants no filter."""

    def compose(self) -> ComposeResult:
        """A slash, the text, the count."""
        yield Static("/", id="filter-sign")
        yield LineInput(placeholder="part of a name or a link", id="filter-text", compact=True)
        yield Static("", id="filter-count", markup=False)

    def open(self) -> None:
        """Show the bar and type into it."""
        self.display = True
        self.screen.set_focus(self.query_one(LineInput))  # at once: keys may be typed ahead

    def close(self) -> None:
        """Empty and hide the bar, without a message."""
        with self.prevent(Input.Changed):
            self.query_one(LineInput).value = ""
        self.display = False

    def show_count(self, shown: int, total: int) -> None:
        """Say how many rows of all are left."""
        self.query_one("#filter-count", Static).update(f"{shown:,} of {total:,}")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Done() if event.value.strip() else self.Cleared())

    @on(LineInput.Left)
    def _left(self, event: LineInput.Left) -> None:
        event.stop()
        self.post_message(self.Cleared())
