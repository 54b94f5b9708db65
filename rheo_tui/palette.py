"""The command palette, made from the registry of actions."""

from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from .actions import ACTIONS, Action, Context, key_names


class Host(Protocol):
    """The screen that opened the palette."""

    keymap: dict[str, str]

    def context(self) -> Context:
        """Return the state that decides which actions are available."""

    def action_run(self, action_id: str) -> None:
        """Run an action, or show why it is disabled."""


class ActionProvider(Provider):
    """Offers every action; disabled ones show the reason instead of their help."""

    @property
    def _host(self) -> Host:
        return cast(Host, self.screen)

    async def search(self, query: str) -> Hits:
        """Yield actions whose title resembles `query`."""
        matcher = self.matcher(query)
        context = self._host.context()
        for action in ACTIONS:
            score = matcher.match(action.title)
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(action.title),
                    self._command(action),
                    help=self._help(action, context),
                )

    async def discover(self) -> Hits:
        """Yield all actions, available ones first."""
        context = self._host.context()
        for action in sorted(ACTIONS, key=lambda action: bool(action.disabled(context))):
            yield DiscoveryHit(
                action.title, self._command(action), help=self._help(action, context)
            )

    def _command(self, action: Action) -> Callable[[], None]:
        return partial(self._host.action_run, action.id)

    def _help(self, action: Action, context: Context) -> str:
        reason = action.disabled(context)
        # Square brackets are markup in the palette, so escape keys such as "[".
        keys = " ".join(key_names(action, self._host.keymap)).replace("[", r"\[")
        return f"{keys}   disabled: {reason}" if reason else f"{keys}   {action.help}"
