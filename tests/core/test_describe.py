"""Events in words."""

from typing import Any

import pytest

from rheo_core.domain import CancelledFrom, HashAlgorithm, ValidationResult
from rheo_core.domain.exceptions import WebPageError
from rheo_core.events import (
    DownloadCancelledEvent,
    DownloadCompletedEvent,
    DownloadEvent,
    DownloadFailedEvent,
    DownloadPausedEvent,
    DownloadPriorityChangedEvent,
    DownloadProgressEvent,
    DownloadQueuedEvent,
    DownloadRemovedEvent,
    DownloadRepairingEvent,
    DownloadResumedEvent,
    DownloadRetryingEvent,
    DownloadSkippedEvent,
    DownloadStartedEvent,
    DownloadValidatingEvent,
    ErrorInfo,
)
from rheo_core.events.describe import describe, is_web_page, name_of

ERROR = ErrorInfo(exc_type="rheo_core.domain.exceptions.HttpStatusError", message="HTTP 503")
PAGE = ErrorInfo.from_exception(WebPageError("text/html", "a.zip"))
HASH = ValidationResult(
    algorithm=HashAlgorithm.MD5, expected_hash="a" * 32, calculated_hash="a" * 32
)


def made(kind: type[DownloadEvent], **fields: Any) -> DownloadEvent:
    return kind(download_id="1", url="http://x/a.iso", **fields)


@pytest.mark.parametrize(
    ("event", "text", "level"),
    [
        (made(DownloadQueuedEvent, priority=1), "queued", "info"),
        (made(DownloadQueuedEvent, priority=3), "queued: priority 3", "info"),
        (made(DownloadStartedEvent, total_bytes=2_500_000), "started: 2.5 MB", "info"),
        (made(DownloadStartedEvent), "started: size unknown", "info"),
        (made(DownloadProgressEvent), "progress", "info"),
        (
            made(DownloadCompletedEvent, total_bytes=10**6, elapsed_seconds=2, average_speed_bps=5),
            "done: 1.0 MB in 2 s, 5 B/s",
            "good",
        ),
        (
            made(
                DownloadCompletedEvent, total_bytes=10**6, elapsed_seconds=0.1, average_speed_bps=5
            ),
            "done: 1.0 MB, 5 B/s",
            "good",
        ),
        (made(DownloadCompletedEvent, validation=HASH), "done: 0 B, hash verified", "good"),
        (made(DownloadFailedEvent, error=ERROR), "failed: HTTP 503", "bad"),
        (
            made(DownloadRetryingEvent, retry=2, max_retries=5, delay_seconds=1.5, error=ERROR),
            "retrying: HTTP 503; retry 2 of 5 in 2 s",
            "warning",
        ),
        (
            made(DownloadRepairingEvent, bad_pieces=3, pieces=1400, host="b.example"),
            "repairing: bad pieces: 3 of 1,400; fetched again from b.example",
            "warning",
        ),
        (made(DownloadSkippedEvent, reason="file_exists"), "skipped: file exists", "warning"),
        (
            made(DownloadCancelledEvent, cancelled_from=CancelledFrom.QUEUED),
            "cancelled",
            "warning",
        ),
        (made(DownloadPausedEvent), "paused", "info"),
        (made(DownloadResumedEvent), "resumed", "info"),
        (made(DownloadPriorityChangedEvent, priority=4), "priority: 4", "info"),
        (made(DownloadRemovedEvent), "removed", "info"),
        (made(DownloadValidatingEvent, algorithm=HashAlgorithm.MD5), "checking: md5", "info"),
    ],
)
def test_each_event_in_words(event: DownloadEvent, text: str, level: str) -> None:
    description = describe(event)
    assert (str(description), description.level) == (text, level)


def test_the_name_is_that_of_the_file() -> None:
    done = made(DownloadCompletedEvent, destination_path="/d/better.iso")
    assert name_of(done, "a.iso") == "better.iso"
    assert name_of(made(DownloadCompletedEvent), "a.iso") == "a.iso"
    assert name_of(made(DownloadPausedEvent), "a.iso") == "a.iso"


def test_a_web_page_is_known() -> None:
    assert is_web_page(made(DownloadFailedEvent, error=PAGE))
    assert not is_web_page(made(DownloadFailedEvent, error=ERROR))
    assert not is_web_page(made(DownloadPausedEvent))
