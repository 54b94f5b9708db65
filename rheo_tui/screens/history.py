"""The history: what ended, in the list or taken off it; searched, queued again, forgotten."""

import asyncio
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from rheo_core.domain.text import printable
from rheo_tui.formatting import count_text
from rheo_tui.services.poller import EngineClient
from rheo_tui.services.protocol import READ_ONLY
from rheo_tui.widgets.history_list import HistoryList
from rheo_tui.widgets.line_input import LineInput

from .confirm import ConfirmScreen

_PAGE_SIZE = 200
_SEARCH_DELAY_SECONDS = 0.12  # seconds
_FILES_STAY = "Files on the disk stay, and so do downloads in the list."


class HistoryScreen(ModalScreen[None]):
    """Loads pages as one scrolls: the history may be long."""

    BINDINGS: ClassVar = [
        ("escape,h,q", "dismiss", "Close"),
        ("slash", "search", "Search"),
        ("d,delete", "forget", "Forget"),
        ("D", "forget_all", "Forget all"),
        ("y", "copy", "Copy the link"),
    ]

    def __init__(self, client: EngineClient) -> None:
        super().__init__()
        self._client = client
        self._text = ""  # what the rows shown were searched for
        self._has_more = False

    def compose(self) -> ComposeResult:
        """The search, the rows or a sentence, the keys."""
        with Vertical(classes="dialog dialog-full") as dialog:
            dialog.border_title = "History"
            yield LineInput(placeholder="/ part of a name or a link", id="search", compact=True)
            yield Static("", id="history-count", markup=False)
            yield HistoryList()
            yield Static(
                "/ search · Enter queue again · d forget · D all · y copy link · Esc",
                classes="dialog-keys",
            )

    def on_mount(self) -> None:
        """Show the latest."""
        self.query_one(HistoryList).focus()
        self._search("", pause=False)

    # Looking

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._search(event.value.strip())

    @on(Input.Submitted)
    def _to_the_list(self) -> None:
        self.query_one(HistoryList).focus()

    @on(LineInput.Left)
    def _search_left(self) -> None:
        self.query_one(Input).value = ""
        self.query_one(HistoryList).focus()

    def on_key(self, event: events.Key) -> None:
        """Arrows go from the search to the rows."""
        if event.key == "down" and self.query_one(Input).has_focus:
            event.stop()
            self.query_one(HistoryList).focus()

    def action_search(self) -> None:
        """Type into the search."""
        self.query_one(Input).focus()

    @work(exclusive=True, group="search", exit_on_error=False)
    async def _search(self, text: str, *, pause: bool = True) -> None:
        async def search() -> None:
            rows = await self._client.service.history(text, _PAGE_SIZE)
            self._text, self._has_more = text, len(rows) == _PAGE_SIZE
            self.query_one(HistoryList).show(rows)
            self._show_count()

        if pause:  # one search for what is typed in one go
            await asyncio.sleep(_SEARCH_DELAY_SECONDS)
        await self._client.guard(search(), "The history cannot be read")

    @on(HistoryList.NearEnd)
    def _near_end(self) -> None:
        if self._has_more:
            self._has_more = False  # asked for
            self._load_more()

    # In the group of the search, which makes an older page useless.
    @work(exclusive=True, group="search", exit_on_error=False)
    async def _load_more(self) -> None:
        async def load() -> None:
            shown = self.query_one(HistoryList)
            rows = await self._client.service.history(self._text, _PAGE_SIZE, len(shown.rows))
            self._has_more = len(rows) == _PAGE_SIZE
            shown.append(rows)
            self._show_count()

        await self._client.guard(load(), "The history cannot be read")

    def _show_count(self) -> None:
        count = len(self.query_one(HistoryList).rows)
        text = count_text(count) + (" and more" if self._has_more else "")
        self.query_one("#history-count", Static).update(text if count else self._nothing())

    def _nothing(self) -> str:
        if self._text:
            return f"No name or link in the history contains “{printable(self._text)}”."
        if not self._client.service.keeps_list:
            return "This list is not kept, and has no history."
        return "Nothing yet: what has ended is found here, also when it is off the list."

    # Acting

    @on(OptionList.OptionSelected)
    @work(exit_on_error=False)
    async def _queue_again(self) -> None:
        shown = self.query_one(HistoryList)
        if (row := shown.current) is None or not self._may_change():
            return

        async def queue() -> None:
            await self._client.service.add_again([row.id])
            shown.take_out(row.id)
            self._show_count()
            self._tell(f"Queued again: {row.name}.")

        await self._client.guard(queue(), "It was not queued again")

    @work(exit_on_error=False)
    async def action_forget(self) -> None:
        """Forget the current one."""
        shown = self.query_one(HistoryList)
        if (row := shown.current) is None or not self._may_change():
            return

        async def forget() -> None:
            if not await self._client.service.forget([row.id]):
                self._tell(f"{row.name} is in the list; remove it there first.")
                return
            shown.take_out(row.id)
            self._show_count()

        await self._client.guard(forget(), "It was not forgotten")

    @work(exit_on_error=False)
    async def action_forget_all(self) -> None:
        """Forget all that the search finds, once the user has said yes."""
        text = self._text
        if not self.query_one(HistoryList).rows or not self._may_change():
            return
        which = f"all with “{printable(text)}” in the name or link" if text else "all of it"
        question = f"Forget {which}? {_FILES_STAY}"
        confirm = ConfirmScreen("Forget?", question, yes="forget", no="keep")
        if not await self.app.push_screen_wait(confirm):
            return

        async def forget() -> None:
            count = await self._client.service.forget(text=text)
            self._tell(f"Forgot {count_text(count)}.")
            self._search(text, pause=False)

        await self._client.guard(forget(), "Nothing was forgotten")

    @work(exit_on_error=False)
    async def action_copy(self) -> None:
        """Copy the link of the current one, with its secrets."""
        if (row := self.query_one(HistoryList).current) is None:
            return

        async def copy() -> None:
            self.app.copy_to_clipboard(await self._client.service.url_of(row.id) or row.url)
            self._tell("Link copied.")

        await self._client.guard(copy(), "The link was not copied")

    def _may_change(self) -> bool:
        if self._client.service.is_read_only:
            self._tell(f"Not now: {READ_ONLY}.")
            return False
        return True

    def _tell(self, text: str) -> None:
        self.app.notify(printable(text), markup=False)
