"""FleetHeader: show the progress of a fleet run.

`rheo_tui/fleet_summary.py` writes its lines.
"""

from rheo_core.domain.fleet_view import FleetView
from rheo_tui.fleet_summary import FleetSummary, fleet_lines
from rheo_tui.summary import Span

from .header_lines import HeaderLines


class FleetHeader(HeaderLines):
    """Shows two lines, or one on a low screen.

    Args:
        out: the output folder, printable.
    """

    def __init__(self, out: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown = FleetSummary(out)

    def show(self, view: FleetView) -> None:
        """Show the numbers of a run."""
        self._shown = FleetSummary(self._shown.out, view)
        self.refresh()

    def lines(self) -> list[list[Span]]:
        """Return the lines that fit."""
        return fleet_lines(self._shown, *self.size)
