"""Tabs of the main screen: filters by status, each with a number and a count."""

from collections.abc import Callable
from dataclasses import dataclass

from rheo_core.domain import DownloadSnapshot, DownloadStats, DownloadStatus

_ACTIVE = frozenset(status for status in DownloadStatus if status.is_active)


@dataclass(frozen=True, slots=True)
class Tab:
    """A filter by status; `key` is fixed, even while the tab is hidden."""

    id: str
    key: str
    title: str
    style: str  # of its count, unless it is 0
    statuses: frozenset[DownloadStatus]
    count: Callable[[DownloadStats], int]

    def matches(self, row: DownloadSnapshot) -> bool:
        """Return True if the tab shows `row`."""
        return row.status in self.statuses


ALL = Tab("all", "1", "All", "plain", frozenset(DownloadStatus), lambda stats: stats.total)
TABS = (
    ALL,
    Tab("active", "2", "Active", "active", _ACTIVE, lambda stats: stats.in_progress),
    Tab(
        "queued", "3", "Queued", "plain",
        frozenset({DownloadStatus.QUEUED, DownloadStatus.RETRYING}),
        lambda stats: stats.queued,
    ),
    Tab("failed", "4", "Failed", "failed", frozenset({DownloadStatus.FAILED}),
        lambda stats: stats.failed),
    Tab("paused", "5", "Paused", "paused", frozenset({DownloadStatus.PAUSED}),
        lambda stats: stats.paused),
    Tab(
        "done", "6", "Done", "done",
        frozenset({DownloadStatus.COMPLETED, DownloadStatus.SKIPPED}),
        lambda stats: stats.completed + stats.skipped,
    ),
    Tab("cancelled", "7", "Cancelled", "quiet", frozenset({DownloadStatus.CANCELLED}),
        lambda stats: stats.cancelled),
)  # fmt: skip
BY_ID = {tab.id: tab for tab in TABS}
_FIRST_HIDDEN = ("cancelled", "paused", "done", "queued", "failed", "active", "all")


def tabs_in(width: int, stats: DownloadStats, current: Tab) -> list[tuple[Tab, str]]:
    """Return the tabs that fit into `width` cells, with their counts as texts.

    Empty tabs are left out first, then the less important ones; never the current one.

    Args:
        width: cells for all tabs.
        stats: the counts.
        current: the tab that is open.
    """
    shown = [(tab, f"{tab.count(stats):,}") for tab in TABS]
    for is_empty in (True, False):
        for hidden in _FIRST_HIDDEN:
            if sum(tab_width(tab, count) for tab, count in shown) <= width:
                return shown
            shown = [
                (tab, count)
                for tab, count in shown
                if tab is current or tab.id != hidden or (is_empty and tab.count(stats) > 0)
            ]
    return shown


def tab_width(tab: Tab, count: str) -> int:
    """Return the cells that a tab takes: ` 2 Active 3 ` and a blank after it."""
    return len(f" {tab.key} {tab.title} {count} ") + 1
