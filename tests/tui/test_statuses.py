"""Every wait has a reason."""

from datetime import datetime

import pytest

from rheo_core.domain import DownloadSnapshot, DownloadStats, DownloadStatus, Snapshot
from rheo_tui.statuses import Waiting, status_text


def row(reason: str = "") -> DownloadSnapshot:
    return DownloadSnapshot(
        id="1",
        url="https://example.org/f",
        name="f",
        status=DownloadStatus.QUEUED,
        reason=reason,
        priority=1,
        order=(-1, 1.0),
    )


def snapshot(busy: int, *full_hosts: str) -> Snapshot:
    return Snapshot(
        revision=1,
        downloads=(),
        removed=(),
        stats=DownloadStats(in_progress=busy),
        slots=3,
        full_hosts=frozenset(full_hosts),
    )


@pytest.mark.parametrize(
    ("snapshot", "message"),
    [
        (snapshot(3), "waiting (3 of 3 slots)"),
        (snapshot(3, "example.org:443"), "waiting (3 of 3 slots)"),
        (snapshot(1, "example.org:443"), "waiting (host limit)"),
        (snapshot(1, "example.org:80"), "queued"),
        (snapshot(1), "queued"),
    ],
)
def test_why_it_waits(snapshot: Snapshot, message: str) -> None:
    assert status_text(row(), Waiting.now(snapshot), 0.0) == message


def test_what_starts_later_says_when() -> None:
    at = datetime(2126, 3, 4, 23, 30).timestamp()
    later = row()._replace(start_at=at)
    waiting = Waiting.now(snapshot(3))
    assert status_text(later, waiting, at - 3600) == "waiting (until 23:30)"
    assert status_text(later, waiting, at - 86400) == "waiting (until 2126-03-04 23:30)"
    assert status_text(later, waiting, at) == "waiting (3 of 3 slots)"


def test_the_engines_own_reason_comes_first() -> None:
    assert status_text(row("other"), Waiting.now(snapshot(3)), 0.0) == "queued: other"
