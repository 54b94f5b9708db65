"""The event loop shared by all shards of a worker process.

Separate loops would contend for the GIL at every system call.
"""

import asyncio
import gc
import logging
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from rheo_core.events.models import IS_EVENT

T = TypeVar("T")

_starting = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process: a fork copies no thread


def run_on_worker_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run work on the event loop of this process, and return its result. Blocks.

    The loop begins with the first work, and ends with the process. An interrupt of the caller
    cancels the work.
    """
    future = asyncio.run_coroutine_threadsafe(work, _loop_of_process())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _loop_of_process() -> asyncio.AbstractEventLoop:
    with _starting:
        loop = _loops.get(os.getpid())
        if loop is None:
            _prepare_process()
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="rheo-worker", daemon=True).start()
        return loop


def _prepare_process() -> None:
    """Prepare a process for millions of downloads."""
    gc.freeze()  # imported modules stay; searching them for garbage takes a twelfth of the time
    if logging.lastResort is not None:  # it writes to standard error if nobody has set up a log
        logging.lastResort.addFilter(_is_worth_a_line)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Return False for a message on a single download: the manifests have them."""
    return not hasattr(record, IS_EVENT)
