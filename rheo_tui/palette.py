"""The palette's commands, from the registry."""

from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from .actions import ACTIONS, Action, Context, key_names


class Host(Protocol):
    """The screen that the palette was opened on."""

    keymap: dict[str, str]

    def context(self) -> Context:
        """What decides which actions make sense."""

    def action_run(self, action_id: str) -> None:
        """Run an action, or say why not."""


class ActionProvider(Provider):
    """Every action; those that make no sense now say why instead of what they do."""

    @property
    def _host(self) -> Host:
        return cast(Host, self.screen)

    async def search(self, query: str) -> Hits:
        """Actions whose title is like `query`."""
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
        """All actions, those that make sense now first."""
        context = self._host.context()
        for action in sorted(ACTIONS, key=lambda action: bool(action.disabled(context))):
            yield DiscoveryHit(
                action.title, self._command(action), help=self._help(action, context)
            )

    def _command(self, action: Action) -> Callable[[], None]:
        return partial(self._host.action_run, action.id)

    def _help(self, action: Action, context: Context) -> str:
        reason = action.disabled(context)
        # Square brackets are markup in the palette: keys such as "[" must be escaped.
        keys = " ".join(key_names(action, self._host.keymap)).replace("[", r"\[")
        return f"{keys}   not now: {reason}" if reason else f"{keys}   {action.help}"
