"""HelpScreen: all actions with their keys, from the registry, and a search in them."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rheo_core.domain.text import printable
from rheo_tui.actions import ACTIONS, Action, key_names
from rheo_tui.themes import colour_of
from rheo_tui.widgets.line_input import PlainInput

_INTRO = (
    "Keys act on the marked downloads, or on the current one if none is marked. "
    "Paste links anywhere to add them."
)
_COLUMN_WIDTH = 37
_KEY_WIDTH = 10


class HelpScreen(ModalScreen[None]):
    """Shows the keys in as many columns as fit; typing searches titles and explanations.

    Args:
        keymap: the user's keys.
        actions: the actions of the screen below.
        intro: one sentence on them.
    """

    BINDINGS: ClassVar = [("escape", "leave", "Close")]

    def __init__(
        self,
        keymap: Mapping[str, str],
        actions: Sequence[Action] = ACTIONS,
        intro: str = _INTRO,
    ) -> None:
        super().__init__()
        self._keymap = keymap
        self._actions = actions
        self._intro = intro

    def compose(self) -> ComposeResult:
        """Create the search and the keys."""
        with Vertical(classes="dialog dialog-full") as dialog:
            dialog.border_title = "Help"
            yield PlainInput(placeholder="type to search", id="help-search", compact=True)
            yield Static(self._intro, classes="help-intro", markup=False)
            with VerticalScroll(can_focus=False):
                yield Static(id="help-keys", markup=False)
            yield Static("↑↓ scroll · Esc close", classes="dialog-keys")

    def on_resize(self) -> None:
        """Fit the columns to the new width."""
        self._show()

    @on(Input.Changed)
    def _searched(self, event: Input.Changed) -> None:
        if event.value.endswith("?"):  # the key that opened this screen closes it
            self.dismiss()
        else:
            self._show()

    def on_key(self, event: events.Key) -> None:
        """Scroll while the search has the focus."""
        scroll = self.query_one(VerticalScroll)
        moves = {
            "up": scroll.scroll_up,
            "down": scroll.scroll_down,
            "pageup": scroll.scroll_page_up,
            "pagedown": scroll.scroll_page_down,
        }
        if event.key in moves:
            event.stop()
            moves[event.key](animate=False)

    def action_leave(self) -> None:
        """Clear the search, or close."""
        search = self.query_one(Input)
        if search.value:
            search.value = ""
        else:
            self.dismiss()

    def _show(self) -> None:
        words = self.query_one(Input).value.lower().split()
        shown = self.query_one("#help-keys", Static)
        if words:
            shown.update(self._found(words))
        else:
            width = self.query_one(VerticalScroll).scrollable_content_region.width
            shown.update(self._columns(max(1, width // _COLUMN_WIDTH)))

    def _found(self, words: Sequence[str]) -> Table | Text:
        """Return the matching actions with their explanations."""
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=_KEY_WIDTH, no_wrap=True)
        table.add_column(width=_COLUMN_WIDTH - _KEY_WIDTH, no_wrap=True)
        table.add_column(ratio=1)
        for action in self._actions:
            text = f"{action.group} {action.title} {action.help}".lower()
            if all(word in text for word in words):
                title = Text(action.title)
                table.add_row(self._keys(action), title, Text(action.help, style="dim"))
        if not table.row_count:
            return Text(f"No action contains “{printable(' '.join(words))}”.")
        return table

    def _columns(self, count: int) -> Table:
        """Return all actions in `count` columns of about the same length; a group stays whole."""
        groups = [
            self._group(group) for group in dict.fromkeys(each.group for each in self._actions)
        ]
        longest = sum(map(len, groups)) / count
        columns: list[list[Text]] = [[]]
        for lines in groups:
            is_full = columns[-1] and len(columns[-1]) + len(lines) / 2 > longest
            if is_full and len(columns) < count:
                columns.append([])
            columns[-1] += lines
        table = Table.grid(padding=(0, 1), expand=True)
        for _ in columns:
            table.add_column(ratio=1, no_wrap=True)
        table.add_row(*(Text("\n").join(lines) for lines in columns))
        return table

    def _group(self, group: str) -> list[Text]:
        title = Text(group, f"bold {colour_of(self.app.theme_variables, 'primary')}")
        actions = [each for each in self._actions if each.group == group]
        lines = [Text.assemble(self._keys(action), " ", action.title) for action in actions]
        return [title, *lines, Text("")]

    def _keys(self, action: Action) -> Text:
        keys = " ".join(key_names(action, self._keymap))
        return Text(keys.ljust(_KEY_WIDTH), "bold")
