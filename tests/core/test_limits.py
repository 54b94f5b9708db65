"""Limits of speed, on a clock of the test's own."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import product

import pytest

from rheo_core.domain.hosts import HostLimits
from rheo_core.transfer import RateLimits, Throttle, TokenBucket


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, self._count, future))
        await future

    async def run(self, *tasks: Awaitable[object], until: float = float("inf")) -> None:
        """Let time pass until the tasks have ended, or up to `until`."""
        running = [asyncio.ensure_future(task) for task in tasks]
        while not all(task.done() for task in running):
            for _ in range(5):
                await asyncio.sleep(0)
            if not self._sleepers:
                continue
            wake, _, future = first = min(self._sleepers, key=lambda entry: entry[:2])
            if wake > until:
                self.now = until
                return
            self._sleepers.remove(first)
            self.now = max(self.now + 1e-6, wake)  # no loop is quicker than that
            if not future.done():  # else the sleeper was cancelled
                future.set_result(None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock, real_sleep = Clock(), asyncio.sleep

    async def sleep(seconds: float) -> None:
        await (clock.sleep(seconds) if seconds > 0 else real_sleep(0))

    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return clock


class Connection:
    """Takes whatever it may, at the speed that the server gives it."""

    def __init__(
        self, clock: Clock, throttle: Throttle, chunk: int = 4 << 20, speed: float = float("inf")
    ) -> None:
        self._clock, self._throttle, self._chunk, self._speed = clock, throttle, chunk, speed
        self.received = 0

    async def run(self, total: float = float("inf")) -> None:
        self._throttle.join()
        try:
            await self._receive(total)
        finally:
            self._throttle.leave()

    async def _receive(self, total: float) -> None:
        while self.received < total:
            granted = await self._throttle.take(int(min(self._chunk, total - self.received)))
            assert 0 < granted <= self._chunk
            if self._speed < float("inf"):
                await self._clock.sleep(granted / self._speed)
            self.received += granted
            self._throttle.settle(granted, granted)


def connection(
    clock: Clock, limits: RateLimits, download: str = "d", **options: float
) -> Connection:
    return Connection(clock, limits.throttle(download, None, "a.org:443"), **options)  # type: ignore[arg-type]


async def run_for(clock: Clock, seconds: float, *connections: Connection) -> int:
    """Return the bytes that connections receive in a time."""
    before = sum(one.received for one in connections)
    tasks = [asyncio.ensure_future(one.run()) for one in connections]
    await clock.run(*tasks, until=clock.now + seconds)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return sum(one.received for one in connections) - before


RATES = [10_000, 500_000, 2_000_000, 50_000_000, 1_000_000_000]
CHUNKS = [16 << 10, 256 << 10, 4 << 20]


@pytest.mark.parametrize(
    ("rate", "chunk"),
    [
        pytest.param(rate, chunk, marks=[pytest.mark.long] if rate // chunk > 10_000 else [])
        for rate, chunk in product(RATES, CHUNKS)
    ],
)
@pytest.mark.parametrize("count", [1, 4, 16])
@pytest.mark.halved("rate", "count")
async def test_exact_within_3_percent_over_10_seconds(
    clock: Clock, rate: int, chunk: int, count: int
) -> None:
    limits = RateLimits(rate)
    connections = [connection(clock, limits, str(n), chunk=chunk) for n in range(count)]
    assert await run_for(clock, 10, *connections) == pytest.approx(10 * rate, rel=0.03)


@pytest.mark.parametrize("count", [2, 16])
async def test_exact_where_the_servers_give_little_more(clock: Clock, count: int) -> None:
    limits = RateLimits(2_000_000)
    speed = 1.2 * 2_000_000 / count
    connections = [connection(clock, limits, str(n), speed=speed) for n in range(count)]
    assert await run_for(clock, 10, *connections) == pytest.approx(20_000_000, rel=0.03)


async def test_no_window_of_10_seconds_has_more(clock: Clock) -> None:
    limits = RateLimits(2_000_000)
    connections = [connection(clock, limits, str(n)) for n in range(16)]
    for seconds in (0.37, 10, 1.3, 10):
        received = await run_for(clock, seconds, *connections)
        if seconds == 10:
            assert received == pytest.approx(20_000_000, rel=0.03)


async def test_each_byte_counts_for_every_limit(clock: Clock) -> None:
    limits = RateLimits(10_000_000)
    limits.set_hosts({"*.slow.org": HostLimits(speed_limit_bps=3_000_000)})
    own = Connection(clock, limits.throttle("own", 1_000_000, "a.slow.org:443"))
    host = [Connection(clock, limits.throttle("h", None, "a.slow.org:443")) for _ in range(4)]
    rest = [Connection(clock, limits.throttle(str(n), None, "b.org:443")) for n in range(11)]
    await run_for(clock, 10, own, *host, *rest)
    # The limits share out what they have by turns, so nobody needs all that is allowed.
    assert 500_000 < own.received <= 10_300_000
    by_host = own.received + sum(one.received for one in host)
    assert by_host <= 30_900_000
    total = by_host + sum(one.received for one in rest)
    assert total == pytest.approx(100_000_000, rel=0.03)


async def test_a_host_has_one_limit_for_all_its_ports(clock: Clock) -> None:
    limits = RateLimits()
    limits.set_hosts({"a.org": HostLimits(speed_limit_bps=2_000_000)})
    throttles = [limits.throttle(port, None, f"a.org:{port}") for port in ("80", "443", "8443")]
    connections = [Connection(clock, throttle) for throttle in throttles]
    assert await run_for(clock, 10, *connections) == pytest.approx(20_000_000, rel=0.03)


@pytest.mark.parametrize("count", [1, 16])
async def test_the_lowest_of_several_limits_holds_exactly(clock: Clock, count: int) -> None:
    limits = RateLimits(10_000_000)
    limits.set_hosts({"a.org": HostLimits(speed_limit_bps=2_000_000)})
    connections = [connection(clock, limits, str(n)) for n in range(count)]
    assert await run_for(clock, 10, *connections) == pytest.approx(20_000_000, rel=0.03)
    limits.set_total(500_000)
    await run_for(clock, 1, *connections)
    assert await run_for(clock, 10, *connections) == pytest.approx(5_000_000, rel=0.03)


async def test_a_download_has_one_limit_for_all_its_hosts(clock: Clock) -> None:
    limits = RateLimits()
    throttles = [limits.throttle("d", 1_000_000, f"{host}.org:443") for host in "abc"]
    connections = [Connection(clock, throttle) for throttle in throttles]
    assert await run_for(clock, 10, *connections) == pytest.approx(10_000_000, rel=0.03)
    limits.set_download("d", 100_000)
    assert await run_for(clock, 10, *connections) == pytest.approx(1_000_000, rel=0.03)
    limits.set_download("unknown", 1)


async def test_nobody_starves(clock: Clock) -> None:
    limits = RateLimits(100_000)
    connections = [connection(clock, limits, str(n)) for n in range(3)]
    await run_for(clock, 30, *connections)
    assert min(one.received for one in connections) > 900_000


async def test_no_limit_takes_no_time(clock: Clock) -> None:
    limits, began = RateLimits(), clock.now
    throttle = limits.throttle("d", None, "a.org:443")
    assert not throttle.is_on and not throttle.is_limited
    assert await throttle.take(10**12) == 10**12
    assert clock.now == began


async def test_a_limit_turns_the_hot_path_to_the_buckets_and_back() -> None:
    limits = RateLimits()
    throttle = limits.throttle("d", None, "a.org:443")
    changes: list[tuple[Callable[..., None], tuple[object, ...], tuple[object, ...]]] = [
        (limits.set_total, (1,), (None,)),
        (limits.set_download, ("d", 1), ("d", None)),
        (limits.set_hosts, ({"a.org": HostLimits(speed_limit_bps=1)},), ({},)),
        (limits.set_budget, (1,), (None,)),
    ]
    for change, limited, lifted in changes:
        change(*limited)
        assert throttle.is_on
        change(*lifted)
        assert not throttle.is_on
    assert limits.throttle("e", 1, "a.org:443").is_on


async def test_the_rate_changes_live(clock: Clock) -> None:
    limits, began = RateLimits(1_000), clock.now
    task = asyncio.ensure_future(connection(clock, limits).run(1_000_000))  # 1000 s at this rate
    await clock.run(task, until=began + 1)
    limits.set_total(1_000_000)
    await clock.run(task)
    assert clock.now - began < 3


async def test_a_far_lower_rate_holds_at_once_and_evenly(clock: Clock) -> None:
    limits = RateLimits(100_000_000)
    connections = [connection(clock, limits, str(n)) for n in range(16)]
    await run_for(clock, 3, *connections)
    limits.set_total(100_000)
    for _ in range(10):  # nobody pays for what was claimed at the rate before
        assert await run_for(clock, 1, *connections) == pytest.approx(100_000, rel=0.35)


async def test_lifting_the_limit_frees_whoever_waits(clock: Clock) -> None:
    limits, began = RateLimits(1), clock.now
    throttle = limits.throttle("d", None, "a.org:443")
    task = asyncio.ensure_future(connection(clock, limits).run(1_000_000))
    await clock.run(task, until=began + 1)
    assert limits.total.takers == 1 and throttle.is_limited
    limits.set_total(None)
    await clock.run(task)
    assert clock.now - began < 2
    limits.set_total(1_000_000)
    began = clock.now
    await clock.run(connection(clock, limits).run(500_000))  # no debt of the time before
    assert clock.now - began == pytest.approx(0.5, abs=0.01)


async def test_idle_time_saves_up_little(clock: Clock) -> None:
    limits = RateLimits(1_000_000)
    clock.now += 3600
    began = clock.now
    await clock.run(connection(clock, limits).run(10_000_000))
    assert 9.7 <= clock.now - began <= 10


async def test_a_cancelled_taker_harms_nobody(clock: Clock) -> None:
    limits, began = RateLimits(1_000), clock.now
    throttle = limits.throttle("d", None, "a.org:443")
    task = asyncio.ensure_future(throttle.take(1_000))
    await clock.run(task, until=began + 0.5)
    assert throttle.is_waiting
    task.cancel()
    await asyncio.wait({task})
    assert not throttle.is_waiting
    await clock.run(connection(clock, limits).run(1_000))
    assert clock.now - began == pytest.approx(1.4, abs=0.01)  # all but a tenth was not saved up


async def test_more_than_was_granted_is_paid_later(clock: Clock) -> None:
    limits, began = RateLimits(100_000), clock.now
    throttle = limits.throttle("d", None, "a.org:443")
    granted = await asyncio.ensure_future(_within(clock, throttle.take(1_000)))
    throttle.settle(granted, 1_000_000)  # a response's head brought it along
    await clock.run(connection(clock, limits).run(1_000))
    assert clock.now - began == pytest.approx(10, rel=0.03)


async def _within(clock: Clock, take: Awaitable[int]) -> int:
    granted = 0

    async def work() -> None:
        nonlocal granted
        granted = await take

    await clock.run(work())
    return granted


@pytest.mark.parametrize("count", [1, 16])
async def test_a_budget_is_kept_to_the_byte(clock: Clock, count: int) -> None:
    limits = RateLimits()
    limits.set_budget(50_000_001)
    connections = [connection(clock, limits, str(n), speed=10e6) for n in range(count)]
    assert await run_for(clock, 100, *connections) == 50_000_001
    assert limits.spent.is_set()
    limits.set_budget(None)
    assert not limits.spent.is_set()


async def test_a_budget_is_spent_when_the_last_of_it_has_come(clock: Clock) -> None:
    limits = RateLimits()
    limits.set_budget(1000)
    first = limits.throttle("a", None, "a.org:443")
    assert await first.take(5000) == 1000
    waiting = asyncio.ensure_future(first.take(10))
    await clock.run(waiting, until=clock.now + 5)
    assert not limits.spent.is_set()
    first.settle(1000, 400)  # its connection broke: the rest is for another one
    granted = await _within(clock, waiting)
    assert granted == 10
    first.settle(10, 10)
    assert await first.take(1000) == 590
    first.settle(590, 590)
    assert limits.spent.is_set()


@pytest.mark.parametrize(
    ("rate", "takers", "portion"),
    [(None, 0, sys.maxsize), (1, 0, 1024), (1_000_000, 0, 50_000), (1_000_000, 10, 20_000)],
)
def test_portion(rate: int | None, takers: int, portion: int) -> None:
    bucket = TokenBucket(rate)
    bucket.takers = takers
    assert bucket.portion == portion
