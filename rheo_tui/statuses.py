"""How each state of a download looks: a glyph one cell wide, a word, a style."""

from dataclasses import dataclass

from rheo_core.domain import DownloadSnapshot, DownloadStats, DownloadStatus


@dataclass(frozen=True, slots=True)
class StatusLook:
    """Glyph and colour say the same, so that either is enough."""

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


def waiting_text(stats: DownloadStats, slots: int) -> str:
    """Why queued downloads wait: `3 of 3 slots`; empty while slots are free."""
    if not slots or stats.in_progress < slots:
        return ""
    return f"{stats.in_progress} of {slots} slots"


def reason_text(row: DownloadSnapshot, waiting: str, now: float) -> str:
    """Why `row` is in its state; the engine's own reason first.

    Args:
        row: the download.
        waiting: what `waiting_text` gave.
        now: seconds since the epoch, for the countdown of a retry.
    """
    if row.status is DownloadStatus.RETRYING and row.retry_at is not None:
        left = max(0, round(row.retry_at - now))
        return f"in {left} s ({max(row.failures, 1)} of {max(row.max_attempts - 1, 1)})"
    if row.reason:
        return row.reason
    if row.status is DownloadStatus.QUEUED:
        return waiting
    if row.status is DownloadStatus.FAILED:
        return row.error or ""
    return ""


def status_text(row: DownloadSnapshot, waiting: str, now: float) -> str:
    """Word and reason in one: `waiting (3 of 3 slots)`, `retry in 12 s (2 of 5)`."""
    reason = reason_text(row, waiting, now)
    label = LOOKS[row.status].label
    if not reason:
        return label
    if row.status is DownloadStatus.QUEUED and reason == waiting:
        return f"waiting ({reason})"
    if row.status is DownloadStatus.RETRYING and row.retry_at is not None:
        return f"retry {reason}"
    return reason if reason.startswith(label) else f"{label}: {reason}"
