"""Group failed downloads by cause and host, with advice."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.text import printable

from .failure_advice import Cause, cause_of


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failed downloads with one cause at one host."""

    cause: Cause
    host: str
    rows: tuple[DownloadSnapshot, ...]

    @property
    def number(self) -> int:
        """Number of its downloads."""
        return len(self.rows)

    @property
    def title(self) -> str:
        """Text such as `17 × 403 Forbidden from cdn.example`."""
        return f"{self.number:,} × {printable(self.cause.text)} from {printable(self.host)}"


def failure_groups(rows: Iterable[DownloadSnapshot]) -> list[FailureGroup]:
    """Return the groups of the failed downloads among `rows`, the largest first."""
    alike: defaultdict[tuple[str | None, str], list[DownloadSnapshot]] = defaultdict(list)
    for row in rows:
        if row.status is DownloadStatus.FAILED:
            alike[row.error, urlsplit(row.url).hostname or ""].append(row)
    # Each message is classified once, because a whole list may have failed.
    groups: defaultdict[tuple[Cause, str], list[DownloadSnapshot]] = defaultdict(list)
    for (_, host), members in alike.items():
        groups[cause_of(members[0]), host] += members
    by_cause = [FailureGroup(cause, host, tuple(each)) for (cause, host), each in groups.items()]
    return sorted(by_cause, key=lambda group: (-group.number, group.cause.text, group.host))
