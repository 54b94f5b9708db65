"""Look of a row's status: its glyph, its word and the name of its style.

The colour itself is in `styles.tcss`. The whole text, with the reason why a download waits or
failed, is made in `status_text.py`.
"""

from dataclasses import dataclass

from rheo_core.domain import DownloadSnapshot, DownloadStatus


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


def look_of(row: DownloadSnapshot) -> StatusLook:
    """Return glyph, word and style of the status of `row`."""
    return _LOOKS[row.status]
