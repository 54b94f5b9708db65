"""Dialogs: opens the screens on top of the main one; each is imported when first opened.

The first screen does not wait for their imports.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from textual.app import App

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot
from rheo_tui.columns import Column
from rheo_tui.existing_files import Decision
from rheo_tui.services.poller import EngineClient
from rheo_tui.table_model import Sort


class Dialogs:
    """Opens screens over `app`; they reach the engine through `client`."""

    def __init__(self, app: App[None], client: EngineClient) -> None:
        self._app = app
        self._client = client
        self._text_left = ""

    def add(self, text: str) -> None:
        """Open the box for links with `text`, or with the text left in it."""
        from .add import AddScreen

        # Enter adds only the paste, so text that was left before waits until later.
        waiting = self._text_left if text else ""

        def left(rest: str | None) -> None:
            self._text_left = "\n".join(filter(None, (waiting, rest)))

        self._app.push_screen(AddScreen(self._client, text or self._text_left), left)

    def load(self) -> None:
        """Open the dialog that loads a list."""
        from .load import LoadScreen

        self._app.push_screen(LoadScreen(self._client))

    def replace_url(self, row: DownloadSnapshot) -> None:
        """Open the dialog that replaces the URL of `row`."""
        from .replace_url import ReplaceUrlScreen

        self._app.push_screen(ReplaceUrlScreen(self._client.service, row))

    def existing_file(
        self, rows: Sequence[DownloadSnapshot], decided: Callable[[Decision | None], None]
    ) -> None:
        """Open the choices for files on the disk; call `decided` with the decision, or None."""
        from .existing_file import ExistingFileScreen

        self._app.push_screen(ExistingFileScreen(rows), decided)

    def sort(self, sort: Sort, chosen: Callable[[Column | None], None]) -> None:
        """Open the choice of a column; call `chosen` with it, or with None."""
        from .sort import SortScreen

        self._app.push_screen(SortScreen(sort), chosen)

    def history(self) -> None:
        """Open the history."""
        from .history import HistoryScreen

        self._app.push_screen(HistoryScreen(self._client))

    def settings(self, chosen: Callable[[Settings | None], Awaitable[None]]) -> None:
        """Open the settings; call `chosen` with the new ones, or with None."""
        from .settings import SettingsScreen

        self._app.push_screen(SettingsScreen(self._client.service.settings), chosen)

    def help(self, keymap: Mapping[str, str]) -> None:
        """Open the help."""
        from .help import HelpScreen

        self._app.push_screen(HelpScreen(keymap))

    def palette(self) -> None:
        """Open the command palette."""
        from textual.command import CommandPalette

        from rheo_tui.palette import ActionProvider

        placeholder = "Search for an action"
        palette = CommandPalette(providers=[ActionProvider], placeholder=placeholder)
        self._app.push_screen(palette)
