"""Ray: a worker is killed, and nothing is lost, doubled or wrong."""

import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fleet.clusters import CONCURRENCY, LIMIT, Fleet, children, command_line, completed, kill
from tests.servers.misbehaving import MisbehavingServer
from tests.servers.nginx import free_port
from tests.waiting import until

pytestmark = [
    pytest.mark.long,  # Ray's own start and its recovery take from 10 s to minutes
    pytest.mark.skipif(find_spec("ray") is None, reason="needs rheo-tui[ray]"),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]

RAY = "from ray.scripts.scripts import main; main()"
HEAD = ("--head", "--block", "--num-cpus", 2, "--include-dashboard=false")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, because Ray has sockets there."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", ignore_cleanup_errors=True) as path:
        yield Path(path)


@pytest.fixture
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    async with MisbehavingServer(host="0.0.0.0") as server:
        fleet = Fleet(server, folder, 400)
        fleet.environment["RAY_USAGE_STATS_ENABLED"] = "0"
        yield fleet
        await fleet.kill_all()


async def test_a_worker_of_ray_is_killed(fleet: Fleet, folder: Path) -> None:
    port = free_port()
    ports = ("--port", free_port(), "--ray-client-server-port", port)
    head = await fleet.start(RAY, "start", *HEAD, *ports, "--temp-dir", folder / "ray")
    assert head.stdout is not None
    async for line in head.stdout:
        if b"--block" in line:  # it has started
            break
    driver = await fleet.run("--cluster", f"ray://127.0.0.1:{port}", "--lanes", 4)
    await fleet.asked(60)

    def at_work() -> list[int]:
        return [pid for pid in children(head.pid) if command_line(pid).startswith(b"ray::_call")]

    await until(at_work, LIMIT)
    kill(at_work()[0])
    await completed(driver)
    fleet.check(CONCURRENCY)
