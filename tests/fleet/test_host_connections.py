"""No host has more requests at a time than `--host-connections`, over all workers together."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rheo_core.fleet.planning import PlanRequest, plan_fleet
from rheo_core.fleet.targets import open_target
from tests.faults.program import COMMAND, Home
from tests.fleet.runs import serve
from tests.servers.misbehaving import Exchange, MisbehavingServer

HOSTS = 4
LIMIT = 3


class CountedHosts:
    """Serves files after a while, and counts the requests that wait, by host."""

    def __init__(self) -> None:
        self.most = Counter[str]()
        self._waiting = Counter[str]()

    async def __call__(self, exchange: Exchange) -> None:
        host = exchange.request.headers["host"]
        self._waiting[host] += 1
        self.most[host] = max(self.most[host], self._waiting[host])
        await asyncio.sleep(0.01)  # the latency of a network
        self._waiting[host] -= 1
        await serve(exchange)


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingServer]:
    """A server with several hosts: the loopback interface has many addresses."""
    async with MisbehavingServer(host="0.0.0.0") as server:
        yield server


@pytest.mark.parametrize("count", [80, pytest.param(2_000, marks=pytest.mark.long)])
async def test_two_workers_keep_the_limit_of_a_host(
    server: MisbehavingServer, tmp_path: Path, home: Home, count: int
) -> None:
    hosts, out = CountedHosts(), tmp_path / "out"
    urls = [
        server.on(f"/{n}.jpg", hosts).replace("127.0.0.1", f"127.0.0.{n % HOSTS + 1}")
        for n in range(count)
    ]
    source = tmp_path / "list.txt"
    source.write_text("\n".join(urls))
    request = PlanRequest((str(source),), shard_size=10, lanes=HOSTS, host_connections=LIMIT)
    plan_fleet(open_target(str(out)), request, HOSTS)
    workers = [
        await home.start(COMMAND, "fleet", "work", out, "--slice", f"{n}/2") for n in range(2)
    ]
    for _, err in await asyncio.gather(*(worker.communicate() for worker in workers)):
        assert b"0 failed" in err, err.decode()
    assert len(hosts.most) == HOSTS and len(server.requests) == count
    assert max(hosts.most.values()) == LIMIT, hosts.most
