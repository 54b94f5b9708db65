"""Segments, compared with a plain set of the bytes that are in the file."""

from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from rheo_core.domain.tuning import Tuning
from rheo_core.transfer.segments import Segment, SegmentMap, WrittenRange

LONGEST = 200
SMALL = Tuning(min_segment_bytes=4)


class SegmentsAgainstAFile(RuleBasedStateMachine):
    """Connections come, bring bytes, are overtaken and fail, as a crew's do."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.connections: list[Segment] = []
        self.writing: dict[Segment, int] = {}  # up to where a thread writes just now

    def teardown(self) -> None:
        """Fetch the missing ranges, one connection after the other, until the file is whole."""
        if hasattr(self, "map"):
            for segment in tuple(self.connections):
                self.fail(segment)
            while (segment := self.map.take(self.now)) is not None:  # type: ignore[assignment]
                assert segment.missing
                segment.received = segment.end or 0
                self.begin_writing(segment)
                self.end_writing(segment)
                segment.is_busy = False
            assert self.map.is_complete
            assert self.file == set(range(self.total))

    @initialize(
        total=st.integers(1, LONGEST),
        borders=st.sets(st.integers(0, LONGEST)),
        join_seconds=st.sampled_from([None, 0.01, 0.5]),
    )
    def begin(self, total: int, borders: set[int], join_seconds: float | None) -> None:
        """As an earlier attempt left it."""
        self.total = total
        ordered = sorted(border for border in borders if border <= total)
        pieces = list(zip(ordered[::2], ordered[1::2], strict=False))
        self.file = {byte for start, end in pieces for byte in range(start, end)}
        written = [WrittenRange(start, end, crc=start) for start, end in pieces]
        self.map = SegmentMap(total, written[::-1], SMALL)
        self.map.join_seconds = join_seconds
        assert self.map.written() == tuple(written)
        if not self.map.is_complete:
            self.connections.append(self.map.first())

    @rule(seconds=st.sampled_from([0.0, 0.2, 1.0, 9.0]))
    def join(self, seconds: float) -> None:
        """A while after the last rule: those that brought nothing since have stalled."""
        self.now += seconds
        segment = self.map.take(self.now)
        if segment is None:
            assert not any(one.missing for one in self.idle())
            assert all(one.missing < 8 for one in self.pieces())
        else:
            assert segment.missing and segment.is_busy
            assert segment in self.pieces() and segment not in self.connections
            self.connections.append(segment)

    @precondition(lambda self: self.connections)
    @rule(data=st.data(), count=st.integers(0, 20), more=st.integers(0, 5))
    def receive(self, data: st.DataObject, count: int, more: int) -> None:
        """Bytes come, a thread begins to write them, more come meanwhile.

        One that was overtaken may bring bytes that are no longer its own.
        """
        segment = data.draw(st.sampled_from(self.connections))
        for fresh, writes in ((count, True), (more, False)):
            segment.received += min(fresh, segment.missing) if segment.missing else fresh
            if writes:
                self.end_writing(segment)
                self.begin_writing(segment)
        segment.active_at = self.now

    @precondition(lambda self: self.connections)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.fail(data.draw(st.sampled_from(self.connections)))

    @invariant()
    def no_gap_and_no_overlap(self) -> None:
        pieces = self.pieces()
        if pieces:
            assert pieces[0].start == 0
            assert pieces[-1].end == self.total
            assert all(before.end == after.start for before, after in pairwise(pieces))
            assert all(one.start <= one.written <= one.received for one in pieces)
            assert all(one.written <= (one.end or 0) for one in pieces)

    @invariant()
    def what_is_in_the_file_is_known(self) -> None:
        if hasattr(self, "map"):
            known = [byte for one in self.map.written() for byte in range(one.start, one.end)]
            unknown = (range(one.written, end) for one, end in self.writing.items())
            assert known == sorted(self.file.difference(*unknown))
            assert self.map.is_complete == (len(known) == self.total)
            again = SegmentMap(self.total, self.map.written(), SMALL)
            assert again.written() == self.map.written()
            assert again.missing == self.total - len(known)

    @invariant()
    def what_came_counts(self) -> None:
        if all(one.missing or one.received == one.end for one in self.pieces()):
            came = self.total - sum(one.missing for one in self.pieces())
            assert not self.pieces() or self.map.received == came

    def pieces(self) -> list[Segment]:
        return self.map._segments if hasattr(self, "map") else []

    def idle(self) -> list[Segment]:
        return [one for one in self.pieces() if not one.is_busy]

    def begin_writing(self, segment: Segment) -> None:
        """Write the received bytes to the file, but none behind the end of the segment."""
        end = max(min(segment.received, segment.end or 0), segment.written)
        fresh = set(range(segment.written, end))
        assert not fresh & self.file, "fetched twice"
        self.file |= fresh
        self.writing[segment] = end

    def end_writing(self, segment: Segment) -> None:
        """Only now the segment knows; it may have been split meanwhile."""
        segment.written = self.writing.pop(segment, segment.written)

    def fail(self, segment: Segment) -> None:
        """The connection ends: what came and was not written is lost."""
        self.connections.remove(segment)
        self.end_writing(segment)
        segment.rewind()
        segment.is_busy = False
        self.map.give_back(segment)


TestSegmentsAgainstAFile = SegmentsAgainstAFile.TestCase
TestSegmentsAgainstAFile.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, derandomize=True
)


@pytest.mark.parametrize(
    ("total", "join_seconds", "idle", "is_unlimited", "is_laggard"),
    [
        (900_000, 0.02, 0.3, True, True),
        (900_000, 0.02, 0.1, True, False),  # not yet
        (900_000, 0.001, 0.05, True, False),  # be it ever so near
        (900_000, 1.0, 3.0, True, True),  # no later than otherwise
        (900_000, 0.02, 0.3, False, False),  # a limit makes pauses of its own
        (900_000, None, 0.3, True, False),  # who knows how long a connection takes?
        (9_000_000, 0.02, 0.3, True, False),  # there is other work
        (9_000_000, 0.02, 3.0, True, True),
    ],
)
def test_near_the_end_patience_is_short(
    total: int, join_seconds: float | None, idle: float, is_unlimited: bool, is_laggard: bool
) -> None:
    pieces = SegmentMap(total)
    pieces.join_seconds = join_seconds
    pieces.first().begin(0.0)
    assert (pieces.laggard(idle, compare=is_unlimited) is not None) is is_laggard


def test_a_server_that_pauses_in_each_response_is_waited_for() -> None:
    """Each response brings half of its range, then pauses for 3 s: few takeovers, not all."""
    pieces = SegmentMap(900_000)
    pieces.join_seconds = 0.01
    now, segment = 0.0, pieces.first()
    segment.begin(now)
    takeovers = 0
    while segment.missing > 1:
        segment.received += segment.missing // 2
        segment.active_at = now
        if pieces.laggard(now + 2.9) is None:
            break  # it will go on
        now += 2.9
        following = pieces.take(now)
        assert following is not None
        segment, takeovers = following, takeovers + 1
    assert takeovers == 5  # after which it waits for 3.2 s


def test_patience_has_a_limit() -> None:
    pieces = SegmentMap(1 << 20)
    pieces.join_seconds = 0.01
    pieces.first().begin(0.0)
    for days in range(1, 2000):  # the power of two would be larger than any float
        assert pieces.take(86400.0 * days) is not None


def test_a_rest_is_measured_at_the_speed_of_its_connection() -> None:
    pieces = SegmentMap(1000)
    segment = pieces.first()
    segment.begin(0.0)
    segment.received = 400
    assert pieces.lasts_longer(5.9, now=0.5, usual=100.0)  # too young: the usual speed
    assert not pieces.lasts_longer(6.1, now=0.5, usual=100.0)
    assert pieces.lasts_longer(2.9, now=2.0, usual=100.0)  # 200 bytes/s
    assert not pieces.lasts_longer(3.1, now=2.0, usual=100.0)
