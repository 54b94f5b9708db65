"""ExistingFileScreen: decide about files that already exist; NameScreen: enter a new name."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.widgets.option_list import Option

from rheo_core.domain.filenames import number_filename, sanitise_filename
from rheo_core.domain.text import printable
from rheo_tui.existing_files import Choice, Decision
from rheo_tui.formatting import count_text, short_path
from rheo_tui.widgets.choice_list import ChoiceList
from rheo_tui.widgets.keys_line import KeysLine
from rheo_tui.widgets.line_input import PlainInput

_FOR_ONE = {Choice.OPEN, Choice.RENAME}
_CHOICES = {
    Choice.OPEN: ("v", "Open the file"),
    Choice.AGAIN: ("a", "Download again under a numbered name"),
    Choice.RENAME: ("r", "Download under another name"),
    Choice.OVERWRITE: ("o", "Download again and overwrite"),
    Choice.SKIP: ("s", "Skip it"),
}


class NameScreen(ModalScreen[str]):
    """Returns the new name of a download; "" if the user closes the screen."""

    BINDINGS: ClassVar = [("escape", "dismiss('')", "Close")]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = number_filename(name, 1)

    def compose(self) -> ComposeResult:
        """Create the input with the name that a numbered copy would have."""
        with Vertical(classes="dialog dialog-form") as dialog:
            dialog.border_title = "Save under another name"
            yield PlainInput(value=self._name, placeholder="file name", id="new-name", compact=True)
            yield KeysLine("Enter save · Esc close")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if name := event.value.strip():
            self.dismiss(sanitise_filename(name))

    def on_paste(self, event: events.Paste) -> None:
        """Stop pastes that the input did not take; they belong nowhere else."""
        event.stop()


class ExistingFileScreen(ModalScreen[Decision | None]):
    """Returns the user's decision on one or several files; None if there is none.

    Args:
        paths: the files that exist.
        may_skip: True if their downloads are not in the list yet.
    """

    BINDINGS: ClassVar = [
        ("escape", "dismiss(None)", "Close"),
        *((key, f"choose('{choice}')", title) for choice, (key, title) in _CHOICES.items()),
    ]

    def __init__(self, paths: Sequence[Path], *, may_skip: bool = False) -> None:
        super().__init__()
        self._paths = paths
        omitted = (_FOR_ONE if len(paths) > 1 else set()) | (set() if may_skip else {Choice.SKIP})
        self._choices = [choice for choice in _CHOICES if choice not in omitted]

    def compose(self) -> ComposeResult:
        """Create the name and the choices."""
        paths = self._paths
        with Vertical(classes="dialog dialog-small") as dialog:
            dialog.border_title = "Already on the disk"
            yield Static(
                printable(short_path(paths[0])) if len(paths) == 1 else count_text(len(paths)),
                classes="existing-name",
                markup=False,
            )
            yield ChoiceList(
                *(
                    Option(f"{_CHOICES[choice][0]}  {_CHOICES[choice][1]}")
                    for choice in self._choices
                ),
                compact=True,
            )
            yield KeysLine("Enter choose · Esc close")

    def on_mount(self) -> None:
        """Start at the first choice."""
        self.query_one(ChoiceList).highlighted = 0

    @on(ChoiceList.OptionSelected)
    def _selected(self, event: ChoiceList.OptionSelected) -> None:
        self.action_choose(self._choices[event.option_index])

    @work
    async def action_choose(self, choice: str) -> None:
        """Close with a choice, after asking for a name if it needs one."""
        if choice not in self._choices:
            return
        name = ""
        if choice == Choice.RENAME:
            name = await self.app.push_screen_wait(NameScreen(self._paths[0].name))
            if not name:
                return
        self.dismiss(Decision(Choice(choice), name))

    def on_paste(self, event: events.Paste) -> None:
        """Stop pastes, because they choose nothing."""
        event.stop()
