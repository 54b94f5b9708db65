"""Toasts: show short messages in a corner of the screen, one at a time."""

import time

from textual.app import App

from rheo_core.domain.text import printable


class Toasts:
    """Shows the latest toast; a held key does not fill the screen with the same one."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._last, self._at = "", 0.0

    def show(self, text: str, error: bool = False) -> None:
        """Show `text` instead of earlier toasts."""
        now = time.monotonic()
        if text == self._last and now - self._at < self._app.NOTIFICATION_TIMEOUT:
            return
        self._last, self._at = text, now
        self._app.clear_notifications()
        severity = "error" if error else "information"
        self._app.notify(printable(text), severity=severity, markup=False)  # type: ignore[arg-type]
