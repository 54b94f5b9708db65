"""A scheduler of many shards that complete at once: `fleet_scheduler.py SHARDS FOLDER`.

Writes the peak of its memory, in KiB. On Linux: getrusage(2) would count the parent's memory too.
"""

import re
import sys
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from rheo_core.domain.fleet import FleetPlan, ShardFacts, ShardPlan, ShardTask
from rheo_core.fleet.shard_scheduler import ShardScheduler
from rheo_core.fleet.targets import open_target

_ENTRIES = 10_000
_LANES = 64


class _Instant(Executor):
    def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(call(*args, **kwargs))
        return future


def _work(task: ShardTask) -> ShardFacts:
    return ShardFacts(task.shard, entries=_ENTRIES, counts={"completed": _ENTRIES})


def main(count: int, folder: str) -> None:
    shards = tuple(ShardPlan(number % _LANES, _ENTRIES) for number in range(count))
    plan = FleetPlan("sha256:0", count * _ENTRIES, 0, _LANES, shards)
    status = ShardScheduler(open_target(folder), folder, plan, _Instant(), _LANES, _work).run()
    assert status.entries_done == plan.entries
    print(*re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text()))


main(int(sys.argv[1]), sys.argv[2])
