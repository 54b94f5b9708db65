"""Status text of a row: its state, or why the download waits or failed.

`widgets/table.py` writes the line for finished downloads.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from rich.cells import cell_len

from rheo_core.domain import DownloadSnapshot, DownloadStatus, Snapshot
from rheo_core.domain.hosts import HostWait
from rheo_core.domain.schedule import start_text
from rheo_core.domain.urls import host_of

from .failure_advice import cause_of
from .formatting import duration_text, fraction_done, percent_text, size_text, speed_text
from .status_look import look_of

_WAITS = "waiting"


class StatusText(NamedTuple):
    """State of a download in words.

    Attributes:
        full: the word, or the reason and its numbers.
        short: the same for a narrow column, without words that its glyph expresses.
        middle: a text between the two; "" for none.
        least: whole words for a column that is too narrow even for `short`; "" for none.
    """

    full: str
    short: str
    middle: str = ""
    least: str = ""

    def fitting(self, width: int) -> str:
        """Return the longest form that fits into `width` cells; otherwise the shortest one."""
        forms = [each for each in (self.full, self.middle, self.short, self.least) if each]
        return next((each for each in forms if cell_len(each) <= width), forms[-1])


class Waiting(NamedTuple):
    """Reasons why queued downloads wait."""

    host_waits: Mapping[str, HostWait] = {}

    @classmethod
    def now(cls, snapshot: Snapshot) -> "Waiting":
        """Return the reasons in a snapshot."""
        return cls(snapshot.host_waits)

    def of_host(self, row: DownloadSnapshot) -> HostWait | None:
        """Return the wait for the host of `row`; None if it needs only a free slot."""
        return self.host_waits.get(host_of(row.url))


def status_text(
    row: DownloadSnapshot, waiting: Waiting, now: float, columns: Collection[str] = ()
) -> StatusText:
    """Return the state of `row` in words: its word, or a reason that says more.

    Args:
        row: the download.
        waiting: reasons why queued downloads wait.
        now: seconds since the epoch, for countdowns.
        columns: ids of the other columns, whose facts are omitted here.
    """
    label = look_of(row).label
    match row.status:
        case DownloadStatus.IN_PROGRESS:
            return _alone(row.reason) if row.reason else _progress_text(row, columns)
        case DownloadStatus.VERIFYING:
            return StatusText(row.reason or label, label)
        case DownloadStatus.PENDING:
            return _alone(row.reason or label)
        case DownloadStatus.RETRYING:
            return _retry_text(row, now, columns)
        case DownloadStatus.FAILED:
            return _alone(_failure_text(row))
        case DownloadStatus.QUEUED:
            return _wait_text(row, waiting, now, columns)
        case DownloadStatus.PAUSED:
            return _with_reason(_WAITS, row.reason) if row.reason else _alone(label)
    full = _with_reason(label, row.reason).full if row.reason else label
    if row.lost_login:  # only where there is space, because it matters for the next time
        rest = row.reason.rpartition("; ")[0]
        return StatusText(full, _with_reason(label, rest).full if rest else label)
    return _alone(full)


def _alone(text: str) -> StatusText:
    """Return a text that has no shorter form."""
    return StatusText(text, text)


def _with_reason(label: str, reason: str) -> StatusText:
    return StatusText(f"{label}: {reason}", reason)


def _wait_text(
    row: DownloadSnapshot, waiting: Waiting, now: float, columns: Collection[str]
) -> StatusText:
    if row.reason:
        return _with_reason(_WAITS, row.reason)
    if row.start_at is not None and row.start_at > now:
        start = start_text(row.start_at, datetime.fromtimestamp(now))
        return StatusText(f"{_WAITS} until {start}", f"until {start}")
    if (wait := waiting.of_host(row)) is not None:
        return _host_wait_text(wait, now, columns)
    return _alone(look_of(row).label)


def _host_wait_text(wait: HostWait, now: float, columns: Collection[str]) -> StatusText:
    numbers = f" {wait.connections} of {wait.allowed}" if wait.allowed else ""
    limit = f"host limit{numbers}" if wait.allowed else "host pause"
    left = "" if "left" in columns else _seconds_text(wait.lifts_at, now)
    lifts = f" · lifts in {left}" if left else ""
    if not wait.cause:
        return StatusText(f"{_WAITS}: {limit}{lifts}", " · ".join(filter(None, (limit, left))))
    cause = wait.cause.removeprefix("HTTP ")  # the end may be cut, so the cause comes first
    short = " · ".join(filter(None, (cause, left, f"host{numbers}" if numbers else limit)))
    full = f"{_WAITS}: {limit} after {wait.cause}{lifts}"
    return StatusText(full, short, middle=f"{_WAITS}: {short}")


def _progress_text(row: DownloadSnapshot, columns: Collection[str]) -> StatusText:
    facts = []
    fraction = fraction_done(row.bytes_downloaded, row.total_bytes)
    if "progress" not in columns:
        facts.append(
            size_text(row.bytes_downloaded) if fraction is None else percent_text(fraction).strip()
        )
    if "left" not in columns and row.eta_seconds is not None:
        facts.append(duration_text(row.eta_seconds))
    facts = [each for each in facts if each]
    short = "  ".join(facts) or look_of(row).label
    if row.connections > 1 and "speed" in columns:
        return _alone(f"{short} ×{row.connections}")
    if "speed" in columns or "size" not in columns or row.speed_bps < 1:
        return _alone(short)
    facts.append(speed_text(row.speed_bps))
    full = "  ".join(facts)
    return StatusText(full, short if facts[1:] else full, middle=" ".join(facts))


def _retry_text(row: DownloadSnapshot, now: float, columns: Collection[str]) -> StatusText:
    turns = turn = retries_text(row)
    if "left" not in columns and (countdown := countdown_text(row, now)):
        turn += f" in {countdown}"
    cause = row.reason or cause_of(row).text
    if not row.reason and row.failure is not None and (code := row.failure.http_status):
        # To leave space for the number of retries.
        cause = f"HTTP {code}" if "speed" in columns or not columns else code
    if not cause:
        return _alone(f"retry {turn}")
    return StatusText(f"{cause} · retry {turn}", f"{cause} · {turn}", least=f"{cause} · {turns}")


def retries_text(row: DownloadSnapshot) -> str:
    """Return the number of the present or next retry, and how many there may be: `2 of 5`.

    Events count retries in the same way.
    """
    is_over = row.status is DownloadStatus.FAILED
    retry = max(row.failures - is_over, int(row.status is DownloadStatus.RETRYING))
    return f"{retry} of {max(row.max_attempts - 1, retry)}"


def countdown_text(row: DownloadSnapshot, now: float, waiting: Waiting | None = None) -> str:
    """Return the time until the next attempt, such as `12 s`; "" if there is none.

    With `waiting`, also the time until a limit of the host is lifted.
    """
    if row.status is DownloadStatus.RETRYING:
        return _seconds_text(row.retry_at, now)
    if row.status is not DownloadStatus.QUEUED or waiting is None or row.reason:
        return ""
    wait = None if row.start_at and row.start_at > now else waiting.of_host(row)
    return "" if wait is None else _seconds_text(wait.lifts_at, now)


def _seconds_text(at: float | None, now: float) -> str:
    return "" if at is None else duration_text(max(0, round(at - now)))


def _failure_text(row: DownloadSnapshot) -> str:
    cause = cause_of(row).text
    more = row.reason if row.reason != row.error else ""
    return " · ".join(filter(None, (cause, more))) or look_of(row).label
