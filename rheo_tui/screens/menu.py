"""MenuScreen: choices with keys; those that make no sense now are dim, with the reason."""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from rheo_core.domain.text import printable
from rheo_tui.menus import MenuItem

_MIN_KEY_WIDTH = 5


class MenuScreen(ModalScreen[str | None]):
    """Returns the id of the chosen item, or None.

    Args:
        title: what the menu acts on.
        items: the choices.
    """

    BINDINGS: ClassVar = [("escape", "dismiss", "Close")]

    def __init__(self, title: str, items: Sequence[MenuItem]) -> None:
        super().__init__()
        self._heading = title
        self._items = items
        self._key_width = max(_MIN_KEY_WIDTH, *(cell_len(item.shown_keys) for item in items)) + 1

    def compose(self) -> ComposeResult:
        """Create the list, the first available item selected."""
        with Vertical(classes="dialog dialog-menu") as dialog:
            dialog.border_title = Text(printable(self._heading))
            yield OptionList(*map(self._option, self._items), compact=True)
            yield Static("Enter or key choose · Esc close", classes="dialog-keys")

    def _option(self, item: MenuItem) -> Option:
        keys = set_cell_size(item.shown_keys, self._key_width)
        text = Text(keys, "" if item.reason else "bold", no_wrap=True)
        text.append(item.title)
        if item.reason:
            text.append(f"  {item.reason}", "italic")
        return Option(text, disabled=bool(item.reason))

    def on_mount(self) -> None:
        """Select the first item that is available."""
        first = (at for at, item in enumerate(self._items) if not item.reason)
        self.query_one(OptionList).highlighted = next(first, None)

    def on_key(self, event: events.Key) -> None:
        """Choose the item of a key; a disabled one stays open."""
        names = {event.key, event.character or event.key}
        for item in self._items:
            if names & {key.strip() for key in item.keys.split(",")}:
                event.stop()
                event.prevent_default()
                if not item.reason:
                    self.dismiss(item.id)
                return

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Close with the chosen item."""
        self.dismiss(self._items[event.option_index].id)
