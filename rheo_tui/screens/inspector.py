"""Inspector: fetch the details of the current download, and fill the details pane."""

import asyncio
import os
import time
from collections.abc import Iterable
from functools import partial

from textual.screen import Screen
from textual.widget import Widget

from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.inspector_details import DownloadDetails
from rheo_tui.action_reasons import has_file
from rheo_tui.inspector_pages import Inspected
from rheo_tui.services.event_log import EventLog
from rheo_tui.services.poller import EngineClient
from rheo_tui.services.protocol import DownloadService
from rheo_tui.speed_history import SpeedHistory
from rheo_tui.widgets.details import DetailsPane
from rheo_tui.widgets.log_pane import LogPane
from rheo_tui.widgets.table import DownloadTable


class Inspector:
    """Handles the actions whose owner is `inspector`.

    Args:
        screen: the screen with the table and the details.
        service: returns the details.
        client: knows when the service is ready.
        event_log: the events of each download.
    """

    def __init__(
        self,
        screen: Screen[None],
        service: DownloadService,
        client: EngineClient,
        event_log: EventLog,
    ) -> None:
        self._screen = screen
        self._service = service
        self._client = client
        self._event_log = event_log
        self._speeds = SpeedHistory()
        self._details: DownloadDetails | None = None  # of the download in view
        self._is_missing = False  # its finished file is not on the disk

    @property
    def _pane(self) -> DetailsPane:
        return self._screen.query_one(DetailsPane)

    @property
    def _table(self) -> DownloadTable:
        return self._screen.query_one(DownloadTable)

    def sample(self, downloads: Iterable[DownloadSnapshot]) -> None:
        """Record the current speeds of downloads."""
        self._speeds.sample(downloads, time.monotonic())

    def show(self) -> None:
        """Show the current download, if the details are open."""
        if not self._pane.display:
            return
        row = self._table.current
        if row is None:
            self._pane.show(None)
            return
        if self._details is None or self._details.id != row.id:
            self._details, self._is_missing = None, False
        self._show(row)
        self._screen.run_worker(
            partial(self._fetch, row.id),  # type: ignore[arg-type]  # matches two of the types
            exclusive=True,
            group="details",
            exit_on_error=False,
        )

    def _show(self, row: DownloadSnapshot) -> None:
        latest = self._client.latest
        seen = Inspected(
            row,
            self._table.status_of(row),
            self._details,
            self._speeds.of(row.id),
            tuple(self._event_log.of(row.id)),
            self._is_missing,
            total_limit=latest.speed_limit_bps if latest else None,
        )
        self._pane.show(seen)

    async def _fetch(self, download_id: str) -> None:
        """Ask the service for the details of the shown download only."""
        if not self._client.ready:
            return
        details = await self._service.details(download_id)
        row = self._table.current
        is_missing = row is not None and await asyncio.to_thread(_is_missing, row)
        if details is not None and row is not None and row.id == details.id:
            self._details, self._is_missing = details, is_missing
            self._show(row)

    def do_next_page(self) -> None:
        """Open the next page of the details."""
        self._pane.turn(1)

    def do_previous_page(self) -> None:
        """Open the previous page of the details."""
        self._pane.turn(-1)

    def do_details_down(self) -> None:
        """Scroll the details down, or the log if they are closed."""
        self._scroll(1)

    def do_details_up(self) -> None:
        """Scroll the details up, or the log if they are closed."""
        self._scroll(-1)

    def _scroll(self, by: int) -> None:
        """Scroll by half the height, down for 1 and up for -1."""
        pane: Widget = self._screen.query_one(LogPane)
        if self._pane.display:
            pane = self._pane.page_scroll
        pane.scroll_relative(y=by * max(pane.size.height // 2, 1), animate=False)


def _is_missing(row: DownloadSnapshot) -> bool:
    """Return True if a file was completed and is gone. Blocks."""
    return has_file(row) and not os.path.lexists(row.destination)
