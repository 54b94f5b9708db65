"""The examples, run as a reader would run them, against a real server."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rheo_tui.demo import DemoFile, DemoServer
from tests.core.engine import names_in
from tests.programs import start_program
from tests.servers.demo import is_whole

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EXAMPLE = """
import runpy, sys, warnings
warnings.simplefilter("error")
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

SMALL = DemoFile("/a small.bin", 300_001)
NAMED = DemoFile("/get/1", 70_000, offered_name="better.bin")
CHUNKED = DemoFile("/chunked.csv", 150_000, has_length=False)
BUSY = DemoFile("/busy.bin", 10_000, failures=2)
GONE = DemoFile("/gone.bin", 0, missing=True)


@pytest.fixture
async def server() -> AsyncIterator[DemoServer]:
    async with DemoServer([SMALL, NAMED, CHUNKED, BUSY, GONE], throttled=False) as running:
        yield running


@dataclass(frozen=True)
class Finished:
    code: int | None
    out: str
    err: str


async def run(name: str, *arguments: str | Path) -> Finished:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await start_program(EXAMPLE, [EXAMPLES / name, *arguments], environment)
    out, err = await process.communicate()
    return Finished(process.returncode, out.decode(), err.decode())


def test_every_example_is_tested_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert len(names) == 7
    assert [name for name in names if f'run("{name}"' not in source] == []


async def test_basic(server: DemoServer, tmp_path: Path) -> None:
    result = await run("01_basic.py", server.url(NAMED.path), "-o", tmp_path)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"completed: {tmp_path / 'better.bin'} (70000 bytes)\n"
    assert is_whole(tmp_path / "better.bin", server, NAMED)


async def test_basic_failing(server: DemoServer, tmp_path: Path) -> None:
    result = await run("01_basic.py", server.url(GONE.path), "-o", tmp_path)
    assert (result.code, result.out, result.err) == (1, "failed: HTTP 404 Not Found\n", "")
    assert names_in(tmp_path) == []


async def test_many_with_priority(server: DemoServer, tmp_path: Path) -> None:
    urls = [server.url(file.path) for file in (CHUNKED, SMALL, GONE, NAMED)]
    result = await run("02_many_with_priority.py", *urls, "-o", tmp_path, "-n", "1")
    assert result.err == ""
    assert result.out.splitlines() == [
        "done: chunked.csv",
        "done: a small.bin",
        f"failed: {server.url(GONE.path)}: HTTP 404 Not Found",
        "done: better.bin",
    ]
    assert result.code == 1
    assert names_in(tmp_path) == ["a small.bin", "better.bin", "chunked.csv"]
    assert is_whole(tmp_path / "a small.bin", server, SMALL)
    assert is_whole(tmp_path / "chunked.csv", server, CHUNKED)


async def test_hash_validation(server: DemoServer, tmp_path: Path) -> None:
    url, checksum = server.url(SMALL.path), f"sha256:{server.sha256(SMALL.path)}"
    result = await run("03_hash_validation.py", url, checksum, "-o", tmp_path)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"verified: {tmp_path / 'a small.bin'} (sha256)\n"
    assert is_whole(tmp_path / "a small.bin", server, SMALL)


async def test_hash_validation_failing(server: DemoServer, tmp_path: Path) -> None:
    url, checksum = server.url(SMALL.path), f"sha256:{'0' * 64}"
    result = await run("03_hash_validation.py", url, checksum, "-o", tmp_path)
    assert (result.code, result.err) == (1, "")
    assert result.out.startswith("failed: hash mismatch for a small.bin: expected 0000")
    assert names_in(tmp_path) == []


async def test_hash_validation_bad_checksum(server: DemoServer, tmp_path: Path) -> None:
    result = await run("03_hash_validation.py", server.url(SMALL.path), "sha256:12")
    assert result.code == 2
    assert "argument checksum" in result.err


async def test_progress(server: DemoServer, tmp_path: Path) -> None:
    result = await run("04_progress.py", server.url(SMALL.path), "-o", tmp_path)
    assert (result.code, result.err) == (0, "")
    *lines, last = result.out.splitlines()
    assert last == "done"
    assert lines[-1].startswith("100.0 %")
    assert is_whole(tmp_path / "a small.bin", server, SMALL)


async def test_progress_of_unknown_size(server: DemoServer, tmp_path: Path) -> None:
    result = await run("04_progress.py", server.url(CHUNKED.path), "-o", tmp_path)
    assert (result.code, result.err) == (0, "")
    assert is_whole(tmp_path / "chunked.csv", server, CHUNKED)


async def test_event_log(server: DemoServer, tmp_path: Path) -> None:
    result = await run("05_event_log.py", server.url(SMALL.path), "-o", tmp_path)
    assert (result.code, result.err) == (0, "")
    types = [line.split()[2] for line in result.out.splitlines()]
    assert types[:2] == ["download.queued", "download.started"]
    assert set(types[2:-1]) == {"download.progress"}
    assert types[-1] == "download.completed"
    assert "total_bytes=300001" in result.out.splitlines()[-1]
    assert is_whole(tmp_path / "a small.bin", server, SMALL)


async def test_batch_summary(server: DemoServer, tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    small, gone, chunked = (server.url(file.path) for file in (SMALL, GONE, CHUNKED))
    urls.write_text(f"# a list\n{small}\n\n  {gone}\n{chunked}\n", encoding="utf-8")
    folder = tmp_path / "out"
    result = await run("06_batch_summary.py", urls, "-o", folder)
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines() == [
        f"failed: {gone}: HTTP 404 Not Found",
        "2 completed (450001 bytes), 0 skipped, 1 failed",
    ]
    assert names_in(folder) == ["a small.bin", "chunked.csv"]
    assert is_whole(folder / "a small.bin", server, SMALL)
    again = await run("06_batch_summary.py", urls, "-o", folder)
    assert again.out.splitlines()[-1] == "0 completed (0 bytes), 2 skipped, 1 failed"


async def test_retries(server: DemoServer, tmp_path: Path) -> None:
    url = server.url(BUSY.path)
    result = await run("07_retries.py", url, "-o", tmp_path, "--delay", "0.01")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "retry 1 of 3: HTTP 503 Service Unavailable",
        "retry 2 of 3: HTTP 503 Service Unavailable",
        f"completed: {tmp_path / 'busy.bin'}",
    ]
    assert is_whole(tmp_path / "busy.bin", server, BUSY)


async def test_retries_used_up(server: DemoServer, tmp_path: Path) -> None:
    options = ("-o", tmp_path, "--retries", "1", "--delay", "0.01")
    result = await run("07_retries.py", server.url(BUSY.path), *options)
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines()[-1] == "failed: HTTP 503 Service Unavailable"


async def test_retries_of_what_is_not_there(server: DemoServer, tmp_path: Path) -> None:
    result = await run("07_retries.py", server.url(GONE.path), "-o", tmp_path)
    assert (result.code, result.out) == (1, "failed: HTTP 404 Not Found\n")
