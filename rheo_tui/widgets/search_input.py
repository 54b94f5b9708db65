"""Searches above a list: one to go to, and one that has the focus from the beginning."""

from textual import events, on
from textual.widget import Widget
from textual.widgets import Input

from .line_input import LineInput, ShortInput


class SearchInput(LineInput):
    """An input for a search: Enter and the down key go to the list, Esc clears the search too.

    Args:
        placeholder: shown while the input is empty.
        results: type of the list on the same screen.
    """

    def __init__(self, placeholder: str, results: type[Widget]) -> None:
        super().__init__(placeholder=placeholder, id="search", compact=True)
        self._results = results

    @on(Input.Submitted)
    def _to_results(self) -> None:
        self.screen.query_one(self._results).focus()

    def on_key(self, event: events.Key) -> None:
        """Go to the list with the down key or Esc."""
        if event.key not in ("down", "escape"):
            return
        event.stop()
        event.prevent_default()  # `LineInput` would post `Left`
        if event.key == "escape":
            self.value = ""
        self._to_results()


class OpenSearch(ShortInput):
    """A search into which the user types at once; its screen moves the list."""

    def __init__(self, *, id: str) -> None:
        super().__init__(placeholder="type to search", id=id, compact=True)

    def on_key(self, event: events.Key) -> None:
        """Ignore a slash at the beginning, because it is the key that begins other searches."""
        if event.character == "/" and not self.value:
            event.stop()
            event.prevent_default()
