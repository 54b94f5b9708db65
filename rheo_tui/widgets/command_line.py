"""CommandLine: the input that `:` opens in place of the footer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, Static

from rheo_core.domain.text import printable
from rheo_tui.command_hint import Hint
from rheo_tui.commands import COMMANDS

from .line_input import Completer, LineInput

_TYPING_SECONDS = 0.05


class CommandLine(Vertical):
    """An input that is hidden until opened; a valid command or Esc closes it.

    Args:
        complete: returns a line with its likeliest rest, or "".
        hint: returns the effect of a line, or its missing parts.
        history: returns earlier commands, oldest first.
    """

    COMPONENT_CLASSES: ClassVar = {"command--hint", "command--mistake"}
    KEYS = (("Enter", "run"), ("Esc", "close"), ("Tab", "complete"), ("↑", "earlier"))

    @dataclass
    class Entered(Message):
        """The user pressed Enter."""

        text: str

    @dataclass
    class Left(Message):
        """The command line has closed; `gives_up` if its command is not run."""

        gives_up: bool

    def __init__(
        self,
        complete: Callable[[str], str],
        hint: Callable[[str], Hint],
        history: Callable[[], Sequence[str]],
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._complete = complete
        self._hint = hint
        self._history = history
        self._draft = ""  # the typed text before the arrow keys chose an earlier command
        self._back = 0  # number of steps into the history
        self._typing = Timer(self, 0.0, pause=True)  # until the user pauses

    def compose(self) -> ComposeResult:
        """Create the colon, the input, and the line below."""
        with Horizontal(id="command-bar"):
            yield Static(":", id="command-sign")
            yield LineInput(
                suggester=Completer(self._complete),
                select_on_focus=False,  # the text that the line opens with stays
                id="command-text",
                compact=True,
            )
        yield Static("", id="command-hint", markup=False)

    def open(self, text: str = "") -> None:
        """Show the line with `text` in it, and focus it."""
        self._back = 0
        field = self.query_one(LineInput)
        field.value = text
        field.cursor_position = len(text)
        self.display = True
        self._show_hint(text)
        self.screen.set_focus(field)  # at once, because keys may be typed ahead

    def close(self, *, gives_up: bool = False) -> None:
        """Hide the line; `gives_up` if its command is not run."""
        self._typing.stop()
        self.display = False
        self.post_message(self.Left(gives_up))

    def on_key(self, event: events.Key) -> None:
        """Accept the suggestion on Tab, which never leaves the line; go through the history.

        On an empty line, Tab lists the commands.
        """
        field = self.query_one(LineInput)
        if event.key in ("tab", "shift+tab"):
            if not field.value:
                self._say(Hint("  ".join(COMMANDS)))
            elif event.key == "tab":
                field.take_suggestion()
        elif event.key in ("up", "down"):
            self._walk(field, 1 if event.key == "up" else -1)
        else:
            return
        event.stop()
        event.prevent_default()

    def _walk(self, field: LineInput, by: int) -> None:
        history = self._history()
        if self._back == 0:
            self._draft = field.value
        self._back = max(0, min(self._back + by, len(history)))
        field.value = history[-self._back] if self._back else self._draft
        field.cursor_position = len(field.value)

    def _show_hint(self, line: str) -> None:
        self._say(self._hint(line))

    def _say(self, hint: Hint) -> None:
        name = "command--mistake" if hint.is_error else "command--hint"
        style = self.get_component_rich_style(name, partial=True)
        text = Text(f"  {printable(hint.text)}", style, no_wrap=True, overflow="ellipsis")
        self.query_one("#command-hint", Static).update(text)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._typing.stop()
        if self.display:  # later, because it may check all downloads
            show = partial(self._show_hint, event.value)
            self._typing = self.set_timer(_TYPING_SECONDS, show)

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
        self.close(gives_up=True)
