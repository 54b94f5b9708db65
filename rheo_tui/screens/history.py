"""HistoryScreen: ended downloads; search them, queue them again, delete them."""

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
_FILES_STAY = "Files on the disk and downloads in the list stay."


class HistoryScreen(ModalScreen[None]):
    """Shows the history; loads a page at a time, because the history may be long."""

    BINDINGS: ClassVar = [
        ("escape,h,q", "dismiss", "Close"),
        ("slash", "search", "Search"),
        ("d,delete", "forget", "Delete"),
        ("D", "forget_all", "Delete all"),
        ("y", "copy", "Copy the URL"),
    ]

    def __init__(self, client: EngineClient) -> None:
        super().__init__()
        self._client = client
        self._text = ""  # the search whose rows are shown
        self._has_more = False

    def compose(self) -> ComposeResult:
        """Create the search, the rows and the keys."""
        with Vertical(classes="dialog dialog-full") as dialog:
            dialog.border_title = "History"
            yield LineInput(placeholder="/ part of a name or URL", id="search", compact=True)
            yield Static("", id="history-count", markup=False)
            yield HistoryList()
            yield Static(
                "/ search · Enter queue again · d delete · D all · y copy URL · Esc",
                classes="dialog-keys",
            )

    def on_mount(self) -> None:
        """Show the latest downloads."""
        self.query_one(HistoryList).focus()
        self._search("", pause=False)

    # Searching

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
        """Move from the search to the rows with the down key."""
        if event.key == "down" and self.query_one(Input).has_focus:
            event.stop()
            self.query_one(HistoryList).focus()

    def action_search(self) -> None:
        """Focus the search."""
        self.query_one(Input).focus()

    @work(exclusive=True, group="search", exit_on_error=False)
    async def _search(self, text: str, *, pause: bool = True) -> None:
        async def search() -> None:
            rows = await self._client.service.history(text, _PAGE_SIZE)
            self._text, self._has_more = text, len(rows) == _PAGE_SIZE
            self.query_one(HistoryList).show(rows)
            self._show_count()

        if pause:  # one search for keys typed in quick succession
            await asyncio.sleep(_SEARCH_DELAY_SECONDS)
        await self._client.guard(search(), "Cannot read the history")

    @on(HistoryList.NearEnd)
    def _near_end(self) -> None:
        if self._has_more:
            self._has_more = False  # until the next page is here
            self._load_more()

    # In the group of the search, because a new search makes this page useless.
    @work(exclusive=True, group="search", exit_on_error=False)
    async def _load_more(self) -> None:
        async def load() -> None:
            shown = self.query_one(HistoryList)
            rows = await self._client.service.history(self._text, _PAGE_SIZE, len(shown.rows))
            self._has_more = len(rows) == _PAGE_SIZE
            shown.append(rows)
            self._show_count()

        await self._client.guard(load(), "Cannot read the history")

    def _show_count(self) -> None:
        count = len(self.query_one(HistoryList).rows)
        text = count_text(count) + (" and more" if self._has_more else "")
        self.query_one("#history-count", Static).update(text if count else self._nothing())

    def _nothing(self) -> str:
        if self._text:
            return f"No name or URL in the history contains “{printable(self._text)}”."
        if not self._client.service.keeps_list:
            return "This session is not saved, so it has no history."
        return "No download has ended yet. Ended downloads appear here, including removed ones."

    # Changing

    @on(OptionList.OptionSelected)
    @work(exit_on_error=False)
    async def _queue_again(self) -> None:
        shown = self.query_one(HistoryList)
        if (row := shown.current) is None or not self._may_change():
            return

        async def queue() -> None:
            await self._client.service.add_again([row.id])
            shown.remove_row(row.id)
            self._show_count()
            self._toast(f"Queued again: {row.name}.")

        await self._client.guard(queue(), "Cannot queue the download again")

    @work(exit_on_error=False)
    async def action_forget(self) -> None:
        """Delete the current download from the history."""
        shown = self.query_one(HistoryList)
        if (row := shown.current) is None or not self._may_change():
            return

        async def forget() -> None:
            if not await self._client.service.forget([row.id]):
                self._toast(f"{row.name} is in the list. Remove it there first.")
                return
            shown.remove_row(row.id)
            self._show_count()

        await self._client.guard(forget(), "Cannot delete the download")

    @work(exit_on_error=False)
    async def action_forget_all(self) -> None:
        """Delete all matches of the search from the history, after a confirmation."""
        text = self._text
        if not self.query_one(HistoryList).rows or not self._may_change():
            return
        which = f"all with “{printable(text)}” in name or URL" if text else "the whole history"
        question = f"Delete {which}? {_FILES_STAY}"
        confirm = ConfirmScreen("Delete history?", question, yes="delete", no="keep")
        if not await self.app.push_screen_wait(confirm):
            return

        async def forget() -> None:
            count = await self._client.service.forget(text=text)
            self._toast(f"Deleted {count_text(count)} from the history.")
            self._search(text, pause=False)

        await self._client.guard(forget(), "Cannot delete the history")

    @work(exit_on_error=False)
    async def action_copy(self) -> None:
        """Copy the URL of the current download, secrets included."""
        if (row := self.query_one(HistoryList).current) is None:
            return

        async def copy() -> None:
            self.app.copy_to_clipboard(await self._client.service.url_of(row.id) or row.url)
            self._toast("URL copied.")

        await self._client.guard(copy(), "Cannot copy the URL")

    def _may_change(self) -> bool:
        if self._client.service.is_read_only:
            self._toast(f"Cannot change the history: {READ_ONLY}.")
            return False
        return True

    def _toast(self, text: str) -> None:
        self.app.notify(printable(text), markup=False)
