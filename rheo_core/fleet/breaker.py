"""Circuit breaker: skip the other URLs of a host that does not answer.

Otherwise each URL of a dead host would wait for the timeouts of all attempts.
"""

from collections import Counter

from .error_kinds import CONNECTION_KINDS

MAX_FAILURES = 20
"""Failed connections in a row after which a host counts as down."""


class Breaker:
    """Counts failed connections in a row, by host with its port."""

    def __init__(self) -> None:
        self._failures = Counter[str]()
        self._down: set[str] = set()

    def is_down(self, host: str) -> bool:
        """Return True if rheo has given up the host."""
        return host in self._down

    def note(self, host: str, kind: str | None) -> bool:
        """Record the end of a download; return True if this makes rheo give up the host.

        Args:
            host: host of the URL, with its port.
            kind: kind of its error; None if it succeeded.
        """
        if kind not in CONNECTION_KINDS:
            self._failures.pop(host, None)
            return False
        self._failures[host] += 1
        if self._failures[host] < MAX_FAILURES or host in self._down:
            return False
        self._down.add(host)
        return True
