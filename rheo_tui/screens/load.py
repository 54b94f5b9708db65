"""Load a list of links from a file, with a verdict on each line before they are queued."""

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
from rheo_tui.widgets.entry_preview import EntryPreview, good_of
from rheo_tui.widgets.line_input import LineInput

_HINT = (
    "The path of a file: links, curl commands, an aria2 or wget list, a Metalink, a checksum list, "
    "a saved page, any text with links in it."
)


class LoadScreen(ModalScreen[int]):
    """Queues the good lines of a file. Gives how many were queued."""

    BINDINGS: ClassVar = [
        ("escape", "leave", "Close"),
        ("enter", "submit", "Add"),
        (EntryPreview.ALLOW_KEY, "allow", "Use what the list asks for"),
    ]

    def __init__(self, client: EngineClient) -> None:
        super().__init__()
        self._client = client
        self._is_adding = False
        self._used: list[tuple[str, str]] | None = None  # what the user saw, once F8 was pressed

    def compose(self) -> ComposeResult:
        """The path, the verdicts, the keys."""
        with Vertical(classes="dialog dialog-wide") as dialog:
            dialog.border_title = "Load a list"
            yield LineInput(placeholder="~/links.txt", id="path", compact=True)
            yield EntryPreview()
            yield Static("Enter adds  ·  Tab to the verdicts  ·  Esc closes", classes="dialog-keys")

    def on_mount(self) -> None:
        """Say what is wanted."""
        self._show([], _HINT)

    def _show(self, entries: list[Entry], nothing: str) -> None:
        self.query_one(EntryPreview).show(entries, nothing, self._client.service.free_space)

    def action_allow(self) -> None:
        """Use what the list asks for besides, or stop that."""
        verdicts = self.query_one(EntryPreview)
        verdicts.allows, self._used = not verdicts.allows, None
        self._changed()

    @on(Input.Changed, "#path")
    def _path_changed(self) -> None:
        self.query_one(EntryPreview).allows = False  # it was for the list that was seen

    @on(Input.Changed)
    def _changed(self) -> None:
        if not self._is_adding:
            self._read()

    @on(Input.Submitted)
    def action_submit(self) -> None:
        """Add what is good."""
        if not self._is_adding:
            self._is_adding = True
            self._submit()

    @work(exclusive=True)
    async def _read(self) -> None:
        await self._entries()

    async def _entries(self) -> list[Entry]:
        """Read the file and show what is in it; nothing where it cannot be read."""
        text = self.query_one("#path", Input).value.strip()
        if not text:
            self._show([], _HINT)
            return []
        verdicts = self.query_one(EntryPreview)
        verdicts.say("Looking through the file…")
        try:
            entries = await self._client.service.check_file(_expanded(text), verdicts.options)
        except (OSError, RuntimeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            self._show([], f"Cannot read “{printable(text)}”: {reason or printable(str(error))}.")
            return []
        self._show(entries, "There are no links in this file.")
        self._used = [(entry.place, entry.used) for entry in entries if entry.used]
        return entries

    async def _ask_again(self) -> None:
        """Show a list that has changed as one that nothing was allowed to."""
        self.query_one(EntryPreview).allows, self._used = False, None
        await self._entries()
        message = "The file asks for something else now. Press F8 again to use it."
        self.app.notify(message, severity="warning", markup=False)

    @work(exclusive=True)
    async def _submit(self) -> None:
        try:
            seen, entries = self._used, await self._entries()
            if self.query_one(EntryPreview).allows and seen not in (None, self._used):
                await self._ask_again()
                return
            good = good_of(entries)
            if good:
                self.query_one(EntryPreview).say(f"Adding {count_text(len(good))}…")
            if good and not await self._client.add(good):
                self._show(entries, "")
                return
        finally:
            self._is_adding = False
        self._after(entries, len(good))

    def _after(self, entries: list[Entry], added: int) -> None:
        """Close where all is done; else show what is left."""
        bad = [entry for entry in entries if entry.verdict is Verdict.INVALID]
        if self.query_one(EntryPreview).ask(bad):
            return
        if added and not bad:
            self.app.notify(f"Added {count_text(added)}.", markup=False)
            self.dismiss(added)
            return
        message = f"Added {count_text(added)}." if added else "There is nothing new to add here."
        if bad:
            message += f" {count_text(len(bad), 'line')} not acceptable; see the list."
        self.app.notify(message, severity="warning", markup=False)
        self._show(bad if added else entries, "")

    @on(LineInput.Left)
    def action_leave(self) -> None:
        """Close."""
        if not self._is_adding:
            self.dismiss(0)


def _expanded(text: str) -> Path:
    return Path(text).expanduser()
