"""SessionStore: queue and history in one SQLite file.

Why these settings: a write-ahead log with `synchronous = FULL` syncs at every commit, so what was
saved outlives a loss of power (with NORMAL it outlives only a crash of the program); a transaction
that could not be written whole leaves the one before it in force. Each save is one transaction, so
that a thousand downloads cost as many syncs as one.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from rheo_core.domain.downloads import DownloadStatus
from rheo_core.domain.text import printable

from . import session_files as files
from . import session_schema as schema
from .session_lock import SessionLock, SessionLockedError, SessionStoreError
from .session_schema import StoredDownload

__all__ = [
    "OpenedSession",
    "SessionLockedError",
    "SessionStore",
    "SessionStoreError",
    "StoredDownload",
    "check_place",
]

_SETTINGS = (
    "synchronous = FULL",
    "fullfsync = ON",  # macOS: fsync alone leaves the data in the drive's cache
    "secure_delete = ON",  # URLs may hold passwords: what was removed does not linger in the file
    "journal_size_limit = 4000000",  # bytes kept of the log once it has been copied into the file
)
_GREATEST = 2**63 - 1  # what an integer column can hold
_MATCHES = "(:text = '' OR tells(CAST(name AS BLOB), CAST(config AS BLOB), :text))"
_ENDED = "status IN ({})".format(", ".join(f"'{s}'" for s in DownloadStatus.terminal_states()))
_SEARCH = (
    f"{schema.SELECT} WHERE {_ENDED} AND {_MATCHES} "
    f"ORDER BY {schema.ENDED_AT} DESC, id LIMIT :limit OFFSET :offset"
)


class SessionStore:
    """Every method blocks; threads that call at the same time wait for each other.

    Every method raises `SessionStoreError` where the file cannot be read or written; what it held
    before is then still there.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: SessionLock | None
    ) -> None:
        """Use `open`."""
        self._path = path
        self._connection = connection
        self._lock = lock
        self._guard = threading.Lock()
        connection.create_function("tells", 3, _tells, deterministic=True)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> "OpenedSession":
        """Open the session at `path`, or begin one.

        The folder is made (0700) where it is missing; the files are for the user alone (0600). A
        file that is damaged, empty, foreign or of a newer version is set aside and told of.

        Args:
            path: the file, such as `session.db`.
            read_only: take no lock, change nothing, and let another process go on writing.

        Raises:
            SessionLockedError: another process has it open for writing.
            SessionStoreError: it can be neither read nor made; `read_only` where it is missing or
                of no use.
        """
        path = path.resolve()  # by whatever name: one session, one lock
        with _named_errors(path):
            return cls._open_reading(path) if read_only else cls._open_writing(path)

    @classmethod
    def _open_writing(cls, path: Path) -> "OpenedSession":
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = SessionLock(path)
        lock.acquire()
        try:
            problems = files.prepare(path)
            connection = files.connect(path, "rw")
            try:
                for setting in _SETTINGS:
                    connection.execute(f"PRAGMA {setting}")
                schema.migrate(connection)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            lock.release()
            raise
        return OpenedSession(cls(path, connection, lock), problems)

    @classmethod
    def _open_reading(cls, path: Path) -> "OpenedSession":
        fault = files.find_fault(path)
        connection = files.connect(path, "ro")
        if fault is None and schema.version_of(connection) < len(schema.MIGRATIONS):
            fault = "came from an older version of this program"
        if fault is not None:
            connection.close()
            raise SessionStoreError(path, f"cannot be read: it {fault}")
        return OpenedSession(cls(path, connection, None), ())

    def load(self) -> list[StoredDownload]:
        """The list, in the order in which the queue runs; ended downloads at their old place."""
        with self._reading() as connection:
            rows = list(map(_row, connection.execute(f"{schema.SELECT} WHERE listed = 1")))
        rows.sort(key=_queue_order)
        return rows

    def save(self, downloads: Iterable[StoredDownload]) -> None:
        """Write downloads, replacing those of the same id; all of them or none.

        They are on the disk when this returns.
        """
        self.write(downloads, ())

    def write(self, saved: Iterable[StoredDownload], deleted: Iterable[str]) -> None:
        """Take out `deleted` (unknown ids do not matter), then write `saved`, as one change."""
        with self._writing() as connection:
            connection.executemany(
                "DELETE FROM downloads WHERE id = ?", ((id_,) for id_ in deleted)
            )
            connection.executemany(schema.UPSERT, map(_parameters, saved))

    def find(self, download_id: str) -> StoredDownload | None:
        """The download with this id, listed or not; None where unknown."""
        with self._reading() as connection:
            rows = connection.execute(f"{schema.SELECT} WHERE id = ?", (download_id,))
            return next(map(_row, rows), None)

    def search(self, text: str, limit: int, offset: int = 0) -> list[StoredDownload]:
        """Ended downloads, listed or not, that match `text`; those that ended last come first.

        Args:
            text: part of the name or the URL, whatever the case; all match "".
            limit: how many to return at the most.
            offset: how many to leave out before.
        """
        with self._reading() as connection:
            rows = connection.execute(
                _SEARCH, {"text": text.casefold(), "limit": limit, "offset": offset}
            )
            return list(map(_row, rows))

    def forget(
        self, ids: Iterable[str] | None = None, *, text: str = "", ended_before: float | None = None
    ) -> int:
        """Take ended downloads that are off the list out of the history; returns how many.

        What is on the list stays, and files on disk are not touched. All of these must hold:

        Args:
            ids: it is one of these; None for any.
            text: it matches, as in `search`.
            ended_before: it ended before this time, seconds since the epoch; None for any time.
        """
        with self._writing() as connection:
            return connection.execute(
                f"DELETE FROM downloads WHERE NOT listed AND {_ENDED} AND {_MATCHES} "
                "AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids))) "
                f"AND (:before IS NULL OR {schema.ENDED_AT} < :before)",
                {
                    "ids": None if ids is None else json.dumps(list(ids)),
                    "text": text.casefold(),
                    "before": ended_before,
                },
            ).rowcount

    def version(self) -> int:
        """A number that is another one once another process has written."""
        with self._reading() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Let go of the file and the lock; nothing happens the second time."""
        with self._guard, _named_errors(self._path):
            try:
                self._connection.close()
            finally:
                if self._lock is not None:
                    self._lock.release()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._guard, _named_errors(self._path):
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        with self._guard, _named_errors(self._path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk may have ended it already
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A store, and what the user should know of its file, one sentence each."""

    store: SessionStore
    problems: tuple[str, ...]


def check_place(path: Path) -> None:
    """Look whether a session is or can be at `path`, as someone typed it; nothing is changed.

    Raises:
        SessionStoreError: `SessionStore.open` would set the file there aside, or make folders.
    """
    path = path.resolve()
    with _named_errors(path):
        if not path.parent.is_dir():
            raise SessionStoreError(path, "its folder does not exist")
        if path.exists() and (fault := files.find_fault(path)):
            raise SessionStoreError(path, f"cannot be used: it {fault}")


def _tells(name: bytes, config: bytes, wanted: str) -> bool:
    """Whether `wanted` is in the name or a URL; SQLite's LIKE folds the case of ASCII only.

    Both come as bytes: what is damaged need not be text.
    """
    if wanted in name.decode(errors="replace").casefold():
        return True
    if b"\\" not in config and wanted not in config.decode(errors="replace").casefold():
        return False  # reading the JSON would take most of the time of a search
    try:
        values = json.loads(config)
        urls = (values["url"], values.get("fetch_url") or "")
        return any(wanted in url.casefold() for url in urls)
    except (ValueError, KeyError, TypeError, AttributeError):  # damaged; no reason to find nothing
        return False


def _parameters(download: StoredDownload) -> Sequence[Any]:
    values: list[Any] = list(download)
    values[_DESTINATION] = _encode(download.destination)
    for index in _INTEGERS:  # servers may claim any size
        values[index] = values[index] and min(values[index], _GREATEST)
    return values


_DESTINATION = schema.COLUMNS.index("destination")
_INTEGERS = tuple(map(schema.COLUMNS.index, ("priority", "total_bytes")))


def _row(values: Sequence[Any]) -> StoredDownload:
    row = list(values)
    row[_DESTINATION] = _decode(row[_DESTINATION])
    return StoredDownload(*row)


def _encode(path: str | None) -> bytes | None:
    """A path as bytes: what the system calls a path need not be text."""
    return None if path is None else path.encode(errors="surrogateescape")


def _decode(path: bytes | None) -> str | None:
    return path.decode(errors="surrogateescape") if isinstance(path, bytes) else path


def _queue_order(download: StoredDownload) -> tuple[int, int | Fraction, str]:
    try:
        return -download.priority, download.exact_rank(), download.id
    except (ValueError, TypeError, ZeroDivisionError):  # damaged; its reader will say so
        return 0, 0, download.id


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Turn what the system and SQLite raise into SessionStoreError, with the path."""
    try:
        yield
    except OSError as error:
        raise SessionStoreError(path, printable(error.strerror or str(error)).lower()) from error
    except sqlite3.Error as error:
        is_full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
        raise SessionStoreError(path, "disk full" if is_full else printable(str(error))) from error
