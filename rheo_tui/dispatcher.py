"""Dispatcher: the table from actions to handlers; every action runs through it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Protocol

from rheo_core.domain import DownloadSnapshot

from .action_reasons import Context
from .actions import ACTIONS, BY_ID, Action, Owner
from .commands import equal_command

Handler = Callable[..., Any]


class ActionScreen(Protocol):
    """The screen that runs actions."""

    @property
    def rows(self) -> Mapping[str, DownloadSnapshot]:
        """All downloads by their ids."""

    def finished_rows(self) -> Sequence[DownloadSnapshot]:
        """Return the downloads that the line of finished ones stands for."""

    def context(self) -> Context:
        """Return the state that decides which actions are available."""

    def toast(self, text: str) -> None:
        """Show a sentence."""

    def log_command(self, command: str) -> None:
        """Write a command to the log."""

    def call_later(self, callback: Handler) -> bool:
        """Call `callback` after the messages that wait already."""

    def run_in_background(self, title: str, call: Callable[[], Awaitable[str]]) -> None:
        """Await `call()` and show the text that it returns, or `title` and the error."""


def dispatch_table(owners: Mapping[Owner, object]) -> dict[str, Handler]:
    """Return the handler of each action by its id: the method `do_<id>` of its owner.

    Raises:
        AttributeError: an action has no handler.
    """
    return {action.id: _handler(owners[action.owner], action) for action in ACTIONS}


def _handler(owner: object, action: Action) -> Handler:
    handler: Handler = getattr(owner, action.handler)
    return partial(handler, action.tab) if action.tab else handler


class Dispatcher:
    """Runs the handler of an action, unless the action is disabled.

    Coroutine functions get the context and run in the background; the text that they return
    becomes feedback. Other handlers take nothing, or the key of their tab.
    """

    def __init__(self, screen: ActionScreen, owners: Mapping[Owner, object]) -> None:
        self._screen = screen
        self._handlers = dispatch_table(owners)

    def run(self, action_id: str, targets: Sequence[DownloadSnapshot] | None = None) -> None:
        """Run an action, or show why it is disabled.

        Args:
            action_id: the action.
            targets: downloads to act on; None: the marked ones or the current one.
        """
        action, handler = BY_ID[action_id], self._handlers[action_id]
        context = self._screen.context()
        if targets is not None:
            context = replace(context, targets=tuple(targets), on_fold=False)
        if reason := action.disabled(context):
            self._screen.toast(f"{action.title}: {reason}.")
        elif iscoroutinefunction(handler):
            if action.owner == "downloads":
                self._screen.log_command(equal_command(action, context))
            context = self._with_rows_of(action, context)
            self._screen.run_in_background(action.title, partial(handler, context))
        elif action.opens_input:
            handler()  # at once, because keys may be typed ahead
        else:
            self._screen.call_later(handler)

    def whole_context(self) -> Context:
        """Return the context, with all downloads that the line of finished ones stands for."""
        context = self._screen.context()
        if context.on_fold:
            return replace(context, targets=tuple(self._screen.finished_rows()))
        return context

    def _with_rows_of(self, action: Action, context: Context) -> Context:
        if not action.acts_on:
            if context.on_fold:
                return replace(context, targets=tuple(self._screen.finished_rows()))
            return context
        rows = self._screen.rows.values()
        return replace(context, targets=tuple(row for row in rows if row.status in action.acts_on))
