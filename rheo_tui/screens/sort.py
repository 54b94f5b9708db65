"""Choose the column that rows are sorted by."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from rheo_tui.columns import SORTABLE, Column
from rheo_tui.table_model import Sort


class SortScreen(ModalScreen[Column | None]):
    """Gives the column chosen; the one in force again means the other way round."""

    BINDINGS: ClassVar = [("escape", "dismiss", "Close"), ("s", "next", "Next")]

    def __init__(self, sort: Sort) -> None:
        super().__init__()
        self._sort = sort

    def compose(self) -> ComposeResult:
        """The columns, the present one marked with its direction."""
        arrow = "▼" if self._sort.descending else "▲"
        with Vertical(classes="dialog dialog-list") as dialog:
            dialog.border_title = "Sort by"
            yield OptionList(
                *(
                    Option(f"{arrow if column is self._sort.column else ' '} {_title(column)}")
                    for column in SORTABLE
                ),
                compact=True,
            )
            yield Static("Enter · Esc", classes="dialog-keys")

    def on_mount(self) -> None:
        """Begin at the present column."""
        self.query_one(OptionList).highlighted = SORTABLE.index(self._sort.column)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Close with the choice."""
        self.dismiss(SORTABLE[event.option_index])

    def action_next(self) -> None:
        """The key that opened this goes down the list."""
        self.query_one(OptionList).action_cursor_down()


def _title(column: Column) -> str:
    return column.long_title or column.title
