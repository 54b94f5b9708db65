"""A simulated service with revisions, slots and speeds; time advances on request."""

import asyncio
import time
from collections.abc import Callable, Container, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from rheo_core.config.settings import Settings, build_settings
from rheo_core.domain import (
    CancelledFrom,
    DownloadSnapshot,
    DownloadStats,
    DownloadStatus,
    FileConfig,
    FileExistsStrategy,
    Snapshot,
)
from rheo_core.domain.downloads import HistoryTotals, QueuePlace
from rheo_core.domain.exceptions import DownloadError
from rheo_core.domain.hosts import HostWait
from rheo_core.domain.inspector_details import DownloadDetails
from rheo_core.domain.text import printable, redact_url
from rheo_core.domain.urls import normalise_url
from rheo_core.events import (
    DownloadCancelledEvent,
    DownloadCompletedEvent,
    DownloadEvent,
    DownloadFailedEvent,
    DownloadPausedEvent,
    DownloadQueuedEvent,
    DownloadRemovedEvent,
    DownloadResumedEvent,
    DownloadStartedEvent,
    ErrorInfo,
)
from rheo_core.inputs import Entry, ReadOptions, read_entries, recheck_entries
from rheo_tui.services.protocol import Deletion
from tests.tui.failed import facts_of

SPEED = 1_000_000.0


class FakeService:
    """Implements `DownloadService`. Only `advance` and calls of the protocol change something."""

    def __init__(self, **settings: Any) -> None:
        self.settings: Settings = build_settings(**{"show_log": False, **settings})
        self.rows: dict[str, DownloadSnapshot] = {}
        self.calls: list[tuple[str, Any]] = []
        self.started = False
        self.read_only = False
        self.file: Path | None = None
        self.configs: dict[str, FileConfig] = {}  # of `config_of`, if they are not simple
        self.added: list[FileConfig] = []
        self.unkept = False  # no data is left to keep
        self.problems: list[str] = []
        self.closed_by: tuple[str, ...] = ()
        self.host_waits: dict[str, HostWait] = {}
        self.closed = False
        self.fail_with: Exception | None = None  # raised by the next call
        self.snapshots_asked = 0
        self._limit = self.settings.speed_limit
        self._is_slow = False
        self._revision = 1
        self._changed: dict[str, int] = {}
        self._gone: dict[str, int] = {}
        self.known_details: dict[str, DownloadDetails] = {}
        self.details_asked: list[str] = []
        self._before: dict[str, DownloadStatus] = {}  # states before cancellations
        self.past: dict[str, DownloadSnapshot] = {}  # removed from the list
        self._events: list[DownloadEvent] = []
        self._sequence = 0

    # The protocol

    @property
    def settings_file(self) -> Path | None:
        return self.file

    @property
    def keeps_list(self) -> bool:
        return True

    @property
    def is_read_only(self) -> bool:
        return self.read_only

    async def start(self) -> None:
        self._record("start")
        self.started = True

    async def close(self) -> None:
        self._record("close")
        self.closed = True

    async def snapshot(self, since: int = 0) -> Snapshot:
        self.snapshots_asked += 1
        changed = [self.rows[row] for row, at in self._changed.items() if at > since]
        return Snapshot(
            revision=self._revision,
            downloads=tuple(changed),
            removed=tuple(row for row, at in self._gone.items() if at > since),
            stats=self._stats(),
            speed_bps=sum(row.speed_bps for row in self.rows.values()),
            slots=self.settings.max_concurrent,
            speed_limit_bps=self.settings.slow_limit if self._is_slow else self._limit,
            speed_limit_reason="slow mode" if self._is_slow else "",
            is_slow=self._is_slow,
            closed_by=self.closed_by,
            is_closed=bool(self.closed_by),
            host_waits=self.host_waits,
        )

    async def urls_of(self, ids: Sequence[str]) -> dict[str, str]:
        known = self.past | self.rows
        return {each: self._url_of(known[each]) for each in ids if each in known}

    def _url_of(self, row: DownloadSnapshot) -> str:
        config = self.configs.get(row.id)
        return config.source if config else f"{row.url}?token=secret"

    async def details(self, download_id: str) -> DownloadDetails | None:
        self.details_asked.append(download_id)
        return self.known_details.get(download_id, DownloadDetails(download_id, "/downloads"))

    async def config_of(self, download_id: str) -> FileConfig | None:
        row = self.rows.get(download_id)
        if row is None:
            return None
        known = self.configs.get(download_id)
        return known or FileConfig(url=f"{row.url}?token=secret", priority=row.priority)

    async def edit(self, download_id: str, config: FileConfig) -> str | None:
        self._record("edit", (download_id, config))
        row = self.rows.get(download_id)
        if row is None or row.status is DownloadStatus.COMPLETED:
            return None
        self.configs[download_id] = config
        name = printable(config.get_destination_filename())
        status = DownloadStatus.QUEUED if row.status.is_terminal else row.status
        self.change(
            download_id, url=redact_url(config.source), name=name, priority=config.priority,
            status=status,
        )  # fmt: skip
        return download_id

    async def history(
        self, text: str = "", limit: int = 100, offset: int = 0, *, failed: bool = False
    ) -> list[DownloadSnapshot]:
        self._record("history", (text, limit, offset))
        matches = self._ended(text)
        if failed:
            matches = [row for row in matches if row.status is DownloadStatus.FAILED]
        matches.sort(key=lambda row: row.finished_at or row.added_at, reverse=True)
        return matches[offset : offset + limit]

    async def history_totals(self, text: str = "") -> HistoryTotals:
        rows = self._ended(text)
        done = [row for row in rows if row.status is DownloadStatus.COMPLETED]
        failed = sum(row.status is DownloadStatus.FAILED for row in rows)
        return HistoryTotals(
            len(rows), len(done), sum(row.bytes_downloaded for row in done), failed
        )

    def _ended(self, text: str) -> list[DownloadSnapshot]:
        rows = (self.past | self.rows).values()
        return [row for row in rows if row.status.is_terminal and _contains(row, text)]

    def take_problems(self) -> list[str]:
        problems, self.problems = self.problems, []
        return problems

    def take_events(self) -> list[DownloadEvent]:
        events, self._events = self._events, []
        return events

    async def check(self, text: str, options: ReadOptions | None = None) -> list[Entry]:
        return list(read_entries(text.splitlines(), self._known(), options or ReadOptions()))

    async def check_file(self, path: Path, options: ReadOptions | None = None) -> list[Entry]:
        text = await asyncio.to_thread(path.read_text, "utf-8")
        return await self.check(text, options)

    async def recheck(
        self, entries: Sequence[Entry], options: ReadOptions | None = None
    ) -> list[Entry]:
        return list(recheck_entries(entries, self._known(), options or ReadOptions()))

    def free_space(self, folder: Path | None = None) -> int | None:
        return 50_000_000_000

    async def add(
        self,
        configs: Sequence[FileConfig],
        *,
        paused: bool = False,
        earlier: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._record("add", [config.url for config in configs])
        self.added += configs
        for config in configs:
            self._sequence += 1
            self.put(
                DownloadSnapshot(
                    id=config.id,
                    url=redact_url(config.url),
                    name=printable(config.get_destination_filename()),
                    status=DownloadStatus.PAUSED if paused else DownloadStatus.QUEUED,
                    reason="",
                    priority=config.priority,
                    rank=self._sequence,
                    total_bytes=config.size_bytes,
                    max_attempts=self.settings.max_retries + 1,
                    added_at=time.time(),
                    destination=str(self.settings.download_dir / config.get_destination_filename()),
                )
            )
            self._emit(DownloadQueuedEvent, config.id, priority=config.priority)

    async def add_again(
        self,
        ids: Sequence[str],
        exists: FileExistsStrategy | None = None,
        paths: Mapping[str, Path] | None = None,
    ) -> None:
        self._record("add_again", list(ids))
        for row in ids:
            ended = (self.past | self.rows)[row]
            self.put(
                ended._replace(
                    status=DownloadStatus.QUEUED, error=None, failure=None, bytes_downloaded=0
                )
            )

    async def pause(self, ids: Sequence[str]) -> int:
        self._record("pause", list(ids))
        ids = [row for row in ids if self._is(row, pausable=True)]
        for row in ids:
            self.change(row, status=DownloadStatus.PAUSED, speed_bps=0.0, eta_seconds=None)
            self._emit(DownloadPausedEvent, row)
        return len(ids)

    async def resume(self, ids: Sequence[str]) -> int:
        self._record("resume", list(ids))
        ids = [row for row in ids if self._is(row, DownloadStatus.PAUSED)]
        for row in ids:
            self.change(row, status=DownloadStatus.QUEUED)
            self._emit(DownloadResumedEvent, row)
        return len(ids)

    async def cancel(self, ids: Sequence[str]) -> int:
        self._record("cancel", list(ids))
        ids = [row for row in ids if not self.rows[row].status.is_terminal]
        for row in ids:
            self._before[row] = self.rows[row].status
            self.change(row, status=DownloadStatus.CANCELLED, speed_bps=0.0, eta_seconds=None)
            self._emit(DownloadCancelledEvent, row, cancelled_from=CancelledFrom.QUEUED)
        return len(ids)

    def _is(
        self, download_id: str, status: DownloadStatus | None = None, *, pausable: bool = False
    ) -> bool:
        row = self.rows.get(download_id)
        if row is None:
            return False
        is_pausable = not row.status.is_terminal and row.status is not DownloadStatus.PAUSED
        return is_pausable if pausable else row.status is status

    async def retry(self, ids: Sequence[str]) -> int:
        self._record("retry", list(ids))
        without_file = (DownloadStatus.FAILED, DownloadStatus.CANCELLED, DownloadStatus.SKIPPED)
        ids = [row for row in ids if self.rows[row].status in without_file]
        for row in ids:
            self.change(
                row, status=DownloadStatus.QUEUED, error=None, failure=None, bytes_downloaded=0
            )
        return len(ids)

    async def keep(self, download_id: str) -> Path | None:
        self._record("keep", download_id)
        if self.unkept:
            return None
        return Path(f"{self.rows[download_id].destination}.unverified")

    async def accept_html(self, download_id: str) -> bool:
        self._record("accept_html", download_id)
        self.change(download_id, status=DownloadStatus.QUEUED, error=None, failure=None)
        return True

    async def replace_url(self, download_id: str, url: str) -> bool:
        self._record("replace_url", (download_id, url))
        new = normalise_url(url)
        row = self.rows.get(download_id)
        if row is None or row.status is DownloadStatus.COMPLETED:
            return False
        self.change(download_id, url=redact_url(new))
        return True

    async def remove(self, ids: Sequence[str]) -> int:
        self._record("remove", list(ids))
        self._revision += 1
        ids = [row for row in ids if row in self.rows]
        for row in ids:
            self._emit(DownloadRemovedEvent, row)
            self.past[row] = self.rows.pop(row)
            del self._changed[row]
            self._gone[row] = self._revision
        return len(ids)

    async def restore(self, ids: Sequence[str]) -> int:
        self._record("restore", list(ids))
        count = 0
        for row in ids:
            if row in self.past:
                self.put(self.past[row])
            elif self._is(row, DownloadStatus.CANCELLED):
                self.change(row, status=self._before[row])
            else:
                continue
            count += 1
        return count

    async def delete_files(self, ids: Sequence[str]) -> Deletion:
        self._record("delete_files", list(ids))
        await self.remove(ids)
        return Deletion(tuple(ids), len(ids))

    async def restore_files(self, ids: Sequence[str]) -> int:
        self._record("restore_files", list(ids))
        return await self.restore(ids)

    async def forget(
        self,
        ids: Sequence[str] | None = None,
        *,
        text: str = "",
        older_than_days: float | None = None,
    ) -> int:
        self._record("forget", (ids, text, older_than_days))
        now = time.time()
        gone = [
            row.id
            for row in self.past.values()
            if (ids is None or row.id in ids)
            and _contains(row, text)
            and now - (row.finished_at or row.added_at) >= (older_than_days or 0) * 86400
        ]
        for row in gone:
            del self.past[row]
        return len(gone)

    async def change_priority(self, ids: Sequence[str], by: int) -> int:
        self._record("change_priority", (list(ids), by))
        places = (await self.places(ids)).items()
        return await self.set_places({row: (max(1, old + by), rank) for row, (old, rank) in places})

    async def set_priority(self, ids: Sequence[str], priority: int) -> int:
        self._record("set_priority", (list(ids), priority))
        places = (await self.places(ids)).items()
        return await self.set_places({row: (priority, rank) for row, (_, rank) in places})

    async def places(self, ids: Sequence[str]) -> dict[str, QueuePlace]:
        rows = [self.rows[row] for row in ids if row in self.rows]
        return {
            row.id: (row.priority, Fraction(row.rank)) for row in rows if not row.status.is_terminal
        }

    async def set_places(self, places: Mapping[str, QueuePlace]) -> int:
        for row, (priority, rank) in places.items():
            self.change(row, priority=priority, rank=float(rank))
        return len(places)

    async def move(self, ids: Sequence[str], where: Literal["up", "down", "top", "bottom"]) -> int:
        self._record("move", (list(ids), where))
        queued = (row for row in self.rows.values() if row.status is DownloadStatus.QUEUED)
        before = [row.id for row in sorted(queued, key=lambda row: row.order)]
        after = _moved(before.copy(), set(ids), where)
        if after == before:
            return 0
        for at, download_id in enumerate(after):
            if download_id in ids:
                rest = [self.rows[row].rank for row in after[at:] if row not in ids]
                low = self.rows[after[at - 1]].rank if at else rest[0] - 2
                high = rest[0] if rest else low + 2
                self.change(download_id, rank=(low + high) / 2)
        return len(ids)

    async def change_settings(self, settings: Settings) -> None:
        self._record("change_settings", settings)
        self.settings = settings
        self._revision += 1

    async def reload_settings(self) -> list[str]:
        self._record("reload_settings", None)
        self._revision += 1
        return list(self.closed_by)

    async def set_speed_limit(
        self, bytes_per_second: int | None, ids: Sequence[str] | None = None
    ) -> None:
        if ids is None:
            self._record("set_speed_limit", bytes_per_second)
            self._limit = bytes_per_second
            self.settings = self.settings.model_copy(update={"speed_limit": bytes_per_second})
            self._revision += 1
            return
        self._record("limit_each", (bytes_per_second, list(ids)))
        for row in ids:
            self.change(row, speed_limit_bps=bytes_per_second)

    async def follow_schedule(self) -> None:
        self._record("follow_schedule")

    async def lift_host_limits(self) -> list[str]:
        self._record("lift_host_limits")
        lifted, self.host_waits = list(self.host_waits), {}
        self._revision += 1
        return lifted

    async def set_slow(self, on: bool) -> None:
        self._record("set_slow", on)
        self._is_slow = on
        self._revision += 1

    async def set_start(self, ids: Sequence[str], start_at: float | None) -> None:
        self._record("set_start", (list(ids), start_at))
        for row in ids:
            self.change(row, start_at=start_at)

    async def stop_after(self, count: int | None) -> None:
        self._record("stop_after", count)

    # The simulation

    def put(self, row: DownloadSnapshot) -> None:
        """Store a row as a separate change."""
        self._revision += 1
        self.rows[row.id] = row
        self.past.pop(row.id, None)
        self._changed[row.id] = self._revision
        self._gone.pop(row.id, None)

    def change(self, download_id: str, **values: Any) -> None:
        """Change fields of a row as a separate change."""
        self.put(self.rows[download_id]._replace(**values))

    def advance(self, seconds: float) -> None:
        """Fill slots from the queue and advance running downloads."""
        running = [row for row in self.rows.values() if row.status.is_active]
        waiting = sorted(
            (row for row in self.rows.values() if row.status is DownloadStatus.QUEUED),
            key=lambda row: row.order,
        )
        for row in waiting[: max(0, self.settings.max_concurrent - len(running))]:
            total = row.total_bytes or 10_000_000
            self.change(
                row.id,
                status=DownloadStatus.IN_PROGRESS,
                attempt=1,
                started_at=time.time(),
                total_bytes=total,
            )
            self._emit(DownloadStartedEvent, row.id, total_bytes=total)
        for row in [row for row in self.rows.values() if row.status is DownloadStatus.IN_PROGRESS]:
            self._progress(row, seconds)

    def _progress(self, row: DownloadSnapshot, seconds: float) -> None:
        total = row.total_bytes or 0
        done = min(total, row.bytes_downloaded + int(SPEED * seconds))
        if done < total:
            left = (total - done) / SPEED
            self.change(row.id, bytes_downloaded=done, speed_bps=SPEED, eta_seconds=left)
            return
        self.change(
            row.id,
            bytes_downloaded=done,
            status=DownloadStatus.COMPLETED,
            speed_bps=0.0,
            eta_seconds=None,
            finished_at=time.time(),
            average_speed_bps=SPEED,
        )
        self._emit(
            DownloadCompletedEvent, row.id, total_bytes=total, elapsed_seconds=total / SPEED,
            average_speed_bps=SPEED,
        )  # fmt: skip

    def fail(self, download_id: str, problem: str | Exception) -> None:
        """Fail a download permanently, with this error or one of no kind."""
        error = problem if isinstance(problem, Exception) else DownloadError(problem)
        self.change(
            download_id, status=DownloadStatus.FAILED, reason=str(error), speed_bps=0.0,
            **facts_of(error),
        )  # fmt: skip
        self._emit(DownloadFailedEvent, download_id, error=ErrorInfo.from_exception(error))

    def _known(self) -> Container[str]:
        return self.rows.keys()

    def _emit(self, kind: Callable[..., DownloadEvent], download_id: str, **facts: Any) -> None:
        row = self.rows[download_id]
        self._events.append(kind(download_id=download_id, url=row.url, **facts))

    def _record(self, name: str, value: Any = None) -> None:
        error, self.fail_with = self.fail_with, None
        if error is not None:
            raise error
        self.calls.append((name, value))

    def _stats(self) -> DownloadStats:
        states = [row.status for row in self.rows.values()]

        def count(*statuses: DownloadStatus) -> int:
            return sum(states.count(status) for status in statuses)

        return DownloadStats(
            total=len(states),
            queued=count(DownloadStatus.QUEUED, DownloadStatus.RETRYING),
            in_progress=sum(status.is_active for status in states),
            completed=count(DownloadStatus.COMPLETED),
            failed=count(DownloadStatus.FAILED),
            cancelled=count(DownloadStatus.CANCELLED),
            skipped=count(DownloadStatus.SKIPPED),
            paused=count(DownloadStatus.PAUSED),
        )


def _contains(row: DownloadSnapshot, text: str) -> bool:
    text = text.strip().casefold()
    return text in row.name.casefold() or text in row.url.casefold()


def _moved(queue: list[str], block: set[str], where: str) -> list[str]:
    """Return the queue after a move of the block."""
    if where in ("top", "bottom"):
        rest = [row for row in queue if row not in block]
        moved = [row for row in queue if row in block]
        return moved + rest if where == "top" else rest + moved
    if where == "down":
        return _moved(queue[::-1], block, "up")[::-1]
    for at in range(1, len(queue)):
        if queue[at] in block and queue[at - 1] not in block:
            queue[at - 1], queue[at] = queue[at], queue[at - 1]
    return queue
