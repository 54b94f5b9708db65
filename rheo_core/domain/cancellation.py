"""Results of cancelling a download."""

from enum import StrEnum


class CancelResult(StrEnum):
    """Result of `DownloadManager.cancel`."""

    CANCELLED = "cancelled"
    NOT_FOUND = "not_found"
    ALREADY_TERMINAL = "already_terminal"


class CancelledFrom(StrEnum):
    """State of a download when it was cancelled: waiting or running."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
