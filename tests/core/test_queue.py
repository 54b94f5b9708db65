"""The queue, checked against a plain list."""

import asyncio
import logging
import time
from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from rheo_core import FileConfig, PriorityDownloadQueue
from rheo_core.domain.exceptions import ProcessQueueError


def config(name: object, priority: int = 1) -> FileConfig:
    return FileConfig(url=f"http://example.com/{name}", priority=priority)


def ids(*configs: FileConfig) -> list[str]:
    return [config.id for config in configs]


def order(queue: PriorityDownloadQueue) -> list[str]:
    return [config.id for config in queue]


def take_now(queue: PriorityDownloadQueue) -> FileConfig:
    """`get_next` of a queue that need not wait, without an event loop."""
    try:
        queue.get_next().send(None)
    except StopIteration as stop:
        config: FileConfig = stop.value
        return config
    raise AssertionError("the queue waited")


class QueueAgainstAList(RuleBasedStateMachine):
    """The model is the list of (priority, id) as it should run."""

    known = Bundle("known")
    priorities = st.integers(1, 3)

    def __init__(self) -> None:
        super().__init__()
        self.queue = PriorityDownloadQueue()
        self.model: list[tuple[int, str]] = []
        self.taken: set[str] = set()
        self.count = 0

    def _at_the_end_of(self, priority: int) -> int:
        return sum(other >= priority for other, _ in self.model)

    def _index(self, download_id: str) -> int | None:
        return next((n for n, (_, other) in enumerate(self.model) if other == download_id), None)

    @rule(target=known, priority=priorities)
    def put(self, priority: int) -> str:
        self.count += 1
        new = config(self.count, priority)
        self.queue.put(new)
        self.model.insert(self._at_the_end_of(priority), (priority, new.id))
        return new.id

    @rule()
    def get_next(self) -> None:
        if self.model:
            got = take_now(self.queue)
            _, download_id = self.model.pop(0)
            assert got.id == download_id
            self.taken.add(download_id)

    @rule(download_id=consumes(known))
    def remove(self, download_id: str) -> None:
        index = self._index(download_id)
        assert self.queue.remove(download_id) == (index is not None)
        if index is not None:
            del self.model[index]

    @rule(download_id=known)
    def task_done(self, download_id: str) -> None:
        self.queue.task_done(download_id)
        self.taken.discard(download_id)

    @rule(download_id=known, priority=priorities)
    def set_priority(self, download_id: str, priority: int) -> None:
        before = [download for download in self.model if download[1] != download_id]
        index = self._index(download_id)
        assert self.queue.set_priority(download_id, priority) == (index is not None)
        if index is None:
            return
        # Seniority decides on the place in the new class; the others stay as they were.
        place = order(self.queue).index(download_id)
        unchanged = self.model[index][0] == priority
        assert not unchanged or place == index
        self.model = [*before[:place], (priority, download_id), *before[place:]]
        assert self.model == sorted(self.model, key=lambda download: -download[0])

    @rule(download_id=known, neighbour=known, before=st.booleans())
    def move_beside(self, download_id: str, neighbour: str, before: bool) -> None:
        side = {"before": neighbour} if before else {"after": neighbour}
        place = self.queue.move(download_id, **side)
        old, beside = self._index(download_id), self._index(neighbour)
        if old is None or beside is None or download_id == neighbour:
            assert place is None
            return
        priority = self.model[beside][0]
        assert place is not None
        assert place[0] == priority
        del self.model[old]
        index = self._index(neighbour)
        assert index is not None
        self.model.insert(index if before else index + 1, (priority, download_id))

    @rule(download_id=known, to=st.sampled_from(["top", "bottom"]))
    def move_to_an_end(self, download_id: str, to: str) -> None:
        place = self.queue.move(download_id, to=to)
        old = self._index(download_id)
        if old is None:
            assert place is None
            return
        assert place is not None
        end = 0 if to == "top" else len(self.model) - 1
        priority = self.model[end][0]  # where it stands there already, its own
        del self.model[old]
        self.model.insert(end, (priority, download_id))
        assert place[0] == priority

    @rule(download_id=known)
    def neighbours(self, download_id: str) -> None:
        index = self._index(download_id)
        earlier, later = self.queue.neighbours(download_id)
        if index is None:
            assert (earlier, later) == (None, None)
        else:
            ordered = [None, *(other for _, other in self.model), None]
            assert (earlier, later) == (ordered[index], ordered[index + 2])

    @invariant()
    def same_order(self) -> None:
        assert order(self.queue) == [download_id for _, download_id in self.model]

    @invariant()
    def same_counts(self) -> None:
        assert self.queue.size() == len(self.model)
        assert self.queue.is_empty() == (not self.model)
        assert self.queue.pending_count == len(self.model) + len(self.taken)
        assert all(download_id in self.queue for _, download_id in self.model)
        assert all(download_id in self.queue for download_id in self.taken)


TestQueueAgainstAList = QueueAgainstAList.TestCase
TestQueueAgainstAList.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True
)


async def test_higher_priority_first_then_first_come() -> None:
    queue = PriorityDownloadQueue()
    a, b, c, d = config("a", 1), config("b", 3), config("c", 3), config("d", 2)
    await queue.add([a, b, c, d])
    assert ids(*[await queue.get_next() for _ in range(4)]) == ids(b, c, d, a)


async def test_what_comes_later_stands_behind_what_was_moved_to_the_bottom() -> None:
    for attempt in range(8):  # ids decide between equal ranks, and they differ each time
        queue = PriorityDownloadQueue()
        a, b, late = config(f"a{attempt}"), config(f"b{attempt}"), config(f"late{attempt}")
        await queue.add([a, b])
        queue.move(a.id, to="bottom")
        queue.put(late)
        assert order(queue) == ids(b, a, late)


async def test_moving_the_first_to_the_top_changes_nothing() -> None:
    queue = PriorityDownloadQueue()
    high, low = config("high", 5), config("low", 1)
    await queue.add([high, low])
    place = queue.move(high.id, to="top")
    assert place is not None
    assert place[0] == 5
    assert order(queue) == ids(high, low)


async def test_many_moves_into_one_gap() -> None:
    queue = PriorityDownloadQueue()
    first, *others, last = [config(number) for number in range(102)]
    await queue.add([first, *others, last])
    for other in others:
        queue.move(other.id, after=first.id)
    assert order(queue) == ids(first, *reversed(others), last)


async def test_back_to_the_place_it_had() -> None:
    queue = PriorityDownloadQueue()
    a, b, c = config("a"), config("b"), config("c")
    rank = queue.put(a)
    queue.put(b)
    assert await queue.get_next() == a
    queue.put(c)
    queue.put(a, 1, rank)
    assert order(queue) == ids(a, b, c)
    assert queue.pending_count == 3


@pytest.mark.parametrize("state", ["waiting", "taken"])
async def test_a_duplicate_is_dropped_with_a_warning(
    caplog: pytest.LogCaptureFixture, state: str
) -> None:
    queue = PriorityDownloadQueue()
    await queue.add([config("a")])
    if state == "taken":
        await queue.get_next()
    with caplog.at_level(logging.WARNING):
        await queue.add([config("a", 3)])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert queue.pending_count == 1
    queue.task_done(config("a").id)
    queue.remove(config("a").id)
    await queue.add([config("a")])
    assert queue.pending_count == 1


async def test_get_next_waits() -> None:
    queue = PriorityDownloadQueue()
    taking = asyncio.create_task(queue.get_next())
    await asyncio.sleep(0)
    assert not taking.done()
    queue.put(config("a"))
    assert (await taking).id == config("a").id


async def test_two_takers_get_one_each() -> None:
    queue = PriorityDownloadQueue()
    takers = [asyncio.create_task(queue.get_next()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.put(config("a"))
    await asyncio.wait(takers, return_when=asyncio.FIRST_COMPLETED)
    assert [taker.done() for taker in takers].count(True) == 1
    queue.put(config("b"))
    assert {(await taker).id for taker in takers} == set(ids(config("a"), config("b")))


async def test_a_taker_that_is_cancelled_takes_nothing() -> None:
    queue = PriorityDownloadQueue()
    taking = asyncio.create_task(queue.get_next())
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait({taking})
    queue.put(config("a"))
    assert queue.size() == 1


async def test_join() -> None:
    queue = PriorityDownloadQueue()
    await queue.join()
    await queue.add([config("a"), config("b")])
    joining = asyncio.create_task(queue.join())
    taken = await queue.get_next()
    await asyncio.sleep(0)
    assert not joining.done()
    queue.remove(config("b").id)
    await asyncio.sleep(0)
    assert not joining.done()
    queue.task_done(taken.id)
    await joining


async def test_bad_requests() -> None:
    queue = PriorityDownloadQueue()
    a = config("a")
    queue.put(a)
    with pytest.raises(ProcessQueueError, match="priority is 0"):
        queue.set_priority(a.id, 0)
    for place in ({}, {"before": "x", "after": "y"}, {"before": "x", "to": "top"}):
        with pytest.raises(ProcessQueueError, match="exactly one"):
            queue.move(a.id, **place)
    with pytest.raises(ProcessQueueError, match=r"middle.*use top, bottom, up or down"):
        queue.move(a.id, to="middle")
    assert not queue.remove("x")
    assert not queue.set_priority("x", 2)
    assert queue.move("x", to="top") is None
    assert queue.move(a.id, before="x") is None
    assert queue.move(a.id, before=a.id) is None
    rank = queue.move(a.id, to="top")
    assert rank is not None
    assert isinstance(rank[1], int | Fraction)
    assert order(queue) == [a.id]


async def test_a_full_host_is_passed_over_at_no_cost() -> None:
    queue = PriorityDownloadQueue()
    many = [FileConfig(url=f"https://full.example/{n}") for n in range(100)]
    free = FileConfig(url="https://free.example/a")
    await queue.add([*many, free])
    asked: list[str] = []

    def is_full(host: str) -> bool:
        asked.append(host)
        return host == "full.example:443"

    assert await queue.get_next(is_full) == free
    taking = asyncio.create_task(queue.get_next(is_full))
    await asyncio.sleep(0)
    assert asked == ["full.example:443", "free.example:443", "full.example:443"]
    # Its link is replaced: it waits for another host now, and the old one is not asked for it.
    queue.put(many[7].model_copy(update={"fetch_url": "https://free.example/7"}), rank=200)
    assert (await taking).sources == ("https://free.example/7",)
    for config in (*many[:7], *many[8:]):
        assert queue.remove(config.id)
    asked.clear()
    waiting = asyncio.create_task(queue.get_next(is_full))
    await asyncio.sleep(0)
    assert asked == []
    waiting.cancel()


async def test_what_is_to_start_later_stands_in_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    queue = PriorityDownloadQueue()
    first, later, last = (config(name) for name in ("first", "later", "last"))
    later = later.model_copy(update={"start_at": 1060.0, "priority": 9})
    await queue.add([first, later, last])
    assert list(queue) == [first, last, later]
    assert queue.size() == queue.pending_count == 3 and later.id in queue
    assert queue.neighbours(later.id) == (None, None)
    assert queue.move(later.id, to="top") is None
    assert queue.move(first.id, after=later.id) is None
    assert queue.set_priority(later.id, 2)
    assert await queue.get_next() == first
    now = 1060.0
    assert await queue.get_next() == later
    assert await queue.get_next() == last

    queue.put(later.model_copy(update={"start_at": 2000.0}))
    taking = asyncio.create_task(queue.get_next())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not taking.done()
    queue.put(later.model_copy(update={"start_at": None}))  # somebody wants it now
    assert (await taking).id == later.id
    queue.put(later.model_copy(update={"start_at": 3000.0}))
    assert queue.remove(later.id) and queue.is_empty()
