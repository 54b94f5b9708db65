"""What came of a request to cancel, and where it struck."""

from enum import StrEnum


class CancelResult(StrEnum):
    """The answer of `DownloadManager.cancel`."""

    CANCELLED = "cancelled"
    NOT_FOUND = "not_found"
    ALREADY_TERMINAL = "already_terminal"


class CancelledFrom(StrEnum):
    """Whether a cancelled download had begun."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
