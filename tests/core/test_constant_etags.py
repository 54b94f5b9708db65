"""ETags that every version of a file has: none of them lets a download go on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.transfer.constant_etags import is_constant
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
        await manager.wait_until_complete(timeout=30)
        info = manager.get_download_info(config.id)
    assert info is not None and info.status is DownloadStatus.COMPLETED
    assert names_in(tmp_path) == ["f.bin"] and (tmp_path / "f.bin").read_bytes() == NEW
    assert [each.range_start for each in server.requests] == [None, None]


@pytest.mark.parametrize(
    "text",
    ["1", "v1", "5f3-16e360", "00000001", "1500001", "16e361", "0a1b2c3d-1", "abc", "nullable"],
)
def test_what_may_tell_versions_apart_is_no_constant(text: str) -> None:
    assert not is_constant(f'"{text}"', 1_500_000)
    assert not is_constant(f'"{text}"', None)
