"""SOCKS proxies that fail: each failure is one of the proxy, in a sentence, and may be retried."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.domain.request_options import RequestOptions
from tests.clients import IS_AIOHTTP
from tests.core.engine import error_of, fetch, status_of

pytestmark = pytest.mark.skipif(IS_AIOHTTP, reason="the connector of aiohttp-socks is another one")

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GREETING, GRANTED = b"\5\0", b"\5\0\0"


def saying(*answers: bytes, reset: bool = False) -> Answering:
    """Give an answer to each thing that is said, then hang up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for each in answers:
            await reader.read(1000)
            writer.write(each)
            await writer.drain()
        if reset:
            await reader.read(1000)
            linger = struct.pack("ii", True, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    return answer


@asynccontextmanager
async def socks(answer: Answering) -> AsyncIterator[int]:
    """Run a proxy; give its port."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (saying(), "the SOCKS proxy"),
        (saying(reset=True), "connection reset by the SOCKS proxy"),
        (saying(GREETING, reset=True), "connection reset by the SOCKS proxy"),
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "the SOCKS proxy: Unexpected"),
        (
            saying(GREETING, GRANTED + b"\3\2\xff\xfe\0\0"),
            "the SOCKS proxy: its answer is malformed",
        ),
        (saying(GREETING, GRANTED + b"\1\0"), "the SOCKS proxy"),
    ],
    ids=["no word", "reset", "reset later", "not SOCKS", "not UTF-8", "cut off"],
)
async def test_a_failure_is_that_of_the_proxy(
    tmp_path: Path, answer: Answering, expected: str
) -> None:
    async with socks(answer) as port:
        options = RequestOptions(proxy=f"socks5://127.0.0.1:{port}")
        config = FileConfig(url="http://files.example/f", request=options)
        manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "failed"
    assert error_of(manager, config).startswith("127.0.0.1: ")
    assert expected in error_of(manager, config)
    assert "server" not in error_of(manager, config)


@pytest.mark.parametrize(
    "login", ["bücher:XYZ", "name:pässword", f"{'n' * 256}:XYZ", f"n:{'p' * 256}"]
)
async def test_a_login_that_cannot_be_sent_is_refused(tmp_path: Path, login: str) -> None:
    async with socks(saying(b"\5\2")) as port:
        options = RequestOptions(proxy=f"socks5://{login}@127.0.0.1:{port}")
        config = FileConfig(url="http://files.example/f", request=options)
        manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "failed"
    assert error_of(manager, config).startswith("the login of the SOCKS proxy: ")
    assert login.partition(":")[2][:3] not in error_of(manager, config)
