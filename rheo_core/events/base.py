"""The emitter interface and the types of its handlers."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from .models import DownloadEvent, EventHandler, EventType


class BaseEmitter(ABC):
    """Carries events from the engine to handlers."""

    def __init__(self) -> None:
        self._sending: set[asyncio.Task[None]] = set()

    @abstractmethod
    def on(self, event_type: EventType, handler: EventHandler) -> None:
        """Call `handler` with each event of this type; `"*"` means every type."""

    @abstractmethod
    def off(self, event_type: EventType, handler: EventHandler) -> None:
        """Undo `on`; unknown handlers are no error."""

    @abstractmethod
    async def emit(self, event_type: EventType, event_data: Any) -> None:
        """Send and wait until the handlers have run."""

    def publish(self, event: DownloadEvent) -> None:
        """Send without waiting: what the engine calls."""
        task = asyncio.get_running_loop().create_task(self.emit(event.event_type, event))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def has_listeners(self, event_type: EventType) -> bool:
        """Whether anybody would see an event of this type."""
        return True

    async def drain(self) -> None:
        """Wait until everything published has been handled."""
        while self._sending:
            await asyncio.wait(self._sending)
