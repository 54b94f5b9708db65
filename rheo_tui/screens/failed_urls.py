"""FailedUrlsScreen: show the failed URLs of a shard with their reasons, page by page."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rheo_core.domain.fleet_view import FailedEntry, ShardRow
from rheo_core.domain.text import printable
from rheo_tui.actions import bindings, key_names
from rheo_tui.fleet_actions import FAILED_URL_ACTIONS
from rheo_tui.formatting import fit, fit_middle
from rheo_tui.services.fleet import PAGE_SIZE, FailedPages, FleetError, FleetService
from rheo_tui.widgets.cursor_view import CursorView
from rheo_tui.widgets.keys_line import KeysLine
from rheo_tui.widgets.search_input import SearchInput
from rheo_tui.widgets.shard_table import shard_text

_SEARCH_DELAY_SECONDS = 0.12
_KIND_WIDTH = 12
_WIDE = 100
_URL_SHARE = 0.6
_WORDS = {"copy": "copy", "filter": "filter", "clear": "close"}
"""Words on the keys, by their actions."""


class FailedUrls(CursorView[FailedEntry]):
    """Shows failed entries: kind, URL and, on a wide screen, the reason."""

    COMPONENT_CLASSES: ClassVar = {"failed-urls--kind", "failed-urls--quiet"}

    @dataclass
    class NearEnd(Message):
        """Less than one screen of loaded entries is left below."""

        def can_replace(self, message: Message) -> bool:
            """Return True for another message of this kind."""
            return isinstance(message, FailedUrls.NearEnd)

    def show(self, items: Sequence[FailedEntry], *, to_end: bool = False) -> None:
        """Replace all lines, and ask for more if they are few."""
        super().show(items, to_end=to_end)
        self._look_ahead()

    def watch_cursor(self) -> None:
        """Ask for more before the cursor reaches the last line."""
        super().watch_cursor()
        self._look_ahead()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for more before the last line is in sight."""
        super().watch_scroll_y(old_value, new_value)
        self._look_ahead()

    def _look_ahead(self) -> None:
        screen = max(self.size.height, 1)
        last = max(self.cursor, self.scroll_offset.y + screen)
        if last >= len(self._items) - screen:
            self.post_message(self.NearEnd())

    def text_of(self, item: FailedEntry) -> Text:
        """Return kind, URL and reason."""
        width = max(self.scrollable_content_region.width - 1, 20)
        get = self.get_component_rich_style
        kind = fit(printable(item.kind), _KIND_WIDTH)
        text = Text.assemble(" ", (kind, get("failed-urls--kind", partial=True)), " ", no_wrap=True)
        rest = width - _KIND_WIDTH - 2
        url = int(rest * _URL_SHARE) if width >= _WIDE else rest
        text.append(fit_middle(printable(item.url), url))
        if url < rest:
            reason = fit(printable(item.error), rest - url - 2)
            text.append(f"  {reason}", get("failed-urls--quiet", partial=True))
        return text


class FailedUrlsScreen(ModalScreen[None]):
    """Lists the failed URLs of a shard; reads more near the end of those shown.

    Args:
        service: reads them.
        row: the shard.
        keymap: the user's keys.
    """

    AUTO_FOCUS = "FailedUrls"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(FAILED_URL_ACTIONS),
        ("q", "dismiss", "Close"),
    ]

    def __init__(self, service: FleetService, row: ShardRow, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._service = service
        self._row = row
        self._keymap = keymap
        self._pages: FailedPages | None = None
        self._entries: list[FailedEntry] = []
        self._text = ""
        self._has_more = False

    def compose(self) -> ComposeResult:
        """Create the filter, the number of URLs, the URLs, the current one and the keys."""
        with Vertical(classes="dialog dialog-full") as dialog:
            dialog.border_title = f"Failed URLs of shard {shard_text(self._row)}"
            yield SearchInput("part of a URL, kind or reason", FailedUrls)
            yield Static("Reading…", id="failed-count", markup=False)
            yield FailedUrls(id="failed-urls")
            yield Static("", id="failed-detail", markup=False)
            keys = [
                f"{key_names(action, self._keymap)[0]} {_WORDS[action.id]}"
                for action in FAILED_URL_ACTIONS
            ]
            yield KeysLine(" · ".join(keys))

    def on_mount(self) -> None:
        """Show the first URLs."""
        self._search("", pause=False)

    @property
    def _rows(self) -> FailedUrls:
        return self.query_one(FailedUrls)

    # Reading

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._search(event.value.strip())

    @work(exclusive=True, group="search", exit_on_error=False)
    async def _search(self, text: str, *, pause: bool = True) -> None:
        if pause:  # one search for keys typed in quick succession
            await asyncio.sleep(_SEARCH_DELAY_SECONDS)
        try:
            self._pages = self._service.failed(self._row, text)
            page = await self._service.page(self._pages)
        except FleetError as error:
            self.query_one("#failed-count", Static).update(str(error))
            return
        self._text, self._entries = text, page
        self._has_more = len(page) == PAGE_SIZE
        self._rows.cursor = 0
        self._rows.show(self._entries)
        self._show_count()

    @on(FailedUrls.NearEnd)
    def _near_end(self) -> None:
        if self._has_more:
            self._has_more = False  # until the next page arrives
            self._read_more()

    # In the group of the search, because a new search makes this page useless.
    @work(exclusive=True, group="search", exit_on_error=False)
    async def _read_more(self) -> None:
        assert self._pages is not None
        try:
            page = await self._service.page(self._pages)
        except FleetError as error:
            self.query_one("#failed-count", Static).update(str(error))
            return
        self._entries = [*self._entries, *page]
        self._has_more = len(page) == PAGE_SIZE
        self._rows.show(self._entries)
        self._show_count()

    @on(CursorView.CursorMoved)
    def _show_count(self) -> None:
        count, current = len(self._entries), self._rows.current
        if not count and self._text:
            words = f"No failed URL has “{printable(self._text)}” in URL, kind or reason."
        elif not count:
            words = "No failed URLs yet; a worker reports them when its shard is complete."
        else:
            total = count if self._text else max(count, self._row.failed)
            more = " and more" if self._text and self._has_more else ""
            words = f"{self._rows.cursor + 1:,} of {total:,}{more}"
        self.query_one("#failed-count", Static).update(words)
        detail = self.query_one("#failed-detail", Static)
        if current is not None:
            detail.update(f"{printable(current.error)}\n{printable(current.url)}")
        detail.display = current is not None

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave keys to the filter while it has the focus."""
        return not (action == "run" and isinstance(self.focused, Input))

    def action_run(self, action_id: str) -> None:
        """Run an action of the registry."""
        action = next(each for each in FAILED_URL_ACTIONS if each.id == action_id)
        getattr(self, action.handler)()

    def do_filter(self) -> None:
        """Focus the filter."""
        self.set_focus(self.query_one(Input))  # at once, because keys may be typed ahead

    def do_clear(self) -> None:
        """Clear the filter, or close."""
        if self._text:
            self.query_one(Input).value = ""
        else:
            self.dismiss()

    @work(exit_on_error=False)
    async def do_copy(self) -> None:
        """Copy the current URL, secrets included."""
        if (entry := self._rows.current) is None:
            return
        try:
            self.app.copy_to_clipboard(await self._service.url_of(self._row, entry))
        except FleetError as error:
            self.app.notify(str(error), severity="warning", markup=False)
        else:
            self.app.notify("URL copied.", markup=False)
