"""Hashing real files."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rheo_core.domain import HashAlgorithm, HashConfig
from rheo_core.domain.exceptions import FileAccessError
from rheo_core.downloads import FileValidator, NullFileValidator
from rheo_core.infrastructure.disk import DiskThreads

CONTENT = bytes(range(256)) * 20


def checksum(algorithm: HashAlgorithm, content: bytes = CONTENT) -> HashConfig:
    digest = hashlib.new(algorithm, content).hexdigest()
    return HashConfig(algorithm=algorithm, expected_hash=digest)


@pytest.mark.parametrize("algorithm", HashAlgorithm)
@pytest.mark.parametrize("chunk_size", [1, 1000, len(CONTENT), 1 << 20])
async def test_every_algorithm(tmp_path: Path, algorithm: HashAlgorithm, chunk_size: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    result = await FileValidator(chunk_size=chunk_size).validate(path, checksum(algorithm))
    assert result.is_valid
    assert result.algorithm is algorithm
    assert result.calculated_hash == checksum(algorithm).expected_hash
    assert result.duration_ms > 0


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x", b"x" + CONTENT[1:]])
async def test_another_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    config = checksum(HashAlgorithm.SHA256)
    result = await FileValidator().validate(path, config)
    assert not result.is_valid
    assert result.expected_hash == config.expected_hash
    assert result.calculated_hash == hashlib.sha256(content).hexdigest()


async def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    assert (await FileValidator().validate(path, checksum(HashAlgorithm.MD5, b""))).is_valid


@pytest.mark.parametrize("kind", ["missing", "folder"])
async def test_what_cannot_be_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a\x1b"
    if kind == "folder":
        path.mkdir()
    with pytest.raises(FileAccessError, match="cannot read"):
        await FileValidator().validate(path, checksum(HashAlgorithm.MD5))


async def test_cancelling_stops_the_reading(
    tmp_path: Path, until: Callable[..., Awaitable[None]]
) -> None:
    """Of a FIFO, whose end never comes: only a stop can end this."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    disk = DiskThreads(1)
    feeder = os.open(path, os.O_RDWR)
    try:
        os.write(feeder, b"x")
        validator = FileValidator(chunk_size=1, disk=disk)
        task = asyncio.create_task(validator.validate(path, checksum(HashAlgorithm.MD5)))
        while not task.cancelling():
            await until(lambda: _is_empty(feeder))
            task.cancel()
        await asyncio.sleep(0)
        os.write(feeder, b"yyy")
        async with asyncio.timeout(60):
            await asyncio.wait({task})
        assert task.cancelled()
        assert not _is_empty(feeder), "it read on after the stop"
        assert await disk.run(lambda: "free") == "free"
    finally:
        os.close(feeder)
        disk.close()


def _is_empty(fifo: int) -> bool:
    import select

    return not select.select([fifo], [], [], 0)[0]


async def test_null_validator_believes_everything(tmp_path: Path) -> None:
    result = await NullFileValidator().validate(tmp_path / "no", checksum(HashAlgorithm.SHA1))
    assert result.is_valid
