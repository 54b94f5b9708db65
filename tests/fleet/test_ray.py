"""Ray: a worker or the driver is killed, and nothing is lost, doubled or wrong."""

import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from rheo_core.fleet.executors import ClusterError, ray
from tests.fleet.clusters import CONCURRENCY, LIMIT, Fleet, children, command_line, completed, kill
from tests.servers.misbehaving import MisbehavingServer
from tests.servers.nginx import free_port
from tests.waiting import until

RAY = "from ray.scripts.scripts import main; main()"
HEAD = ("--head", "--block", "--num-cpus", 2, "--include-dashboard=false")
STORE = ("--object-store-memory", 80 << 20)  # the least it takes


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


needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs rheo-tui[ray]")
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


async def start_head(fleet: Fleet, folder: Path) -> tuple[Process, tuple[object, ...]]:
    """Start a cluster; return its first process, and the flags of a run on it."""
    port = free_port()
    ports = ("--port", free_port(), "--ray-client-server-port", port)
    head = await fleet.start(RAY, "start", *HEAD, *STORE, *ports, "--temp-dir", folder / "ray")
    assert head.stdout is not None
    async for line in head.stdout:
        if b"--block" in line:  # it has started
            break
    return head, ("--cluster", f"ray://127.0.0.1:{port}", "--lanes", 4)


def at_work(head: Process) -> list[int]:
    """Return the processes of a cluster that work on a shard."""
    return [pid for pid in children(head.pid) if command_line(pid).startswith(b"ray::_call")]


@needs_ray
@needs_proc
async def test_a_worker_of_ray_is_killed(fleet: Fleet, folder: Path) -> None:
    head, cluster = await start_head(fleet, folder)
    driver = await fleet.run(*cluster)
    await fleet.asked(driver, 60)
    await until(lambda: bool(at_work(head)), LIMIT)
    kill(at_work(head)[0])
    await completed(driver)
    fleet.check(CONCURRENCY)


@pytest.mark.long
@needs_ray
@needs_proc
async def test_the_driver_of_ray_is_killed(fleet: Fleet, folder: Path) -> None:
    """Its tasks finish their shards or end with it, and the next driver goes on."""
    head, cluster = await start_head(fleet, folder)
    driver = await fleet.run(*cluster)
    await fleet.asked(driver, 60)
    await until(lambda: bool(at_work(head)), LIMIT)
    kill(driver.pid)
    await driver.communicate()
    await until(lambda: not at_work(head), LIMIT)
    await completed(await fleet.run(*cluster))
    fleet.check(4 * CONCURRENCY)


@pytest.mark.parametrize(
    ("failures", "attempts"),
    [
        ([], 1),
        ([ConnectionAbortedError("Initialization failure from server:\ntrace")] * 4, 5),
        ([ConnectionAbortedError("Initialization failure from server:\ntrace")] * 9, 5),
        ([ConnectionError("ray client connection timeout")] * 9, 1),
    ],
    ids=["at once", "in time", "too often", "no server"],
)
def test_a_process_for_the_client_that_dies_is_started_again(
    monkeypatch: pytest.MonkeyPatch, failures: list[Exception], attempts: int
) -> None:
    """No real server does that on demand: https://github.com/ray-project/ray/issues/63202."""
    asked: list[str] = []

    def init(address: str, **_: object) -> None:
        asked.append(address)
        if len(asked) <= len(failures):
            raise failures[len(asked) - 1]

    fake = SimpleNamespace(init=init, shutdown=lambda: None, cluster_resources=lambda: {},
                           remote=lambda **_: lambda call: call)  # fmt: skip
    monkeypatch.setitem(sys.modules, "ray", fake)
    said = (
        "has no CPUs$" if len(failures) < attempts else "no Ray server answers at head:1: .*[a-z]$"
    )
    with pytest.raises(ClusterError, match=said), ray.connect("head:1"):
        raise AssertionError("it has CPUs")
    assert asked == ["ray://head:1"] * attempts
