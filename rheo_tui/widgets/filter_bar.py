"""FilterBar: an input that filters while the user types, and the number of rows left."""

from dataclasses import dataclass

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from .line_input import LineInput


class FilterBar(Horizontal):
    """A bar that is hidden while there is no filter."""

    @dataclass
    class Changed(Message):
        """The text of the filter has changed."""

        text: str

    class Done(Message):
        """The user returns to the list; the filter stays."""

    class Cleared(Message):
        """The user has cleared the filter."""

    def compose(self) -> ComposeResult:
        """Create the slash, the input and the count."""
        yield Static("/", id="filter-sign")
        yield LineInput(placeholder="part of a name or URL", id="filter-text", compact=True)
        yield Static("", id="filter-count", markup=False)

    def open(self) -> None:
        """Show the bar and focus it."""
        self.display = True
        self.screen.set_focus(self.query_one(LineInput))  # at once, because keys may be typed ahead

    def close(self) -> None:
        """Empty and hide the bar; post no message."""
        with self.prevent(Input.Changed):
            self.query_one(LineInput).value = ""
        self.display = False

    def show_count(self, shown: int, total: int) -> None:
        """Show the number of rows left, and of all rows."""
        self.query_one("#filter-count", Static).update(f"{shown:,} of {total:,}")

    def on_key(self, event: events.Key) -> None:
        """Keep the focus on Tab; Enter and Esc leave the bar."""
        if event.key in ("tab", "shift+tab"):
            event.stop()
            event.prevent_default()

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
