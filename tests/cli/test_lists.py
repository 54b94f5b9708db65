"""Lists are read while their downloads run, and only a little ahead of them."""

import asyncio
import itertools
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rheo_core.cli import running
from rheo_core.cli.exit import ExitCode
from rheo_core.cli.progress_display import PlainReporter
from rheo_core.cli.run_limits import RunLimits
from rheo_core.cli.running import Output
from rheo_core.config import build_settings
from rheo_core.domain import FileConfig
from rheo_core.inputs import background_reader
from rheo_core.inputs.arguments import Diagnostic, Diagnostics, Item
from rheo_core.inputs.background_reader import BackgroundReader
from rheo_tui.demo import MB, DemoFile, DemoServer
from tests.e2e.terminal import Terminal

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]
Run = Callable[..., Awaitable[Any]]

SMALL = [DemoFile(f"/small-{number}.bin", 1000) for number in range(3)]
SLOW = DemoFile("/slow.bin", 3 * MB, speed=1 * MB)
FILES = [*SMALL, SLOW]


async def line_with(stream: asyncio.StreamReader | None, text: str) -> str:
    """The next line that has `text` in it."""
    assert stream is not None
    async with asyncio.timeout(60):
        while line := (await stream.readline()).decode():
            if text in line:
                return line
    pytest.fail(f"it ended without a line with {text!r}")


async def test_files_come_while_standard_input_is_open(
    demo: DemoServer, start: Start, folder: Path
) -> None:
    process = await start("download", "-i", "-", "-o", folder)
    assert process.stdin is not None
    first, second, third = (demo.url(file.path) for file in SMALL)
    process.stdin.write(f"{first}\n{second}\n# more to come\n".encode())
    await line_with(process.stderr, "done")
    await line_with(process.stderr, "done")
    process.stdin.write(f"ftp://x\n{first}\n{third}\n# more to come\n".encode())
    await line_with(process.stderr, "standard input, line 4: ")
    await line_with(process.stderr, "line 5: already in the list, line 1")
    await line_with(process.stderr, "small-2.bin")
    assert process.returncode is None
    process.stdin.close()
    assert await process.wait() == ExitCode.FAILED  # line 4
    assert sorted(path.name for path in folder.iterdir()) == [
        "small-0.bin",
        "small-1.bin",
        "small-2.bin",
    ]


async def test_a_terminal_is_told_how_the_list_ends(
    tmp_path: Path, folder: Path, command: tuple[str, ...]
) -> None:
    arguments = [*command, "download", "-i", "-", "-o", str(folder), "--dry-run"]
    environ = {"PYTHONPATH": str(Path(__file__).parents[2])}
    async with Terminal(arguments, tmp_path / "home", environ=environ) as terminal:
        await terminal.shows("press Ctrl+D on an empty line to finish.")
        await terminal.type("http://x.test/a\r\x04")
        await terminal.shows("1 to download")
        assert await terminal.exit_code() == 0


async def test_interrupted_while_standard_input_is_open(
    demo: DemoServer, start: Start, folder: Path
) -> None:
    process = await start("download", "-i", "-", "-o", folder, "--json")
    assert process.stdin is not None
    process.stdin.write(f"{demo.url(SLOW.path)}\n# more to come\n".encode())
    await line_with(process.stdout, "download.started")
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(60):
        assert process.stderr is not None
        err = (await process.stderr.read()).decode()
        assert await process.wait() == ExitCode.INTERRUPTED, err
    assert "Run the same command again" in err
    assert "Fatal" not in err


async def test_a_list_that_cannot_be_read_is_told_before_anything_is_downloaded(
    demo: DemoServer, rheo: Run, folder: Path, tmp_path: Path
) -> None:
    good = tmp_path / "good.txt"
    good.write_text(demo.url(SMALL[0].path))
    result = await rheo("download", "-i", good, "-i", tmp_path / "missing", "-o", folder)
    assert result.code == 1
    assert "missing: No such file" in result.err
    assert not folder.exists()


async def test_a_second_list_knows_the_first(
    demo: DemoServer, rheo: Run, folder: Path, tmp_path: Path
) -> None:
    lists = [tmp_path / "1.txt", tmp_path / "2.txt"]
    for path, files in zip(lists, (SMALL[:2], SMALL[1:]), strict=True):
        path.write_text("".join(f"{demo.url(file.path)}\n" for file in files))
    result = await rheo("download", "-i", lists[0], "-i", lists[1], "-o", folder)
    assert result.code == 0
    assert f"{lists[1]}, line 1: already in the list, left out: " in result.err
    assert "3 completed" in result.err


async def test_a_flood_of_bad_lines_is_cut_short(rheo: Run) -> None:
    result = await rheo("download", "-i", "-", stdin=b"ftp://x\n" * 60)
    assert result.code == 1
    assert result.err.count("standard input, line ") == 50
    assert result.err.endswith("rheo: and 10 more not valid\n")


async def test_read_only_a_little_ahead(
    demo: DemoServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead, read_ahead, count = 8, 4, 60
    monkeypatch.setattr(running, "_READ_AHEAD", ahead)
    monkeypatch.setattr(background_reader, "_READ_AHEAD", read_ahead)
    most = 0

    def wanted() -> Iterator[Item]:
        nonlocal most
        for number in range(count):
            most = max(most, number - one_run._counts.ended)
            yield FileConfig(url=f"{demo.url(SMALL[0].path)}?{number}", filename=str(number))
        yield Diagnostic("nonsense")

    remarks = Diagnostics(quiet=False)
    settings = build_settings(download_dir=folder, max_concurrent=3)
    folder.mkdir()
    with PlainReporter(quiet=True) as reporter:
        one_run = running._Run(
            remarks, settings, Output(quiet=True), reporter, RunLimits(), frozenset()
        )
        assert await one_run.main(wanted()) is ExitCode.FAILED
    assert len(list(folder.iterdir())) == count
    assert remarks.problems
    # What was taken at once may come on top, and one that waits to be put.
    assert ahead < most <= ahead + 2 * read_ahead + 1


async def taken(feed: BackgroundReader[int], count: int) -> list[int]:
    items: list[int] = []
    async with asyncio.timeout(60):
        while len(items) < count and (more := await feed.take()):
            items += more
    return items


async def test_feed_gives_all_in_order() -> None:
    feed = BackgroundReader(iter(range(5000)))
    assert await taken(feed, 6000) == list(range(5000))
    assert await feed.take() == []


async def test_feed_of_something_endless_reads_a_little_ahead() -> None:
    numbers = itertools.count()
    items = await taken(BackgroundReader(numbers), 3000)
    assert items == list(range(len(items)))
    assert next(numbers) <= len(items) + background_reader._READ_AHEAD + 1


async def test_feed_that_blocks_does_not_block_the_loop() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        go_on.wait()
        yield 2

    feed = BackgroundReader(slow())
    assert await taken(feed, 1) == [1]
    waiting = asyncio.create_task(feed.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    go_on.set()
    async with asyncio.timeout(60):
        assert await waiting == [2]
        assert await feed.take() == []


async def test_feed_passes_errors_on() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise RuntimeError("a bug")

    feed = BackgroundReader(broken())
    with pytest.raises(RuntimeError, match="a bug"):
        await taken(feed, 2)
