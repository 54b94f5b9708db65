"""The tracker: a reader that pulls knows as much as one that asks for everything."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rheo_core import DownloadTracker, FileConfig, NullTracker
from rheo_core.domain import DownloadSnapshot, DownloadStats, DownloadStatus, Snapshot
from rheo_core.tracking import DownloadRecord
from rheo_core.tracking import tracker as tracker_module


def record(name: object, status: DownloadStatus = DownloadStatus.QUEUED) -> DownloadRecord:
    new = DownloadRecord.of(FileConfig(url=f"http://example.com/{name}"))
    new.status = status
    return new


class Reader:
    """Keeps a picture up to date by snapshots, as a screen does."""

    def __init__(self) -> None:
        self.revision = 0
        self.rows: dict[str, DownloadSnapshot] = {}

    def read(self, snapshot: Snapshot) -> None:
        if snapshot.reset:
            self.rows.clear()
        for removed in snapshot.removed:
            self.rows.pop(removed, None)
        self.rows.update((row.id, row) for row in snapshot.downloads)
        self.revision = snapshot.revision


class TrackerAgainstACount(RuleBasedStateMachine):
    """Statistics are counted again from the records; readers compare with a full snapshot."""

    names = st.integers(0, 5)
    statuses = st.sampled_from(list(DownloadStatus))

    def __init__(self) -> None:
        super().__init__()
        self.tracker = DownloadTracker()
        self.model: dict[str, DownloadRecord] = {}
        self.removed: dict[str, DownloadRecord] = {}
        self.changed: set[str] = set()
        self.gone: set[str] = set()
        self.readers = [Reader(), Reader()]

    @rule(name=names, status=statuses, size=st.integers(0, 10**6))
    def add(self, name: int, status: DownloadStatus, size: int) -> None:
        new = record(name, status)
        new.bytes_downloaded = size
        self.tracker.add(new)
        self.model[new.id] = new
        self.removed.pop(new.id, None)
        self._note(new.id)

    @rule(name=names, status=st.none() | statuses)
    def touch(self, name: int, status: DownloadStatus | None) -> None:
        known = self.model.get(record(name).id)
        if known is None:
            self.tracker.touch(record(name), status)
            return
        if not known.status.is_terminal:
            known.bytes_downloaded += 10
        self.tracker.touch(known, status)
        self._note(known.id)

    @rule(name=names)
    def remove(self, name: int) -> None:
        download_id = record(name).id
        known = self.model.pop(download_id, None)
        assert self.tracker.remove(download_id) is known
        if known is not None:
            self.removed[download_id] = known
            self.changed.discard(download_id)
            self.gone.add(download_id)

    @rule(name=names)
    def drop(self, name: int) -> None:
        download_id = record(name).id
        self.tracker.drop(download_id)
        if self.model.pop(download_id, None) is not None:
            self.changed.discard(download_id)
            self.gone.add(download_id)

    @rule(name=names)
    def restore(self, name: int) -> None:
        download_id = record(name).id
        known = self.removed.pop(download_id, None)
        assert self.tracker.restore(download_id) is known
        if known is not None:
            self.model[download_id] = known
            self._note(download_id)

    @rule()
    def exactly_what_changed(self) -> None:
        reader = self.readers[0]
        snapshot = self.tracker.snapshot(reader.revision)
        if reader.revision:
            assert not snapshot.reset
            assert sorted(row.id for row in snapshot.downloads) == sorted(self.changed)
            assert sorted(snapshot.removed) == sorted(self.gone)
        self.changed.clear()
        self.gone.clear()
        reader.read(snapshot)

    @rule(reader=st.sampled_from([0, 1]))
    def read(self, reader: int) -> None:
        if reader == 0:
            self.exactly_what_changed()
        pulling, whole = self.readers[reader], Reader()
        pulling.read(self.tracker.snapshot(pulling.revision))
        whole.read(self.tracker.snapshot())
        assert pulling.rows == whole.rows
        assert pulling.revision == whole.revision

    def _note(self, download_id: str) -> None:
        self.changed.add(download_id)
        self.gone.discard(download_id)

    @invariant()
    def stats_are_what_counting_gives(self) -> None:
        counts = Counter(known.status for known in self.model.values())
        status = DownloadStatus
        active = (status.PENDING, status.IN_PROGRESS, status.VERIFYING)
        done = [r.bytes_downloaded for r in self.model.values() if r.status is status.COMPLETED]
        assert self.tracker.get_stats() == DownloadStats(
            total=len(self.model),
            queued=counts[status.QUEUED] + counts[status.RETRYING],
            in_progress=sum(counts[one] for one in active),
            completed=counts[status.COMPLETED],
            failed=counts[status.FAILED],
            cancelled=counts[status.CANCELLED],
            skipped=counts[status.SKIPPED],
            paused=counts[status.PAUSED],
            completed_bytes=sum(done),
        )
        running = {r.id for r in self.model.values() if r.status.is_active}
        assert {r.id for r in self.tracker.active()} == running
        assert set(self.tracker.get_active_downloads()) == running
        assert set(self.tracker.get_all_downloads()) == set(self.model)


TestTrackerAgainstACount = TrackerAgainstACount.TestCase
TestTrackerAgainstACount.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True
)


def test_revisions_only_grow() -> None:
    tracker = DownloadTracker()
    revisions = [tracker.snapshot().revision]
    one = record("one")
    changes: tuple[Callable[[], object], ...] = (
        lambda: tracker.add(one),
        lambda: tracker.touch(one),
        lambda: tracker.touch(one, DownloadStatus.PENDING),
        lambda: tracker.remove(one.id),
        lambda: tracker.restore(one.id),
    )
    for change in changes:
        change()
        revisions.append(tracker.snapshot().revision)
    assert revisions == sorted(set(revisions))
    assert tracker.snapshot().revision == revisions[-1]


def test_the_latest_change_comes_last() -> None:
    """New downloads come in the order in which they were added: a list need not sort them."""
    tracker, first, second = DownloadTracker(), record("a"), record("b")
    since = tracker.snapshot().revision
    for new in (first, second, third := record("c")):
        tracker.add(new)
    assert [row.id for row in tracker.snapshot(since).downloads] == [first.id, second.id, third.id]
    since = tracker.snapshot().revision
    tracker.touch(second)
    tracker.touch(first)
    assert [row.id for row in tracker.snapshot(since).downloads] == [second.id, first.id]


def test_nothing_changed_nothing_told() -> None:
    tracker = DownloadTracker()
    tracker.add(record("one"))
    revision = tracker.snapshot().revision
    snapshot = tracker.snapshot(revision)
    assert (snapshot.downloads, snapshot.removed, snapshot.reset) == ((), (), False)
    assert snapshot.revision == revision


def test_a_snapshot_does_not_change_afterwards() -> None:
    tracker, one = DownloadTracker(), record("one")
    tracker.add(one)
    [before] = tracker.snapshot().downloads
    info = tracker.get_download_info(one.id)
    one.bytes_downloaded = 5
    tracker.touch(one, DownloadStatus.IN_PROGRESS)
    assert before.bytes_downloaded == 0
    assert before.status is DownloadStatus.QUEUED
    assert info is not None
    assert info.status is DownloadStatus.QUEUED


def test_a_reader_that_is_too_late_starts_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_module, "_MAX_REMOVED", 3)
    tracker = DownloadTracker(undo_seconds=0.0)
    records = [record(number) for number in range(6)]
    for one in records:
        tracker.add(one)
    early = Reader()
    early.read(tracker.snapshot())
    revisions = []
    for one in records[:5]:
        tracker.remove(one.id)
        revisions.append(tracker.snapshot(early.revision).revision)
    late = tracker.snapshot(early.revision)
    assert late.reset
    early.read(late)
    assert list(early.rows) == [records[5].id]
    in_time = tracker.snapshot(revisions[1])
    assert not in_time.reset
    assert set(in_time.removed) == {one.id for one in records[2:5]}
    assert tracker.restore(records[0].id) is None
    assert tracker.restore(records[4].id) is records[4]


def test_a_removed_record_is_not_brought_back_by_a_late_change() -> None:
    tracker, one = DownloadTracker(), record("one")
    tracker.add(one)
    tracker.remove(one.id)
    tracker.touch(one, DownloadStatus.COMPLETED)
    assert tracker.get(one.id) is None
    assert tracker.get_stats() == DownloadStats()


def test_speed_is_the_sum_of_what_runs() -> None:
    tracker, one = DownloadTracker(), record("one")
    tracker.add(one)
    assert tracker.get_speed_metrics(one.id) is None
    tracker.touch(one, DownloadStatus.IN_PROGRESS)
    one.begin_attempt(1)
    one.sample()
    assert tracker.get_speed_metrics(one.id) is not None
    assert tracker.snapshot().speed_bps == 0.0


def test_a_snapshot_shows_no_secrets_and_no_controls() -> None:
    new = DownloadRecord.of(FileConfig(url="http://user:pass@example.com/a?token=secret"))
    new.final_name = "a\x1b[31m"
    shown = new.snapshot()
    assert shown.url == "http://example.com/a?token=***"
    assert shown.name.replace("\ufffd", "").isprintable()


def test_null_tracker_tells_nothing_and_keeps_nothing() -> None:
    tracker, one = NullTracker(), record("one")
    tracker.add(one)
    assert tracker.get(one.id) is one
    assert tracker.get_download_info(one.id) is None
    assert tracker.get_stats() == DownloadStats()
    snapshot = tracker.snapshot()
    assert (snapshot.downloads, snapshot.removed) == ((), ())
    tracker.touch(one, DownloadStatus.IN_PROGRESS)
    assert list(tracker.active()) == [one]
    tracker.touch(one, DownloadStatus.COMPLETED)
    assert tracker.get(one.id) is None
    assert list(tracker.records()) == []
    assert list(tracker.active()) == []


def test_bytes_found_on_the_disk_have_no_speed() -> None:
    resumed = record("resumed", DownloadStatus.IN_PROGRESS)
    resumed.begin_attempt(1)
    resumed.sample()
    resumed.resume_from(1_000_000)
    assert resumed.sample() == 0
    assert resumed.metrics is not None
    assert resumed.metrics.average_speed_bps == 0
