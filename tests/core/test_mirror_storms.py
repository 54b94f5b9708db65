"""Long lists of mirrors: however many there are, an attempt asks few times."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rheo_core import FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.domain.file_config import MAX_MIRRORS
from rheo_core.domain.tuning import Tuning
from rheo_core.infrastructure.http import BaseHttpClient
from tests.clients import opened_client
from tests.core.engine import error_of, fetch, quick_retries, serving, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.names import Names
from tests.servers.scenarios import answer, cut, redirect

BODY = body_of(3_000_000)
QUICK = Tuning(join_after_seconds=0.001, join_threshold_seconds=0.0)
MANY = 3000
ATTEMPTS = 4


@pytest.fixture
async def client() -> AsyncIterator[BaseHttpClient]:
    async with opened_client(resolver=Names()) as opened:
        yield opened


def named(url: str, host: str) -> str:
    return url.replace("127.0.0.1", host)


def with_mirrors(url: str, mirrors: list[str], **wishes: Any) -> FileConfig:
    """As a list of an earlier version has it, whatever new ones are checked for."""
    return FileConfig(url=url, **wishes).model_copy(update={"mirrors": tuple(mirrors)})


BUSY = ["503 Service Unavailable", "429 Too Many Requests"]


@pytest.mark.parametrize("status", BUSY)
async def test_a_host_that_is_busy_is_not_asked_for_each_of_its_mirrors(
    server: MisbehavingServer, tmp_path: Path, status: str
) -> None:
    url = server.on("/f", answer(status))
    mirrors = [server.on(f"/m{n}", answer(status)) for n in range(MANY)]
    config = with_mirrors(url, mirrors)
    manager, _ = await fetch(tmp_path, [config], retry_handler=quick_retries(ATTEMPTS - 1))
    assert error_of(manager, config) == f"HTTP {status}"
    assert len(server.requests) <= 2 * ATTEMPTS


@pytest.mark.parametrize("status", BUSY)
async def test_mirrors_that_lead_to_a_busy_host_do_not_ask_it_each(
    server: MisbehavingServer, tmp_path: Path, client: BaseHttpClient, status: str
) -> None:
    async with MisbehavingServer() as back:
        back.on("/f", answer(status))
        target = named(back.url("/f"), "busy.example")
        links = [server.on(f"/m{n}", redirect(target)) for n in range(MANY)]
        first, *mirrors = [named(link, f"m{n}.example") for n, link in enumerate(links)]
        config = with_mirrors(first, mirrors)
        handler = quick_retries(ATTEMPTS - 1)
        manager, _ = await fetch(tmp_path, [config], client=client, retry_handler=handler)
        assert error_of(manager, config) == f"HTTP {status}"
        assert len(back.requests) <= 2 * ATTEMPTS
        assert len(server.requests) <= (1 + MAX_MIRRORS) * ATTEMPTS


async def test_a_busy_host_does_not_keep_a_good_mirror_from_its_turn(
    server: MisbehavingServer, tmp_path: Path, client: BaseHttpClient
) -> None:
    url = named(server.on("/f", answer(BUSY[0])), "busy.example")
    mirrors = [named(server.on(f"/m{n}", answer(BUSY[0])), "busy.example") for n in range(10)]
    mirrors.append(named(server.on("/good", serving(BODY, ETag='"v1"')), "good.example"))
    config = with_mirrors(url, mirrors)
    manager, _ = await fetch(tmp_path, [config], client=client)
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert len(server.requests) <= 3
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oh", "403 Forbidden", "200 OK"])
async def test_an_attempt_asks_few_of_many_mirrors_whatever_they_answer(
    server: MisbehavingServer, tmp_path: Path, client: BaseHttpClient, status: str
) -> None:
    behaviour = answer(status) if status != "200 OK" else cut(BODY, 0)
    urls = [named(server.on(f"/m{n}", behaviour), f"m{n}.example") for n in range(MANY)]
    config = with_mirrors(urls[0], urls[1:])
    handler = quick_retries(ATTEMPTS - 1)
    manager, _ = await fetch(tmp_path, [config], client=client, retry_handler=handler)
    assert status_of(manager, config) is DownloadStatus.FAILED
    assert len(server.requests) <= (1 + MAX_MIRRORS) * ATTEMPTS


async def test_mirrors_that_refuse_connections_are_not_tried_one_by_one(
    server: MisbehavingServer, tmp_path: Path, client: BaseHttpClient
) -> None:
    """Nothing listens; what is tried is counted by the names that are looked up."""
    names = Names()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        place = f"http://closed.example:{held.getsockname()[1]}"
        config = with_mirrors(f"{place}/f", [f"{place}/m{n}" for n in range(MANY)])
        async with opened_client(resolver=names) as own:
            manager, _ = await fetch(tmp_path, [config], client=own)
    assert "refused" in error_of(manager, config)
    assert len(names.asked) <= 2


async def test_segments_do_not_storm_mirrors_that_turn_busy(
    server: MisbehavingServer,
    tmp_path: Path,
    client: BaseHttpClient,
) -> None:
    """The file comes from its own host; all mirrors are on one host that is busy."""

    async def slowly(exchange: Exchange) -> None:
        if exchange.request.range_start is not None:
            return await exchange.serve(BODY, ETag='"v1"')
        await exchange.head(Content_Length=len(BODY), ETag='"v1"')
        for offset in range(0, len(BODY), 30_000):
            await exchange.send(BODY[offset : offset + 30_000])
            await asyncio.sleep(0.004)  # the pace of the line, not a wait of the test
        return None

    url = named(server.on("/f", slowly), "own.example")
    busy = [server.on(f"/m{n}", answer(BUSY[0])) for n in range(MANY)]
    config = with_mirrors(url, [named(link, "busy.example") for link in busy])
    manager, _ = await fetch(tmp_path, [config], client=client, connections=8, tuning=QUICK)
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert (tmp_path / "f").read_bytes() == BODY
    assert sum(request.target.startswith("/m") for request in server.requests) <= MAX_MIRRORS


@pytest.mark.parametrize(
    "host", ["a..b", ".a", "....", "x" * 64 + ".example", "a." * 127 + "toolong"]
)
@pytest.mark.parametrize("is_redirect", [False, True])
async def test_a_mirror_on_a_host_that_cannot_be_is_left_out(
    server: MisbehavingServer,
    tmp_path: Path,
    host: str,
    is_redirect: bool,
) -> None:
    mirror = f"http://{host}/f"
    asked = asyncio.Event()
    if is_redirect:

        async def lead(exchange: Exchange) -> None:
            asked.set()
            await exchange.head("302 Found", Location=f"http://{host}/f", Content_Length=0)

        mirror = server.on("/mirror", lead)

    async def slowly(exchange: Exchange) -> None:
        start = exchange.request.range_start
        if start is not None:
            return await exchange.serve(BODY, ETag='"v1"')
        await exchange.head(Content_Length=len(BODY), ETag='"v1"')
        for offset in range(0, len(BODY), 30_000):
            await exchange.send(BODY[offset : offset + 30_000])
            await asyncio.sleep(0.002)  # the pace of the line, not a wait of the test
        return None

    config = with_mirrors(server.on("/f", slowly), [mirror])
    manager, journal = await fetch(tmp_path, [config], connections=4, tuning=QUICK)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == BODY
    assert asked.is_set() is is_redirect
    assert "failed" not in journal.names()
