"""ConfirmScreen: ask a yes-or-no question; QuitScreen: confirm quitting.

`app.py` decides when the user has to confirm quitting.
"""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from rheo_tui.formatting import count_text
from rheo_tui.widgets.keys_line import KeysLine


class ConfirmScreen(ModalScreen[bool]):
    """Returns True if the user answers yes.

    Args:
        title: title of the dialog.
        text: the question, and the meaning of each answer.
        yes: verb for the answer yes.
        no: verb for the answer no.
    """

    BINDINGS: ClassVar = [
        ("y", "answer(True)", "Yes"),
        ("n,escape", "answer(False)", "No"),
    ]
    SHOWN_KEYS: ClassVar = ("y", "n")

    def __init__(self, title: str, text: str, *, yes: str, no: str) -> None:
        super().__init__()
        self._title, self._text = title, text
        yes_key, no_key = self.SHOWN_KEYS
        self._keys = f"{yes_key} {yes} · {no_key} {no}"

    def compose(self) -> ComposeResult:
        """Create the text and the two answers."""
        with Vertical(classes="dialog dialog-small") as dialog:
            dialog.border_title = self._title
            yield Static(self._text, markup=False)
            yield KeysLine(self._keys)

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)

    def on_paste(self, event: events.Paste) -> None:
        """Stop pastes, because they do not answer the question."""
        event.stop()


class QuitScreen(ConfirmScreen):
    """Asks before quitting if that stops downloads or loses links; returns True to quit.

    Args:
        running: number of downloads that run.
        keeps_list: True if the next start finds the list.
        lines: number of lines left in the add box.
    """

    BINDINGS: ClassVar = [("enter,q", "answer(True)", "Quit")]
    SHOWN_KEYS: ClassVar = ("Enter", "Esc")  # as in other dialogs, because no data is lost

    def __init__(self, running: int, keeps_list: bool, lines: int = 0) -> None:
        sentences = []
        if running:
            verb, pronoun = ("is", "it") if running == 1 else ("are", "them")
            sentences += [
                f"{count_text(running)} {verb} running. Quitting stops {pronoun}.",
                "Partial data is kept for the next start." if keeps_list else "Nothing is saved.",
            ]
        if lines:
            verb = "is" if lines == 1 else "are"
            sentences.append(f"{count_text(lines, 'line')} in the add box {verb} lost.")
        super().__init__("Quit?", " ".join(sentences), yes="quit", no="stay")
