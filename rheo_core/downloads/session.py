"""Session: save the queue and the history while the engine runs, and delete old history.

`infrastructure/session_store.py` reads and writes the file.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from operator import attrgetter
from pathlib import Path

from rheo_core.domain.downloads import HistoryTotals
from rheo_core.domain.text import printable
from rheo_core.domain.tuning import DEFAULT_TUNING, Tuning
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.session_rows import LoadedRecords, records_of, to_stored
from rheo_core.infrastructure.session_store import (
    SessionStore,
    SessionStoreError,
    StoredDownload,
)
from rheo_core.tracking import DownloadRecord

_log = logging.getLogger(__name__)

_LOG_SECONDS = 2.0
"""Time until written rows leave the write-ahead log. Until then the log holds earlier versions of
rows, such as passwords of ended downloads."""
OnRecords = Callable[[list[DownloadRecord]], None]
"""Takes a piece of the list."""

_DAY_SECONDS = 24 * 60 * 60.0
_SLICE_RECORDS = 500  # records made into rows before the event loop gets its turn
_MAX_ROWS = 20_000
"""Rows of one transaction, about 12 MB of memory. If a verb changes more downloads, a crash may
leave some of them unchanged in the file, each as a whole."""


class Session:
    """Writes changes in the background, and new downloads before `save_now` returns.

    SQLite has its own thread, because a commit waits for the disk. Transfers and the event loop do
    not wait. Call all methods in the thread of the event loop.

    Args:
        path: the session file.
        on_problem: called with a sentence if changes cannot be written, once until they can be,
            and if rows cannot be restored. None: the log.
        history_days: age after which `open` forgets ended downloads that left the list; None:
            never.
        tuning: intervals between writes.
    """

    def __init__(
        self,
        path: Path,
        on_problem: Callable[[str], None] | None = None,
        *,
        history_days: int | None = None,
        tuning: Tuning = DEFAULT_TUNING,
    ) -> None:
        self._path = path
        self._tuning = tuning
        self._history_days = history_days
        self._on_problem = on_problem or _log.warning
        self._changed: dict[str, DownloadRecord] = {}
        self._outdated: set[str] = set()  # ids of rows to remove
        self._running: dict[str, DownloadRecord] = {}
        self._bytes_written: dict[str, int] = {}  # of running downloads
        self._progress_due = 0.0
        self._log_due: float | None = None  # time to empty the log; None: it is empty
        self._is_failing = False
        self._is_read_only = False
        self._may_write = asyncio.Event()  # unset during `deferred`
        self._store: SessionStore | None = None
        self._writer: asyncio.Task[None] | None = None
        self._version: int | None = None

    async def open(
        self, *, read_only: bool = False, on_records: OnRecords | None = None
    ) -> tuple[str, ...]:
        """Open the file or create it; return problems that the user should know.

        Args:
            read_only: open a session that another process may write. `note` then does nothing.
            on_records: called with pieces of the list while it is read; `restore` returns them too.

        Raises:
            SessionLockedError: another process uses the session.
            SessionStoreError: it can be neither read nor created.
        """
        self._is_read_only, self._version = read_only, None
        self._thread = DiskThreads(1)
        self._early = _EarlyRecords(on_records)
        opening = self._thread.submit(
            SessionStore.open,
            self._path,
            read_only=read_only,
            on_rows=self._early.take if on_records else None,
        )
        try:
            opened = await opening
        except BaseException:
            if opening.exception() is None:  # cancelled, but the thread has opened it
                await self._thread.run(opening.result().store.close)
            self._thread.close()
            raise
        self._store, problems = opened.store, opened.problems
        self._wake, self._closing, self._writing = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._may_write = asyncio.Event()
        self._may_write.set()
        if read_only:
            return problems
        if self._changed:  # noted before it was open
            self._wake.set()
        self._writer = asyncio.get_running_loop().create_task(self._keep_written())
        try:
            if self._history_days is not None:
                await self.forget(older_than_days=self._history_days)
        except SessionStoreError as error:
            problems += (f"Cannot shorten the history: {error}.",)
        return problems

    async def restore(self) -> list[DownloadRecord]:
        """Return every download of the list, in the order of the queue.

        Interrupted downloads are queued. Rows that cannot be read are reported to `on_problem` and
        stay in the file.
        """
        load = self._opened.load
        loaded = await self._thread.run(lambda: self._early.completed(load()))
        count = len(loaded.records) + len(loaded.unreadable)
        for old_id, record in loaded.renamed:
            self._outdated.add(old_id)
            self.note(record)
        if self._opened.has_key:  # otherwise the rows may be ours: keep them until the key is found
            for record in loaded.foreign:  # from now on they are ours
                self.note(record)
        where = printable(str(self._path))
        if loaded.unreadable:
            _log.warning("unreadable rows: %s", ", ".join(map(repr, loaded.unreadable)))
            self._on_problem(
                f"{len(loaded.unreadable)} of {count} downloads in the session {where} are "
                "unreadable, so rheo leaves them out."
            )
        if loaded.foreign:
            self._on_problem(
                f"{len(loaded.foreign)} of {count} downloads in the session {where} come from "
                "another user, another computer or an earlier version. rheo saves their files in "
                "the download folder and ignores their connection settings. It pauses those with "
                "a proxy or a similar option."
            )
        return loaded.records

    async def save_now(self, records: Sequence[DownloadRecord]) -> None:
        """Write all downloads or none; they are on the disk when this returns.

        The records must not change meanwhile, because the thread turns them into rows.

        Raises:
            SessionStoreError: nothing was written, and nothing will be.
        """
        save = self._opened.save
        if self._is_read_only:
            raise SessionStoreError(self._path, "open read-only")
        async with self._writing:
            # Pending changes of an earlier download with the same id are out of date.
            outdated = {
                record.id: self._changed.pop(record.id)
                for record in records
                if record.id in self._changed
            }
            try:
                await self._thread.run(save, map(to_stored, _in_order(records)))
                self._has_written()
                self._wake_up()
            except SessionStoreError:
                self._put_back(outdated, ())
                raise

    def note(self, record: DownloadRecord) -> None:
        """Record that a download changed; its state at the time of the next write is saved."""
        if self._is_read_only:
            return
        self._changed[record.id] = record
        if record.status.is_active:
            self._running[record.id] = record
        else:
            self._forget_running(record.id)
        self._wake_up()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Write no noted changes in the background meanwhile, to write many in one transaction."""
        self._may_write.clear()
        try:
            yield
        finally:
            self._may_write.set()

    def drop(self, download_id: str) -> None:
        """Delete a download at the next write, from the list and from the history."""
        if self._is_read_only:
            return
        self._changed.pop(download_id, None)
        self._forget_running(download_id)
        self._outdated.add(download_id)
        self._wake_up()

    async def find(self, download_id: str) -> DownloadRecord | None:
        """Return the saved download with this id, listed or not; None if it is unknown."""
        find = self._opened.find
        await self._flush()
        row = await self._thread.run(find, download_id)
        return next(iter(_by_row(records_of([row] if row else []))), None)

    async def search(
        self, text: str, limit: int, offset: int = 0, *, failed: bool = False
    ) -> list[DownloadRecord]:
        """Return ended downloads that match `text`, latest first; see `SessionStore.search`."""
        search = self._opened.search
        await self._flush()
        rows = await self._thread.run(search, text, limit, offset, failed=failed)
        return _by_row(await self._thread.run(records_of, rows))

    async def history_totals(self, text: str) -> HistoryTotals:
        """Return the totals of the ended downloads that match `text`."""
        totals = self._opened.history_totals
        await self._flush()
        return await self._thread.run(totals, text)

    async def find_kept(self) -> list[DownloadRecord]:
        """Return removed downloads whose partial data was kept for an undo."""
        rows = await self._thread.run(self._opened.find_kept)
        return [record for record in records_of(rows).records if record.is_kept]

    async def forget(
        self,
        ids: Iterable[str] | None = None,
        *,
        text: str = "",
        older_than_days: float | None = None,
    ) -> int:
        """Remove downloads from the history; return their number. See `SessionStore.forget`."""
        forget = self._opened.forget
        before = None if older_than_days is None else time.time() - older_than_days * _DAY_SECONDS
        await self._flush()
        count = await self._thread.run(forget, ids, text=text, ended_before=before)
        self._has_written()
        self._wake_up()
        return count

    async def has_changed(self) -> bool:
        """Return True if another process wrote since the last call, and on the first call."""
        version_of = self._opened.version
        version = await self._thread.run(version_of)
        changed, self._version = version != self._version, version
        return changed

    async def close(self) -> None:
        """Write pending changes and close the file; do nothing if it is not open."""
        if self._store is None:
            return
        self._closing.set()
        self._wake.set()
        if self._writer is not None:
            await self._writer
            self._is_failing = False  # report lost changes, even after an earlier report
            await self._flush()
            self._log_due = asyncio.get_running_loop().time()
            await self._empty_log()  # closing empties it too, unless it has readers
        store, self._store, self._writer = self._store, None, None
        try:
            await self._thread.run(store.close)
        finally:
            self._thread.close()

    @property
    def _opened(self) -> SessionStore:
        if self._store is None:
            raise SessionStoreError(self._path, "not open")
        return self._store

    def _wake_up(self) -> None:
        if self._store is not None:
            self._wake.set()

    def _forget_running(self, download_id: str) -> None:
        self._running.pop(download_id, None)
        self._bytes_written.pop(download_id, None)

    async def _keep_written(self) -> None:
        while not self._closing.is_set():
            await _wait(self._wake, self._patience())
            self._wake.clear()
            await self._may_write.wait()
            await self._flush()
            await self._empty_log()
            await _wait(self._closing, self._tuning.session_write_seconds)

    def _patience(self) -> float | None:
        """Return the seconds until the next work that no note announces; None: never."""
        if self._is_failing:
            return self._tuning.session_retry_seconds
        if self._log_due is not None:
            return max(self._log_due - asyncio.get_running_loop().time(), 0.0)
        return self._tuning.session_progress_seconds if self._running else None

    def _has_written(self) -> None:
        if self._log_due is None:
            self._log_due = asyncio.get_running_loop().time() + _LOG_SECONDS

    async def _empty_log(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._log_due is None or now < self._log_due:
            return
        self._log_due = None
        try:
            is_empty = await self._thread.run(self._opened.empty_log)
        except SessionStoreError as error:  # such as a full disk; the log can wait
            _log.warning("cannot empty the log of the session: %s", error)
            is_empty = False
        if not is_empty:
            self._log_due = now + self._tuning.session_retry_seconds

    async def save_changes(self) -> bool:
        """Write what was noted at once instead of at the next regular write.

        Return False if the session could not be written; the next regular write tries again.
        """
        return await self._flush()

    async def _flush(self) -> bool:
        """Write noted changes; keep them for the next time and return False if that fails."""
        if self._is_read_only:
            return True
        async with self._writing:
            self._note_progress()
            changed, self._changed = self._changed, {}
            outdated, self._outdated = self._outdated, set()
            if not changed and not outdated:
                return True
            try:
                await self._write(_in_order(changed.values()), outdated - changed.keys())
            except Exception as error:  # even a bug must not lose changes or stop the writer
                self._put_back(changed, outdated)
                self._report(error)
                return False
            self._is_failing = False
            self._has_written()
            return True

    async def _write(self, records: Sequence[DownloadRecord], deleted: Set[str]) -> None:
        """Write records in pieces. Rows are deleted with the last one: new names come first."""
        for start in range(0, max(len(records), 1), _MAX_ROWS):
            end = start + _MAX_ROWS
            rows = await _rows_of(records[start:end])
            removed = deleted if end >= len(records) else ()
            await self._thread.run(self._opened.write, rows, removed)

    def _note_progress(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._progress_due:
            return
        self._progress_due = now + self._tuning.session_progress_seconds
        for record in self._running.values():
            if record.bytes_downloaded != self._bytes_written.get(record.id):
                self._bytes_written[record.id] = record.bytes_downloaded
                self._changed[record.id] = record

    def _put_back(self, changed: dict[str, DownloadRecord], outdated: Iterable[str]) -> None:
        """Keep changes that were not written, except those noted again or dropped since."""
        kept = {id_: record for id_, record in changed.items() if id_ not in self._outdated}
        self._changed = kept | self._changed
        self._outdated.update(outdated)

    def _report(self, error: Exception) -> None:
        known = isinstance(error, SessionStoreError)
        _log.warning("cannot write the session: %s", error, exc_info=None if known else error)
        if not self._is_failing:
            self._is_failing = True
            self._on_problem(f"Cannot save changes to the list: {error}.")


class _EarlyRecords:
    """Records made while the list is read, so that the first ones are shown soon."""

    def __init__(self, on_records: OnRecords | None) -> None:
        self._on_records = on_records
        self._loop = asyncio.get_running_loop()
        self._pieces: list[LoadedRecords] = []
        self._ids: set[str] = set()  # of rows

    def take(self, rows: list[StoredDownload]) -> None:
        """Make records of a piece and pass them on; called in the thread that reads."""
        assert self._on_records is not None
        piece = records_of(rows)
        self._pieces.append(piece)
        self._ids.update(row.id for row in rows)
        self._loop.call_soon_threadsafe(self._on_records, piece.records)

    def completed(self, rows: Iterable[StoredDownload]) -> LoadedRecords:
        """Return the records of all rows, in the order of the queue, and forget the pieces."""
        loaded = records_of(row for row in rows if row.id not in self._ids)
        for piece in self._pieces:
            loaded.extend(piece)
        self._pieces, self._ids = [], set()
        loaded.records.sort(key=lambda record: (-record.priority, record.rank, record.id))
        return loaded


def _in_order(records: Iterable[DownloadRecord]) -> list[DownloadRecord]:
    """Return records in the order of SQLite's indexes.

    In any other order, each record touches another page of the file, and many records take twice as
    long.
    """
    return sorted(records, key=attrgetter("id"))


async def _rows_of(records: Iterable[DownloadRecord]) -> list[StoredDownload]:
    """Return rows of records that the engine may change between two turns of the event loop."""
    rows = []
    for number, record in enumerate(records, start=1):
        rows.append(to_stored(record))
        if number % _SLICE_RECORDS == 0:
            await asyncio.sleep(0)
    return rows


def _by_row(records: LoadedRecords) -> list[DownloadRecord]:
    """Return records with the ids of their rows, which `find` and `forget` use."""
    for row_id, record in records.renamed:
        record.id = row_id
    return records.records


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
