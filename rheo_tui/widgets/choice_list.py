"""ChoiceList: choose from a list of options, in a terminal of any size."""

from typing import ClassVar

from textual import events, on
from textual.binding import Binding, BindingType
from textual.widgets import OptionList


def has_lines(options: OptionList) -> bool:
    """Return True if a list has been laid out with room for an option.

    Textual's page keys raise KeyError without that: in a terminal of few lines or columns, and
    before the first layout.
    """
    return bool(options._lines)


class ChoiceList(OptionList):
    """An `OptionList` whose page keys do nothing while it has no lines.

    The chosen line stays in sight when the list gets another height.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("home,g", "first", "First", id="first"),
        Binding("end,G", "last", "Last", id="last"),
    ]

    @on(events.Resize)
    def _keep_in_sight(self) -> None:
        """Keep the chosen line in sight; later, because the new height is not yet in use."""
        self.call_after_refresh(self.scroll_to_highlight)

    def action_page_up(self) -> None:
        """Move up by one page."""
        if has_lines(self):
            super().action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        """Move down by one page."""
        if has_lines(self):
            super().action_page_down()  # type: ignore[no-untyped-call]
