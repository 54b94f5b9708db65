"""Schedules of speed limits (`Mon-Fri 08:00-18:00 2M`), and start times."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .text import printable
from .units import parse_rate, share_of_rate

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EVERY_DAY = frozenset(range(7))
_TIME = re.compile(r"\d{1,2}:\d\d", re.A)
_SPAN = re.compile(
    r"(?:(?P<days>[a-z]\S*)\s+)?(?P<from>\d{1,2}:\d\d)\s*-\s*(?P<to>\d{1,2}:\d\d)\s+(?P<rate>\S.*)",
    re.I | re.A,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the day in local time. If it ends before it begins, it lasts past midnight."""

    days: frozenset[int]  # days on which it begins; 0 is Monday
    begin: int  # minutes since midnight
    end: int
    rate_bps: int | None  # None: no limit

    def contains(self, now: datetime) -> bool:
        """Return True if the local time `now` is within the span."""
        minute, day = now.hour * 60 + now.minute, now.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        began_today = day in self.days and minute >= self.begin
        return began_today or ((day - 1) % 7 in self.days and minute < self.end)

    @property
    def end_text(self) -> str:
        """Time of the end, such as `18:00`."""
        return f"{self.end // 60:02}:{self.end % 60:02}"


def parse_span(text: str) -> Span:
    """Parse `[DAYS ]HH:MM-HH:MM RATE`.

    DAYS are days or ranges such as `Mon-Fri` or `Sat,Sun`. `parse_rate` reads the RATE.

    Raises:
        ValueError: the text is not valid. The message continues a sentence after "it".
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            "should be a time span such as '08:00-18:00 2M', 'Mon-Fri 08:00-18:00 2M' or "
            "'Sat,Sun 00:00-24:00 off'"
        )
    begin, end = _minutes(match["from"]), _minutes(match["to"])
    if begin == end or begin == 24 * 60:
        raise ValueError(f"should not be empty, as {match['from']}-{match['to']} is")
    try:
        rate = parse_rate(match["rate"])
    except ValueError as error:
        raise ValueError(f"ends with {match['rate']!r}, which {error}") from None
    return Span(_days(match["days"]) if match["days"] else _EVERY_DAY, begin, end, rate)


def share_of_line(line: str, count: int) -> str:
    """Return a valid line of a schedule with one of `count` equal shares of its rate."""
    match = _SPAN.fullmatch(line := line.strip())
    rate = None if match is None else share_of_rate(parse_rate(match["rate"]), count)
    return line if match is None or rate is None else f"{line[: match.start('rate')]}{rate}"


def parse_schedule(lines: Iterable[str]) -> tuple[Span, ...]:
    """Return the spans of a schedule in their order.

    Raises:
        ValueError: a line is not valid. The message is one sentence with the line, without a full
            stop.
    """
    spans = []
    for line in lines:
        try:
            spans.append(parse_span(line))
        except ValueError as error:
            raise ValueError(f"{printable(repr(line))} is not valid: it {error}") from None
    return tuple(spans)


def span_at(spans: Iterable[Span], now: datetime) -> Span | None:
    """Return the first span that contains the local time `now`; None if none does."""
    return next((span for span in spans if span.contains(now)), None)


def parse_start(text: str, now: datetime) -> float:
    """Return a start time in seconds since the epoch: the next `23:30`, or `2026-11-24T01:00`.

    Args:
        text: a time; without an offset it is local.
        now: the current local time.

    Raises:
        ValueError: the text is not valid. The message continues a sentence after "it".
    """
    text = text.strip()
    today = f"{now:%Y-%m-%d}T{text:0>5}" if _TIME.fullmatch(text) else None
    try:
        at = datetime.fromisoformat(today or text)
        if today is not None:
            at = at.replace(fold=now.fold)  # the hour that occurs twice when summer time ends
        if today is not None and at <= now:
            at += timedelta(days=1)
        seconds = at.timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError("should be a time such as 23:30 or 2026-11-24T01:00") from None
    if seconds <= now.timestamp():
        raise ValueError("should be in the future")
    return seconds


def start_text(start_at: float, now: datetime) -> str:
    """Return a start time for people, local: `23:30`, or `2026-11-24 01:00` on another day."""
    at = datetime.fromtimestamp(start_at)
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"


def _minutes(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > 24 * 60:
        raise ValueError(f"contains {text}; times are 00:00 to 24:00")
    return hour * 60 + minute


def _days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError(f"contains {text!r}; days are Mon to Sun, as in Mon-Fri or Sat,Sun")
        begin = _DAYS.index(first)
        count = (_DAYS.index(last) - begin) % 7 if dash else 0
        days.update((begin + number) % 7 for number in range(count + 1))
    return frozenset(days)
