"""SOCKS proxies that fail: each failure is one of the proxy, in a sentence, and may be retried."""

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.domain.request_options import RequestOptions
from rheo_core.infrastructure.http.resolver import ResolveResult
from tests.clients import IS_AIOHTTP, opened_client
from tests.core.engine import error_of, fetch, status_of
from tests.servers.names import Names

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


class TwoAddresses(Names):
    """The name of the proxy leads to an address that never answers, and then to another one."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        (found,) = await super().resolve(host, port, family)
        silent: ResolveResult = {**found, "host": "127.0.0.2"}
        return [silent, found]


@contextmanager
def silent_port(address: str, port: int) -> Iterator[None]:
    """Fill the queue of a port, so that the system drops all further attempts to connect."""
    with ExitStack() as sockets:
        server = sockets.enter_context(socket.socket())
        server.bind((address, port))
        server.listen(0)
        for _ in range(6):
            client = sockets.enter_context(socket.socket())
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect((address, port))
        yield


@pytest.mark.skipif(IS_AIOHTTP, reason="its connectors for routes look up names by themselves")
@pytest.mark.skipif(sys.platform != "linux", reason="needs 127.0.0.2 and its queue")
async def test_a_silent_address_of_the_proxy_does_not_hold_up_the_next_one(tmp_path: Path) -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndata"
    answer = saying(GREETING, GRANTED + b"\1\0\0\0\0\0\0", body)
    async with socks(answer) as port, opened_client(TwoAddresses()) as client:
        with silent_port("127.0.0.2", port):
            options = RequestOptions(proxy=f"socks5://proxy.example:{port}")
            config = FileConfig(url="http://files.example/f", request=options)
            manager, _ = await fetch(tmp_path, [config], client=client, connect_timeout=20)
    assert status_of(manager, config) == "completed", error_of(manager, config)
