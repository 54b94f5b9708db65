"""MenuScreen: show a menu; disabled items are dim and give the reason."""

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets.option_list import Option

from rheo_core.domain.text import printable
from rheo_tui.formatting import sentence
from rheo_tui.menus import MenuItem
from rheo_tui.widgets.choice_list import ChoiceList
from rheo_tui.widgets.keys_line import KeysLine

_MIN_KEY_WIDTH = 5
_USUAL_WIDTH = 72  # of an item, until the size of the dialog is known
_DIGITS = frozenset("123456789")
_KEYS = "Enter choose · Esc close"


class MenuScreen(ModalScreen[str | None]):
    """Returns the id of the chosen item, perhaps with the digit that chose it; or None.

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
        """Create the list."""
        with Vertical(classes="dialog dialog-menu") as dialog:
            dialog.border_title = Text(printable(self._heading))
            yield ChoiceList(*(self._option(item) for item in self._items), compact=True)
            yield KeysLine(_KEYS)

    def _option(self, item: MenuItem, width: int = _USUAL_WIDTH) -> Option:
        """Return an item; a reason that is too long for its line follows on separate lines."""
        keys = set_cell_size(item.shown_keys, self._key_width)
        text = Text(keys, "" if item.reason else "bold", no_wrap=True)
        text.append(item.title)
        if item.reason:
            gap, reason = "  ", item.reason
            if text.cell_len + len(gap + reason) > width:
                indent = " " * self._key_width
                gap = "\n"
                reason = textwrap.fill(
                    reason, width, initial_indent=indent, subsequent_indent=indent
                )
            text.append(gap + reason, "italic")
        return Option(text, disabled=bool(item.reason))

    def on_mount(self) -> None:
        """Select the item of the present state, or the first one that is available."""
        present = (at for at, item in enumerate(self._items) if item.is_present)
        first = (at for at, item in enumerate(self._items) if not item.reason)
        self.query_one(ChoiceList).highlighted = next(present, next(first, None))

    def on_resize(self) -> None:
        """Fit the reasons to the new width."""
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        menu = self.query_one(ChoiceList)
        width, highlighted = menu.scrollable_content_region.width, menu.highlighted
        if width and any(item.reason for item in self._items):
            menu.set_options(self._option(item, width) for item in self._items)
            menu.highlighted = highlighted

    def on_key(self, event: events.Key) -> None:
        """Choose the item of a key; a disabled one stays open."""
        names = {event.key, event.character or event.key}
        for item in self._items:
            digit = event.key if item.takes_digits and event.key in _DIGITS else ""
            if digit or names & {key.strip() for key in item.keys.split(",")}:
                event.stop()
                event.prevent_default()
                if item.reason:
                    self.query_one(KeysLine).show(sentence(item.reason))
                else:
                    self.dismiss(item.id + digit)
                return

    def on_option_list_option_selected(self, event: ChoiceList.OptionSelected) -> None:
        """Close with the chosen item."""
        self.dismiss(self._items[event.option_index].id)
