"""The screens that the main one opens; each is imported when it is first asked for.

The first screen does not wait for what they import.
"""

from collections.abc import Awaitable, Callable, Mapping

from textual.app import App

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot
from rheo_tui.columns import Column
from rheo_tui.services.poller import EngineClient
from rheo_tui.table_model import Sort


class Dialogs:
    """Opens them over `app`; what they need of the engine goes through `link`."""

    def __init__(self, app: App[None], client: EngineClient) -> None:
        self._app = app
        self._client = client
        self._links_left = ""

    def add(self, text: str) -> None:
        """The box for links, with `text` in it, or with what was in it when it was left."""
        from .add import AddScreen

        # Of a paste one expects that Enter adds it alone: what was left before waits.
        waiting = self._links_left if text else ""

        def left(rest: str | None) -> None:
            self._links_left = "\n".join(filter(None, (waiting, rest)))

        self._app.push_screen(AddScreen(self._client, text or self._links_left), left)

    def load(self) -> None:
        """The one for a list file."""
        from .load import LoadScreen

        self._app.push_screen(LoadScreen(self._client))

    def replace_url(self, row: DownloadSnapshot) -> None:
        """The one for a fresh link of `row`."""
        from .replace_url import ReplaceUrlScreen

        self._app.push_screen(ReplaceUrlScreen(self._client.service, row))

    def sort(self, sort: Sort, chosen: Callable[[Column | None], None]) -> None:
        """The choice of a column; `chosen` gets None where there was none."""
        from .sort import SortScreen

        self._app.push_screen(SortScreen(sort), chosen)

    def history(self) -> None:
        """What ended."""
        from .history import HistoryScreen

        self._app.push_screen(HistoryScreen(self._client))

    def settings(self, chosen: Callable[[Settings | None], Awaitable[None]]) -> None:
        """The settings; `chosen` gets None where they stay."""
        from .settings import SettingsScreen

        self._app.push_screen(SettingsScreen(self._client.service.settings), chosen)

    def help(self, keymap: Mapping[str, str]) -> None:
        """All actions and their keys."""
        from .help import HelpScreen

        self._app.push_screen(HelpScreen(keymap))

    def palette(self) -> None:
        """All actions, to be searched."""
        from textual.command import CommandPalette

        from rheo_tui.palette import ActionProvider

        placeholder = "What do you want to do?"
        palette = CommandPalette(providers=[ActionProvider], placeholder=placeholder)
        self._app.push_screen(palette)
