"""Connections that bring too little: overtaken, or the attempt is given up."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.domain import DownloadStatus, DownloadTimeoutError
from rheo_core.tracking import DownloadRecord
from rheo_core.transfer import segments
from rheo_core.transfer.stall import StallWatch
from tests.core.engine import EAGER, error_of, fetch, serving, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

BODY = body_of(8_000_000)


class Watched:
    """A watch of 10 seconds and 100 bytes/s, and a clock."""

    def __init__(self, seconds: float | None = 10.0) -> None:
        self.record = DownloadRecord.of(FileConfig(url="http://a/f"))
        self.now = 0.0
        self.is_throttled = False
        self.watch = StallWatch(self.record, lambda: self.is_throttled, seconds, 100, self.now)

    def goes_on(self, seconds: int, bytes_each: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.record.stats.transferred += bytes_each
            self.watch.check(self.now, "a")


def test_no_byte_at_all() -> None:
    watched = Watched()
    watched.goes_on(5, 1000)
    watched.goes_on(10, 0)
    with pytest.raises(DownloadTimeoutError, match="no data from a for 10 s"):
        watched.goes_on(1, 0)


def test_a_trickle_is_given_up_after_a_while() -> None:
    watched = Watched()
    watched.goes_on(30, 101)
    watched.goes_on(9, 1)
    with pytest.raises(DownloadTimeoutError, match="less than 100 bytes/s from a for 10 s"):
        watched.goes_on(11, 1)


def test_it_is_the_average_that_counts() -> None:
    Watched().goes_on(1, 1001)
    watched = Watched()
    for _ in range(20):
        watched.goes_on(4, 0)
        watched.goes_on(1, 600)


def test_what_a_limit_holds_back_is_not_slow() -> None:
    watched = Watched()
    watched.is_throttled = True
    watched.goes_on(1000, 10)


def test_patience_begins_when_a_limit_lets_go() -> None:
    watched = Watched()
    watched.is_throttled = True
    watched.goes_on(30, 0)
    watched.is_throttled = False
    watched.goes_on(9, 0)
    with pytest.raises(DownloadTimeoutError):
        watched.goes_on(2, 0)


def test_patience_begins_anew_after_a_stop_of_the_program() -> None:
    watched = Watched()
    watched.goes_on(9, 0)
    watched.now += 3600
    watched.goes_on(10, 0)
    with pytest.raises(DownloadTimeoutError, match="less than 100 bytes/s"):
        watched.goes_on(2, 0)


def test_endless_patience() -> None:
    Watched(seconds=None).goes_on(1000, 0)


async def test_a_trickle_fails_the_attempt(server: MisbehavingServer, tmp_path: Path) -> None:
    async def trickle(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(BODY))
        for offset in range(1000):
            await exchange.send(BODY[offset : offset + 1])
            await asyncio.sleep(0.02)  # the pace of the line

    config = FileConfig(url=server.on("/f", trickle))
    manager, _ = await fetch(tmp_path, [config], stall_timeout=0.5)
    assert status_of(manager, config) is DownloadStatus.FAILED
    assert error_of(manager, config) == "less than 100 bytes/s from 127.0.0.1 for 0.5 s"


INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"


@pytest.mark.parametrize("piece", [INTERIM, b"x"], ids=["interim responses", "slow head"])
@pytest.mark.parametrize("hops", [0, 1])
async def test_a_head_without_end_fails_the_attempt(
    server: MisbehavingServer, tmp_path: Path, piece: bytes, hops: int
) -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.send(b"" if piece is INTERIM else b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(1000):
            await exchange.send(piece)
            await asyncio.sleep(0.02)  # the pace of the line

    async def redirect(exchange: Exchange) -> None:
        await exchange.head("302 Found", Location="/f", Content_Length=0)

    url = server.on("/f", endless)
    config = FileConfig(url=server.on("/r", redirect) if hops else url)
    manager, _ = await fetch(tmp_path, [config], response_timeout=0.8)
    assert status_of(manager, config) is DownloadStatus.FAILED
    assert error_of(manager, config) == "no complete response from 127.0.0.1 within 0.8 s"


# The slowest does not hold up the rest


def busy(start: int, end: int, received: int, began_at: float, now: float) -> segments.Segment:
    piece = segments.Segment(start, end, start, start)
    piece.begin(began_at)
    piece.received, piece.active_at = received, now
    return piece


def test_the_rest_of_a_far_slower_one_is_taken_whole() -> None:
    chart = segments.SegmentMap(3_000_000)
    quick = busy(0, 2_000_000, 2_000_000, began_at=0.0, now=2.0)
    quick.is_busy, quick.written = False, 2_000_000
    slow = busy(2_000_000, 3_000_000, 2_100_000, began_at=0.0, now=2.0)
    chart._segments = [quick, slow]
    taken = chart.take(2.0)
    assert taken is not None
    assert (taken.start, taken.end) == (2_100_000, 3_000_000)
    assert slow.end == 2_100_000


def test_under_a_speed_limit_nobody_is_slow() -> None:
    chart = segments.SegmentMap(3_000_000)
    quick = busy(0, 2_000_000, 2_000_000, began_at=0.0, now=2.0)
    quick.is_busy, quick.written = False, 2_000_000
    slow = busy(2_000_000, 3_000_000, 2_100_000, began_at=0.0, now=2.0)
    chart._segments = [quick, slow]
    assert chart.take(2.0, compare=False) is None


def test_a_little_slower_is_good_enough() -> None:
    chart = segments.SegmentMap(2_000_000)
    pieces = [
        busy(0, 1_000_000, 400_000, began_at=0.0, now=2.0),
        busy(1_000_000, 2_000_000, 1_150_000, began_at=0.0, now=2.0),
    ]
    chart._segments = pieces
    assert chart.take(2.0) is None


async def test_a_slow_connection_is_overtaken_at_the_end(
    server: MisbehavingServer,
    tmp_path: Path,
) -> None:
    """The last megabyte on a line of 10 kB/s would take minutes; another one brings it."""
    is_slow = True

    async def one_slow_line(exchange: Exchange) -> None:
        nonlocal is_slow
        start, end = exchange.request.range_start, exchange.request.range_end or len(BODY)
        if start is None:
            await exchange.head(Content_Length=len(BODY), ETag='"v1"')
            for offset in range(0, len(BODY), 400_000):
                await exchange.send(BODY[offset : offset + 400_000])
                await asyncio.sleep(0.05)
        elif is_slow:
            is_slow = False
            await exchange.head(
                "206 Partial Content",
                Content_Range=f"bytes {start}-{end - 1}/{len(BODY)}",
                Content_Length=end - start,
                ETag='"v1"',
            )
            for offset in range(start, end, 1000):
                await exchange.send(BODY[offset : offset + 1000])
                await asyncio.sleep(0.1)
        else:
            await serving(BODY, ETag='"v1"')(exchange)

    config = FileConfig(url=server.on("/f", one_slow_line))
    tuning = replace(EAGER, speed_after_seconds=0.2)
    manager, _ = await fetch(
        tmp_path, [config], connections=2, tuning=tuning
    )  # within its 30 seconds
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == BODY
