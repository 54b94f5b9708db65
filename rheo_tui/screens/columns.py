"""ColumnsScreen: show, hide, order and size the columns of the table."""

from collections.abc import Callable
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets.option_list import Option

from rheo_tui.columns import AUTOMATIC, COLUMNS, ColumnChoice, layout
from rheo_tui.widgets.choice_list import ChoiceList
from rheo_tui.widgets.keys_line import KeysLine

_KEYS = "Space show, hide · K J move · ← → size · 0 auto · R reset · Esc close"
_TITLE_WIDTH = 12


class ColumnsScreen(ModalScreen[None]):
    """Passes on each change at once, so that the table behind it shows the effect.

    Args:
        choice: the current choice.
        choose: applies and keeps another choice.
        width: cells of the table.
    """

    BINDINGS: ClassVar = [
        ("escape,q,vertical_line", "dismiss", "Close"),
        ("space", "choose", "Show or hide"),
        ("K,shift+up", "move(-1)", "Move up"),
        ("J,shift+down", "move(1)", "Move down"),
        ("left,minus", "size(-1)", "Narrower"),
        ("right,plus", "size(1)", "Wider"),
        ("0", "automatic", "Automatic size"),
        ("R", "reset", "Reset"),
        ("k", "cursor(-1)", "Up"),
        ("j", "cursor(1)", "Down"),
    ]

    def __init__(
        self, choice: ColumnChoice, choose: Callable[[ColumnChoice], None], width: int
    ) -> None:
        super().__init__()
        self._choice = choice
        self._apply = choose
        self._width = width

    def compose(self) -> ComposeResult:
        """Create the list and the keys."""
        with Vertical(classes="dialog dialog-columns") as dialog:
            dialog.border_title = "Columns"
            yield ChoiceList(compact=True, markup=False)
            yield KeysLine(_KEYS)

    def on_mount(self) -> None:
        """Show the current choice."""
        self._show(0)

    @property
    def _list(self) -> ChoiceList:
        return self.query_one(ChoiceList)

    @property
    def _current(self) -> str:
        return self._choice.ids[self._list.highlighted or 0]

    def _show(self, at: int) -> None:
        self._list.set_options(Option(self._text_of(each)) for each in self._choice.ids)
        self._list.highlighted = at

    def _text_of(self, column_id: str) -> str:
        column, width = COLUMNS[column_id], self._choice.width(column_id)
        condition = self._condition(column_id)
        sign = "·" if condition else "✓" if self._choice.shows(column_id) else " "
        size = "" if width is None else f"{width} cells"
        if column_id == "name":
            size = "remaining width"
        facts = ", ".join(filter(None, (size, condition)))
        return f"{sign} {column.long_title or column.title:<{_TITLE_WIDTH}}{facts}"

    def _condition(self, column_id: str) -> str:
        """Return why a column that the user wants may be missing, in words."""
        shown = layout(self._width, with_priority=True, choice=self._choice).ids
        if self._choice.shows(column_id) and column_id not in shown:
            return "no room now"
        return self._choice.condition(column_id)

    def _change(self, choice: ColumnChoice, by: int = 0) -> None:
        at = max(0, min((self._list.highlighted or 0) + by, len(choice.ids) - 1))
        self._choice = choice
        self._show(at)
        self._apply(choice)

    @on(ChoiceList.OptionSelected)
    def action_choose(self) -> None:
        """Show or hide the current column."""
        self._change(self._choice.toggled(self._current))

    def action_move(self, by: int) -> None:
        """Move the current column."""
        self._change(self._choice.moved(self._current, by), by)

    def action_size(self, by: int) -> None:
        """Make the current column wider or narrower."""
        width = self._choice.width(self._current) or COLUMNS[self._current].width
        self._change(self._choice.sized(self._current, width + by))

    def action_automatic(self) -> None:
        """Let the screen decide about the width of the current column."""
        self._change(self._choice.sized(self._current, None))

    def action_reset(self) -> None:
        """Let the screen decide about all columns."""
        self._change(AUTOMATIC)

    def action_cursor(self, by: int) -> None:
        """Move the cursor."""
        self._list.action_cursor_down() if by > 0 else self._list.action_cursor_up()

    def on_paste(self, event: events.Paste) -> None:
        """Stop pastes, because they choose nothing."""
        event.stop()
