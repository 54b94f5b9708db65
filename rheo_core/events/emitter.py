"""EventEmitter: call event handlers in order, without delaying transfers."""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable
from typing import Any

from .base import CALLBACK_ERRORS, BaseEmitter, is_cancelled
from .models import DownloadEvent, DownloadEventType, EventHandler, EventType

_log = logging.getLogger(__name__)
_ANY = "*"
_MAX_WAITING_PROGRESS = 64
"""A handler with more waiting events than this gets no progress events."""


class _Listener:
    """A handler and its waiting events.

    A plain function is called at once. A coroutine function gets its events one by one in a
    separate task, so that it does not delay other handlers.
    """

    def __init__(self, handler: EventHandler) -> None:
        self.handler = handler
        self._waiting: deque[Any] = deque()
        self._task: asyncio.Task[None] | None = None

    def send(self, event: Any) -> None:
        if self._task is not None:
            crowded = len(self._waiting) >= _MAX_WAITING_PROGRESS
            if not (crowded and _is_progress(event)):
                self._waiting.append(event)
            return
        pending = self._call(event)
        if pending is not None:
            self._task = asyncio.get_running_loop().create_task(self._run(pending))

    def forget(self) -> None:
        """Drop the waiting events."""
        self._waiting.clear()

    def _call(self, event: Any) -> Awaitable[None] | None:
        try:
            result = self.handler(event)
        except CALLBACK_ERRORS:
            self._report()
            return None
        return result if inspect.isawaitable(result) else None

    async def _run(self, pending: Awaitable[None] | None) -> None:
        try:
            while True:
                if pending is not None:
                    try:
                        await pending
                    except CALLBACK_ERRORS:
                        if is_cancelled():
                            raise
                        self._report()
                if not self._waiting:
                    return
                pending = self._call(self._waiting.popleft())
        finally:
            self._task = None
            self._waiting.clear()

    def _report(self) -> None:
        _log.exception("event handler %r failed", self.handler)

    @property
    def task(self) -> asyncio.Task[None] | None:
        return self._task


class EventEmitter(BaseEmitter):
    """Default emitter of the engine. It calls handlers in order, without delaying transfers."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[_Listener]] = {}

    def on(self, event_type: EventType, handler: EventHandler) -> None:
        self._listeners.setdefault(str(event_type), []).append(_Listener(handler))

    def off(self, event_type: EventType, handler: EventHandler) -> None:
        listeners = self._listeners.get(str(event_type), [])
        for listener in listeners:
            if listener.handler == handler:
                listeners.remove(listener)
                listener.forget()
                if not listeners:
                    del self._listeners[str(event_type)]
                return

    def has_listeners(self, event_type: EventType) -> bool:
        if not self._listeners:
            return False
        return str(event_type) in self._listeners or _ANY in self._listeners

    async def emit(self, event_type: EventType, event_data: Any) -> None:
        """Send an event and wait until all handlers have caught up."""
        self._send(str(event_type), event_data)
        await self.drain()

    def publish(self, event: DownloadEvent) -> None:
        self._send(event.event_type, event)

    def _send(self, event_type: str, event: Any) -> None:
        keys = (event_type,) if event_type == _ANY else (event_type, _ANY)
        for key in keys:
            for listener in tuple(self._listeners.get(key, ())):
                listener.send(event)

    async def drain(self) -> None:
        """Wait until all events are handled. A handler that calls this does not wait for itself."""
        current = asyncio.current_task()
        while tasks := {
            listener.task
            for listeners in self._listeners.values()
            for listener in listeners
            if listener.task is not None and listener.task is not current
        }:
            await asyncio.wait(tasks)


def _is_progress(event: Any) -> bool:
    return getattr(event, "event_type", None) == DownloadEventType.PROGRESS
