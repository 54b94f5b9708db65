"""ReadOnlyService: show a session that another process is using."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot, FileConfig, RheoError, Snapshot
from rheo_core.domain.downloads import HistoryTotals
from rheo_core.domain.inspector_details import DownloadDetails
from rheo_core.domain.text import printable
from rheo_core.downloads.session import Session
from rheo_core.events import DownloadEvent
from rheo_core.tracking import DownloadRecord, DownloadTracker

from .protocol import READ_ONLY

_INTERVAL_SECONDS = 2.0
"""Seconds between two checks for changes of the file."""


class ReadOnlyService:
    """Implements `DownloadService` over a session file, which it reads again after each change.

    The file contains active downloads as queued, with progress a few seconds old.

    Args:
        settings: current settings.
        path: the session file.
    """

    def __init__(self, settings: Settings, path: Path) -> None:
        self._settings = settings
        self._problems: list[str] = []
        self._reported: set[str] = set()
        self._session = Session(path, self._note_problem)
        self._tracker = DownloadTracker()
        self._following: asyncio.Task[None] | None = None
        self._is_behind = False  # the file has changed since it was read

    @property
    def settings(self) -> Settings:
        """Current settings."""
        return self._settings

    @property
    def settings_file(self) -> Path | None:
        """None, because this session saves no settings."""
        return None

    @property
    def keeps_list(self) -> bool:
        """True, because the other process keeps the list."""
        return True

    @property
    def is_read_only(self) -> bool:
        """True, because nothing can be changed."""
        return True

    async def start(self) -> None:
        """Read the session and follow its changes.

        Raises:
            RheoError: the session cannot be read.
        """
        if self._following is None:
            await self._session.open(read_only=True)
            await self._read()
            self._following = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Close the session file."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        await self._session.close()

    async def snapshot(self, since: int = 0) -> Snapshot:
        """Return the changes after revision `since`."""
        return self._tracker.snapshot(since)

    async def urls_of(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the whole URLs of downloads, secrets included, by id."""
        configs = {each: await self.config_of(each) for each in ids}
        return {each: config.source for each, config in configs.items() if config is not None}

    async def config_of(self, download_id: str) -> FileConfig | None:
        """Return the request of a download, secrets included."""
        record = self._tracker.get(download_id) or await self._session.find(download_id)
        return record.config if record else None

    async def details(self, download_id: str) -> DownloadDetails | None:
        """Return the facts in the file about a download."""
        record = self._tracker.get(download_id)
        if record is None:
            return None
        folder = record.destination.parent if record.destination else self._settings.download_dir
        return DownloadDetails(download_id, printable(str(folder)))

    async def history(
        self, text: str = "", limit: int = 100, offset: int = 0, *, failed: bool = False
    ) -> list[DownloadSnapshot]:
        """Return ended downloads that match `text`, latest first."""
        records = await self._session.search(text, limit, offset, failed=failed)
        return [record.snapshot() for record in records]

    async def history_totals(self, text: str = "") -> HistoryTotals:
        """Return the totals of the ended downloads that match `text`."""
        return await self._session.history_totals(text)

    def take_problems(self) -> list[str]:
        """Return new problems with the file, each one once."""
        problems, self._problems = self._problems, []
        return problems

    def take_events(self) -> tuple[DownloadEvent, ...]:
        """Return no events, because the session file contains none."""
        return ()

    async def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise RheoError(READ_ONLY)

    # The actions that call these are disabled.
    check = check_file = add = add_again = set_speed_limit = _refuse
    set_slow = follow_schedule = set_start = stop_after = lift_host_limits = _refuse
    pause = resume = cancel = retry = remove = restore = forget = _refuse
    keep = accept_html = replace_url = change_priority = move = change_settings = _refuse
    reload_settings = recheck = set_priority = places = set_places = _refuse
    delete_files = restore_files = edit = _refuse

    def free_space(self, folder: Path | None = None) -> int | None:
        """Return None, because nothing can be added."""
        return None

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            try:
                await self._read()
            except RheoError as error:
                self._note_problem(f"Cannot read the session again: {error}.")

    async def _read(self) -> None:
        self._is_behind |= await self._session.has_changed()
        if not self._is_behind:
            return
        records = await self._session.restore()
        self._is_behind = False
        listed = {record.id for record in records}
        known = {record.id for record in self._tracker.records()}
        for download_id in known - listed:
            self._tracker.remove(download_id)
        for record in await asyncio.to_thread(self._changed, records):
            self._tracker.add(record)

    def _changed(self, records: Iterable[DownloadRecord]) -> list[DownloadRecord]:
        known = ((self._tracker.get(record.id), record) for record in records)
        return [new for old, new in known if old is None or old.snapshot() != new.snapshot()]

    def _note_problem(self, sentence: str) -> None:
        if sentence not in self._reported:
            self._reported.add(sentence)
            self._problems.append(sentence)
