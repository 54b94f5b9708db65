"""HistoryScreen: search ended downloads, show their details, queue or forget them."""

import asyncio
from collections.abc import Sequence
from os.path import lexists
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.downloads import HistoryTotals
from rheo_core.domain.text import printable
from rheo_tui.existing_files import Choice, Decision
from rheo_tui.failure_advice import cause_of
from rheo_tui.file_manager import folder_of, open_path
from rheo_tui.formatting import (
    clock_text,
    count_text,
    duration_text,
    short_path,
    size_text,
    speed_text,
)
from rheo_tui.services.poller import EngineClient
from rheo_tui.services.protocol import READ_ONLY
from rheo_tui.status_look import look_of
from rheo_tui.widgets.choice_list import ChoiceList
from rheo_tui.widgets.history_list import HistoryList
from rheo_tui.widgets.keys_line import KeysLine
from rheo_tui.widgets.search_input import SearchInput

from .confirm import ConfirmScreen

_PAGE_SIZE = 200
_SEARCH_DELAY_SECONDS = 0.12
_FILES_STAY = "Files on the disk and downloads in the list are kept."
_KEYS = (
    "/ search · ! failures · Space mark · Enter details · A again · f folder · y copy · d forget · "
    "D all · Esc close"
)


class HistoryScreen(ModalScreen[None]):
    """Shows the history; loads a page at a time, because the history may be long."""

    BINDINGS: ClassVar = [
        ("escape", "leave", "Close"),
        ("h,q", "dismiss", "Close"),
        ("slash", "search", "Search"),
        ("exclamation_mark", "failures", "Failures only"),
        ("A,r", "again", "Download again"),
        ("f", "folder", "Open the folder"),
        ("d,delete", "forget", "Forget"),
        ("D", "forget_all", "Forget all"),
        ("y", "copy", "Copy the URL"),
    ]

    def __init__(self, client: EngineClient) -> None:
        super().__init__()
        self._client = client
        self._text = ""  # the search whose rows are shown
        self._failed = False  # True shows only failures
        self._totals = HistoryTotals()
        self._has_more = False

    def compose(self) -> ComposeResult:
        """Create the search, the totals, the rows, the details and the keys."""
        with Vertical(classes="dialog dialog-full") as dialog:
            dialog.border_title = "History"
            yield SearchInput("/ part of a name or URL", HistoryList)
            yield Static("", id="history-count", markup=False)
            yield Static("", id="history-titles", markup=False)
            yield HistoryList()
            yield Static("", id="history-detail", markup=False)
            yield KeysLine(_KEYS)

    def on_mount(self) -> None:
        """Show the latest downloads."""
        self._rows.focus()
        self._search("", pause=False)

    @property
    def _rows(self) -> HistoryList:
        return self.query_one(HistoryList)

    def on_resize(self) -> None:
        """Fit the titles to the new width."""
        self.call_after_refresh(self._show_count)

    # Searching

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._search(event.value.strip())

    def action_search(self) -> None:
        """Focus the search."""
        self.query_one(Input).focus()

    def action_failures(self) -> None:
        """Show only failures, or all ended downloads."""
        self._failed = not self._failed
        self._search(self._text, pause=False)

    @work(exclusive=True, group="search", exit_on_error=False)
    async def _search(self, text: str, *, pause: bool = True) -> None:
        async def search() -> None:
            await self._client.opened()  # the user may press `h` before that
            service = self._client.service
            rows = await service.history(text, _PAGE_SIZE, failed=self._failed)
            self._totals = await service.history_totals(text)
            self._text, self._has_more = text, len(rows) == _PAGE_SIZE
            self._rows.show(rows)
            self._show_count()

        if pause:  # one search for keys typed in quick succession
            await asyncio.sleep(_SEARCH_DELAY_SECONDS)
        await self._client.guard(search(), "Cannot read the history")

    @on(HistoryList.NearEnd)
    def _near_end(self) -> None:
        if self._has_more:
            self._has_more = False  # until the next page arrives
            self._load_more()

    # In the group of the search, because a new search makes this page useless.
    @work(exclusive=True, group="search", exit_on_error=False)
    async def _load_more(self) -> None:
        async def load() -> None:
            shown = self._rows
            rows = await self._client.service.history(
                self._text, _PAGE_SIZE, len(shown.rows), failed=self._failed
            )
            self._has_more = len(rows) == _PAGE_SIZE
            shown.append(rows)
            self._show_count()

        await self._client.guard(load(), "Cannot read the history")

    @on(HistoryList.Marked)
    def _show_count(self) -> None:
        shown = self._rows
        text = self._totals_text() if shown.rows else self._nothing()
        self.query_one("#history-count", Static).update(text)
        self.query_one("#history-titles", Static).update(shown.titles() if shown.rows else "")

    def _totals_text(self) -> str:
        totals, marked = self._totals, len(self._rows.marked)
        done = f"{totals.done:,} done"
        parts = [
            count_text(totals.ended),
            f"{done}, {size_text(totals.done_bytes)}" if totals.done_bytes else done,
            f"{totals.failed:,} failed",
        ]
        if others := totals.ended - totals.done - totals.failed:
            parts.append(f"{others:,} skipped or cancelled")
        if self._failed:
            parts.append("failures only (! shows all)")
        if marked:
            parts.append(f"{marked:,} marked")
        return " · ".join(parts)

    def _nothing(self) -> str:
        if self._text:
            return f"No name or URL in the history contains “{printable(self._text)}”."
        if self._failed and self._totals.ended:
            return "No download in the history has failed. Press ! to show all."
        if not self._client.service.keeps_list:
            return "This session is not saved, so it has no history."
        return "No download has ended yet. Downloads that end appear here, even if you remove them."

    # Details

    @on(ChoiceList.OptionSelected)
    def _toggle_details(self) -> None:
        detail = self.query_one("#history-detail", Static)
        detail.display = not detail.display
        self._show_details()

    def action_leave(self) -> None:
        """Close the details, or the history if they are closed."""
        if self.query_one("#history-detail").display:
            self._toggle_details()
        else:
            self.dismiss()

    @on(ChoiceList.OptionHighlighted)
    def _show_details(self) -> None:
        if self.query_one("#history-detail").display:
            self._look_up()

    @work(exclusive=True, group="details", exit_on_error=False)
    async def _look_up(self) -> None:
        row = self._rows.current
        text = "" if row is None else _details(row, await asyncio.to_thread(_is_there, row))
        self.query_one("#history-detail", Static).update(text)

    @work(exit_on_error=False)
    async def action_folder(self) -> None:
        """Open the folder of the current download."""
        if (row := self._rows.current) is not None:
            folder = folder_of(row.destination, self._client.service.settings.download_dir)
            await self._open(folder)

    async def _open(self, path: Path) -> None:
        problem = await open_path(path, self.app.copy_to_clipboard)
        self._toast(problem or f"Opened {path}.")

    # Changing

    @work(exit_on_error=False)
    async def action_again(self) -> None:
        """Queue the marked downloads again, or the current one; ask if files are on the disk."""
        rows = self._rows.targets
        if not rows or not self._may_change():
            return
        existing = [row for row in rows if await asyncio.to_thread(_is_there, row)]
        decision = None
        if existing:
            decision = await self._decision_on(existing)
            if decision is None:
                return
        await self._client.guard(
            self._queue(rows, existing, decision), "Cannot queue the download again"
        )

    async def _decision_on(self, rows: Sequence[DownloadSnapshot]) -> Decision | None:
        """Ask what to do about files on the disk; return None to queue nothing."""
        from .existing_file import ExistingFileScreen

        paths = [Path(row.destination) for row in rows]
        decision = await self.app.push_screen_wait(ExistingFileScreen(paths))
        if decision is None or decision.choice is not Choice.OPEN:
            return decision
        await self._open(paths[0])
        return None

    async def _queue(
        self,
        rows: Sequence[DownloadSnapshot],
        existing: Sequence[DownloadSnapshot],
        decision: Decision | None,
    ) -> None:
        service = self._client.service
        others = [row.id for row in rows if row not in existing]
        if others:
            await service.add_again(others)
        words = ""
        if decision is not None:
            paths = decision.paths_of(existing, service.settings.download_dir)
            await service.add_again([row.id for row in existing], decision.strategy, paths)
            words = f" ({decision.words})"
        await self._leave_out(rows)
        what = rows[0].name if len(rows) == 1 else count_text(len(rows))
        self._toast(f"Queued again: {what}{words}.")

    async def _leave_out(self, rows: Sequence[DownloadSnapshot]) -> None:
        """Show the history without rows that it no longer contains."""
        self._rows.remove_rows({row.id for row in rows})
        self._totals = await self._client.service.history_totals(self._text)
        self._show_count()

    @work(exit_on_error=False)
    async def action_forget(self) -> None:
        """Remove the marked downloads, or the current one, from the history; ask before several."""
        rows = self._rows.targets
        if not rows or not self._may_change():
            return
        if len(rows) > 1 and not await self._is_sure(f"Forget {count_text(len(rows))}?"):
            return

        async def forget() -> None:
            count = await self._client.service.forget([row.id for row in rows])
            self._toast(_forgotten(rows, count))
            if count == len(rows):
                await self._leave_out(rows)
            elif count:
                self._search(self._text, pause=False)

        await self._client.guard(forget(), "Cannot forget the download")

    @work(exit_on_error=False)
    async def action_forget_all(self) -> None:
        """Remove all matches of the search from the history, after a confirmation."""
        text = self._text
        if not self._rows.rows or not self._may_change():
            return
        which = "all failures" if self._failed else "all"
        if text:
            which += f" with “{printable(text)}” in name or URL"
        elif not self._failed:
            which = "the whole history"
        if not await self._is_sure(f"Forget {which}?"):
            return

        async def forget() -> None:
            ids = await self._failed_ids() if self._failed else None
            count = await self._client.service.forget(ids, text=text)
            self._toast(f"Forgot {count_text(count)}. {_FILES_STAY}")
            self._search(text, pause=False)

        await self._client.guard(forget(), "Cannot forget the downloads")

    async def _is_sure(self, question: str) -> bool:
        text = f"{question} {_FILES_STAY}"
        confirm = ConfirmScreen("Forget downloads?", text, yes="forget", no="keep")
        return await self.app.push_screen_wait(confirm)

    async def _failed_ids(self) -> list[str]:
        """Return the ids of all failures that match the search, loaded or not."""
        ids: list[str] = []
        while True:
            rows = await self._client.service.history(self._text, _PAGE_SIZE, len(ids), failed=True)
            ids += [row.id for row in rows]
            if len(rows) < _PAGE_SIZE:
                return ids

    @work(exit_on_error=False)
    async def action_copy(self) -> None:
        """Copy the URLs of the marked downloads, or of the current one, secrets included."""
        rows = self._rows.targets
        if not rows:
            return

        async def copy() -> None:
            whole = await self._client.service.urls_of([row.id for row in rows])
            urls = [whole.get(row.id, row.url) for row in rows]
            self.app.copy_to_clipboard("\n".join(urls))
            self._toast("URL copied." if len(urls) == 1 else f"{len(urls):,} URLs copied.")

        await self._client.guard(copy(), "Cannot copy the URL")

    def _may_change(self) -> bool:
        if self._client.service.is_read_only:
            self._toast(f"Cannot change the history: {READ_ONLY}.")
            return False
        return True

    def _toast(self, text: str) -> None:
        self.app.notify(printable(text), markup=False)


def _forgotten(rows: Sequence[DownloadSnapshot], count: int) -> str:
    """Return how many of `rows` the history has forgotten, and why it kept the others."""
    if count == len(rows):
        if count > 1:
            return f"Forgot {count_text(count)}. {_FILES_STAY}"
        stays = " Its file is kept." if rows[0].has_file else ""
        return f"Forgot {rows[0].name}.{stays}"
    if len(rows) == 1:
        return f"{rows[0].name} is still in the list; remove it there first."
    return f"Forgot {count_text(count)}; kept {count_text(len(rows) - count)} in the list."


def _is_there(row: DownloadSnapshot) -> bool:
    """Return True if the file of `row` is on the disk. Blocks."""
    return bool(row.destination) and row.has_file and lexists(row.destination)


def _details(row: DownloadSnapshot, is_there: bool) -> str:
    """Return the facts about an ended download that its line omits."""
    spent = (row.finished_at or 0) - (row.started_at or 0) if row.started_at else 0
    parts = [
        look_of(row).label,
        cause_of(row).text or row.reason,
        size_text(row.bytes_downloaded) if row.bytes_downloaded else "",
        f"in {duration_text(round(spent))}" if spent >= 1 else "",
        f"at {speed_text(row.average_speed_bps)}" if row.average_speed_bps else "",
        f"{row.attempt} attempts" if row.attempt > 1 else "",
    ]
    times = f"added {clock_text(row.added_at)}"
    if row.finished_at:
        times += f", ended {clock_text(row.finished_at)}"
    place = short_path(Path(row.destination)) if row.destination else "no file"
    state = "" if not row.destination else "  (on the disk)" if is_there else "  (not on the disk)"
    lines = (" · ".join(filter(None, parts)), f"{place}{state}", row.url, times)
    return "\n".join(map(printable, lines))
