"""BaseEmitter: the interface of event emitters."""

import asyncio
import inspect
import logging
from abc import ABC, abstractmethod
from typing import Any

from .models import DownloadEvent, EventHandler, EventType

_log = logging.getLogger(__name__)
CALLBACK_ERRORS = (Exception, asyncio.CancelledError)
"""Errors of the user's callbacks, which are logged and stop nothing. `result()` of a cancelled task
raises CancelledError too, though nobody has cancelled the caller."""


class BaseEmitter(ABC):
    """Interface of emitters, which pass events of the engine to handlers."""

    _sending: set[asyncio.Future[None]] | None = None  # set on first use

    @abstractmethod
    def on(self, event_type: EventType, handler: EventHandler) -> None:
        """Call `handler` with each event of this type; `"*"` means every type."""

    @abstractmethod
    def off(self, event_type: EventType, handler: EventHandler) -> None:
        """Undo `on`. Ignore unknown handlers."""

    @abstractmethod
    async def emit(self, event_type: EventType, event_data: Any) -> None:
        """Send an event and wait until its handlers have run."""

    def publish(self, event: DownloadEvent) -> None:
        """Send an event without waiting, as the engine does.

        Log errors of `emit`, because they must not stop a transfer.
        """
        sending = self._sending = self._sending or set()
        task = asyncio.get_running_loop().create_task(self._emit(event))
        sending.add(task)
        task.add_done_callback(sending.discard)

    def has_listeners(self, event_type: EventType) -> bool:
        """Return False if no handler receives events of this type, so that none are made."""
        return True

    async def drain(self) -> None:
        """Wait until all published events are handled."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def _emit(self, event: DownloadEvent) -> None:
        try:
            emitted: Any = self.emit(event.event_type, event)
            if inspect.isawaitable(emitted):  # else a plain function, which has run
                await emitted
        except CALLBACK_ERRORS:
            if is_cancelled():
                raise
            _log.exception("emitter %r failed", self)


class ForeignEmitter(BaseEmitter):
    """Emitter of a user that has `on`, `off` and `emit` but another base class."""

    def __init__(self, emitter: Any) -> None:
        self._emitter = emitter

    def on(self, event_type: EventType, handler: EventHandler) -> None:
        self._emitter.on(event_type, handler)

    def off(self, event_type: EventType, handler: EventHandler) -> None:
        self._emitter.off(event_type, handler)

    async def emit(self, event_type: EventType, event_data: Any) -> None:
        emitted = self._emitter.emit(event_type, event_data)
        if inspect.isawaitable(emitted):
            await emitted


def publish_safely(emitter: BaseEmitter, event: DownloadEvent) -> None:
    """Send an event. Log errors of the emitter, because they must not stop a transfer."""
    try:
        emitter.publish(event)
    except CALLBACK_ERRORS:
        _log.exception("emitter %r failed", emitter)


def is_cancelled() -> bool:
    """Return True if the current task has been cancelled.

    Otherwise a CancelledError comes from something that the task awaits.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
