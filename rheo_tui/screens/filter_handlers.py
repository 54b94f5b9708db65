"""FilterHandlers: handle the filter bar and the tabs."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from textual.screen import Screen
from textual.timer import Timer

from rheo_core.domain import DownloadStats
from rheo_core.domain.filters import NO_FILTER, FilterError, parse_filter, parse_typed
from rheo_tui.completion import complete_filter
from rheo_tui.services.protocol import DownloadService
from rheo_tui.table_model import TableModel
from rheo_tui.tabs import ALL, TABS, Tab, own_tabs
from rheo_tui.widgets.filter_bar import FilterBar
from rheo_tui.widgets.tab_bar import TabBar
from rheo_tui.widgets.table import DownloadTable

_LONG_LIST = 10_000
"""Number of downloads above which filtering takes longer than a key may wait."""
_TYPING_SECONDS = 0.1


class FilterHandlers:
    """Handles the actions whose owner is `filters`.

    Args:
        screen: the screen with the filter bar, the tabs and the table.
        model: the downloads of the table, with the filter and the open tab.
        service: its settings hold the user's tabs.
        show_context: called when other downloads are shown.
    """

    def __init__(
        self,
        screen: Screen[None],
        model: TableModel,
        service: DownloadService,
        show_context: Callable[[], None],
    ) -> None:
        self._screen = screen
        self._model = model
        self._service = service
        self._show_context = show_context
        self._known_tabs: tuple[tuple[str, str], ...] = ()
        self._stats: DownloadStats | None = None
        self._typing: Timer | None = None  # until the user pauses

    @property
    def tabs(self) -> tuple[Tab, ...]:
        """All tabs: the built-in ones and the user's."""
        return (*TABS, *self._model.own_tabs)

    @property
    def _bar(self) -> FilterBar:
        return self._screen.query_one(FilterBar)

    def recall(self, text: str, tab_id: str) -> None:
        """Show the filter and the tab of the last run."""
        self.take_tabs()
        self._model.tab = next((tab for tab in self.tabs if tab.id == tab_id), ALL)
        with suppress(FilterError):  # of another version
            self._model.filter = parse_filter(text)
            self._bar.show(text)

    def show_tabs(self, stats: DownloadStats | None) -> None:
        """Show the tabs with their counts; None: they are not known yet."""
        self._stats = stats
        if tuple(self._service.settings.tabs.items()) != self._known_tabs:
            self.take_tabs()  # the settings file was read again
        if stats is not None:
            counts = self._model.own_counts()
            own = {tab: counts[tab.id] for tab in self._model.own_tabs}
            self._screen.query_one(TabBar).show(stats, self._model.tab, own)

    def show_count(self) -> None:
        """Show the number of downloads of the tab that match the filter."""
        if not self._bar.display:
            return
        tab, of = self._model.tab, len(self._model.rows)
        if tab in self._model.own_tabs:
            of = self._model.own_counts()[tab.id]
        elif tab is not ALL and self._stats is not None:
            of = tab.count(self._stats)
        self._bar.show_count(self._model.match_count, of)

    def take_tabs(self) -> None:
        """Take the user's tabs from the settings; if the open one is gone, show all downloads."""
        self._known_tabs = tuple(self._service.settings.tabs.items())
        self._model.set_own_tabs(own_tabs(self._service.settings.tabs))
        if self._model.tab not in self.tabs:
            self.open_tab(ALL)

    def open_tab(self, tab: Tab) -> None:
        """Show the downloads of a tab."""
        self._model.tab = tab
        self._refilter()

    def open_kept(self, title: str) -> None:
        """Open a tab of the user instead of the filter; "" opens all downloads."""
        self._bar.show("")
        self._model.filter = NO_FILTER
        self.take_tabs()
        named = (tab for tab in self._model.own_tabs if tab.title == title)
        self.open_tab(next(named, ALL))

    def type(self, text: str) -> None:
        """Filter at once, or in a long list when the user pauses, so that no key has to wait."""
        self._stop_typing()
        if len(self._model.rows) <= _LONG_LIST:
            self._filter_by(text)
            return
        self._bar.show_mistake(parse_typed(text)[1])
        self._typing = self._screen.set_timer(_TYPING_SECONDS, partial(self._filter_by, text))

    def apply(self, text: str) -> None:
        """Filter by a whole text; a mistake in it is shown, and the filter stays."""
        self._stop_typing()
        self._filter_by(text)

    def show_and_apply(self, text: str) -> None:
        """Show a filter in the bar and filter by it; "" hides the bar and shows all downloads."""
        self._bar.show(text)
        self.apply(text)

    def complete(self, text: str) -> str:
        """Return a filter with its likeliest rest, or ""."""
        return complete_filter(text, self._model.rows)

    def do_filter(self) -> None:
        """Open the filter bar."""
        self._bar.open()

    def do_tab(self, key: str) -> None:
        """Show the downloads of the tab on a key."""
        self.open_tab(next(tab for tab in self.tabs if tab.key == key))

    def _stop_typing(self) -> None:
        if self._typing is not None:
            self._typing.stop()

    def _filter_by(self, text: str) -> None:
        condition, mistake = parse_typed(text)
        self._bar.show_mistake(mistake)
        if condition is not None and condition != self._model.filter:
            self._model.filter = condition
            self._refilter()

    def _refilter(self) -> None:
        self._screen.query_one(DownloadTable).refilter()
        self.show_tabs(self._stats)
        self.show_count()
        self._show_context()
