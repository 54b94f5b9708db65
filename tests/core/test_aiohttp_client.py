"""The client on aiohttp, for those who bring a session: its time limits and its errors."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rheo_core import FileConfig
from rheo_core.domain import DownloadStatus, RetryConfig
from rheo_core.domain.exceptions import ConnectionFailedError
from rheo_core.downloads import RetryHandler
from rheo_core.infrastructure.http import AiohttpClient
from rheo_core.infrastructure.http.base import is_of_aiohttp
from tests.core.engine import error_of, fetch, names_in, status_of
from tests.servers.misbehaving import Behaviour, Exchange, MisbehavingServer
from tests.servers.scenarios import in_turn, raw

CHUNKS = b"5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n"
LOST = "connection lost before the transfer was complete"


async def failure(
    server: MisbehavingServer, folder: Path, behaviour: Behaviour, **options: Any
) -> str:
    """Return the error of a download that leaves no file."""
    config = FileConfig(url=server.on("/f", behaviour))
    async with AiohttpClient() as client:
        manager, _ = await fetch(folder, [config], client=client, **options)
    assert status_of(manager, config) is DownloadStatus.FAILED
    assert "f" not in names_in(folder)
    return error_of(manager, config)


class OwnError(aiohttp.ClientError):
    """An error of a user of the library."""


@pytest.mark.parametrize(
    "error", [aiohttp.ClientError(), aiohttp.ClientOSError(), aiohttp.InvalidURL("x"), OwnError()]
)
def test_errors_of_aiohttp(error: Exception) -> None:
    assert is_of_aiohttp(error)


@pytest.mark.parametrize("error", [OSError(), TimeoutError(), ConnectionFailedError("a", "b")])
def test_other_errors(error: Exception) -> None:
    assert not is_of_aiohttp(error)


@pytest.mark.parametrize("coding", ["chunked\t", "chunked\r\n ", "chunked \t"])
@pytest.mark.parametrize("status", ["200 OK", "206 Partial Content"])
async def test_chunks_that_aiohttp_does_not_decode_are_refused_before_their_end(
    server: MisbehavingServer, tmp_path: Path, coding: str, status: str
) -> None:
    """Content-Range ends the body sooner."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Range: bytes 0-9/10\r\nTransfer-Encoding: {coding}\r\n\r\n"
    )
    error = await failure(server, tmp_path, raw(head.encode() + CHUNKS))
    assert error == "malformed response: its Transfer-Encoding is not supported"


async def test_such_chunks_are_not_added_to_a_part_file(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    fields = b'ETag: "1"\r\nAccept-Ranges: bytes\r\n'
    first = b"HTTP/1.1 200 OK\r\n%sContent-Length: 300000\r\n\r\n%s" % (fields, bytes(100_000))
    second = (
        b"HTTP/1.1 206 Partial Content\r\n%sContent-Range: bytes 100000-299999/300000\r\n"
        b"Transfer-Encoding: chunked\t\r\n\r\n30d40\r\n%s\r\n0\r\n\r\n"
    ) % (fields, bytes(200_000))
    retries = RetryHandler(RetryConfig(max_retries=1, base_delay=0.01))
    behaviour = in_turn(raw(first), raw(second))
    error = await failure(server, tmp_path, behaviour, retry_handler=retries)
    assert error == "malformed response: its Transfer-Encoding is not supported"


@pytest.mark.parametrize("length", [300, 300_000])
@pytest.mark.parametrize("status", ["200 OK", "206 Partial Content"])
@pytest.mark.parametrize("is_framed", [True, False])
@pytest.mark.parametrize("rest", ["Connection: close\r\n", "x-A :1\n", ""])
@pytest.mark.parametrize("step", [1, 1000])
async def test_a_doubled_carriage_return_behind_an_empty_field_ends_no_head(
    server: MisbehavingServer,
    tmp_path: Path,
    status: str,
    length: int,
    is_framed: bool,
    rest: str,
    step: int,
) -> None:
    size, place = f"Content-Length: {length}", f"Content-Range: bytes 0-{length - 1}/{length}"
    fields = f"{place}\r\n{size}\r\nX:\r\r\n" if is_framed else f"{place}\r\nX:\r\r\n{size}\r\n"

    async def behave(exchange: Exchange) -> None:
        await exchange.send(f"HTTP/1.1 {status}\r\n{fields}".encode())
        following = f"{rest}\r\n".encode()
        for at in range(0, len(following), step):
            await asyncio.sleep(0.002)
            await exchange.send(following[at : at + step])
        await asyncio.sleep(0.02)  # in one packet, aiohttp itself refuses it
        with suppress(ConnectionError):
            await exchange.send(b"a" * length)
        await exchange.close()

    error = await failure(server, tmp_path, behave)
    assert error == "malformed response: its head may continue after an empty field"


@pytest.mark.parametrize("body", [b"abc", b"abc\r\nX: y", b"a b: c", b"\0" * 9, b"a" * 300_000])
@pytest.mark.parametrize(
    "framing", ["Content-Length: {}\r\n", "Transfer-Encoding: chunked\r\n", ""]
)
@pytest.mark.parametrize("step", [1, 1_000_000])
async def test_an_empty_field_may_end_the_head(
    server: MisbehavingServer, tmp_path: Path, body: bytes, framing: str, step: int
) -> None:
    async def behave(exchange: Exchange) -> None:
        head = f"HTTP/1.1 200 OK\r\n{framing.format(len(body))}Content-Encoding:\r\n\r\n"
        await exchange.send(head.encode())
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if "chunked" in framing else body
        for at in range(0, min(len(sent), 10), step):
            await asyncio.sleep(0.002)
            await exchange.send(sent[at : at + step])
        if step == 1:
            await exchange.send(sent[10:])
        await exchange.close()

    config = FileConfig(url=server.on("/f", behave))
    async with AiohttpClient() as client:
        manager, _ = await fetch(tmp_path, [config], client=client)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == body


@pytest.mark.parametrize("rest", [b"5\r\nabcde\r\nX\r\n", b"0\r\nno field\r\n\r\n"])
@pytest.mark.parametrize("pause", [0.0, 0.002, 0.05])
async def test_a_malformed_chunk_behind_the_head_ends_the_download_at_once(
    server: MisbehavingServer, tmp_path: Path, rest: bytes, pause: float
) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asyncio.sleep(pause)  # so that it comes in a packet of its own
        await exchange.send(rest)
        await exchange.close()

    error = await failure(server, tmp_path, behave, stall_timeout=None)
    assert LOST in error or error.startswith("malformed response: Invalid")


@pytest.mark.parametrize(
    "line",
    [
        "Transfer_Encoding: chunked",
        "transfer_encoding: Chunked",
        "Transfer-Encoding : gzip",
        "Transfer-Encoding\t: gzip, chunked",
        "transfer-encoding : chun ked",
        "Content-Length : 5",
    ],
)
async def test_a_name_that_may_be_about_the_framing_is_refused(
    server: MisbehavingServer, tmp_path: Path, line: str
) -> None:
    response = f"HTTP/1.1 200 OK\r\n{line}\r\n\r\n".encode() + CHUNKS
    error = await failure(server, tmp_path, raw(response))
    assert error.startswith("malformed response: ")
