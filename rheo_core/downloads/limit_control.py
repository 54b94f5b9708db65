"""LimitController: change speed and connection limits while downloads run."""

import asyncio
from collections.abc import Mapping

from rheo_core.domain.hosts import HostLimits
from rheo_core.tracking import BaseTracker
from rheo_core.transfer import HostLimiter, RateLimits

from .lifecycle import Lifecycle
from .set_control import SetController


class LimitController:
    """Changes limits of a `DownloadManager`, which documents the verbs."""

    def __init__(
        self,
        tracker: BaseTracker,
        lifecycle: Lifecycle,
        sets: SetController,
        hosts: HostLimiter,
        limits: RateLimits,
    ) -> None:
        self._tracker = tracker
        self._lifecycle = lifecycle
        self._sets = sets
        self._hosts = hosts
        self._limits = limits
        self._stopped = asyncio.Event()

    async def set_speed_limit(self, download_id: str, speed_limit_bps: int | None) -> bool:
        """Limit one download; see `DownloadManager.set_speed_limit`."""
        if speed_limit_bps is not None and speed_limit_bps < 1:
            raise ValueError(f"speed_limit_bps is {speed_limit_bps}; it must be 1 or more")
        record = self._tracker.get(download_id)
        if record is None or record.status.is_terminal:
            return False
        record.config = record.config.model_copy(update={"speed_limit": speed_limit_bps})
        self._limits.set_download(download_id, speed_limit_bps)
        self._lifecycle.changed(record)
        return True

    def set_hosts(self, hosts: Mapping[str, HostLimits]) -> None:
        """Replace the limits of single hosts."""
        self._limits.set_hosts(hosts)
        self._hosts.set_host_limits(hosts)

    @property
    def left_bytes(self) -> int | None:
        """Bytes until everything pauses because of `stop_after`; None: never."""
        return self._limits.left

    def stop_after(self, count: int | None) -> None:
        """Pause everything after `count` more bytes; None: never."""
        self._stopped.clear()
        self._limits.set_budget(count)

    async def wait_until_stopped(self) -> None:
        """Wait until everything is paused because of `stop_after`."""
        await self._stopped.wait()

    async def stop_when_spent(self) -> None:
        """Pause everything whenever the bytes of `stop_after` have arrived, then lift that limit.

        If `stop_after` is called again meanwhile, the new limit stays, and nothing pauses.
        """
        spent = self._limits.spent
        while True:
            await spent.wait()
            if spent.is_set():  # otherwise `stop_after` has been called since
                self._stopped.set()
            for download_id in await self._sets.pause_all_if(spent.is_set):
                if (record := self._tracker.get(download_id)) is not None:
                    self._lifecycle.explain(record, "stopped at the data limit")
            if spent.is_set():
                self._limits.set_budget(None)
