"""LoadScreen: load links from a file, and preview the downloads."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rheo_core.domain import DownloadSnapshot, FileConfig
from rheo_core.domain.text import printable
from rheo_core.inputs import Entry, ReadOptions
from rheo_tui.editor import edit_file
from rheo_tui.entry_defaults import complete_path, paths_with
from rheo_tui.formatting import count_text, size_text
from rheo_tui.list_kinds import kind_of
from rheo_tui.proposals import EntryDraft, Outcome, Proposal, rest_words
from rheo_tui.screen_memory import ScreenMemory
from rheo_tui.screens.entry_preview import EntryPreview
from rheo_tui.services.edits import Edits
from rheo_tui.services.poller import EngineClient
from rheo_tui.typed_ahead import key_work, while_open
from rheo_tui.widgets.entry_table import EntryTable
from rheo_tui.widgets.line_input import LineInput, SlowCompleter
from rheo_tui.widgets.path_picker import PathPicker

_HINT = (
    "Enter the path of a file with links, curl commands, an aria2 or wget list, a Metalink, a "
    "checksum list, a saved web page, or any text that contains links."
)
_CHOOSE = "Choose a path, or type more of it."
_KEYS = "Enter add · Tab complete, next · ↓ {} · Esc close"
_CHOICE_KEYS = "Enter choose · ↑ ↓ move · letters edit the path · Esc close"


class LoadScreen(ModalScreen[int]):
    """Queues the valid lines of a file. Returns the number of queued downloads.

    Args:
        client: reaches the engine.
        edits: edits downloads, so that this can be undone.
        rows: all downloads in the list by their ids.
        memory: keeps the recently loaded lists.
    """

    BINDINGS: ClassVar = [
        ("escape", "leave", "Close"),
        ("enter,ctrl+s", "submit", "Add"),
        ("tab", "go(1)", "Next"),
        ("shift+tab", "go(-1)", "Previous"),
        (EntryPreview.ALLOW_KEY, "allow", "Use the options of the list"),
    ]

    def __init__(
        self,
        client: EngineClient,
        edits: Edits,
        rows: Mapping[str, DownloadSnapshot],
        memory: ScreenMemory,
    ) -> None:
        super().__init__()
        self._client = client
        self._memory = memory
        self._preview = EntryPreview(client, edits, rows, EntryDraft(), self._read, _CHOICE_KEYS)
        self._is_adding = False
        self._reading = asyncio.Lock()
        self._read_for: tuple[str, ReadOptions] | None = None
        self._configs: list[FileConfig | None] = []  # those that the user sees for `_read_for`
        self._asked = frozenset[tuple[str, str]]()  # places and options that the user has seen
        self._has_changed = False  # the options differ from those that the user allowed

    def compose(self) -> ComposeResult:
        """Create the path, the paths to choose from, and the table."""
        with Vertical(classes="dialog dialog-wide") as dialog:
            dialog.border_title = "Load a list"
            yield LineInput(
                placeholder="such as ~/links.txt",
                suggester=SlowCompleter(_completed),
                select_on_focus=False,  # typed text continues the path
                id="path",
                compact=True,
            )
            yield Static("", id="list-kind", markup=False)
            yield PathPicker(lambda: self._memory.lists)
            yield self._preview

    def on_mount(self) -> None:
        """Show the hint and the recent lists."""
        self._read_soon()

    # The path

    @property
    def _path(self) -> str:
        return self.query_one("#path", Input).value.strip()

    @on(Input.Changed, "#path")
    def _path_changed(self) -> None:
        self._preview.allows = self._has_changed = False  # the user allowed the previous list

    @on(Input.Changed)
    def _changed(self) -> None:
        if not self._is_adding:
            self._read_soon()

    def on_key(self, event: events.Key) -> None:
        """Move from the path to what is below it with the down key, and back by typing."""
        picker, field = self.query_one(PathPicker), self.query_one("#path", Input)
        if event.key == "down" and field.has_focus:
            event.stop()
            if not self._is_choosing():
                self.query_one(EntryTable).focus()
        elif picker.has_focus and (event.is_printable or event.key == "backspace"):
            event.stop()
            field.focus()
            field.cursor_position = len(field.value)
            if event.key == "backspace":
                field.action_delete_left()
            else:
                field.insert_text_at_cursor(event.character or "")

    @on(events.DescendantFocus)
    def _show_keys(self) -> None:
        picker = self.query_one(PathPicker)
        below = "choose a path" if picker.display else "entries"
        self._preview.show_keys(_CHOICE_KEYS if picker.has_focus else _KEYS.format(below))

    @on(PathPicker.Chosen)
    def _chosen(self, event: PathPicker.Chosen) -> None:
        field = self.query_one("#path", Input)
        field.value = event.path
        field.cursor_position = len(event.path)
        field.focus()

    @key_work
    async def action_go(self, by: int) -> None:
        """Complete the path, or go to another field; which ones there are depends on the file."""
        field = self.query_one("#path", LineInput)
        if field.has_focus and by > 0:
            completed = await asyncio.to_thread(_common, field.value)
            if completed:
                field.value = completed
                field.cursor_position = len(completed)
                return
            await self._read()
            if self._is_choosing():
                return
        self.focus_next() if by > 0 else self.focus_previous()

    # Reading

    def action_allow(self) -> None:
        """Use the options of the list, or stop using them."""
        self._preview.allows, self._has_changed = not self._preview.allows, False
        self._changed()

    @work(exclusive=True, group="check")
    @while_open
    async def _read_soon(self) -> None:
        await self._read()

    async def _read(self, *, again: bool = False) -> None:
        """Show the entries of the file, unless they are already shown.

        Args:
            again: True to read it again, because it may have changed.
        """
        async with self._reading:
            await self._read_path(again=again)

    async def _read_path(self, *, again: bool) -> None:
        request = text, options = self._path, self._preview.options
        if request == self._read_for and not again:
            return
        entries: list[Entry] = []
        nothing, about = _HINT, ""
        if text:
            self._preview.say("Reading the file…")
            entries, nothing, about = await self._entries_of(text, options)
        asked = frozenset((each.place, each.asks_for) for each in entries if each.asks_for)
        if options.list_options and not asked <= self._asked:
            self._preview.allows, self._has_changed = False, True
            message = "The options in the file have changed. Press F8 again to use them."
            self.app.notify(message, severity="warning", markup=False)
            await self._read_path(again=True)
            return
        self._show_kind(about if entries else "")
        picker = self.query_one(PathPicker)
        if entries or not await asyncio.to_thread(_may_be_path, text):
            picker.display = False
        else:
            await picker.offer(text)
            if picker.display and text:
                nothing = _CHOOSE
        self.set_class(picker.display, "-picking")
        self._show_keys()
        await self._preview.show(entries, nothing)
        self._configs = [each.config for each in entries]
        self._asked, self._read_for = asked, request

    async def _entries_of(self, text: str, options: ReadOptions) -> tuple[list[Entry], str, str]:
        """Return the entries of a file, the sentence if there are none, and its kind."""
        try:
            path = _expanded(text)
            if await asyncio.to_thread(path.is_dir):
                return [], "Choose a file in this folder.", ""
            entries = await self._client.service.check_file(path, options)
            size = (await asyncio.to_thread(path.stat)).st_size
        except (OSError, RuntimeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            return [], f"Cannot read “{printable(text)}”: {reason or printable(str(error))}.", ""
        return entries, "This file contains no links.", f"{kind_of(entries)} · {size_text(size)}"

    def _show_kind(self, text: str) -> None:
        line = self.query_one("#list-kind", Static)
        line.update(text)
        line.display = bool(text)

    @on(EntryPreview.LineWanted)
    @key_work
    async def _edit_list(self) -> None:
        """Open the file in the user's editor, and read it again afterwards."""
        if problem := edit_file(self.app, _expanded(self._path)):
            self._preview.say(problem)
        else:
            await self._read(again=True)

    # Adding

    @on(Input.Submitted)
    def action_submit(self) -> None:
        """Add the valid entries."""
        if not self._is_adding:
            self._is_adding = True
            self._preview.begin()
            self._submit()

    @key_work
    async def _submit(self) -> None:
        try:
            is_shown = self._read_for == (self._path, self._preview.options)
            shown = self._configs if is_shown else None
            await self._read(again=True)
            if self._has_changed:  # the options that the user allowed; the next Enter adds
                self._has_changed = False
                return
            if shown is not None and shown != self._configs:
                message = "The file has changed. Check its entries, then press Enter again."
                self.app.notify(message, severity="warning", markup=False)
                return
            proposals, defaults = self._preview.proposals, self._preview.defaults()
            if defaults is None or self._is_choosing() or self._preview.is_stopped:
                return
            count = sum(each.outcome in (Outcome.ADD, Outcome.RENEW) for each in proposals)
            if count:
                self._preview.say(f"Adding {count_text(count)}…")
                added = await self._preview.add(defaults)
                self._read_for = None  # the list has changed
                if not added:
                    await self._read()
                    return
                self._memory.add_list(str(_expanded(self._path).absolute()))
        finally:
            self._is_adding = False
        await self._after(proposals, count)

    def _is_choosing(self) -> bool:
        """Focus the paths to choose from, if the current path is not that of a list yet."""
        picker = self.query_one(PathPicker)
        if picker.display:
            picker.focus()
            picker.action_first()
        return picker.display

    async def _after(self, proposals: Sequence[Proposal], added: int) -> None:
        """Close if everything was added; otherwise show the rest."""
        if not proposals:  # the sentence in their place says why
            return
        bad = [each.entry for each in proposals if each.outcome is Outcome.INVALID]
        undecided = [each.entry for each in proposals if each.outcome is Outcome.UNDECIDED]
        if self._preview.ask() and not undecided:
            return
        skipped = any(each.outcome is Outcome.SKIP for each in proposals)
        if (added or skipped) and not bad and not undecided:
            self.dismiss(added)
            return
        parts = [f"Added {added:,}."] if added else []
        parts += rest_words(proposals)
        if added:
            await self._preview.show([*bad, *undecided], "")
            self._read_for = self._path, self._preview.options  # the rest stays until the next add
        # No toast, which would cover the keys of the table.
        self._preview.say(" ".join(parts) or "The file contains nothing new to add.")

    @on(LineInput.Left)
    def action_leave(self) -> None:
        """Stop adding, or close the screen."""
        if self._is_adding:
            self._preview.stop()
        else:
            self.dismiss(0)


def _expanded(text: str) -> Path:
    """Return a path with the home folder in place of `~`.

    Raises:
        ValueError: the folder is unknown.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError("the user does not exist") from None


def _completed(text: str) -> str:
    return complete_path(text, Path(), folders_only=False)


def _common(text: str) -> str:
    """Return what all paths that begin with `text` have in common; "" if that is not longer."""
    paths = paths_with(text, Path(), folders_only=False) if text else []
    common = os.path.commonprefix(paths)  # noqa: RUF071  characters count, as in a shell
    return common if len(common) > len(text) else ""


def _may_be_path(text: str) -> bool:
    """Return True unless `text` names a file; blocks."""
    try:
        return not os.path.isfile(_expanded(text))
    except (OSError, ValueError):
        return False
