"""LoadScreen: add the links in a file, with a verdict on each before they are queued."""

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rheo_core.domain.text import printable
from rheo_core.inputs import Entry, Verdict
from rheo_tui.formatting import count_text
from rheo_tui.services.poller import EngineClient
from rheo_tui.widgets.entry_preview import EntryPreview, valid_configs
from rheo_tui.widgets.line_input import LineInput

_HINT = (
    "Enter the path of a file with links, curl commands, an aria2 or wget list, a Metalink, a "
    "checksum list, a saved web page, or any text that contains links."
)


class LoadScreen(ModalScreen[int]):
    """Queues the valid lines of a file. Returns the number of queued downloads."""

    BINDINGS: ClassVar = [
        ("escape", "leave", "Close"),
        ("enter", "submit", "Add"),
        (EntryPreview.ALLOW_KEY, "allow", "Use the options of the list"),
    ]

    def __init__(self, client: EngineClient) -> None:
        super().__init__()
        self._client = client
        self._is_adding = False
        self._used: list[tuple[str, str]] | None = (
            None  # the options that the user saw when F8 was pressed
        )

    def compose(self) -> ComposeResult:
        """Create the path, the verdicts and the keys."""
        with Vertical(classes="dialog dialog-wide") as dialog:
            dialog.border_title = "Load a list"
            yield LineInput(placeholder="~/links.txt", id="path", compact=True)
            yield EntryPreview()
            yield Static("Enter add  ·  Tab verdicts, folder  ·  Esc close", classes="dialog-keys")

    def on_mount(self) -> None:
        """Show the hint."""
        self._show([], _HINT)

    def _show(self, entries: list[Entry], nothing: str) -> None:
        self.query_one(EntryPreview).show(entries, nothing, self._client.service.free_space)

    def action_allow(self) -> None:
        """Use the options of the list, or stop using them."""
        verdicts = self.query_one(EntryPreview)
        verdicts.allows, self._used = not verdicts.allows, None
        self._changed()

    @on(Input.Changed, "#path")
    def _path_changed(self) -> None:
        self.query_one(EntryPreview).allows = False  # the user allowed the previous list

    @on(Input.Changed)
    def _changed(self) -> None:
        if not self._is_adding:
            self._read()

    @on(Input.Submitted)
    def action_submit(self) -> None:
        """Add the valid entries."""
        if not self._is_adding:
            self._is_adding = True
            self._submit()

    @work(exclusive=True)
    async def _read(self) -> None:
        await self._entries()

    async def _entries(self) -> list[Entry]:
        """Read the file, show its entries and return them; none if it cannot be read."""
        text = self.query_one("#path", Input).value.strip()
        if not text:
            self._show([], _HINT)
            return []
        verdicts = self.query_one(EntryPreview)
        verdicts.say("Reading the file…")
        try:
            entries = await self._client.service.check_file(_expanded(text), verdicts.options)
        except (OSError, RuntimeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            self._show([], f"Cannot read “{printable(text)}”: {reason or printable(str(error))}.")
            return []
        self._show(entries, "This file contains no links.")
        self._used = [(entry.place, entry.used) for entry in entries if entry.used]
        return entries

    async def _ask_again(self) -> None:
        """Show a list that has changed, without using its options."""
        self.query_one(EntryPreview).allows, self._used = False, None
        await self._entries()
        message = "The options in the file have changed. Press F8 again to use them."
        self.app.notify(message, severity="warning", markup=False)

    @work(exclusive=True)
    async def _submit(self) -> None:
        try:
            seen, entries = self._used, await self._entries()
            if self.query_one(EntryPreview).allows and seen not in (None, self._used):
                await self._ask_again()
                return
            entries = self.query_one(EntryPreview).decided(entries)
            good = valid_configs(entries)
            if good:
                self.query_one(EntryPreview).say(f"Adding {count_text(len(good))}…")
            if good and not await self._client.add(good):
                self._show(entries, "")
                return
        finally:
            self._is_adding = False
        self._after(entries, len(good))

    def _after(self, entries: list[Entry], added: int) -> None:
        """Close if everything was added; otherwise show the rest."""
        preview = self.query_one(EntryPreview)
        bad = [entry for entry in entries if entry.verdict is Verdict.INVALID]
        undecided = [*filter(preview.is_undecided, entries)]
        if preview.ask([*bad, *undecided]) and not undecided:
            return
        if added and not bad and not undecided:
            self.dismiss(added)
            return
        message = (
            f"Added {count_text(added)}." if added else "The file contains nothing new to add."
        )
        if bad:
            message += f" Not valid: {count_text(len(bad), 'line')}, shown below."
        if undecided:
            message += f" Already on the disk: {count_text(len(undecided))}; choose below."
        self.app.notify(message, severity="warning", markup=False)
        self._show([*bad, *undecided] if added else entries, "")

    @on(LineInput.Left)
    def action_leave(self) -> None:
        """Close the screen."""
        if not self._is_adding:
            self.dismiss(0)


def _expanded(text: str) -> Path:
    return Path(text).expanduser()
