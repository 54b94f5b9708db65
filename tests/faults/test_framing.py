"""Framing of bodies and early ends (rows B): a file is whole, or there is no file."""

import asyncio

import pytest

from rheo_core import FileConfig
from tests.clients import STRICTER_CLIENT
from tests.core.engine import status_of
from tests.faults.oracle import Scene, checksum
from tests.servers.misbehaving import V1, Behaviour, Exchange, Headers, body_of
from tests.servers.scenarios import (
    chunked,
    cut,
    dripping,
    in_chunks,
    in_turn,
    parts,
    raw,
    response,
    whole,
)

SMALL, LARGE = 60_000, 1_600_000
BODY = body_of(SMALL)
CHUNKED = "Transfer-Encoding: chunked"

sizes = pytest.mark.parametrize("size", [SMALL, LARGE])


@sizes
@pytest.mark.parametrize("validator", [V1, {}], ids=["etag", "none"])
async def test_b02_a_reset_is_not_an_end(scene: Scene, size: int, validator: Headers) -> None:
    body = body_of(size)
    broken = cut(body, size // 2, reset=True, **validator)
    outcome = await scene.fetch(in_turn(broken, broken, parts(body, **validator)), body)
    outcome.completed(body, requests=3)


@sizes
async def test_b02_resets_without_end_fail(scene: Scene, size: int) -> None:
    body = body_of(size)
    outcome = await scene.fetch(cut(body, size // 2, reset=True, **V1), body)
    outcome.failed("connection", requests=3)


@sizes
@pytest.mark.parametrize("reset", [False, True])
async def test_b03_nothing_after_the_head(scene: Scene, size: int, reset: bool) -> None:
    body = body_of(size)
    nothing = cut(body, 0, reset=reset)
    (await scene.fetch(nothing, body)).failed(requests=3)
    scene.server.requests.clear()
    outcome = await scene.fetch(in_turn(nothing, whole(body)), body)
    outcome.completed(body, requests=2)


@sizes
@pytest.mark.parametrize("keep_alive", [True, False])
async def test_b05_more_bytes_than_promised(scene: Scene, size: int, keep_alive: bool) -> None:
    body = body_of(size)
    injected = response(b"evil", "Content-Length: 4")

    async def generous(exchange: Exchange) -> None:
        await exchange.send(response(body, f"Content-Length: {size}") + injected)
        if not keep_alive:
            await exchange.close()

    (await scene.fetch(generous, body)).completed(body, requests=1)


async def test_b05_a_connection_with_bytes_left_over_is_not_used_again(scene: Scene) -> None:
    url = scene.server.on("/second.bin", whole(b"good"))
    second = FileConfig(url=url)
    injected = response(b"evil", "Content-Length: 4")
    scene.server.on(
        scene.path, raw(response(BODY, f"Content-Length: {SMALL}") + injected, then_close=False)
    )
    async with scene.manager(max_concurrent=1) as manager:
        await manager.add([scene.config(), second])
        await manager.wait_until_complete(timeout=60)
    assert status_of(manager, second) == "completed"
    assert (scene.folder / "second.bin").read_bytes() == b"good"
    assert scene.final.read_bytes() == BODY


def unasked(body: bytes, total: int, status: str, framing: str, *, late: bool) -> Behaviour:
    """Name all `total` bytes in the head of a body that tells its own end."""
    place = f"Content-Range: bytes 0-{total - 1}/{total}"
    is_chunked = framing == "chunked"
    head = response(b"", place, CHUNKED if is_chunked else "Connection: close", status=status)
    data = b"".join(in_chunks(body)) if is_chunked else body

    async def behave(exchange: Exchange) -> None:
        if late:
            await exchange.send(head)
            await asyncio.sleep(0.05)  # the pace of the line, not a wait of the test
        await exchange.send(data if late else head + data)
        await exchange.close()

    return behave


WHOLE_NAMED = pytest.mark.parametrize("status", ["HTTP/1.1 206 Partial Content", "HTTP/1.1 200 OK"])
FRAMINGS = pytest.mark.parametrize("framing", ["chunked", "close"])
TIMES = pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])


@WHOLE_NAMED
@FRAMINGS
@TIMES
@pytest.mark.parametrize(
    ("came", "total"), [(5, 10), (0, 10), (1_000, 200_000), (SMALL - 1, SMALL), (SMALL, LARGE)]
)
@pytest.mark.halved("status", "framing", "late", "came")
async def test_b29_a_body_shorter_than_its_head_says_is_no_file(
    scene: Scene, came: int, total: int, status: str, framing: str, late: bool
) -> None:
    body = body_of(total)
    outcome = await scene.fetch(unasked(body[:came], total, status, framing, late=late), body)
    outcome.failed(f"connection closed after {came:,} of {total:,} bytes", requests=3)


@WHOLE_NAMED
@FRAMINGS
@TIMES
@pytest.mark.parametrize("total", [10, SMALL, LARGE])
@pytest.mark.parametrize("surplus", [0, 1, 40_000])
@pytest.mark.halved("status", "framing", "late", "total", "surplus")
async def test_b29_of_a_longer_body_what_its_head_says_is_the_file(
    scene: Scene, surplus: int, total: int, status: str, framing: str, late: bool
) -> None:
    body = body_of(total)
    sent = unasked(body + b"#" * surplus, total, status, framing, late=late)
    (await scene.fetch(sent, body)).completed(body, requests=1)


@pytest.mark.parametrize("reset", [False, True])
async def test_b06_cut_within_a_chunk(scene: Scene, reset: bool) -> None:
    async def cut_chunk(exchange: Exchange) -> None:
        await exchange.send(response(b"ea60\r\n" + BODY[:1000], CHUNKED))
        await (exchange.reset() if reset else exchange.close())

    (await scene.fetch(cut_chunk, BODY)).failed("connection", requests=3)


@pytest.mark.parametrize("last", [b"", b"0", b"0\r", b"0\r\n", b"0\r\n\r", b"0\r\nTrailer: x\r\n"])
async def test_b08_cut_before_the_last_chunk_ended(scene: Scene, last: bytes) -> None:
    (await scene.fetch(chunked(BODY, last=last), BODY)).failed("connection lost", requests=3)


@pytest.mark.parametrize(
    "size",
    [
        "FFFFFFFFFFFFFFF4",
        "-4",
        "+4",
        "00000000000000000000004",
        "10000000000000004",
        "0x4",
        " 4",
        "4_0",
        "4 0",
        "",
        "zz",
        "٤",
    ],
)
async def test_b09_chunk_sizes_that_are_none(scene: Scene, size: str) -> None:
    chunk = size.encode() + b"\r\nbody\r\n0\r\n\r\n"
    outcome = await scene.fetch(raw(response(chunk, CHUNKED)), b"body")
    if size == "00000000000000000000004":  # as RFC 9112, section 7.1 has it
        outcome.completed(b"body")
    else:
        outcome.failed()


@STRICTER_CLIENT
@pytest.mark.parametrize("length", [SMALL, 10, SMALL + 10_000, 0])
async def test_b11_length_and_chunked_at_once(scene: Scene, length: int) -> None:
    """The coding counts (RFC 9112 6.3), and the connection is not used again."""
    both = response(b"".join(in_chunks(BODY)), f"Content-Length: {length}", CHUNKED)
    scene.server.on("/second.bin", whole(b"good"))
    second = FileConfig(url=scene.server.url("/second.bin"))
    scene.server.on(scene.path, raw(both, then_close=False))
    async with scene.manager(max_concurrent=1) as manager:
        await manager.add([scene.config(), second])
        await manager.wait_until_complete(timeout=60)
    assert scene.final.read_bytes() == BODY
    assert (scene.folder / "second.bin").read_bytes() == b"good"
    assert scene.server.connections == 2


@STRICTER_CLIENT
@sizes
async def test_b12_the_length_twice(scene: Scene, size: int) -> None:
    body, lengths = body_of(size), [f"Content-Length: {size}"] * 2
    (await scene.fetch(raw(response(body, *lengths)), body)).completed(body, requests=1)
    scene.final.unlink(missing_ok=True)
    scene.server.requests.clear()
    for other in (10, size + 10):
        contradicting = response(body, lengths[0], f"Content-Length: {other}")
        (await scene.fetch(raw(contradicting), body)).failed()
        scene.server.requests.clear()


@pytest.mark.parametrize(
    "length",
    ["-6", "crap", "6badness", "+6", "6_0", "６", "36893488147419103232", "0x6", "6, 7", "6 6", ""],
)
async def test_b14_a_length_that_is_none(scene: Scene, length: str) -> None:
    cut_off = response(b"cut", "X: y").replace(b"X: y", f"Content-Length: {length}".encode())
    outcome = await scene.fetch(raw(cut_off), b"cut off before the end")
    outcome.failed()


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
async def test_b15_a_body_until_the_connection_ends(scene: Scene, version: str) -> None:
    sent = raw(response(BODY, "Connection: close", status=f"{version} 200 OK"))
    outcome = await scene.fetch(sent, BODY)
    outcome.completed(BODY, requests=1)
    assert outcome.journal.last("started").total_bytes is None


async def test_b15_only_a_checksum_proves_such_a_body_whole(scene: Scene) -> None:
    config = scene.config(hash_config=checksum(BODY))
    cut_off = raw(response(BODY[:1000], "Connection: close"))
    (await scene.fetch(cut_off, BODY, config=config)).failed("wrong SHA-256")
    scene.server.requests.clear()
    sent = raw(response(BODY, "Connection: close"))
    (await scene.fetch(sent, BODY, config=config)).completed(BODY)


async def test_b15_a_size_that_the_user_knows_is_checked(scene: Scene) -> None:
    config = scene.config(size_bytes=SMALL)
    cut_off = raw(response(BODY[:1000], "Connection: close"))
    (await scene.fetch(cut_off, BODY, config=config)).failed("1,000 bytes")


async def test_b15_a_reset_is_no_end_of_such_a_body(scene: Scene) -> None:
    async def broken(exchange: Exchange) -> None:
        await exchange.send(response(BODY[:1000], "Connection: close"))
        await exchange.reset()

    (await scene.fetch(broken, BODY)).failed("connection")


@pytest.mark.parametrize("code", ["100 Continue", "102 Processing", "103 Early Hints", "104 X"])
async def test_b18_many_interim_responses(scene: Scene, code: str) -> None:
    interim = f"HTTP/1.1 {code}\r\nLink: </x>\r\n\r\n".encode() * 1000
    sent = raw(interim, response(BODY, f"Content-Length: {SMALL}"), then_close=False)
    (await scene.fetch(sent, BODY)).completed(BODY, requests=1)


@pytest.mark.parametrize("code", ["100 Continue", "101 Switching Protocols", "103 Early Hints"])
async def test_b18_nothing_but_an_interim_response(scene: Scene, code: str) -> None:
    (await scene.fetch(raw(f"HTTP/1.1 {code}\r\n\r\n".encode()))).failed()


@pytest.mark.parametrize(
    "sent",
    [
        b"just a body\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"",
        b"\r\n\r\n\r\n",
        b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 " + b"2" * 100 + b" OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 -200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 \x1b]0;owned\x07 200\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 600 Odd \x1b[31mred\r\nContent-Length: 2\r\n\r\nhi",
    ],
)
async def test_b20_what_is_no_response(scene: Scene, sent: bytes) -> None:
    (await scene.fetch(raw(sent))).failed()


@STRICTER_CLIENT
@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b": nameless",
        b"X: a\r\n folded",
        b"X: a\x1b[31mb",
        b"X Y: z",
        b"X\x1bY: z",
        b"\xc3\xa9: z",
        b'Content-Disposition: attachment; filename="a\x1bb.bin"',
        b'Content-Disposition: attachment;\r\n filename="../\x1b[31m.bin"',
        b'ETag: "a\x01b"',
    ],
)
async def test_b21_lines_that_are_no_fields_are_passed_over(scene: Scene, line: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" + line + b"\r\n\r\n"
    outcome = await scene.fetch(raw(head + b"body"), b"body", config=scene.config(filename=None))
    row = outcome.manager.snapshot().downloads[0]
    scene.name = row.name
    outcome.completed(b"body", requests=1)
    assert row.destination.isprintable()


@pytest.mark.parametrize(
    "line",
    [
        b"X: a\x00b",
        b"X: a\rb",
        b'Content-Disposition: attachment; filename="a\x00b.bin"',
        b'Content-Disposition: attachment; filename="a\rb.bin"',
        b'ETag: "a\x00b"',
        b"X\x00Y: z",
        b"Content-Length : 5",
        b"\x0bContent-Length: 5",
        b"Transfer-Encoding : chunked",
        b" Transfer-Encoding: chunked\r\nContent-Length: 5",
    ],
)
async def test_b21_lines_that_may_change_the_framing_are_refused(scene: Scene, line: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" + line + b"\r\n\r\n"
    outcome = await scene.fetch(raw(head + b"body"), b"body", config=scene.config(filename=None))
    outcome.failed("malformed response", requests=1)


def half_closing(body: bytes, *, chunks: bool) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        framing = CHUNKED if chunks else f"Content-Length: {len(body)}"
        content = b"".join(in_chunks(body)) if chunks else body
        await exchange.send(response(content, framing, "Connection: close"))
        exchange.writer.write_eof()
        await exchange.reader.read()  # until the client has closed
        await exchange.close()

    return behave


@pytest.mark.parametrize("chunks", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [SMALL, LARGE, 4_000_000])
async def test_b23_a_server_that_is_done_before_the_slow_client(
    scene: Scene, size: int, chunks: bool
) -> None:
    body = body_of(size)
    outcome = await scene.fetch(
        half_closing(body, chunks=chunks), body, speed_limit_bps=size * 8, chunk_size=1 << 14
    )
    outcome.completed(body, requests=1)


@pytest.mark.parametrize("framing", ["length", "chunked", "until close"])
async def test_b24_a_response_in_single_bytes(scene: Scene, framing: str) -> None:
    body = BODY[:300]
    lines = {"length": "Content-Length: 300", "chunked": CHUNKED}.get(framing, "Connection: close")
    content = b"".join(in_chunks(body, 7)) if framing == "chunked" else body
    data = response(content, lines, 'ETag: "v1"', "Content-Disposition: attachment")
    drip = dripping(data, len(data))

    async def behave(exchange: Exchange) -> None:
        await drip(exchange)
        if framing == "until close":
            await exchange.close()

    (await scene.fetch(behave, body)).completed(body, requests=1)


async def test_b24_a_head_split_anywhere(scene: Scene) -> None:
    data = response(b"body", "Content-Length: 4", 'ETag: "v1"')
    for split in range(1, len(data)):

        async def behave(exchange: Exchange, split: int = split) -> None:
            await exchange.send(data[:split])
            await asyncio.sleep(0)
            await exchange.send(data[split:])

        scene.server.on(f"/{split}.bin", behave)
    configs = [FileConfig(url=scene.server.url(f"/{split}.bin")) for split in range(1, len(data))]
    async with scene.manager(max_concurrent=4) as manager:
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
    assert manager.stats.completed == len(configs)
    assert all((scene.folder / f"{n}.bin").read_bytes() == b"body" for n in range(1, len(data)))
