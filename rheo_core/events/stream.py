"""Events as an asynchronous iterator."""

import asyncio
from collections.abc import AsyncIterator

from .base import BaseEmitter
from .models import DownloadEvent
from .subscription import Subscription


def stream_events(emitter: BaseEmitter, ended: asyncio.Event) -> AsyncIterator[DownloadEvent]:
    """Return all events from this call on, as an iterator.

    Args:
        emitter: source of the events.
        ended: ends the iteration once it is set and all events are read.
    """
    waiting: asyncio.Queue[DownloadEvent] = asyncio.Queue()
    emitter.on("*", waiting.put_nowait)
    return _stream(waiting, Subscription(emitter, "*", waiting.put_nowait), ended)


async def _stream(
    waiting: asyncio.Queue[DownloadEvent], subscription: Subscription, ended: asyncio.Event
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
    finally:
        ending.cancel()
        subscription.unsubscribe()
