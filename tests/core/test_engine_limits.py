"""Limits of single hosts and downloads, starts at a time, a budget of bytes; with a real server."""

import asyncio
import time
from datetime import datetime
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.domain.hosts import HostLimits
from rheo_core.tracking import DownloadRecord
from tests.core.engine import Gate, serving, sha256, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.waiting import Until

BODY = body_of(3_000_000)
FAR = 10 * 365 * 86400.0


def record_of(manager: DownloadManager, config: FileConfig) -> DownloadRecord:
    record = manager.tracker.get(config.id)
    assert record is not None
    return record


def here(url: str) -> str:
    """The same server by another name."""
    return url.replace("127.0.0.1", "localhost")


async def test_a_host_has_its_own_number_of_downloads(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 1000, ETag='"v"')
    slow = [FileConfig(url=server.on(f"/{n}", gate)) for n in range(3)]
    others = [FileConfig(url=here(server.on(f"/o{n}", gate))) for n in range(3)]
    limits = {"127.0.0.1": HostLimits(max_concurrent=1)}
    async with DownloadManager(download_dir=tmp_path, max_concurrent=6, hosts=limits) as manager:
        await manager.add([*slow, *others])
        await until(lambda: manager.stats.in_progress == 4)
        running = [c for c in slow if status_of(manager, c).is_active]
        assert running == slow[:1]
        assert {host.rpartition(":")[0] for host in manager.snapshot().full_hosts} == {"127.0.0.1"}
        manager.set_limits(hosts={"127.0.0.1": HostLimits(max_concurrent=2)})
        await until(lambda: manager.stats.in_progress == 5)
        manager.set_limits(hosts={})
        await until(lambda: manager.stats.in_progress == 6)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    assert manager.stats.completed == 6


async def test_hundreds_of_downloads_run_at_once(server: MisbehavingServer, tmp_path: Path) -> None:
    gate = Gate(b"0123456789", 1)
    files = [FileConfig(url=server.on(f"/{number}", gate)) for number in range(300)]
    async with DownloadManager(
        download_dir=tmp_path, max_concurrent=4096, connections_per_host=4096
    ) as manager:
        await manager.add(files)
        async with asyncio.timeout(60):
            await server.wait_for_requests(300)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    assert manager.stats.completed == 300


async def test_a_host_has_its_own_number_of_connections(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 1000)
    configs = [FileConfig(url=server.on(f"/{n}", gate)) for n in range(3)]
    async with DownloadManager(
        download_dir=tmp_path,
        connections_per_host=1,
        hosts={"127.0.0.1": HostLimits(connections=2)},
    ) as manager:
        await manager.add(configs)
        await until(lambda: manager.stats.in_progress == 2)
        assert manager.snapshot().full_hosts
        manager.set_limits(hosts={"127.0.0.1": HostLimits(connections=3)})
        await until(lambda: manager.stats.in_progress == 3)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)


async def test_limits_of_hosts_change_in_any_spelling(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 1000)
    configs = [FileConfig(url=server.on(f"/{n}", gate)) for n in range(2)]
    async with DownloadManager(download_dir=tmp_path, connections_per_host=1) as manager:
        await manager.add(configs)
        await until(lambda: manager.stats.in_progress == 1)
        with pytest.raises(ValueError, match="should be a host such as"):
            manager.set_limits(connections_per_host=9, hosts={"http://h": HostLimits()})
        manager.set_limits(hosts={"127.1": HostLimits(connections=2)})
        await until(lambda: manager.stats.in_progress == 2)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)


@pytest.mark.parametrize("limited_by", ["total", "host", "download"])
async def test_each_limit_holds_and_is_lifted_live(
    server: MisbehavingServer, tmp_path: Path, until: Until, limited_by: str
) -> None:
    config = FileConfig(
        url=server.on("/f", serving(BODY, ETag='"v"')),
        speed_limit=20_000 if limited_by == "download" else None,
    )
    async with DownloadManager(
        download_dir=tmp_path,
        speed_limit_bps=20_000 if limited_by == "total" else None,
        hosts={"127.0.0.1": HostLimits(speed_limit_bps=20_000)} if limited_by == "host" else None,
        connections=2,
    ) as manager:
        await manager.add([config])
        record = manager.tracker.get(config.id)
        assert record is not None
        await until(lambda: record.stats.transferred)
        assert record.stats.transferred < 2_000_000  # 150 seconds for all of it
        if limited_by == "total":
            manager.set_limits(speed_limit_bps=0)
        elif limited_by == "host":
            manager.set_limits(hosts={})
        else:
            assert await manager.set_speed_limit(config.id, None)
        await manager.wait_until_complete(timeout=60)
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY)


async def test_slow_mode_and_schedule_are_told(tmp_path: Path) -> None:
    manager = DownloadManager(
        download_dir=tmp_path, speed_limit_bps=5_000_000, slow_limit_bps=50_000
    )
    manager.set_limits(slow=True)
    seen = manager.snapshot()
    assert (seen.speed_limit_bps, seen.speed_limit_reason, seen.is_slow) == (
        50_000, "slow mode", True,
    )  # fmt: skip
    manager.set_limits(slow=False, schedule=["00:00-24:00 1M"])
    seen = manager.snapshot()
    assert (seen.speed_limit_bps, seen.speed_limit_reason, seen.is_slow) == (
        1_000_000, "until 24:00", False,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"'8-9 1M' is not valid: it should be a time span"):
        manager.set_limits(schedule=["8-9 1M"], speed_limit_bps=7)
    with pytest.raises(ValueError, match="slow_limit_bps is 0; it must be 1 or more"):
        manager.set_limits(slow_limit_bps=0)
    with pytest.raises(ValueError, match="stop_after_bytes is -1; it must be 0 or more"):
        manager.set_limits(stop_after_bytes=-1, speed_limit_bps=7)
    manager.set_limits(schedule=[])
    assert manager.snapshot().speed_limit_bps == 5_000_000


async def test_a_download_starts_when_it_is_told(server: MisbehavingServer, tmp_path: Path) -> None:
    url = server.on("/f", serving(BODY))
    soon, now = time.time() + 3.0, FileConfig(url=server.on("/now", serving(BODY)))
    later = FileConfig(url=url, start_at=soon, priority=9)
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([later, now])
        (row,) = [row for row in manager.snapshot().downloads if row.id == later.id]
        assert (row.status, row.start_at) == (DownloadStatus.QUEUED, soon)
        await manager.wait_until_complete(timeout=60)
        started = record_of(manager, later).stats.started_at
        assert started is not None and started >= soon
    assert [request.target for request in server.requests] == ["/now", "/f"]


async def test_what_waits_for_its_time_can_be_steered(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 1_000_000, ETag='"v"')
    far = time.time() + FAR
    running, waiting = FileConfig(url=server.on("/r", gate)), FileConfig(url=server.on("/w", gate))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([running, waiting.model_copy(update={"start_at": far})])
        await until(lambda: record_of(manager, running).bytes_downloaded >= 1_000_000)
        assert not await manager.move(waiting.id, to="top")
        assert await manager.set_priority(waiting.id, 3)
        # What runs stops, and keeps its bytes.
        assert await manager.set_start(running.id, far)
        assert status_of(manager, running) is DownloadStatus.QUEUED
        assert manager.stats.in_progress == 0
        assert await manager.pause(waiting.id)
        assert await manager.set_start(waiting.id, None)
        assert status_of(manager, waiting) is DownloadStatus.PAUSED
        gate.opened.set()
        assert await manager.resume(waiting.id)
        assert await manager.set_start(running.id, None)
        await manager.wait_until_complete(timeout=60)
        assert not await manager.set_start(running.id, None)
        assert not await manager.set_speed_limit(running.id, 1)
        assert not await manager.set_start("unknown", None)
    assert [r.range_start for r in server.requests_for("/r")] == [None, 1_000_000]
    for name in "rw":
        assert sha256((tmp_path / name).read_bytes()) == sha256(BODY)


async def test_limit_and_start_outlive_the_process(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/f", serving(BODY)))
    at = datetime(2126, 1, 1).timestamp()

    def manager() -> DownloadManager:
        return DownloadManager(download_dir=tmp_path, session_path=tmp_path / "session.db")

    async with manager() as first:
        await first.add([config.model_copy(update={"start_at": at})])
        assert await first.set_speed_limit(config.id, 12_345)
    async with manager() as second:
        (row,) = second.snapshot().downloads
        assert (row.start_at, row.speed_limit_bps) == (at, 12_345)
        assert row.status is DownloadStatus.QUEUED
        await second.set_speed_limit(config.id, None)
        await second.set_start(config.id, None)
        await second.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize("connections", [1, 4])
async def test_everything_stops_after_so_many_bytes(
    server: MisbehavingServer, tmp_path: Path, until: Until, connections: int
) -> None:
    configs = [FileConfig(url=server.on(f"/{n}", serving(BODY, ETag='"v"'))) for n in range(3)]
    async with DownloadManager(download_dir=tmp_path, connections=connections) as manager:
        manager.set_limits(stop_after_bytes=4_000_000)
        assert manager.snapshot().stop_after_bytes == 4_000_000
        await manager.add(configs)
        await asyncio.wait_for(manager.wait_until_stopped(), 60)
        await manager.wait_until_complete(timeout=60)  # paused ones are not waited for
        received = sum(record_of(manager, config).stats.transferred for config in configs)
        assert 4_000_000 <= received < 4_600_000  # heads of responses bring some along
        stopped = [c for c in configs if status_of(manager, c) is DownloadStatus.PAUSED]
        assert stopped and len(stopped) + manager.stats.completed == 3
        told = "stopped at the data limit"
        await until(lambda: all(record_of(manager, c).reason == told for c in stopped))
        assert manager.snapshot().stop_after_bytes is None
        await manager.resume_all()
        await manager.wait_until_complete(timeout=60)
        received = sum(record_of(manager, config).stats.transferred for config in configs)
        assert received < 1.1 * 3 * len(BODY)
    for config in configs:
        assert (tmp_path / config.get_destination_filename()).read_bytes() == BODY


async def test_a_further_budget_holds_that_comes_while_everything_stops(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    configs = [FileConfig(url=server.on(f"/{n}", serving(BODY, ETag='"v"'))) for n in range(3)]
    async with DownloadManager(download_dir=tmp_path) as manager:
        manager.set_limits(stop_after_bytes=2_000_000)
        await manager.add(configs)
        await asyncio.wait_for(manager.wait_until_stopped(), 60)
        manager.set_limits(stop_after_bytes=50_000_000)
        await manager.resume_all()
        await manager.wait_until_complete(timeout=60)
        assert manager.stats.completed == 3
        left = manager.snapshot().stop_after_bytes
        assert left is not None and 40_000_000 < left < 50_000_000


@pytest.mark.parametrize("budget", [0, 50_000_000])
@pytest.mark.parametrize("is_resuming", [False, True])
async def test_a_further_budget_in_the_moment_of_the_last_byte_holds(
    server: MisbehavingServer, tmp_path: Path, until: Until, budget: int, is_resuming: bool
) -> None:
    gate = Gate(BODY, 1000, ETag='"v"')
    configs = [FileConfig(url=server.on(f"/{number}", gate)) for number in range(3)]
    async with DownloadManager(download_dir=tmp_path, connections=1) as manager:
        await manager.add(configs)
        await until(lambda: manager.stats.in_progress == 3)
        if is_resuming:
            await manager.pause_all()
        manager.set_limits(stop_after_bytes=10)
        rates = manager._parts.limits._limits
        rates.settle(rates.grant(10), 10)
        assert rates.spent.is_set()
        manager.set_limits(stop_after_bytes=budget)
        await manager.resume_all()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not [c for c in configs if status_of(manager, c) is DownloadStatus.PAUSED]
        assert (manager.snapshot().stop_after_bytes is None) is (budget == 0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(manager.wait_until_stopped(), 0)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    assert manager.stats.completed == 3


@pytest.mark.parametrize("name", ["max_concurrent", "connections", "connections_per_host"])
def test_a_limit_below_one_is_refused_instead_of_waiting_forever(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0; it must be 1 or more"):
        DownloadManager(**{name: 0})  # type: ignore[arg-type]
