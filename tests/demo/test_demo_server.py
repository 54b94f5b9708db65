"""The demo server: right bytes, right ranges, quick to close, nothing but the loopback."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from rheo_tui.demo import DEMO_FILES, MB, DemoFile, DemoServer

PLAIN = DemoFile("/a file.bin", 700_001)
EMPTY = DemoFile("/empty.bin", 0)
CHUNKED = DemoFile("/chunked.csv", 300_000, has_length=False)
BUSY = DemoFile("/busy.bin", 10, failures=2)
GONE = DemoFile("/gone.bin", 0, missing=True)
NAMED = DemoFile("/get/1", 5, offered_name="jährlich.pdf")
FILES = [PLAIN, EMPTY, CHUNKED, BUSY, GONE, NAMED]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.mark.parametrize("file", [PLAIN, EMPTY, CHUNKED, NAMED], ids=lambda file: file.path)
async def test_whole_file(demo: DemoServer, session: aiohttp.ClientSession, file: DemoFile) -> None:
    async with session.get(demo.url(file.path)) as response:
        body = await response.read()
    assert response.status == 200
    assert len(body) == file.size
    assert hashlib.sha256(body).hexdigest() == demo.sha256(file.path)
    assert (response.content_length is None) == (not file.has_length)


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 700_001),
        ("bytes=5-262149", 5, 262_150),
        ("bytes=262144-", 262_144, 700_001),
        ("bytes=700000-900000", 700_000, 700_001),
        ("bytes=-10", 699_991, 700_001),
    ],
)
async def test_ranges(
    demo: DemoServer, session: aiohttp.ClientSession, asked: str, start: int, stop: int
) -> None:
    async with session.get(demo.url(PLAIN.path)) as response:
        whole = await response.read()
    headers = {"Range": asked, "If-Range": response.headers["ETag"]}
    async with session.get(demo.url(PLAIN.path), headers=headers) as response:
        assert response.status == 206
        assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/700001"
        assert await response.read() == whole[start:stop]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Range": "bytes=700001-"}, 416),
        ({"Range": "bytes=9-3"}, 200),
        ({"Range": "lines=1-2"}, 200),
        ({"Range": "bytes=1-2", "If-Range": '"another"'}, 200),
    ],
)
async def test_ranges_that_are_not_served(
    demo: DemoServer, session: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    async with session.get(demo.url(PLAIN.path), headers=headers) as response:
        assert response.status == status
        if status == 416:
            assert response.headers["Content-Range"] == "bytes */700001"


async def test_no_ranges_without_a_length(demo: DemoServer, session: aiohttp.ClientSession) -> None:
    async with session.get(demo.url(CHUNKED.path), headers={"Range": "bytes=5-"}) as response:
        assert response.status == 200
        assert len(await response.read()) == CHUNKED.size


async def test_busy_twice_then_works(demo: DemoServer, session: aiohttp.ClientSession) -> None:
    statuses = []
    for method in ("GET", "HEAD", "GET", "GET", "GET"):
        async with session.request(method, demo.url(BUSY.path)) as response:
            statuses.append((method, response.status))
    assert statuses == [("GET", 503), ("HEAD", 200), ("GET", 503), ("GET", 200), ("GET", 200)]


@pytest.mark.parametrize("path", ["/gone.bin", "/never-heard-of"])
async def test_missing(demo: DemoServer, session: aiohttp.ClientSession, path: str) -> None:
    async with session.get(demo.url(path)) as response:
        assert response.status == 404


async def test_offered_name(demo: DemoServer, session: aiohttp.ClientSession) -> None:
    async with session.head(demo.url(NAMED.path)) as response:
        assert response.content_disposition is not None
        assert response.content_disposition.filename == "jährlich.pdf"


async def test_speed_is_kept(session: aiohttp.ClientSession) -> None:
    paced, free = DemoFile("/paced.bin", 2 * MB, speed=2 * MB), DemoFile("/free.bin", 2 * MB)
    ended: list[str] = []

    async with DemoServer([paced, free]) as slow_server:

        async def fetch(file: DemoFile) -> None:
            async with session.get(slow_server.url(file.path)) as response:
                await response.read()
            ended.append(file.path)

        await asyncio.gather(fetch(paced), fetch(free))
    assert ended == [free.path, paced.path]


async def test_quiet_when_a_client_goes(
    session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    left, kept = DemoFile("/left.bin", 9 * MB, 1 * MB), DemoFile("/kept.bin", 500_000, 1 * MB)
    async with DemoServer([left, kept]) as demo:
        async with session.get(demo.url(left.path)) as response:
            await response.content.readany()
        async with session.get(demo.url(kept.path)) as response:  # takes five of its writes
            await response.read()
    assert caplog.records == []


@pytest.mark.parametrize("has_length", [True, False])
async def test_closes_at_once_and_cuts_what_runs(
    session: aiohttp.ClientSession, has_length: bool
) -> None:
    file = DemoFile("/slow.bin", 50 * MB, speed=100_000, has_length=has_length)
    async with asyncio.timeout(60), DemoServer([file]) as demo:  # it would last minutes
        response = await session.get(demo.url(file.path))
        await response.content.readany()
    with pytest.raises(aiohttp.ClientError):
        await response.read()


async def test_closes_at_once_when_a_client_does_not_read() -> None:
    file = DemoFile("/big.bin", 50 * MB)
    async with asyncio.timeout(60), DemoServer([file]) as demo:
        address = demo.url("").removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(address[0], int(address[1]), limit=1024)
        writer.write(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
    writer.transport.abort()


async def test_the_demo_shows_every_case() -> None:
    async with DemoServer() as demo:
        configs = demo.configs()
        hashes = [config.hash_config for config in configs if config.hash_config is not None]
        right = demo.sha256("/apps/blender-5.0-linux-x64.tar.xz")
    assert len(configs) == len({config.id for config in configs}) == len(DEMO_FILES) >= 12
    hosts = [URL(config.url).host for config in configs]  # what is busy slows down no other
    assert hosts == ["localhost" if file.failures else "127.0.0.1" for file in DEMO_FILES]
    assert len(hashes) == 2
    assert [checked.expected_hash == right for checked in hashes] == [True, False]
    assert len({config.priority for config in configs}) > 2
    slot_seconds = sum(file.size / file.speed for file in DEMO_FILES if file.speed)
    assert 30 <= slot_seconds / 3 <= 60
