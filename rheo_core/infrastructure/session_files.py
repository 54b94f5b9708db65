"""Session files: create and check them, and replace a damaged one by its readable rows."""

import logging
import os
import secrets
import sqlite3
import stat
import sys
from collections.abc import Iterable, Iterator
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
from .identity import NEW_FILE
from .locks import find_foreign_lock, foreign_problem, is_plain
from .session_errors import SessionStoreError
from .session_head import HEAD_BYTES, MAGIC, is_session, layout_in, newer_problem
from .session_integrity import Seals, seal_with
from .session_salvage import (
    FRAME_HEADER_BYTES,
    WAL_HEADER_BYTES,
    RawRow,
    Salvaged,
    frames,
    page_size,
    salvage,
)
from .session_tally import Tally, read_tally
from .user_key import state_folder

_log = logging.getLogger(__name__)

_BUSY_SECONDS = 5.0
_MAX_VALUE_BYTES = 64 << 20  # of one column; the longest line of a list takes a quarter
SIDES = ("-wal", "-journal", "-shm")  # files that SQLite creates next to the database
_NO_SESSION = "is not a session"
_OTHER_PROGRAM = "is a file of another program"
_DAMAGED = "was damaged"
_TORN = "has a damaged journal"
_LOST = "lost part of its journal"
_JOURNAL_HEADS = (b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", bytes(8), b"")  # zeros before its sync
_LOG_HEADS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", bytes(4), b"")
_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,  # our statements are correct, so the tables are not
}
_INDEX_HEAD_BYTES = 24  # of a wal-index, up to the number of sound frames


class ForeignFileError(SessionStoreError):
    """The file is not a session that this program can use. It is left unchanged."""


def connect(path: Path, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    """Open an existing database, in which transactions begin explicitly.

    Args:
        path: the database.
        mode: "ro" for reading only, "rw" for reading and writing.
    """
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)  # the file may not be ours
    # Flipped bits in one name must not make the whole list unreadable.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    return connection


def prepare(path: Path, seals: Seals, known: Tally | None) -> tuple[str, ...]:
    """Provide a sound session at `path`; the caller holds the lock.

    A damaged session is set aside, and a new one with its readable rows replaces it. A file that is
    not provably a session of ours is left alone, unless it is at the path of our own session.

    Args:
        path: the session.
        seals: makes and judges the seals of rows.
        known: the tally in the note next to the file.

    Returns:
        Sentences for the user.

    Raises:
        OSError, sqlite3.Error: the file can be neither read nor created.
        ForeignFileError: the file is not a session, so rheo must not move it.
    """
    _finish_rebuild(path)
    fault = None
    if os.path.lexists(path):
        fault = find_fault(path, seals, known)
    elif _has_orphan_journal(path):
        fault = "is missing, but its journal exists"
    if fault is None:
        if not os.path.exists(path):
            _make(path, seals)
        _make_private(path)
        return ()
    return (rebuild(path, seals, known, fault),)


def rebuild(path: Path, seals: Seals, known: Tally | None, fault: str) -> str:
    """Replace a damaged session by one with all its readable rows.

    Args:
        path: the session; it is renamed, with the files that belong to it.
        seals: makes and judges the seals of rows.
        known: the tally in the note next to the file.
        fault: the damage, as the end of a sentence.

    Returns:
        A sentence for the user.

    Raises:
        ForeignFileError: the file cannot be proven to be ours.
    """
    salvaged = salvage(path, seals, known)
    if not (salvaged.has_ours or is_ours(path) or path == own_path()):
        raise ForeignFileError(path, f"it {fault}; choose another file")
    if salvaged.has_ours and fault in (_NO_SESSION, _OTHER_PROGRAM):
        fault = "has a damaged header"
    backup = _backup_path(path)
    new = _build(path, seals, salvaged.rows.values())
    for suffix in ("", *SIDES):
        with suppress(FileNotFoundError):
            old = path.with_name(path.name + suffix).rename(backup.with_name(backup.name + suffix))
            with suppress(OSError):  # not every file system has permissions
                old.chmod(0o600)
    rename_without_clobbering(new, path)
    sync_folder(path.parent)
    return (
        f"The session {printable(path.name)} {fault}: {_describe_saved(salvaged, fault, known)}. "
        f"Downloaded files are untouched. The old session is kept as {_shown(backup)}."
    )


def _describe_saved(salvaged: Salvaged, fault: str, known: Tally | None) -> str:
    saved = len(salvaged.rows)
    total = salvaged.tally.downloads if salvaged.tally else saved + salvaged.damaged
    if not total:
        return "an empty one replaces it"
    message = f"{saved:,} of its {max(saved, total):,} downloads were saved"
    if saved >= total:
        message = f"all of its {saved:,} downloads were saved"
    if fault == _TORN and known is None:  # the size of the journal is unknown
        message += ", except changes that only the journal had"
    elif fault == _LOST:
        message += "; the latest changes to some of them may be lost"
    return message


def check_regular(path: Path) -> None:
    """Check that a session, if it exists, is a regular file, because opening a FIFO may block.

    Raises:
        ForeignFileError: it is not.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise ForeignFileError(path, "it is not a regular file; choose another one")


def check_files(path: Path) -> None:
    """Check that the session and the files of SQLite next to it may be opened for writing.

    Raises:
        ForeignFileError: one of them is not a regular file or not from SQLite, or the session
            belongs to another user.
    """
    check_regular(path)
    with suppress(FileNotFoundError):
        if os.geteuid() not in (0, path.stat().st_uid):
            # It cannot be made private, and our lock next to it would keep its owner out.
            raise ForeignFileError(path, "it belongs to another user; choose another one")
    check_sides(path)


def check_sides(path: Path) -> None:
    """Check that SQLite may use the files next to a session, which it does even for reading.

    Raises:
        ForeignFileError: one of them is not a regular file, or not one of SQLite.
    """
    for suffix in SIDES:
        side = path.with_name(path.name + suffix)
        with suppress(FileNotFoundError):
            if not is_plain(side.lstat()):
                raise ForeignFileError(path, foreign_problem(side))
            if suffix == "-journal" and _head_of(side, 8) not in _JOURNAL_HEADS:
                raise ForeignFileError(path, foreign_problem(side))  # SQLite would remove it


def check_ours(path: Path, seals: Seals) -> None:
    """Check that `prepare` would accept the files at `path`, without changing anything.

    Raises:
        ForeignFileError: it would refuse them.
        OSError, sqlite3.Error: the file cannot be read.
    """
    check_files(path)
    if problem := find_foreign_lock(path):
        raise ForeignFileError(path, problem)
    if os.path.exists(path):
        fault = find_fault(path)
    else:
        fault = "is missing, but its journal exists" if _has_orphan_journal(path) else None
    if fault and not (is_ours(path) or path == own_path() or salvage(path, seals, None).has_ours):
        raise ForeignFileError(path, f"it {fault}; choose another file")


def own_path() -> Path:
    """Return the path of our own session. Any file there counts as ours."""
    # Before Python 3.13, Path.resolve raises for a loop of links.
    return Path(os.path.realpath(state_folder() / "session.db"))


def is_ours(path: Path) -> bool:
    """Return True if a file has the header of a session; the rest may be damaged."""
    return is_session(_head_of(path, HEAD_BYTES))


def find_fault(path: Path, seals: Seals | None = None, known: Tally | None = None) -> str | None:
    """Return the fault of a file, as the end of a sentence; None if it is sound.

    The file is not changed, because a reader cannot checkpoint a write-ahead log.

    Args:
        path: an existing session.
        seals: judges its tally. None: another process may be writing, so the log is not checked.
        known: the tally in the note next to the file.

    Raises:
        ForeignFileError: it is a session of a newer version.
        OSError, sqlite3.Error: it cannot be read, so its content is unknown.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:  # our sessions have tables before they get their name
        return "is empty"
    if not head.startswith(MAGIC):
        return _NO_SESSION
    if not is_ours(path):  # SQLite would create files next to it
        return _OTHER_PROGRAM
    _refuse_newer(path, layout_in(head))
    log = _head_of(path.with_name(f"{path.name}-wal"), 4)
    if seals is not None and log not in _LOG_HEADS:  # SQLite would discard it silently
        return _TORN
    try:
        with closing(connect(path, "ro")) as connection:
            return _judge(path, connection, seals, known)
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code == sqlite3.SQLITE_READONLY_ROLLBACK:
            # A writer without a write-ahead log was killed. Only a writer can roll back.
            with closing(connect(path, "rw")) as connection:
                return _judge(path, connection, seals, known)
        if code & 0xFF in _DAMAGE:
            _log.info("%s: %s", _shown(path), printable(str(error)))
            return _DAMAGED
        raise
    except UnicodeDecodeError:  # the message of SQLite quotes the damaged name
        return "was damaged (its tables have no readable names)"


def _judge(
    path: Path, connection: sqlite3.Connection, seals: Seals | None, known: Tally | None
) -> str | None:
    version = schema.version_of(connection)
    _refuse_newer(path, version)
    # This comes first, because the integrity check evaluates index expressions, which may hang.
    if not schema.is_of_layout(connection, version):
        return "was damaged (its tables are not those of its layout)"
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        _log.info("%s: %s", _shown(path), printable(verdict.splitlines()[-1]))
        return _DAMAGED
    if seals is None:
        return None
    if version >= schema.FIRST_WITH_TALLY:
        tally = read_tally(connection, seals)
        if tally is None:
            return "was damaged (its tally is wrong)"
        if known is not None and known.session == tally.session:
            return _LOST if known.commits > tally.commits else None
    return _TORN if _is_torn(path) else None


def _refuse_newer(path: Path, version: int) -> None:
    if problem := newer_problem(version, len(schema.MIGRATIONS)):
        raise ForeignFileError(path, problem)


def _is_torn(path: Path) -> bool:
    """Return True if the write-ahead log has commits after the end that SQLite found.

    SQLite has just read the log and stored in the wal-index how many of its frames are sound
    (sqlite.org/walformat.html, 2.1). Frames that a crash left unfinished have no commit.
    """
    page_bytes = page_size(_head_of(path, HEAD_BYTES))
    step = FRAME_HEADER_BYTES + page_bytes
    try:
        with path.with_name(f"{path.name}-wal").open("rb") as log:
            last = frames(log.fileno(), page_bytes)[-1:]
    except FileNotFoundError:
        return False
    index = _head_of(path.with_name(f"{path.name}-shm"), _INDEX_HEAD_BYTES)
    if not last or len(index) < _INDEX_HEAD_BYTES:
        return False
    return last[0].offset > WAL_HEADER_BYTES + int.from_bytes(index[16:20], sys.byteorder) * step


def _head_of(path: Path, count: int) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        return file.read(count)
    return b""


def _make(path: Path, seals: Seals) -> None:
    """Create an empty session. It gets its name when it is complete, even if a crash occurs."""
    rename_without_clobbering(_build(path, seals, ()), path)
    sync_folder(path.parent)


def _build(path: Path, seals: Seals, rows: Iterable[RawRow]) -> Path:
    """Create a session with `rows` next to `path`; return its temporary path."""
    new = _unfinished(path)
    if os.path.lexists(new):
        if _is_leftover(new):
            new.unlink()
        else:  # a foreign file
            new = new.with_name(f"{new.name}-{secrets.token_hex(8)}")
    os.close(
        os.open(new, os.O_RDWR | NEW_FILE, 0o600)
    )  # SQLite copies these permissions to its other files
    with suppress(OSError):
        new.chmod(0o600)
    try:
        with closing(connect(new, "rw")) as connection:
            connection.execute("PRAGMA journal_mode = MEMORY")  # so that a crash leaves no journal
            connection.execute("PRAGMA synchronous = FULL")
            seal_with(connection, seals)
            schema.build(connection, sorted(rows))
    except BaseException:
        new.unlink()
        raise
    return new


def _finish_rebuild(path: Path) -> None:
    """Finish a `rebuild` that a crash interrupted after it set the damaged session aside."""
    new = _unfinished(path)
    if os.path.lexists(path) or not os.path.lexists(new) or not _is_leftover(new):
        return
    with suppress(sqlite3.Error, SessionStoreError):
        if new.stat().st_size and find_fault(new) is None:
            rename_without_clobbering(new, path)
            sync_folder(path.parent)


def _unfinished(path: Path) -> Path:
    # A name that no user gives to a session.
    return path.with_name(f".{path.name}.unfinished")


def _is_leftover(new: Path) -> bool:
    """Return True if a file is an unfinished session of ours."""
    status = new.lstat()
    return is_plain(status) and (status.st_size == 0 or is_ours(new))


def _make_private(path: Path) -> None:
    for suffix in ("", *SIDES):
        with suppress(OSError):
            path.with_name(path.name + suffix).chmod(0o600)


def _backup_path(path: Path) -> Path:
    """Return a free path for a damaged session, whose side files have free paths too."""
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (
        path.with_name(f"{path.name}.damaged-{stamp}{f'-{number}' if number else ''}")
        for number in count()
    )
    return next(name for name in names if not any(map(os.path.lexists, _with_sides(name))))


def _has_orphan_journal(path: Path) -> bool:
    """Return True if a journal that is not empty belongs to `path`."""
    journals = (path.with_name(path.name + suffix) for suffix in ("-wal", "-journal"))
    return any(os.path.exists(journal) and journal.stat().st_size for journal in journals)


def _with_sides(path: Path) -> Iterator[Path]:
    return (path.with_name(path.name + suffix) for suffix in ("", *SIDES))


def _shown(path: Path) -> str:
    return printable(str(path))
