"""Locks on part files and sessions against other processes."""

import errno
import fcntl
import json
import logging
import os
import signal
import socket
import stat
import struct
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from rheo_core.domain.exceptions import FileInUseError
from rheo_core.domain.text import printable, system_reason

from .identity import UNTRUSTED_FILE, is_at
from .session_errors import SessionLockedError, SessionStoreError

_log = logging.getLogger(__name__)
_MAX_BYTES = 4096  # size of the content of a lock file
_CONTENT_MARKS = (b'{"pid": ', b', "host": "', b', "since": ')
_LOCK_BYTE = 0x40000000 + 512
"""Offset of the byte of the session that its writer locks: the first after those that SQLite locks
(sqlite.org/src/file/src/os.h, PENDING_BYTE). Locking it does not extend the file."""
HELD_ERRORS = {errno.EAGAIN, errno.EACCES}
"""Errors of a lock that another process holds; POSIX allows both."""
HAS_DESCRIPTOR_LOCKS = sys.platform == "linux" and hasattr(fcntl, "F_OFD_SETLK")
"""True if locks belong to descriptors, so that they also work within this process."""
_without_locks: set[int] = set()  # devices
_locked_files: set[tuple[int, int, int]] = set()  # pid, device, inode of locked files
_guard = threading.Lock()


def open_locked(path: Path, creating: int = 0) -> int:
    """Open a file and lock it, if its file system supports locks.

    Args:
        path: the file.
        creating: further flags of open(2), such as `os.O_CREAT`.

    Raises:
        FileInUseError: another process has locked it.
        OSError: it cannot be opened.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | UNTRUSTED_FILE | creating, 0o666)
        try:
            lock(descriptor)
        except OSError as error:
            if error.errno in HELD_ERRORS:
                os.close(descriptor)
                raise FileInUseError(path) from None
            _warn_of_no_locks(path.parent, descriptor, error)
        if is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # its last owner committed or removed it between the two calls


def _warn_of_no_locks(folder: Path, descriptor: int, error: OSError) -> None:
    """Warn once for each file system."""
    device = os.fstat(descriptor).st_dev
    if device not in _without_locks:
        _without_locks.add(device)
        _log.warning(
            "%s does not support locks (%s): do not let two programs download there at once",
            printable(str(folder)),
            system_reason(error),
        )


def lock(descriptor: int, start: int = 0, length: int = 0) -> None:
    """Keep every other process from locking these bytes until `descriptor` is closed.

    This is a POSIX lock, which network file systems pass on to their server; flock(2) may silently
    lock on this machine only. On Linux it belongs to the descriptor instead of the process, so
    closing another descriptor of the file does not drop it.

    Args:
        descriptor: a file that is open for writing.
        start: offset of the first byte, which need not exist.
        length: number of bytes; 0: all following ones.

    Raises:
        BlockingIOError, PermissionError: another process holds it.
        OSError: the file system does not support locks.
    """
    if HAS_DESCRIPTOR_LOCKS:
        # struct flock, as Linux orders it: type, whence, start, length, pid (0, as the kernel asks)
        what = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, what)
    else:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)


def is_open_elsewhere(descriptor: int) -> bool:
    """Return True if another program also has the open file open; always False except on Linux.

    Linux grants a lease of a file only to its owner, and only if nobody else has it open.
    """
    if sys.platform != "linux":
        return False
    try:
        # Opening it now makes the kernel signal us; SIGIO, the default, would end the process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


class SessionLock:
    """Locks on the file at `lock_path`, next to the session, and on the session itself.

    The kernel drops them when the process ends for any reason. So a lock is never stale, and the
    content of the file is only for error messages. The file stays when the lock is released,
    because otherwise two processes could lock two files of the same name. If another program
    removes it, the lock on the session itself still keeps a second writer out.

    If a lock belongs to the process (see `lock`), it does not stop the same process, and closing
    any descriptor of the file drops it. So this module remembers the files that this process has
    locked, and never opens them again.
    """

    def __init__(self, session: Path) -> None:
        self._session = session
        self._path = lock_path(session)
        self._descriptor: int | None = None
        self._database: int | None = None
        self._key: tuple[int, int, int] | None = None

    def acquire(self) -> None:
        """Take the locks, or fail at once.

        Raises:
            SessionLockedError: this process or another one holds a lock.
            SessionStoreError: a file of another program has the name of the lock.
            OSError: the file cannot be created, or the file system does not support locks.
        """
        with _guard:
            with suppress(FileNotFoundError):
                if _key_of(self._path.stat()) in _locked_files:
                    raise SessionLockedError(self._session, os.getpid(), socket.gethostname())
            descriptor = self._open_locked()
            try:
                self.lock_session()
            except BaseException:
                os.close(descriptor)
                raise
            with suppress(OSError):  # if the disk is full, the lock still works
                _write_holder(descriptor)
            self._descriptor = descriptor
            self._key = _key_of(os.fstat(descriptor))
            _locked_files.add(self._key)

    def lock_session(self) -> None:
        """Lock the session itself, if it exists. Repeat this after another file has replaced it.

        Raises:
            SessionLockedError: another writer holds the lock.
            OSError: it cannot be opened, or the file system does not support locks.
        """
        if self._database is not None and not is_at(self._database, self._session):
            os.close(self._database)
            self._database = None
        if self._database is None:
            try:
                self._database = os.open(self._session, os.O_RDWR | UNTRUSTED_FILE)
            except FileNotFoundError:
                return
        try:
            lock(self._database, _LOCK_BYTE, 1)
        except (BlockingIOError, PermissionError):
            os.close(self._database)
            self._database = None
            raise SessionLockedError(self._session) from None

    def check_session(self) -> None:
        """Check that the session still has its name, because writes to a replaced file are lost.

        Raises:
            SessionStoreError: it was removed or replaced, for example by a backup.
        """
        if self._database is not None and not is_at(self._database, self._session):
            raise SessionStoreError(
                self._session,
                "another program replaced or removed it; start this program again to use the new "
                "file",
            )

    def release(self) -> None:
        """Release the locks, if they are held."""
        with _guard:
            if self._database is not None:
                os.close(self._database)
            if self._descriptor is not None and self._key is not None:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, 0)
                os.close(self._descriptor)
                _locked_files.discard(self._key)
            self._descriptor = self._database = self._key = None

    def _open_locked(self) -> int:
        while True:
            descriptor = open_own(self._session, self._path)
            try:
                self._lock(descriptor)
                if not _is_ours(descriptor):
                    raise SessionStoreError(self._session, foreign_problem(self._path))
                with suppress(OSError):  # not every file system has permissions
                    os.fchmod(descriptor, 0o600)
            except BaseException:
                os.close(descriptor)
                raise
            if is_at(descriptor, self._path):
                return descriptor
            os.close(descriptor)  # it was removed between the two calls

    def _lock(self, descriptor: int) -> None:
        try:
            lock(descriptor)
        except (BlockingIOError, PermissionError):
            raise SessionLockedError(self._session, *_read_holder(descriptor)) from None


def lock_path(session: Path) -> Path:
    """Return the path of the lock file of a session."""
    return path_beside(session, "lock")


def path_beside(session: Path, kind: str) -> Path:
    """Return the path of a file of ours next to a session; no two sessions share one.

    It is `NAME.lock` for the session `NAME.db`, and `NAME-lock` for the session `NAME`.
    """
    if session.suffix == ".db":
        return session.with_suffix(f".{kind}")
    return session.with_name(f"{session.name}-{kind}")


def open_own(session: Path, path: Path) -> int:
    """Open or create a small file of ours next to a session, without writing to it.

    Raises:
        SessionStoreError: the existing file cannot be ours.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | UNTRUSTED_FILE, 0o600)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
            raise
        raise SessionStoreError(session, foreign_problem(path)) from None
    if not is_plain(os.fstat(descriptor)):
        os.close(descriptor)
        raise SessionStoreError(session, foreign_problem(path))
    return descriptor


def is_plain(file: os.stat_result) -> bool:
    """Check for a regular file without another name."""
    return stat.S_ISREG(file.st_mode) and file.st_nlink <= 1


def foreign_problem(path: Path) -> str:
    """Return a sentence on a foreign file at a path that the session needs."""
    return f"{printable(str(path))} is in the way: it is not a file of the session; move it away"


def find_foreign_lock(session: Path) -> str | None:
    """Return a sentence on a foreign file at the path of the lock; None if there is none."""
    path = lock_path(session)
    with _guard, suppress(FileNotFoundError):
        status = path.lstat()
        if _key_of(status) in _locked_files:
            return None
        if not is_plain(status):
            return foreign_problem(path)
        descriptor = os.open(path, os.O_RDONLY | UNTRUSTED_FILE)
        try:
            return None if _is_ours(descriptor) else foreign_problem(path)
        finally:
            os.close(descriptor)
    return None


def _is_ours(descriptor: int) -> bool:
    """Check the content of a lock file for our marks; flipped bits may destroy one of three."""
    content = os.pread(descriptor, _MAX_BYTES + 1, 0)
    present = sum(mark in content for mark in _CONTENT_MARKS)
    if not content.strip(b"\0"):  # a power loss leaves zeros
        return True
    return len(content) <= _MAX_BYTES and present >= len(_CONTENT_MARKS) - 1


def _key_of(file: os.stat_result) -> tuple[int, int, int]:
    # With the pid, because a forked child has a copy of the set but not of the locks.
    return os.getpid(), file.st_dev, file.st_ino


def _write_holder(descriptor: int) -> None:
    """Write pid, host and time of this holder."""
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _read_holder(descriptor: int) -> tuple[int | None, str | None, float | None]:
    """Return the holder's pid, host and time; None for unreadable ones."""
    try:
        holder = json.loads(os.pread(descriptor, _MAX_BYTES, 0))
        return int(holder["pid"]), str(holder["host"]), float(holder["since"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None, None, None
