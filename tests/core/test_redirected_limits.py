"""Limits and sparing by the host that is asked: links on many hosts that lead to one."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, RetryConfig
from rheo_core.domain.hosts import HostLimits
from rheo_core.domain.request_options import RequestOptions
from rheo_core.downloads import RetryHandler
from rheo_core.infrastructure.http import BaseHttpClient
from tests import waiting
from tests.clients import opened_client
from tests.core.engine import (
    EAGER,
    PATIENT,
    Journal,
    error_of,
    quick_retries,
    serving,
    sha256,
    status_of,
)
from tests.servers.misbehaving import Behaviour, Exchange, MisbehavingServer, body_of
from tests.servers.names import Names
from tests.servers.scenarios import Tap, redirect
from tests.waiting import Until

BODY = body_of(300_000)
SUM = sha256(BODY).encode()


def bytes_of(manager: DownloadManager, config: FileConfig) -> int:
    info = manager.get_download_info(config.id)
    assert info is not None
    return info.bytes_downloaded


class Cdn:
    """A good server that counts the responses it gives at a time.

    Args:
        most: responses at a time that it bears; it answers any other with `refusal`.
        is_open: whether bodies come at once, or once `go_on` is set.
    """

    def __init__(
        self, most: int = 1000, refusal: str = "429 Too Many Requests", *, is_open: bool = False
    ) -> None:
        self.most, self.refusal = most, refusal
        self.busy = self.peak = self.refused = self.served = 0
        self.go_on = asyncio.Event()
        if is_open:
            self.go_on.set()

    async def __call__(self, exchange: Exchange) -> None:
        if self.busy >= self.most:
            self.refused += 1
            return await exchange.head(self.refusal, Content_Length=0, Retry_After=0)
        self.busy += 1
        self.peak = max(self.peak, self.busy)
        try:
            await asyncio.sleep(0.01)  # the time that it takes, not a wait of the test
            await self.go_on.wait()
            is_sum = exchange.request.target.endswith(".sha256")
            await exchange.serve(SUM if is_sum else BODY, ETag='"v1"')
            self.served += 1
        finally:
            self.busy -= 1
        return None


@dataclass
class World:
    """Host names, all of them on this machine: `front` serves the links, `back` the files."""

    client: BaseHttpClient
    front: MisbehavingServer
    back: MisbehavingServer
    folder: Path
    names: Names
    targets: Counter[str] = field(default_factory=Counter)

    def at(self, server: MisbehavingServer, host: str, path: str) -> str:
        return server.url(path).replace("127.0.0.1", host)

    def link(
        self, host: str, path: str, behaviour: Behaviour, *, to: str = "cdn.example", hops: int = 1
    ) -> str:
        """Return a link at `host` that leads to a file at `to` after `hops` redirects."""
        self.back.on(path, behaviour)
        target = self.at(self.back, to, path)
        for hop in range(hops - 1):
            self.front.on(f"{path}?hop={hop}", redirect(target))
            target = self.at(self.front, f"hop{hop}.example", f"{path}?hop={hop}")
        self.front.on(path, redirect(target))
        return self.at(self.front, host, path)

    def manager(self, **options: Any) -> DownloadManager:
        ours: dict[str, Any] = {
            "client": self.client,
            "max_concurrent": 30,
            "retry_handler": quick_retries(20),
        }
        return DownloadManager(download_dir=self.folder, **(ours | options))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    names = Names()
    async with (
        MisbehavingServer() as front,
        MisbehavingServer() as back,
        opened_client(resolver=names) as client,
    ):
        yield World(client, front, back, tmp_path, names)


async def ends(manager: DownloadManager, links: list[str], **wishes: Any) -> None:
    """Download all, and see that each came whole, without a failed attempt."""
    configs = [FileConfig(url=link, **wishes) for link in links]
    async with manager:
        journal = Journal(manager)
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
        assert all(status_of(manager, each) is DownloadStatus.COMPLETED for each in configs)
        for each in configs:
            path = manager.get_download_info(each.id).destination_path  # type: ignore[union-attr]
            assert path is not None and Path(path).read_bytes() == BODY
    assert set(journal.endings().values()) == {1}
    assert "failed" not in journal.names()


@pytest.mark.parametrize("hops", [1, 2, 3])
async def test_thirty_hosts_that_lead_to_one_share_its_connections(world: World, hops: int) -> None:
    cdn = Cdn(is_open=True)
    links = [world.link(f"link{n}.example", f"/{n}", cdn, hops=hops) for n in range(30)]
    manager = world.manager(connections_per_host=4, retry_handler=None)
    await ends(manager, links)
    assert cdn.peak <= 4 and cdn.served == 30
    # Once to learn where it leads, once to go there.
    assert max(Counter(r.target for r in world.front.requests).values()) <= 3


@pytest.mark.parametrize(
    "own", [HostLimits(connections=2), HostLimits(max_concurrent=2)], ids=["connections", "files"]
)
async def test_own_limits_are_those_of_the_host_that_is_asked(
    world: World, own: HostLimits
) -> None:
    cdn = Cdn(is_open=True)
    links = [world.link(f"link{n}.example", f"/{n}", cdn) for n in range(12)]
    await ends(world.manager(hosts={"cdn.example": own}, retry_handler=None), links)
    assert cdn.peak <= 2


@pytest.mark.parametrize(
    ("names", "leads"),
    [
        (("cdn.example", "cdn.example.", "CDN.example."), False),
        (("cdn.example", "cdn.example.", "CDN.example."), True),
        (("127.0.0.1", "0x7f000001", "0x7f.1"), False),  # no redirect may lead there
    ],
)
async def test_a_host_is_one_however_it_is_written(
    world: World, names: tuple[str, ...], leads: bool
) -> None:
    cdn = Cdn()
    cdn.go_on.set()
    links = []
    for number in range(9):
        path, host = f"/{number}", names[number % len(names)]
        world.back.on(path, cdn)
        link = world.link(f"host{number}.example", path, cdn, to=host)
        links.append(link if leads else world.at(world.back, host, path))
    await ends(world.manager(connections_per_host=2), links)
    assert cdn.peak <= 2
    if not names[0][0].isdigit():  # an address gets its canonical form
        assert {name.lower() for name in names[1:]} <= set(world.names.asked)  # as it is written


async def test_a_name_with_a_dot_at_its_end_is_another_origin(world: World) -> None:
    """Without the dot a search domain may complete it, so that it is not the same for secrets."""
    world.front.on("/there", serving(BODY))
    world.front.on("/here", redirect(world.at(world.front, "a.example.", "/there")))
    config = FileConfig(
        url=world.at(world.front, "a.example", "/here"), request=RequestOptions(user="me:pw")
    )
    async with world.manager() as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
    assert status_of(manager, config) == "completed", error_of(manager, config)
    told = [request.headers.get("authorization") for request in world.front.requests]
    assert told[0] and told[1:] == [None]


async def test_the_host_of_the_links_is_not_limited_by_what_it_sends_on(world: World) -> None:
    """Its one connection is free again as soon as it has answered."""
    cdn = Cdn()
    links = [world.link("links.example", f"/{n}", cdn) for n in range(6)]
    async with world.manager(hosts={"links.example": HostLimits(connections=1)}) as manager:
        await manager.add([FileConfig(url=link) for link in links])
        await waiting.until(lambda: cdn.busy >= 6)
        cdn.go_on.set()
        await manager.wait_until_complete(timeout=60)
        assert manager.stats.completed == 6


@pytest.mark.parametrize("refusal", ["429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize("leads", ["links", "direct"])
async def test_a_host_that_bears_four_is_spared_however_it_is_reached(
    world: World, until: Until, refusal: str, leads: str
) -> None:
    """Once it has refused a few, no download fails, and it is asked for no more than it bears."""
    cdn = Cdn(4, refusal)
    if leads == "links":
        links = [world.link(f"link{n}.example", f"/{n}", cdn) for n in range(30)]
    else:
        links = [world.at(world.back, "cdn.example", f"/{n}") for n in range(30)]
        for n in range(30):
            world.back.on(f"/{n}", cdn)
    async with world.manager(retry_handler=quick_retries(8)) as manager:
        await manager.add([FileConfig(url=link) for link in links])
        await until(lambda: cdn.busy == 4 and cdn.refused > 0)
        rows = manager.snapshot
        await until(lambda: not any(r.status == "retrying" for r in rows().downloads))
        cdn.go_on.set()
        await manager.wait_until_complete(timeout=60)
        assert manager.stats.completed == 30, manager.stats
    assert cdn.refused <= 40


async def test_links_of_one_host_do_not_ask_again_and_again_while_theirs_is_full(
    world: World, until: Until
) -> None:
    cdn = Cdn()
    links = [world.link("links.example", f"/{n}", cdn) for n in range(300)]
    other = world.at(world.back, "other.example", "/other")
    world.back.on("/other", serving(BODY))
    async with world.manager(connections_per_host=2, max_concurrent=4) as manager:
        await manager.add([FileConfig(url=link) for link in links])
        await until(lambda: cdn.busy == 2)
        free = FileConfig(url=other)  # behind all of them, and not held up
        await manager.add([free])
        await until(lambda: status_of(manager, free) is DownloadStatus.COMPLETED)
        assert len(world.front.requests) <= 2 + 2 * 4
        waiting = [r.reason for r in manager.snapshot().downloads if r.reason]
        assert any("cdn.example" in reason and "full" in reason for reason in waiting)
        cdn.go_on.set()
        await manager.wait_until_complete(timeout=60)
        assert manager.stats.completed == 301
    assert cdn.peak <= 2
    assert len(world.front.requests) <= 2 * 300


async def test_a_link_that_does_not_lead_to_the_full_host_is_found(
    world: World, until: Until
) -> None:
    """Other links of its host lead to a host that stays full for long."""
    tuning = replace(PATIENT, lead_seconds=0.05)
    cdn = Cdn()
    links = [world.link("links.example", f"/{n}", cdn) for n in range(10)]
    elsewhere = world.link("links.example", "/there", serving(BODY), to="other.example")
    for_origin = world.at(world.front, "links.example", "/here")
    world.front.on("/here", serving(BODY))
    async with world.manager(connections_per_host=1, max_concurrent=3, tuning=tuning) as manager:
        await manager.add([FileConfig(url=link) for link in links])
        await until(lambda: cdn.busy == 1)
        free = [FileConfig(url=url) for url in (elsewhere, for_origin)]
        await manager.add(free)
        for each in free:
            await until(lambda each=each: status_of(manager, each) is DownloadStatus.COMPLETED)
        asked = Counter(request.target for request in world.front.requests)
        assert max(asked.values()) <= 2  # each was asked once where it leads
        cdn.go_on.set()
        await manager.wait_until_complete(timeout=60)


async def test_two_hosts_that_lead_to_each_other_do_not_block_each_other(world: World) -> None:
    body = serving(BODY)
    links = []
    for n in range(10):
        world.front.on(f"/file{n}", body)
        world.back.on(f"/file{n}", body)
        here, there = f"/a{n}", f"/b{n}"
        world.front.on(here, redirect(world.at(world.back, "b.example", f"/file{n}")))
        world.back.on(there, redirect(world.at(world.front, "a.example", f"/file{n}")))
        links += [world.at(world.front, "a.example", here)]
        links += [world.at(world.back, "b.example", there)]
    await ends(world.manager(connections_per_host=1, retry_handler=None), links)


async def test_two_links_that_know_where_they_lead_do_not_wait_for_each_other(
    world: World, until: Until
) -> None:
    """Each has a reserve on the host that leads the other one on."""
    tuning = replace(PATIENT, passing_seconds=0.2)
    tap = Tap(BODY, 100_000, ETag='"v1"')
    world.front.on("/file", tap)
    world.back.on("/file", tap)
    world.front.on("/a", redirect(world.at(world.back, "b.example", "/file")))
    world.back.on("/b", redirect(world.at(world.front, "a.example", "/file")))
    links = [world.at(world.front, "a.example", "/a"), world.at(world.back, "b.example", "/b")]
    configs = [FileConfig(url=link, filename=f"f{n}") for n, link in enumerate(links)]
    async with world.manager(connections_per_host=1, tuning=tuning) as manager:
        for each in configs:
            await manager.add([each])
            await until(lambda each=each: bytes_of(manager, each))
            await manager.pause(each.id)
        tap.opened.set()
        await asyncio.gather(*(manager.resume(each.id) for each in configs))
        await manager.wait_until_complete(timeout=60)
        assert manager.stats.completed == 2
    assert all((world.folder / f"f{n}").read_bytes() == BODY for n in range(2))


async def test_a_claim_does_not_keep_a_host_while_its_link_waits_elsewhere(
    world: World, until: Until
) -> None:
    tuning = replace(PATIENT, passing_seconds=0.2)
    tap, long = Tap(BODY, 100_000, ETag='"v1"'), Tap(BODY, 1000)
    link = FileConfig(url=world.link("links.example", "/f", tap))
    world.front.on("/long", long)
    world.back.on("/direct", serving(BODY))
    busy = FileConfig(url=world.at(world.front, "links.example", "/long"))
    direct = FileConfig(url=world.at(world.back, "cdn.example", "/direct"))
    async with world.manager(connections_per_host=1, tuning=tuning) as manager:
        await manager.add([link])
        await until(lambda: bytes_of(manager, link))
        await manager.pause(link.id)
        tap.opened.set()
        await manager.add([busy])
        await until(lambda: bytes_of(manager, busy))
        await manager.resume(link.id)  # waits for the host of its link
        await manager.add([direct])
        await until(lambda: status_of(manager, direct) is DownloadStatus.COMPLETED)
        long.opened.set()
        await manager.wait_until_complete(timeout=60)
        assert manager.stats.completed == 3


@pytest.mark.parametrize("own", [None, HostLimits(connections=3)])
async def test_segments_count_where_they_are_fetched(world: World, own: HostLimits | None) -> None:
    body = body_of(4_000_000)
    busy = peak = 0

    async def slowly(exchange: Exchange) -> None:
        nonlocal busy, peak
        start, end = exchange.request.range_start or 0, exchange.request.range_end or len(body)
        busy += 1
        peak = max(peak, busy)
        try:
            place = f"bytes {start}-{end - 1}/{len(body)}"
            status = "200 OK" if exchange.request.range_start is None else "206 Partial Content"
            said = {} if exchange.request.range_start is None else {"Content_Range": place}
            await exchange.head(status, Content_Length=end - start, ETag='"v1"', **said)
            for offset in range(start, end, 50_000):
                await exchange.send(body[offset : min(offset + 50_000, end)])
                await asyncio.sleep(0.005)  # the pace of the line, not a wait of the test
        finally:
            busy -= 1

    link = world.link("link.example", "/f", slowly)
    limits = {"connections_per_host": 3} if own is None else {"hosts": {"cdn.example": own}}
    async with world.manager(connections=8, tuning=EAGER, **limits) as manager:
        await manager.add([FileConfig(url=link)])
        await manager.wait_until_complete(timeout=60)
        assert manager.stats.completed == 1
    assert (world.folder / "f").read_bytes() == body
    assert 2 <= peak <= 3


async def test_a_link_is_signed_anew_for_each_request(world: World) -> None:
    """Each redirect is good for one request only, and leads to a host that is full at first."""
    good: set[str] = set()
    signed = 0
    cdn = Cdn(is_open=True)

    async def sign(exchange: Exchange) -> None:
        nonlocal signed
        signed += 1
        path = f"{exchange.request.target}?sig={signed}"
        good.add(path)
        world.back.on(path, once)
        place = world.at(world.back, "cdn.example", path)
        await exchange.head("302 Found", Location=place, Content_Length=0)

    async def once(exchange: Exchange) -> None:
        if exchange.request.target not in good:
            return await exchange.head("403 Forbidden", Content_Length=0)
        good.discard(exchange.request.target)
        return await cdn(exchange)

    links = []
    for n in range(12):
        world.front.on(f"/{n}", sign)
        links.append(world.at(world.front, f"link{n}.example", f"/{n}"))
    await ends(world.manager(connections_per_host=2, retry_handler=None), links)
    assert cdn.peak <= 2


async def test_a_limit_of_speed_is_that_of_the_host_that_is_asked(
    world: World, until: Until
) -> None:
    body = serving(body_of(2_000_000))
    slow = FileConfig(url=world.link("link.example", "/slow", body))
    free = FileConfig(url=world.link("cdn.example", "/free", body, to="other.example"))
    limit = {"cdn.example": HostLimits(speed_limit_bps=20_000)}
    async with world.manager(hosts=limit) as manager:
        await manager.add([slow, free])
        await until(lambda: status_of(manager, free) is DownloadStatus.COMPLETED)
        await until(lambda: manager.get_download_info(slow.id).bytes_downloaded > 0)  # type: ignore[union-attr]
        assert status_of(manager, slow) is DownloadStatus.IN_PROGRESS
        manager.set_limits(hosts={})
        await manager.wait_until_complete(timeout=60)
        assert manager.stats.completed == 2


async def test_what_waits_for_a_full_host_can_be_paused_and_cancelled(
    world: World, until: Until
) -> None:
    cdn = Cdn()
    links = [FileConfig(url=world.link(f"l{n}.example", f"/{n}", cdn)) for n in range(4)]
    async with world.manager(connections_per_host=1) as manager:
        await manager.add(links)
        await until(lambda: sum("full" in row.reason for row in manager.snapshot().downloads) == 3)
        first = next(each for each in links if status_of(manager, each) != "queued")
        paused, cancelled, moved = [each for each in links if each is not first]
        assert await manager.pause(paused.id)
        await manager.cancel(cancelled.id)
        assert await manager.replace_url(moved.id, world.at(world.back, "b.example", "/direct"))
        world.back.on("/direct", serving(BODY))
        await until(lambda: status_of(manager, moved) is DownloadStatus.COMPLETED)
        assert await manager.resume(paused.id)
        cdn.go_on.set()
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, paused) is DownloadStatus.COMPLETED, error_of(manager, paused)
        assert status_of(manager, first) is DownloadStatus.COMPLETED
    assert cdn.peak == 1


def summed(world: World, cdn: Behaviour, count: int, *, leads: str) -> list[str]:
    """Return links of files with checksum files; what `leads` is on `front` and redirects."""
    links = []
    for number in range(count):
        path = f"/{number}"
        world.back.on(path, cdn)
        world.back.on(f"{path}.sha256", cdn)
        for name in (path, f"{path}.sha256"):
            to = "sums.example" if leads == "sums" and name != path else "cdn.example"
            world.front.on(name, redirect(world.at(world.back, to, name)))
        link = world.at(world.front, f"link{number}.example", path)
        links.append(link if leads else world.at(world.back, "cdn.example", path))
    return links


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("leads", ["", "both", "sums"])
async def test_checksum_files_count_at_their_host(world: World, leads: str, most: int) -> None:
    cdn = Cdn(is_open=True)
    links = summed(world, cdn, 12, leads=leads)
    await ends(world.manager(connections_per_host=most), links, sidecar=True)
    assert cdn.served >= 24  # what is put off for want of room asks for its checksum again
    assert cdn.peak <= most * (2 if leads == "sums" else 1)


@pytest.mark.parametrize("refusal", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_a_host_that_refuses_checksum_files_is_spared(world: World, refusal: str) -> None:
    """Both its files and their checksum files count, and either may be refused."""
    cdn = Cdn(3, refusal, is_open=True)
    await ends(world.manager(), summed(world, cdn, 30, leads=""), sidecar=True)
    assert cdn.served == 60
    assert cdn.refused <= 40


@pytest.mark.parametrize("sidecar", [False, True])
@pytest.mark.parametrize("leads", ["links", "direct"])
async def test_a_host_that_wants_a_rest_gets_it_from_all_downloads(
    world: World, until: Until, leads: str, sidecar: bool
) -> None:
    """Downloads that have not sent a request do not send one only to get the same answer."""
    told: list[str] = []
    rested = False

    async def limited(exchange: Exchange) -> None:
        target = exchange.request.target
        if not rested:
            told.append(target)
            return await exchange.head("429 Too Many Requests", Retry_After=1, Content_Length=0)
        return await exchange.serve(SUM if target.endswith(".sha256") else BODY)

    urls = summed(world, limited, 20, leads="both")
    if leads == "direct":
        urls = summed(world, limited, 20, leads="")
    other = FileConfig(url=world.at(world.back, "other.example", "/other"))
    world.back.on("/other", serving(BODY))
    handler = RetryHandler(RetryConfig(max_retries=3, base_delay=0.01, max_delay=5))
    async with world.manager(max_concurrent=1, retry_handler=handler) as manager:
        await manager.add([FileConfig(url=url, sidecar=sidecar) for url in urls])
        await until(lambda: told)
        await manager.add([other])
        await until(lambda: status_of(manager, other) is DownloadStatus.COMPLETED)
        rested = True
        await manager.wait_until_complete(timeout=60)
        assert manager.stats.completed == 21
    assert len(told) == 1


async def test_the_user_need_not_wait_for_the_rest_of_a_host(world: World, until: Until) -> None:
    async def limited(exchange: Exchange) -> None:
        if exchange.number == 1:
            return await exchange.head("429 Too Many Requests", Retry_After=3600, Content_Length=0)
        return await exchange.serve(BODY)

    config = FileConfig(url=world.link("link.example", "/f", limited))
    handler = RetryHandler(RetryConfig(max_retries=3, base_delay=0.01, max_delay=3600))
    async with world.manager(retry_handler=handler) as manager:
        await manager.add([config])
        await until(lambda: status_of(manager, config) is DownloadStatus.RETRYING)
        assert await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) is DownloadStatus.COMPLETED
