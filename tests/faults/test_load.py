"""Busy, failing and endless servers (rows T): bounded, and progress where there can be any."""

import asyncio
from contextlib import suppress
from email.utils import formatdate
from time import time
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import RetryConfig
from rheo_core.downloads import RetryHandler
from tests.clients import STRICTER_CLIENT
from tests.core.engine import Journal, names_in, quick_retries
from tests.faults.oracle import BYSTANDERS, Scene, checksum
from tests.servers.misbehaving import V1, Behaviour, Exchange, Headers, body_of
from tests.servers.scenarios import answer, in_turn, raw, whole
from tests.waiting import until

BODY = body_of(60_000)
BUSY = [
    "500 Internal Server Error",
    "502 Bad Gateway",
    "503 Service Unavailable",
    "504 Gateway Timeout",
    "429 Too Many Requests",
]


@pytest.mark.parametrize("status", BUSY)
async def test_t01_errors_that_pass_are_waited_out(scene: Scene, status: str) -> None:
    error = answer(status, b"<html>sorry</html>", Content_Type="text/html")
    outcome = await scene.fetch(in_turn(error, error, whole(BODY)), BODY)
    outcome.completed(BODY, requests=3)
    assert outcome.journal.names() == ["queued", "retrying", "retrying", "started", "completed"]


@pytest.mark.parametrize("status", BUSY)
async def test_t01_errors_that_stay_end_the_download(scene: Scene, status: str) -> None:
    outcome = await scene.fetch(answer(status), retry_handler=quick_retries(5))
    outcome.failed(status, requests=6)


async def test_t01_delays_grow_up_to_a_limit_and_vary(scene: Scene) -> None:
    handler = RetryHandler(RetryConfig(max_retries=8, base_delay=0.001, max_delay=0.01))
    outcome = await scene.fetch(answer(BUSY[0]), retry_handler=handler)
    outcome.failed(BUSY[0], requests=9)
    waits = [e for e in outcome.journal.events if e.event_type == "download.retrying"]
    delays = [event.delay_seconds for event in waits]  # type: ignore[attr-defined]
    assert max(delays) <= 0.01 * 1.25 and delays[-1] > delays[0]
    assert len(set(delays)) == len(delays)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("3", 3, 3),
        ("0", 0, 1),
        pytest.param(1800, 1500, 1801, id="in half an hour"),
        pytest.param(-3600, 0, 1, id="an hour ago"),
        ("-5", 0, 1),
        ("soon", 0, 1),
        ("", 0, 1),
        ("٣", 0, 1),
        ("Mon, 99 Foo 99999 99:99:99 GMT", 0, 1),
    ],
)
async def test_t02_retry_after_is_honoured_within_a_limit(
    scene: Scene, status: str, said: str | int, least: float, most: float
) -> None:
    if isinstance(said, int):  # seconds from now, as a date
        said = formatdate(time() + said, usegmt=True)
    handler = RetryHandler(RetryConfig(max_retries=1, base_delay=0.5, max_delay=20))
    scene.server.on(scene.path, in_turn(answer(status, Retry_After=said), whole(BODY)))

    async def do_not_wait(manager: DownloadManager) -> None:
        journal = Journal(manager)
        await until(lambda: "retrying" in journal.names())
        assert least <= journal.last("retrying").delay_seconds <= most
        assert await manager.retry(scene.config().id)

    outcome = await scene.fetch(None, BODY, meanwhile=do_not_wait, retry_handler=handler)
    outcome.completed(BODY, requests=2)


@pytest.mark.parametrize("said", ["3700", "1000000000", "9" * 400])
async def test_t02_a_wait_of_more_than_an_hour_is_a_failure(scene: Scene, said: str) -> None:
    handler = RetryHandler(RetryConfig(max_retries=2, base_delay=0.01, max_delay=0.02))
    refusal = answer("429 Too Many Requests", Retry_After=said)
    outcome = await scene.fetch(refusal, retry_handler=handler)
    outcome.failed("429 Too Many Requests; the server asks you to wait", requests=1)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("202 Accepted", {"Retry_After": 0}),
        ("403 Forbidden", {"Retry_After": 0}),
        ("403 rate limit", {"x_ratelimit_remaining": 0, "x_ratelimit_reset": 1_000_000_001}),
        ("403 rate limit", {"RateLimit_Remaining": 0, "RateLimit_Reset": 0}),
        ("403 Later", {"Retry_After": "0.5 s"}),
        ("404 Not Yet", {"Retry_After": 0}),
        ("421 Misdirected Request", {}),
        ("425 Too Early", {}),
        ("520 Origin Error", {}),
        ("599 Whatever", {}),
    ],
)
async def test_t13_refusals_that_pass_are_tried_again(
    scene: Scene, status: str, headers: dict[str, Any]
) -> None:
    handler = RetryHandler(RetryConfig(max_retries=2, base_delay=0.01, max_delay=0.02))
    refusal = answer(status, **headers)
    outcome = await scene.fetch(in_turn(refusal, whole(BODY)), BODY, retry_handler=handler)
    outcome.completed(BODY, requests=2)


@pytest.mark.parametrize("status", ["202 Accepted", "403 Forbidden", "501 No", "505 No", "511 No"])
async def test_t13_refusals_that_last_are_not(scene: Scene, status: str) -> None:
    handler = RetryHandler(RetryConfig(max_retries=2, base_delay=0.01, max_delay=0.02))
    outcome = await scene.fetch(answer(status), retry_handler=handler)
    outcome.failed(status[:3], requests=1)


PAGE = b"<html><title>Please sign in</title></html>"


async def test_t04_a_page_is_not_the_file_that_has_a_checksum(scene: Scene) -> None:
    page = whole(PAGE, Content_Type="text/html")
    config = scene.config(hash_config=checksum(BODY))
    (await scene.fetch(page, PAGE, config=config)).failed("wrong SHA-256")


async def test_t04_a_page_is_not_the_file_that_has_another_size(scene: Scene) -> None:
    page = whole(PAGE, Content_Type="text/html")
    config = scene.config(size_bytes=len(BODY))
    (await scene.fetch(page, PAGE, config=config)).failed(str(len(PAGE)))


@pytest.mark.parametrize("refusal", ["429", "503", "reset"])
async def test_t05_a_server_that_takes_four_at_a_time(scene: Scene, refusal: str) -> None:
    at_once = refused = 0
    four_refused = asyncio.Event()

    async def four(exchange: Exchange) -> None:
        nonlocal at_once, refused
        if at_once >= 4:
            refused += 1
            if refused >= 4:
                four_refused.set()
            if refusal == "reset":
                return await exchange.reset()
            return await exchange.head(f"{refusal} Busy", Content_Length=0, Retry_After=0)
        at_once += 1
        try:
            with suppress(TimeoutError):  # the engine may learn of it before it sends the rest
                await asyncio.wait_for(four_refused.wait(), 0.5)
            await exchange.serve(BODY, **V1)
        finally:
            at_once -= 1

    configs = [FileConfig(url=scene.server.on(f"/{number}", four)) for number in range(12)]
    handler = quick_retries(20)
    async with scene.manager(max_concurrent=8, retry_handler=handler) as manager:
        journal = Journal(manager)
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
    assert manager.stats.completed == 12, manager.stats
    assert all((scene.folder / str(number)).read_bytes() == BODY for number in range(12))
    assert journal.endings() == {config.id: 1 for config in configs}
    assert scene.bystanders() == scene.before


async def test_t07_every_second_request_fails(scene: Scene) -> None:
    async def unreliable(exchange: Exchange) -> None:
        if exchange.number % 2:
            return await exchange.head("503 Busy", Content_Length=0)
        return await exchange.serve(BODY)

    (await scene.fetch(unreliable, BODY)).completed(BODY, requests=2)


@pytest.mark.parametrize("size", [60_000, 1_600_000])
async def test_t07_every_response_breaks_off_after_some_bytes(scene: Scene, size: int) -> None:
    body = body_of(size)

    async def unreliable(exchange: Exchange) -> None:
        start = exchange.request.range_start or 0
        if exchange.number % 2 == 0:
            return await exchange.head("503 Busy", Content_Length=0)
        if start:
            told = {"Content_Range": f"bytes {start}-{size - 1}/{size}"}
            await exchange.head("206 Partial", Content_Length=size - start, **told, **V1)
        else:
            await exchange.head(Content_Length=size, **V1)
        await exchange.send(body[start : start + size // 4])
        return await exchange.close()

    outcome = await scene.fetch(unreliable, body, retry_handler=quick_retries(20))
    outcome.completed(body, requests=7)


async def test_t08_ten_thousand_in_the_queue_cost_no_tasks(scene: Scene) -> None:
    never = asyncio.Event()

    async def busy(exchange: Exchange) -> None:
        await never.wait()

    before = len(asyncio.all_tasks())
    urls = [scene.server.on(f"/{number}", busy) for number in range(10_000)]
    manager = scene.manager(max_concurrent=4)
    await manager.open()
    try:
        await manager.add([FileConfig(url=url) for url in urls])
        async with asyncio.timeout(60):
            await scene.server.wait_for_requests(4)
        assert manager.stats.total == 10_000
        assert len(asyncio.all_tasks()) - before < 50
    finally:
        await manager.close()
    assert len(scene.server.requests) == 4
    assert names_in(scene.folder) == sorted(BYSTANDERS)


async def test_t08_a_thousand_tiny_files(scene: Scene) -> None:
    at_once = most = 0

    async def tiny(exchange: Exchange) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await exchange.serve(exchange.request.target.encode())
        at_once -= 1

    configs = [FileConfig(url=scene.server.on(f"/{number}", tiny)) for number in range(1000)]
    async with scene.manager(max_concurrent=8) as manager:
        journal = Journal(manager)
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
    assert manager.stats.completed == len(scene.server.requests) == 1000
    assert most <= 8 and scene.server.connections <= 16
    assert set(journal.endings().values()) == {1}
    assert all((scene.folder / str(n)).read_bytes() == f"/{n}".encode() for n in range(1000))


def endless(line: bytes, sent: list[int]) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(1_000_000):
            await exchange.send(line % number if b"%" in line else line)
            sent.append(len(line))

    return behave


@pytest.mark.parametrize(
    "line",
    [
        b"X-%d: y\r\n" + b"Y: z\r\n" * 100,
        b"x" * 10_000,
        b"Set-Cookie: a=b\r\n" * 100,
        b" folded\r\n" * 100,
        b"\r" * 1000,
    ],
    ids=["headers", "one line", "cookies", "folds", "returns"],
)
async def test_t10_a_head_without_end(scene: Scene, line: bytes) -> None:
    sent: list[int] = []
    outcome = await scene.fetch(endless(line, sent), retry_handler=quick_retries(0))
    outcome.failed(requests=1)
    assert sum(sent) < 50_000_000


@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"y" * 300_000,
        b"\r\n".join(b"X-%d: %b" % (number, b"y" * 1000) for number in range(1000)),
        b"\r\n".join(b"X-%d: y" % number for number in range(100_000)),
    ],
    ids=["300 KB line", "1 MB", "100,000 headers"],
)
async def test_t10_a_head_that_is_too_large(scene: Scene, head: bytes) -> None:
    sent = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n" + head + b"\r\n\r\n" + BODY
    (await scene.fetch(raw(sent), BODY)).failed("malformed response", requests=1)


@STRICTER_CLIENT
async def test_t10_a_large_head_is_read(scene: Scene) -> None:
    headers: Headers = {f"X-{number}": "y" * 1000 for number in range(150)}
    (await scene.fetch(whole(BODY, **headers), BODY)).completed(BODY, requests=1)
