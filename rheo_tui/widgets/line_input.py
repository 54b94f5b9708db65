"""One-line inputs that show no control characters and pass pasted lists to the app."""

from textual import events
from textual.message import Message
from textual.widgets import Input

from rheo_core.domain.text import printable, visible


class PlainInput(Input):
    """An input whose text is safe to show in a terminal. The app cleans pasted text."""

    def validate_value(self, value: str) -> str:
        """Return `value` on one line, without control characters."""
        return printable(visible(value))


class LineInput(PlainInput):
    """An input that passes pastes of several lines or of URLs to the app."""

    class Left(Message):
        """The user pressed Esc."""

    def on_paste(self, event: events.Paste) -> None:
        """Insert a paste of one plain line; Textual's input would drop further lines."""
        if "://" in event.text or len(event.text.splitlines()) > 1:
            event.prevent_default()

    def on_key(self, event: events.Key) -> None:
        """Post `Left` on Esc."""
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self.post_message(self.Left())
