"""Both clients report the same failure in the same sentence, and end at the same time limit."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.domain.request_options import RequestOptions
from rheo_core.infrastructure.http import AiohttpClient, BaseHttpClient
from rheo_core.infrastructure.http.wire.client import WireClient
from tests.core.engine import error_of, fetch

LIMIT = 0.4
PAGE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
NO_TLS = "files.example: the server does not answer with TLS"
NO_TLS_OF_PROXY = "127.0.0.1: the proxy does not answer with TLS"
SILENT = f"no complete response from files.example within {LIMIT} s"
TLS = "malformed response: it is TLS instead of HTTP; use https"
INTERIM = b"HTTP/1.1 103 Early Hints\r\n\r\n"

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answering(*answers: bytes, reset: bool = False) -> Answering:
    """Give an answer to each thing that is said, then wait for the end."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for each in answers:
                await reader.read(1000)
                writer.write(each)
                await writer.drain()
            await reader.read(1000)
            if reset:
                writer.transport.abort()
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()

    return answer


SOCKS = (b"\5\0", b"\5\0\0\1\0\0\0\0\0\0")
TUNNEL = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize("make", [WireClient, AiohttpClient])
@pytest.mark.parametrize(
    ("proxy", "scheme", "answer", "expected"),
    [
        ("socks5", "https", answering(*SOCKS, PAGE), NO_TLS),
        ("socks5", "https", answering(*SOCKS), SILENT),
        ("socks5", "https", answering(*SOCKS, reset=True), "files.example: connection reset by"),
        ("http", "https", answering(TUNNEL, PAGE), NO_TLS),
        ("http", "https", answering(TUNNEL), SILENT),
        ("https", "http", answering(PAGE), NO_TLS_OF_PROXY),
        ("https", "https", answering(PAGE), NO_TLS_OF_PROXY),
        ("https", "https", answering(reset=True), "127.0.0.1: connection reset by the proxy"),
        ("http", "http", answering(ALERT), TLS),
        ("", "http", answering(ALERT), TLS),
        ("", "http", answering(INTERIM + ALERT), TLS),
        ("", "http", answering(INTERIM + b"SSH-2.0-x\r\n"), "malformed response: "),
        ("", "https", answering(PAGE), "127.0.0.1: the server does not answer with TLS"),
    ],
)  # fmt: skip
async def test_a_failed_connection(
    tmp_path: Path,
    make: Callable[[], BaseHttpClient],
    proxy: str,
    scheme: str,
    answer: Answering,
    expected: str,
) -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, make() as client:
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        options = RequestOptions(proxy=f"{proxy}://{place}" if proxy else "off")
        host = "files.example" if proxy else place
        config = FileConfig(url=f"{scheme}://{host}/f", request=options)
        manager, _ = await fetch(tmp_path, [config], client=client, response_timeout=LIMIT)
    assert re.match(re.escape(expected), error_of(manager, config)), error_of(manager, config)


async def test_a_redirect_to_a_server_without_tls_is_not_a_fault_of_a_proxy(
    tmp_path: Path,
) -> None:
    plain = await asyncio.start_server(answering(PAGE), "localhost", 0)
    there = f"https://localhost:{plain.sockets[0].getsockname()[1]}/f"
    redirect = f"HTTP/1.1 302 Found\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode()
    server = await asyncio.start_server(answering(redirect), "127.0.0.1", 0)
    async with plain, server, AiohttpClient() as client:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/f"
        config = FileConfig(url=url, sidecar=True)
        manager, _ = await fetch(tmp_path, [config], client=client, response_timeout=LIMIT)
    assert error_of(manager, config) == "localhost: the server does not answer with TLS"
