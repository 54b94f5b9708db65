"""Hashes computed without one to compare with, and facts of the response in the completed event."""

import asyncio
import hashlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from rheo_core import DownloadManager, FileConfig
from rheo_core.cli.main import app
from rheo_core.domain import HashConfig
from rheo_core.domain.hash_validation import HashAlgorithm
from rheo_core.transfer import running_hash
from tests.core.engine import EAGER, Journal, fetch, quick_retries, serving, sha256
from tests.core.test_engine_checksums import repr_digest
from tests.servers.misbehaving import Behaviour, Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import Hold, cut, in_turn
from tests.waiting import Until

SMALL = body_of(10_000)
LARGE = body_of(3_000_000)


async def completed(folder: Path, config: FileConfig, **options: Any) -> Any:
    _, journal = await fetch(folder, [config], **options)
    return journal.last("completed")


def chunked(body: bytes) -> Behaviour:
    """A response without a length."""

    async def behave(exchange: Exchange) -> None:
        await exchange.head(Connection="close")
        await exchange.send(body)
        await exchange.close()

    return behave


@pytest.mark.parametrize("algorithm", HashAlgorithm)
@pytest.mark.parametrize("body", [SMALL, LARGE, b""], ids=["small", "large", "empty"])
async def test_a_hash_is_computed(
    server: MisbehavingServer, tmp_path: Path, algorithm: HashAlgorithm, body: bytes
) -> None:
    config = FileConfig(url=server.on("/f", serving(body)), compute_hash=algorithm)
    event = await completed(tmp_path, config)
    assert event.computed_hash == f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
    assert event.validation is None


@pytest.mark.parametrize("promised", [None, "sha256", "md5"])
@pytest.mark.parametrize("expected", [None, "sha256", "md5"])
async def test_it_is_right_beside_every_other_checksum(
    server: MisbehavingServer, tmp_path: Path, promised: str | None, expected: str | None
) -> None:
    headers = {
        None: {},
        "sha256": repr_digest(LARGE),
        "md5": {"Content_MD5": "HBPgN1SLRZfWUfkCHsNrFA=="},  # of other bytes
    }[promised]
    known = expected and HashConfig.from_checksum_string(
        f"{expected}:{hashlib.new(expected, LARGE).hexdigest()}"
    )
    config = FileConfig(
        url=server.on("/f", serving(LARGE, **headers)),
        hash_config=known,
        ignore_digest=promised == "md5",
        compute_hash="sha256",
    )
    event = await completed(tmp_path, config)
    assert event.computed_hash == f"sha256:{sha256(LARGE)}"


async def test_no_byte_is_read_again_for_it(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def pread(descriptor: int, size: int, offset: int) -> bytes:
        data = os.pread(descriptor, size, offset)
        read.append(len(data))
        return data

    monkeypatch.setattr(running_hash, "os", SimpleNamespace(pread=pread))
    config = FileConfig(url=server.on("/f", serving(LARGE)), compute_hash="sha256")
    await completed(tmp_path, config, connections=1)
    assert sum(read) == 0


async def test_after_a_cut(server: MisbehavingServer, tmp_path: Path) -> None:
    behave = in_turn(cut(LARGE, 1_000_000, ETag='"v1"'), serving(LARGE, ETag='"v1"'))
    config = FileConfig(url=server.on("/f", behave), compute_hash="sha1")
    event = await completed(tmp_path, config, retry_handler=quick_retries())
    assert event.computed_hash == f"sha1:{hashlib.sha1(LARGE).hexdigest()}"
    assert (event.http_status, event.attempts) == (206, 2)


async def test_after_a_cut_of_one_of_many_connections(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    first, go_on = Hold(LARGE, 1_000_000, ETag='"v1"'), asyncio.Event()

    async def later(exchange: Exchange) -> None:
        await go_on.wait()
        await exchange.serve(LARGE, ETag='"v1"')

    config = FileConfig(url=server.on("/f", in_turn(first, later)), compute_hash="sha1")
    async with DownloadManager(download_dir=tmp_path, connections=4, tuning=EAGER) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].connections == 2)
        first.let_go.set()
        await until(lambda: manager.snapshot().downloads[0].connections == 1)
        go_on.set()
        await manager.wait_until_complete(timeout=60)
    event = journal.last("completed")
    assert event.computed_hash == f"sha1:{hashlib.sha1(LARGE).hexdigest()}"
    assert (event.http_status, event.attempts) == (200, 1)


async def test_a_file_that_changes_between_two_attempts(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    other = body_of(3_000_000, "other")
    behave = in_turn(cut(LARGE, 1_000_000, ETag='"v1"'), serving(other, ETag='"v2"'))
    config = FileConfig(url=server.on("/f", behave), compute_hash="sha256")
    event = await completed(tmp_path, config, retry_handler=quick_retries())
    assert event.computed_hash == f"sha256:{sha256(other)}"


async def test_the_event_has_facts_of_the_response(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    end = server.on("/end?token=c4nary", serving(LARGE, Content_Type="Image/JPEG; q=1"))

    async def redirect(exchange: Exchange) -> None:
        await exchange.head("302 Found", Location=end, Content_Length=0)

    config = FileConfig(url=server.on("/start", redirect))
    event = await completed(tmp_path, config)
    assert event.http_status == 200
    assert event.media_type == "image/jpeg"
    assert event.final_url == end.replace("c4nary", "***")
    assert event.attempts == 1
    assert event.computed_hash is None


async def test_a_body_without_length_and_type(server: MisbehavingServer, tmp_path: Path) -> None:
    config = FileConfig(url=server.on("/f", chunked(LARGE)), compute_hash="md5")
    event = await completed(tmp_path, config)
    assert event.computed_hash == f"md5:{hashlib.md5(LARGE).hexdigest()}"
    assert event.media_type is None


async def test_a_failure_counts_its_attempts(server: MisbehavingServer, tmp_path: Path) -> None:
    async def busy(exchange: Exchange) -> None:
        await exchange.head("503 Service Unavailable", Content_Length=0)

    config = FileConfig(url=server.on("/f", busy))
    _, journal = await fetch(tmp_path, [config], retry_handler=quick_retries(2))
    failed = journal.last("failed")
    assert (failed.attempts, failed.error.http_status) == (3, 503)
    assert failed.elapsed_seconds > 0


def test_an_unknown_algorithm_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["download", "http://x/", "--compute-hash", "crc32"])
    assert result.exit_code == 2
    assert "crc32" in result.stderr and "sha256" in result.stderr
