"""The door to an engine in this process."""

import asyncio
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from rheo_core.config.settings import Settings
from rheo_core.config.store import LoadedSettings, load_settings, save_settings
from rheo_core.domain import (
    DownloadManagerError,
    DownloadSnapshot,
    DownloadStatus,
    FileConfig,
    Snapshot,
)
from rheo_core.domain.redaction import is_redacted
from rheo_core.domain.text import printable
from rheo_core.events import DownloadEvent, DownloadEventType

from .service import ListLockedError

if TYPE_CHECKING:
    from rheo_core.downloads import DownloadManager
    from rheo_core.inputs import Entry, ReadOptions

T = TypeVar("T")
_ENTRIES_A_TURN = 100
"""Lines of a paste that are checked in one turn of the event loop: 2 ms."""
_MOST_EVENTS = 2000
"""Events kept for a reader that is late; the oldest go first."""


class LocalService:
    """Implements `DownloadService` over a `DownloadManager`.

    Args:
        settings: the settings in force.
        save: whether changed settings are kept in the settings file.
        session_path: where the list is kept; None: nowhere.
        load: reads the settings again, for `reload_settings`.
        careful: refuse a `session_path` in a folder that does not exist, instead of making it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        save: bool = True,
        session_path: Path | None = None,
        load: Callable[[], LoadedSettings] = load_settings,
        careful: bool = False,
    ) -> None:
        self._settings = settings
        self._load = load
        self._save = save
        self._session_path = session_path
        self._careful = careful
        # Both deques are filled and emptied by different threads under a `ThreadedService`.
        self._problems: deque[str] = deque()
        self._events: deque[DownloadEvent] = deque(maxlen=_MOST_EVENTS)
        self._rows: dict[str, DownloadSnapshot] = {}
        self._revision = 0

    @cached_property
    def _manager(self) -> "DownloadManager":
        # The first screen does not wait for what the engine imports, which is half of the start.
        from rheo_core.engine import make_manager

        manager = make_manager(
            self._settings,
            session_path=self._session_path,
            on_problem=self._problems.append,
            wait_for_settings=True,
        )
        # Nobody listens to progress, so the engine makes no such events: ten a second and download.
        for event_type in set(DownloadEventType) - {DownloadEventType.PROGRESS}:
            manager.on(event_type, self._events.append)
        return manager

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    @property
    def keeps_list(self) -> bool:
        """Whether the list is there again at the next start."""
        return self._session_path is not None

    @property
    def is_read_only(self) -> bool:
        """This one can do everything."""
        return False

    async def start(self) -> None:
        """Open the engine; an open one stays open.

        Raises:
            ListLockedError: another process has the session open.
            RheoError: the session cannot be used.
        """
        from rheo_core.infrastructure.session_store import SessionLockedError, check_place

        if self._manager.is_active:
            return
        if self._careful and self._session_path is not None:
            await asyncio.to_thread(check_place, self._session_path)
        told = {each.sentence for each in self._settings.unclear}  # when they were read
        unclear = self._manager.request_rules.unclear
        self._problems += [each.sentence for each in unclear if each.sentence not in told]
        folder = self._settings.download_dir
        try:
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        except OSError as error:  # downloads will fail with this reason until it is mended
            reason = (error.strerror or str(error)).lower()
            self._problems.append(
                f"Cannot make the folder {printable(str(folder))}: {reason}. "
                "Choose another one in the settings."
            )
        try:
            await self._manager.open()
        except SessionLockedError as error:
            raise ListLockedError(str(error), error.path) from error

    async def link_of(self, download_id: str) -> str | None:
        """The whole URL, secrets included."""
        config = await self._manager.find_config(download_id)
        return config.source if config else None

    async def history(
        self, text: str = "", limit: int = 100, offset: int = 0
    ) -> list[DownloadSnapshot]:
        """Ended downloads that match `text`, latest first."""
        return await self._manager.history(text, limit, offset)

    def take_problems(self) -> list[str]:
        """Sentences on what is wrong with the session, each told once."""
        return _emptied(self._problems)

    async def close(self) -> None:
        """Stop running downloads, keep their bytes, release everything."""
        await self._manager.close()

    async def snapshot(self, since: int = 0) -> Snapshot:
        """What changed after revision `since`."""
        return self._manager.snapshot(since)

    def take_events(self) -> list[DownloadEvent]:
        """The latest events but progress, each once."""
        return _emptied(self._events)

    async def check(self, text: str, options: "ReadOptions | None" = None) -> "list[Entry]":
        """A verdict on each thing that `text` asks for; the event loop goes on meanwhile."""
        from rheo_core.inputs import read_entries

        entries: list[Entry] = []
        for entry in read_entries(text.splitlines(), self._known(), self._here(options)):
            entries.append(entry)
            if len(entries) % _ENTRIES_A_TURN == 0:
                await asyncio.sleep(0)
        return entries

    async def check_file(self, path: Path, options: "ReadOptions | None" = None) -> "list[Entry]":
        """A verdict on each thing that a list file asks for."""
        from rheo_core.inputs import read_entries_file

        return await read_entries_file(path, self._known(), self._here(options))

    def free_space(self) -> int | None:
        """Bytes free in the download folder."""
        try:
            return shutil.disk_usage(self._settings.download_dir).free
        except OSError:
            return None

    def _here(self, options: "ReadOptions | None") -> "ReadOptions":
        """With the folder, where it matters what is there."""
        from rheo_core.inputs import ReadOptions

        exists = self._settings.file_exists_strategy
        folder = self._settings.download_dir if exists.keeps_existing else None
        return replace(options or ReadOptions(), folder=folder, exists=exists)

    async def add(self, configs: Sequence[FileConfig]) -> None:
        """Queue downloads."""
        await self._manager.add(configs)

    async def add_again(self, ids: Sequence[str]) -> None:
        """Queue what ended, as it was asked for.

        Raises:
            DownloadManagerError: the link of one held a secret, which the history does not keep.
        """
        found = [await self._manager.find_config(download_id) for download_id in ids]
        if any(config and is_redacted(config.url) for config in found):
            raise DownloadManagerError("its link held a secret, which is not kept; add it anew")
        await self._manager.add([config for config in found if config])

    async def pause(self, ids: Sequence[str]) -> None:
        """Pause those that have not ended."""
        await asyncio.gather(*map(self._manager.pause, ids))

    async def resume(self, ids: Sequence[str]) -> None:
        """Put paused ones back into the queue."""
        for download_id in ids:
            await self._manager.resume(download_id)

    async def cancel(self, ids: Sequence[str]) -> None:
        """Cancel those that have not ended."""
        await asyncio.gather(*map(self._manager.cancel, ids))

    async def retry(self, ids: Sequence[str]) -> None:
        """Queue failed, cancelled and skipped ones again."""
        for download_id in ids:
            await self._manager.retry(download_id)

    async def keep(self, download_id: str) -> Path | None:
        """Keep what a failed hash check refused, as `NAME.unverified`; None: nothing is there."""
        return await self._manager.keep(download_id)

    async def accept_html(self, download_id: str) -> bool:
        """Queue a failed download again and save a web page; False if it has not failed."""
        return await self._manager.accept_html(download_id)

    async def replace_url(self, download_id: str, url: str) -> bool:
        """Fetch from `url` from now on; False for one that is unknown or completed."""
        return await self._manager.replace_url(download_id, url)

    async def remove(self, ids: Sequence[str]) -> None:
        """Take them off the list."""
        await asyncio.gather(*map(self._manager.remove, ids))

    async def restore(self, ids: Sequence[str]) -> None:
        """Undo `remove`."""
        for download_id in ids:
            await self._manager.restore(download_id)

    async def forget(
        self,
        ids: Sequence[str] | None = None,
        *,
        text: str = "",
        older_than_days: float | None = None,
    ) -> int:
        """Take downloads out of the history; returns how many."""
        return await self._manager.forget(ids, text=text, older_than_days=older_than_days)

    async def change_priority(self, ids: Sequence[str], by: int) -> None:
        """Add `by` to the priority of each, 1 at the least."""
        rows = self._rows_now()
        for row in (rows[download_id] for download_id in ids if download_id in rows):
            await self._manager.set_priority(row.id, max(1, row.priority + by))

    async def move(self, download_id: str, where: Literal["up", "down", "top", "bottom"]) -> None:
        """Move a queued one."""
        await self._manager.move(download_id, to=where)

    async def change_settings(self, settings: Settings) -> None:
        """Put settings in force, for what begins from now on, and keep them.

        Where downloads wait for a correction of the settings file, it is read again afterwards.
        """
        changed = self._put_in_force(settings)
        if self._save and changed:
            await asyncio.to_thread(save_settings, settings, only=changed)
        if self._manager.request_rules.unclear:
            self._problems += await self.reload_settings()

    async def reload_settings(self) -> list[str]:
        """Read the settings again and put them in force; returns what is wrong with them.

        Settings that close hosts are no substitute for others that do not: those stay.
        """
        from rheo_core.engine import make_request_rules, with_faults

        loaded = await asyncio.to_thread(self._load)
        rules = await asyncio.to_thread(with_faults, make_request_rules(loaded.settings))
        if self._manager.request_rules.unclear or not rules.unclear:
            self._put_in_force(loaded.settings)
            self._manager.set_defaults(request_rules=rules)
        return list(dict.fromkeys((*loaded.problems, *(each.sentence for each in rules.unclear))))

    def _put_in_force(self, settings: Settings) -> set[str]:
        """Returns the names of those that are others than before."""
        from rheo_core.engine import make_host_limits, make_retry_handler

        changed = {
            name
            for name in type(settings).model_fields
            if getattr(settings, name) != getattr(self._settings, name)
        }
        self._settings = settings
        self._manager.set_limits(
            max_concurrent=settings.max_concurrent,
            connections=settings.connections,
            connections_per_host=settings.connections_per_host,
            # Limits set by hand stay, unless it is their setting that was changed.
            speed_limit_bps=(settings.speed_limit or 0) if "speed_limit" in changed else None,
            slow_limit_bps=settings.slow_limit,
            schedule=settings.schedule if "schedule" in changed else None,
            hosts=make_host_limits(settings),
        )
        self._manager.set_defaults(
            download_dir=settings.download_dir,
            file_exists_strategy=settings.file_exists_strategy,
            retry_handler=make_retry_handler(settings),
            max_size=settings.max_size or 0,
        )
        return changed

    async def set_speed_limit(
        self, bytes_per_second: int | None, ids: Sequence[str] | None = None
    ) -> None:
        """Limit each of these, or all downloads together, at once; None lifts the limit."""
        if ids is None:
            self._manager.set_limits(speed_limit_bps=bytes_per_second or 0)
        for download_id in ids or ():
            await self._manager.set_speed_limit(download_id, bytes_per_second)

    async def set_slow(self, on: bool) -> None:
        """Switch slow mode."""
        self._manager.set_limits(slow=on)

    async def set_start(self, ids: Sequence[str], start_at: float | None) -> None:
        """Let them wait until a time; None: they may start at once."""
        for download_id in ids:
            await self._manager.set_start(download_id, start_at)

    async def stop_after(self, count: int | None) -> None:
        """Pause everything once so many bytes have come; None: never."""
        self._manager.set_limits(stop_after_bytes=count or 0)

    def _rows_now(self) -> dict[str, DownloadSnapshot]:
        """All rows, brought up to date at the cost of what changed."""
        snapshot = self._manager.snapshot(self._revision)
        if snapshot.reset:
            self._rows.clear()
        self._revision = snapshot.revision
        for download_id in snapshot.removed:
            self._rows.pop(download_id, None)
        self._rows |= {row.id: row for row in snapshot.downloads}
        return self._rows

    def _known(self) -> set[str]:
        """Ids of what is there or under way; what failed or was cancelled may be added again."""
        return {
            row.id
            for row in self._rows_now().values()
            if not row.status.is_terminal or row.status is DownloadStatus.COMPLETED
        }


def _emptied(waiting: deque[T]) -> list[T]:
    """What was in it; what another thread appends meanwhile stays for the next time."""
    return [waiting.popleft() for _ in range(len(waiting))]
