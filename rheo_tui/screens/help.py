"""HelpScreen: all actions with their keys, from the registry."""

from collections.abc import Mapping
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from rheo_tui.actions import ACTIONS, key_names

_INTRO = (
    "Keys act on the marked downloads, or on the current one if none is marked. "
    "Paste links anywhere to add them."
)


class HelpScreen(ModalScreen[None]):
    """Shows a table of keys that scrolls with the arrow keys."""

    BINDINGS: ClassVar = [("escape,question_mark,q,enter", "dismiss", "Close")]

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        """Create one table for each group."""
        with Vertical(classes="dialog dialog-tall") as dialog:
            dialog.border_title = "Help"
            with VerticalScroll():
                yield Static(_INTRO, classes="help-intro", markup=False)
                for group in dict.fromkeys(action.group for action in ACTIONS):
                    yield Static(group, classes="help-group", markup=False)
                    yield Static(self._table(group), markup=False)
            yield Static("Esc close", classes="dialog-keys")

    def _table(self, group: str) -> Table:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=9, no_wrap=True)
        table.add_column(width=30, no_wrap=True)
        table.add_column(ratio=1)
        for action in ACTIONS:
            if action.group == group:
                keys = " ".join(key_names(action, self._keymap))
                table.add_row(
                    Text(keys, "bold"), Text(action.title), Text(action.help, style="dim")
                )
        return table
