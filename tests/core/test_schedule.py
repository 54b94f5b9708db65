"""The schedule: what its lines mean, and that how it is followed over midnight."""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from rheo_core.domain.schedule import (
    parse_schedule,
    parse_span,
    parse_start,
    share_of_line,
    span_at,
    start_text,
)
from rheo_core.downloads.total_speed_limit import TotalSpeedLimit
from rheo_core.transfer import RateLimits

WORKDAYS = "Mon-Fri 08:00-18:00 2M"
MONDAY = datetime(2026, 11, 23)


@pytest.mark.parametrize(
    ("line", "moment", "holds"),
    [
        ("08:00-18:00 2M", "Mon 07:59", False),
        ("08:00-18:00 2M", "Mon 08:00", True),
        ("08:00-18:00 2M", "Sun 17:59", True),
        ("08:00-18:00 2M", "Mon 18:00", False),
        ("8:00 - 18:00  2 MB/s", "Mon 12:00", True),
        (WORKDAYS, "Fri 12:00", True),
        (WORKDAYS, "Sat 12:00", False),
        ("sat,SUN 00:00-24:00 off", "Sun 23:59", True),
        ("sat,SUN 00:00-24:00 off", "Mon 00:00", False),
        ("Fri 22:00-06:00 5M", "Fri 23:00", True),
        ("Fri 22:00-06:00 5M", "Sat 05:59", True),
        ("Fri 22:00-06:00 5M", "Sat 06:00", False),
        ("Fri 22:00-06:00 5M", "Fri 05:00", False),
        ("Sun 22:00-06:00 5M", "Mon 05:00", True),
        ("Sat-Mon 10:00-11:00 1M", "Sun 10:30", True),
        ("Sat-Mon 10:00-11:00 1M", "Tue 10:30", False),
    ],
)
def test_when_a_span_holds(line: str, moment: str, holds: bool) -> None:
    day, clock = moment.split()
    hour, minute = map(int, clock.split(":"))
    number = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun").index(day)
    now = MONDAY + timedelta(days=number, hours=hour, minutes=minute)
    assert (span_at(parse_schedule([line]), now) is not None) is holds


def test_the_first_that_fits_holds() -> None:
    spans = parse_schedule(["12:00-13:00 off", "08:00-18:00 2M"])
    lunch, work = span_at(spans, MONDAY.replace(hour=12)), span_at(spans, MONDAY.replace(hour=9))
    assert lunch is not None and lunch.rate_bps is None
    assert work is not None and (work.rate_bps, work.end_text) == (2_000_000, "18:00")


@pytest.mark.parametrize("line", [WORKDAYS, "  22:00 - 06:00  1.5 MiB/s ", "0:00-24:00 off"])
@pytest.mark.parametrize("count", [1, 3, 10_000_000])
def test_a_share_of_a_line_has_the_same_times(line: str, count: int) -> None:
    whole, share = parse_span(line), parse_span(share_of_line(line, count))
    assert (share.days, share.begin, share.end) == (whole.days, whole.begin, whole.end)
    rate = whole.rate_bps
    assert share.rate_bps == (None if rate is None else max(rate // count, 1))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "should be a time span such as '08:00-18:00 2M'"),
        ("08:00 2M", "should be a time span such as"),
        ("08:00-18:00", "should be a time span such as"),
        ("25:00-26:00 2M", "contains 25:00; times are"),
        ("08:60-09:00 2M", "contains 08:60"),
        ("08:00-08:00 2M", "should not be empty, as"),
        ("24:00-06:00 2M", "should not be empty, as"),
        ("Mon-Fry 08:00-18:00 2M", "contains 'Mon-Fry'; days are"),
        ("Mon, 08:00-18:00 2M", "contains 'Mon,'"),
        ("08:00-18:00 fast", "ends with 'fast', which should be bytes per second"),
    ],
)
def test_a_bad_line_is_named_in_one_sentence(line: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_schedule(["08:00-09:00 1M", line])
    assert str(caught.value).startswith(f"{line!r} is not valid: it ")
    assert told in str(caught.value)


NOON = MONDAY.replace(hour=12)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("23:30", MONDAY.replace(hour=23, minute=30)),
        ("9:05", MONDAY.replace(hour=9, minute=5) + timedelta(days=1)),
        ("12:00", NOON + timedelta(days=1)),
        (" 2026-11-24T01:00 ", datetime(2026, 11, 24, 1)),
        ("2026-11-24 01:00:30", datetime(2026, 11, 24, 1, 0, 30)),
        ("2026-11-30", datetime(2026, 11, 30)),
    ],
)
def test_when_to_start(text: str, at: datetime) -> None:
    assert parse_start(text, NOON) == at.timestamp()


@pytest.mark.parametrize("text", ["", "soon", "24:00", "12:60", "2026-02-30T01:00", "1:2:3", "99"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="should be a time such as 23:30 or"):
        parse_start(text, NOON)


def test_the_past_is_no_time_to_start() -> None:
    with pytest.raises(ValueError, match="should be in the future"):
        parse_start("2026-11-23T11:59", NOON)


def test_the_day_is_told_where_it_is_another() -> None:
    at = MONDAY.replace(hour=23, minute=30)
    assert start_text(at.timestamp(), NOON) == "23:30"
    assert start_text(at.timestamp(), NOON - timedelta(days=1)) == "2026-11-23 23:30"


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time zone with summer time, by rule: no files of zones are needed."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_comes_twice(fold: int) -> None:
    """At each 2:45 of the night in which summer time ends, 2:50 is to come."""
    now = datetime(2026, 10, 25, 2, 45, fold=fold)
    assert parse_start("2:50", now) == now.timestamp() + 300


@pytest.mark.usefixtures("berlin")
def test_summer_time_moves_the_span_with_the_clock_on_the_wall() -> None:
    spans = parse_schedule(["01:30-03:30 1M"])

    def hours(day: datetime) -> float:
        begin = int(day.timestamp())
        moments = map(datetime.fromtimestamp, range(begin, begin + 6 * 3600, 60))
        return sum(span_at(spans, moment) is not None for moment in moments) / 60

    assert hours(datetime(2026, 6, 1)) == 2
    assert hours(datetime(2026, 3, 29)) == 1  # 02:00 to 03:00 is left out
    assert hours(datetime(2026, 10, 25)) == 3  # and here it comes twice
    later = parse_start("04:00", datetime(2026, 3, 29, 1))
    assert later - datetime(2026, 3, 29, 1).timestamp() == 2 * 3600


class Wall:
    """A clock on the wall, and a plan that goes by it."""

    def __init__(self, *schedule: str, rate: int | None = 7_000_000) -> None:
        self.now = MONDAY.replace(hour=7)
        self.limits = RateLimits()
        self.plan = TotalSpeedLimit(
            self.limits,
            rate_bps=rate,
            slow_bps=100_000,
            schedule=parse_schedule(schedule),
            clock=lambda: self.now,
        )

    def at(self, hour: int, minute: int = 0) -> tuple[int | None, str]:
        """Return the limit at a time of the day, and its reason."""
        self.now = self.now.replace(hour=hour, minute=minute)
        self.plan.follow_clock()
        assert self.plan.rate_bps == self.limits.total.rate_bps
        return self.plan.rate_bps, self.plan.reason


def test_the_plan_follows_the_schedule() -> None:
    wall = Wall("08:00-18:00 2M", "18:00-23:00 off")
    assert wall.at(7, 59) == (7_000_000, "")
    assert wall.at(8) == (2_000_000, "until 18:00")
    assert wall.at(18) == (None, "until 23:00")
    assert wall.at(23) == (7_000_000, "")
    # The machine slept through all of it.
    wall.now += timedelta(days=3)
    assert wall.at(9) == (2_000_000, "until 18:00")


def test_by_hand_it_is_overruled_until_the_span_ends() -> None:
    wall = Wall("08:00-18:00 2M", "18:00-23:00 off")
    wall.at(9)
    wall.plan.set_rate(3_000_000)
    assert wall.at(10) == (3_000_000, "")
    wall.plan.set_schedule(parse_schedule(["08:00-18:00 2M", "18:00-23:00 off"]))  # no news
    assert wall.at(11) == (3_000_000, "")
    assert wall.at(18) == (None, "until 23:00")
    assert wall.at(23) == (3_000_000, "")


def test_slow_mode_is_never_faster_than_what_holds() -> None:
    wall = Wall("08:00-18:00 50K", rate=None)
    wall.plan.set_slow(on=True)
    assert wall.at(7) == (100_000, "slow mode")
    assert wall.at(8) == (50_000, "slow mode")
    wall.plan.set_slow(rate_bps=20_000)
    assert wall.at(8) == (20_000, "slow mode")
    wall.plan.set_slow(on=False)
    assert wall.at(8) == (50_000, "until 18:00")
    wall.plan.set_slow(on=True)
    wall.plan.set_rate(5_000_000)
    assert wall.at(8) == (5_000_000, "")


async def test_the_plan_looks_by_itself_and_takes_another_schedule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wall, naps = Wall(), []
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        wall.now += timedelta(hours=1)
        await real_sleep(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    running = asyncio.create_task(wall.plan.run())
    for _ in range(5):
        await real_sleep(0)
    assert naps == []  # nothing to look at
    wall.plan.set_schedule(parse_schedule(["07:00-09:00 1M", "10:00-11:00 2M"]))
    assert wall.plan.rate_bps == 1_000_000
    while wall.now.hour < 10:
        await real_sleep(0)
    await real_sleep(0)
    assert wall.plan.rate_bps == 2_000_000
    assert max(naps) <= 10
    wall.plan.set_schedule(())
    assert wall.plan.rate_bps == 7_000_000
    running.cancel()
