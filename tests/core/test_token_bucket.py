"""The token bucket, on a clock of the test's own."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import pytest

from rheo_core.transfer import TokenBucket


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

    async def run(self, *tasks: Awaitable[None], until: float = float("inf")) -> None:
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


def taker(bucket: TokenBucket, total: int, portion: int = 1000) -> Callable[[], Awaitable[None]]:
    async def take() -> None:
        for _ in range(total // portion):
            await bucket.take(portion)

    return take


@pytest.mark.parametrize("rate", [1_000, 64_000, 10_000_000])
async def test_exact_over_a_long_run(clock: Clock, rate: int) -> None:
    bucket, began = TokenBucket(rate), clock.now
    portion = bucket.portion
    await clock.run(taker(bucket, 500 * portion, portion)())
    assert clock.now - began == pytest.approx(500 * portion / rate, rel=0.01)


@pytest.mark.parametrize("takers", [2, 5])
async def test_several_takers_share_one_rate(clock: Clock, takers: int) -> None:
    bucket, began = TokenBucket(100_000), clock.now
    await clock.run(*(taker(bucket, 200_000)() for _ in range(takers)))
    assert clock.now - began == pytest.approx(2 * takers, rel=0.02)


async def test_nobody_starves(clock: Clock) -> None:
    bucket, taken = TokenBucket(100_000), [0, 0, 0]

    async def take(index: int) -> None:
        while True:
            await bucket.take(1000)
            taken[index] += 1000

    tasks = [asyncio.ensure_future(take(index)) for index in range(3)]
    await clock.run(*tasks, until=clock.now + 30)
    for task in tasks:
        task.cancel()
    assert sum(taken) == pytest.approx(3_000_000, rel=0.02)
    assert min(taken) > 300_000


async def test_no_limit_takes_no_time(clock: Clock) -> None:
    bucket, began = TokenBucket(), clock.now
    assert bucket.rate_bps is None
    await bucket.take(10**12)
    assert clock.now == began


async def test_the_rate_changes_live(clock: Clock) -> None:
    bucket, began = TokenBucket(1_000), clock.now
    task = asyncio.ensure_future(taker(bucket, 1_000_000, 100_000)())  # 1000 seconds at this rate
    await clock.run(task, until=began + 1)
    bucket.rate_bps = 1_000_000
    await clock.run(task)
    assert clock.now - began < 3


async def test_lifting_the_limit_frees_whoever_waits(clock: Clock) -> None:
    bucket, began = TokenBucket(1), clock.now
    task = asyncio.ensure_future(bucket.take(1_000_000))
    await clock.run(task, until=began + 1)
    bucket.rate_bps = None
    await clock.run(task)
    assert clock.now - began < 2
    bucket.rate_bps = 1_000_000
    began = clock.now
    await clock.run(bucket.take(500_000))  # no debt of the time before
    assert clock.now - began == pytest.approx(0.5, abs=0.01)


async def test_slowing_down_holds_at_once(clock: Clock) -> None:
    bucket = TokenBucket(1_000_000)
    await clock.run(taker(bucket, 1_000_000)())
    bucket.rate_bps, began = 10_000, clock.now
    await clock.run(taker(bucket, 100_000)())
    assert clock.now - began == pytest.approx(10, rel=0.1)


async def test_idle_time_saves_up_little(clock: Clock) -> None:
    bucket = TokenBucket(1_000)
    clock.now += 3600
    began = clock.now
    await clock.run(taker(bucket, 10_000, 10)())
    assert 9.7 <= clock.now - began <= 10


async def test_a_cancelled_taker_harms_nobody(clock: Clock) -> None:
    bucket, began = TokenBucket(1_000), clock.now
    task = asyncio.ensure_future(bucket.take(1_000))
    await clock.run(task, until=began + 0.5)
    task.cancel()
    await asyncio.wait({task})
    await clock.run(bucket.take(1_000))
    assert clock.now - began == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(
    ("rate", "portion"),
    [(None, sys.maxsize), (1, 1024), (1_000_000, 50_000), (10**9, 1 << 18)],
)
def test_portion(rate: int | None, portion: int) -> None:
    assert TokenBucket(rate).portion == portion
