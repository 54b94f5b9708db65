"""Glyph, label and style of each status, and the reason why a download waits."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from rheo_core.domain import DownloadSnapshot, DownloadStatus, Snapshot
from rheo_core.domain.file_config import host_of
from rheo_core.domain.schedule import start_text


@dataclass(frozen=True, slots=True)
class StatusLook:
    """Look of a status; glyph and colour carry the same information."""

    glyph: str
    label: str
    style: str  # name of a component class without its prefix


LOOKS = {
    DownloadStatus.QUEUED: StatusLook("○", "queued", "queued"),
    DownloadStatus.PENDING: StatusLook("●", "connecting", "active"),
    DownloadStatus.IN_PROGRESS: StatusLook("●", "active", "active"),
    DownloadStatus.VERIFYING: StatusLook("●", "verifying", "active"),
    DownloadStatus.RETRYING: StatusLook("↻", "retrying", "retrying"),
    DownloadStatus.PAUSED: StatusLook("‖", "paused", "paused"),
    DownloadStatus.COMPLETED: StatusLook("✓", "done", "done"),
    DownloadStatus.FAILED: StatusLook("✗", "failed", "failed"),
    DownloadStatus.SKIPPED: StatusLook("–", "skipped", "skipped"),
    DownloadStatus.CANCELLED: StatusLook("⊘", "cancelled", "cancelled"),
}
SORT_RANK = {status: rank for rank, status in enumerate(LOOKS)}


class Waiting(NamedTuple):
    """Reasons why queued downloads wait."""

    slots: str = ""  # such as `3 of 3 slots`; "" while a slot is free
    full_hosts: frozenset[str] = frozenset()

    @classmethod
    def now(cls, snapshot: Snapshot) -> "Waiting":
        """Return the reasons in a snapshot."""
        busy, slots = snapshot.stats.in_progress, snapshot.slots
        text = f"{busy} of {slots} slots" if slots and busy >= slots else ""
        return cls(text, snapshot.full_hosts)

    def reason(self, row: DownloadSnapshot) -> str:
        """Return the reason why `row` waits; "" if it is about to start."""
        return self.slots or ("host limit" if host_of(row.url) in self.full_hosts else "")


def reason_text(row: DownloadSnapshot, waiting: Waiting, now: float) -> str:
    """Return the reason for the status of `row`; the engine's own reason comes first.

    Args:
        row: the download.
        waiting: reasons why queued downloads wait.
        now: seconds since the epoch, for the countdown of a retry.
    """
    if row.status is DownloadStatus.RETRYING and row.retry_at is not None:
        left = max(0, round(row.retry_at - now))
        return f"in {left} s ({max(row.failures, 1)} of {max(row.max_attempts - 1, 1)})"
    if row.reason:
        return row.reason
    if row.status is DownloadStatus.QUEUED:
        if row.start_at is not None and row.start_at > now:
            return f"until {start_text(row.start_at, datetime.fromtimestamp(now))}"
        return waiting.reason(row)
    if row.status is DownloadStatus.FAILED:
        return row.error or ""
    return ""


def status_text(row: DownloadSnapshot, waiting: Waiting, now: float) -> str:
    """Return label and reason: `waiting (3 of 3 slots)`, `retry in 12 s (2 of 5)`."""
    reason = reason_text(row, waiting, now)
    label = LOOKS[row.status].label
    if not reason:
        return label
    if row.status is DownloadStatus.QUEUED and not row.reason:
        return f"waiting ({reason})"
    if row.status is DownloadStatus.RETRYING and row.retry_at is not None:
        return f"retry {reason}"
    return reason if reason.startswith(label) else f"{label}: {reason}"
