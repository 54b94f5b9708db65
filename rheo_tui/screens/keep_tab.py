"""KeepTabScreen: name the tab that keeps a filter."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rheo_core.config.values import MAX_TAB_NAME_LENGTH
from rheo_core.domain.text import printable
from rheo_tui.widgets.keys_line import KeysLine
from rheo_tui.widgets.line_input import PlainInput


class KeepTabScreen(ModalScreen[str | None]):
    """Returns the name, "" to remove the tab that is open, or None.

    Args:
        filter_text: the filter to keep.
        name: name of the tab that is open; "" if it is not the user's.
    """

    BINDINGS: ClassVar = [("escape", "dismiss", "Close")]

    def __init__(self, filter_text: str, name: str) -> None:
        super().__init__()
        self._filter_text = filter_text
        self._name = name

    def compose(self) -> ComposeResult:
        """Create the filter and the input."""
        keys = "Enter save · Esc close"
        with Vertical(classes="dialog dialog-form") as dialog:
            dialog.border_title = "Save filter as a tab"
            yield Static(printable(self._filter_text), id="kept-filter", markup=False)
            yield PlainInput(
                self._name,
                placeholder="Name of the tab",
                max_length=MAX_TAB_NAME_LENGTH,
                id="tab-name",
                compact=True,
            )
            yield KeysLine(f"Empty: remove the tab · {keys}" if self._name else keys)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        name = event.value.strip()
        self.dismiss(name if name or self._name else None)
