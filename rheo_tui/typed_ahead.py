"""TypedAhead: deliver keys and pastes one at a time, so that each reaches the right widget.

A slow connection delivers several keys at once, such as `a` and the URL to add. Textual would send
all of them to the widget that has the focus now, although the first one opens a dialog.
"""

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from textual import events, work
from textual.app import App
from textual.css.query import NoMatches
from textual.message_pump import MessagePump
from textual.timer import Timer
from textual.widget import Widget
from textual.worker import Worker

Input = events.Key | events.Paste
Handle = Callable[[Input], Awaitable[None]]
"""Gives a key or a paste to the focused widget."""

_KEY_WORK = "key"  # the group of the workers of `key_work`

_PATIENCE_SECONDS = 1.0
"""Maximum wait for the effect of a key, because a widget that is removed may not report its end."""
_LOOK_SECONDS = 0.01

W = TypeVar("W", bound=Widget)
P = ParamSpec("P")


def while_open(
    method: Callable[Concatenate[W, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[W, P], Coroutine[Any, Any, None]]:
    """Let a method start when its widget is complete, and end quietly if it is closed meanwhile.

    At other times, some children of the widget may be missing.
    """

    @functools.wraps(method)
    async def run(widget: W, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if not widget.is_mounted:
            built = asyncio.Event()
            widget.call_later(built.set)
            await built.wait()
        try:
            await method(widget, *args, **kwargs)
        except NoMatches:
            if widget.is_running and widget.display:  # neither closed nor closing
                raise

    return run


def key_work(
    method: Callable[Concatenate[W, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[W, P], Worker[None]]:
    """Run a method as part of the effect of a key, so that the next key waits for its end.

    Args:
        method: the method of a widget or screen, which may close meanwhile.

    Returns:
        A method that starts the work and returns its worker.
    """
    return work(group=_KEY_WORK)(while_open(method))


class TypedAhead:
    """Holds back keys until the effect of the previous one is complete.

    Args:
        app: the app that receives the keys.
        handle: gives a key to the focused widget.
    """

    def __init__(self, app: App[None], handle: Handle) -> None:
        self._app = app
        self._handle = handle
        self._waiting: deque[Input] = deque()
        self._turn = 0  # counts the keys that were handed over
        self._patience: Timer | None = None  # set while a key takes effect
        self._given_up: list[Worker[object]] = []  # workers that took too long

    async def take(self, key: Input) -> None:
        """Hand over a key or a paste, or keep it until its turn."""
        if self._patience is not None:
            self._waiting.append(key)
            return
        self._turn += 1
        turn = self._turn
        self._patience = self._app.set_timer(_PATIENCE_SECONDS, lambda: self._give_up(turn))
        pumps = self._pumps()
        await self._handle(key)
        self._pass_on(pumps, turn)

    def note_closed_screen(self) -> None:
        """Continue at the screen below: the effect of the key cannot end at one that closes."""
        if self._patience is not None:
            self._app.call_later(self._pass_on_from_here, self._turn)

    def _pass_on_from_here(self, turn: int) -> None:
        if turn == self._turn and self._app.screen_stack:
            self._pass_on(self._pumps(), turn)

    def _pumps(self) -> list[MessagePump]:
        """Return the queues that a key passes: those of the focused widget and of its parents.

        It returns them twice, because a widget answers a key with a message, such as that of a
        button.
        """
        app = self._app
        path: list[MessagePump] = list((app.focused or app.screen).ancestors_with_self)
        return [*path, app.screen] * 2

    def _pass_on(self, pumps: list[MessagePump], turn: int) -> None:
        """Go through the queues one after another, then wait for a dialog to appear."""
        for at, pump in enumerate(pumps, start=1):
            if pump.call_later(self._pass_on, pumps[at:], turn):
                return
        if not self._app.screen_stack:  # the app is ending
            return
        if not self._app.screen.call_after_refresh(self._app.call_later, self._done, turn):
            self._app.call_later(self._done, turn)

    def _done(self, turn: int) -> None:
        """Continue with the next key, unless the current one has started work that still runs."""
        if self._works():
            self._app.set_timer(_LOOK_SECONDS, lambda: self._look_again(turn))
        else:
            self._app.call_later(self._next, turn)

    def _look_again(self, turn: int) -> None:
        if self._works():
            self._app.set_timer(_LOOK_SECONDS, lambda: self._look_again(turn))
        elif turn == self._turn and self._app.screen_stack:  # the app is not ending
            self._pass_on(self._pumps(), turn)  # the work may have opened a dialog

    def _works(self) -> list[Worker[object]]:
        workers = self._app.workers
        running = [each for each in workers if each.group == _KEY_WORK and not each.is_finished]
        return [worker for worker in running if worker not in self._given_up]

    async def _give_up(self, turn: int) -> None:
        if turn == self._turn:
            self._given_up = self._works()
            await self._next(turn)

    async def _next(self, turn: int) -> None:
        if turn != self._turn or self._patience is None:
            return
        self._patience.stop()
        self._patience = None
        waiting, self._waiting = self._waiting, deque()
        for key in waiting:  # only the first is handed over; the others wait for it
            await self.take(key)
