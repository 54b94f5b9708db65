"""What a session file holds, and how files of earlier versions become files of this one."""

import sqlite3
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

APPLICATION_ID = 0x5268656F
"""Marks a file as a session: "Rheo" in ASCII, at byte 68 of the file."""


class StoredDownload(NamedTuple):
    """One row: a download as it outlives the process.

    Times are seconds since the epoch, sizes bytes, durations seconds. A tuple, because a frozen
    dataclass takes ten times as long to make, and a long list makes 100,000 of them.
    """

    id: str
    config: str  # FileConfig as JSON
    status: str  # a value of DownloadStatus
    priority: int
    rank: str  # exact: "3" or "7/2"
    added_at: float
    started_at: float | None
    finished_at: float | None
    bytes_downloaded: int
    total_bytes: int | None
    destination: str | None
    name: str
    error: str | None
    attempt: int
    failures: int
    validation: str | None  # ValidationResult as JSON
    reason: str = ""
    max_attempts: int = 1
    elapsed: float = 0.0  # spent in ended attempts
    transferred: int = 0  # over the network, repeated bytes included
    listed: bool = True  # an ended one that is not is history

    def exact_rank(self) -> int | Fraction:
        """The rank as a number.

        Raises:
            ValueError, TypeError, ZeroDivisionError: it is damaged.
        """
        return Fraction(self.rank) if "/" in self.rank else int(self.rank)


COLUMNS = StoredDownload._fields
_NAMES = ", ".join(COLUMNS)

ENDED_AT = "COALESCE(finished_at, added_at)"

SELECT = f"SELECT {_NAMES} FROM downloads"
UPSERT = (
    f"INSERT INTO downloads ({_NAMES}) VALUES ({', '.join('?' * len(COLUMNS))}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS)}"
)

Migration = Callable[[sqlite3.Connection], object]
"""Takes a file from one version to the next, inside a transaction that is not its own."""


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(
        """
        CREATE TABLE downloads (
            id TEXT NOT NULL PRIMARY KEY,
            config TEXT NOT NULL,
            status TEXT NOT NULL,
            priority INTEGER NOT NULL,
            rank TEXT NOT NULL,
            added_at REAL NOT NULL,
            started_at REAL,
            finished_at REAL,
            bytes_downloaded INTEGER NOT NULL,
            total_bytes INTEGER,
            destination BLOB,
            name TEXT NOT NULL,
            error TEXT,
            attempt INTEGER NOT NULL,
            failures INTEGER NOT NULL,
            validation TEXT,
            reason TEXT NOT NULL,
            max_attempts INTEGER NOT NULL,
            elapsed REAL NOT NULL,
            transferred INTEGER NOT NULL
        )
        """
    )


def _keep_history(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE downloads ADD COLUMN listed INTEGER NOT NULL DEFAULT 1")
    connection.execute("CREATE INDEX by_list ON downloads (listed)")
    connection.execute(f"CREATE INDEX by_end ON downloads ({ENDED_AT} DESC, id)")


MIGRATIONS: tuple[Migration, ...] = (_create, _keep_history)
"""Number n (from 0) takes version n to n + 1. What was released is never edited, only added to."""


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the open file; 0 for one without tables."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] | None = None) -> None:
    """Bring a file to the version of `migrations` (None: this program's).

    Each step is a transaction with its version number in it, so that an interrupted migration
    goes on where it stopped.
    """
    steps = MIGRATIONS if migrations is None else migrations
    for number in range(version_of(connection), len(steps)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            steps[number](connection)
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
