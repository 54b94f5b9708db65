"""LimitController: every limit, changed while downloads run."""

import asyncio
from collections.abc import Mapping, Sequence

from rheo_core.domain.downloads import DownloadStatus
from rheo_core.domain.hosts import HostLimits
from rheo_core.domain.schedule import parse_schedule
from rheo_core.tracking import BaseTracker
from rheo_core.transfer import HostLimiter, RateLimits

from .control import DownloadController, can_pause
from .lifecycle import Lifecycle
from .pool import WorkerPool
from .speed_limits import SpeedPolicy
from .worker import DownloadWorker


class LimitController:
    """Changes the limits of a `DownloadManager`, which documents the verbs."""

    def __init__(
        self,
        tracker: BaseTracker,
        lifecycle: Lifecycle,
        worker: DownloadWorker,
        pool: WorkerPool,
        control: DownloadController,
        hosts: HostLimiter,
        limits: RateLimits,
        speed: SpeedPolicy,
    ) -> None:
        self._tracker = tracker
        self._lifecycle = lifecycle
        self._worker = worker
        self._pool = pool
        self._control = control
        self._hosts = hosts
        self._limits = limits
        self._speed = speed
        self._stopped = asyncio.Event()

    async def set_speed_limit(self, download_id: str, speed_limit_bps: int | None) -> bool:
        """Limit one download, at once (bytes/s; None: no limit); False where unknown or ended."""
        if speed_limit_bps is not None and speed_limit_bps < 1:
            raise ValueError(f"speed_limit_bps is {speed_limit_bps}; it must be 1 or more")
        record = self._tracker.get(download_id)
        if record is None or record.status.is_terminal:
            return False
        record.config = record.config.model_copy(update={"speed_limit": speed_limit_bps})
        self._limits.set_download(download_id, speed_limit_bps)
        self._lifecycle.changed(record)
        return True

    def set_limits(
        self,
        *,
        max_concurrent: int | None = None,
        speed_limit_bps: int | None = None,
        connections: int | None = None,
        connections_per_host: int | None = None,
        schedule: Sequence[str] | None = None,
        slow: bool | None = None,
        slow_limit_bps: int | None = None,
        hosts: Mapping[str, HostLimits] | None = None,
        stop_after_bytes: int | None = None,
    ) -> None:
        """Change limits at once, also for what runs; None leaves one as it is."""
        for name, count, least in (
            ("max_concurrent", max_concurrent, 1),
            ("speed_limit_bps", speed_limit_bps, 0),
            ("connections", connections, 1),
            ("connections_per_host", connections_per_host, 1),
            ("slow_limit_bps", slow_limit_bps, 1),
            ("stop_after_bytes", stop_after_bytes, 0),
        ):
            if count is not None and count < least:
                raise ValueError(f"{name} is {count}; it must be {least} or more")
        spans = None if schedule is None else parse_schedule(schedule)
        if max_concurrent is not None:
            self._pool.slots = max_concurrent
        if speed_limit_bps is not None:
            self._speed.set_rate(speed_limit_bps or None)
        if connections is not None:
            self._worker.connections = connections
        if connections_per_host is not None:
            self._hosts.limit = connections_per_host
        if spans is not None:
            self._speed.set_schedule(spans)
        self._speed.set_slow(on=slow, rate_bps=slow_limit_bps)
        if hosts is not None:
            self._limits.set_hosts(hosts)
            self._hosts.set_host_limits(hosts)
        if stop_after_bytes is not None:
            self._stopped.clear()
            self._limits.set_budget(stop_after_bytes or None)

    async def wait_until_stopped(self) -> None:
        """Wait until `stop_after_bytes` have come; everything is paused from then on."""
        await self._stopped.wait()

    async def stop_when_spent(self) -> None:
        """Pause everything whenever as many bytes have come as were to; then they may again."""
        while True:
            await self._limits.spent.wait()
            self._stopped.set()
            stopped = [record for record in self._tracker.records() if can_pause(record)]
            await self._control.pause_all()
            self._limits.set_budget(None)
            for record in stopped:
                if record.status is DownloadStatus.PAUSED:
                    self._lifecycle.explain(record, "stopped by the limit of bytes")
