"""Who fetches which bytes. Pure book-keeping: no I/O, no clock of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from rheo_core.domain.tuning import DEFAULT_TUNING, Tuning

_SLOWER_TIMES = 4
"""A connection this many times slower than the best loses its segment to a free one, if its rest
takes longer than `Tuning.takeover_seconds`."""

_TAKEOVER_TIMES = 10
"""Near the end, with nothing left to split, a takeover follows after this multiple of the time that
a connection takes to begin: few bytes are at stake, and everything waits for them."""


@dataclass(frozen=True, slots=True)
class WrittenRange:
    """Bytes of the file that are on the disk, and their CRC-32."""

    start: int
    end: int  # exclusive
    crc: int


@dataclass(slots=True, eq=False)
class Segment:
    """A range of the file fetched by one connection at a time, from its start to its end."""

    start: int
    end: int | None  # exclusive; None: up to the end of the body
    received: int  # offset up to which bytes came
    written: int  # offset up to which they are in the file
    crc: int = 0  # CRC-32 of start to written
    is_busy: bool = False
    active_at: float = 0.0  # when bytes last came; the loop's clock
    began_at: float = 0.0  # when its connection began
    began_with: int = 0  # offset at that time
    is_overtaken: bool = False  # another connection has got what it lacks

    def speed(self, now: float, min_age: float) -> float:
        """Return the average bytes/s of its connection; 0.0 if that is younger than `min_age`."""
        age = (now if self.is_busy else self.active_at) - self.began_at
        return (self.received - self.began_with) / age if age >= min_age else 0.0

    @property
    def missing(self) -> int:
        """Bytes that have not come; 0 while the end is unknown."""
        return 0 if self.end is None else max(self.end - self.received, 0)

    @property
    def is_complete(self) -> bool:
        """Whether all of it is in the file."""
        return self.end is not None and self.written >= self.end

    def begin(self, now: float) -> None:
        """A connection begins to work on it."""
        self.is_busy = True
        self.active_at = self.began_at = now
        self.began_with = self.received

    def rewind(self) -> None:
        """Forget what came and was not written."""
        self.received = self.written


class SegmentMap:
    """The segments of one file, in order and without gaps between them."""

    def __init__(
        self,
        total: int | None,
        written: Sequence[WrittenRange] = (),
        tuning: Tuning = DEFAULT_TUNING,
    ) -> None:
        self.total = total
        self._tuning = tuning
        self.join_seconds: float | None = None  # what a connection takes to begin, at the least
        self._thefts = 0  # segments taken from stalled connections; each makes the next one wait
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
        """Whether the whole file is there."""
        return all(segment.is_complete for segment in self._segments)

    @property
    def received(self) -> int:
        """Bytes that came, in all."""
        return sum(segment.received - segment.start for segment in self._segments)

    @property
    def missing(self) -> int:
        """Bytes that have not come; 0 while the size is unknown."""
        return sum(segment.missing for segment in self._segments)

    def note_join(self, seconds: float) -> None:
        """A connection took so long to begin."""
        known = self.join_seconds
        self.join_seconds = seconds if known is None else min(known, seconds)

    def lasts_longer(self, seconds: float, now: float, usual: float) -> bool:
        """Whether the largest segment takes longer than this.

        At the speed of its connection, or at the `usual` one (bytes/s) while it is young.
        """
        largest = self._largest
        return largest.missing > (self._speed(largest, now) or usual) * seconds

    def laggard(self, now: float, *, compare: bool = True) -> Segment | None:
        """A segment that another connection would bring sooner: its own has stalled, or is far
        slower than the best was (where speeds may be compared).
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
        """What is in the file."""
        return tuple(
            WrittenRange(segment.start, segment.written, segment.crc)
            for segment in self._segments
            if segment.written > segment.start
        )

    def first(self) -> Segment:
        """Take the first segment that lacks something; for the first connection."""
        incomplete = (segment for segment in self._segments if not segment.is_complete)
        segment = next(incomplete, self._segments[0])  # an empty file has nothing to lack
        segment.is_busy = True
        return segment

    def take(self, now: float, *, compare: bool = True) -> Segment | None:
        """Work for one more connection: what nobody fetches, else half of the largest segment.

        The rest of a laggard's segment is taken whole. None where there is nothing worth a
        connection.
        """
        segment = next((s for s in self._segments if s.missing and not s.is_busy), None)
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
        """Undo a `take` that brought nothing: the segment before it goes on to its end.

        False where nobody is there to go on.
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
                del self._segments[index]  # nothing is left of it
        return second

    def _speed(self, segment: Segment, now: float) -> float:
        return segment.speed(now, self._tuning.speed_after_seconds)

    @property
    def _largest(self) -> Segment:
        return max(self._segments, key=lambda segment: segment.missing)

    def _patience(self, *, is_unlimited: bool) -> float:
        """Seconds without a byte after which a connection loses its segment."""
        seconds = self._tuning.takeover_seconds
        is_near_end = self._largest.missing < 2 * self._tuning.min_segment_bytes
        if is_unlimited and is_near_end and self.join_seconds is not None:
            prompt = max(self.join_seconds * _TAKEOVER_TIMES, self._tuning.min_takeover_seconds)
            seconds = min(seconds, prompt)
        return seconds * (1 + self._thefts)
