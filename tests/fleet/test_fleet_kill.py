"""Fleets of real processes, killed: nothing is lost, doubled or wrong, and little comes again."""

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.effort import effort
from tests.fleet import kill_sweep
from tests.fleet.clusters import (
    CONCURRENCY,
    LIMIT,
    SCHEDULER,
    SHORT_TTL,
    WORKER,
    Fleet,
    completed,
    end_of,
    kill,
    workers,
)
from tests.programs import is_alive
from tests.servers import nginx
from tests.servers.misbehaving import MisbehavingServer
from tests.servers.nginx import free_port
from tests.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

WORKER_FLIGHT = 2 * CONCURRENCY
"""Downloads of a process, which has two shards at a time."""
KILLS = effort("KILLS", 10)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory: a fleet syncs whole file systems, which other programs use too."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as path:
        yield Path(path)


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingServer]:
    """A server with several hosts: the loopback interface has many addresses."""
    async with MisbehavingServer(host="0.0.0.0") as server:
        yield server


@pytest.fixture
async def fleet(server: MisbehavingServer, folder: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(server, folder, 800)
    yield fleet
    await fleet.kill_all()


async def test_a_worker_and_then_the_driver_are_killed(fleet: Fleet) -> None:
    driver = await fleet.run("-j", 2)
    await fleet.asked(driver, 200)
    kill(workers(driver.pid)[0])
    await fleet.asked(driver, 100)
    running = workers(driver.pid)
    kill(driver.pid)
    await driver.communicate()
    await until(lambda: not any(map(is_alive, running)), LIMIT)
    await completed(await fleet.run("-j", 2))
    fleet.check(3 * WORKER_FLIGHT)
    await completed(await fleet.run("-j", 2))
    fleet.check(3 * WORKER_FLIGHT)


@pytest.mark.long
async def test_workers_that_are_killed_while_they_start_are_replaced(fleet: Fleet) -> None:
    """Dask gives such a process up; a cluster without any would wait for ever."""
    fleet.environment["DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT"] = "1s"
    driver = await fleet.run("-j", 2)
    await fleet.asked(driver, 200)
    began = time.monotonic()
    while time.monotonic() - began < 3:
        for pid in workers(driver.pid):
            kill(pid)
        await asyncio.sleep(0.02)
    assert driver.returncode is None
    await completed(driver)
    fleet.check(2 * WORKER_FLIGHT)


@pytest.mark.long
async def test_a_worker_hangs(fleet: Fleet) -> None:
    fleet.environment |= SHORT_TTL
    driver = await fleet.run("-j", 2)
    await fleet.asked(driver, 200)
    kill(workers(driver.pid)[0], signal.SIGSTOP)
    await completed(driver)
    fleet.check(WORKER_FLIGHT)


@pytest.mark.long
async def test_a_machine_and_then_the_scheduler_are_killed(fleet: Fleet) -> None:
    fleet.environment["DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"] = "10s"
    port = free_port()
    address, place = f"tcp://127.0.0.1:{port}", ("--host", "127.0.0.1", "--no-dashboard")

    async def scheduler() -> Process:
        return await fleet.start(SCHEDULER, *place, "--port", port)

    async def worker() -> Process:
        options = ("--nthreads", 2, "--local-directory", fleet.out.parent)
        return await fleet.start(WORKER, address, *place, *options)

    first, machines = await scheduler(), [await worker(), await worker()]
    driver = await fleet.run("--cluster", f"dask://127.0.0.1:{port}", "--lanes", 4)
    await fleet.asked(driver, 200)
    os.killpg(machines[0].pid, signal.SIGKILL)  # nanny and worker
    await fleet.asked(driver, 100)
    first.kill()
    ended = await end_of(driver)
    assert ended.code == 3 and "Run the same command again to continue." in ended.err
    os.killpg(machines[1].pid, signal.SIGKILL)
    await scheduler()
    await worker()
    await completed(await fleet.run("--cluster", f"dask://127.0.0.1:{port}"))
    fleet.check(2 * WORKER_FLIGHT)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(max(1, KILLS // 10)))
async def test_anything_is_killed_at_any_moment(fleet: Fleet, seed: int) -> None:
    chance, drivers = random.Random(seed), 0
    driver = await fleet.run("-j", 2)
    for _ in range(10):
        await asyncio.sleep(chance.uniform(0.2, 2.0))  # the moment does not matter
        if driver.returncode is not None:
            break
        victim = chance.choice([driver.pid, *workers(driver.pid)])
        kill(victim)
        if victim == driver.pid:
            await driver.wait()
            driver, drivers = await fleet.run("-j", 2), drivers + 1
    if driver.returncode is None or drivers:
        await completed(driver)
    fleet.check((10 + drivers) * WORKER_FLIGHT)


@pytest.mark.long
@pytest.mark.skipif(nginx.PROGRAM is None, reason="nginx is not installed")
@pytest.mark.parametrize(
    ("form", "layout"), [("local", "tar"), ("dask", "files"), ("slices", "tar")]
)
async def test_a_sweep_of_kills(folder: Path, form: str, layout: str) -> None:
    kills = max(4, KILLS // 5)
    options = ("--kills", kills, "--form", form, "--layout", layout, "--seed", 1)
    figures = await kill_sweep.sweep(kill_sweep.parsed(list(map(str, options))), folder)
    assert not figures.problems, figures.problems
    assert figures.kills.total() == kills
