"""HelpScreen: show and search the keys of the current dialog and of all actions."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain, combinations_with_replacement, pairwise
from typing import Any, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static

from rheo_core.domain.text import printable
from rheo_tui.actions import (
    ACTIONS,
    BY_ID,
    FAMILIES,
    Action,
    family_keys,
    key_name,
    key_names,
)
from rheo_tui.key_choices import keys_of
from rheo_tui.themes import colour_of
from rheo_tui.widgets.keys_line import KeysLine
from rheo_tui.widgets.search_input import OpenSearch

_INTRO = (
    "Keys act on the marked downloads shown, or else on the current one. "
    "Paste links anywhere to add them."
)
_COLUMN_WIDTH = 34  # at least
_KEY_WIDTH = 12  # so that two columns fit in 80 cells
_FOUND_KEY_WIDTH = 13
_FOUND_WIDTH = 26  # of titles next to their explanations
_HERE = "In this dialog"
_MORE = " ↓ more · PgDn "

Line = tuple[str, str]
"""Keys and title; a title of a group has no keys."""


class HelpScreen(ModalScreen[None]):
    """Shows the keys in as many columns as fit; typing searches titles and explanations.

    Args:
        below: the screen or dialog that is open; the keys of a dialog come first.
        keymap: the user's keys.
        actions: the actions of the main screen.
        intro: one sentence about them.
    """

    BINDINGS: ClassVar = [("escape", "leave", "Close")]

    def __init__(
        self,
        below: Screen[Any],
        keymap: Mapping[str, str],
        actions: Sequence[Action] = ACTIONS,
        intro: str = _INTRO,
    ) -> None:
        super().__init__()
        self._dialog = dialog_lines(below) if below.is_modal else []
        self._keymap = keymap
        self._actions = actions
        self._intro = intro

    def compose(self) -> ComposeResult:
        """Create the search and the keys."""
        with Vertical(classes="dialog dialog-full") as dialog:
            dialog.border_title = "Help"
            yield OpenSearch(id="help-search")
            yield Static(self._intro, classes="help-intro", markup=False)
            with VerticalScroll(can_focus=False):
                yield Static(id="help-keys", markup=False)
            yield KeysLine("↑↓ PgUp PgDn scroll · Esc close")

    def on_mount(self) -> None:
        """Show whether there is more below."""
        scroll = self.query_one(VerticalScroll)
        for name in ("scroll_y", "virtual_size"):
            self.watch(scroll, name, self._show_more)

    def on_resize(self) -> None:
        """Fit the columns to the new width."""
        self._show()
        self.call_after_refresh(self._show_more)

    def _show_more(self) -> None:
        scroll = self.query_one(VerticalScroll)
        is_more = scroll.scroll_target_y < scroll.max_scroll_y
        self.query_one(".dialog", Vertical).border_subtitle = _MORE if is_more else ""

    @on(Input.Changed)
    def _searched(self, event: Input.Changed) -> None:
        if event.value.endswith("?"):  # the key that opened this screen closes it
            self.dismiss()
        else:
            self._show()

    def on_key(self, event: events.Key) -> None:
        """Close with a key that opens the help; scroll while the search has the focus."""
        if event.key in keys_of(BY_ID["help"], self._keymap):
            event.stop()
            self.dismiss()
            return
        scroll = self.query_one(VerticalScroll)
        moves = {
            "up": scroll.scroll_up,
            "down": scroll.scroll_down,
            "pageup": scroll.scroll_page_up,
            "pagedown": scroll.scroll_page_down,
            "home": scroll.scroll_home,
            "end": scroll.scroll_end,
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
            shown.update(self._search_results(words))
        else:
            width = self.query_one(VerticalScroll).scrollable_content_region.width
            shown.update(self._columns(width))

    def _search_results(self, words: Sequence[str]) -> Table | Text:
        """Return the matching actions with their explanations."""
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=_FOUND_KEY_WIDTH, no_wrap=True)
        table.add_column(width=_FOUND_WIDTH, no_wrap=True)
        table.add_column(ratio=1)
        for keys, title in self._dialog:
            if all(word in title.lower() for word in words):
                table.add_row(Text(keys, "bold"), Text(title), Text(_HERE, style="dim"))
        for action in self._actions:
            text = f"{action.group} {action.title} {action.help}".lower()
            if all(word in text for word in words):
                names = " ".join(key_names(action, self._keymap))
                table.add_row(
                    Text(names, "bold"), Text(action.title), Text(action.help, style="dim")
                )
        if not table.row_count:
            return Text(f"No action contains “{printable(' '.join(words))}”.")
        return table

    def _columns(self, width: int) -> Table:
        """Return all actions in columns of about the same length; a group stays whole.

        There are as many columns as fit in `width` cells.
        """
        names = dict.fromkeys(each.group for each in self._actions)
        groups = [self._group(name) for name in names]
        if self._dialog:
            groups.insert(0, [("", _HERE), *self._dialog, ("", "")])
        for count in range(max(1, width // _COLUMN_WIDTH), 0, -1):
            parts = [list(chain.from_iterable(part)) for part in _divided(groups, count)]
            columns = [self._column(part[:-1]) for part in parts]
            widths = [max(map(cell_len, column.plain.splitlines())) for column in columns]
            if sum(widths) + len(widths) - 1 <= width:
                break
        table = Table.grid(padding=(0, 1), expand=True)
        for _ in columns:
            table.add_column(no_wrap=True)
        table.add_row(*columns)
        return table

    def _group(self, group: str) -> list[Line]:
        lines: dict[str, list[Action]] = {}
        for action in self._actions:
            if action.group == group:
                family = (title for title, ids in FAMILIES.items() if action.id in ids)
                lines.setdefault(next(family, action.title), []).append(action)
        rows = [
            (family_keys(actions, self._keymap, _KEY_WIDTH), title)
            for title, actions in lines.items()
        ]
        return [("", group), *rows, ("", "")]

    def _column(self, lines: Sequence[Line]) -> Text:
        heading = f"bold {colour_of(self.app.theme_variables, 'primary')}"
        width = max(cell_len(keys) for keys, _ in lines)
        return Text("\n").join(
            Text.assemble((set_cell_size(keys, width), "bold"), " ", title)
            if keys
            else Text(title, heading)
            for keys, title in lines
        )


def dialog_lines(dialog: Screen[Any]) -> list[Line]:
    """Return the keys of a dialog with their effects: those that it shows, then all others.

    This omits keys of lists and text inputs that Textual hides.
    """
    lines_shown = (each.lines for each in dialog.query(KeysLine) if each.display)
    shown = [(keys, title) for keys, title in chain.from_iterable(lines_shown) if keys and title]
    named = {key for keys, _ in shown for key in keys.split()}
    lines = {title.lower(): (keys, title) for keys, title in shown}
    for key, active in dialog.active_bindings.items():
        binding, name = active.binding, key_name(key)
        if dialog.focused and len(name) == 1 and dialog.focused.check_consume_key(key, name):
            continue  # typed into a text input
        if name not in named and (binding.show or binding.id):
            title = binding.description
            keys, title = lines.get(title.lower(), ("", title))
            lines[title.lower()] = f"{keys} {name}".strip(), title
    return [(keys, title[:1].upper() + title[1:]) for keys, title in lines.values()]


def _divided(groups: Sequence[list[Line]], count: int) -> list[Sequence[list[Line]]]:
    """Divide groups into at most `count` columns, so that the longest is as short as possible."""
    lengths = [0, *accumulate(map(len, groups))]
    cuts = min(
        combinations_with_replacement(range(1, len(groups)), count - 1),
        key=lambda cuts: max(
            lengths[end] - lengths[start] for start, end in pairwise((0, *cuts, len(groups)))
        ),
    )
    return [groups[start:end] for start, end in pairwise((0, *cuts, len(groups))) if start < end]
