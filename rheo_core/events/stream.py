"""Async iterator over events."""

import asyncio
from collections.abc import AsyncIterator

from rheo_core.domain.exceptions import QueueError

from .base import BaseEmitter
from .models import DownloadEvent, DownloadEventType
from .subscription import Subscription

_MAX_WAITING = 100_000
"""A list may have 100,000 downloads. An event takes about 1 kB."""
_MAX_WAITING_PROGRESS = 64


def stream_events(emitter: BaseEmitter, ended: asyncio.Event) -> AsyncIterator[DownloadEvent]:
    """Return an iterator over all events from now on.

    Args:
        emitter: source of the events.
        ended: when it is set, the iteration ends after the last event.
    """
    waiting: asyncio.Queue[DownloadEvent] = asyncio.Queue(_MAX_WAITING)
    lost = asyncio.Event()

    def keep(event: DownloadEvent) -> None:
        is_progress = event.event_type == DownloadEventType.PROGRESS
        if is_progress and waiting.qsize() >= _MAX_WAITING_PROGRESS:
            return
        if waiting.full():
            lost.set()
        elif not lost.is_set():
            waiting.put_nowait(event)

    emitter.on("*", keep)
    return _stream(waiting, Subscription(emitter, "*", keep), ended, lost)


async def _stream(
    waiting: asyncio.Queue[DownloadEvent],
    subscription: Subscription,
    ended: asyncio.Event,
    lost: asyncio.Event,
) -> AsyncIterator[DownloadEvent]:
    ending = asyncio.ensure_future(ended.wait())
    try:
        while not (ending.done() and waiting.empty()):
            coming = asyncio.ensure_future(waiting.get())
            try:
                await asyncio.wait({coming, ending}, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    yield coming.result()
            finally:
                coming.cancel()
            if lost.is_set() and waiting.empty():
                raise QueueError(f"more than {_MAX_WAITING:,} events waited; later ones are lost")
    finally:
        ending.cancel()
        subscription.unsubscribe()
