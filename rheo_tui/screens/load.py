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
from rheo_tui.engine_link import EngineLink
from rheo_tui.formatting import count_text
from rheo_tui.widgets.inputs import LineInput
from rheo_tui.widgets.verdicts import VerdictList

_HINT = "The path of a file: links, curl commands, an aria2 list, a Metalink, a saved page."


class LoadScreen(ModalScreen[int]):
    """Queues the good lines of a file. Gives how many were queued."""

    BINDINGS: ClassVar = [("escape", "leave", "Close")]

    def __init__(self, link: EngineLink) -> None:
        super().__init__()
        self._link = link

    def compose(self) -> ComposeResult:
        """The path, the verdicts, the keys."""
        with Vertical(classes="dialog dialog-wide") as dialog:
            dialog.border_title = "Load a list"
            yield LineInput(placeholder="~/links.txt", id="path", compact=True)
            yield VerdictList()
            yield Static("Enter adds  ·  Esc closes", classes="dialog-keys")

    def on_mount(self) -> None:
        """Say what is wanted."""
        self._show([], _HINT)

    def _show(self, entries: list[Entry], nothing: str) -> None:
        self.query_one(VerdictList).show(entries, nothing, self._link.service.free_space)

    @on(Input.Changed)
    def _changed(self) -> None:
        self._read(submit=False)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._read(submit=True)

    @work(exclusive=True)
    async def _read(self, submit: bool) -> None:
        text = self.query_one("#path", Input).value.strip()
        if not text:
            self._show([], _HINT)
            return
        try:
            options = self.query_one(VerdictList).options
            entries = await self._link.service.check_file(_expanded(text), options)
        except (OSError, RuntimeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            self._show([], f"Cannot read “{printable(text)}”: {reason or printable(str(error))}.")
            return
        self._show(entries, "There are no links in this file.")
        if submit:
            await self._add(entries)

    async def _add(self, entries: list[Entry]) -> None:
        good = [entry.config for entry in entries if entry.config and entry.verdict is Verdict.OK]
        if not good:
            self.app.notify(
                "There is nothing new to add in this file.", severity="warning", markup=False
            )
            return
        if not await self._link.add(good):
            return
        bad = [entry for entry in entries if entry.verdict is Verdict.INVALID]
        told = f"Added {count_text(len(good))}."
        if not bad:
            self.app.notify(told, markup=False)
            self.dismiss(len(good))
            return
        told += f" {count_text(len(bad), 'line')} not acceptable; see the list."
        self.app.notify(told, severity="warning", markup=False)
        self._show(bad, "")

    @on(LineInput.Left)
    def action_leave(self) -> None:
        """Close."""
        self.dismiss(0)


def _expanded(text: str) -> Path:
    return Path(text).expanduser()
