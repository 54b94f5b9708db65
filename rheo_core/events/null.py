"""NullEmitter: discard all events."""

from typing import Any

from .base import BaseEmitter
from .models import DownloadEvent, EventHandler, EventType


class NullEmitter(BaseEmitter):
    """Emitter for an engine without handlers."""

    def on(self, event_type: EventType, handler: EventHandler) -> None:
        """Do nothing."""

    def off(self, event_type: EventType, handler: EventHandler) -> None:
        """Do nothing."""

    async def emit(self, event_type: EventType, event_data: Any) -> None:
        """Do nothing."""

    def publish(self, event: DownloadEvent) -> None:
        """Do nothing."""

    def has_listeners(self, event_type: EventType) -> bool:
        return False
