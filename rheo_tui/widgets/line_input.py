"""One-line inputs: nothing hidden in them, and no pasted list swallowed."""

from textual import events
from textual.message import Message
from textual.widgets import Input

from rheo_core.domain.text import printable, visible


class PlainInput(Input):
    """An input whose text is safe to show in a terminal. The app cleans what is pasted."""

    def validate_value(self, value: str) -> str:
        """Return `value` on one line without what a terminal would obey."""
        return printable(visible(value))


class LineInput(PlainInput):
    """An input that hands pastes of several lines, or of links, to the app."""

    class Left(Message):
        """Escape was pressed."""

    def on_paste(self, event: events.Paste) -> None:
        """Keep what is one plain line; Textual's own input would drop the other lines."""
        if "://" in event.text or len(event.text.splitlines()) > 1:
            event.prevent_default()

    def on_key(self, event: events.Key) -> None:
        """Escape leaves."""
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self.post_message(self.Left())
