"""One process at a time for a session, and the errors of sessions."""

import errno
import fcntl
import json
import os
import socket
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

from rheo_core.domain.exceptions import InfrastructureError
from rheo_core.domain.text import printable

from .files import lock
from .identity import is_at

_TAKEN = {errno.EAGAIN, errno.EACCES}
_MAX_BYTES = 4096  # of what the holder wrote about itself
_MARKS = (b'{"pid": ', b', "host": "', b', "since": ')
_LOCK_BYTE = 0x40000000 + 512
"""The byte of the session that its writer locks: the first one behind those that SQLite locks
(sqlite.org/src/file/src/os.h, PENDING_BYTE). Locking it does not make the file any longer."""
_held: set[tuple[int, int, int]] = set()  # (pid, device, inode) of the locks of this process
_guard = threading.Lock()


class SessionStoreError(InfrastructureError):
    """The session cannot be read or written; what it held is untouched."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"session {printable(str(path))}: {problem}")


class SessionLockedError(SessionStoreError):
    """Another process works with the session.

    Attributes:
        path: the session.
        pid, host: who holds it; None where that cannot be read.
        since: when it took hold, seconds since the epoch; None likewise.
    """

    def __init__(
        self,
        path: Path,
        pid: int | None = None,
        host: str | None = None,
        since: float | None = None,
    ) -> None:
        self.pid = pid
        self.host = host
        self.since = since
        who = f"process {pid} on {printable(host)}" if pid and host else "another process"
        when = time.strftime(" since %Y-%m-%d %H:%M", time.localtime(since)) if since else ""
        super().__init__(path, f"in use by {who}{when}")


class SessionLock:
    """Locks on the file at `lock_path`, beside the session, and on the session itself.

    They are POSIX locks, which NFS takes to the server; flock(2) may hold on this machine only,
    without a word. The kernel drops them when the process ends, however it ends: no lock is ever
    stale, and what the file says is for the message alone. The file stays when the lock goes: if
    it were removed, two processes could lock two files of one name. Somebody else may remove it;
    the lock on the session itself keeps a second writer out all the same.

    POSIX locks do not keep a process from itself, and closing any descriptor of the file drops
    them. So what this process holds is noted here, and such a file is never opened again.
    """

    def __init__(self, session: Path) -> None:
        self._session = session
        self._path = lock_path(session)
        self._descriptor: int | None = None
        self._database: int | None = None
        self._key: tuple[int, int, int] | None = None

    def acquire(self) -> None:
        """Take the locks or fail at once.

        Raises:
            SessionLockedError: one is taken, by this process or another one.
            SessionStoreError: the name of the lock is taken by a file of somebody else.
            OSError: the file cannot be made, or the file system has no locks.
        """
        with _guard:
            with suppress(FileNotFoundError):
                if _key_of(self._path.stat()) in _held:
                    raise SessionLockedError(self._session, os.getpid(), socket.gethostname())
            descriptor = self._open_locked()
            try:
                self.hold_session()
            except BaseException:
                os.close(descriptor)
                raise
            with suppress(OSError):  # disk full: the lock holds all the same
                _introduce(descriptor)
            self._descriptor = descriptor
            self._key = _key_of(os.fstat(descriptor))
            _held.add(self._key)

    def hold_session(self) -> None:
        """Lock the session itself, if it is there; to be repeated when another file took its place.

        Raises:
            SessionLockedError: another writer has it.
            OSError: it cannot be opened, or the file system has no locks.
        """
        if self._database is not None and not is_at(self._database, self._session):
            os.close(self._database)
            self._database = None
        if self._database is None:
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                self._database = os.open(self._session, flags)
            except FileNotFoundError:
                return
        try:
            lock(self._database, _LOCK_BYTE, 1)
        except (BlockingIOError, PermissionError):
            os.close(self._database)
            self._database = None
            raise SessionLockedError(self._session) from None

    def check_session(self) -> None:
        """Check that the session still has its name: what is written to another is lost.

        Raises:
            SessionStoreError: a restored backup, say, has taken its place, or it was removed.
        """
        if self._database is not None and not is_at(self._database, self._session):
            raise SessionStoreError(
                self._session,
                "it was replaced or removed by another program; start this one again to use what "
                "is there now",
            )

    def release(self) -> None:
        """Give the locks back; nothing happens if they are not held."""
        with _guard:
            if self._database is not None:
                os.close(self._database)
            if self._descriptor is not None and self._key is not None:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, 0)
                os.close(self._descriptor)
                _held.discard(self._key)
            self._descriptor = self._database = self._key = None

    def _open_locked(self) -> int:
        while True:
            descriptor = open_own(self._session, self._path)
            try:
                self._lock(descriptor)
                if not _is_ours(descriptor):
                    raise SessionStoreError(self._session, foreign(self._path))
                os.fchmod(descriptor, 0o600)
            except BaseException:
                os.close(descriptor)
                raise
            if is_at(descriptor, self._path):
                return descriptor
            os.close(descriptor)  # somebody removed it between the two calls

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            raise SessionLockedError(self._session, *_holder(descriptor)) from None


def lock_path(session: Path) -> Path:
    """Return where the lock of a session is."""
    return path_beside(session, "lock")


def path_beside(session: Path, kind: str) -> Path:
    """Return the name of a file of ours beside a session; no two sessions share one.

    It is `NAME.lock` for the session `NAME.db`, and `NAME-lock` for the session `NAME`.
    """
    if session.suffix == ".db":
        return session.with_suffix(f".{kind}")
    return session.with_name(f"{session.name}-{kind}")


def open_own(session: Path, path: Path) -> int:
    """Open a small file of ours beside a session, or make it; nothing is written yet.

    Raises:
        SessionStoreError: something is there that cannot be ours.
        OSError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
            raise
        raise SessionStoreError(session, foreign(path)) from None
    if not is_plain(os.fstat(descriptor)):
        os.close(descriptor)
        raise SessionStoreError(session, foreign(path))
    return descriptor


def is_plain(file: os.stat_result) -> bool:
    """Check that it is a regular file without another name."""
    return stat.S_ISREG(file.st_mode) and file.st_nlink <= 1


def foreign(path: Path) -> str:
    """Say that a name is taken."""
    return f"{printable(str(path))} is in the way: it is not a file of the session; move it away"


def find_foreign_lock(session: Path) -> str | None:
    """Say what is wrong with the file at the name of the lock; None if nothing is."""
    path = lock_path(session)
    with _guard, suppress(FileNotFoundError):
        found = path.lstat()
        if _key_of(found) in _held:
            return None
        if not is_plain(found):
            return foreign(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return None if _is_ours(descriptor) else foreign(path)
        finally:
            os.close(descriptor)
    return None


def _is_ours(descriptor: int) -> bool:
    """Check the content of a lock: of the three marks, flipped bits may cost one."""
    content = os.pread(descriptor, _MAX_BYTES + 1, 0)
    found = sum(mark in content for mark in _MARKS)
    if not content.strip(b"\0"):  # zeros are what a loss of power leaves
        return True
    return len(content) <= _MAX_BYTES and found >= len(_MARKS) - 1


def _key_of(file: os.stat_result) -> tuple[int, int, int]:
    # With the pid, because a forked child has a copy of the notes but not the locks.
    return os.getpid(), file.st_dev, file.st_ino


def _introduce(descriptor: int) -> None:
    """Write who holds the lock."""
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(descriptor: int) -> tuple[int | None, str | None, float | None]:
    """The pid, the host and the time that the holder wrote; None for what it did not."""
    try:
        holder = json.loads(os.pread(descriptor, _MAX_BYTES, 0))
        return int(holder["pid"]), str(holder["host"]), float(holder["since"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None, None, None
