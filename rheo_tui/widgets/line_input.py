"""Single-line inputs that hide control characters and pass pasted lists to the app."""

import asyncio
from collections.abc import Callable

from textual import events
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from rheo_core.domain.text import printable, visible


class PlainInput(Input):
    """An input whose text is safe to show in a terminal. The app cleans pasted text."""

    def validate_value(self, value: str) -> str:
        """Return `value` on one line, without control characters."""
        return printable(visible(value))


class Completer(Suggester):
    """Suggests the result of a function; the rest is dim after the cursor."""

    def __init__(self, complete: Callable[[str], str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        """Return `value` with its likeliest rest, or None."""
        return self.complete(value) or None


class SlowCompleter(Suggester):
    """Suggests the result of a function that reads the disk, and so runs in a thread."""

    def __init__(self, complete: Callable[[str], str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        """Return `value` with its likeliest rest, or None."""
        return await asyncio.to_thread(self._complete, value) or None


class LineInput(PlainInput):
    """An input that passes pastes of several lines or of URLs to the app."""

    class Left(Message):
        """The user pressed Esc."""

    def take_suggestion(self) -> None:
        """Accept the suggestion for the current text, which may not be shown yet."""
        if isinstance(self.suggester, Completer) and self.cursor_at_end:
            self.value = self.suggester.complete(self.value) or self.value
            self.cursor_position = len(self.value)

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
