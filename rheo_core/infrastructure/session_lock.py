"""One process at a time for a session, and the errors of sessions."""

import errno
import fcntl
import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

from rheo_core.domain.exceptions import InfrastructureError
from rheo_core.domain.text import printable

_TAKEN = {errno.EAGAIN, errno.EACCES}
_MOST_BYTES = 4096  # of what the holder wrote about itself
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
    """A lock on the file `NAME.lock` beside the session `NAME.db`.

    It is a POSIX lock (`fcntl.lockf`), which NFS takes to the server; flock(2) may hold on this
    machine only, without a word. The kernel drops it when the process ends, however it ends: no
    lock is ever stale, and what the file says is for the message alone. The file stays when the
    lock goes: where it is removed, two processes can lock two files of one name.

    POSIX locks do not keep a process from itself, and closing any descriptor of the file drops
    them. So what this process holds is noted here, and such a file is never opened again.
    """

    def __init__(self, session: Path) -> None:
        self._session = session
        self._path = session.with_name(f"{session.name.removesuffix('.db')}.lock")
        self._descriptor: int | None = None
        self._key: tuple[int, int, int] | None = None

    def acquire(self) -> None:
        """Take the lock or fail at once.

        Raises:
            SessionLockedError: it is taken, by this process or another one.
            OSError: the file cannot be made, or the file system has no locks.
        """
        with _guard:
            with suppress(FileNotFoundError):
                if _key_of(self._path.stat()) in _held:
                    raise SessionLockedError(self._session, os.getpid(), socket.gethostname())
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o600)
            try:
                self._lock(descriptor)
                os.fchmod(descriptor, 0o600)
            except BaseException:
                os.close(descriptor)
                raise
            with suppress(OSError):  # disk full: the lock holds all the same
                _introduce(descriptor)
            self._descriptor = descriptor
            self._key = _key_of(os.fstat(descriptor))
            _held.add(self._key)

    def release(self) -> None:
        """Give the lock back; nothing happens where it is not held."""
        with _guard:
            if self._descriptor is not None and self._key is not None:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, 0)
                os.close(self._descriptor)
                _held.discard(self._key)
            self._descriptor = self._key = None

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            raise SessionLockedError(self._session, *_holder(descriptor)) from None


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
        holder = json.loads(os.pread(descriptor, _MOST_BYTES, 0))
        return int(holder["pid"]), str(holder["host"]), float(holder["since"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None, None, None
