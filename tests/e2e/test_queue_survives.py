"""L23: what `add` acknowledged is there after kill -9; never half of it, never twice."""

import asyncio
import json
import os
import random
import re
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from rheo_core import DownloadManager
from tests.e2e.terminal import APP, Terminal
from tests.effort import effort
from tests.programs import Running, needs_app, start_program
from tests.servers.misbehaving import Exchange, MisbehavingServer

COUNT = 10_000
KILLS = effort("KILLS", 6)
BATCH = 2_000
ROOT = Path(__file__).parents[2]

ADDING = """
import asyncio, sys
from pathlib import Path
from rheo_core import DownloadManager, FileConfig

async def main(folder, batches, count):
    manager = DownloadManager(download_dir=folder, session_path=folder / "session.db")
    await manager.open(paused=True)
    for batch in range(batches):
        urls = (f"http://127.0.0.1:9/{batch}/{number}" for number in range(count))
        await manager.add([FileConfig(url=url) for url in urls])
        print(batch, flush=True)
    await asyncio.sleep(3600)  # for the kill

asyncio.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
"""


def rows_in(session: Path) -> Counter[str]:
    """The URLs in the session file, as SQLite alone sees them."""
    with closing(sqlite3.connect(session)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute("SELECT config FROM downloads")
        return Counter(json.loads(config)["url"] for (config,) in rows)


async def adding(folder: Path, batches: int, count: int) -> Running:
    """Start a process that adds, says so batch by batch, and waits to be killed."""
    return await start_program(ADDING, [folder, batches, count], os.environ)


async def names_at_next_start(folder: Path) -> list[str]:
    """Return the names that another manager finds, in order and without any problem."""
    problems: list[str] = []
    manager = DownloadManager(
        download_dir=folder, session_path=folder / "session.db", on_problem=problems.append
    )
    await manager.open(paused=True)
    urls = [config.url.removeprefix("http://127.0.0.1:9/") for config in manager._parts.queue]
    await manager.close()
    assert problems == []
    return urls


async def test_l23_killed_once_the_library_acknowledged(tmp_path: Path) -> None:
    child = await adding(tmp_path, 1, COUNT)
    assert child.stdout is not None
    assert await asyncio.wait_for(child.stdout.readline(), 120) == b"0\n"
    child.kill()
    assert await child.wait() == -signal.SIGKILL
    assert await names_at_next_start(tmp_path) == [f"0/{number}" for number in range(COUNT)]


@pytest.mark.parametrize("seed", range(KILLS))
async def test_l23_killed_while_adding(tmp_path: Path, seed: int) -> None:
    """All or nothing of each call of `add`, and all of those that were acknowledged."""
    child = await adding(tmp_path, 50, BATCH)
    assert child.stdout is not None
    await asyncio.wait_for(child.stdout.readline(), 120)
    await asyncio.sleep(random.Random(seed).uniform(0, 1))  # wherever it is by then
    child.kill()
    acknowledged = 1 + len((await child.stdout.read()).split())
    assert await child.wait() == -signal.SIGKILL
    there = await names_at_next_start(tmp_path)
    batches = len(there) // BATCH
    assert there == [f"{batch}/{n}" for batch in range(batches) for n in range(BATCH)]
    assert batches in (acknowledged, acknowledged + 1)  # the last one may not have said so yet


@needs_app
async def test_l23_a_long_list_outlives_a_kill(server: MisbehavingServer, tmp_path: Path) -> None:
    goes_on = asyncio.Event()

    async def data(exchange: Exchange) -> None:
        await goes_on.wait()
        await exchange.serve(exchange.request.target.encode())

    urls = [server.on(f"/file-{number:05}", data) for number in range(COUNT)]
    listing, session = tmp_path / "list.txt", tmp_path / "session.db"
    listing.write_text("\n".join(urls))
    folder = tmp_path / "files"
    command = [APP, "-d", str(folder), "--session", str(session)]
    async with Terminal([*command, "-i", str(listing)], tmp_path / "home") as terminal:
        await terminal.until(lambda: counted(terminal) == COUNT, "the whole list")
        terminal.kill()  # at once: later is easier
        await terminal.exit_code()
    assert rows_in(session) == Counter(urls)

    async with Terminal(command, tmp_path / "home") as terminal:
        await terminal.until(lambda: counted(terminal) == COUNT, "the whole list")
        goes_on.set()
        await terminal.until(lambda: count_of(terminal, "Done") >= 100, "the work going on")
        assert counted(terminal) == COUNT
        terminal.kill()
        await terminal.exit_code()
    assert rows_in(session) == Counter(urls)
    files = {path.name: path.read_bytes() for path in folder.iterdir() if "." not in path.name}
    assert len(files) >= 100
    assert all(body == f"/{name}".encode() for name, body in files.items())


def count_of(terminal: Terminal, what: str) -> int:
    """A number of the tabs, such as that behind "Queued"."""
    found = re.search(rf"{what} ([\d,]+)", terminal.text.split("\n")[2])
    return int(found[1].replace(",", "")) if found else 0


def counted(terminal: Terminal) -> int:
    """Return the number of downloads in the tabs."""
    return sum(count_of(terminal, what) for what in ("Active", "Queued", "Done", "Failed"))
