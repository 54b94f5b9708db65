"""WorkerPool: run downloads in slots. A download that waits for a retry holds no slot.

A task runs one attempt after another while a slot is free and downloads are waiting. A dispatcher
starts further tasks.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import count

from rheo_core.domain.exceptions import WorkerPoolAlreadyStartedError
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.tuning import DEFAULT_TUNING, Tuning
from rheo_core.transfer import HostLimiter

from .network_watch import NetworkWatch
from .queue import PriorityDownloadQueue
from .shortage import Shortage

_log = logging.getLogger(__name__)
_TURN_ATTEMPTS = 8
"""Attempts after which a task lets others run. An attempt that finds its file never waits."""

RunAttempt = Callable[[FileConfig], Awaitable[float | None]]
"""Make one attempt; return the seconds to wait before another, None if no other follows."""

Requeue = Callable[[FileConfig], None]
"""Put a download whose wait is over back into the queue."""


class WorkerPool:
    """Takes downloads from the queue when a slot is free, and runs one attempt of each."""

    def __init__(
        self,
        queue: PriorityDownloadQueue,
        attempt: RunAttempt,
        requeue: Requeue,
        slots: int,
        hosts: HostLimiter,
        tuning: Tuning = DEFAULT_TUNING,
        *,
        is_forbidden: Callable[[str], bool] = lambda _: False,
        network: NetworkWatch | None = None,
    ) -> None:
        self._queue = queue
        self._hosts = hosts
        self._is_forbidden = is_forbidden  # by host, with its port
        self._network = network  # None: do not wait for it
        self._attempt = attempt
        self._requeue = requeue
        self._slots = slots
        self.shortage = Shortage(lambda: len(self._running), self._note_slots, tuning)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._is_paused = False
        self._slot_free = asyncio.Event()
        self._left = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None

    def start(self, *, paused: bool = False) -> None:
        """Start taking downloads; if `paused`, only after `unpause`.

        Raises:
            WorkerPoolAlreadyStartedError: the pool is running already.
        """
        if self._dispatcher is not None:
            raise WorkerPoolAlreadyStartedError("the worker pool is already running")
        self._is_paused = paused
        self._dispatcher = asyncio.get_running_loop().create_task(self._dispatch())

    async def close(self, *, wait_for_current: bool = False) -> None:
        """Take no more downloads; stop the running attempts, or wait for them."""
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            await asyncio.wait({self._dispatcher})
            self._dispatcher = None
        if not wait_for_current:
            self.stop_all()
        if self._running:
            await asyncio.wait(self._running.values())
        for download_id in tuple(self._waiting):
            self.stop_waiting(download_id)

    def stop_all(self) -> None:
        """Cancel each running attempt, but only once: a second time would disturb its clean-up."""
        for task in self._running.values():
            if not task.cancelling():
                task.cancel()

    @property
    def is_running(self) -> bool:
        """True while the pool takes downloads."""
        return self._dispatcher is not None

    def unpause(self) -> None:
        """Take downloads from now on."""
        self._is_paused = False
        self._note_slots()

    @property
    def slots(self) -> int:
        """Maximum number of downloads that run at once."""
        return self._slots

    @slots.setter
    def slots(self, count: int) -> None:
        """Start more at once if the number grows; if it shrinks, let running ones end."""
        self._slots = count
        self._note_slots()

    async def stop(self, download_id: str) -> bool:
        """End a running or waiting download; return when it has released its file.

        Return False if it neither runs nor waits.
        """
        if self.stop_waiting(download_id):
            return True
        task = self._running.get(download_id)
        if task is None:
            return False
        task.cancel()
        await asyncio.wait({task})
        self.stop_waiting(download_id)  # it may have failed before the cancellation
        return True

    def stop_waiting(self, download_id: str) -> bool:
        """End the wait of a download for its next attempt; False if it does not wait."""
        timer = self._waiting.pop(download_id, None)
        if timer is None:
            return False
        timer.cancel()
        self._queue.task_done(download_id)
        return True

    async def until_left(self, download_id: str) -> None:
        """Wait until a download that reported its end has released its file and slot."""
        while download_id in self._running:
            self._left.clear()
            await self._left.wait()

    def skip_wait(self, config: FileConfig) -> bool:
        """Put a download that waits for its next attempt back into the queue at once."""
        if not self.stop_waiting(config.id):
            return False
        self._requeue(config)
        self._hosts.end_rest(self._queue.host_for(config.id))
        return True

    async def _dispatch(self) -> None:
        while True:
            self._note_slots()
            await self._slot_free.wait()
            config = await self._queue.get_next(self._must_wait)
            if not self._has_slot():  # fewer slots since the wait began
                self._requeue(config)
            else:
                self._run(config)

    def _must_wait(self, host: str) -> bool:
        is_lost = self._network is not None and self._network.must_wait(host)
        return is_lost or self._hosts.is_busy(host) or self._is_forbidden(host)

    def _run(self, config: FileConfig) -> None:
        task = asyncio.get_running_loop().create_task(self._run_attempts(config))
        self._enter(config.id, task)
        task.add_done_callback(self._note_end)

    async def _run_attempts(self, config: FileConfig) -> None:
        """Run an attempt of a download, and then attempts of others that wait."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in count(1):
            delay = await self._attempt(config)
            if delay is not None:
                self._waiting[config.id] = loop.call_later(delay, self._wake, config)
            self._leave(config.id)
            if number % _TURN_ATTEMPTS == 0:
                await asyncio.sleep(0)
            following = None if task.cancelling() else self._take_next()
            if following is None:
                break
            config = following
            self._enter(config.id, task)
        self._note_slots()

    def _take_next(self) -> FileConfig | None:
        """Take a download that waits if a slot is free; None if the task should end."""
        if self._dispatcher is None or not self._has_slot():
            return None
        return self._queue.take(self._must_wait)

    def _enter(self, download_id: str, task: asyncio.Task[None]) -> None:
        self._running[download_id] = task
        host = self._queue.host_for(download_id)
        self._hosts.reserve(download_id, self._hosts.likely(host))

    def _wake(self, config: FileConfig) -> None:
        if self._waiting.pop(config.id, None) is not None:
            self._requeue(config)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        """Let the download of a task leave if its attempt was cancelled or raised an error."""
        for download_id in [each for each in self._running if self._running[each] is task]:
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("attempt of %s ended with a bug", download_id, exc_info=error)
            self._leave(download_id)
            self._note_slots()

    def _leave(self, download_id: str) -> None:
        del self._running[download_id]
        self._left.set()
        self._hosts.cancel_reservation(download_id)
        if download_id not in self._waiting:
            self._queue.task_done(download_id)

    def _has_slot(self) -> bool:
        is_free = len(self._running) < self.shortage.allowed(self._slots)
        return is_free and not self._is_paused

    def _note_slots(self) -> None:
        if self._has_slot():
            self._slot_free.set()
        else:
            self._slot_free.clear()
