"""SortScreen: choose the column to sort by."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets.option_list import Option

from rheo_tui.columns import SORTABLE, Column
from rheo_tui.table_model import Sort
from rheo_tui.widgets.choice_list import ChoiceList
from rheo_tui.widgets.keys_line import KeysLine


class SortScreen(ModalScreen[Column | None]):
    """Returns the chosen column; choosing the current one reverses the order."""

    BINDINGS: ClassVar = [("escape", "dismiss", "Close"), ("s", "next", "Next")]

    def __init__(self, sort: Sort) -> None:
        super().__init__()
        self._sort = sort

    def compose(self) -> ComposeResult:
        """Create the columns; an arrow marks the current one."""
        arrow = "▼" if self._sort.descending else "▲"
        with Vertical(classes="dialog dialog-list") as dialog:
            dialog.border_title = "Sort by"
            yield ChoiceList(
                *(
                    Option(f"{arrow if column is self._sort.column else ' '} {_title(column)}")
                    for column in SORTABLE
                ),
                compact=True,
            )
            yield KeysLine("Enter sort · Esc close")

    def on_mount(self) -> None:
        """Start at the current column."""
        self.query_one(ChoiceList).highlighted = SORTABLE.index(self._sort.column)

    def on_option_list_option_selected(self, event: ChoiceList.OptionSelected) -> None:
        """Close with the chosen column."""
        self.dismiss(SORTABLE[event.option_index])

    def action_next(self) -> None:
        """Move down when the key that opened this screen is pressed again."""
        self.query_one(ChoiceList).action_cursor_down()


def _title(column: Column) -> str:
    return column.long_title or column.title
