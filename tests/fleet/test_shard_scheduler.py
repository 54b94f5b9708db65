"""Scheduler of shards: one shard of a lane at a time, lost ones again, and status of a run."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rheo_core.domain.fleet import (
    STATUS_NAME,
    STOP_NAME,
    FleetPlan,
    FleetStatus,
    ShardFacts,
    ShardPlan,
    ShardTask,
    facts_name,
    from_json,
    journal_name,
    to_json,
)
from rheo_core.fleet import shard_scheduler
from rheo_core.fleet.journal import ShardBusyError
from rheo_core.fleet.shard_scheduler import ClusterLostError, Pace, ShardScheduler
from rheo_core.fleet.status import error_lines, read_status, status_line, store_status
from rheo_core.fleet.targets import Target, open_target


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_scheduler, "_DELAYS", (0.0, 0.0, 0.01, 0.01, 0.01))
    monkeypatch.setattr(shard_scheduler, "_BUSY_SECONDS", 0.01)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return open_target(str(tmp_path / "out"))


@pytest.fixture
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def plan_of(*lanes: int) -> FleetPlan:
    """Return a plan whose shards have these lanes, and 10 entries each."""
    shards = tuple(ShardPlan(lane, 10) for lane in lanes)
    return FleetPlan("sha256:0", len(lanes) * 10, 0, len(set(lanes)), shards)


class Worker:
    """Completes shards, and counts what was asked of it.

    Args:
        target: the output folder.
        errors: errors by shard, raised in turn before it is completed.
        before: called with each shard.
    """

    def __init__(
        self,
        target: Target,
        errors: dict[int, Sequence[Exception]] | None = None,
        before: Callable[[int], object] = lambda shard: None,
    ) -> None:
        self.target = target
        self.errors = {shard: list(each) for shard, each in (errors or {}).items()}
        self.before = before
        self.calls: list[int] = []

    def __call__(self, task: ShardTask) -> ShardFacts:
        self.calls.append(task.shard)
        self.before(task.shard)
        if errors := self.errors.get(task.shard):
            raise errors.pop(0)
        counts = {"completed": 9, "failed": 1}
        facts = ShardFacts(task.shard, entries=10, counts=counts, bytes=100, errors={"http_404": 1})
        self.target.create(facts_name(task.shard), to_json(facts).encode())
        return facts


def drive(
    target: Target, plan: FleetPlan, executor: Executor, work: Worker, **options: Any
) -> FleetStatus:
    pace = options.pop("pace", Pace(0.01, 0.01))
    return ShardScheduler(target, "out", plan, executor, 4, work, pace=pace, **options).run()


def test_every_shard_is_completed_once(target: Target, executor: Executor) -> None:
    work = Worker(target)
    status = drive(target, plan_of(*(n % 3 for n in range(30))), executor, work)
    assert sorted(work.calls) == list(range(30))
    assert (status.state, status.shards_done, status.entries_done) == ("complete", 30, 300)
    assert (status.counts, status.bytes) == ({"completed": 270, "failed": 30}, 3_000)
    assert status.errors == {"http_404": 30} and status.running == ()
    assert from_json(FleetStatus, target.read(STATUS_NAME)) == status


def test_one_shard_of_a_lane_runs_at_a_time(target: Target, executor: Executor) -> None:
    lock, running, most = threading.Lock(), Counter[int](), Counter[int]()

    def work_for_a_while(shard: int) -> None:
        lane = shard % 2
        with lock:
            running[lane] += 1
            most[lane] = max(most[lane], running[lane])
        time.sleep(0.002)
        with lock:
            running[lane] -= 1

    work = Worker(target, before=work_for_a_while)
    drive(target, plan_of(*(n % 2 for n in range(20))), executor, work)
    assert most == {0: 1, 1: 1}
    for lane in (0, 1):
        assert [shard for shard in work.calls if shard % 2 == lane] == list(range(lane, 20, 2))


@pytest.mark.parametrize("lanes", [1, 2, 4, 9])
def test_shares_of_running_shards_are_never_more_than_the_whole(
    target: Target, executor: Executor, lanes: int
) -> None:
    lock, running, most, seen = threading.Lock(), 0.0, 0.0, []
    complete = Worker(target)

    def work(task: ShardTask) -> ShardFacts:
        nonlocal running, most
        with lock:
            seen.append(task.at_once)
            running += 1 / task.at_once
            most = max(most, running)
        facts = complete(task)
        with lock:
            running -= 1 / task.at_once
        return facts

    plan = plan_of(*(n % lanes for n in range(3 * lanes)))
    ShardScheduler(target, "out", plan, executor, 4, work, pace=Pace(0.01, 0.01)).run()
    assert seen[0] == min(lanes, 4)
    assert most == pytest.approx(min(most, 1))


def test_the_longest_lane_begins_first(target: Target) -> None:
    work = Worker(target)
    with ThreadPoolExecutor(1) as one:
        drive(target, plan_of(0, 1, 1, 1, 2, 2), one, work)
    assert work.calls[:3] == [1, 4, 0]


def test_the_executor_gets_a_window_of_shards(target: Target) -> None:
    class Counting(ThreadPoolExecutor):
        waiting = most = 0

        def submit(self, *args: Any, **options: Any) -> Future[Any]:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            future = super().submit(*args, **options)
            future.add_done_callback(self._end)
            return future

        def _end(self, future: Future[Any]) -> None:
            self.waiting -= 1

    with Counting(1) as threads:
        drive(target, plan_of(*range(40)), threads, Worker(target))
        assert threads.most == 5  # of 4 slots, and a quarter


def test_what_is_complete_is_not_given_again(target: Target, executor: Executor) -> None:
    plan = plan_of(0, 0, 1, 1)
    earlier = Worker(target)
    for shard in (0, 3):
        earlier(ShardTask("out", shard))
    work = Worker(target)
    status = drive(target, plan, executor, work)
    assert sorted(work.calls) == [1, 2]
    assert (status.state, status.shards_done, status.entries_done) == ("complete", 4, 40)
    again = Worker(target)
    assert drive(target, plan, executor, again).counts == status.counts
    assert again.calls == []


def test_what_a_kill_left_after_the_facts_is_given_again(
    target: Target, executor: Executor
) -> None:
    """The worker that gets the shard removes its journal; its entries count once."""
    plan, earlier, work = plan_of(0, 0, 1), Worker(target), Worker(target)
    for shard in range(3):
        earlier(ShardTask("out", shard))
    target.put(journal_name(1), b"")
    status = drive(target, plan, executor, work)
    assert (work.calls, status.state) == ([1], "complete")
    assert (status.shards_done, status.entries_done) == (3, 30)


def test_a_lost_shard_is_given_again(target: Target, executor: Executor) -> None:
    work = Worker(target, {1: [OSError("worker died")] * 5})
    seen: list[FleetStatus] = []
    pace = Pace(0.0, 0.01)
    status = drive(target, plan_of(0, 0, 1), executor, work, on_status=seen.append, pace=pace)
    assert (status.state, work.calls.count(1)) == ("complete", 6)
    assert "shard 1: worker died" in {each.message for each in seen}
    assert status.message == ""  # it is over
    assert read_status(target, plan_of(0, 0, 1)).message == ""


def test_a_shard_is_given_up_after_six_attempts(target: Target, executor: Executor) -> None:
    work = Worker(target, {0: [OSError("worker died")] * 6})
    status = drive(target, plan_of(0, 0, 1), executor, work)
    assert work.calls.count(0) == 6 and sorted(set(work.calls)) == [0, 1, 2]
    assert (status.state, status.shards_done, status.shards_failed) == ("failed", 2, 1)
    assert status.message == "shard 0: worker died"
    assert drive(target, plan_of(0, 0, 1), executor, Worker(target)).state == "complete"


def test_a_busy_shard_is_waited_for(target: Target, executor: Executor) -> None:
    work = Worker(target, {0: [ShardBusyError("another worker has it")] * 20})
    status = drive(target, plan_of(0), executor, work)
    assert (status.state, work.calls.count(0)) == ("complete", 21)


def test_a_worker_that_hangs_does_not_hold_up_its_lane(target: Target, executor: Executor) -> None:
    hung = [ShardBusyError("process 7 on here has it", is_idle=True)] * 3
    work = Worker(target, {0: hung})
    status = drive(target, plan_of(0, 0, 0), executor, work)
    assert (status.state, work.calls) == ("complete", [0, 1, 2, 0, 0, 0])
    assert status.message == ""


def test_a_request_to_stop_lets_running_shards_end(target: Target, executor: Executor) -> None:
    def stop(shard: int) -> None:
        target.put(STOP_NAME, b"")
        time.sleep(0.1)

    work = Worker(target, before=stop)
    target.put(STOP_NAME, b"")  # of an earlier run
    status = drive(target, plan_of(0, 0, 0, 1, 1), executor, work)
    assert status.state == "stopped" and sorted(work.calls) == [0, 3]
    assert status.shards_done == 2


def test_an_interrupted_run_does_not_wait(target: Target, executor: Executor) -> None:
    is_over = threading.Event()
    work = Worker(target, before=lambda shard: is_over.wait(20))
    one = ShardScheduler(target, "out", plan_of(0, 0), executor, 4, work, pace=Pace(0.01, 30.0))
    threading.Timer(0.05, one.interrupt).start()
    status = one.run()
    is_over.set()
    assert (status.state, status.shards_done) == ("stopped", 0)


def test_a_lost_cluster_ends_the_run(target: Target) -> None:
    class Lost(Executor):
        def submit(self, *args: Any, **options: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.cancel()
            return future

    class Closed(Executor):
        def submit(self, *args: Any, **options: Any) -> Future[Any]:
            raise RuntimeError("Client is closed.\nTraceback")

    for executor, sentence in ((Lost(), "cancelled its shards"), (Closed(), "accepts shards: Cli")):
        with pytest.raises(ClusterLostError, match=sentence):
            drive(target, plan_of(0), executor, Worker(target))
        status = from_json(FleetStatus, target.read(STATUS_NAME))
        assert status.state == "stopped" and sentence in status.message


def test_the_status_of_a_running_driver_is_shown(target: Target) -> None:
    plan = plan_of(0, 1)
    status = FleetStatus("running", 1.0, time.time(), 2, entries=20, entries_per_second=12.4)
    store_status(target, status)
    assert read_status(target, plan) == status
    assert status_line(status) == "running: 0 of 2 shards, 0 of 20 entries, 0 B, 12/s, 0 at work"


def test_without_a_driver_the_facts_count(target: Target) -> None:
    plan = plan_of(0, 1)
    store_status(target, FleetStatus("running", 1.0, 2.0, 2, message="shard 7: disk full"))
    work = Worker(target)
    work(ShardTask("out", 0))
    status = read_status(target, plan)
    assert (status.state, status.shards_done, status.message) == (
        "stopped", 1, "shard 7: disk full",
    )  # fmt: skip
    assert error_lines(status) == ["http_404: 1", "shard 7: disk full"]
    assert status.entries_per_second == 0
    work(ShardTask("out", 1))
    assert read_status(target, plan).state == "complete"


def test_a_status_of_the_future_is_not_that_of_a_driver(target: Target) -> None:
    """The clock of its machine was wrong, or somebody else wrote it."""
    store_status(target, FleetStatus("running", 1.0, time.time() + 3_600, 1))
    assert read_status(target, plan_of(0)).state == "stopped"


def test_a_status_controls_no_terminal() -> None:
    evil = "\x1b]0;owned\x07"
    status = FleetStatus("stopped", 1.0, 2.0, 1, counts={evil: 1}, errors={evil: 1}, message=evil)
    assert all(map(str.isprintable, [status_line(status), *error_lines(status)]))


def test_damaged_facts_are_named(target: Target) -> None:
    target.put(facts_name(1), b"{")
    with pytest.raises(ValueError, match=r"part-000001.json is damaged; remove it"):
        read_status(target, plan_of(0, 1))


def test_facts_in_a_store_are_read_too() -> None:
    target = open_target("memory://driver/out")
    work = Worker(target)
    for shard in range(3):
        work(ShardTask("out", shard))
    assert read_status(target, plan_of(0, 1, 2)).counts == {"completed": 27, "failed": 3}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_driver_of_many_shards_needs_little_memory(tmp_path: Path, count: int) -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.programs.fleet_scheduler",
        str(count),
        str(tmp_path),
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(output) < 150 << 10  # KiB
