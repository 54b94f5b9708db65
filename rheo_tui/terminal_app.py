"""TerminalApp: handle small terminals, few colours, and terminals that close."""

import os
import select
import signal
import sys
import threading
from asyncio import get_running_loop
from collections.abc import Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.binding import Binding
from textual.dom import DOMNode
from textual.filter import LineFilter
from textual.screen import Screen

from rheo_core.config.settings import Settings
from rheo_core.domain.text import visible

from .actions import BY_ID, unknown_actions
from .ascii import AsciiFilter, needs_ascii
from .key_choices import keys_of
from .themes import DARK, FALLBACKS, THEMES, theme_for, unknown_theme
from .typed_ahead import TypedAhead

HANG_UP_SECONDS = 10.0
"""Time for the app to end by itself after its terminal is gone."""
_TERMINAL_CHECK_SECONDS = 2.0
"""Time between two checks whether the terminal still exists."""


def _is_hung_up(descriptor: int) -> bool:
    look = select.poll()
    look.register(descriptor, 0)
    return any(event & select.POLLHUP for _, event in look.poll(0))


class TerminalApp(App[None]):
    """Themes, keys and signals, for any content of the app."""

    TITLE = "rheo"
    CSS_PATH = "styles.tcss"
    ENABLE_COMMAND_PALETTE = False  # the registry has an action for it
    NOTIFICATION_TIMEOUT = 4
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (140, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (14, "-short"), (24, "-medium"), (30, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar = [
        Binding("ctrl+q", "quit", show=False, priority=True),
        Binding("ctrl+c", "help_quit", show=False, system=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._quitting = False
        self._parsed_for: dict[str, str] = {}  # variables of the theme
        self._clashes: set[str] = set()
        self._help_keys: set[str] = set()
        self._typed_ahead = TypedAhead(self, super().on_event)
        self._ascii_filters = [AsciiFilter()] if needs_ascii(os.environ) else []
        for theme in THEMES:
            self.register_theme(theme)

    def close_and_exit(self) -> None:
        """Close what is open, then exit. A signal may call this."""
        raise NotImplementedError

    def copy_to_clipboard(self, text: str) -> None:
        """Copy text; bytes of a path that are not UTF-8 become U+FFFD."""
        super().copy_to_clipboard(text.encode(errors="surrogateescape").decode(errors="replace"))

    def show_help(self) -> None:
        """Open the help."""
        raise NotImplementedError

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return colours that the stylesheet needs and Textual's own themes lack."""
        return FALLBACKS

    def take_settings(self, settings: Settings) -> list[str]:
        """Apply theme and keys of the settings; return sentences about unknown ones.

        Call this before the first screen is composed, so that the styles are parsed only for this
        theme. That saves a quarter of the time between the imports and the first screen.
        """
        problem = self.use_theme(settings.theme)
        problems = [problem] if problem else []
        if unknown := unknown_actions(settings.keys):
            problems.append(f"Unknown actions in the keys setting: {', '.join(unknown)}.")
        self.use_keys(settings.keys)
        self._parsed_for = self.get_css_variables()
        self.stylesheet.set_variables(self._parsed_for)
        return problems

    def use_keys(self, keymap: dict[str, str]) -> None:
        """Use the user's keys."""
        self._help_keys = {*keys_of(BY_ID["help"], keymap)}
        self.set_keymap(keymap)

    def fit(self, screen: Screen[Any]) -> None:
        """Give a screen that is not mounted yet the classes for the size of the terminal.

        Textual sets them when the screen is resized for the first time, and then applies all
        styles again.
        """
        for length, breakpoints in (
            (self.size.width, self.HORIZONTAL_BREAKPOINTS),
            (self.size.height, self.VERTICAL_BREAKPOINTS),
        ):
            _, name = max(each for each in breakpoints if each[0] <= length)
            screen.add_class(name, update=False)

    def use_theme(self, name: str) -> str:
        """Use a theme, or the default one if it is unknown; return a sentence about that, or ""."""
        problem = unknown_theme(name)
        colours = None if self.is_headless else self.console.color_system
        self.theme = theme_for(DARK.name if problem else name, colours)
        return problem

    def refresh_css(self, animate: bool = True) -> None:
        """Parse the styles for another theme; Textual asks for that at the start too."""
        if (variables := self.get_css_variables()) != self._parsed_for:
            self._parsed_for = variables
            super().refresh_css(animate)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the filters of every line that is drawn."""
        return [*super().get_line_filters(), *self._ascii_filters]

    def quit_on_signals(self) -> None:
        """Close and exit on SIGTERM, and when the terminal is gone."""
        if self.is_headless:
            return
        # A closed terminal or a plain kill must not lose partial data.
        loop = get_running_loop()
        with suppress(NotImplementedError):
            loop.add_signal_handler(signal.SIGTERM, self.close_and_exit)
        if not hasattr(signal, "SIGHUP"):
            return
        context = copy_context()

        def terminal_gone(*_: object) -> None:
            # A write to a terminal that is gone kills the driver's writer thread, and the exit
            # would wait for it for ever. So redirect all output to /dev/null, before the driver
            # sees the SIGCONT that follows a hang-up: a handler of the loop would be too late.
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in (sys.__stdin__, sys.__stderr__):
                if stream is not None:
                    os.dup2(nowhere, stream.fileno())
            loop.call_soon_threadsafe(self.close_and_exit, context=context)
            # If the writer has died already, the loop waits for it. Then the app ends as if it
            # were killed, which damages neither session nor files.
            last_resort = threading.Timer(HANG_UP_SECONDS, os._exit, (128 + signal.SIGHUP,))
            last_resort.daemon = True
            last_resort.start()

        signal.signal(signal.SIGHUP, terminal_gone)
        self.set_interval(_TERMINAL_CHECK_SECONDS, self._end_with_the_terminal)

    def _end_with_the_terminal(self) -> None:
        # The system signals only the session leader, which may ignore the signal, as nohup(1) does.
        # Textual would then keep reading the end of the input.
        if not self._quitting and sys.__stdin__ is not None and _is_hung_up(sys.__stdin__.fileno()):
            signal.raise_signal(signal.SIGHUP)

    def handle_bindings_clash(self, clashed_bindings: set[Binding], node: DOMNode) -> None:
        """Report once which action lost its key to the user's choice."""
        for binding in clashed_bindings:
            if binding.id and binding.id not in self._clashes:
                self._clashes.add(binding.id)
                text = f"Another action uses the key of “{binding.description}”."
                self.notify(text, severity="warning", markup=False)

    def on_key(self, event: events.Key) -> None:
        """Open the help with a key that neither a text input nor the screen has taken.

        The app's own bindings do not apply in dialogs.
        """
        is_help = self._help_keys & {event.key, event.character}
        if is_help and event.key not in self.screen.active_bindings:
            event.stop()
            self.show_help()

    def pop_screen(self) -> AwaitComplete:
        """Close the top screen; keys that wait for it go on to the one below."""
        closed = super().pop_screen()
        self._typed_ahead.note_closed_screen()
        return closed

    async def on_event(self, event: events.Event) -> None:
        """Clean pasted text before any input sees it, including the palette's; queue keys."""
        if isinstance(event, events.Paste) and not event.is_forwarded:
            event.text = visible(event.text)
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self._typed_ahead.take(event)
        else:
            await super().on_event(event)
