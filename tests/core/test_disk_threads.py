"""Threads for the disk: what comes back, and who waits for what."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest

from rheo_core.domain.exceptions import ShortageError
from rheo_core.infrastructure.disk import DiskThreads, TurnBatch
from tests.waiting import Until

LIMIT = 20.0


@pytest.fixture
async def disk() -> AsyncIterator[DiskThreads]:
    disk = DiskThreads(2)
    yield disk
    disk.close()


class Job:
    """Work that lasts until it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.began = threading.Event()
        self.go = threading.Event()
        self.ended = threading.Event()
        self._error = error

    def __call__(self) -> str:
        self.began.set()
        assert self.go.wait(LIMIT)
        self.ended.set()
        if self._error is not None:
            raise self._error
        return "done"


async def test_results(disk: DiskThreads) -> None:
    assert await disk.run(divmod, 7, 2) == (3, 1)
    assert await disk.run(int, "ff", base=16) == 255
    assert await disk.submit(threading.current_thread) is not threading.current_thread()


@pytest.mark.parametrize("error", [OSError(5, "no"), ValueError("x"), KeyError(1)])
async def test_errors(disk: DiskThreads, error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await disk.run(fail)
    assert caught.value is error
    assert await disk.run(len, "abc") == 3  # the thread lives on


async def test_the_end_of_an_iterator_is_an_error(disk: DiskThreads) -> None:
    """asyncio refuses StopIteration, because it would end the coroutine that awaits it."""
    row: TurnBatch[Iterator[int], int] = TurnBatch(next, lambda jobs: None)
    for _ in range(2):  # in a thread, then on the loop
        with pytest.raises(RuntimeError, match="StopIteration") as caught:
            async with asyncio.timeout(LIMIT):
                await disk.submit_to(row, iter(()))
        assert isinstance(caught.value.__cause__, StopIteration)
        assert await disk.submit_to(row, iter([5])) == 5
    assert await disk.run(len, "abc") == 3  # the threads and the loop live on


async def test_errors_that_are_none_come_back_too(disk: DiskThreads) -> None:
    def leave() -> None:
        raise SystemExit(3)

    work = disk.submit(leave)
    with pytest.raises(SystemExit):
        await work


async def test_as_many_at_a_time_as_there_are_threads(disk: DiskThreads, until: Until) -> None:
    jobs = [Job() for _ in range(4)]
    works = [disk.submit(job) for job in jobs]
    await until(lambda: sum(job.began.is_set() for job in jobs) == 2)
    first, second, third, fourth = jobs
    assert first.began.is_set() and second.began.is_set()
    first.go.set()
    assert await works[0] == "done"
    await until(third.began.is_set)
    assert not fourth.began.is_set() and not works[1].done()
    for job in jobs:
        job.go.set()
    assert await asyncio.gather(*works) == ["done"] * 4


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def take(self, seconds: float) -> threading.Thread:
        """Work that takes so long, and tells who did it."""
        self.now += seconds
        return threading.current_thread()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("rheo_core.infrastructure.disk.time", clock)
    return clock


def row_of(step: Callable[[float], threading.Thread]) -> TurnBatch[float, threading.Thread]:
    return TurnBatch(step, lambda _: None)


async def test_brief_work_is_done_on_the_loop_where_it_was_quick(
    disk: DiskThreads, clock: Clock
) -> None:
    look, another = row_of(clock.take), row_of(clock.take)
    here = threading.current_thread()
    assert await disk.submit_to(look, 0.0001) is not here  # who knows how quick it is?
    assert await disk.submit_to(look, 0.0001) is here
    assert await disk.submit_to(another, 5.0) is not here
    assert await disk.submit_to(another, 5.0) is not here  # nobody has found it quick
    assert await disk.submit_to(look, 0.005) is here
    assert await disk.submit_to(look, 0.0001) is here  # it was but a hiccup
    assert await disk.submit_to(look, 5.0) is here
    for _ in range(3):  # quick ones on another disk do not bring the loop back at once
        assert await disk.submit_to(look, 0.0001) is not here
    clock.now += 1.0
    assert await disk.submit_to(look, 0.005) is here
    assert await disk.submit_to(look, 0.0001) is not here  # it is slow still


async def test_the_loop_does_brief_work_of_one_turn_in_a_row(
    disk: DiskThreads, clock: Clock
) -> None:
    here, order = threading.current_thread(), list[object]()

    def look(seconds: float) -> threading.Thread:
        order.append(seconds)
        return clock.take(seconds)

    def settle(jobs: Sequence[float]) -> None:
        order.append(tuple(jobs))

    async def look_and_go_on(seconds: float) -> threading.Thread:
        done = await disk.submit_to(row, seconds)
        order.append("went on")
        return done

    row = TurnBatch(look, settle)
    await disk.submit_to(row, 0.0)
    done = await asyncio.gather(*(look_and_go_on(number / 10_000) for number in range(1, 4)))
    assert done == [here] * 3
    together = (0.0001, 0.0002, 0.0003)
    assert order == [0.0, (0.0,), *together, together, *["went on"] * 3]
    after_a_slow_one = await asyncio.gather(*(look_and_go_on(5.0) for _ in range(3)))
    assert after_a_slow_one[0] is here and here not in after_a_slow_one[1:]
    assert order.count((5.0,)) == 3


async def test_what_settles_a_row_counts_as_slow_too(disk: DiskThreads, clock: Clock) -> None:
    def settle(jobs: Sequence[float]) -> None:
        clock.take(sum(jobs))

    here = threading.current_thread()
    row = TurnBatch[float, threading.Thread](lambda _: threading.current_thread(), settle)
    assert await disk.submit_to(row, 0.0) is not here
    assert await disk.submit_to(row, 0.01) is here
    assert await disk.submit_to(row, 0.0) is not here


async def test_work_that_is_slow_by_little(disk: DiskThreads, clock: Clock) -> None:
    here, row = threading.current_thread(), row_of(clock.take)
    await disk.submit_to(row, 0.0001)
    done = [await disk.submit_to(row, 0.0012) for _ in range(40)]
    assert done[0] is here
    assert done[-1] is not here


@pytest.mark.parametrize("at_end", [False, True])
async def test_errors_of_brief_work(disk: DiskThreads, at_end: bool) -> None:
    def fail(jobs: object) -> None:
        if jobs != "good":
            raise error

    def step(job: str) -> None:
        if not at_end:
            fail(job)

    def settle(jobs: Sequence[str]) -> None:
        for job in jobs:
            fail(job)

    error, row = OSError(5, "no"), TurnBatch(step, settle)
    for _ in range(3):
        done = [disk.submit_to(row, job) for job in ("good", "bad")]
        with pytest.raises(OSError) as caught:
            await done[1]
        assert caught.value is error
        await asyncio.wait(done)
        assert done[0].exception() in (None, error if at_end else None)
        await disk.submit_to(row, "good")


async def test_one_thread_keeps_the_order() -> None:
    disk, order = DiskThreads(1), list[int]()
    await asyncio.gather(*(disk.run(order.append, number) for number in range(500)))
    assert order == list(range(500))
    disk.close()


async def test_many_jobs_at_once(disk: DiskThreads) -> None:
    """Each result goes to the one who asked for it, however many come with one wake-up."""
    found = await asyncio.gather(*(disk.run(pow, number, 2) for number in range(2000)))
    assert found == [number**2 for number in range(2000)]


async def test_one_wake_up_brings_all_that_is_done(
    disk: DiskThreads, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    calls: list[object] = []
    tell = loop.call_soon_threadsafe

    def told(*what: Any) -> asyncio.Handle:
        calls.append(what)
        return tell(*what)

    monkeypatch.setattr(loop, "call_soon_threadsafe", told)
    last = threading.Event()
    works: list[Awaitable[object]] = [disk.submit(len, "a" * number) for number in range(100)]
    works.append(disk.submit(last.set))
    assert last.wait(LIMIT)  # the loop does not run meanwhile, and the threads do
    assert await asyncio.gather(*works) == [*range(100), None]
    assert 0 < len(calls) <= 4


# Cancellation


@pytest.mark.parametrize("error", [None, OSError(5, "no")])
async def test_a_cancellation_waits_for_the_work(
    disk: DiskThreads, until: Until, error: OSError | None
) -> None:
    job = Job(error)
    task = asyncio.create_task(disk.run(job))
    await until(job.began.is_set)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
    job.go.set()
    await asyncio.wait([task], timeout=LIMIT)
    assert job.ended.is_set()
    assert task.cancelled()


async def test_a_time_limit_waits_for_the_work(disk: DiskThreads, until: Until) -> None:
    job = Job()

    async def limited() -> None:
        async with asyncio.timeout(0):
            await disk.run(job)

    task = asyncio.create_task(limited())
    await until(job.began.is_set)
    await asyncio.sleep(0)
    assert not task.done()
    job.go.set()
    with pytest.raises(TimeoutError):
        await task
    assert job.ended.is_set()


async def test_work_cannot_be_cancelled(disk: DiskThreads) -> None:
    job = Job()
    work = disk.submit(job)
    assert not work.cancel()
    job.go.set()
    assert await work == "done"


async def test_work_that_waits_for_a_thread_is_done_all_the_same(
    disk: DiskThreads, until: Until
) -> None:
    """Work that was handed over is done, so no caller must find out if it had begun."""
    blockers, waiting = [Job(), Job()], Job()
    works = [disk.submit(job) for job in blockers]
    task = asyncio.create_task(disk.run(waiting))
    await until(lambda: all(job.began.is_set() for job in blockers))
    task.cancel()
    for job in (*blockers, waiting):
        job.go.set()
    await asyncio.gather(*works)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waiting.ended.is_set()


@pytest.mark.parametrize("error", [None, OSError(5, "no")])
async def test_long_work_is_told_to_stop(
    disk: DiskThreads, until: Until, error: OSError | None
) -> None:
    began, ended = threading.Event(), threading.Event()

    def read(stop: threading.Event) -> None:
        began.set()
        assert stop.wait(LIMIT)
        ended.set()
        if error is not None:
            raise error

    task = asyncio.create_task(disk.run_stoppable(read))
    await until(began.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_long_work_that_nobody_stops(disk: DiskThreads) -> None:
    assert await disk.run_stoppable(lambda stop: stop.is_set()) is False

    def fail(stop: threading.Event) -> None:
        raise OSError(5, "no")

    with pytest.raises(OSError, match="no"):
        await disk.run_stoppable(fail)


# Loops and the end


def test_two_loops_one_after_the_other() -> None:
    disk = DiskThreads(2)
    before = threading.enumerate()

    async def work() -> list[int]:
        return list(await asyncio.gather(*(disk.run(abs, -number) for number in range(20))))

    assert asyncio.run(work()) == list(range(20))
    assert asyncio.run(work()) == list(range(20))
    disk.close()
    disk.close()
    ours = [thread for thread in threading.enumerate() if thread not in before]
    for thread in ours:
        thread.join(LIMIT)
    assert not any(thread.is_alive() for thread in ours)


def test_a_loop_that_ended_before_the_work() -> None:
    """Nobody waits for it any more, and nothing is raised in its thread."""
    disk, job, raised = DiskThreads(1), Job(), list[object]()
    before = threading.enumerate()
    hook, threading.excepthook = threading.excepthook, raised.append
    try:
        loop = asyncio.new_event_loop()

        async def begin() -> None:
            disk.submit(job)

        loop.run_until_complete(begin())
        loop.close()
        assert job.began.wait(LIMIT)
        job.go.set()

        async def again() -> int:
            return await disk.run(len, "abc")

        assert asyncio.run(again()) == 3
        disk.close()
        for thread in threading.enumerate():
            if thread not in before:
                thread.join(LIMIT)
    finally:
        threading.excepthook = hook
    assert job.ended.is_set() and raised == []


async def test_closed_while_jobs_wait(disk: DiskThreads) -> None:
    """Waiting jobs are done, then the threads end. The next job starts new ones."""
    jobs = [Job() for _ in range(6)]
    works = [disk.submit(job) for job in jobs]
    disk.close()
    assert await disk.run(len, "abc") == 3
    for job in jobs:
        job.go.set()
    assert await asyncio.gather(*works) == ["done"] * 6


async def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortage is reported, and the next job does not wait for a thread that never began."""
    disk = DiskThreads(1)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as context, pytest.raises(ShortageError):
        context.setattr(threading.Thread, "start", refuse)
        disk.submit(len, "abc")
    async with asyncio.timeout(LIMIT):
        assert await disk.run(len, "abc") == 3
    disk.close()


async def test_idle_threads_have_ended_when_it_is_closed() -> None:
    """One that ends while the process exits may free memory twice."""
    disk = DiskThreads(4)
    threads = {await disk.submit(threading.current_thread) for _ in range(20)}
    await asyncio.gather(*(disk.submit(threading.current_thread) for _ in range(20)))
    disk.close()
    assert not any(thread.is_alive() for thread in threads)


async def test_a_busy_thread_does_not_hold_up_the_end(disk: DiskThreads, until: Until) -> None:
    work = Job()
    job = disk.submit(work)
    await until(work.began.is_set)
    disk.close()
    assert not work.ended.is_set()
    work.go.set()
    assert await job == "done"
