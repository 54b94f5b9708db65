"""Slices killed by kill -9: at random moments, and at each call that changes a file."""

import asyncio
import json
import random
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rheo_core.domain.fleet import facts_name
from tests.effort import effort
from tests.faults.program import CALLS, COMMAND, ONE_THREAD, Home, needs_strace, strace
from tests.faults.test_kill import kill_at, some_steps
from tests.fleet.runs import FleetRun, body_for, planned, rows_of
from tests.servers.misbehaving import Exchange, MisbehavingServer

KILLS = effort("KILLS", 6)
CONCURRENCY = 4
ONE_PASS = f"{CALLS},mkdir,rmdir,syncfs"


async def paced(exchange: Exchange) -> None:
    """A good server that takes a moment."""
    await asyncio.sleep(0.03)
    await exchange.serve(body_for(exchange.request.target), Content_Type="image/jpeg")


def paced_run(server: MisbehavingServer, out: Path, count: int, **options: Any) -> FleetRun:
    rows = rows_of(server, count)
    for row in rows:
        server.on("/" + row.url.split("/", 3)[3], paced)
    return planned(out, rows, concurrency=CONCURRENCY, **options)


def facts_are_whole(run: FleetRun) -> bool:
    """Check that the facts of every shard are whole or absent."""
    for number in range(len(run.plan.shards)):
        with suppress(FileNotFoundError):
            assert json.loads((run.out / facts_name(number)).read_bytes())["shard"] == number
    return True


async def test_slices_killed_at_random_moments(
    server: MisbehavingServer, tmp_path: Path, home: Home
) -> None:
    """Two slices; each is killed and started again. What has ended is not asked for again."""
    seed = random.Random(17)
    count = 60 * KILLS
    run = paced_run(server, tmp_path / "out", count, shard_size=50, compute_hash="sha256")
    left = [KILLS // 2, KILLS // 2]
    kills = 0

    async def work(number: int) -> None:
        nonlocal kills
        while True:
            worker = await home.start(COMMAND, "fleet", "work", run.out, "--slice", f"{number}/2")
            ending = asyncio.ensure_future(worker.communicate())
            if left[number]:
                left[number] -= 1
                await asyncio.wait({ending}, timeout=seed.uniform(0.2, 0.7))
                with suppress(ProcessLookupError):
                    worker.kill()
            _, err = await ending
            assert b"Traceback" not in err, err.decode()
            if worker.returncode != -signal.SIGKILL:
                assert worker.returncode == 0, err.decode()
                return
            kills += 1
            assert facts_are_whole(run)

    await asyncio.gather(work(0), work(1))
    run.check()
    assert kills >= KILLS // 2
    again = len(server.requests) - count
    assert again <= kills * 2 * CONCURRENCY, f"{again} asked again after {kills} kills"


@needs_strace
@pytest.mark.parametrize("layout", ["files", "tar"])
async def test_killed_at_every_step(
    server: MisbehavingServer, tmp_path: Path, home: Home, layout: str
) -> None:
    log = tmp_path / "log"

    async def work(run: FleetRun, *before: str) -> int:
        ended = await home.run(ONE_THREAD + COMMAND, "fleet", "work", run.out, before=before)
        return ended.code

    whole = planned(tmp_path / "whole", rows_of(server, 6), layout=layout)
    assert await work(whole, *strace("-e", f"trace={ONE_PASS}", log=log)) == 0
    expected = {path.name: path.read_bytes() for path in whole.out.glob("part-*.tar")}
    killed = 0
    steps = some_steps(log, KILLS // 2)
    for step in steps:
        name = "-".join(map(str, step))
        run = planned(tmp_path / name, rows_of(server, 6), layout=layout)
        code = await work(run, *kill_at(step, tmp_path / "killed"))
        killed += code == -signal.SIGKILL
        assert code in (0, -signal.SIGKILL), (step, code)
        assert facts_are_whole(run), step
        assert await work(run) == 0, step
        if layout == "files":
            run.check()
        assert {path.name: path.read_bytes() for path in run.out.glob("part-*.tar")} == expected
        assert not list(run.out.glob("_rheo/journals/*")), step
        assert not list(run.out.glob("_rheo/work/*")), step
        assert not list(run.out.glob("**/.rheo-*")), step
        assert [row["outcome"] for row in run.manifest()] == ["completed"] * 6, step
    assert killed > len(steps) // 3
