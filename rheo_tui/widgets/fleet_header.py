"""FleetHeader: show the progress of a fleet run.

`rheo_tui/fleet_summary.py` writes its lines.
"""

from rich.text import Text
from textual.widget import Widget

from rheo_core.domain.fleet_view import FleetView
from rheo_tui.fleet_summary import FleetSummary, fleet_lines

from .header import SummaryHeader, painted


class FleetHeader(Widget):
    """Shows two lines, or one on a low screen.

    Args:
        out: the output folder, printable.
    """

    COMPONENT_CLASSES = SummaryHeader.COMPONENT_CLASSES

    def __init__(self, out: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown = FleetSummary(out)

    def show(self, view: FleetView) -> None:
        """Show the numbers of a run."""
        self._shown = FleetSummary(self._shown.out, view)
        self.refresh()

    def render(self) -> Text:
        """Render the lines that fit."""
        return painted(self, fleet_lines(self._shown, *self.size))
