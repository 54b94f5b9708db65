"""Times of the day at which another speed limit holds: `Mon-Fri 08:00-18:00 2M`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .sizes import parse_rate
from .text import printable

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EVERY_DAY = frozenset(range(7))
_TIME = re.compile(r"\d{1,2}:\d\d", re.A)
_SPAN = re.compile(
    r"(?:(?P<days>[a-z]\S*)\s+)?(?P<from>\d{1,2}:\d\d)\s*-\s*(?P<to>\d{1,2}:\d\d)\s+(?P<rate>\S.*)",
    re.I | re.A,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the day, in local time; one that ends before it begins lasts over midnight."""

    days: frozenset[int]  # on which it begins; 0 is Monday
    begin: int  # minutes since midnight
    end: int
    rate_bps: int | None  # None: no limit

    def holds(self, now: datetime) -> bool:
        """Whether `now`, a local time, is in it."""
        minute, day = now.hour * 60 + now.minute, now.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        began_today = day in self.days and minute >= self.begin
        return began_today or ((day - 1) % 7 in self.days and minute < self.end)

    @property
    def end_text(self) -> str:
        """When it ends, such as `18:00`."""
        return f"{self.end // 60:02}:{self.end % 60:02}"


def parse_span(text: str) -> Span:
    """A span from `[DAYS ]HH:MM-HH:MM RATE`.

    DAYS are such as `Mon-Fri` or `Sat,Sun`; RATE as `parse_rate` has it.

    Raises:
        ValueError: in words that go on after "it": what is allowed.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            "should be such as '08:00-18:00 2M', 'Mon-Fri 08:00-18:00 2M' or "
            "'Sat,Sun 00:00-24:00 off'"
        )
    begin, end = _minutes(match["from"]), _minutes(match["to"])
    if begin == end or begin == 24 * 60:
        raise ValueError(f"should last for some time, which {match['from']}-{match['to']} does not")
    try:
        rate = parse_rate(match["rate"])
    except ValueError as error:
        raise ValueError(f"ends with {match['rate']!r}, which {error}") from None
    return Span(_days(match["days"]) if match["days"] else _EVERY_DAY, begin, end, rate)


def parse_schedule(lines: Iterable[str]) -> tuple[Span, ...]:
    """The spans of a schedule, in its order.

    Raises:
        ValueError: in one sentence without its full stop, naming the line.
    """
    spans = []
    for line in lines:
        try:
            spans.append(parse_span(line))
        except ValueError as error:
            raise ValueError(f"{printable(repr(line))} is not valid: it {error}") from None
    return tuple(spans)


def span_at(spans: Iterable[Span], now: datetime) -> Span | None:
    """The first that holds at `now`, a local time."""
    return next((span for span in spans if span.holds(now)), None)


def parse_start(text: str, now: datetime) -> float:
    """When to start, in seconds since the epoch: the next `23:30`, or `2026-11-24T01:00`.

    Times without an offset are local, as `now` is.

    Raises:
        ValueError: in words that go on after "it": what is allowed.
    """
    text = text.strip()
    today = f"{now:%Y-%m-%d}T{text:0>5}" if _TIME.fullmatch(text) else None
    try:
        at = datetime.fromisoformat(today or text)
        if today is not None:
            at = at.replace(fold=now.fold)  # the hour that winter time brings twice
        if today is not None and at <= now:
            at += timedelta(days=1)
        seconds = at.timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError("should be a time such as 23:30 or 2026-11-24T01:00") from None
    if seconds <= now.timestamp():
        raise ValueError("should be a time to come")
    return seconds


def start_text(start_at: float, now: datetime) -> str:
    """That time for people, local: `23:30`, or `2026-11-24 01:00` where it is another day."""
    at = datetime.fromtimestamp(start_at)
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"


def _minutes(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > 24 * 60:
        raise ValueError(f"names {text}, and the times of a day are 00:00 to 24:00")
    return hour * 60 + minute


def _days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError(f"names {text!r}, and the days are Mon to Sun, as Mon-Fri or Sat,Sun")
        begin = _DAYS.index(first)
        count = (_DAYS.index(last) - begin) % 7 if dash else 0
        days.update((begin + number) % 7 for number in range(count + 1))
    return frozenset(days)
