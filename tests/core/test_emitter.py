"""The emitter: order, and nobody waits for a listener."""

import asyncio
import gc
import logging
from collections.abc import Iterator

import pytest

from rheo_core.events import (
    DownloadEvent,
    DownloadEventType,
    DownloadProgressEvent,
    DownloadQueuedEvent,
    DownloadStartedEvent,
    EventEmitter,
    NullEmitter,
    Subscription,
)

ID = "0" * 16
URL = "http://example.com/"


def queued(priority: int) -> DownloadEvent:
    return DownloadQueuedEvent(download_id=ID, url=URL, priority=priority)


def progress(done: int) -> DownloadEvent:
    return DownloadProgressEvent(download_id=ID, url=URL, bytes_downloaded=done)


def started() -> DownloadEvent:
    return DownloadStartedEvent(download_id=ID, url=URL)


@pytest.fixture
def emitter() -> EventEmitter:
    return EventEmitter()


class Slow:
    """A handler that takes its time: until the gate opens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun: list[DownloadEvent] = []
        self.done: list[DownloadEvent] = []

    async def __call__(self, event: DownloadEvent) -> None:
        self.begun.append(event)
        await self.gate.wait()
        self.done.append(event)


async def test_handlers_are_called_in_order(emitter: EventEmitter) -> None:
    calls: list[str] = []
    emitter.on("*", lambda event: calls.append("any"))
    emitter.on(DownloadEventType.QUEUED, lambda event: calls.append("first"))
    emitter.on("download.queued", lambda event: calls.append("second"))
    emitter.on("download.started", lambda event: calls.append("other"))
    emitter.publish(queued(1))
    assert calls == ["first", "second", "any"]


async def test_wildcard_gets_everything_once(emitter: EventEmitter) -> None:
    seen: list[object] = []
    emitter.on("*", seen.append)
    events = [queued(1), started(), progress(1)]
    for event in events:
        emitter.publish(event)
    assert seen == events
    await emitter.emit("*", "of no type")
    await emitter.emit("my.own", {"a": 1})
    assert seen[3:] == ["of no type", {"a": 1}]


async def test_async_handler_gets_its_events_one_after_the_other(emitter: EventEmitter) -> None:
    slow = Slow()
    emitter.on("*", slow)
    events = [queued(number) for number in range(1, 6)]
    for event in events:
        emitter.publish(event)
    await asyncio.sleep(0)
    assert slow.begun == events[:1]
    slow.gate.set()
    await emitter.drain()
    assert slow.done == events


async def test_a_slow_handler_delays_nobody(emitter: EventEmitter) -> None:
    slow = Slow()
    seen: list[object] = []
    quick_done = asyncio.Event()

    async def quick(event: DownloadEvent) -> None:
        quick_done.set()

    emitter.on("*", slow)
    emitter.on("*", seen.append)
    emitter.on("*", quick)
    event = queued(1)
    emitter.publish(event)
    assert seen == [event]
    await quick_done.wait()
    assert slow.done == []
    slow.gate.set()
    await emitter.drain()
    assert slow.done == [event]


async def test_emit_waits_until_handlers_have_run(emitter: EventEmitter) -> None:
    done: list[int] = []

    async def handler(event: DownloadEvent) -> None:
        await asyncio.sleep(0)
        done.append(1)

    emitter.on("*", handler)
    await emitter.emit(DownloadEventType.QUEUED, queued(1))
    assert done == [1]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_broken_handler_breaks_only_itself(
    emitter: EventEmitter, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    seen: list[object] = []

    def broken(event: DownloadEvent) -> None:
        seen.append("broken")
        raise ZeroDivisionError

    async def broken_later(event: DownloadEvent) -> None:
        broken(event)

    emitter.on("*", broken if kind == "sync" else broken_later)
    emitter.on("*", lambda event: seen.append("whole"))
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            await emitter.emit(DownloadEventType.QUEUED, queued(1))
    assert sorted(map(str, seen)) == ["broken", "broken", "whole", "whole"]
    assert len(caplog.records) == 2
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[0] is ZeroDivisionError


async def test_unsubscribe_during_emit(emitter: EventEmitter) -> None:
    calls: list[str] = []

    def once(event: DownloadEvent) -> None:
        calls.append("once")
        subscription.unsubscribe()

    emitter.on("*", once)
    subscription = Subscription(emitter, "*", once)
    emitter.on("*", lambda event: calls.append("always"))
    emitter.publish(queued(1))
    emitter.publish(queued(2))
    assert calls == ["once", "always", "always"]


async def test_unsubscribing_twice_leaves_a_second_subscription_alone(
    emitter: EventEmitter,
) -> None:
    seen: list[DownloadEvent] = []
    emitter.on("*", seen.append)
    emitter.on("*", seen.append)
    first = Subscription(emitter, "*", seen.append)
    first.unsubscribe()
    first.unsubscribe()
    emitter.publish(queued(1))
    assert len(seen) == 1
    assert not first.is_active


async def test_subscribing_during_emit_counts_from_the_next_event(emitter: EventEmitter) -> None:
    seen: list[DownloadEvent] = []
    emitter.on("*", lambda event: emitter.on("*", seen.append))
    emitter.publish(queued(1))
    assert seen == []
    emitter.publish(queued(2))
    assert len(seen) == 1


async def test_off_of_an_unknown_handler_is_no_error(emitter: EventEmitter) -> None:
    emitter.off("*", print)
    emitter.off("no.such", print)


async def test_after_unsubscribing_nothing_more_comes(emitter: EventEmitter) -> None:
    slow = Slow()
    emitter.on("*", slow)
    events = [queued(1), queued(2), queued(3)]
    for event in events:
        emitter.publish(event)
    await asyncio.sleep(0)
    emitter.off("*", slow)
    slow.gate.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert slow.begun == events[:1]


async def test_progress_is_dropped_behind_a_crowd_and_nothing_else_is(
    emitter: EventEmitter,
) -> None:
    slow = Slow()
    emitter.on("*", slow)
    for number in range(1000):
        emitter.publish(progress(number))
    lifecycle = [queued(number) for number in range(1, 301)]
    for event in lifecycle:
        emitter.publish(event)
        emitter.publish(progress(0))
    slow.gate.set()
    await emitter.drain()
    kinds = [event.event_type for event in slow.done]
    assert [event for event in slow.done if isinstance(event, DownloadQueuedEvent)] == lifecycle
    assert 0 < kinds.count("download.progress") < 100
    emitter.publish(progress(1))
    await emitter.drain()
    assert slow.done[-1] == progress(1).model_copy(
        update={"occurred_at": slow.done[-1].occurred_at}
    )


async def test_drain_within_a_handler_does_not_wait_for_itself(emitter: EventEmitter) -> None:
    drained = asyncio.Event()

    async def handler(event: DownloadEvent) -> None:
        await emitter.drain()
        drained.set()

    emitter.on("*", handler)
    async with asyncio.timeout(60):
        await emitter.emit(DownloadEventType.QUEUED, queued(1))
    assert drained.is_set()


async def test_drain_covers_what_handlers_publish(emitter: EventEmitter) -> None:
    seen: list[DownloadEvent] = []

    async def chain(event: DownloadQueuedEvent) -> None:
        await asyncio.sleep(0)
        if event.priority < 5:
            emitter.publish(queued(event.priority + 1))
        seen.append(event)

    emitter.on("*", chain)
    emitter.publish(queued(1))
    await emitter.drain()
    assert len(seen) == 5


async def test_has_listeners(emitter: EventEmitter) -> None:
    assert not emitter.has_listeners(DownloadEventType.PROGRESS)
    emitter.on(DownloadEventType.QUEUED, print)
    assert not emitter.has_listeners(DownloadEventType.PROGRESS)
    assert emitter.has_listeners("download.queued")
    emitter.off("download.queued", print)
    assert not emitter.has_listeners("download.queued")
    emitter.on("*", print)
    assert emitter.has_listeners(DownloadEventType.PROGRESS)


@pytest.fixture
def no_garbage() -> Iterator[None]:
    yield
    gc.collect()  # a coroutine that was never awaited warns here


async def test_null_emitter(no_garbage: None) -> None:
    emitter, slow = NullEmitter(), Slow()
    emitter.on("*", slow)
    emitter.publish(queued(1))
    await emitter.emit("*", queued(1))
    await emitter.drain()
    emitter.off("*", slow)
    assert slow.begun == []
    assert not emitter.has_listeners("*")
