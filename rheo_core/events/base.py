"""BaseEmitter: interface of emitters."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from .models import DownloadEvent, EventHandler, EventType


class BaseEmitter(ABC):
    """Interface of emitters, which pass events of the engine to handlers."""

    def __init__(self) -> None:
        self._sending: set[asyncio.Task[None]] = set()

    @abstractmethod
    def on(self, event_type: EventType, handler: EventHandler) -> None:
        """Call `handler` with each event of this type; `"*"` means every type."""

    @abstractmethod
    def off(self, event_type: EventType, handler: EventHandler) -> None:
        """Undo `on`. Unknown handlers are ignored."""

    @abstractmethod
    async def emit(self, event_type: EventType, event_data: Any) -> None:
        """Send an event and wait until its handlers have run."""

    def publish(self, event: DownloadEvent) -> None:
        """Send an event without waiting, as the engine does."""
        task = asyncio.get_running_loop().create_task(self.emit(event.event_type, event))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def has_listeners(self, event_type: EventType) -> bool:
        """Return False if no handler receives events of this type, so that none need be made."""
        return True

    async def drain(self) -> None:
        """Wait until all published events are handled."""
        while self._sending:
            await asyncio.wait(self._sending)
