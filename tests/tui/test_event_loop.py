"""The event loop of the app: turns without a look at the descriptors, and never too many."""

import asyncio
import socket
from collections.abc import Iterator
from selectors import EVENT_READ

import pytest

from rheo_tui.event_loop import _MAX_TURNS, BusySelector, run


@pytest.fixture
def ready() -> Iterator[socket.socket]:
    here, there = socket.socketpair()
    with here, there:
        there.send(b"x")
        yield here


def test_busy_turns_look_at_the_descriptors_now_and_then(ready: socket.socket) -> None:
    with BusySelector() as selector:
        selector.register(ready, EVENT_READ)
        looks = [bool(selector.select(0)) for _ in range(2 * (_MAX_TURNS + 1))]
    assert looks == 2 * ([False] * _MAX_TURNS + [True])


@pytest.mark.parametrize("timeout", [None, 0.001])
def test_a_loop_with_nothing_to_do_looks_at_once(
    ready: socket.socket, timeout: float | None
) -> None:
    with BusySelector() as selector:
        selector.register(ready, EVENT_READ)
        assert selector.select(timeout)


def test_a_reader_is_served_while_callbacks_are_always_ready(ready: socket.socket) -> None:
    async def turns_until_read() -> int:
        read = asyncio.Event()
        asyncio.get_running_loop().add_reader(ready, read.set)
        turns = 0
        while not read.is_set():
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert _MAX_TURNS <= run(turns_until_read()) <= _MAX_TURNS + 2
