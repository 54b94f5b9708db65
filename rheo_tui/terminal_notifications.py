"""TerminalNotifier: notify through the terminal when its window is in the background.

`rheo_core/downloads/desktop_notifications.py` notifies the desktop.
"""

from textual.dom import DOMNode
from textual.timer import Timer

from rheo_core.config.settings import Notify
from rheo_core.events import DownloadEvent
from rheo_core.events.notifications import EndedDownloads, terminal_sequence

from .services.protocol import DownloadService

_GATHER_SECONDS = 1.0
"""Downloads that end within this time share a notification."""


class TerminalNotifier:
    """Notifies the user of ended downloads, if the settings ask for it.

    Args:
        screen: a screen of the app whose terminal is used.
        service: the service whose settings apply.
    """

    def __init__(self, screen: DOMNode, service: DownloadService) -> None:
        self._screen = screen
        self._service = service
        self._ended = EndedDownloads()
        self._timer: Timer | None = None

    def add(self, event: DownloadEvent) -> None:
        """Notify soon, if the event is the end of a download."""
        if self._service.settings.notify is not Notify.TERMINAL or not self._ended.add(event):
            return
        if self._timer is None:
            self._timer = self._screen.set_timer(_GATHER_SECONDS, self._notify)

    def _notify(self) -> None:
        self._timer = None
        driver = self._screen.app._driver  # as App.bell and App.copy_to_clipboard do
        if driver is not None:
            driver.write(terminal_sequence(self._ended.take()))
            driver.flush()
