"""Subscription: the handle that `DownloadManager.on` returns."""

from .base import BaseEmitter
from .models import EventHandler, EventType


class Subscription:
    """Registration of a handler for one type of event."""

    def __init__(self, emitter: BaseEmitter, event_type: EventType, handler: EventHandler) -> None:
        self._emitter = emitter
        self._event_type = event_type
        self._handler = handler
        self._active = True

    def unsubscribe(self) -> None:
        """Stop sending events to the handler. Further calls have no effect."""
        if self._active:
            self._active = False
            self._emitter.off(self._event_type, self._handler)

    @property
    def is_active(self) -> bool:
        """True until `unsubscribe` is called."""
        return self._active
