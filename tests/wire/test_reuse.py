"""Connections that are kept: used again after a clean end with nothing waiting, and only then."""

import asyncio
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from tests.clients import IS_AIOHTTP, STRICTER_CLIENT
from tests.core.engine import Journal, error_of, quick_retries, status_of
from tests.servers.misbehaving import Behaviour, Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import answer, response, whole

STRAY = response(b"stray", "Content-Length: 5")
BODIES = {name: body_of(2_000, name) for name in "abcd"}


def followed_by(body: bytes, unasked: bytes, seconds: float) -> Behaviour:
    """Answer, and send bytes that nobody asked for after a while."""

    async def behave(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(body))
        await exchange.send(body)
        await asyncio.sleep(seconds)
        await exchange.send(unasked)

    return behave


async def fetch_in_turn(
    server: MisbehavingServer, folder: Path, pause: float, *, retries: int = 0
) -> DownloadManager:
    """Download /a to /d, one after the other, with a pause between two."""
    handler = quick_retries(retries) if retries else None
    async with DownloadManager(
        download_dir=folder, max_concurrent=1, retry_handler=handler
    ) as manager:
        Journal(manager)
        for name in BODIES:
            await manager.add([FileConfig(url=server.url(f"/{name}"))])
            await manager.wait_until_complete(timeout=60)
            await asyncio.sleep(pause)
    return manager


@pytest.mark.parametrize(
    "unasked",
    [
        STRAY,
        STRAY * 3,
        response(b"", "Content-Length: 0", status="HTTP/1.1 408 Request Timeout"),
        b"\r\n",
        b"x",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200",
    ],
    ids=["a response", "three", "408", "an empty line", "a byte", "interim", "half a response"],
)
@pytest.mark.parametrize("seconds", [0.0, 0.02])
async def test_bytes_on_an_idle_connection_are_no_response(
    server: MisbehavingServer, tmp_path: Path, unasked: bytes, seconds: float
) -> None:
    for name, body in BODIES.items():
        server.on(f"/{name}", followed_by(body, unasked, seconds))
    await fetch_in_turn(server, tmp_path, 0.04)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()}.items() <= BODIES.items()
    if IS_AIOHTTP:
        return  # its parser may hold a part of a response that nobody asked for
    assert {path.name for path in tmp_path.iterdir()} == set(BODIES)
    assert [each.target for each in server.requests] == ["/a", "/b", "/c", "/d"]
    assert server.connections == 4


async def test_bytes_that_come_with_the_next_request_are_not_its_response(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """The engine is busy while they arrive, so only a look at the socket shows them."""
    for name, body in BODIES.items():
        server.on(f"/{name}", followed_by(body, STRAY, 0.0))
    await fetch_in_turn(server, tmp_path, 0.0)
    assert {name: (tmp_path / name).read_bytes() for name in BODIES} == BODIES


async def test_a_clean_connection_is_used_again(server: MisbehavingServer, tmp_path: Path) -> None:
    for name, body in BODIES.items():
        server.on(f"/{name}", whole(body))
    await fetch_in_turn(server, tmp_path, 0.0)
    assert {name: (tmp_path / name).read_bytes() for name in BODIES} == BODIES
    assert server.connections == 1


def hanging_up_when_used_again(body: bytes, ending: Behaviour) -> Behaviour:
    """Answer the first request of a connection; end it at the second."""
    used = set()

    async def behave(exchange: Exchange) -> None:
        answer = ending if exchange.writer in used else whole(body)
        used.add(exchange.writer)
        await answer(exchange)

    return behave


async def _timed_out(exchange: Exchange) -> None:
    await exchange.head("408 Request Timeout", Content_Length=0, Connection="close")
    await exchange.close()


_misdirected = answer("421 Misdirected Request")


@STRICTER_CLIENT
@pytest.mark.parametrize(
    "ending",
    [Exchange.close, Exchange.reset, _timed_out, _misdirected],
    ids=["FIN", "RST", "408", "421"],
)
async def test_a_request_on_a_connection_given_up_is_sent_once_more_uncounted(
    server: MisbehavingServer, tmp_path: Path, ending: Behaviour
) -> None:
    behave = hanging_up_when_used_again(BODIES["a"], ending)
    for name in BODIES:
        server.on(f"/{name}", behave)
    manager = await fetch_in_turn(server, tmp_path, 0.0)
    assert manager.stats.completed == 4
    assert len(server.requests) == 4 + 3
    assert server.connections == 4


@STRICTER_CLIENT
@pytest.mark.parametrize(
    "ending",
    [Exchange.close, Exchange.reset, _timed_out, _misdirected],
    ids=["FIN", "RST", "408", "421"],
)
async def test_without_retries_a_new_connection_gets_one_request(
    server: MisbehavingServer, tmp_path: Path, ending: Behaviour
) -> None:
    config = FileConfig(url=server.on("/f", ending))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
    assert status_of(manager, config) == "failed", error_of(manager, config)
    assert len(server.requests) == 1


async def test_half_a_head_is_asked_for_again_on_a_new_connection_alone(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def half_a_head(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Le")
        await exchange.close()

    server.on("/a", whole(BODIES["a"]))
    config = FileConfig(url=server.on("/b", half_a_head))
    async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:
        await manager.add([FileConfig(url=server.url("/a")), config])
        await manager.wait_until_complete(timeout=60)
    assert status_of(manager, config) == "failed"
    assert [each.target for each in server.requests] == ["/a", "/b", "/b"]
    assert server.connections == 2


SURPLUS = {
    "bytes": b"EXTRA",
    "a response": STRAY,
    "a chunked response": response(b"5\r\nstray\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    "a response without an end": response(b"stray", "Server: x"),
    "an upgrade": response(
        b"", "Upgrade: h2c", "Connection: upgrade", status="HTTP/1.1 101 Switching Protocols"
    ),
    "an empty line and a response": b"\r\n" + STRAY,
}


@STRICTER_CLIENT
@pytest.mark.parametrize("size", [0, 1, 10, 16_384, 100_000, 200_000, 1_600_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("surplus", SURPLUS)
@pytest.mark.halved("size", "framing", "surplus")
async def test_bytes_behind_a_whole_body_fail_no_file_of_any_size(
    server: MisbehavingServer, tmp_path: Path, size: int, framing: str, surplus: str
) -> None:
    body = body_of(size)
    if framing == "chunked":
        chunks = b"%x\r\n%b\r\n" % (size, body) if size else b""
        raw = response(chunks + b"0\r\n\r\n", "Transfer-Encoding: chunked")
    else:
        raw = response(body, f"Content-Length: {size}")

    async def generous(exchange: Exchange) -> None:
        await exchange.send(raw + SURPLUS[surplus])

    server.on("/f", generous)
    server.on("/g", whole(b"good"))
    async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:
        await manager.add([FileConfig(url=server.url("/f")), FileConfig(url=server.url("/g"))])
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == body
    assert (tmp_path / "g").read_bytes() == b"good"
    assert server.connections == 2


async def test_connections_of_one_host_serve_no_other(tmp_path: Path) -> None:
    async with MisbehavingServer() as one, MisbehavingServer() as other:
        one.on("/f", whole(b"one"))
        other.on("/g", whole(b"other"))
        async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:
            urls = [one.url("/f"), other.url("/g")]
            await manager.add([FileConfig(url=url) for url in urls])
            await manager.wait_until_complete(timeout=60)
        assert (tmp_path / "f").read_bytes() == b"one"
        assert (tmp_path / "g").read_bytes() == b"other"
