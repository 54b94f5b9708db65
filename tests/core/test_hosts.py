"""Connections to one host: a limit, and what is learned from refusals."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.domain.exceptions import HostFullError
from rheo_core.domain.hosts import HostLimits, HostWait
from rheo_core.domain.tuning import Tuning
from rheo_core.domain.urls import host_of
from rheo_core.transfer import ConnectionPermit, HostLimiter, host_limits
from tests.core.engine import Gate, quick_retries, serving, sha256, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.waiting import Until

BODY = body_of(300_000)


async def test_a_host_is_full_at_its_limit() -> None:
    told: list[str] = []
    rooms: list[bool] = []
    some = HostLimiter(2, lambda: rooms.append(some.is_full("a:1")))
    async with (
        ConnectionPermit(some, "a:1", told.append),
        ConnectionPermit(some, "b:1", told.append),
    ):
        assert not some.is_full("a:1")
        async with ConnectionPermit(some, "a:1", told.append):
            assert some.is_full("a:1") and not some.is_full("b:1")
        assert rooms == [False]
    assert told == [] and not some.is_full("a:1")


async def test_who_comes_when_it_is_full_waits_and_says_why(until: Until) -> None:
    told: list[str] = []
    some = HostLimiter(1)

    async def work() -> None:
        async with ConnectionPermit(some, "a:1", told.append):
            told.append("works")

    async with ConnectionPermit(some, "a:1", told.append):
        waiting = asyncio.create_task(work())
        await until(lambda: told)
        assert told == ["host limit 1 of 1"]
    await asyncio.wait_for(waiting, 60)
    assert told[1:] == ["", "works"]


@pytest.mark.parametrize("reserved", [None, "a:1", "b:1"])
async def test_who_waits_long_gives_up_the_slot(reserved: str | None) -> None:
    """A lower limit takes even a reserved place away."""
    some = HostLimiter(2, tuning=Tuning(passing_seconds=0.01))
    async with ConnectionPermit(some, "a:1", print, "x"):
        if reserved is not None:
            some.reserve("y", reserved)
        some.limit = 1
        with pytest.raises(HostFullError) as caught:
            await ConnectionPermit(some, "a:1", print, "y").begin()
        assert caught.value.host == "a:1"
    async with ConnectionPermit(some, "a:1", print, "y"):
        assert some.in_use == 1


async def test_a_limit_that_is_raised_lets_go_on() -> None:
    some = HostLimiter(1)
    async with ConnectionPermit(some, "a:1", print):
        waiting = asyncio.create_task(ConnectionPermit(some, "a:1", lambda _: None).__aenter__())
        await asyncio.sleep(0)
        some.limit = 2
        await asyncio.wait_for(waiting, 60)


async def test_a_refusal_is_learned_and_forgotten_step_by_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    some = HostLimiter(8)
    opened = [ConnectionPermit(some, "a:1", print) for _ in range(4)]
    for one in opened:
        await one.__aenter__()
    some.refused("a:1")
    assert some.allowed("a:1") == 3 and some.is_full("a:1")
    some.refused("a:1")
    assert some.allowed("a:1") == 2
    now += 2 * host_limits._MIN_PATIENCE_SECONDS
    assert some.allowed("a:1") == 3
    now += 100 * host_limits._MAX_PATIENCE_SECONDS
    assert some.allowed("a:1") == 8
    for one in opened:
        await one.__aexit__(None, None, None)
    some.refused("a:1")
    assert some.allowed("a:1") == 1  # one is always allowed


async def test_room_that_time_brings_is_told_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    timers: list[tuple[float, Callable[[], object]]] = []

    def call_later(delay: float, call: Callable[..., object], *args: object) -> SimpleNamespace:
        timers.append((now + delay, partial(call, *args)))
        return SimpleNamespace(cancel=timers.clear)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: now)
    monkeypatch.setattr(loop, "call_later", call_later)
    told: list[int] = []
    some = HostLimiter(4, lambda: told.append(some.allowed("a:1")))
    for refused_at in (0.0, 30.0):
        now = refused_at
        async with ConnectionPermit(some, "a:1", print):
            some.refused("a:1")
    told.clear()
    while timers:
        now, call = timers.pop()
        call()
    assert told == [2, 3, 4] and now < 30.0 + 8 * host_limits._MIN_PATIENCE_SECONDS


async def test_a_refusal_is_not_about_numbers_that_were_borne() -> None:
    """One link that answers 503 again and again must not slow down all the others."""
    some = HostLimiter(8)
    opened = [ConnectionPermit(some, "a:1", print) for _ in range(3)]
    for one in opened:
        (await one.__aenter__())()
    async with ConnectionPermit(some, "a:1", print):
        some.refused("a:1")
    assert some.allowed("a:1") == 3  # it may not bear a fourth
    await opened.pop().__aexit__(None, None, None)
    async with ConnectionPermit(some, "a:1", print):
        some.refused("a:1")
    assert some.allowed("a:1") == 3  # it has peak_accepted a third
    for one in opened:
        await one.__aexit__(None, None, None)


async def test_a_link_that_is_refused_while_others_are_served_lowers_nothing() -> None:
    some = HostLimiter(4)

    async def ask(download_id: str, *, refused: bool) -> None:
        async with ConnectionPermit(some, "a:1", print, download_id) as answered:
            if refused:
                some.refused("a:1", download_id, "HTTP 503")
                some.rest("a:1", 60.0, download_id, "HTTP 503")
                return
            answered()

    await ask("bad", refused=True)
    assert some.allowed("a:1") == 1 and some.is_busy("a:1")
    some.end_rest("a:1")
    await ask("bad", refused=True)
    assert some.allowed("a:1") == 1  # nobody else was served
    some.end_rest("a:1")
    await ask("good", refused=False)
    await ask("bad", refused=True)
    assert some.allowed("a:1") == 4 and not some.is_busy("a:1")
    await ask("bad", refused=True)
    assert some.allowed("a:1") == 4 and not some.is_busy("a:1")
    await ask("other", refused=True)  # is not known to be bad
    assert some.allowed("a:1") == 1


async def test_answers_to_a_download_say_nothing_of_its_own_refusals() -> None:
    """A server may bear two connections for each download."""
    some = HostLimiter(4)
    for _ in range(3):
        async with ConnectionPermit(some, "a:1", print, "x") as answered:
            answered()
            async with ConnectionPermit(some, "a:1", print, "x"):
                some.refused("a:1", "x", "HTTP 503")
        assert some.allowed("a:1") == 1
        some.lift()


async def test_waits_have_numbers_a_cause_and_an_end_and_can_be_lifted() -> None:
    rooms: list[bool] = []
    some = HostLimiter(4, lambda: rooms.append(True))
    async with ConnectionPermit(some, "a:1", print, "x") as answered:
        answered()
        async with ConnectionPermit(some, "a:1", print, "y"):
            some.refused("a:1", "y", "HTTP 429")
        some.rest("b:1", 40.0, "z", "HTTP 429")
        busy = some.busy()
        assert busy.keys() == {"a:1", "b:1"}
        assert busy["a:1"][:3] == (1, 1, "HTTP 429") and busy["b:1"][:3] == (0, 0, "HTTP 429")
        first, second = (busy[host].lifts_at or 0.0 for host in ("a:1", "b:1"))
        assert first > 1e9 and 28 <= second - first <= 32  # 10 and 40 seconds from now
        rooms.clear()
        assert some.lift() == ["a:1", "b:1"]
        assert rooms and some.busy() == {} and some.allowed("a:1") == 4
        assert some.lift() == []


@pytest.mark.parametrize("headers", [{}, {"Retry_After": 30}])
@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Busy"])
async def test_a_link_that_is_always_refused_does_not_keep_up_its_host(
    server: MisbehavingServer, tmp_path: Path, until: Until, status: str, headers: dict[str, int]
) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.head(status, Content_Length=0, **headers)

    bad = FileConfig(url=server.on("/bad", refuse))
    good = [FileConfig(url=server.on(f"/{n}", serving(BODY))) for n in range(50)]
    async with DownloadManager(
        download_dir=tmp_path, max_concurrent=4, retry_handler=quick_retries(200)
    ) as manager:
        await manager.add([*good[:20], bad, *good[20:]])
        lifted: list[str] = []

        def is_done() -> bool:
            lifted.extend(manager.lift_host_limits() if manager.stats.in_progress == 0 else ())
            return manager.stats.completed == 50

        await until(is_done)
        assert lifted in ([], [host_of(bad.url)])  # a host may ask for one pause
        assert manager.snapshot().host_waits == {}
        await manager.cancel(bad.id)


class LimitedServer:
    """Counts requests that are being answered; refuses beyond `most`."""

    def __init__(self, most: int, refusal: str) -> None:
        self.most, self.refusal = most, refusal
        self.busy = self.peak = self.refused = 0
        self.go_on = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        if self.busy >= self.most:
            self.refused += 1
            if self.refusal == "reset":
                await exchange.reset()
            else:
                await exchange.head(self.refusal, Content_Length=0)
            return
        self.busy += 1
        self.peak = max(self.peak, self.busy)
        try:
            await exchange.head(Content_Length=len(BODY))
            await exchange.send(BODY[:1000])
            await self.go_on.wait()
            await exchange.send(BODY[1000:])
        finally:
            self.busy -= 1


def statuses(manager: DownloadManager) -> Counter[str]:
    return Counter(row.status.value for row in manager.snapshot().downloads)


def all_wait_but_two(manager: DownloadManager) -> bool:
    """Return True if two of forty run, and all others have returned to the queue."""
    return statuses(manager) == {"in_progress": 2, "queued": 38}


@pytest.mark.parametrize("refusal", ["429 Too Many Requests", "503 Busy", "reset"])
async def test_t05_refusals_lower_the_parallelism_of_their_host(
    server: MisbehavingServer, tmp_path: Path, until: Until, refusal: str
) -> None:
    """Forty downloads from a host that bears two connections: it has to refuse a few times only."""
    limited = LimitedServer(2, refusal)
    configs = [FileConfig(url=server.on(f"/{n}", limited)) for n in range(40)]
    async with DownloadManager(
        download_dir=tmp_path,
        max_concurrent=8,
        retry_handler=quick_retries(8),
        tuning=Tuning(passing_seconds=0.05),
    ) as manager:
        await manager.add(configs)
        await until(lambda: limited.refused > 0 and limited.busy == 2)
        # A download that does not wait uses up its retries, and this never comes.
        await until(lambda: all_wait_but_two(manager))
        limited.go_on.set()
        await manager.wait_until_complete(timeout=60)
        assert manager.stats.completed == 40
    assert limited.refused <= 16
    assert all((tmp_path / str(n)).read_bytes() == BODY for n in range(40))


async def test_other_hosts_go_on_beside_a_full_one(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    async with MisbehavingServer() as other:
        gate = Gate(BODY, 1000)
        stuck = [FileConfig(url=server.on(f"/{n}", gate), priority=2) for n in range(5)]
        free = FileConfig(url=other.on("/free", serving(BODY)))
        async with DownloadManager(
            download_dir=tmp_path, max_concurrent=2, connections_per_host=1
        ) as manager:
            await manager.add([stuck[0]])
            await until(lambda: status_of(manager, stuck[0]) is DownloadStatus.IN_PROGRESS)
            await manager.add([*stuck[1:], free])
            await until(lambda: status_of(manager, free) is DownloadStatus.COMPLETED)
            assert [status_of(manager, config) for config in stuck] == [
                DownloadStatus.IN_PROGRESS,
                *[DownloadStatus.QUEUED] * 4,
            ]
            assert len(server.requests) == 1
            gate.opened.set()
            await manager.wait_until_complete(timeout=60)
            assert manager.stats.completed == 6


async def test_hosts_that_get_full_under_a_download_give_its_slot_back(
    tmp_path: Path, until: Until
) -> None:
    """Each host gets a lower limit while a download with a slot looks for its checksum."""
    gate, sums = Gate(BODY, 1000), Gate(f"{sha256(BODY)}\n".encode(), 1)
    async with AsyncExitStack() as stack:
        full = [await stack.enter_async_context(MisbehavingServer()) for _ in range(3)]
        other = await stack.enter_async_context(MisbehavingServer())
        first, second = [], []
        for number, each in enumerate(full):
            first.append(FileConfig(url=each.on("/a", gate), filename=f"a{number}"))
            each.on("/b.sha256", sums)
            url = each.on("/b", serving(BODY))
            second.append(FileConfig(url=url, filename=f"b{number}", sidecar=True))
        free = FileConfig(url=other.on("/free", serving(BODY)))
        async with DownloadManager(
            download_dir=tmp_path,
            max_concurrent=6,
            connections_per_host=2,
            tuning=Tuning(passing_seconds=0.05),
        ) as manager:
            await manager.add([*first, *second, free])
            await until(lambda: all(len(each.requests) == 2 for each in full))
            manager.set_limits(connections_per_host=1)
            sums.opened.set()
            await until(lambda: status_of(manager, free) is DownloadStatus.COMPLETED)
            await until(lambda: statuses(manager)["queued"] == 3)
            reasons = {row.reason for row in manager.snapshot().downloads if row.reason}
            assert reasons == {f"host limit: {host_of(each.url)} is full" for each in second}
            gate.opened.set()
            await manager.wait_until_complete(timeout=60)
            assert manager.stats.completed == 7


async def test_other_hosts_go_on_though_many_of_one_come_first(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    """Those that would only wait for their host take no slot, even where all come at once."""
    async with MisbehavingServer() as other:
        gate = Gate(BODY, 1000)
        many = [FileConfig(url=server.on(f"/{n}", gate), priority=2) for n in range(5)]
        free = FileConfig(url=other.on("/free", serving(BODY)))
        async with DownloadManager(
            download_dir=tmp_path, max_concurrent=2, connections_per_host=1
        ) as manager:
            await manager.add([*many, free])
            await until(lambda: status_of(manager, free) is DownloadStatus.COMPLETED)
            assert manager.snapshot().host_waits == {host_of(many[0].url): HostWait(1, 1)}
            gate.opened.set()
            await manager.wait_until_complete(timeout=60)
            assert manager.stats.completed == 6
            assert manager.snapshot().host_waits == {}


async def test_the_limit_holds_for_all_downloads_of_a_host(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    limited = LimitedServer(99, "")
    configs = [FileConfig(url=server.on(f"/{n}", limited)) for n in range(12)]
    async with DownloadManager(
        download_dir=tmp_path, max_concurrent=12, connections_per_host=3
    ) as manager:
        await manager.add(configs)
        await until(lambda: limited.busy == 3)
        manager.set_limits(connections_per_host=5)
        await until(lambda: limited.busy == 5)
        limited.go_on.set()
        await manager.wait_until_complete(timeout=60)
        with pytest.raises(ValueError, match="connections_per_host is 0"):
            manager.set_limits(connections_per_host=0)
    assert limited.peak <= 5


async def test_a_host_may_have_limits_of_its_own() -> None:
    rooms: list[bool] = []
    some = HostLimiter(1, lambda: rooms.append(True))
    some.set_host_limits({"a": HostLimits(connections=2), "*.b": HostLimits(max_concurrent=1)})
    assert (some.allowed("a:1"), some.allowed("x.b:1"), some.allowed("c:1")) == (2, 1, 1)
    some.set_host_limits({"*.b": HostLimits(connections=8, max_concurrent=2)})
    for number in range(2):
        assert not some.is_busy("x.b:1")
        some.reserve(str(number), "x.b:1")
    assert some.is_busy("x.b:1") and not some.is_full("x.b:1")
    assert not some.is_busy("y.b:1")
    assert some.busy() == {"x.b:1": HostWait(2, 8)}
    async with ConnectionPermit(some, "x.b:1", print, "0"):
        assert some.is_busy("x.b:1")
    rooms.clear()
    some.cancel_reservation("0")  # long redeemed, and yet it makes room
    assert rooms and not some.is_busy("x.b:1")


async def test_a_download_that_begins_twice_is_one() -> None:
    """Its next attempt may begin before the pool has seen the end of the last one."""
    some = HostLimiter(1)
    some.set_host_limits({"a": HostLimits(max_concurrent=1)})
    some.reserve("x", "a:1")
    some.reserve("x", "a:1")
    assert some.is_full("a:1") and some.is_busy("a:1")
    some.cancel_reservation("x")
    assert not some.is_full("a:1") and not some.is_busy("a:1")
