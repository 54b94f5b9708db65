"""Progress events, sampled at intervals so that the hot path only counts bytes."""

import asyncio

from rheo_core.domain.text import redact
from rheo_core.events import BaseEmitter, DownloadEventType, DownloadProgressEvent
from rheo_core.events.base import publish_safely
from rheo_core.tracking import BaseTracker, DownloadRecord

_INTERVAL_SECONDS = 0.1
"""Time between samples, and so between the progress events of a download."""


class ProgressReporter:
    """Samples every running download ten times a second."""

    def __init__(self, tracker: BaseTracker, emitter: BaseEmitter) -> None:
        self._tracker = tracker
        self._emitter = emitter

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            for record in self._tracker.active():
                self.report(record)

    def report(self, record: DownloadRecord, *, last: bool = False) -> None:
        """Sample the speed; report progress if bytes arrived, or always if it is the `last` time.

        The state change after the last time updates the record.
        """
        has_listeners = self._emitter.has_listeners(DownloadEventType.PROGRESS)
        if last and not has_listeners:
            return
        was_moving = record.metrics is not None and record.metrics.average_speed_bps > 0
        fresh = record.sample()
        if fresh or was_moving or last:
            self._tracker.touch(record)
        if (fresh or last) and has_listeners:
            publish_safely(
                self._emitter,
                DownloadProgressEvent(
                    download_id=record.id,
                    url=redact(record.config.url),
                    chunk_size=fresh,
                    bytes_downloaded=record.bytes_downloaded,
                    total_bytes=record.total_bytes,
                    speed=record.metrics,
                ),
            )
