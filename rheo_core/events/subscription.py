"""The handle that `DownloadManager.on` returns."""

from .base import BaseEmitter
from .models import EventHandler, EventType


class Subscription:
    """Ends what `on` began."""

    def __init__(self, emitter: BaseEmitter, event_type: EventType, handler: EventHandler) -> None:
        self._emitter = emitter
        self._event_type = event_type
        self._handler = handler
        self._active = True

    def unsubscribe(self) -> None:
        """Send no more events to the handler. Calling it again does nothing."""
        if self._active:
            self._active = False
            self._emitter.off(self._event_type, self._handler)

    @property
    def is_active(self) -> bool:
        """Whether the handler still gets events."""
        return self._active
