"""Session schema, and migrations from earlier versions."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from rheo_core.domain.file_config import ID_RULE

from .session_head import APPLICATION_ID, LAYOUT


class Proof(Enum):
    """Result of the check of a row by its seal."""

    OURS = "ours"  # written with our key, and unchanged since
    INTACT = "intact"  # unchanged, but written without our key, by another user
    DAMAGED = "damaged"


class StoredDownload(NamedTuple):
    """One row: a stored download.

    Times are in seconds since the epoch, sizes in bytes, durations in seconds. It is a tuple,
    because a frozen dataclass takes ten times as long to create, and a list may have 100,000.
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
    listed: bool = True  # False: only in the history
    id_rule: int = ID_RULE  # the rule that made the id; 0: made before rules had numbers
    failure: str | None = None  # text of a Failure; None: no error, or that of an earlier version
    proof: Proof = Proof.OURS  # of the row as it was read; not stored

    def exact_rank(self) -> int | Fraction:
        """Return the rank as a number.

        Raises:
            ValueError, TypeError, ZeroDivisionError: the rank is damaged.
        """
        return Fraction(self.rank) if "/" in self.rank else int(self.rank)


COLUMNS = tuple(name for name in StoredDownload._fields if name != "proof")
_REAL = ("added_at", "started_at", "finished_at", "elapsed")
_INTEGER = (
    *("priority", "bytes_downloaded", "total_bytes", "attempt", "failures", "max_attempts"),
    *("transferred", "listed", "id_rule"),
)
_NULLABLE = (
    *("started_at", "finished_at", "total_bytes"),
    *("destination", "error", "validation", "failure"),
)
REALS = frozenset(map(COLUMNS.index, _REAL))
INTEGERS = frozenset(map(COLUMNS.index, _INTEGER))
DESTINATION = COLUMNS.index("destination")
TEXTS = frozenset(range(len(COLUMNS))) - REALS - INTEGERS - {DESTINATION}
_NAMES = ", ".join((*COLUMNS, "seal"))

_TYPES = tuple(
    (int if index in INTEGERS else float if index in REALS else str if index in TEXTS else bytes,)
    + ((type(None),) if name in _NULLABLE else ())
    for index, name in enumerate(COLUMNS)
)

ENDED_AT = "COALESCE(finished_at, added_at)"

SELECT = f"SELECT {_NAMES} FROM downloads"
SELECT_IN_ORDER = (
    f"{SELECT} ORDER BY listed DESC, status IN ('completed', 'skipped', 'cancelled'), "
    "priority DESC, CAST(rank AS REAL), id"
)
"""The list before the history, and in it the downloads that a user looks at first."""
UPSERT = (
    f"INSERT INTO downloads ({_NAMES}) VALUES ({', '.join('?' * (len(COLUMNS) + 1))}) "
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in (*COLUMNS[1:], "seal"))
)
"""Insert or update a row. An update leaves out the id, because SQLite would rewrite its index."""

Migration = Callable[[sqlite3.Connection], object]
"""Migration of a file from one version to the next; the caller begins and ends the transaction."""


COLUMNS_OF_LAYOUT_3 = COLUMNS[: COLUMNS.index("failure")]
"""Columns that the seals of layout 3 cover."""


def _values_of(columns: Sequence[str]) -> str:
    """Return the arguments of a function of the connection, which takes texts as bytes."""
    return ", ".join(
        f"CAST({name} AS BLOB)" if index in TEXTS else name for index, name in enumerate(columns)
    )


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


def _seal_rows(connection: sqlite3.Connection) -> None:
    """Give every row a seal, and the file a tally: a count of its commits and rows.

    `seal_download` and `seal_tally` are functions of the connection, which has the key.
    """
    connection.execute("ALTER TABLE downloads ADD COLUMN id_rule INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE downloads ADD COLUMN seal BLOB NOT NULL DEFAULT x''")
    connection.execute(
        f"UPDATE downloads SET seal = seal_download({_values_of(COLUMNS_OF_LAYOUT_3)})"
    )
    connection.execute(
        """
        CREATE TABLE tally (
            session BLOB NOT NULL,
            commits INTEGER NOT NULL,
            downloads INTEGER NOT NULL,
            seal BLOB NOT NULL
        )
        """
    )
    connection.execute("INSERT INTO tally SELECT randomblob(8), 0, count(*), x'' FROM downloads")
    connection.execute("UPDATE tally SET seal = seal_tally(session, commits, downloads)")


def _keep_failures(connection: sqlite3.Connection) -> None:
    """Give rows the kind of their failure, unknown for the present ones.

    A new seal proves the same as the old one: `renew_seal` is a function of the connection.
    """
    connection.execute("ALTER TABLE downloads ADD COLUMN failure TEXT")
    connection.execute(
        f"UPDATE downloads SET seal = renew_seal({_values_of(COLUMNS_OF_LAYOUT_3)}, seal)"
    )


MIGRATIONS: tuple[Migration, ...] = (_create, _keep_history, _seal_rows, _keep_failures)
"""Migrations; number n (from 0) leads from version n to n + 1. A released one is never edited."""
assert len(MIGRATIONS) == LAYOUT

FIRST_WITH_TALLY = MIGRATIONS.index(_seal_rows) + 1
"""First version whose files count their commits and rows."""


MAX_ROW_BYTES = 16 << 20
"""Limit of a row that is not ours, far above our own rows. JSON values take many times the memory
of their text."""


def is_typed(values: Sequence[object]) -> bool:
    """Return True if the values of a row have the types of its columns."""
    return all(map(isinstance, values, _TYPES))


def is_of_layout(connection: sqlite3.Connection, version: int) -> bool:
    """Return True if the open file has exactly the tables and indexes of this version.

    A trigger, or a column with a damaged type, would change the values that are written.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        for name in ("seal_download", "renew_seal", "seal_tally"):
            model.create_function(name, -1, lambda *_: b"")
        for step in MIGRATIONS[:version]:
            step(model)
        return _schema_of(connection) == _schema_of(model)


def _schema_of(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return sorted((name, " ".join(sql.split())) for name, sql in rows)


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of the open file; 0 if it has no tables."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def build(connection: sqlite3.Connection, rows: Iterable[Sequence[object]]) -> None:
    """Turn an empty file into a session with these rows, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for step in MIGRATIONS:
        step(connection)
    connection.executemany(UPSERT, rows)
    connection.execute("UPDATE tally SET downloads = (SELECT count(*) FROM downloads)")
    connection.execute("UPDATE tally SET seal = seal_tally(session, commits, downloads)")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.execute("COMMIT")


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] | None = None) -> None:
    """Migrate a file to the version of `migrations` (None: those of this program).

    Each step is a transaction that includes its version number. So an interrupted migration
    resumes at the right step.

    Raises:
        sqlite3.Error: a step failed; the previous steps are stored.
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
