"""Long words of servers: sentences, records and sessions keep little of them."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain.text import quoted
from rheo_core.infrastructure.http.digest_login import _QUOTED
from tests.core.engine import Journal, quick_retries
from tests.servers.misbehaving import Exchange, MisbehavingServer

LONG = "r" * 99_000
BODY = b"x" * 300_000

RESPONSES = {
    "reason": f"404 {LONG}",
    "transfer coding": f"200 OK\r\nTransfer-Encoding: {LONG}",
    "location": f"302 Found\r\nContent-Length: 0\r\nLocation: http://({LONG}/",
    "location of another scheme": f"302 Found\r\nContent-Length: 0\r\nLocation: ftp://{LONG}/",
    "redirect": f"302 Found\r\nContent-Length: 0\r\nLocation: /{LONG}",
    "length": f"200 OK\r\nContent-Length: {LONG}",
    "part": f"206 Partial Content\r\nContent-Range: bytes 5-{'9' * 18}/{LONG}",
    "part as a whole": f"200 OK\r\nContent-Range: {LONG} 5-9/100",
    "name of a field": f"200 OK\r\n{LONG}\u00e4: x",
    "challenge": f'401 No\r\nWWW-Authenticate: Basic realm="{LONG}"',
    "page": f"200 OK\r\nContent-Type: text/html; charset={LONG}\r\nContent-Length: 1",
    "type": f"200 OK\r\nContent-Type: {LONG}/{LONG}\r\nContent-Length: 1\r\n\r\nx",
    "wait": f"503 Busy\r\nRetry-After: {LONG}",
}


def kept(value: Any) -> int:
    """Return the number of characters in all texts of a value."""
    if isinstance(value, str):
        return len(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return sum(kept(getattr(value, name)) for name in names)
    if isinstance(value, dict):
        return sum(map(kept, value.values()))
    return sum(map(kept, value)) if isinstance(value, list | tuple) else 0


@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("resumed", [False, True])
async def test_no_record_keeps_long_words_of_a_response(
    server: MisbehavingServer, tmp_path: Path, name: str, *, resumed: bool
) -> None:
    async def serve(exchange: Exchange) -> None:
        if resumed and exchange.number == 1:
            await exchange.head("200 OK", Content_Length=len(BODY), ETag='"1"')
            await exchange.send(BODY[:200_000])
            await exchange.close()
            return
        await exchange.send(f"HTTP/1.1 {RESPONSES[name]}\r\n\r\n".encode("latin-1"))
        await exchange.close()

    config = FileConfig(url=server.on("/a.bin", serve))
    async with DownloadManager(download_dir=tmp_path, retry_handler=quick_retries(1)) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        (info,) = manager.tracker.snapshot().downloads
    texts = [event.model_dump_json() for event in journal.events]
    # A final URL is kept as far as a browser shows one.
    assert max(map(len, texts)) < 20_000
    assert kept(info) < 20_000


async def test_a_long_validator_is_none(server: MisbehavingServer, tmp_path: Path) -> None:
    """Each checkpoint of a state would write it."""

    async def serve(exchange: Exchange) -> None:
        await exchange.head("200 OK", Content_Length=len(BODY), ETag=f'"{LONG}"')
        await exchange.send(BODY[:200_000])
        await exchange.close()

    config = FileConfig(url=server.on("/a.bin", serve))
    async with DownloadManager(download_dir=tmp_path, retry_handler=quick_retries(0)) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
    assert all(path.stat().st_size < 10_000 for path in tmp_path.glob("*.state"))


def test_what_is_quoted_has_one_short_line_without_secrets() -> None:
    assert quoted(f"a\x1b]0;\n{LONG}") == f"a\ufffd]0; {LONG}"[:200] + "…"
    assert "hunter2" not in quoted("http://me:hunter2@h/x")


def test_a_challenge_of_open_quotes_is_read_once() -> None:
    """The search for the end began anew at each quote."""
    for piece in ('\\"', '"\\', '"', '"a', "\\", '"\\"'):
        text = piece * (100_000 // len(piece))
        assert '"' not in _QUOTED.sub("", text.removeprefix("\\"))
    assert _QUOTED.sub("", 'a="b, basic", basic') == "a=, basic"
