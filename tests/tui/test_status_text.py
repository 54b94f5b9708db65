"""Statuses, and the reason for every wait."""

from datetime import datetime

import pytest

from rheo_core.domain import DownloadSnapshot, DownloadStats, DownloadStatus, Snapshot
from rheo_core.domain.downloads import NOT_STORED
from rheo_core.domain.exceptions import HttpStatusError
from rheo_core.domain.hosts import HostWait
from rheo_tui.status_text import Waiting, countdown_text, retries_text, status_text
from tests.tui.failed import facts_of


def row(reason: str = "") -> DownloadSnapshot:
    return DownloadSnapshot(
        id="1",
        url="https://example.org/f",
        name="f",
        status=DownloadStatus.QUEUED,
        reason=reason,
        priority=1,
        rank=1.0,
    )


def snapshot(busy: int, *full_hosts: str) -> Snapshot:
    return Snapshot(
        revision=1,
        downloads=(),
        removed=(),
        stats=DownloadStats(in_progress=busy),
        slots=3,
        host_waits=dict.fromkeys(full_hosts, HostWait(4, 4)),
    )


@pytest.mark.parametrize(
    ("snapshot", "message"),
    [
        (snapshot(3), "queued"),  # the header says that the slots are full
        (snapshot(3, "example.org:443"), "waiting: host limit 4 of 4"),
        (snapshot(1, "example.org:443"), "waiting: host limit 4 of 4"),
        (snapshot(1, "example.org:80"), "queued"),
        (snapshot(1), "queued"),
    ],
)
def test_why_it_waits(snapshot: Snapshot, message: str) -> None:
    assert status_text(row(), Waiting.now(snapshot), 0.0).full == message


@pytest.mark.parametrize(
    ("wait", "message"),
    [
        (HostWait(1, 1, "HTTP 429", 140.0), "host limit 1 of 1 after HTTP 429 · lifts in 40 s"),
        (HostWait(0, 0, "HTTP 429", 160.4), "host pause after HTTP 429 · lifts in 1:00"),
        (
            HostWait(2, 2, "a refused connection", 90.0),
            "host limit 2 of 2 after a refused connection · lifts in 0 s",
        ),
    ],
)
def test_a_wait_for_a_host_has_numbers_and_an_end(wait: HostWait, message: str) -> None:
    waiting = Waiting({"example.org:443": wait})
    assert status_text(row(), waiting, 100.0).full == f"waiting: {message}"


def test_delayed_downloads_show_their_start() -> None:
    at = datetime(2126, 3, 4, 23, 30).timestamp()
    later = row()._replace(start_at=at)
    waiting = Waiting.now(snapshot(3))
    assert status_text(later, waiting, at - 3600).full == "waiting until 23:30"
    assert status_text(later, waiting, at - 86400).full == "waiting until 2126-03-04 23:30"
    assert status_text(later, waiting, at).full == "queued"


def test_the_engines_own_reason_comes_first() -> None:
    waiting = Waiting.now(snapshot(3, "example.org:443"))
    assert status_text(row("other"), waiting, 0.0).full == "waiting: other"
    limited = row("host limit 1 of 1")
    assert status_text(limited, waiting, 0.0).full == "waiting: host limit 1 of 1"


@pytest.mark.parametrize(
    ("waiting", "short"),
    [
        (row("host limit 1 of 1"), "host limit 1 of 1"),
        (row("no network"), "no network"),
        (row("too many open files"), "too many open files"),
        (
            row()._replace(start_at=datetime(2126, 3, 4, 23, 30).timestamp()),
            "until 2126-03-04 23:30",
        ),
        (row(), "queued"),
        (row("the bytes")._replace(status=DownloadStatus.VERIFYING), "checking"),
        (row("disk full")._replace(status=DownloadStatus.PAUSED), "disk full"),
    ],
)
def test_a_narrow_column_drops_the_word_before_the_reason(
    waiting: DownloadSnapshot, short: str
) -> None:
    assert status_text(waiting, Waiting(), 0.0).short == short


@pytest.mark.parametrize(
    ("wait", "short"),
    [
        (HostWait(2, 2, "HTTP 503", 10.0), "503 · 10 s · host 2 of 2"),  # the end may be cut
        (HostWait(2, 2, "a refused connection"), "a refused connection · host 2 of 2"),
        (HostWait(4, 4), "host limit 4 of 4"),
        (HostWait(0, 0, "HTTP 429", 60.0), "429 · 1:00 · host pause"),
    ],
)
def test_a_wait_for_a_host_is_short_in_a_narrow_column(wait: HostWait, short: str) -> None:
    assert status_text(row(), Waiting({"example.org:443": wait}), 0.0).short == short


def test_the_end_of_a_wait_for_a_host_stands_with_the_time_left() -> None:
    waiting = Waiting({"example.org:443": HostWait(1, 1, "HTTP 429", 40.0)})
    assert status_text(row(), waiting, 0.0, {"left"}).short == "429 · host 1 of 1"
    assert countdown_text(row(), 0.0, waiting) == "40 s"
    assert countdown_text(row(), 0.0) == ""
    assert countdown_text(row()._replace(start_at=9.0), 0.0, waiting) == ""
    assert countdown_text(row("disk full"), 0.0, waiting) == ""
    assert countdown_text(row(), 0.0, Waiting({"example.org:443": HostWait(4, 4)})) == ""


def test_what_has_no_column_stands_in_the_status() -> None:
    running = row()._replace(
        status=DownloadStatus.IN_PROGRESS,
        bytes_downloaded=66,
        total_bytes=100,
        speed_bps=2_000_000.0,
        eta_seconds=2.0,
        connections=4,
    )
    everything = {"size", "progress", "left", "speed"}
    for columns, text in (
        (everything, "downloading ×4"),
        ({"size", "progress", "left"}, "2.0 MB/s"),
        ({"size"}, "66%  2 s  2.0 MB/s"),
        (set(), "66%  2 s"),
    ):
        assert status_text(running, Waiting(), 0.0, columns).full == text


RETRYING = row()._replace(
    status=DownloadStatus.RETRYING,
    retry_at=12.2,
    failures=2,
    max_attempts=6,
    **facts_of(HttpStatusError(503, "Service Unavailable")),
)


@pytest.mark.parametrize(
    ("speed_bps", "width", "text"),
    [
        (2_000_000.0, 19, "66%  2 s  2.0 MB/s"),
        (2_000_000.0, 18, "66%  2 s  2.0 MB/s"),
        (899_400.0, 19, "66% 2 s 899.4 kB/s"),
        (899_400.0, 17, "66%  2 s"),  # instead of a speed without its unit
        (2_000_000.0, 8, "66%  2 s"),
    ],
)
def test_a_narrow_status_has_whole_facts(speed_bps: float, width: int, text: str) -> None:
    running = row()._replace(
        status=DownloadStatus.IN_PROGRESS,
        bytes_downloaded=66,
        total_bytes=100,
        speed_bps=speed_bps,
        eta_seconds=2.0,
    )
    assert status_text(running, Waiting(), 0.0, {"size"}).fitting(width) == text


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (30, "HTTP 503 · 2 of 5 in 12 s"),
        (31, "HTTP 503 · retry 2 of 5 in 12 s"),
        (24, "HTTP 503 · 2 of 5"),
        (16, "HTTP 503 · 2 of 5"),  # cut by the column, after the cause
    ],
)
def test_a_narrow_retry_has_whole_words(width: int, text: str) -> None:
    assert status_text(RETRYING, Waiting(), 0.0).fitting(width) == text


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (41, "waiting: host limit 1 of 1 after HTTP 429"),
        (40, "waiting: 429 · host 1 of 1"),
        (25, "429 · host 1 of 1"),
        (9, "429 · host 1 of 1"),  # cut by the column, after the cause
    ],
)
def test_a_wait_for_a_host_says_as_much_as_fits(width: int, text: str) -> None:
    waiting = Waiting({"example.org:443": HostWait(1, 1, "HTTP 429", 40.0)})
    assert status_text(row(), waiting, 0.0, {"left"}).fitting(width) == text


def test_a_retry_shows_cause_and_turn() -> None:
    retrying = RETRYING
    assert status_text(retrying, Waiting(), 0.0).full == "HTTP 503 · retry 2 of 5 in 12 s"
    assert (
        status_text(retrying, Waiting(), 0.0, {"left", "speed"}).full == "HTTP 503 · retry 2 of 5"
    )
    assert status_text(retrying, Waiting(), 0.0, {"left"}).full == "503 · retry 2 of 5"
    assert countdown_text(retrying, 0.0) == "12 s"


@pytest.mark.parametrize(
    ("status", "failures", "text"),
    [
        (DownloadStatus.IN_PROGRESS, 0, "0 of 5"),
        (DownloadStatus.RETRYING, 0, "1 of 5"),  # stored by an earlier version
        (DownloadStatus.RETRYING, 1, "1 of 5"),
        (DownloadStatus.IN_PROGRESS, 1, "1 of 5"),
        (DownloadStatus.FAILED, 6, "5 of 5"),
        (DownloadStatus.FAILED, 0, "0 of 5"),
        (DownloadStatus.FAILED, 9, "8 of 8"),  # the setting has become lower
    ],
)
def test_retries_are_counted_as_in_the_events(
    status: DownloadStatus, failures: int, text: str
) -> None:
    assert retries_text(row()._replace(status=status, failures=failures, max_attempts=6)) == text


def test_a_failure_shows_its_cause_and_no_word_before_it() -> None:
    failed = row()._replace(
        status=DownloadStatus.FAILED, **facts_of(HttpStatusError(404, "Not Found"))
    )
    assert status_text(failed, Waiting(), 0.0).full == "404 Not Found"
    kept = failed._replace(reason="kept as f.unverified")
    assert status_text(kept, Waiting(), 0.0).full == "404 Not Found · kept as f.unverified"


@pytest.mark.parametrize(
    ("status", "reason", "full", "short"),
    [
        (DownloadStatus.COMPLETED, "", "done", "done"),
        (DownloadStatus.COMPLETED, f"its login was {NOT_STORED}",
         "done: its login was not stored", "done"),
        (DownloadStatus.SKIPPED, f"file exists; its login was {NOT_STORED}",
         "skipped: file exists; its login was not stored", "skipped: file exists"),
    ],
)  # fmt: skip
def test_a_lost_login_stands_where_there_is_space(
    status: DownloadStatus, reason: str, full: str, short: str
) -> None:
    text = status_text(row(reason)._replace(status=status), Waiting(), 0.0)
    assert (text.full, text.short) == (full, short)


def test_a_full_disk_makes_a_download_wait() -> None:
    full = row("disk full; continues when there is space")._replace(status=DownloadStatus.PAUSED)
    assert status_text(full, Waiting(), 0.0).full.startswith("waiting: disk full")
    assert status_text(full._replace(reason=""), Waiting(), 0.0).full == "paused"
