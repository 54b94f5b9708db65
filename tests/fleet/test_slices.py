"""`rheo fleet work`: slices of a planned run, in processes as a batch system starts them."""

import asyncio
import json
import os
import platform
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from rheo_core.domain.fleet import FleetPass, FleetPlan, ShardPlan, facts_name
from rheo_core.fleet.journal import Journal
from rheo_core.fleet.passes import planned_shards
from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard import _digest_of_list  # the lock of a worker at work
from rheo_core.fleet.shard_downloads import WorkerOptions
from rheo_core.fleet.slices import Slice, SliceWorker
from rheo_core.fleet.targets import open_target
from tests.faults.program import COMMAND, Home
from tests.fleet.runs import gone, planned, rows_of, serve
from tests.servers.misbehaving import Exchange, MisbehavingServer
from tests.waiting import Until


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("4/4", "slice '4/4' does not exist: slices are numbered from 0, so the last of 4 is 3/4"),
        ("1", "does not have the form I/N, such as 0/4"),
        ("-1/4", "does not have the form"),
        ("a/b", "does not have the form"),
        ("1/", "does not have the form"),
        ("0/0", "slice '0/0' is not valid: there must be at least one slice"),
        ("3/00", "slice '3/00' is not valid: there must be at least one slice"),
        ("²/3", "does not have the form"),
    ],
)
def test_a_bad_slice_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="slice") as caught:
        Slice.parse(text)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_slices_share_the_lanes(count: int) -> None:
    """Each shard is in one slice, and all shards of a lane are in the same one."""
    shards = tuple(ShardPlan(number % 6, 1) for number in range(40))
    plan = FleetPlan("", 40, 0, 6, shards)
    every = list(planned_shards(plan, [FleetPass(2, {7: 1, 13: 1}, {})]))
    slices = [Slice(number, count).lanes(every) for number in range(count)]
    assert sorted(shard for each in slices for lane in each for shard in lane) == sorted(every)
    for each in slices:
        for lane in each:
            assert len({shard.lane for shard in lane}) == 1
    owners = [{shard.lane for lane in each for shard in lane} for each in slices]
    assert sum(map(len, owners)) == 6


async def test_two_slices_complete_a_run(
    server: MisbehavingServer, tmp_path: Path, home: Home
) -> None:
    rows = [*rows_of(server, 60), Row(server.on("/gone", gone))]
    run = planned(tmp_path / "out", rows, shard_size=10)
    ends = await asyncio.gather(
        *(home.rheo("fleet", "work", run.out, "--slice", f"{n}/2") for n in range(2))
    )
    run.check()
    assert sorted(each.code for each in ends) == [0, 1]  # one of them had the missing file
    assert sum(each.err.count("\nshard ") + each.err.startswith("shard ") for each in ends) == 7
    again = await home.rheo("fleet", "work", run.out)
    assert again.code == 1
    assert again.err == ("7 of 7 shards complete: 60 files, 120.4 kB; 1 failed\n")
    assert len(server.requests) == 61
    assert (await home.rheo("fleet", "work", run.out, "--slice", "6/7", "-q")).err == ""


@pytest.mark.parametrize(
    ("slice_", "at_once", "shares"), [("0/1", 1, 1), ("0/1", 9, 3), ("0/2", 9, 4), ("1/2", 9, 2)]
)
async def test_shards_of_all_slices_share_the_speed_limit(
    server: MisbehavingServer, tmp_path: Path, slice_: str, at_once: int, shares: int
) -> None:
    run = planned(tmp_path / "out", rows_of(server, 6), shard_size=1)  # three lanes
    worker = SliceWorker(
        str(run.out), open_target(str(run.out)), run.plan, WorkerOptions(), lambda facts: None
    )
    await worker.run(Slice.parse(slice_), at_once)
    assert worker._task(next(iter(planned_shards(run.plan, [])))).at_once == shares


async def test_bad_usage(tmp_path: Path, home: Home) -> None:
    for arguments, sentence in {
        (tmp_path,): "is not the output folder of a fleet; it has no plan.",
        (tmp_path, "--slice", "3/2"): "--slice: slice '3/2' does not exist",
        (tmp_path, "--user-agent", "a\nb"): "--user-agent",
        (tmp_path, "--cookies", tmp_path / "none"): "--cookies: the value is not a file path",
    }.items():
        ended = await home.rheo("fleet", "work", *arguments)
        assert ended.code == 2, ended
        assert ended.err.count("\n") == 1 and sentence in ended.err


async def test_a_shard_of_another_worker_is_left_to_it(
    server: MisbehavingServer, tmp_path: Path, home: Home
) -> None:
    run = planned(tmp_path / "out", rows_of(server, 20), shard_size=10)
    journal = run.out / "_rheo" / "journals" / "000000.jsonl"
    journal.parent.mkdir()
    with Journal(journal, _digest_of_list(open_target(str(run.out)), run.plan, run.tasks[0])):
        ended = await home.rheo("fleet", "work", run.out)
    assert ended.code == 3
    assert (
        f"shard 000000: process {os.getpid()} on {platform.node()} is working on it.\n" in ended.err
    )
    assert (await home.rheo("fleet", "work", run.out)).code == 0
    run.check()
    assert len(server.requests) == 20


async def test_a_process_that_hangs_is_named_and_others_go_on(
    server: MisbehavingServer, tmp_path: Path, home: Home, until: Until
) -> None:
    """Process 1 is stopped with a shard; process 2 has the others, and 1 ends the shard later."""
    opened = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        await opened.wait()
        await serve(exchange)

    rows = [Row(server.on("/slow.jpg", slow)), *rows_of(server, 19)]
    run = planned(tmp_path / "out", rows, shard_size=5)
    hung = await home.start(COMMAND, "fleet", "work", run.out, "--shards-at-once", 1)
    await server.wait_for_requests(5)
    journal = run.out / "_rheo" / "journals" / "000000.jsonl"
    await until(lambda: journal.read_bytes().count(b'"completed"') == 4)
    hung.send_signal(signal.SIGSTOP)
    os.utime(journal, (0, 1))
    ended = await home.rheo("fleet", "work", run.out)
    opened.set()
    hung.send_signal(signal.SIGCONT)
    _, err = await hung.communicate()
    assert ended.code == 3
    assert (
        f"shard 000000: process {hung.pid} on {platform.node()} is working on it but" in ended.err
    )
    assert "3 of 4 shards complete" in ended.err
    assert hung.returncode == 0, err.decode()
    run.check()
    assert len(server.requests) == 20


async def test_further_passes_belong_to_the_slices(
    server: MisbehavingServer, tmp_path: Path, home: Home
) -> None:
    async def busy_at_first(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.head("503 Service Unavailable", Content_Length=0)
        else:
            await serve(exchange)

    rows = [*rows_of(server, 4), Row(server.on("/busy.jpg", busy_at_first))]
    run = planned(tmp_path / "out", rows, shard_size=3)
    assert (await home.rheo("fleet", "work", run.out)).code == 1
    further = await home.rheo("fleet", "retry", run.out, "--plan-only")
    assert (further.code, further.err) == (0, "Pass 2: 1 entry of 1 shard.\n")
    ended = await home.rheo("fleet", "work", run.out)
    assert ended.code == 0
    assert "shard 000001, pass 2: 1 completed; " in ended.err
    assert "3 of 3 shards complete: 5 files" in ended.err and ended.err.endswith("; 0 failed\n")
    assert (run.out / facts_name(1, 2)).exists()
    assert len(server.requests) == 6


async def test_the_same_slice_begun_twice_at_once(
    server: MisbehavingServer, tmp_path: Path, home: Home
) -> None:
    run = planned(tmp_path / "out", rows_of(server, 100), shard_size=25, concurrency=4)
    ends = await asyncio.gather(*(home.rheo("fleet", "work", run.out) for _ in range(2)))
    assert {each.code for each in ends} <= {0, 3}
    assert (await home.rheo("fleet", "work", run.out)).code == 0
    run.check()
    assert len(server.requests) == 100


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_keeps_what_has_ended(
    server: MisbehavingServer, tmp_path: Path, home: Home, until: Until, number: int
) -> None:
    opened = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        await opened.wait()
        await serve(exchange)

    rows = [*rows_of(server, 20), Row(server.on("/slow.jpg", slow))]
    run = planned(tmp_path / "out", rows)
    worker = await home.start(COMMAND, "fleet", "work", run.out)
    journal = run.out / "_rheo" / "journals" / "000000.jsonl"
    await until(lambda: journal.exists() and journal.read_bytes().count(b'"completed"') == 20)
    worker.send_signal(number)
    _, err = await worker.communicate()
    assert worker.returncode == 128 + number
    assert err.decode() == "Interrupted. Run the same command again to continue.\n"
    opened.set()
    assert (await home.rheo("fleet", "work", run.out)).code == 0
    run.check()
    assert len(server.requests) == 22


async def test_a_full_disk_ends_the_worker_and_fails_no_entry(
    server: MisbehavingServer, tmp_path: Path, home: Home
) -> None:
    run = planned(tmp_path / "out", rows_of(server, 10))
    run.out.chmod(0o500)
    try:
        ended = await home.rheo("fleet", "work", run.out)
    finally:
        run.out.chmod(0o700)
    if ended.code != 0:  # root may write everywhere
        assert ended.code == 4, ended
        assert ended.err.count("\n") == 1
    assert (await home.rheo("fleet", "work", run.out)).code == 0
    run.check()


async def test_stop(server: MisbehavingServer, tmp_path: Path, home: Home) -> None:
    run = planned(tmp_path / "out", rows_of(server, 20), shard_size=10)
    stopped = await home.rheo("fleet", "stop", run.out)
    sentence = "Running shards will finish; no new ones will start.\n"
    assert (stopped.code, stopped.out) == (0, sentence)
    for _ in range(2):  # a batch system starts a slice again, or starts another one
        ended = await home.rheo("fleet", "work", run.out)
        assert (ended.code, len(server.requests)) == (3, 0)
        undo = f"rheo fleet stop --undo {run.out}\n"
        assert f"To continue, withdraw the stop request: {undo}" in ended.err
    undone = await home.rheo("fleet", "stop", "--undo", run.out)
    assert (undone.code, undone.out) == (
        0,
        "Withdrew the stop request; shards can start again.\n",
    )
    assert (await home.rheo("fleet", "work", run.out)).code == 0
    run.check()


async def test_no_secret_is_written_anywhere(
    server: MisbehavingServer, tmp_path: Path, home: Home
) -> None:
    """Tokens go to the server, and nowhere else: neither journals nor manifests, facts or logs."""
    rows = [
        Row(server.on("/a.jpg?token=c4nary-in-url", serve)),
        Row(server.on("/b.jpg?signature=c4nary-in-url", gone)),
    ]
    run = planned(tmp_path / "out", rows)
    worker = await home.start(
        COMMAND,
        "fleet",
        "work",
        run.out,
        "-H",
        "X-Token: c4nary-header",
        "--bearer",
        "c4nary-bearer",
    )
    journals = []
    while worker.returncode is None:
        for path in run.out.glob("_rheo/journals/*"):
            with suppress(FileNotFoundError):  # the worker is done with it meanwhile
                journals.append(path.read_bytes())
        await asyncio.sleep(0.02)
        if (run.out / "part-000000.json").exists():
            break
    out, err = await worker.communicate()
    assert server.requests[0].headers["authorization"] == "Bearer c4nary-bearer"
    assert b"c4nary" not in out + err + b"".join(journals)
    for path in run.out.rglob("*"):
        if path.is_file() and path.suffix != ".gz":  # shard lists have the URLs to download
            assert b"c4nary" not in path.read_bytes(), path
    assert "c4nary" not in json.dumps(run.manifest())
    assert all("***" in row["url"] for row in run.manifest())
