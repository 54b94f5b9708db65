"""Every write-like system call fails, in turn: the file is right or not there, and a word is said.

Of all the places a sample is tried; with TEST_ERRORS=9999 in the environment every one.
"""

import os
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from tests.core.engine import names_in
from tests.effort import effort
from tests.faults.oracle import LIMIT
from tests.faults.program import (
    CALLS,
    COMMAND,
    HASTE,
    ONE_THREAD,
    WITH_SESSION,
    Ended,
    Home,
    needs_strace,
    strace,
)
from tests.faults.test_kill import Step, steps_in
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.scenarios import paced

BODY = body_of(1_200_000)
TRIES = effort("ERRORS", 4)
ERRORS = ("EIO", "ENOSPC")
FAILED = {"command": 4, "on the loop": 4, "session": 1}
"""Exit status of each program if one of its files is missing at its end."""
OURS = {"file.bin", "file.bin.part", "file.bin.part.state"}


def sample(steps: Iterable[Step]) -> list[tuple[Step, str]]:
    """Some of the places, evenly spread, and of each call the last one at the least."""
    places = list(product(steps, ERRORS))
    chosen = {index * len(places) // TRIES for index in range(TRIES)}
    chosen |= set({call: index for index, ((call, _), _) in enumerate(places)}.values())
    return [place for index, place in enumerate(places) if index in chosen]


async def finish(folder: Path, urls: Sequence[str], session: Path | None) -> DownloadManager:
    """The next run, on a good disk."""
    async with DownloadManager(download_dir=folder, session_path=session) as manager:
        await manager.add([FileConfig(url=url) for url in urls])
        await manager.resume_all()
        await manager.wait_until_complete(LIMIT)
    return manager


@needs_strace
@pytest.mark.parametrize("program", ["command", "session"])
async def test_whatever_call_fails(
    server: MisbehavingServer, home: Home, tmp_path: Path, program: str
) -> None:
    url = server.on("/file.bin", paced(BODY, ETag='"v1"'))

    async def run(folder: Path, *options: str, log: Path = Path(os.devnull)) -> Ended:
        before = strace(*options, log=log) if options else ()
        if program == "session":
            return await home.run(HASTE + ONE_THREAD + WITH_SESSION, folder, url, before=before)
        line = ("download", url, "-o", folder, "-x", 3)  # a hash would hide what went wrong
        return await home.run(HASTE + ONE_THREAD + COMMAND, *line, before=before)

    whole = await run(tmp_path / "whole" / "files", "-e", f"trace={CALLS}", log=tmp_path / "log")
    assert whole.code == 0, whole.err
    failed = 0
    for (call, number), error in sample(steps_in(tmp_path / "log")):
        where = f"{error} at {call} {number}"
        folder = tmp_path / where.replace(" ", "-") / "files"
        inject = f"inject={call}:error={error}:when={number}"
        result = await run(folder, "-e", f"trace={call}", "-e", inject)
        final = folder / "file.bin"
        if folder.exists():
            assert set(names_in(folder)) <= OURS, where
        if final.exists():
            assert (result.code, final.read_bytes()) == (0, BODY), (where, result)
        else:
            assert result.code == FAILED[program], (where, result)
            failed += 1

        session = folder.with_name("state") / "session.db" if program == "session" else None
        stats = (await finish(folder, [url], session)).stats
        assert (stats.completed + stats.skipped, stats.failed) == (1, 0), where
        assert final.read_bytes() == BODY, where
        assert names_in(folder) == ["file.bin"], where
    assert failed
