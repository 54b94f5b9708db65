"""ChoiceList: choose from a list of options, in a terminal of any size."""

from textual.widgets import OptionList


def has_lines(options: OptionList) -> bool:
    """Return True if a list has been laid out with room for an option.

    Textual's page keys raise KeyError without that: in a terminal of few lines or columns, and
    before the first layout.
    """
    return bool(options._lines)


class ChoiceList(OptionList):
    """An `OptionList` whose page keys do nothing while it has no lines."""

    def action_page_up(self) -> None:
        """Move up by one page."""
        if has_lines(self):
            super().action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        """Move down by one page."""
        if has_lines(self):
            super().action_page_down()  # type: ignore[no-untyped-call]
