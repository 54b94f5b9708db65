"""The question before quitting while something runs."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from rheo_tui.formatting import count_text


class QuitScreen(ModalScreen[bool]):
    """Gives whether to quit."""

    BINDINGS: ClassVar = [
        ("y,enter,q", "answer(True)", "Quit"),
        ("n,escape", "answer(False)", "Stay"),
    ]

    def __init__(self, running: int, keeps_list: bool) -> None:
        super().__init__()
        self._count = running
        self._keeps_list = keeps_list

    def compose(self) -> ComposeResult:
        """What happens, and the two answers."""
        verb = "is" if self._count == 1 else "are"
        after = (
            "their bytes are kept, and they go on at the next start."
            if self._keeps_list
            else "nothing of this list is kept."
        )
        with Vertical(classes="dialog dialog-small") as dialog:
            dialog.border_title = "Quit?"
            yield Static(
                f"{count_text(self._count)} {verb} running. Quitting stops them; {after}",
                markup=False,
            )
            yield Static("y quit  ·  n stay", classes="dialog-keys")

    def action_answer(self, quit_now: bool) -> None:
        """Close with the answer."""
        self.dismiss(quit_now)

    def on_paste(self, event: events.Paste) -> None:
        """A paste is no answer, and there is a question to answer first."""
        event.stop()
