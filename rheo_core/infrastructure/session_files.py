"""The files of a session: making a new one, judging what is there, setting it aside."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from rheo_core.domain.text import printable

from . import session_schema as schema
from .files import rename_without_clobbering
from .folder_sync import sync_folder
from .session_lock import SessionStoreError

_BUSY_SECONDS = 5.0
_SIDES = ("-wal", "-journal", "-shm")  # what SQLite puts beside the file
_WAL_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,  # our own statements are right: the tables are not
}


def connect(path: Path, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    """Open an existing file; transactions begin where the code says so."""
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    # Flipped bits in one name are no reason to show no list at all.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    return connection


def prepare(path: Path) -> tuple[str, ...]:
    """See to it that a good file is at `path`; the lock is held.

    Returns what the user should know, one sentence each: a file that is of no use is moved aside
    with what belongs to it, and an empty session takes its place.

    Raises:
        OSError, sqlite3.Error: it can be neither read nor made.
        SessionStoreError: the name is taken by something that is no file.
    """
    problems = []
    if os.path.lexists(path):
        _make_private(path)
        if _has_strange_wal(path):
            aside = _set_aside(path, ("-wal",))
            problems.append(
                f"The journal of the session {_shown(path)} was damaged: the latest changes may be "
                f"missing; it was set aside as {_shown(aside)}-wal."
            )
        fault = find_fault(path)
    else:
        fault = "was missing, and left a journal" if _left_behind(path) else None
    if fault:
        aside = _set_aside(path)
        problems.append(
            f"The session {_shown(path)} {fault}: it was set aside as {_shown(aside)} and an empty "
            "one begun; files on disk are untouched."
        )
    if not path.exists():
        _make(path)
    return tuple(problems)


def find_fault(path: Path) -> str | None:
    """What is wrong with the file, as the end of a sentence; None where it is good.

    Nothing of it is changed. (A reader cannot checkpoint a write-ahead log, so that not even this
    happens to the file of a newer version.)

    Raises:
        OSError, sqlite3.Error: it cannot be read, which says nothing about what it holds.
    """
    if path.stat().st_size == 0:  # ours have tables from the moment they have their name
        return "was an empty file"
    try:
        with closing(connect(path, "ro")) as connection:
            return _judge(connection)
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code == sqlite3.SQLITE_READONLY_ROLLBACK:
            # A writer without a write-ahead log was killed; only a writer can undo its half.
            with closing(connect(path, "rw")) as connection:
                return _judge(connection)
        if code & 0xFF in _DAMAGE:
            return f"was damaged ({printable(str(error))})"
        raise
    except UnicodeDecodeError:  # what SQLite says quotes the damage
        return "was damaged (its tables have no readable names)"


def _judge(connection: sqlite3.Connection) -> str | None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version, ours = schema.version_of(connection), len(schema.MIGRATIONS)
    if application != schema.APPLICATION_ID or version < 1:
        return "was a file of another program"
    if version > ours:
        return f"came from a newer version of this program (layout {version}, here {ours})"
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        return f"was damaged ({printable(verdict.splitlines()[-1])})"
    if version == ours:
        connection.execute(f"{schema.SELECT} LIMIT 0")
    return None


def _make(path: Path) -> None:
    """Make an empty session. It has its name only once it is whole: no crash leaves a half."""
    new = path.with_name(f"{path.name}.new")
    try:
        _build(new, "WAL")
    except sqlite3.OperationalError:
        # Some network file systems agree to a write-ahead log and then cannot share memory for it.
        _build(new, "DELETE")
    rename_without_clobbering(new, path)
    sync_folder(path.parent)


def _build(new: Path, journal_mode: str) -> None:
    for name in _with_sides(new):
        name.unlink(missing_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(new, flags, 0o600))  # SQLite gives the files beside it the same permissions
    new.chmod(0o600)
    with closing(connect(new, "rw")) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal_mode}")
        schema.migrate(connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _make_private(path: Path) -> None:
    if not stat.S_ISREG(path.stat().st_mode):
        raise SessionStoreError(path, "not a regular file")
    for name in _with_sides(path):
        with suppress(FileNotFoundError):
            name.chmod(0o600)


def _set_aside(path: Path, only: tuple[str, ...] = ("", *_SIDES)) -> Path:
    """Rename the file and what is beside it; return the new name."""
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (
        path.with_name(f"{path.name}.damaged-{stamp}{f'-{number}' if number else ''}")
        for number in count()
    )
    aside = next(name for name in names if not any(map(os.path.lexists, _with_sides(name))))
    for suffix in only:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    sync_folder(path.parent)
    return aside


def _has_strange_wal(path: Path) -> bool:
    """Whether there is a write-ahead log that SQLite would drop without a word.

    A log that merely ends in the middle is what every crash leaves, and no damage.
    """
    try:
        with path.with_name(f"{path.name}-wal").open("rb") as file:
            beginning = file.read(4)
    except FileNotFoundError:
        return False
    return bool(beginning) and beginning not in _WAL_MAGIC


def _left_behind(path: Path) -> bool:
    """Whether a journal with something in it is there without its file."""
    journals = (path.with_name(path.name + suffix) for suffix in ("-wal", "-journal"))
    return any(journal.exists() and journal.stat().st_size for journal in journals)


def _with_sides(path: Path) -> Iterator[Path]:
    return (path.with_name(path.name + suffix) for suffix in ("", *_SIDES))


def _shown(path: Path) -> str:
    return printable(str(path))
