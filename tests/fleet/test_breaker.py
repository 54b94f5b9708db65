"""Hosts that are down are given up for the rest of a shard."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rheo_core.domain.failures import FailureKind
from rheo_core.fleet import shard_downloads
from rheo_core.fleet.breaker import MAX_FAILURES, Breaker
from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard import work_on_shard
from rheo_core.fleet.shard_downloads import ShardError
from tests.fleet.runs import planned, rows_of
from tests.servers.misbehaving import Exchange, MisbehavingServer


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses every connection."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_only_failures_in_a_row_count() -> None:
    breaker = Breaker()
    for kind in (None, "http_404", "hash"):
        for _ in range(MAX_FAILURES - 1):
            assert not breaker.note("a:80", "timeout")
        assert not breaker.note("a:80", kind)
    for number in range(MAX_FAILURES):
        assert not breaker.is_down("a:80")
        assert breaker.note("a:80", "connection") is (number == MAX_FAILURES - 1)
        breaker.note("b:80", None)
    assert breaker.is_down("a:80") and not breaker.is_down("b:80")
    assert not breaker.note("a:80", "connection")


async def test_a_dead_host_costs_no_more_than_its_limit(
    server: MisbehavingServer, tmp_path: Path, closed_port: int
) -> None:
    dead = [Row(f"http://127.0.0.1:{closed_port}/{number}.jpg") for number in range(500)]
    run = planned(tmp_path / "out", [*dead, *rows_of(server, 20)], 1_000, concurrency=32)
    facts = await work_on_shard(run.tasks[0])
    run.check()
    assert facts.counts == {"completed": 20, "failed": 500}
    assert facts.errors["connection"] + facts.errors["host_down"] == 500
    assert facts.errors["connection"] <= MAX_FAILURES + 32
    rows = [row for row in run.manifest() if row["kind"] == "host_down"]
    assert {row["attempts"] for row in rows} == {0}
    assert f"connections to 127.0.0.1:{closed_port} failed in a row" in rows[0]["error"]


async def test_a_host_that_answers_with_errors_is_not_down(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def broken(exchange: Exchange) -> None:
        await exchange.head("500 Internal Server Error", Content_Length=0)

    rows = [Row(server.on(f"/{number}", broken)) for number in range(50)]
    run = planned(tmp_path / "out", rows)
    assert (await work_on_shard(run.tasks[0])).errors == {"http_500": 50}


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_lost_network_fails_no_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    """Without a route the worker stops; with one, only the name servers of a host are silent."""

    def silent(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    monkeypatch.setattr(shard_downloads, "_NETWORK_SECONDS", 0.0)
    monkeypatch.setattr(shard_downloads, "has_route", lambda: is_there)
    run = planned(tmp_path / "out", [Row("http://nobody.example/a.jpg")])
    if is_there:
        assert (await work_on_shard(run.tasks[0])).errors == {"no_network": 1}
    else:
        with pytest.raises(ShardError) as caught:
            await work_on_shard(run.tasks[0])
        assert caught.value.failure is FailureKind.NO_NETWORK
