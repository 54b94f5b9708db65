"""Command palette, built from the registry of actions."""

from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from textual.command import CommandList, CommandPalette, DiscoveryHit, Hit, Hits, Provider

from .action_reasons import Context
from .actions import ACTIONS, Action, key_names
from .widgets.choice_list import has_lines

_PAGE_KEYS = ("page_up", "page_down")
_OF_HELP = 0.9
"""Factor that ranks a word in the help below the same word in a title."""


class PaletteScreen(Protocol):
    """The screen that opened the palette."""

    keymap: dict[str, str]

    def context(self) -> Context:
        """Return the state that decides which actions are available."""

    def action_run(self, action_id: str) -> None:
        """Run an action, or show why it is disabled."""


class ActionProvider(Provider):
    """Offers every action; disabled ones show the reason instead of their help."""

    @property
    def _main_screen(self) -> PaletteScreen:
        return cast(PaletteScreen, self.screen)

    async def search(self, query: str) -> Hits:
        """Yield actions whose title resembles `query`, or whose help contains it."""
        matcher = self.matcher(query)
        context = self._main_screen.context()
        for action in ACTIONS:
            title = action.title_in(context)
            score = matcher.match(title)
            if query.lower() in action.help.lower():
                score = max(score, _OF_HELP * matcher.match(action.help))
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(title),
                    self._command(action),
                    help=self._help(action, context),
                )

    async def discover(self) -> Hits:
        """Yield all actions, available ones first."""
        context = self._main_screen.context()
        for action in sorted(ACTIONS, key=lambda action: bool(action.disabled(context))):
            yield DiscoveryHit(
                action.title_in(context),
                self._command(action),
                help=self._help(action, context),
            )

    def _command(self, action: Action) -> Callable[[], None]:
        return partial(self._main_screen.action_run, action.id)

    def _help(self, action: Action, context: Context) -> str:
        reason = action.disabled(context)
        # Square brackets are markup in the palette, so escape keys such as "[".
        keys = " ".join(key_names(action, self._main_screen.keymap)).replace("[", r"\[")
        return f"{keys}   disabled: {reason}" if reason else f"{keys}   {action.help}"


class ActionPalette(CommandPalette):
    """The palette of actions."""

    def __init__(self) -> None:
        super().__init__(providers=[ActionProvider], placeholder="Search for an action")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Turn the page keys off while the list has no lines."""
        if action == "command_list" and parameters[0] in _PAGE_KEYS:
            return has_lines(self.query_one(CommandList))
        return super().check_action(action, parameters)
