"""The examples, run as a reader would run them, against a real server."""

import asyncio
import os
import re
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

from rheo_core import FileConfig
from rheo_tui.demo import DemoFile, DemoServer
from tests.core.engine import names_in
from tests.programs import SCRIPT, start_program
from tests.servers.demo import is_whole

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SMALL = DemoFile("/a small.bin", 300_001)
NAMED = DemoFile("/get/1", 70_000, offered_name="better.bin")
CHUNKED = DemoFile("/chunked.csv", 150_000, has_length=False)
BUSY = DemoFile("/busy.bin", 10_000, failures=2)
GONE = DemoFile("/gone.bin", 0, missing=True)
SLOW = DemoFile("/slow.bin", 1_000_000, speed=1_000_000)
NAMES = sorted(path.name for path in EXAMPLES.glob("[0-9]*.py"))
FILES = [SMALL, NAMED, CHUNKED, BUSY, GONE, SLOW]


@dataclass(frozen=True)
class Finished:
    code: int | None
    out: str
    err: str


async def run(name: str, *arguments: str | Path) -> Finished:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await start_program(SCRIPT, [EXAMPLES / name, *arguments], environment)
    out, err = await process.communicate()
    # The examples do not configure `logging`, so warnings go to standard error too.
    others = [line for line in err.decode().splitlines(keepends=True) if " failed: " not in line]
    return Finished(process.returncode, out.decode(), "".join(others))


async def on_a_terminal(name: str, *arguments: str | Path) -> str:
    """Run an example on a terminal of 120 columns; return all that it draws."""
    words = [sys.executable, EXAMPLES / name, *arguments]
    child = pexpect.spawn(
        str(words[0]),
        [str(word) for word in words[1:]],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        },
        dimensions=(24, 120),
        encoding="utf-8",
        timeout=60,
    )
    return str(await asyncio.to_thread(child.read))


def test_every_example_is_tested_and_described() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert len(NAMES) == 7
    assert [name for name in NAMES if f'run("{name}"' not in source] == []
    files = [
        path.name for path in EXAMPLES.iterdir() if path.is_file() and path.name != "README.md"
    ]
    assert [name for name in files if f"[{name}]({name})" not in page] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_urls_for_no_arguments_are_valid(name: str) -> None:
    names = runpy.run_path(str(EXAMPLES / name))
    urls = names.get("URLS") or [names["URL"]]
    assert [FileConfig(url=url).url for url in urls] == urls


@pytest.mark.parametrize("name", NAMES)
async def test_bad_input_is_one_sentence(name: str, tmp_path: Path) -> None:
    result = await run(name, "nonsense", "-o", tmp_path)
    sentence = "URL 'nonsense' has no scheme; only http and https are supported."
    assert result.code == 1
    assert [line.removeprefix("line 1: ") for line in result.err.splitlines()] == [sentence]
    assert names_in(tmp_path) == []


async def test_basic_download(demo: DemoServer, tmp_path: Path) -> None:
    result = await run("01_basic_download.py", demo.url(NAMED.path), "-o", tmp_path)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"completed: {tmp_path / 'better.bin'} (70000 bytes)\n"
    assert is_whole(tmp_path / "better.bin", demo, NAMED)


async def test_basic_download_failing(demo: DemoServer, tmp_path: Path) -> None:
    urls = [demo.url(file.path) for file in (GONE, SMALL)]
    result = await run("01_basic_download.py", *urls, "-o", tmp_path)
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines()[0] == f"failed: {urls[0]}: HTTP 404 Not Found"
    assert names_in(tmp_path) == ["a small.bin"]


async def test_multiple_with_priority(demo: DemoServer, tmp_path: Path) -> None:
    urls = [demo.url(file.path) for file in (CHUNKED, SMALL, GONE, NAMED)]
    result = await run("02_multiple_with_priority.py", *urls, "-o", tmp_path, "-n", "1")
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines() == [
        "done: chunked.csv",
        "done: a small.bin",
        f"failed: {demo.url(GONE.path)}: HTTP 404 Not Found",
        "done: better.bin",
        "3 of 4 completed",
    ]
    assert names_in(tmp_path) == ["a small.bin", "better.bin", "chunked.csv"]
    assert is_whole(tmp_path / "a small.bin", demo, SMALL)
    assert is_whole(tmp_path / "chunked.csv", demo, CHUNKED)


async def test_multiple_with_no_download_at_a_time(tmp_path: Path) -> None:
    result = await run("02_multiple_with_priority.py", "-n", "0", "-o", tmp_path)
    assert (result.code, result.err) == (1, "--max-concurrent must be 1 or more.\n")


async def test_hash_validation(demo: DemoServer, tmp_path: Path) -> None:
    url, checksum = demo.url(SMALL.path), f"sha256:{demo.sha256(SMALL.path)}"
    result = await run("03_hash_validation.py", url, checksum, "-o", tmp_path)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"verified: {tmp_path / 'a small.bin'} (sha256)\n"
    assert is_whole(tmp_path / "a small.bin", demo, SMALL)


async def test_hash_validation_failing(demo: DemoServer, tmp_path: Path) -> None:
    url, checksum = demo.url(SMALL.path), f"sha256:{'0' * 64}"
    result = await run("03_hash_validation.py", url, checksum, "-o", tmp_path)
    assert (result.code, result.err) == (1, "")
    assert result.out.startswith("failed: wrong SHA-256: expected 0000")
    assert names_in(tmp_path) == []


async def test_hash_validation_bad_checksum(demo: DemoServer, tmp_path: Path) -> None:
    result = await run("03_hash_validation.py", demo.url(SMALL.path), "sha256:12")
    assert (result.code, result.out) == (1, "")
    assert result.err == "sha256 hash has 2 characters instead of 64.\n"


async def test_progress_display(demo: DemoServer, tmp_path: Path) -> None:
    urls = [demo.url(file.path) for file in (SMALL, GONE)]
    result = await run("04_progress_display.py", *urls, "-o", tmp_path)
    assert (result.code, result.err) == (1, "")
    failure, bar, last = result.out.splitlines()
    assert failure == f"failed: {urls[1]}: HTTP 404 Not Found"
    assert bar.startswith("a%20small.bin ━━━") and "100 % 300.0/300.0 kB" in bar
    assert last == "1 completed, 0 skipped, 1 failed"
    assert is_whole(tmp_path / "a small.bin", demo, SMALL)


async def test_progress_display_on_a_terminal(demo: DemoServer, tmp_path: Path) -> None:
    seen = await on_a_terminal("04_progress_display.py", demo.url(SLOW.path), "-o", tmp_path)
    assert re.search(r"slow.bin .*━.* [1-9]\d? %.* MB/s, \d s left", seen)
    assert is_whole(tmp_path / "slow.bin", demo, SLOW)


async def test_progress_display_of_unknown_size(demo: DemoServer, tmp_path: Path) -> None:
    result = await run("04_progress_display.py", demo.url(CHUNKED.path), "-o", tmp_path)
    assert (result.code, result.err) == (0, "")
    assert is_whole(tmp_path / "chunked.csv", demo, CHUNKED)


async def test_event_logging(demo: DemoServer, tmp_path: Path) -> None:
    result = await run("05_event_logging.py", demo.url(SMALL.path), "-o", tmp_path)
    assert (result.code, result.err) == (0, "")
    types = [line.split()[2] for line in result.out.splitlines()]
    assert types[:2] == ["download.queued", "download.started"]
    assert set(types[2:-1]) == {"download.progress"}
    assert types[-1] == "download.completed"
    assert "total_bytes=300001" in result.out.splitlines()[-1]
    assert is_whole(tmp_path / "a small.bin", demo, SMALL)


async def test_batch_summary(demo: DemoServer, tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    small, gone, chunked = (demo.url(file.path) for file in (SMALL, GONE, CHUNKED))
    urls.write_text(f"# a list\n{small}\n\n  {gone}\n{chunked}\n", encoding="utf-8")
    folder = tmp_path / "out"
    result = await run("06_batch_summary.py", "--list", urls, "-o", folder)
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines() == [
        f"failed: {gone}: HTTP 404 Not Found",
        "2 completed (450001 bytes), 0 skipped, 1 failed",
    ]
    assert names_in(folder) == ["a small.bin", "chunked.csv"]
    assert is_whole(folder / "a small.bin", demo, SMALL)
    again = await run("06_batch_summary.py", "--list", urls, "-o", folder)
    assert again.out.splitlines()[-1] == "0 completed (0 bytes), 2 skipped, 1 failed"


async def test_batch_summary_of_arguments(demo: DemoServer, tmp_path: Path) -> None:
    result = await run("06_batch_summary.py", "nonsense", demo.url(SMALL.path), "-o", tmp_path)
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert result.out == "1 completed (300001 bytes), 0 skipped, 0 failed\n"


async def test_batch_summary_without_the_list(tmp_path: Path) -> None:
    result = await run("06_batch_summary.py", "--list", tmp_path / "none.txt")
    assert (result.code, result.out) == (1, "")
    assert result.err == f"{tmp_path / 'none.txt'}: No such file or directory.\n"


async def test_retries(demo: DemoServer, tmp_path: Path) -> None:
    url = demo.url(BUSY.path)
    result = await run("07_retries.py", url, "-o", tmp_path, "--delay", "0.01")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "retry 1 of 3: HTTP 503 Service Unavailable",
        "retry 2 of 3: HTTP 503 Service Unavailable",
        f"completed: {tmp_path / 'busy.bin'}",
    ]
    assert is_whole(tmp_path / "busy.bin", demo, BUSY)


async def test_retries_used_up(demo: DemoServer, tmp_path: Path) -> None:
    options = ("-o", tmp_path, "--retries", "1", "--delay", "0.01")
    result = await run("07_retries.py", demo.url(BUSY.path), *options)
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines()[-1] == "failed: HTTP 503 Service Unavailable"


async def test_retries_of_what_is_not_there(demo: DemoServer, tmp_path: Path) -> None:
    result = await run("07_retries.py", demo.url(GONE.path), "-o", tmp_path)
    assert (result.code, result.out) == (1, "failed: HTTP 404 Not Found\n")
