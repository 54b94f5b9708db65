"""A fleet of real processes: `rheo fleet run`, Dask's own programs, and what may be killed."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path

from rheo_core.domain.fleet import PLAN_NAME, FleetPlan, ShardFacts, facts_name, from_json
from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard_files import read_shard
from rheo_core.fleet.targets import open_target
from tests.faults.program import COMMAND, Ended, Home
from tests.fleet.runs import FleetRun, body_for
from tests.servers.misbehaving import Exchange, MisbehavingServer
from tests.waiting import until

HOSTS = 8
LIMIT = 200.0
"""Seconds after which a fleet hangs. On a busy machine its start alone takes half a minute."""
CONCURRENCY = 8
"""Downloads at a time in a shard."""
SHORT_TTL = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "15s"}
"""A worker without a sign of life is given up soon, but not one of a busy machine."""

SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
WORKER = "from distributed.cli.dask_worker import main; main()"


async def serve_slowly(exchange: Exchange) -> None:
    """Answer with the file of the path, after a while."""
    await asyncio.sleep(0.02)  # the latency of a network
    await exchange.serve(body_for(exchange.request.target), Content_Type="image/jpeg")


def write_list(path: Path, server: MisbehavingServer, count: int) -> list[str]:
    """Write a list of URLs of several hosts; return them."""
    urls = [
        server.on(f"/{n}.jpg", serve_slowly).replace("127.0.0.1", f"127.0.0.{n % HOSTS + 1}")
        for n in range(count)
    ]
    path.write_text("\n".join(urls))
    return urls


def children(parent: int) -> list[int]:
    """Return the processes below another one, without zombies."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                state, up = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(folder.name)] = int(up)
    found = [parent]
    for known in found:
        found += [pid for pid, up in parents.items() if up == known]
    return found[1:]


def workers(driver: int) -> list[int]:
    """Return the worker processes of a local cluster."""
    return [pid for pid in children(driver) if b"spawn_main" in command_line(pid)]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process, unless it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


async def end_of(driver: Process) -> Ended:
    async with asyncio.timeout(LIMIT):
        out, err = await driver.communicate()
    assert b"Traceback" not in err, err.decode()
    return Ended(driver.returncode or 0, out.decode(), err.decode())


async def completed(driver: Process) -> None:
    """Wait for the end of a driver, which has completed its run."""
    ended = await end_of(driver)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("complete: ")


class Fleet:
    """Runs of one list, each with the same command, and the log of the server that they ask.

    Args:
        server: the server.
        folder: a folder for list, output and home.
        count: number of URLs.
    """

    def __init__(self, server: MisbehavingServer, folder: Path, count: int) -> None:
        self.server = server
        self.out = folder / "out"
        self.list = folder / "list.txt"
        self.urls = write_list(self.list, server, count)
        self.environment = Home(folder / "home").environment
        self._processes: list[Process] = []

    async def run(self, *options: object) -> Process:
        """Start a driver."""
        command = ("fleet", "run", self.list, "-o", self.out, "--concurrency", CONCURRENCY)
        return await self.start(COMMAND, *command, "--shard-size", 50, "--retries", 0, *options)

    async def start(self, program: str, *options: object) -> Process:
        """Start a program given as text; it is killed at the end of the test, with its children."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, *map(str, options),
            env=self.environment, start_new_session=True,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._processes.append(process)
        return process

    async def kill_all(self) -> None:
        """Kill everything that was started."""
        for process in self._processes:
            below = children(process.pid)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            for pid in below:  # some have a process group of their own
                kill(pid)
            await process.communicate()

    async def asked(self, driver: Process, more: int) -> None:
        """Wait until the server was asked for this number of further files.

        Raises:
            AssertionError: the driver has ended before.
        """
        goal = len(self.server.requests) + more

        def is_reached() -> bool:
            return len(self.server.requests) >= goal

        await until(lambda: is_reached() or driver.returncode is not None, LIMIT)
        assert is_reached(), await end_of(driver)

    def check(self, in_flight: int) -> None:
        """Check that nothing is lost, doubled or wrong, and that little was asked for twice.

        Args:
            in_flight: downloads that all kills together may have interrupted.
        """
        target = open_target(str(self.out))
        plan = from_json(FleetPlan, target.read(PLAN_NAME))
        shards = [[Row(entry.url) for entry in read_shard(target, number, 1, each.crc32)]
                  for number, each in enumerate(plan.shards)]  # fmt: skip
        assert sorted(row.url for shard in shards for row in shard) == sorted(self.urls)
        FleetRun(self.out, plan, [], shards).check()
        for number, shard in enumerate(shards):
            facts = from_json(ShardFacts, target.read(facts_name(number)))
            assert facts.counts == {"completed": len(shard)}
        asked = [request.target for request in self.server.requests]
        assert set(asked) == {"/" + url.split("/", 3)[3] for url in self.urls}
        again = len(asked) - len(self.urls)
        assert again <= in_flight, f"{again} files were asked for again"
