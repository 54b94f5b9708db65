"""Deadlines: every hop has one for all that comes before its body, and no byte extends it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain.request_options import RequestOptions
from tests.core.engine import PATIENT, error_of, fetch, serving, status_of
from tests.servers.misbehaving import Behaviour, Exchange, MisbehavingServer, body_of
from tests.waiting import Until

BODY = body_of(30_000)
LIMIT = 1.5
SOON = replace(PATIENT, response_patience_seconds=0.05)


async def silent(exchange: Exchange) -> None:
    await exchange.reader.read()


def endless(piece: bytes) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n" if piece == b"X: y\r\n" else b"")
        while True:
            await exchange.send(piece)
            await asyncio.sleep(0.02)

    return behave


HEADLESS = {
    "nothing": silent,
    "interim responses": endless(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "fields": endless(b"X: y\r\n"),
    "bytes": endless(b"H"),
}


@pytest.mark.parametrize("kind", HEADLESS)
async def test_a_head_that_does_not_come_ends_the_attempt(
    server: MisbehavingServer, tmp_path: Path, kind: str
) -> None:
    config = FileConfig(url=server.on("/f", HEADLESS[kind]))
    manager, _ = await fetch(tmp_path, [config], response_timeout=LIMIT)
    assert status_of(manager, config) == "failed"
    assert server.requests


async def test_silent_servers_do_not_keep_the_rest_from_starting(tmp_path: Path) -> None:
    async with (
        MisbehavingServer() as one,
        MisbehavingServer() as two,
        MisbehavingServer() as three,
        MisbehavingServer() as good,
    ):
        first = [FileConfig(url=each.on("/f", silent)) for each in (one, two, three)]
        rest = [FileConfig(url=good.on(f"/{n}", serving(BODY))) for n in range(10)]
        manager, _ = await fetch(
            tmp_path, [*first, *rest], max_concurrent=3, response_timeout=LIMIT
        )
    assert {status_of(manager, each) for each in first} == {"failed"}
    assert {status_of(manager, each) for each in rest} == {"completed"}


async def test_a_slow_body_is_not_under_the_deadline(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def slow(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(BODY))
        for start in range(0, len(BODY), 1000):
            await exchange.send(BODY[start : start + 1000])
            await asyncio.sleep(0.05)

    config = FileConfig(url=server.on("/f", slow))
    manager, _ = await fetch(tmp_path, [config], response_timeout=1.0)
    assert status_of(manager, config) == "completed", error_of(manager, config)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_proxy_that_opens_no_tunnel_ends_the_attempt(tmp_path: Path, answer: bytes) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not reader.at_eof():
                writer.write(answer)
                await asyncio.sleep(0.02)
        finally:
            writer.close()

    proxy = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with proxy:
        port = proxy.sockets[0].getsockname()[1]
        options = RequestOptions(proxy=f"http://127.0.0.1:{port}")
        config = FileConfig(url="https://files.example/f", request=options)
        manager, _ = await fetch(tmp_path, [config], response_timeout=LIMIT)
    assert status_of(manager, config) == "failed"


async def test_a_server_that_is_silent_in_the_tls_handshake_ends_the_attempt(
    tmp_path: Path,
) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        config = FileConfig(url=f"https://127.0.0.1:{port}/f")
        manager, _ = await fetch(tmp_path, [config], response_timeout=LIMIT)
    assert status_of(manager, config) == "failed"


async def test_the_reason_is_told_while_a_response_is_awaited(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    ready = asyncio.Event()

    async def late(exchange: Exchange) -> None:
        await ready.wait()
        await exchange.serve(BODY)

    config = FileConfig(url=server.on("/f", late))
    async with DownloadManager(download_dir=tmp_path, response_timeout=60, tuning=SOON) as manager:
        await manager.add([config])
        expected = "waiting for the server's response (up to 60 s)"
        await until(lambda: manager.snapshot().downloads[0].reason == expected)
        ready.set()
        await manager.wait_until_complete(timeout=60)
        assert manager.snapshot().downloads[0].reason == ""
    assert status_of(manager, config) == "completed"
