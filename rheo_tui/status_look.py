"""Look of a row's status: its glyph, colour and words, with the reason why a download waits."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from rheo_core.domain import DownloadSnapshot, DownloadStatus, Snapshot
from rheo_core.domain.file_config import host_of
from rheo_core.domain.hosts import HostWait
from rheo_core.domain.schedule import start_text

from .causes import cause_of
from .formatting import duration_text, fraction_done, percent_text, size_text, speed_text


@dataclass(frozen=True, slots=True)
class StatusLook:
    """Look of a status; glyph and colour carry the same information."""

    glyph: str
    label: str
    style: str  # name of a component class without its prefix


_LOOKS = {
    DownloadStatus.IN_PROGRESS: StatusLook("●", "downloading", "active"),
    DownloadStatus.PENDING: StatusLook("●", "connecting", "active"),
    DownloadStatus.VERIFYING: StatusLook("●", "checking", "active"),
    DownloadStatus.RETRYING: StatusLook("↻", "retrying", "retrying"),
    DownloadStatus.FAILED: StatusLook("✗", "failed", "failed"),
    DownloadStatus.QUEUED: StatusLook("○", "queued", "queued"),
    DownloadStatus.PAUSED: StatusLook("‖", "paused", "paused"),
    DownloadStatus.CANCELLED: StatusLook("⊘", "cancelled", "cancelled"),
    DownloadStatus.COMPLETED: StatusLook("✓", "done", "done"),
    DownloadStatus.SKIPPED: StatusLook("–", "skipped", "skipped"),
}
SORT_RANK = {status: rank for rank, status in enumerate(_LOOKS)}
_CHECKING = _LOOKS[DownloadStatus.VERIFYING].label
_WAITS = "waiting"
_HOST_LIMIT, _AFTER, _LIFTS = "host limit ", " after ", " · lifts in "


def look_of(row: DownloadSnapshot) -> StatusLook:
    """Return glyph, word and style of the status of `row`."""
    return _LOOKS[row.status]


class Waiting(NamedTuple):
    """Reasons why queued downloads wait."""

    host_waits: Mapping[str, HostWait] = {}

    @classmethod
    def now(cls, snapshot: Snapshot) -> "Waiting":
        """Return the reasons in a snapshot."""
        return cls(snapshot.host_waits)

    def reason(self, row: DownloadSnapshot, now: float) -> str:
        """Return the reason why `row` waits; "" if it needs only a free slot."""
        wait = self.host_waits.get(host_of(row.url))
        return "" if wait is None else _host_wait_text(wait, now)


def _host_wait_text(wait: HostWait, now: float) -> str:
    limit = f"{_HOST_LIMIT}{wait.connections} of {wait.allowed}" if wait.allowed else "host pause"
    cause = f"{_AFTER}{wait.cause}" if wait.cause else ""
    left = "" if wait.lifts_at is None else duration_text(max(0, round(wait.lifts_at - now)))
    return f"{limit}{cause}{_LIFTS}{left}" if left else f"{limit}{cause}"


def status_text(
    row: DownloadSnapshot, waiting: Waiting, now: float, columns: Collection[str] = ()
) -> str:
    """Return the state of `row` in words: its word, or a reason that says more.

    Args:
        row: the download.
        waiting: reasons why queued downloads wait.
        now: seconds since the epoch, for countdowns.
        columns: ids of the columns beside, whose facts are left out here.
    """
    match row.status:
        case DownloadStatus.IN_PROGRESS:
            return row.reason or _progress_text(row, columns)
        case DownloadStatus.PENDING | DownloadStatus.VERIFYING:
            return row.reason or look_of(row).label
        case DownloadStatus.RETRYING:
            return _retry_text(row, now, columns)
        case DownloadStatus.FAILED:
            return _failure_text(row)
        case DownloadStatus.QUEUED:
            return _with_reason(_WAITS, _wait_reason(row, waiting, now)) or "queued"
        case DownloadStatus.PAUSED:
            return _with_reason(_WAITS, row.reason) or "paused"
    label = look_of(row).label
    return _with_reason(label, row.reason) or label


def short_status(text: str) -> str:
    """Return a status text for a narrow column: the cause and its numbers, without words."""
    if text.startswith(_CHECKING):
        return _CHECKING
    text = text.removeprefix(f"{_WAITS}: ").removeprefix(f"{_WAITS} ")
    limit, _, cause = text.removeprefix(_HOST_LIMIT).partition(_AFTER)
    if cause and text.startswith(_HOST_LIMIT):
        text = f"{cause.removeprefix('HTTP ')} · {limit}"
    return text.replace(_LIFTS, " · ").replace(" · try ", " · ")


def _with_reason(label: str, reason: str) -> str:
    if not reason:
        return ""
    if reason.startswith("until "):
        return f"{label} {reason}"
    return reason if reason.startswith(label) else f"{label}: {reason}"


def _progress_text(row: DownloadSnapshot, columns: Collection[str]) -> str:
    facts = []
    fraction = fraction_done(row.bytes_downloaded, row.total_bytes)
    if "progress" not in columns:
        facts.append(
            size_text(row.bytes_downloaded) if fraction is None else percent_text(fraction).strip()
        )
    if "left" not in columns and row.eta_seconds is not None:
        facts.append(duration_text(row.eta_seconds))
    if "speed" not in columns and "size" in columns and row.speed_bps >= 1:
        facts.append(speed_text(row.speed_bps))
    text = "  ".join(filter(None, facts)) or look_of(row).label
    return f"{text} ×{row.connections}" if row.connections > 1 and "speed" in columns else text


def _retry_text(row: DownloadSnapshot, now: float, columns: Collection[str]) -> str:
    turn = max(row.failures, 1) + 1
    attempt = f"try {turn} of {max(row.max_attempts, turn)}"
    if "left" not in columns and (countdown := countdown_text(row, now)):
        attempt += f" in {countdown}"
    cause = row.reason or cause_of(row).text
    if not row.reason and row.failure is not None and (code := row.failure.http_status):
        # So that the number of tries has space.
        cause = f"HTTP {code}" if "speed" in columns or not columns else code
    return f"{cause} · {attempt}" if cause else attempt


def countdown_text(row: DownloadSnapshot, now: float) -> str:
    """Return the time until the next attempt, such as `12 s`; "" if there is none."""
    if row.status is not DownloadStatus.RETRYING or row.retry_at is None:
        return ""
    return duration_text(max(0, round(row.retry_at - now)))


def _failure_text(row: DownloadSnapshot) -> str:
    cause = cause_of(row).text
    more = row.reason if row.reason != row.error else ""
    return " · ".join(filter(None, (cause, more))) or look_of(row).label


def _wait_reason(row: DownloadSnapshot, waiting: Waiting, now: float) -> str:
    if row.reason:
        return row.reason
    if row.start_at is not None and row.start_at > now:
        return f"until {start_text(row.start_at, datetime.fromtimestamp(now))}"
    return waiting.reason(row, now)
