"""Confirmations: a question answered with yes or no, such as before quitting."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from rheo_tui.formatting import count_text


class ConfirmScreen(ModalScreen[bool]):
    """Gives whether the answer was yes.

    Args:
        title: what it is about.
        text: the question, and what each answer means.
        yes, no: a word for each answer.
    """

    BINDINGS: ClassVar = [
        ("y", "answer(True)", "Yes"),
        ("n,escape", "answer(False)", "No"),
    ]

    def __init__(self, title: str, text: str, *, yes: str, no: str) -> None:
        super().__init__()
        self._title, self._text = title, text
        self._keys = f"y {yes}  ·  n {no}"

    def compose(self) -> ComposeResult:
        """The text, and the two answers."""
        with Vertical(classes="dialog dialog-small") as dialog:
            dialog.border_title = self._title
            yield Static(self._text, markup=False)
            yield Static(self._keys, classes="dialog-keys")

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)

    def on_paste(self, event: events.Paste) -> None:
        """A paste is no answer, and there is a question to answer first."""
        event.stop()


class QuitScreen(ConfirmScreen):
    """Gives whether to quit."""

    BINDINGS: ClassVar = [("enter,q", "answer(True)", "Quit")]

    def __init__(self, running: int, keeps_list: bool) -> None:
        verb = "is" if running == 1 else "are"
        after = (
            "their bytes are kept, and they go on at the next start."
            if keeps_list
            else "nothing of this list is kept."
        )
        text = f"{count_text(running)} {verb} running. Quitting stops them; {after}"
        super().__init__("Quit?", text, yes="quit", no="stay")
