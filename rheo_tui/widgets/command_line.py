"""CommandLine: the input for commands that `:` opens in place of the footer."""

from dataclasses import dataclass

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from rheo_tui.command_parser import VERBS

from .line_input import LineInput


class CommandLine(Horizontal):
    """An input that is hidden until opened; a valid command or Esc closes it."""

    @dataclass
    class Entered(Message):
        """The user pressed Enter."""

        text: str

    class Left(Message):
        """The command line has closed."""

    def compose(self) -> ComposeResult:
        """Create the colon and the input."""
        yield Static(":", id="command-sign")
        yield LineInput(
            placeholder="limit 2M · at 23:30 · add URL · stop-after 5G · quit-when-done",
            suggester=SuggestFromList(VERBS),
            select_on_focus=False,
            id="command-text",
            compact=True,
        )

    def open(self, text: str = "") -> None:
        """Show the line with `text` in it and focus it."""
        field = self.query_one(LineInput)
        field.value, field.cursor_position = text, len(text)
        self.display = True
        self.screen.set_focus(self.query_one(LineInput))  # at once, because keys may be typed ahead

    def close(self) -> None:
        """Hide the line."""
        self.display = False
        self.post_message(self.Left())

    def on_key(self, event: events.Key) -> None:
        """Take the suggestion on Tab, which never leaves the line."""
        if event.key in ("tab", "shift+tab"):
            event.stop()
            event.prevent_default()
            field = self.query_one(LineInput)
            if event.key == "tab" and field.cursor_at_end:
                field.action_cursor_right()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip():
            self.post_message(self.Entered(event.value))
        else:
            self.close()

    @on(LineInput.Left)
    def _left(self, event: LineInput.Left) -> None:
        event.stop()
        self.close()
