"""Dispatcher: the table from actions to handlers; every action runs through it."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from inspect import iscoroutinefunction
from typing import Any, Protocol

from rheo_core.domain import DownloadSnapshot

from .actions import ACTIONS, BY_ID, Action, Context, Owner

Handler = Callable[..., Any]


class Host(Protocol):
    """The screen that runs actions."""

    @property
    def rows(self) -> Mapping[str, DownloadSnapshot]:
        """All downloads by their ids."""

    def context(self) -> Context:
        """Return the state that decides which actions are available."""

    def toast(self, text: str) -> None:
        """Show a toast."""

    def call_later(self, callback: Handler) -> bool:
        """Call `callback` after the messages that wait already."""

    def run_in_background(self, title: str, work: Coroutine[Any, Any, str]) -> None:
        """Await `work` and show the text that it returns, or `title` and the error."""


def dispatch_table(owners: Mapping[Owner, object]) -> dict[str, Handler]:
    """Return the handler of each action by its id: the method `do_<id>` of its owner.

    Raises:
        AttributeError: an action has no handler.
    """
    return {action.id: getattr(owners[action.owner], action.handler) for action in ACTIONS}


class Dispatcher:
    """Runs the handler of an action, unless the action is disabled.

    Coroutine functions get the context and run in the background; the text that they return
    becomes a toast. Other handlers take nothing.
    """

    def __init__(self, host: Host, owners: Mapping[Owner, object]) -> None:
        self._host = host
        self._handlers = dispatch_table(owners)

    def run(self, action_id: str) -> None:
        """Run an action, or show why it is disabled."""
        action, handler = BY_ID[action_id], self._handlers[action_id]
        context = self._host.context()
        if reason := action.disabled(context):
            self._host.toast(f"{action.title}: {reason}.")
        elif iscoroutinefunction(handler):
            context = self._with_rows_of(action, context)
            self._host.run_in_background(action.title, handler(context))
        elif action.opens_input:
            handler()  # at once, because keys may be typed ahead
        else:
            self._host.call_later(handler)

    def _with_rows_of(self, action: Action, context: Context) -> Context:
        if not action.acts_on:
            return context
        rows = self._host.rows.values()
        return replace(context, targets=tuple(row for row in rows if row.status in action.acts_on))
