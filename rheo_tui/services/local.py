"""LocalService: use an engine in this process."""

import asyncio
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeVar

import aiofiles.os

from rheo_core.config.settings import Settings
from rheo_core.config.store import LoadedSettings, load_settings, save_settings, settings_path
from rheo_core.domain import (
    DownloadManagerError,
    DownloadSnapshot,
    DownloadStatus,
    FileConfig,
    FileExistsStrategy,
    Snapshot,
)
from rheo_core.domain.downloads import HistoryTotals, QueuePlace
from rheo_core.domain.inspector_details import DownloadDetails
from rheo_core.domain.redaction import is_redacted
from rheo_core.domain.text import printable
from rheo_core.events import DownloadEvent, DownloadEventType, Subscription
from rheo_core.infrastructure.key_log import drop_broken_key_log
from rheo_tui.existing_files import usual_folder

from .added_again import Addition, repeated
from .entry_verdicts import known_ids, with_owners, with_refusals
from .protocol import Deletion, ManyDownloadsEvent, SessionLockedError
from .trash import HeldFiles, delete_file, remove_leftovers

if TYPE_CHECKING:
    from rheo_core.domain import DownloadInfo
    from rheo_core.downloads import DownloadManager
    from rheo_core.inputs import Entry, ReadOptions

T = TypeVar("T")
"""Number of pasted lines to check in one turn of the event loop, which takes 2 ms."""
_MAX_EVENTS = 2000
"""Events kept for a late reader; the oldest are dropped first."""
_MAX_SINGLE_EVENTS = 200
"""Downloads of one call that get an event each. More would push all others out of the log."""

_MAX_QUIET_SECONDS = 2.0
"""Time for which a call that changes many downloads holds back its changes."""
_NEVER = 2**63
"""A revision after which nothing has changed."""


@dataclass(slots=True)
class _Changed:
    """Number of downloads that a call has changed."""

    count: int = 0


class LocalService:
    """Implements `DownloadService` over a `DownloadManager`.

    Args:
        settings: initial settings.
        save: True to save changed settings to the settings file.
        session_path: the session file; None keeps no session.
        load: loads the settings again, for `reload_settings`.
        careful: refuse a `session_path` in a folder that does not exist, instead of creating it.
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
        self._saving = asyncio.Lock()
        self._session_path = session_path
        self._careful = careful
        # A `ThreadedService` fills and empties both deques from different threads.
        self._problems: deque[str] = deque()
        self._events: deque[DownloadEvent | ManyDownloadsEvent] = deque(maxlen=_MAX_EVENTS)
        self._subscriptions: dict[DownloadEventType, Subscription] = {}
        self._rows: dict[str, DownloadSnapshot] = {}
        self._revision = 0
        self._quiet_until = 0.0  # the monotonic clock
        self._held = HeldFiles()

    @cached_property
    def _manager(self) -> "DownloadManager":
        drop_broken_key_log()
        # The imports of the engine take half of the start; the first screen does not wait for them.
        from rheo_core.engine import make_manager

        manager = make_manager(
            self._settings,
            session_path=self._session_path,
            on_problem=self._problems.append,
            wait_for_settings=True,
        )
        # Progress has no listener here, so the engine does not create 10 events/s per download.
        for event_type in set(DownloadEventType) - {DownloadEventType.PROGRESS}:
            self._subscriptions[event_type] = manager.on(event_type, self._events.append)
        return manager

    @property
    def settings(self) -> Settings:
        """Current settings."""
        return self._settings

    @property
    def settings_file(self) -> Path | None:
        """Path of the settings file, which need not exist; None if settings are not saved."""
        return settings_path() if self._save else None

    @property
    def keeps_list(self) -> bool:
        """True if the list survives the end of the app."""
        return self._session_path is not None

    @property
    def is_read_only(self) -> bool:
        """False: everything can be changed."""
        return False

    async def start(self) -> None:
        """Open the engine; an open one stays open.

        Raises:
            SessionLockedError: another process has locked the session.
            RheoError: the session cannot be used.
        """
        from rheo_core.infrastructure import session_store

        if self._manager.is_active:
            return
        if self._careful and self._session_path is not None:
            await asyncio.to_thread(session_store.check_session_path, self._session_path)
        known = {each.sentence for each in self._settings.unclear}  # when they were read
        unclear = self._manager.request_rules.unclear
        self._problems += [each.sentence for each in unclear if each.sentence not in known]
        folder = self._settings.download_dir
        try:
            await aiofiles.os.makedirs(folder, exist_ok=True)
        except OSError as error:  # downloads fail with this reason until it is fixed
            reason = (error.strerror or str(error)).lower()
            self._problems.append(
                f"Cannot create the download folder {printable(str(folder))}: {reason}. "
                "Choose another folder in the settings."
            )
        await asyncio.to_thread(remove_leftovers, folder)
        try:
            await self._manager.open()
            self._forget_overwrites_without_path()  # before anything is awaited, so in time
        except session_store.SessionLockedError as error:
            raise SessionLockedError(str(error), error.path) from error

    def _forget_overwrites_without_path(self) -> None:
        """Let stored downloads overwrite nothing if an earlier version did not store which file."""
        for record in self._manager.tracker.records():
            config = record.config
            if (
                config.overwrite_only is None
                and config.file_exists_strategy is FileExistsStrategy.OVERWRITE
            ):
                record.config = config.model_copy(update={"file_exists_strategy": None})

    async def urls_of(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the whole URLs of downloads, secrets included, by id."""
        configs = {each: await self._manager.find_config(each, to_show=True) for each in ids}
        return {each: config.source for each, config in configs.items() if config is not None}

    async def details(self, download_id: str) -> DownloadDetails | None:
        """Return facts about one download that its snapshot leaves out."""
        return self._manager.details(download_id)

    async def config_of(self, download_id: str) -> FileConfig | None:
        """Return the options of a download, secrets included, with its current priority."""
        config = await self._manager.find_config(download_id, to_show=True)
        row = self._rows_now().get(download_id)
        if config is None or row is None:  # unknown, or only in the history
            return config
        return config.model_copy(update={"priority": row.priority})

    async def edit(self, download_id: str, config: FileConfig) -> str | None:
        """Give a download that is not completed other options; return its new id."""
        return await self._manager.edit(download_id, config)

    async def history(
        self, text: str = "", limit: int = 100, offset: int = 0, *, failed: bool = False
    ) -> list[DownloadSnapshot]:
        """Return ended downloads that match `text`, latest first."""
        return await self._manager.history(text, limit, offset, failed=failed)

    async def history_totals(self, text: str = "") -> HistoryTotals:
        """Return the totals of the ended downloads that match `text`."""
        return await self._manager.history_totals(text)

    def take_problems(self) -> list[str]:
        """Return new problems with session and settings, each one once."""
        return _drain(self._problems)

    async def close(self) -> None:
        """Stop running downloads, keep their partial data and release all resources."""
        await self._manager.close()
        await self._held.delete_all()

    async def snapshot(self, since: int = 0) -> Snapshot:
        """Return the changes after revision `since`.

        Return none while a call changes many downloads, because sorting the list each time would
        take longer than the call.
        """
        if time.monotonic() < self._quiet_until:
            return replace(self._manager.snapshot(_NEVER), revision=since)
        snapshot = self._manager.snapshot(since)
        if since <= self._revision:
            self._keep(snapshot)  # so that `_rows_now` does not make the rows a second time
        return snapshot

    def take_events(self) -> list[DownloadEvent | ManyDownloadsEvent]:
        """Return new events except progress, each one once."""
        return _drain(self._events)

    async def check(self, text: str, options: "ReadOptions | None" = None) -> "list[Entry]":
        """Return the entries in `text`; the event loop keeps running meanwhile."""
        from rheo_core.inputs import read_entries

        known, options = known_ids(self._rows_now()), self._with_folder(options)
        return await self._checked(read_entries(text.splitlines(), known, options))

    async def check_file(self, path: Path, options: "ReadOptions | None" = None) -> "list[Entry]":
        """Return the entries of a list file."""
        from rheo_core.inputs import read_entries_file

        known, options = known_ids(self._rows_now()), self._with_folder(options)
        return await self._compared(await read_entries_file(path, known, options))

    async def recheck(
        self, entries: "Sequence[Entry]", options: "ReadOptions | None" = None
    ) -> "list[Entry]":
        """Return all entries of a text with new verdicts, after the user has changed some."""
        from rheo_core.inputs import recheck_entries

        known, options = known_ids(self._rows_now()), self._with_folder(options)
        return await self._checked(recheck_entries(entries, known, options))

    async def _checked(self, reading: "Iterable[Entry]") -> "list[Entry]":
        from rheo_core.inputs import collect_entries

        return await self._compared(await collect_entries(reading))

    async def _compared(self, entries: "list[Entry]") -> "list[Entry]":
        """Return entries with verdicts that consider the downloads in the list."""
        find = partial(self._manager.find_config, to_show=True)
        return await with_refusals(with_owners(entries, self._rows), self._rows, find)

    def free_space(self, folder: Path | None = None) -> int | None:
        """Return the free bytes in a folder, or in the download folder; None if they are unknown.

        Before the first download the folder may not exist; its disk is that of its parent.
        """
        folder = (folder or self._settings.download_dir).absolute()
        try:
            place = next(each for each in (folder, *folder.parents) if os.path.exists(each))
            return shutil.disk_usage(place).free
        except OSError:
            return None

    def _with_folder(self, options: "ReadOptions | None") -> "ReadOptions":
        """Return `options` with the download folder, whose files decide the verdicts."""
        from rheo_core.inputs import ReadOptions

        settings, options = self._settings, options or ReadOptions()
        return replace(
            options,
            folder=options.download_dir or settings.download_dir,
            rules=settings.rules,
            finds_files=True,
            exists=settings.file_exists_strategy,
            timeout=settings.timeout,
        )

    async def add(
        self,
        configs: Sequence[FileConfig],
        *,
        paused: bool = False,
        earlier: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Queue downloads; if `paused`, they wait until they are resumed.

        One that replaces an ended download keeps its proxy, its login, its checks and other
        options. If its checksum contradicts theirs, it is not added, which is a problem to report.

        Args:
            configs: the downloads.
            paused: True to pause them before they start.
            earlier: ids of downloads in the list that some replace under another id, by new ids.
        """
        rows, addition = self._rows_now(), Addition()
        for config in configs:
            row = rows.get(earlier.get(config.id, config.id))
            known = row and await self._manager.find_config(row.id, to_show=True)
            if row is None or known is None:
                addition.add(config)
            elif row.status.is_terminal:
                addition.add_again(known, config)
            elif row.id == config.id:
                addition.leave_out(known, config)
            else:
                addition.add(config)
        self._problems += addition.notes
        configs = addition.configs
        added = DownloadEventType.QUEUED, DownloadEventType.PAUSED
        with self._as_one_event(configs, *added) as event:
            await self._manager.add(configs, paused=paused)
            event.count = len(configs)

    async def add_again(
        self,
        ids: Sequence[str],
        exists: FileExistsStrategy | None = None,
        paths: Mapping[str, Path] | None = None,
    ) -> None:
        """Queue ended downloads again, with another strategy or path if there is one.

        Without `exists`, an overwrite is not repeated, because the user chose it for one file.

        Raises:
            DownloadManagerError: a URL had a secret, which the history does not keep, or another
                user's session asked for a proxy or a similar option.
        """
        configs = [await self._manager.find_config(download_id) for download_id in ids]
        if any(config and is_redacted(config.url) for config in configs):
            raise DownloadManagerError(
                "the history does not store the secrets in its URL; add the URL again"
            )
        again = []
        for download_id, config in zip(ids, configs, strict=True):
            if config is not None:
                path = (paths or {}).get(download_id)
                again.append(repeated(config, exists, path, usual_folder(self._settings)))
        await self.add(again)

    async def pause(self, ids: Sequence[str]) -> int:
        """Pause downloads that have not ended; return their number."""
        with self._as_one_event(ids, DownloadEventType.PAUSED) as event:
            event.count = len(await self._manager.pause_many(ids))
        return event.count

    async def resume(self, ids: Sequence[str]) -> int:
        """Put paused downloads back into the queue; return their number."""
        with self._as_one_event(ids, DownloadEventType.RESUMED) as event:
            event.count = len(await self._manager.resume_many(ids))
        return event.count

    async def cancel(self, ids: Sequence[str]) -> int:
        """Cancel downloads that have not ended; return their number."""
        with self._as_one_event(ids, DownloadEventType.CANCELLED) as event:
            event.count = len(await self._manager.cancel_many(ids, keep_partial=True))
        return event.count

    async def retry(self, ids: Sequence[str]) -> int:
        """Queue failed, cancelled and skipped downloads again; return their number."""
        with self._as_one_event(ids, DownloadEventType.QUEUED) as event:
            event.count = len(await self._manager.retry_many(ids))
        return event.count

    async def keep(self, download_id: str) -> Path | None:
        """Keep data with a wrong checksum as `NAME.unverified`; None if there is none."""
        return await self._manager.keep(download_id)

    async def accept_html(self, download_id: str) -> bool:
        """Queue a failed download again and save a web page; False if it has not failed."""
        return await self._manager.accept_html(download_id)

    async def replace_url(self, download_id: str, url: str) -> bool:
        """Use `url` for a download; False if the download is unknown or completed."""
        return await self._manager.replace_url(download_id, url)

    async def remove(self, ids: Sequence[str]) -> int:
        """Remove downloads from the list; return their number."""
        with self._as_one_event(
            ids, DownloadEventType.REMOVED, DownloadEventType.CANCELLED
        ) as event:
            event.count = len(await self._manager.remove_many(ids, keep_partial=True))
        return event.count

    async def restore(self, ids: Sequence[str]) -> int:
        """Undo `remove` or `cancel`; return the number of downloads restored."""
        with self._as_one_event(ids, DownloadEventType.QUEUED, DownloadEventType.PAUSED) as event:
            restored = await self._manager.restore_many(ids)
            event.count = sum(map(self._is_to_run, restored))
        return len(restored)

    def _is_to_run(self, download_id: str) -> bool:
        info = self._manager.get_download_info(download_id)
        return info is not None and not (
            info.status.is_terminal or info.status is DownloadStatus.PAUSED
        )

    async def delete_files(self, ids: Sequence[str]) -> Deletion:
        """Delete the files of completed downloads and remove these downloads from the list."""
        deleted, problems, in_trash = [], [], 0
        for row in await self._completed(ids):
            path = Path(row.destination_path or "")
            try:
                if not await self._manager.has_own_file(row.id):
                    raise OSError("it is no longer the downloaded file")
                file = await asyncio.to_thread(delete_file, path)
            except OSError as error:
                reason = printable(error.strerror or str(error)).lower()
                problems.append(f"Cannot delete {printable(path.name)}: {reason}.")
                continue
            deleted.append(row.id)
            in_trash += file.in_trash
            self._held.add(row.id, file)
        await self.remove(deleted)
        return Deletion(tuple(deleted), in_trash, tuple(problems))

    async def _completed(self, ids: Sequence[str]) -> "list[DownloadInfo]":
        infos = filter(None, map(self._manager.get_download_info, ids))
        return [info for info in infos if info.status is DownloadStatus.COMPLETED]

    async def restore_files(self, ids: Sequence[str]) -> int:
        """Undo `delete_files`: restore files and their downloads."""
        returned, problems = await self._held.give_back(ids)
        self._problems += problems
        return await self.restore(returned)

    async def forget(
        self,
        ids: Sequence[str] | None = None,
        *,
        text: str = "",
        older_than_days: float | None = None,
    ) -> int:
        """Delete downloads from the history and return their number."""
        return await self._manager.forget(ids, text=text, older_than_days=older_than_days)

    async def change_priority(self, ids: Sequence[str], by: int) -> int:
        """Add `by` to the priority of each download; the lowest priority is 1."""
        places = self._manager.places(ids).items()
        return await self._set_priorities({id_: max(1, was + by) for id_, (was, _) in places})

    async def set_priority(self, ids: Sequence[str], priority: int) -> int:
        """Give each download a priority."""
        return await self._set_priorities(dict.fromkeys(ids, priority))

    async def _set_priorities(self, priorities: Mapping[str, int]) -> int:
        with self._as_one_event(priorities, DownloadEventType.PRIORITY_CHANGED) as event:
            event.count = len(await self._manager.set_priorities(priorities))
        return event.count

    async def move(self, ids: Sequence[str], where: Literal["up", "down", "top", "bottom"]) -> int:
        """Move queued downloads together; return the number of those that moved."""
        return len(await self._manager.move_block(ids, where))

    async def places(self, ids: Sequence[str]) -> Mapping[str, QueuePlace]:
        """Return the places of unfinished downloads in the queue."""
        return self._manager.places(ids)

    async def set_places(self, places: Mapping[str, QueuePlace]) -> int:
        """Put downloads back to former places; return their number."""
        with self._as_one_event(places, DownloadEventType.PRIORITY_CHANGED) as event:
            event.count = len(await self._manager.set_places(places))
        return event.count

    async def change_settings(self, settings: Settings) -> None:
        """Apply settings to downloads that start afterwards, and save them.

        If downloads wait for a correction of the settings file, read it again afterwards.
        """
        changed = self._apply(settings)
        if self._save and changed:
            async with self._saving:
                await asyncio.to_thread(save_settings, settings, only=changed)
        if self._manager.request_rules.unclear:
            self._problems += await self.reload_settings()

    async def reload_settings(self) -> list[str]:
        """Read the settings again, apply them and return their problems.

        Settings that block hosts do not replace settings that block none.
        """
        from rheo_core.engine import make_request_rules, with_faults

        async with self._saving:  # otherwise this could read what is about to be replaced
            loaded = await asyncio.to_thread(self._load)
        rules = await asyncio.to_thread(with_faults, make_request_rules(loaded.settings))
        if self._manager.request_rules.unclear or not rules.unclear:
            self._apply(loaded.settings)
            self._manager.set_defaults(request_rules=rules)
        return list(dict.fromkeys((*loaded.problems, *(each.sentence for each in rules.unclear))))

    def _apply(self, settings: Settings) -> set[str]:
        """Apply settings and return the names of those that changed."""
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
            # Limits set by hand stay, unless their own setting changed.
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
        """Limit each of `ids`, or all downloads together; None lifts the limit."""
        if ids is None:
            self._manager.set_limits(speed_limit_bps=bytes_per_second or 0)
            await self._keep_speed_limit(bytes_per_second)
        for download_id in ids or ():
            await self._manager.set_speed_limit(download_id, bytes_per_second)

    async def _keep_speed_limit(self, bytes_per_second: int | None) -> None:
        """Save the limit of all downloads, so that it applies after a restart."""
        if bytes_per_second == self._settings.speed_limit:
            return
        self._settings = self._settings.model_copy(update={"speed_limit": bytes_per_second})
        if not self._save:
            return
        try:
            async with self._saving:  # of several keys, the last one counts
                await asyncio.to_thread(save_settings, self._settings, only=["speed_limit"])
        except OSError as error:
            self._problems.append(f"The speed limit applies until you quit: {error}")

    async def follow_schedule(self) -> None:
        """Apply the schedule again, although a limit was set by hand since its span began."""
        self._manager.set_limits(schedule=())  # the same schedule would change nothing
        self._manager.set_limits(schedule=self._settings.schedule)

    async def lift_host_limits(self) -> list[str]:
        """Lift the limits and pauses that hosts caused; return the hosts, with their ports."""
        return self._manager.lift_host_limits()

    async def set_slow(self, on: bool) -> None:
        """Switch slow mode on or off."""
        self._manager.set_limits(slow=on)

    async def set_start(self, ids: Sequence[str], start_at: float | None) -> None:
        """Delay downloads until a time; None lets them start at once."""
        for download_id in ids:
            await self._manager.set_start(download_id, start_at)

    async def stop_after(self, count: int | None) -> None:
        """Pause all downloads after `count` more bytes; None switches that off."""
        self._manager.set_limits(stop_after_bytes=count or 0)

    @contextmanager
    def _as_one_event(
        self, changed: Sized, event_type: DownloadEventType, *others: DownloadEventType
    ) -> Iterator["_Changed"]:
        """Report a call that changes many downloads as one event of `event_type`.

        Meanwhile, the engine creates no events of these types. The caller sets the number of
        changed downloads.
        """
        result = _Changed()
        if len(changed) <= _MAX_SINGLE_EVENTS:
            yield result
            return
        muted = {event_type, *others} & self._subscriptions.keys()
        for kind in muted:
            self._subscriptions.pop(kind).unsubscribe()
        self._quiet_until = time.monotonic() + _MAX_QUIET_SECONDS
        try:
            yield result
        finally:
            self._quiet_until = 0.0
            for kind in muted:
                self._listen(kind)
            if result.count:
                self._events.append(ManyDownloadsEvent(event_type, result.count, time.time()))

    def _listen(self, event_type: DownloadEventType) -> None:
        self._subscriptions[event_type] = self._manager.on(event_type, self._events.append)

    def _rows_now(self) -> dict[str, DownloadSnapshot]:
        """Return all rows; an update costs only the changed ones."""
        self._keep(self._manager.snapshot(self._revision))
        return self._rows

    def _keep(self, snapshot: Snapshot) -> None:
        if snapshot.reset:
            self._rows.clear()
        self._revision = snapshot.revision
        for download_id in snapshot.removed:
            self._rows.pop(download_id, None)
        self._rows.update((row.id, row) for row in snapshot.downloads)


def _drain(waiting: deque[T]) -> list[T]:
    """Empty a deque into a list; items that another thread appends meanwhile stay."""
    return [waiting.popleft() for _ in range(len(waiting))]
