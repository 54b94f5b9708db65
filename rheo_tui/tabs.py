"""Tabs of the main screen: a filter, a number and a count for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from rheo_core.domain import DownloadStats
from rheo_core.domain.filters import Filter, parse_filter


def _no_count(_: DownloadStats) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Tab:
    """A filter with a name; `key` is fixed, even while the tab is hidden.

    Attributes:
        style: style of its count, unless it is 0.
        count: returns its count; tabs of the user are counted by the table.
    """

    id: str
    key: str
    title: str
    style: str
    filter: Filter
    count: Callable[[DownloadStats], int] = _no_count


ALL = Tab("all", "1", "All", "plain", Filter(), lambda stats: stats.total)
TABS = (
    ALL,
    Tab("active", "2", "Active", "active", parse_filter("status:active"),
        lambda stats: stats.in_progress),
    Tab("queued", "3", "Queued", "plain", parse_filter("status:queued,retrying"),
        lambda stats: stats.queued),
    Tab("failed", "4", "Failed", "failed", parse_filter("status:failed"),
        lambda stats: stats.failed),
    Tab("paused", "5", "Paused", "paused", parse_filter("status:paused"),
        lambda stats: stats.paused),
    Tab("done", "6", "Done", "done", parse_filter("status:done,skipped"),
        lambda stats: stats.completed + stats.skipped),
    Tab("cancelled", "7", "Cancelled", "quiet", parse_filter("status:cancelled"),
        lambda stats: stats.cancelled),
)  # fmt: skip
BY_ID = {tab.id: tab for tab in TABS}
OWN_KEYS = "89"
"""Keys of the user's first tabs; a click or `:tab` opens the others."""
MORE = "…"
_FIRST_HIDDEN = ("cancelled", "paused", "done", "queued", "failed", "active", "all")


def own_tabs(filters: Mapping[str, str]) -> tuple[Tab, ...]:
    """Return the tabs of the user from the setting `tabs`: filters by their names."""
    return tuple(
        Tab(f"own {title}", OWN_KEYS[number : number + 1], title, "plain", parse_filter(text))
        for number, (title, text) in enumerate(filters.items())
    )


def tabs_in(
    width: int,
    stats: DownloadStats,
    current: Tab,
    own: Mapping[Tab, int] | None = None,
) -> tuple[list[tuple[Tab, str]], bool]:
    """Return the tabs that fit into `width` cells with a line between them, and if `MORE` follows.

    Each has its count as a text. Empty tabs are omitted first, then the less important ones, but
    never the current one. `MORE` represents tabs that are not empty.

    Args:
        width: cells for all tabs.
        stats: the counts.
        current: the tab that is open.
        own: the tabs of the user, with their counts.
    """
    counts = {tab: tab.count(stats) for tab in TABS} | dict(own or {})
    first_hidden = [tab.id for tab in reversed(list(own or {}))]
    shown = list(counts)
    for is_empty in (True, False):
        for hidden in (*_FIRST_HIDDEN[:1], *first_hidden, *_FIRST_HIDDEN[1:]):
            if _width(shown, counts) <= width:
                break
            shown = [
                tab
                for tab in shown
                if tab == current or tab.id != hidden or (is_empty and counts[tab] > 0)
            ]
    return [(tab, f"{counts[tab]:,}") for tab in shown], _is_cut(shown, counts)


def _is_cut(shown: Sequence[Tab], counts: Mapping[Tab, int]) -> bool:
    return any(count and tab not in shown for tab, count in counts.items())


def _width(shown: Sequence[Tab], counts: Mapping[Tab, int]) -> int:
    cells = [cell_len(tab_text(tab, f"{counts[tab]:,}")) for tab in shown]
    if _is_cut(shown, counts):
        cells.append(cell_len(MORE))
    return sum(cells) + len(cells) - 1


def tab_text(tab: Tab, count: str) -> str:
    """Return the text of a tab: `2 Active 3`; those beyond the last key have no number."""
    return " ".join((tab.key or "·", tab.title, count))
