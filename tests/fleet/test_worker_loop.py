"""The event loop of a worker process: one for all its shards, also after a fork."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rheo_core.fleet.worker_loop import run_on_worker_loop

SECONDS = 60

AFTER_A_FORK = """
import os
from rheo_core.fleet.worker_loop import run_on_worker_loop

async def answer():
    return 7

assert run_on_worker_loop(answer()) == 7
child = os.fork()
if child == 0:
    os._exit(run_on_worker_loop(answer()))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

AN_INTERRUPT = """
import asyncio, os, signal, sys, threading
from rheo_core.fleet.worker_loop import run_on_worker_loop

cancelled, main = asyncio.Event(), threading.main_thread().ident

async def work():
    while sys._current_frames()[main].f_code.co_name != "wait":  # for the result
        await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)  # to the main thread
    try:
        await asyncio.Event().wait()
    finally:
        cancelled.set()

try:
    run_on_worker_loop(work())
except KeyboardInterrupt:
    run_on_worker_loop(cancelled.wait())
    print("cancelled")
"""

WITHOUT_GARBAGE_OF_IMPORTS = """
import gc
from rheo_core.fleet.shard import run_shard
from rheo_core.fleet.worker_loop import run_on_worker_loop

async def tracked():
    return len(gc.get_objects())

print(run_on_worker_loop(tracked()) < 1_000 < gc.get_freeze_count())
"""


def test_works_share_a_loop_and_run_at_the_same_time() -> None:
    async def meet(barrier: asyncio.Barrier) -> asyncio.AbstractEventLoop:
        await barrier.wait()
        return asyncio.get_running_loop()

    barrier = asyncio.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        first, second = (threads.submit(run_on_worker_loop, meet(barrier)).result for _ in range(2))
        assert first(SECONDS) is second(SECONDS)


def test_an_error_comes_back_and_leaves_the_loop_at_work() -> None:
    async def fail() -> None:
        raise OSError("no space")

    async def thread() -> threading.Thread:
        return threading.current_thread()

    before = run_on_worker_loop(thread())
    with pytest.raises(OSError, match="no space"):
        run_on_worker_loop(fail())
    assert run_on_worker_loop(thread()) is before is not threading.current_thread()


@pytest.mark.parametrize(
    ("program", "said"),
    [(AFTER_A_FORK, "7\n"), (AN_INTERRUPT, "cancelled\n"), (WITHOUT_GARBAGE_OF_IMPORTS, "True\n")],
    ids=["a fork", "an interrupt", "without garbage of imports"],
)
def test_in_a_process_of_its_own(program: str, said: str) -> None:
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (result.stdout, result.stderr) == (said, "")
