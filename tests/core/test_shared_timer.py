"""One timer of the loop for all that wait for the same time."""

import asyncio
import socket
import time

import pytest

from rheo_core.infrastructure.shared_timer import SharedTimer, TimeLimit
from tests.waiting import Until


def stop_the_loop() -> None:
    """Keep the loop away from its timers, as SIGSTOP does."""
    time.sleep(1.2)


async def test_each_is_called_at_its_time_and_not_after_a_stop(until: Until) -> None:
    loop, timer = asyncio.get_running_loop(), SharedTimer(1.0)
    called: dict[int, float] = {}
    began = {}
    calls = [lambda number=number: called.setdefault(number, loop.time()) for number in range(5)]
    for number, call in enumerate(calls):
        began[number] = loop.time()
        timer.start(call)
        await asyncio.sleep(0)
    assert timer.stop(calls[0]) and timer.stop(calls[3]) and not timer.stop(calls[3])
    await until(lambda: len(called) == 3)
    assert list(called) == [1, 2, 4]
    assert all(called[number] - began[number] >= 0.999 for number in called)
    assert not timer.stop(calls[1])


async def test_a_timer_without_waits_keeps_nothing_in_the_loop() -> None:
    timer = SharedTimer(60.0)
    timer.start(print)
    assert timer._handle is not None
    timer.stop(print)
    assert timer._handle is None
    timer.start(print)
    assert timer._handle is not None
    timer.stop(print)


async def test_a_call_may_start_and_stop_others(until: Until) -> None:
    timer, called = SharedTimer(0.01), list[str]()

    def first() -> None:
        called.append("first")
        timer.stop(second)
        timer.start(third)

    def second() -> None:
        called.append("second")

    def third() -> None:
        called.append("third")

    timer.start(first)
    timer.start(second)
    await until(lambda: "third" in called)
    assert called == ["first", "third"]


async def test_a_limit_ends_a_wait_with_a_timeout_and_leaves_the_task_usable() -> None:
    timer = SharedTimer(0.01)
    with pytest.raises(TimeoutError), TimeLimit(timer) as limit:
        await asyncio.sleep(30)
    assert limit.has_expired
    with TimeLimit(timer) as limit:
        pass  # a turn of the loop may take longer on a busy machine
    assert not limit.has_expired
    await asyncio.sleep(0.03)  # nothing is left that would cancel it


async def test_a_cancellation_by_others_wins_over_the_limit() -> None:
    timer = SharedTimer(60.0)

    async def wait() -> None:
        with TimeLimit(timer):
            await asyncio.sleep(30)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async def stay() -> None:
        with TimeLimit(timer) as limit:
            task.cancel()
            limit._expire()
            await asyncio.sleep(30)

    task = asyncio.create_task(stay())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_block_passes_a_limit_that_has_expired() -> None:
    with pytest.raises(ValueError, match="mine"), TimeLimit.after(60.0) as limit:
        limit._expire()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise ValueError("mine") from None
    assert (task := asyncio.current_task()) is not None and not task.cancelling()


async def test_a_limit_without_a_time_never_expires() -> None:
    with TimeLimit.after(None) as limit:
        await asyncio.sleep(0)
        stop_the_loop()
        await asyncio.sleep(0.01)
    assert not limit.has_expired


async def test_a_limit_begins_anew_after_a_stop_of_the_program() -> None:
    """Data that arrived during the stop is read before the limit fires again."""
    reader, writer = socket.socketpair()
    loop = asyncio.get_running_loop()
    reader.setblocking(False)
    with reader, writer, TimeLimit.after(0.1):
        reading = asyncio.create_task(loop.sock_recv(reader, 1))
        await asyncio.sleep(0)
        writer.send(b"x")
        stop_the_loop()
        assert await reading == b"x"


async def test_a_limit_after_a_stop_ends() -> None:
    timer = SharedTimer(0.1)
    with pytest.raises(TimeoutError), TimeLimit(timer) as limit:
        await asyncio.sleep(0)
        stop_the_loop()
        await asyncio.sleep(30)
    assert limit.has_expired
