"""The pool: slots, stopping, and waits that hold no slot; attempts are stand-ins."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise

import pytest

from rheo_core import FileConfig, PriorityDownloadQueue
from rheo_core.domain.exceptions import WorkerPoolAlreadyStartedError
from rheo_core.downloads.pool import WorkerPool
from rheo_core.transfer import HostLimiter
from tests.waiting import Until


def config(name: object) -> FileConfig:
    return FileConfig(url=f"http://example.com/{name}")


class Attempts:
    """Attempts that run until told how to end."""

    def __init__(self) -> None:
        self.running: dict[str, asyncio.Future[float | None]] = {}
        self.begun: list[str] = []
        self.cancelled: list[str] = []

    async def __call__(self, config: FileConfig) -> float | None:
        self.begun.append(config.id)
        future: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        self.running[config.id] = future
        try:
            return await future
        except asyncio.CancelledError:
            self.cancelled.append(config.id)
            raise
        finally:
            del self.running[config.id]

    def end(self, config: FileConfig, delay: float | None = None) -> None:
        self.running[config.id].set_result(delay)


class House:
    """A pool with a queue and attempts."""

    def __init__(self, slots: int) -> None:
        self.queue = PriorityDownloadQueue()
        self.attempts = Attempts()
        self.requeued: list[str] = []
        self.pool = WorkerPool(self.queue, self.attempts, self._requeue, slots, HostLimiter(99))

    def _requeue(self, config: FileConfig) -> None:
        self.requeued.append(config.id)
        self.queue.put(config)

    @property
    def running(self) -> set[str]:
        return set(self.attempts.running)


def ids(*configs: FileConfig) -> list[str]:
    return [config.id for config in configs]


A, B, C, D = (config(name) for name in "abcd")


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House(2)
    house.pool.start()
    yield house
    await house.pool.close()


async def settle() -> None:
    """Let everything run that need not wait."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_than_slots(house: House) -> None:
    await house.queue.add([A, B, C])
    await settle()
    assert house.attempts.begun == ids(A, B)
    house.attempts.end(A)
    await settle()
    assert house.attempts.begun == ids(A, B, C)
    house.attempts.end(B)
    house.attempts.end(C)
    async with asyncio.timeout(60):
        await house.queue.join()


async def test_more_slots_start_at_once(house: House) -> None:
    await house.queue.add([A, B, C, D])
    await settle()
    house.pool.slots = 4
    await settle()
    assert house.running == set(ids(A, B, C, D))


async def test_fewer_slots_interrupt_nobody(house: House) -> None:
    await house.queue.add([A, B, C, D])
    await settle()
    house.pool.slots = 1
    await settle()
    assert house.running == set(ids(A, B))
    house.attempts.end(A)
    await settle()
    assert house.running == set(ids(B))
    house.attempts.end(B)
    await settle()
    assert house.running == set(ids(C))


async def test_fewer_slots_while_the_queue_is_empty(house: House) -> None:
    await house.queue.add([A])
    await settle()
    house.pool.slots = 1
    await house.queue.add([B])
    await settle()
    assert house.running == set(ids(A))
    assert B.id in house.queue
    house.attempts.end(A)
    await settle()
    assert house.running == set(ids(B))


async def test_stop_what_runs(house: House) -> None:
    await house.queue.add([A, B, C])
    await settle()
    assert await house.pool.stop(A.id)
    assert house.attempts.cancelled == [A.id]
    assert A.id not in house.queue
    await settle()
    assert house.running == set(ids(B, C))
    assert not await house.pool.stop(A.id)


async def test_stop_what_waits_for_a_retry(house: House) -> None:
    await house.queue.add([A])
    await settle()
    house.attempts.end(A, delay=3600)
    await settle()
    assert A.id in house.queue
    assert await house.pool.stop(A.id)
    async with asyncio.timeout(60):
        await house.queue.join()
    assert not await house.pool.stop(A.id)
    assert house.requeued == []


async def test_stop_of_what_is_queued_or_unknown(house: House) -> None:
    house.pool.slots = 1
    await house.queue.add([A, B])
    await settle()
    assert not await house.pool.stop(B.id)
    assert not await house.pool.stop("0" * 16)
    assert house.queue.size() == 1


async def test_a_wait_holds_no_slot(house: House) -> None:
    house.pool.slots = 1
    await house.queue.add([A, B])
    await settle()
    house.attempts.end(A, delay=3600)
    await settle()
    assert house.running == set(ids(B))
    assert house.queue.pending_count == 2


async def test_after_the_wait_it_runs_again(house: House, until: Until) -> None:
    await house.queue.add([A])
    await settle()
    house.attempts.end(A, delay=0)
    await until(lambda: house.attempts.begun == ids(A, A))
    assert house.requeued == [A.id]


async def test_a_wait_skipped_at_once_leaves_two_attempts_apart(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The next attempt begins in the very turn of the loop in which the first one ends."""
    await house.queue.add([A])
    await settle()
    house.attempts.end(A, delay=3600)
    asyncio.get_running_loop().call_soon(house.pool.skip_wait, A)
    house.queue.look_again()
    await settle()
    assert house.attempts.begun == ids(A, A)
    assert A.id in house.queue
    house.attempts.end(A)
    async with asyncio.timeout(60):
        await house.queue.join()
    assert not caplog.records


async def test_the_wait_may_be_skipped(house: House) -> None:
    await house.queue.add([A])
    await settle()
    assert not house.pool.skip_wait(A)
    house.attempts.end(A, delay=3600)
    await settle()
    assert house.pool.skip_wait(A)
    assert not house.pool.skip_wait(A)
    await settle()
    assert house.attempts.begun == ids(A, A)


async def test_a_stopped_attempt_leaves_no_retry_behind() -> None:
    """An attempt may be past the point where it can be cancelled."""

    class Stubborn(Attempts):
        async def __call__(self, config: FileConfig) -> float | None:
            try:
                return await super().__call__(config)
            except asyncio.CancelledError:
                return 3600.0

    house = House(1)
    house.pool = WorkerPool(house.queue, Stubborn(), house._requeue, 1, HostLimiter(99))
    house.pool.start()
    await house.queue.add([A])
    await settle()
    assert await house.pool.stop(A.id)
    async with asyncio.timeout(60):
        await house.queue.join()
    assert not house.pool.skip_wait(A)
    await settle()
    assert house.requeued == []
    await house.pool.close()


async def test_a_bug_in_an_attempt_takes_no_slot(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.pool.slots = 1
    await house.queue.add([A, B])
    await settle()
    with caplog.at_level(logging.ERROR):
        house.attempts.running[A.id].set_exception(ZeroDivisionError())
        await settle()
    assert house.running == set(ids(B))
    assert A.id not in house.queue
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_close_stops_all() -> None:
    house = House(2)
    house.pool.start()
    await house.queue.add([A, B, C])
    await settle()
    await house.pool.close()
    assert house.running == set()
    assert house.attempts.cancelled == ids(A, B)
    assert house.queue.size() == 1
    await house.pool.close()


async def test_close_may_wait() -> None:
    house = House(1)
    house.pool.start()
    await house.queue.add([A, B])
    await settle()
    closing = asyncio.create_task(house.pool.close(wait_for_current=True))
    await settle()
    assert not closing.done()
    assert house.running == set(ids(A))
    house.attempts.end(A)
    await closing
    assert house.attempts.begun == ids(A)
    assert house.queue.size() == 1


async def test_a_closed_pool_puts_nothing_back() -> None:
    house = House(1)
    house.pool.start()
    await house.queue.add([A])
    await settle()
    closing = asyncio.create_task(house.pool.close(wait_for_current=True))
    await settle()
    house.attempts.end(A, delay=3600)
    await closing
    assert not house.pool.skip_wait(A)
    await settle()
    assert house.requeued == []


async def test_start_twice(house: House) -> None:
    with pytest.raises(WorkerPoolAlreadyStartedError):
        house.pool.start()


async def test_start_again_after_close(house: House) -> None:
    await house.pool.close()
    house.pool.start()
    await house.queue.add([A])
    await settle()
    assert house.running == set(ids(A))


async def test_attempts_that_never_wait_let_others_run() -> None:
    """Files that are on the disk already are found without a wait."""
    queue, done, turns = PriorityDownloadQueue(), list[str](), list[int]()

    async def attempt(config: FileConfig) -> None:
        done.append(config.id)

    pool = WorkerPool(queue, attempt, lambda _: None, 1, HostLimiter(99))
    await queue.add([config(number) for number in range(100)])
    pool.start()
    while len(done) < 100:
        await asyncio.sleep(0)
        turns.append(len(done))
    assert max(after - before for before, after in pairwise(turns)) < 20
    await queue.join()
    await pool.close()


async def test_a_task_that_swallowed_a_cancellation_takes_no_other_download() -> None:
    """Its commit could not be undone."""
    queue, committing = PriorityDownloadQueue(), asyncio.Event()

    async def attempt(config: FileConfig) -> None:
        committing.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(30)

    pool = WorkerPool(queue, attempt, lambda _: None, 1, HostLimiter(99))
    pool.start()
    await queue.add([A, B])
    await committing.wait()
    assert await asyncio.wait_for(pool.stop(A.id), 20)
    assert A.id not in queue
    await pool.close()
