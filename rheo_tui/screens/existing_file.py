"""ExistingFileScreen: choices for downloads whose file is on the disk; NameScreen: a new name."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.filenames import number_filename, sanitise_filename
from rheo_core.domain.text import printable
from rheo_tui.existing_files import Choice, Decision
from rheo_tui.file_manager import open_path
from rheo_tui.formatting import count_text
from rheo_tui.services.poller import EngineClient
from rheo_tui.widgets.line_input import PlainInput

_FOR_ONE = {Choice.OPEN, Choice.RENAME}
_CHOICES = {
    Choice.OPEN: ("v", "Open the file"),
    Choice.AGAIN: ("a", "Download again, with a number"),
    Choice.RENAME: ("r", "Download under another name"),
    Choice.OVERWRITE: ("o", "Download again and overwrite"),
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
            yield Static("Enter save  ·  Esc close", classes="dialog-keys")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if name := event.value.strip():
            self.dismiss(sanitise_filename(name))

    def on_paste(self, event: events.Paste) -> None:
        """Stop pastes that the input did not take; they belong nowhere else."""
        event.stop()


class ExistingFileScreen(ModalScreen[None]):
    """Asks what to do about one or several downloads, and does it."""

    BINDINGS: ClassVar = [
        ("escape", "dismiss", "Close"),
        *((key, f"choose('{choice}')", title) for choice, (key, title) in _CHOICES.items()),
    ]

    def __init__(self, client: EngineClient, rows: Sequence[DownloadSnapshot]) -> None:
        super().__init__()
        self._client = client
        self._rows = rows
        self._choices = [choice for choice in _CHOICES if len(rows) == 1 or choice not in _FOR_ONE]

    def compose(self) -> ComposeResult:
        """Create the name and the choices."""
        row = self._rows[0]
        is_one = len(self._rows) == 1
        with Vertical(classes="dialog dialog-small") as dialog:
            dialog.border_title = "Already on the disk"
            yield Static(
                printable(row.destination or row.name) if is_one else count_text(len(self._rows)),
                classes="existing-name",
                markup=False,
            )
            yield OptionList(
                *(
                    Option(f"{_CHOICES[choice][0]}  {_CHOICES[choice][1]}")
                    for choice in self._choices
                ),
                compact=True,
            )
            yield Static("Enter choose  ·  Esc close", classes="dialog-keys")

    def on_mount(self) -> None:
        """Start at the first choice."""
        self.query_one(OptionList).highlighted = 0

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.action_choose(self._choices[event.option_index])

    @work
    async def action_choose(self, choice: str) -> None:
        """Carry out a choice, after asking for a name if it needs one."""
        if choice not in self._choices:
            return
        name = ""
        if choice == Choice.RENAME:
            name = await self.app.push_screen_wait(NameScreen(self._rows[0].name))
            if not name:
                return
        if choice == Choice.OPEN:
            self._open()
        elif not await self._download_again(Decision(Choice(choice), name)):
            return
        self.dismiss()

    def _open(self) -> None:
        row = self._rows[0]
        path = Path(row.destination or self._client.service.settings.download_dir / row.name)
        self.app.notify(open_path(path) or f"Opening {printable(str(path))}.", markup=False)

    async def _download_again(self, decision: Decision) -> bool:
        ids = [row.id for row in self._rows]
        again = self._client.service.download_again(ids, decision.strategy, decision.filename)
        if not await self._client.guard(again, "Cannot queue the download again"):
            return False
        what = printable(self._rows[0].name) if len(ids) == 1 else count_text(len(ids))
        self.app.notify(f"Queued again: {what} ({decision.words}).", markup=False)
        return True

    def on_paste(self, event: events.Paste) -> None:
        """Stop pastes, because they choose nothing."""
        event.stop()
