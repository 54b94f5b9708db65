"""ClosedBar: show the mistake in the settings that prevents downloads."""

from textual.widgets import Static

from rheo_core.domain import Snapshot
from rheo_core.domain.text import printable
from rheo_tui.formatting import with_tilde

_RELOAD = "Correct it, then enter :reload"
_RESTART = "Correct it, then start rheo-tui again"  # a process cannot re-read its environment


class ClosedBar(Static):
    """A bar, hidden unless downloads wait for a correction of the settings."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self._shown: tuple[tuple[str, ...], bool] = ((), False)

    def apply(self, snapshot: Snapshot) -> None:
        """Show the first reason in the snapshot and the number of further ones."""
        now = (snapshot.closed_by, snapshot.is_closed)
        if now == self._shown:
            return
        self._shown = now
        self.display = bool(snapshot.closed_by)
        if snapshot.closed_by:
            first, *more = snapshot.closed_by
            what = "No download starts" if snapshot.is_closed else "Some downloads wait"
            others = f" ({len(more)} more, see the log.)" if more else ""
            reason = with_tilde(printable(first))
            to_do = _RESTART if first.startswith("Environment:") else _RELOAD
            self.update(f"{what}: {reason}{others} {to_do}")
