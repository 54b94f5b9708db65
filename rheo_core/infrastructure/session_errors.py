"""Exceptions of sessions."""

import time
from pathlib import Path

from rheo_core.domain.exceptions import InfrastructureError
from rheo_core.domain.text import printable


class SessionStoreError(InfrastructureError):
    """The session cannot be read or written. Its content is untouched.

    Attributes:
        path: the session.
        problem: the cause, as a phrase.
    """

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"session {printable(str(path))}: {problem}")


class SessionLockedError(SessionStoreError):
    """Another process uses the session.

    Attributes:
        path: the session.
        pid, host: the process that holds the lock; None if that cannot be read.
        since: when it took the lock, seconds since the epoch; None if that cannot be read.
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
