"""Segments: split a file into ranges for several connections; take over from slow ones.

`connection_group.py` decides when to take one; `tuning.py` has the thresholds. No I/O and no clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rheo_core.domain.tuning import DEFAULT_TUNING, Tuning

_SLOWER_TIMES = 4
"""A connection that is this many times slower than the best one loses its segment to a free one, if
its rest takes longer than `Tuning.takeover_seconds`."""

_TAKEOVER_TIMES = 10
"""Near the end, with nothing left to split, a takeover follows after this multiple of the time that
a connection takes to start, because everything waits for a few bytes."""

_MAX_DOUBLINGS = 10
"""Maximum number of takeovers that double the patience, so that it fits into a float."""


@dataclass(frozen=True, slots=True)
class WrittenRange:
    """Range of the file that is on the disk, and its CRC-32."""

    start: int
    end: int  # exclusive
    crc: int


@dataclass(slots=True, eq=False)
class Segment:
    """A range of the file, fetched by one connection at a time from start to end."""

    start: int
    end: int | None  # exclusive; None: up to the end of the body
    received: int  # offset up to which bytes were received
    written: int  # offset up to which bytes are in the file
    crc: int = 0  # CRC-32 of start to written
    is_busy: bool = False
    active_at: float = 0.0  # time of the last bytes; the loop's clock
    began_at: float = 0.0  # start of its connection
    began_with: int = 0  # offset at that time
    is_overtaken: bool = False  # another connection fetches the rest

    def speed(self, now: float, min_age: float) -> float:
        """Return the average bytes/s of its connection; 0.0 if it is younger than `min_age`."""
        age = (now if self.is_busy else self.active_at) - self.began_at
        return (self.received - self.began_with) / age if age >= min_age else 0.0

    @property
    def missing(self) -> int:
        """Number of bytes not received; 0 while the end is unknown."""
        return 0 if self.end is None else max(self.end - self.received, 0)

    @property
    def is_complete(self) -> bool:
        """True if all bytes are in the file."""
        return self.end is not None and self.written >= self.end

    def begin(self, now: float) -> None:
        """Start a connection for the segment."""
        self.is_busy = True
        self.active_at = self.began_at = now
        self.began_with = self.received

    def rewind(self) -> None:
        """Forget bytes that were received but not written."""
        self.received = self.written


class SegmentMap:
    """Segments of one file, in order and without gaps."""

    def __init__(
        self,
        total: int | None,
        written: Sequence[WrittenRange] = (),
        tuning: Tuning = DEFAULT_TUNING,
    ) -> None:
        self.total = total
        self._tuning = tuning
        self.join_seconds: float | None = None  # shortest time in which a connection began
        self._thefts = 0  # takeovers from stalled connections; each delays the next one
        self._segments: list[Segment] = []
        starts = sorted(written, key=lambda each: each.start)
        if not starts or starts[0].start > 0:
            first_end = starts[0].start if starts else total
            self._segments.append(Segment(0, first_end, 0, 0))
        ends = [each.start for each in starts[1:]] + [total]
        for each, end in zip(starts, ends, strict=False):
            self._segments.append(
                Segment(
                    each.start,
                    end,
                    each.end,
                    each.end,
                    each.crc,
                )
            )

    @property
    def is_complete(self) -> bool:
        """True if the whole file is written."""
        return all(segment.is_complete for segment in self._segments)

    @property
    def received(self) -> int:
        """Number of received bytes."""
        return sum(segment.received - segment.start for segment in self._segments)

    @property
    def missing(self) -> int:
        """Number of bytes not received; 0 while the size is unknown."""
        return sum(segment.missing for segment in self._segments)

    def note_total(self, total: int) -> None:
        """Set the size of the file, which the first response did not have."""
        self.total = self._segments[-1].end = total

    def note_join(self, seconds: float) -> None:
        """Record the time that a connection took to start."""
        known = self.join_seconds
        self.join_seconds = seconds if known is None else min(known, seconds)

    def lasts_longer(self, seconds: float, now: float, usual: float) -> bool:
        """Return True if the largest segment takes longer than `seconds`.

        The speed is that of its connection, or `usual` (bytes/s) for a young connection.
        """
        largest = self._largest
        return largest.missing > (self._speed(largest, now) or usual) * seconds

    def laggard(self, now: float, *, compare: bool = True) -> Segment | None:
        """Return a segment that another connection would finish sooner; None if there is none.

        Its connection has stalled, or is far slower than the best one if `compare` is True.
        """
        best = max(self._speed(segment, now) for segment in self._segments) if compare else 0.0
        patience = self._patience(is_unlimited=compare)
        for segment in self._segments:
            if not (segment.is_busy and segment.missing):
                continue
            if now - segment.active_at >= patience:
                return segment
            speed = self._speed(segment, now)
            if 0 < speed * _SLOWER_TIMES < best and segment.missing > speed * patience:
                return segment
        return None

    def written(self) -> tuple[WrittenRange, ...]:
        """Return the ranges in the file."""
        return tuple(
            WrittenRange(segment.start, segment.written, segment.crc)
            for segment in self._segments
            if segment.written > segment.start
        )

    def first(self) -> Segment:
        """Take the first incomplete segment, for the first connection."""
        incomplete = (segment for segment in self._segments if not segment.is_complete)
        segment = next(incomplete, self._segments[0])  # all are complete if the file is empty
        segment.is_busy = True
        return segment

    def take(self, now: float, *, compare: bool = True) -> Segment | None:
        """Take a segment for one more connection; None if nothing is left to split.

        The order is: segments without a connection, the whole rest of a laggard, half of the
        largest segment. While the size of the file is unknown, its end is missing.
        """
        segment = next((s for s in self._segments if not (s.is_busy or s.is_complete)), None)
        if segment is None:
            largest = self._largest
            if laggard := self.laggard(now, compare=compare):
                segment = self._split(laggard, whole=True)
            elif largest.missing >= 2 * self._tuning.min_segment_bytes:
                segment = self._split(largest, whole=False)
            else:
                return None
        segment.begin(now)
        return segment

    def give_back(self, segment: Segment) -> bool:
        """Undo a `take` without bytes: the previous segment continues to the end of this one.

        Return False if the previous segment has no connection.
        """
        segment.is_busy = False
        if segment not in self._segments:
            return False
        index = self._segments.index(segment)
        before = self._segments[index - 1]
        if index == 0 or not before.is_busy or segment.written > segment.start:
            return False
        before.end = segment.end
        del self._segments[index]
        return True

    def _split(self, segment: Segment, *, whole: bool) -> Segment:
        middle = segment.received if whole else segment.received + segment.missing // 2
        second = Segment(middle, segment.end, middle, middle)
        segment.end = middle
        index = self._segments.index(segment)
        self._segments.insert(index + 1, second)
        if whole:
            self._thefts += 1
            segment.is_overtaken = True
            if segment.start == middle:
                del self._segments[index]  # it is empty now
        return second

    def _speed(self, segment: Segment, now: float) -> float:
        return segment.speed(now, self._tuning.speed_after_seconds)

    @property
    def _largest(self) -> Segment:
        return max(self._segments, key=lambda segment: segment.missing)

    def _patience(self, *, is_unlimited: bool) -> float:
        """Return the seconds without a byte after which a connection loses its segment.

        Each takeover delays the next one. Near the end, where the time is short, the delay doubles.
        Otherwise a server that pauses in each response would lose every connection before it
        continues.
        """
        seconds = self._tuning.takeover_seconds * (1 + self._thefts)
        is_near_end = self._largest.missing < 2 * self._tuning.min_segment_bytes
        if is_unlimited and is_near_end and self.join_seconds is not None:
            prompt = max(self.join_seconds * _TAKEOVER_TIMES, self._tuning.min_takeover_seconds)
            seconds = min(seconds, prompt * 2 ** min(self._thefts, _MAX_DOUBLINGS))
        return seconds
