"""Checksums: from the user, from headers, from files beside; and what fails them."""

import asyncio
import base64
import gzip
import hashlib
import os
import zlib
from codecs import BOM_UTF16_BE
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, HashConfig
from rheo_core.infrastructure.http import AiohttpClient
from rheo_core.transfer import PartFile, PartOwner, running_hash
from rheo_core.transfer.validators import Validator
from tests.core.engine import (
    EAGER,
    PATIENT,
    Journal,
    error_of,
    fetch,
    names_in,
    quick_retries,
    serving,
    sha256,
    status_of,
)
from tests.servers.misbehaving import Behaviour, Exchange, Headers, MisbehavingServer, body_of
from tests.servers.scenarios import answer, cut, in_turn
from tests.waiting import Until

BODY = body_of(3_000_000)
OTHER = body_of(3_000_000, "other")
LINE = f"{sha256(BODY)}  f\n"


def repr_digest(body: bytes) -> Headers:
    value = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return {"Repr_Digest": f"sha-256=:{value}:"}


def wanted(body: bytes) -> HashConfig:
    return HashConfig(algorithm="sha256", expected_hash=sha256(body))


# From headers


async def test_a_promised_checksum_is_checked(server: MisbehavingServer, tmp_path: Path) -> None:
    good = FileConfig(url=server.on("/good", serving(BODY, **repr_digest(BODY))))
    bad = FileConfig(url=server.on("/bad", serving(BODY, **repr_digest(OTHER))))
    manager, journal = await fetch(tmp_path, [good, bad])
    assert journal.names(good.id) == ["queued", "started", "validating", "completed"]
    assert journal.last("completed").validation.is_valid
    assert status_of(manager, bad) is DownloadStatus.FAILED
    assert "wrong SHA-256" in error_of(manager, bad)
    assert not (tmp_path / "bad").exists()


async def test_the_users_checksum_counts_more(server: MisbehavingServer, tmp_path: Path) -> None:
    config = FileConfig(
        url=server.on("/f", serving(BODY, **repr_digest(OTHER))), hash_config=wanted(BODY)
    )
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED


@pytest.mark.parametrize("later", ["same", "none", "another"])
async def test_the_promise_is_remembered(
    server: MisbehavingServer, tmp_path: Path, later: str
) -> None:
    """The 206 need not repeat it; where it promises another one, the file is another one."""
    version: Headers = {"ETag": '"v1"'}
    headers = {"same": repr_digest(BODY), "none": {}, "another": repr_digest(OTHER)}[later]
    body = OTHER if later == "another" else BODY
    begin = cut(BODY, 2_000_000, **version, **repr_digest(BODY))
    config = FileConfig(url=server.on("/f", in_turn(begin, serving(body, **version, **headers))))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
        info = manager.get_download_info(config.id)
    assert info is not None and info.validation is not None and info.validation.is_valid
    assert (tmp_path / "f").read_bytes() == body
    assert server.requests[1].range_start == 2_000_000


async def test_a_promise_that_a_splice_breaks(server: MisbehavingServer, tmp_path: Path) -> None:
    """The server lies about the version: the promise of the whole file finds it out."""
    begin = cut(BODY, 2_000_000, ETag='"v1"', **repr_digest(BODY))
    config = FileConfig(url=server.on("/f", in_turn(begin, serving(OTHER, ETag='"v1"'))))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
        assert "wrong SHA-256" in error_of(manager, config)
        assert await manager.keep(config.id) is None  # a splice is of no use to anybody
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("promised", [BODY, OTHER], ids=["right", "wrong"])
async def test_a_promise_of_the_rest_alone(
    server: MisbehavingServer, tmp_path: Path, promised: bytes
) -> None:
    """RFC 9530 3.1: Repr-Digest on a 206 is of the whole file."""
    rest = serving(BODY, ETag='"v1"', **repr_digest(promised))
    config = FileConfig(url=server.on("/f", in_turn(cut(BODY, 2_000_000, ETag='"v1"'), rest)))
    manager, journal = await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert server.requests[1].range_start == 2_000_000
    if promised is BODY:
        assert journal.last("completed").validation.is_valid
    else:
        assert "wrong SHA-256" in error_of(manager, config)
        assert names_in(tmp_path) == []


@pytest.mark.parametrize("promised", [BODY, OTHER], ids=["right", "wrong"])
async def test_a_promise_of_a_connection_that_joined(
    server: MisbehavingServer,
    tmp_path: Path,
    promised: bytes,
) -> None:
    async def behave(exchange: Exchange) -> None:
        if exchange.request.range_start is not None:
            await exchange.serve(BODY, ETag='"v1"', **repr_digest(promised))
            return
        await exchange.head(Content_Length=len(BODY), ETag='"v1"')
        await exchange.send(BODY[:500_000])
        await server.wait_for_requests(2)
        await exchange.send(BODY[500_000:])

    config = FileConfig(url=server.on("/f", behave))
    manager, journal = await fetch(tmp_path, [config], connections=2, tuning=EAGER)
    if promised is BODY:
        assert journal.last("completed").validation.is_valid
    else:
        assert "wrong SHA-256" in error_of(manager, config)


def test_a_promise_of_another_version_is_none(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "f", PartOwner("source"))
    for ours, theirs in ((Validator('"a"'), Validator('"b"')), (Validator(), Validator())):
        part.expect(len(BODY), ours)
        part.state = part.state.with_promise(wanted(BODY), theirs)
        assert part.state.promised is None


# From a file beside it


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("/dir/a%20b.iso.sha256", f"{sha256(BODY)}\n"),
        ("/dir/SHA256SUMS", f"{sha256(OTHER)}  other.iso\n{sha256(BODY)} *a b.iso\n"),
        ("/dir/SHA512SUMS", f"{hashlib.sha512(BODY).hexdigest()}  ./a b.iso\n"),
    ],
)
async def test_a_sidecar_is_found(
    server: MisbehavingServer, tmp_path: Path, name: str, text: str
) -> None:
    server.on(name, serving(text.encode()))
    url = server.on("/dir/a%20b.iso?token=1", serving(BODY))
    config = FileConfig(url=url, sidecar=True)
    manager, journal = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert journal.last("completed").validation.is_valid
    assert all("token" not in request.target for request in server.requests[:-1])


@pytest.mark.parametrize("client", ["wire", "aiohttp"])
@pytest.mark.parametrize(
    ("text", "coding"),
    [
        (gzip.compress(LINE.encode(), mtime=0), "gzip"),
        (gzip.compress(LINE.encode(), mtime=0), "X-GZip"),
        (zlib.compress(LINE.encode()), "deflate"),
        (LINE.encode(), "identity"),
        (LINE.encode("utf-16"), ""),
        (BOM_UTF16_BE + LINE.encode("utf-16-be"), ""),
        (gzip.compress(LINE.encode("utf-16"), mtime=0), "gzip"),
    ],
    ids=["gzip", "x-gzip", "deflate", "identity", "utf-16", "utf-16-be", "gzip of utf-16"],
)
async def test_a_sidecar_is_decoded(
    server: MisbehavingServer, tmp_path: Path, text: bytes, coding: str, client: str
) -> None:
    server.on("/f.sha256", serving(text, Content_Encoding=coding))
    config = FileConfig(url=server.on("/f", serving(BODY)), sidecar=True)
    async with AiohttpClient() as other:
        options = {} if client == "wire" else {"client": other}
        manager, journal = await fetch(tmp_path, [config], **options)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert journal.last("completed").validation.is_valid


async def test_a_sidecar_that_a_proxy_has_changed_is_read(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """RFC 9110 15.3.4: 203 is a 200 of a transforming proxy."""
    text = f"{sha256(BODY)}  f\n".encode()
    server.on("/f.sha256", answer("203 Non-Authoritative Information", text))
    config = FileConfig(url=server.on("/f", serving(BODY)), sidecar=True)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)
    assert manager.get_download_info(config.id).validation.is_valid  # type: ignore[union-attr]


async def test_a_sidecar_that_cannot_be_read_does_not_hide_another(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.on("/f.sha256", serving(bytes(5_000_000)))
    server.on("/SHA512SUMS", serving(f"{hashlib.sha512(BODY).hexdigest()}  f\n".encode()))
    config = FileConfig(url=server.on("/f", serving(BODY)), sidecar=True)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)


async def test_a_sidecar_that_trickles_in_does_not_hold_the_slot(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def trickle(exchange: Exchange) -> None:
        await exchange.head(Content_Length=100_000)
        while True:
            await exchange.send(b"#")
            await asyncio.sleep(0.05)

    server.on("/f.sha256", trickle)
    config = FileConfig(url=server.on("/f", serving(BODY)), sidecar=True)
    manager, _ = await fetch(tmp_path, [config], tuning=replace(PATIENT, sidecar_seconds=0.5))
    assert error_of(manager, config) == "no complete response from 127.0.0.1 within 0.5 s"


@pytest.mark.parametrize("own", ["md5", "sha256", "sha512"])
@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("wrong", ["sidecar", "own", None])
async def test_a_sidecar_and_a_checksum_of_the_download_must_both_match(
    server: MisbehavingServer, tmp_path: Path, own: str, is_there: bool, wrong: str | None
) -> None:
    """A list does not switch off the check that the user asked for, nor the other way round."""
    digest = sha256(BODY[1:] if wrong == "sidecar" else BODY)
    server.on("/f.sha256", serving(f"{digest}  f\n".encode()))
    listed = hashlib.new(own, BODY[1:] if wrong == "own" else BODY).hexdigest()
    config = FileConfig(
        url=server.on("/f", serving(BODY)),
        sidecar=True,
        hash_config={"algorithm": own, "expected_hash": listed},
    )
    if is_there:
        (tmp_path / "f").write_bytes(BODY)
    manager, _ = await fetch(tmp_path, [config])
    if wrong is None:
        right = DownloadStatus.SKIPPED if is_there else DownloadStatus.COMPLETED
        assert status_of(manager, config) is right, error_of(manager, config)
    else:
        assert status_of(manager, config) is DownloadStatus.FAILED
        problem = "the checksum file on the server has the sha256 hash"
        assert problem in error_of(manager, config) or own != "sha256"
        assert names_in(tmp_path) == (["f"] if is_there else [])
    assert len(server.requests_for("/f.sha256")) == 1


@pytest.mark.parametrize(
    ("sums", "told"),
    [
        (answer("404 Not Found"), "no checksum found"),
        (serving(b"<html>not found</html>"), "no checksum found"),
        (serving(bytes(5_000_000)), "/f.sha256 is too large (more than 4.2 MB)"),
        (
            serving(gzip.compress(bytes(5_000_000)), Content_Encoding="gzip"),
            "/f.sha256 is too large (more than 4.2 MB)",
        ),
        (serving(b"x", Content_Encoding="gzip"), "/f.sha256 is not valid gzip"),
        (
            serving(gzip.compress(LINE.encode())[:-9], Content_Encoding="gzip"),
            "/f.sha256 is not valid gzip",
        ),
        (
            serving(LINE.encode(), Content_Encoding="br"),
            "/f.sha256 has the coding 'br', which is not supported",
        ),
        (answer("503 Busy"), "HTTP 503"),
        (answer("530 Origin Error"), "HTTP 530"),
        (answer("403 Later", Retry_After=0), "HTTP 403"),
        (answer("202 Accepted", Retry_After=0), "HTTP 202"),
        (answer("403 Forbidden"), "no checksum found"),
        (serving(sha256(OTHER).encode()), "wrong SHA-256"),
    ],
)
async def test_without_its_sidecar_it_fails(
    server: MisbehavingServer, tmp_path: Path, sums: Behaviour, told: str
) -> None:
    server.on("/f.sha256", sums)
    config = FileConfig(url=server.on("/f", serving(BODY)), sidecar=True)
    manager, _ = await fetch(tmp_path, [config])
    assert told in error_of(manager, config)
    assert not (tmp_path / "f").exists()
    assert bool(server.requests_for("/f")) == (told == "wrong SHA-256")  # no byte before


async def test_the_sidecar_of_a_replaced_link(server: MisbehavingServer, tmp_path: Path) -> None:
    server.on("/new/f.sha256", serving(sha256(BODY).encode()))
    config = FileConfig(url=server.on("/old/f", answer("403 Forbidden")), sidecar=True)
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        await manager.replace_url(config.id, server.on("/new/f", serving(BODY)))
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)


# What fails may be kept, where there is a session


def options(folder: Path) -> dict[str, Any]:
    return {"download_dir": folder / "files", "session_path": folder / "session.db"}


async def test_the_user_may_keep_what_failed(server: MisbehavingServer, tmp_path: Path) -> None:
    config = FileConfig(url=server.on("/f", serving(BODY)), hash_config=wanted(OTHER))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "f.unverified").write_bytes(b"of another day")
    async with DownloadManager(**options(tmp_path)) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert names_in(tmp_path / "files") == ["f.part", "f.part.state", "f.unverified"]
        assert await manager.keep(config.id) == tmp_path / "files" / "f.unverified.1"
        assert manager.snapshot().downloads[0].reason == "kept as f.unverified.1"
        assert await manager.keep(config.id) is None  # it is done
        assert await manager.keep("unknown") is None
        assert names_in(tmp_path / "files") == ["f.unverified", "f.unverified.1"]
        assert (tmp_path / "files" / "f.unverified.1").read_bytes() == BODY
        assert (tmp_path / "files" / "f.unverified").read_bytes() == b"of another day"
        server.on("/f", serving(OTHER))
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "files" / "f").read_bytes() == OTHER
    assert journal.names()[-1] == "completed"


@pytest.mark.parametrize("bad", [BODY, b""], ids=["another file", "an empty one"])
async def test_a_retry_begins_again(server: MisbehavingServer, tmp_path: Path, bad: bytes) -> None:
    url = server.on("/f", serving(bad, ETag='"v1"'))
    config = FileConfig(url=url, hash_config=wanted(OTHER))
    async with DownloadManager(**options(tmp_path)) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        server.on("/f", serving(OTHER, ETag='"v1"'))
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
    assert "range" not in server.requests[1].headers
    assert names_in(tmp_path / "files") == ["f"]
    assert (tmp_path / "files" / "f").read_bytes() == OTHER


async def test_what_did_not_fail_its_check_cannot_be_kept(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/f", cut(BODY, 1_000_000, ETag='"v1"')))
    async with DownloadManager(**options(tmp_path)) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert await manager.keep(config.id) is None
    assert names_in(tmp_path / "files") == ["f.part", "f.part.state"]


async def test_a_retry_that_brings_nothing_takes_nothing(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/f", serving(BODY)), hash_config=wanted(OTHER))
    async with DownloadManager(**options(tmp_path)) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        server.on("/f", answer("503 Busy"))
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
        kept = await manager.keep(config.id)
    assert kept is not None and kept.read_bytes() == BODY


# How much is read again


@pytest.fixture
def read_again(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that the check reads from the disk."""
    sizes: list[int] = []

    def pread(descriptor: int, size: int, offset: int) -> bytes:
        data = os.pread(descriptor, size, offset)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(running_hash, "os", SimpleNamespace(pread=pread))
    return sizes


async def test_a_hash_of_the_user_is_of_what_is_on_the_disk(
    server: MisbehavingServer, tmp_path: Path, read_again: list[int]
) -> None:
    """The file may differ from the bytes received, so it is read as it will be committed."""
    behaviour = in_turn(cut(BODY, 2_000_000, ETag='"v1"'), serving(BODY, ETag='"v1"'))
    config = FileConfig(url=server.on("/f", behaviour), hash_config=wanted(BODY))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert sum(read_again) == len(BODY)
    assert server.requests[1].range_start == 2_000_000


async def test_a_promise_of_an_earlier_attempt_is_not_read_again(
    server: MisbehavingServer, tmp_path: Path, read_again: list[int]
) -> None:
    version: Headers = {"ETag": '"v1"', **repr_digest(BODY)}
    behave = in_turn(cut(BODY, 2_000_000, **version), serving(BODY, **version))
    config = FileConfig(url=server.on("/f", behave))
    manager, _ = await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert server.requests[1].range_start == 2_000_000
    assert sum(read_again) == 0


async def test_a_promise_does_not_displace_the_checksum_of_a_file_beside(
    server: MisbehavingServer, tmp_path: Path, read_again: list[int]
) -> None:
    server.on("/f.sha512", serving(hashlib.sha512(BODY).hexdigest().encode()))
    config = FileConfig(url=server.on("/f", serving(BODY, **repr_digest(BODY))), sidecar=True)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert sum(read_again) == len(BODY)  # for the one of the file beside, and only once


async def test_a_promise_for_bytes_out_of_order_reads_those_once(
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    read_again: list[int],
) -> None:
    version: Headers = {"ETag": '"v1"', **repr_digest(BODY)}

    async def slow_first(exchange: Exchange) -> None:
        if exchange.request.range_start is not None:
            await exchange.serve(BODY, **version)
            return
        await exchange.head(Content_Length=len(BODY), **version)
        await exchange.send(BODY[:500_000])
        await server.wait_for_requests(2)
        await until(lambda: (tmp_path / "f.part").stat().st_size == len(BODY))
        await exchange.send(BODY[500_000:])

    config = FileConfig(url=server.on("/f", slow_first))
    tuning = replace(
        EAGER,
        min_segment_bytes=1 << 20,  # two segments and no more
        min_takeover_seconds=3600.0,
    )
    manager, _ = await fetch(tmp_path, [config], connections=2, tuning=tuning)
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    second = server.requests[1].range_start
    assert second is not None
    assert sum(read_again) == len(BODY) - second
