"""Validators that every version of a file has: none of them lets a download go on."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.transfer.constant_validators import is_constant_etag, is_constant_moment
from tests.core.engine import names_in, quick_retries, serving
from tests.servers.misbehaving import Behaviour, Exchange, MisbehavingServer, body_of

OLD, NEW = body_of(1_500_000), body_of(1_500_000, "new")
CONSTANTS = {
    "zero": "0",
    "zeros": "0-0-0",
    "negative": "-1",
    "dash": "-",
    "quotes": "''",
    "zero digest": "0" * 32,
    "minio": f"{'0' * 32}-1",
    "null": "null",
    "None": "None",
    "undefined": "undefined",
    "(null)": "(null)",
    "NaN": "NaN",
    "md5 of nothing": "d41d8cd98f00b204e9800998ecf8427e",
    "MD5 of nothing": "D41D8CD98F00B204E9800998ECF8427E",
    "sha1 of nothing": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "sha256 of nothing": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "xxhash of nothing": "ef46db3751d8e999",
    "express": "0-2jmj7l5rSw0yVb/vlWAYkK/YBwk",
    "size": "1500000",
    "size in hexadecimal": f"{1_500_000:x}",
    "SIZE": f"{1_500_000:X}",
    "padded size": f"{1_500_000:016x}",
}


@pytest.mark.parametrize("text", CONSTANTS.values(), ids=CONSTANTS)
async def test_a_constant_does_not_mix_two_versions(
    server: MisbehavingServer, tmp_path: Path, text: str
) -> None:
    etag = f'"{text}"'

    async def break_off(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(OLD), ETag=etag, Accept_Ranges="bytes")
        await exchange.send(OLD[:1_000_000])
        await exchange.close()

    behaviours: Iterator[Behaviour] = iter([break_off])

    async def answer(exchange: Exchange) -> None:
        await next(behaviours, serving(NEW, ETag=etag))(exchange)

    config = FileConfig(url=server.on("/f.bin", answer))
    retries = quick_retries(2)
    async with DownloadManager(
        download_dir=tmp_path, retry_handler=retries, connections=1
    ) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        info = manager.get_download_info(config.id)
    assert info is not None and info.status is DownloadStatus.COMPLETED
    assert names_in(tmp_path) == ["f.bin"] and (tmp_path / "f.bin").read_bytes() == NEW
    assert [each.range_start for each in server.requests] == [None, None]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


SIZE = 400_000
EARLY = {
    "0-61a80": "1970-01-01",  # Bazel, by nginx: time and size
    "1-61a80": "1970-01-01 00:00:01",  # Nix
    "12cea601-61a80": "1980-01-01 00:00:01",  # zip
    "1dc09d84-61a80": "1985-10-26 08:15:00",  # npm
    "61a80-0": "1970-01-01",  # Apache: size and microseconds
    "61a80-f4240": "1970-01-01 00:00:01",
    "2a0f3b-61a80-0": "1970-01-01",  # with an inode, which stays if a file is written anew
    "3b9aca00-61a80": "1970-01-01 00:00:01",  # aiohttp: nanoseconds
    "400000-0": "2026-11-02 08:00:00",  # no time at all
    "-400000": "2026-11-02 08:00:00",
}


@pytest.mark.parametrize("text", EARLY)
def test_a_constant_time_within_an_etag_is_a_constant(text: str) -> None:
    assert is_constant_etag(f'"{text}"', SIZE, moment(EARLY[text]))
    assert not is_constant_etag(f'"{text}"', SIZE + 1, moment(EARLY[text]))


@pytest.mark.parametrize("text", ["0-61a80", "1-61a80", "12cea601-61a80", "61a80-f4240", "61a80"])
def test_the_same_without_a_date(text: str) -> None:
    assert is_constant_etag(f'"{text}"', SIZE, None)


@pytest.mark.parametrize("text", ["6741b2f0-61a80", "61a80-62795b2c5bc40", "r7-61a80"])
@pytest.mark.parametrize(
    "modified", [moment("2024-11-23 10:49:52"), moment("1970-01-01"), None], ids=str
)
def test_a_time_of_its_own_tells_versions_apart(text: str, modified: datetime | None) -> None:
    assert not is_constant_etag(f'"{text}"', SIZE, modified)


@pytest.mark.parametrize(
    "text",
    ["1", "v1", "5f3-16e360", "00000001", "1500001", "16e361", "0a1b2c3d-1", "abc", "nullable"],
)
def test_what_may_tell_versions_apart_is_no_constant(text: str) -> None:
    assert not is_constant_etag(f'"{text}"', 1_499_999, None)
    assert not is_constant_etag(f'"{text}"', None, None)


@pytest.mark.parametrize(
    "text",
    [
        *("1980-01-01 00:00:02", "2000-01-01", "2001-01-01 05:00:00", "2010-12-31 19:00:00"),
        *("1999-11-30", "1999-11-29 23:00:00", "1999-11-30 05:00:00"),
    ],
)
def test_moments_with_which_clocks_and_programs_begin(text: str) -> None:
    assert is_constant_moment(moment(text))


@pytest.mark.parametrize("text", ["1999-11-28", "2001-01-01 00:00:01", "1999-11-30 05:10:00"])
def test_other_moments(text: str) -> None:
    assert not is_constant_moment(moment(text))
