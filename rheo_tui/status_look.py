"""Glyph, word and style of a download's status.

`styles.tcss` defines the colours. `status_text.py` writes the whole text, with the reason why a
download waits or failed.
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
