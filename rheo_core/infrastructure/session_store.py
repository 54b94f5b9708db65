"""SessionStore: store the queue and the history in a SQLite file.

A write-ahead log with `synchronous = FULL` syncs at every commit, so saved downloads survive a
power loss; with NORMAL they survive only a crash of the program. An incomplete transaction is
rolled back. Each save is one transaction, so a thousand downloads cost one sync.

`Session.open` in `downloads/session.py` deletes old rows of the history (`history_days`).
"""

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from rheo_core.domain.downloads import DownloadStatus, HistoryTotals
from rheo_core.domain.text import printable, system_reason

from . import session_files as files
from . import session_schema as schema
from .files import resolve_links
from .locks import SessionLock
from .session_errors import SessionLockedError, SessionStoreError
from .session_integrity import Seals, seal_with
from .session_schema import Proof, StoredDownload
from .session_tally import Tally, TallyNote, read_tally
from .shortage_errors import shortage_of_files
from .user_key import kept_user_key, user_key_path

__all__ = [
    "OpenedSession",
    "Proof",
    "SessionLockedError",
    "SessionStore",
    "SessionStoreError",
    "StoredDownload",
    "check_session_path",
]

_log = logging.getLogger(__name__)

_SETTINGS = (
    "synchronous = FULL",
    "fullfsync = ON",  # macOS: fsync alone leaves the data in the drive's cache
    "secure_delete = ON",  # URLs may contain passwords, which must not remain in the file
    "journal_size_limit = 4000000",  # bytes of the log that remain after a checkpoint
    "temp_store = MEMORY",
)
_MATCHES = "(:text = '' OR matches_text(CAST(name AS BLOB), CAST(config AS BLOB), :text))"
_ENDED = "status IN ({})".format(", ".join(f"'{s}'" for s in DownloadStatus.terminal_states()))
_KEPT = (
    f"{schema.SELECT} WHERE listed = 0 AND bytes_downloaded > 0 "
    f"AND (status = '{DownloadStatus.CANCELLED}' "
    # A failed one keeps the link that replaced its URL until its data is removed.
    f"OR status = '{DownloadStatus.FAILED}' AND instr(config, '\"fetch_url\":'))"
)
_SEARCH = (
    f"{schema.SELECT} WHERE {_ENDED} AND {_MATCHES} "
    f"AND (NOT :failed OR status = '{DownloadStatus.FAILED}') "
    f"ORDER BY {schema.ENDED_AT} DESC, id LIMIT :limit OFFSET :offset"
)
_TOTALS = (
    "SELECT status, COUNT(*), TOTAL(bytes_downloaded) FROM downloads "
    f"WHERE {_ENDED} AND {_MATCHES} GROUP BY status"
)

_FIRST_ROWS, _MORE_ROWS = 200, 2000
"""Rows of the first piece of the list, which fills a screen, and of the others."""
_PROBLEMS = {
    sqlite3.SQLITE_FULL: "disk full",
    sqlite3.SQLITE_TOOBIG: "a value in it is too long",
}

OnRows = Callable[[list[StoredDownload]], None]
"""Takes a piece of the list."""


class SessionStore:
    """One open session.

    Every method blocks. Threads that call at the same time wait for each other. Every method
    raises `SessionStoreError` if the file cannot be read or written; its content is then unchanged.
    """

    def __init__(
        self,
        path: Path,
        seals: Seals,
        lock: SessionLock | None = None,
        note: TallyNote | None = None,
    ) -> None:
        """Prepare a store; callers use `open`."""
        self._path = path
        self._seals = seals
        self._lock = lock
        self._note = note
        self._guard = threading.Lock()
        self._tally = self._counted = Tally(b"", 0, 0)  # the present one, and the next one
        self._loaded: list[StoredDownload] | None = None  # by `open`, until the list changes
        self._connection = self._connect()

    @classmethod
    def open(
        cls, path: Path, *, read_only: bool = False, on_rows: OnRows | None = None
    ) -> "OpenedSession":
        """Open the session at `path`, or create one.

        The folder is created (0700) if it is missing, and the files are private (0600). A damaged
        session is set aside, and one with all its readable rows replaces it. A file that is not a
        session of ours is never moved, replaced or written.

        Args:
            path: the file, such as `session.db`.
            read_only: take no lock and change nothing. Another process may write meanwhile.
            on_rows: takes pieces of the list while a writer reads and checks it; `load` may
                leave these rows out. In a damaged session some rows may never be passed.

        Raises:
            SessionLockedError: another process has it open for writing.
            SessionStoreError: it can be neither read nor created, is not a session, or comes from
                a newer version; with `read_only`, it is missing or damaged.
        """
        path = _resolved(path)
        with _store_errors(path):
            return cls._open_reading(path) if read_only else cls._open_writing(path, on_rows)

    @classmethod
    def _open_writing(cls, path: Path, on_rows: OnRows | None) -> "OpenedSession":
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.check_files(path)
        seals, key_problems = _seals_for(path)
        with ExitStack() as opened:
            lock = SessionLock(path)
            lock.acquire()
            opened.callback(lock.release)
            note = TallyNote(path)
            opened.callback(note.close)
            problems = key_problems + files.prepare(path, seals, note.read())
            store = cls(path, seals, lock, note)
            opened.callback(store.close)
            problems += store._check_rows(on_rows)
            opened.pop_all()
        return OpenedSession(store, problems)

    @classmethod
    def _open_reading(cls, path: Path) -> "OpenedSession":
        files.check_regular(path)
        files.check_sides(path)
        fault = files.find_fault(path)
        with ExitStack() as opened:
            store = cls(path, _seals_for(path)[0])
            opened.callback(store.close)
            if fault is None and schema.version_of(store._connection) < len(schema.MIGRATIONS):
                fault = "comes from an older version of this program"
            if fault is not None:
                raise SessionStoreError(path, f"cannot be read: it {fault}")
            opened.pop_all()
        return OpenedSession(store, ())

    def _connect(self) -> sqlite3.Connection:
        """Open the file; unless it is read-only, migrate it and read its tally."""
        connection = files.connect(self._path, "ro" if self._lock is None else "rw")
        try:
            connection.create_function("matches_text", 3, _matches_text, deterministic=True)
            if self._lock is not None:
                seal_with(connection, self._seals)
                _choose_journal(connection)
                for setting in _SETTINGS:
                    connection.execute(f"PRAGMA {setting}")
                schema.migrate(connection)
                tally = read_tally(connection, self._seals)
                if tally is None:  # `prepare` has found a sound one
                    raise sqlite3.DatabaseError("its tally is damaged")
                self._tally = tally
                # If locks belong to the process, `prepare` dropped it by closing the file.
                self._lock.lock_session()
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_rows(self, on_rows: OnRows | None) -> tuple[str, ...]:
        """Read all rows before anything is written; rebuild the file if some are damaged.

        Returns:
            A sentence for the user if the file was rebuilt; it names the copy that is kept.
        """
        problems: tuple[str, ...] = ()
        rows, damaged = self._read(on_rows)
        if damaged:
            self._connection.close()
            known = self._note.read() if self._note else None
            problems = (files.rebuild(self._path, self._seals, known, "has damaged rows"),)
            self._connection = self._connect()
            rows, _ = self._read()
        self._loaded = rows
        _empty_log(self._connection)  # after a crash it may contain copies of removed rows
        return problems

    def load(self) -> list[StoredDownload]:
        """Return the list in the order of the queue, with ended downloads at their old places.

        The first call may leave out the rows that `on_rows` of `open` took, because in a long list
        they would take more memory than their downloads. Damaged rows come last. A writer finds
        none, because `open` has rebuilt the file.
        """
        with self._reading():
            rows, self._loaded = self._loaded, None
            if rows is None:
                sound, damaged = self._read()
                rows = sound + damaged
        return rows

    def _read(
        self, on_rows: OnRows | None = None
    ) -> tuple[list[StoredDownload], list[StoredDownload]]:
        """Return the list without the rows that `on_rows` took, and all damaged rows.

        The damaged rows include those of the history.
        """
        rows: list[StoredDownload] = []
        damaged: list[StoredDownload] = []
        due = _FIRST_ROWS
        for values in self._connection.execute(schema.SELECT_IN_ORDER):
            row = self._seals.to_download(values)
            if row.proof is Proof.DAMAGED:
                damaged.append(row)
            elif row.listed:
                rows.append(row)
                if on_rows is not None and len(rows) == due:
                    on_rows(rows)
                    rows, due = [], _MORE_ROWS
        rows.sort(key=_queue_order)
        return rows, damaged

    @property
    def has_key(self) -> bool:
        """True if rheo can later recognise the written rows as ours."""
        return self._seals.has_key

    def save(self, downloads: Iterable[StoredDownload]) -> None:
        """Write downloads in one transaction, replacing those of the same id.

        They are durable when this returns.
        """
        self.write(downloads, ())

    def write(self, saved: Iterable[StoredDownload], deleted: Iterable[str]) -> None:
        """Delete and write downloads in one transaction.

        Args:
            saved: downloads to write, replacing those of the same id.
            deleted: ids of downloads to delete first; unknown ones are ignored.
        """
        with self._writing() as connection:
            removed = connection.executemany(
                "DELETE FROM downloads WHERE id = ?", ((id_,) for id_ in deleted)
            ).rowcount
            before = _last_row(connection)
            connection.executemany(schema.UPSERT, map(self._seals.to_values, saved))
            self._count(connection, _last_row(connection) - before - removed)

    def find(self, download_id: str) -> StoredDownload | None:
        """Return the download with this id, listed or not; None if it is unknown."""
        with self._reading() as connection:
            rows = connection.execute(f"{schema.SELECT} WHERE id = ?", (download_id,))
            return next(self._undamaged(rows), None)

    def search(
        self, text: str, limit: int, offset: int = 0, *, failed: bool = False
    ) -> list[StoredDownload]:
        """Return ended downloads, listed or not, that match `text`, the latest first.

        Args:
            text: part of the name or the URL, in any case; "" matches all.
            limit: maximum number of downloads to return.
            offset: number of matching downloads to skip.
            failed: True leaves out those that have not failed.
        """
        with self._reading() as connection:
            rows = connection.execute(
                _SEARCH,
                {"text": text.casefold(), "limit": limit, "offset": offset, "failed": failed},
            )
            return list(self._undamaged(rows))

    def history_totals(self, text: str) -> HistoryTotals:
        """Return the totals of the ended downloads that match `text`; see `search`."""
        with self._reading() as connection:
            rows = list(connection.execute(_TOTALS, {"text": text.casefold()}))
        counts = {str(status): int(count) for status, count, _ in rows}
        done = str(DownloadStatus.COMPLETED)
        return HistoryTotals(
            sum(counts.values()),
            counts.get(done, 0),
            sum(int(size) for status, _, size in rows if status == done),
            counts.get(str(DownloadStatus.FAILED), 0),
        )

    def find_kept(self) -> list[StoredDownload]:
        """Return removed downloads whose partial data was kept for an undo."""
        with self._reading() as connection:
            return list(self._undamaged(connection.execute(_KEPT)))

    def forget(
        self, ids: Iterable[str] | None = None, *, text: str = "", ended_before: float | None = None
    ) -> int:
        """Delete downloads from the history; return their number.

        Downloads on the list stay, and files on disk are not touched. A download is deleted if it
        matches all arguments.

        Args:
            ids: ids of downloads; None matches all.
            text: matched as in `search`.
            ended_before: time before which it ended, seconds since the epoch; None matches all.
        """
        with self._writing(changes_list=False) as connection:
            count = connection.execute(
                f"DELETE FROM downloads WHERE NOT listed AND {_ENDED} AND {_MATCHES} "
                "AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids))) "
                f"AND (:before IS NULL OR {schema.ENDED_AT} < :before)",
                {
                    "ids": None if ids is None else json.dumps(list(ids)),
                    "text": text.casefold(),
                    "before": ended_before,
                },
            ).rowcount
            self._count(connection, -count)
            return count

    def empty_log(self) -> bool:
        """Copy the write-ahead log into the file and empty it; return False if a reader is busy.

        The log contains every version of each row. So a password removed from a row stays on the
        disk until then.
        """
        with self._reading() as connection:
            self._check_lock()  # otherwise the latest changes are only in the log
            return _empty_log(connection)

    def version(self) -> int:
        """Return a number that changes when another process writes."""
        with self._reading() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the file and release the lock. Does nothing if they are closed."""
        with self._guard, _store_errors(self._path):
            self._loaded = None
            try:
                self._connection.close()
            finally:
                if self._note is not None:
                    self._note.close()
                if self._lock is not None:
                    self._lock.release()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._guard, _store_errors(self._path):
            yield self._connection

    @contextmanager
    def _writing(self, *, changes_list: bool = True) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        with self._guard, _store_errors(self._path):
            if changes_list:
                self._loaded = None
            self._check_lock()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
                self._tally = self._counted
                if self._note is not None:
                    self._note.write(self._tally)
            except BaseException:
                if connection.in_transaction:  # a full disk may have ended it already
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise

    def _check_lock(self) -> None:
        if self._lock is not None:
            self._lock.check_session()

    def _count(self, connection: sqlite3.Connection, more: int) -> None:
        """Update the tally in the file: one more commit, and `more` rows."""
        tally = self._tally
        self._counted = tally._replace(
            commits=tally.commits + 1, downloads=max(tally.downloads + more, 0)
        )
        connection.execute(
            "UPDATE tally SET commits = ?, downloads = ?, seal = ?",
            (*self._counted[1:], self._seals.make(self._counted)),
        )

    def _undamaged(self, rows: Iterable[Sequence[Any]]) -> Iterator[StoredDownload]:
        downloads = (self._seals.to_download(values) for values in rows)
        return (row for row in downloads if row.proof is not Proof.DAMAGED)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """Open store, and sentences for the user on problems of its file."""

    store: SessionStore
    problems: tuple[str, ...]


def check_session_path(path: Path) -> None:
    """Check that a path is usable for a session, without changing anything.

    Args:
        path: as the user typed it.

    Raises:
        SessionStoreError: `SessionStore.open` would refuse the file, or create folders.
    """
    path = _resolved(path)
    with _store_errors(path):
        if not os.path.isdir(path.parent):
            raise SessionStoreError(path, "its folder does not exist")
        files.check_ours(path, _seals_for(path)[0])


def _resolved(path: Path) -> Path:
    """Return the path without links, so that a session has one lock under all its names."""
    try:
        resolved = resolve_links(path)
    except OSError as error:
        raise SessionStoreError(path, "its links cannot be followed") from error
    if resolved.name.endswith(files.SIDES):  # SQLite would replace it by another session's
        raise SessionStoreError(
            path, f"its name must not end in {', '.join(files.SIDES)}, which SQLite uses itself"
        )
    return resolved


def _seals_for(path: Path) -> tuple[Seals, tuple[str, ...]]:
    """Return the seals of a session, and sentences for the user on problems of its key.

    Raises:
        SessionStoreError: the key is not readable now. Without it, no row counts as the user's own.
    """
    key, problems = b"", tuple[str, ...]()
    try:
        key = kept_user_key()
    except OSError as error:  # the home may be read-only and the session elsewhere
        if (shortage := shortage_of_files(error)) is not None:
            raise SessionStoreError(path, str(shortage)) from error
        reason = system_reason(error)
        _log.warning("the key cannot be stored: %s", reason)
        if os.path.lexists(where := user_key_path()):
            problems = (f"Cannot use the key {printable(str(where))}: {reason}.",)
    return Seals(key, owns_unsealed=path == files.own_path()), problems


def _choose_journal(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError:
        # Some network file systems accept a write-ahead log, but cannot share memory for it.
        connection.execute("PRAGMA journal_mode = DELETE")


def _empty_log(connection: sqlite3.Connection) -> bool:
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")  # `add` must not wait for a reader
    try:
        is_busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")
    return not is_busy


def _last_row(connection: sqlite3.Connection) -> int:
    """Return the largest rowid. New rows get the next ones, so this counts them quickly."""
    return connection.execute("SELECT max(rowid) FROM downloads").fetchone()[0] or 0


def _matches_text(name: bytes, config: bytes, text: str) -> bool:
    """Return True if the name or a URL contains `text`, in any case.

    SQLite's LIKE ignores only the case of ASCII letters. Name and config are bytes, because damaged
    ones may not be text.
    """
    if text in name.decode(errors="replace").casefold():
        return True
    if b"\\" not in config and text not in config.decode(errors="replace").casefold():
        return False  # reading the JSON would take most of the time of a search
    try:
        values = json.loads(config)
        urls = (values["url"], values.get("fetch_url") or "")
        return any(text in url.casefold() for url in urls)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # Damaged or forged. The search continues with the other rows.
        return False


def _queue_order(download: StoredDownload) -> tuple[int, int | Fraction, str]:
    try:
        return -download.priority, download.exact_rank(), download.id
    except (ValueError, TypeError, ZeroDivisionError):  # damaged; the caller reports it
        return 0, 0, download.id


@contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    """Raise errors of the system and of SQLite as SessionStoreError, with the path."""
    try:
        yield
    except OSError as error:
        raise SessionStoreError(path, system_reason(error)) from error
    except MemoryError as error:
        raise SessionStoreError(path, "it needs more memory than is available") from error
    except sqlite3.Error as error:
        problem = _PROBLEMS.get(getattr(error, "sqlite_errorcode", 0), printable(str(error)))
        raise SessionStoreError(path, problem) from error
