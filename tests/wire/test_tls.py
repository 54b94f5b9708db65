"""Ends of connections over TLS: asyncio may drop the last bytes, and does not show close_notify."""

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from rheo_core import FileConfig
from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.request_options import NO_OPTIONS, RequestOptions
from rheo_core.infrastructure.http import WireClient
from rheo_core.infrastructure.http.tls import context_of, create_ssl_context, tls_of
from tests.clients import IS_AIOHTTP, opened_client
from tests.core.engine import error_of, fetch, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import response
from tests.servers.tls import Authority

BODY = body_of(200_000)
RESPONSES = {
    "close": response(BODY, "Connection: close"),
    "length": response(BODY, f"Content-Length: {len(BODY)}"),
    "chunked": response(b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY), "Transfer-Encoding: chunked"),
}
SLOW = 400_000
"""Bytes a second. Reading pauses for most of the time, so the end comes while it does."""

pytestmark = pytest.mark.skipif(IS_AIOHTTP, reason="aiohttp does not see close_notify")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def secure(authority: Authority) -> AsyncIterator[MisbehavingServer]:
    async with MisbehavingServer(ssl=authority.serving("127.0.0.1")) as server:
        yield server


async def hang_up(exchange: Exchange, *, notify: bool) -> None:
    """Send close_notify or not, and a FIN without waiting for the client."""
    await asyncio.sleep(0.05)
    exchange.is_open = False
    protocol: Any = exchange.writer.transport._ssl_protocol  # type: ignore[attr-defined]
    if protocol._transport is None:  # the client was faster
        return
    if notify:
        with pytest.raises(ssl.SSLWantReadError):
            protocol._sslobj.unwrap()
        protocol._process_outgoing()
    protocol._transport.close()


@pytest.mark.parametrize("framing", RESPONSES)
@pytest.mark.parametrize("notify", [True, False], ids=["close_notify", "none"])
@pytest.mark.parametrize("limit", [None, SLOW], ids=["fast", "slow"])
async def test_bytes_before_an_end_are_not_lost(
    authority: Authority,
    secure: MisbehavingServer,
    tmp_path: Path,
    framing: str,
    notify: bool,
    limit: int | None,
) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(RESPONSES[framing])
        await hang_up(exchange, notify=notify)

    config = FileConfig(url=secure.on("/f", behave))
    async with opened_client(ssl=authority.trusting()) as client:
        manager, _ = await fetch(tmp_path, [config], client=client, speed_limit_bps=limit)
    if framing == "close" and not notify:  # RFC 9112 9.8
        assert status_of(manager, config) == "failed"
        assert "close_notify" in error_of(manager, config)
        assert not (tmp_path / "f").exists()
    else:
        assert status_of(manager, config) == "completed", error_of(manager, config)
        assert (tmp_path / "f").read_bytes() == BODY
    assert len(secure.requests) == 1


async def test_a_response_that_waits_in_tls_is_not_that_to_the_next_request(
    authority: Authority, secure: MisbehavingServer
) -> None:
    async def generous(exchange: Exchange) -> None:
        await exchange.send(RESPONSES["length"] + response(b"stray", "Content-Length: 5"))

    async def good(exchange: Exchange) -> None:
        await exchange.send(response(b"good", "Content-Length: 4"))

    first, second = secure.on("/f", generous), secure.on("/g", good)
    tls = authority.trusting()
    async with WireClient() as client:
        async with client.get(first, ssl=tls) as received:
            await asyncio.sleep(0.05)  # all of it is here
            assert bytes(await received.body.fill(len(BODY), lambda _: False)) == BODY
        async with client.get(second, ssl=tls) as received:
            assert bytes(await received.body.fill(100, lambda _: False)) == b"good"


@pytest.mark.parametrize("kind", ["usual", "authority", "insecure", "certificate"])
def test_each_context_names_the_protocol(authority: Authority, tmp_path: Path, kind: str) -> None:
    """Some servers close connections that name none."""
    certificate, key = authority.client(tmp_path)
    options = {
        "authority": RequestOptions(ca_file=authority.file(tmp_path)),
        "certificate": RequestOptions(client_cert=certificate, client_key=key),
    }
    ours = context_of(tls_of(options.get(kind, NO_OPTIONS), insecure=kind == "insecure"))
    assert _offered_protocols(ours) == ["http/1.1"]


def _offered_protocols(client: ssl.SSLContext) -> list[str]:
    """Return the protocols in the first message of a handshake (RFC 7301 3.1)."""
    sent = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="files.example").do_handshake()
    return re.findall(r"http/1\.[01]", sent.read().decode("latin-1"))


@pytest.mark.parametrize(("variable", "kind"), [("FILE", "file"), ("DIR", "folder")])
@pytest.mark.parametrize("name", ["pipe", "certs:pipe"])
def test_authorities_of_the_system_are_no_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, kind: str, name: str
) -> None:
    os.mkfifo(tmp_path / name)
    monkeypatch.setenv(f"SSL_CERT_{variable}", str(tmp_path / name))
    problem = rf"SSL_CERT_{variable} .*/{name}: it is a pipe, not a {kind}"
    with pytest.raises(RequestOptionsError, match=problem):
        create_ssl_context()


def test_the_folders_of_authorities_may_be_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")  # OpenSSL only looks for files in it
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path / 'pipe'}{os.pathsep}{tmp_path}")
    assert create_ssl_context().verify_mode is ssl.CERT_REQUIRED


@asynccontextmanager
async def https_proxy(authority: Authority, answer: bytes | int) -> AsyncIterator[str]:
    """Run an https proxy whose tunnels lead to a port of this machine, or say something and end."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        if isinstance(answer, int):
            inner_reader, inner = await asyncio.open_connection("127.0.0.1", answer)
            await asyncio.gather(forward(reader, inner), forward(inner_reader, writer))
            return
        if answer:
            await reader.read(1)
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=authority.serving("127.0.0.1"))
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def error_by_proxy(
    authority: Authority, folder: Path, url: str, answer: bytes | int, limit: int | None = None
) -> str | None:
    """Return the error of a download through an https proxy; None for a complete file."""
    async with (
        opened_client(ssl=authority.trusting()) as client,
        https_proxy(authority, answer) as proxy,
    ):
        config = FileConfig(url=url, request=RequestOptions(proxy=proxy), speed_limit=limit)
        manager, _ = await fetch(folder, [config], client=client)
    is_whole = (folder / "f").exists() and (folder / "f").read_bytes() == BODY
    return None if is_whole else error_of(manager, config)


async def test_tls_through_an_https_proxy(
    authority: Authority, secure: MisbehavingServer, tmp_path: Path
) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(RESPONSES["length"])

    url = secure.on("/f", behave)
    port = urlsplit(url).port
    assert port is not None
    assert await error_by_proxy(authority, tmp_path, url, port) is None


@pytest.mark.parametrize("notify", [True, False], ids=["close_notify", "none"])
async def test_an_end_while_reading_is_paused_is_no_warning_of_asyncio(
    authority: Authority,
    secure: MisbehavingServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    notify: bool,
) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(RESPONSES["length"])
        await hang_up(exchange, notify=notify)

    url = secure.on("/f", behave)
    port = urlsplit(url).port
    assert port is not None
    assert await error_by_proxy(authority, tmp_path, url, port, 60_000) is None
    assert "eof_received" not in caplog.text


async def test_a_certificate_behind_an_https_proxy_is_checked(
    authority: Authority, tmp_path: Path
) -> None:
    async with MisbehavingServer(ssl=Authority().serving("127.0.0.1")) as server:
        url = server.on("/f", Exchange.close)
        port = urlsplit(url).port
        assert port is not None
        error = await error_by_proxy(authority, tmp_path, url, port)
    assert error is not None and "certificate refused: " in error


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "127.0.0.1: the server closed the connection"),
        (b"HTTP/1.1 400 Bad\r\n\r\n", "127.0.0.1: the server does not answer with TLS"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "127.0.0.1: the server refuses the TLS handshake; "),
        (b"\x16\x03\x03\xff\xff" + b"a" * 1000, "127.0.0.1: TLS handshake failed ("),
    ],
    ids=["end", "http", "alert", "garbage"],
)
async def test_a_failed_handshake_behind_an_https_proxy(
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    answer: bytes,
    problem: str,
) -> None:
    error = await error_by_proxy(authority, tmp_path, "https://127.0.0.1:9/f", answer)
    assert error is not None and error.startswith(problem)
    assert "bug" not in caplog.text
