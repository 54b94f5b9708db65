"""RheoApp: starts and stops the service, shows the screens, handles signals."""

import os
import select
import signal
import sys
import threading
from asyncio import get_running_loop
from collections.abc import Iterable, Sequence
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.filter import LineFilter

from rheo_core.domain.text import printable, visible

from .actions import unknown_actions
from .ascii import AsciiFilter, needs_ascii
from .screen_memory import ScreenMemory
from .screens.confirm import QuitScreen
from .screens.main import MainScreen
from .screens.session_locked import SessionLockedScreen
from .services.protocol import READ_ONLY, DownloadService, ServiceFactory, SessionLockedError
from .themes import DARK, FALLBACKS, THEMES, theme_for, unknown_theme
from .typed_ahead import TypedAhead

if TYPE_CHECKING:
    from rheo_core.inputs.sources import Item

HANG_UP_SECONDS = 10.0
"""Time for the app to end by itself after its terminal is gone."""
_TERMINAL_CHECK_SECONDS = 2.0
"""Time between two checks whether the terminal still exists."""
_UNREAD = "rheo-tui: the list was not read completely; run the same command to add the rest"


def _is_hung_up(descriptor: int) -> bool:
    look = select.poll()
    look.register(descriptor, 0)
    return any(event & select.POLLHUP for _, event in look.poll(0))


class RheoApp(App[None]):
    """The app over a service, which it starts and closes.

    Args:
        service: the service that runs the engine.
        items: downloads to queue, read while the app runs; remarks go to the event log.
        problems: messages to show at the start, such as mistakes in the settings file.
        make_service: makes the service of another session, in case this one is locked.
        memory: filter, tab and commands of the last run; None keeps nothing.
        badge: a word in the header on the kind of session; "": the usual kind.
    """

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

    def __init__(
        self,
        service: DownloadService,
        items: "Iterable[Item]" = (),
        problems: Sequence[str] = (),
        make_service: ServiceFactory | None = None,
        memory: ScreenMemory | None = None,
        badge: str = "",
    ) -> None:
        super().__init__()
        self._service = service
        self._items = items
        self._problems = list(problems)
        self._make_service = make_service
        self._quitting = False
        self._clashes: set[str] = set()
        self._typed_ahead = TypedAhead(self, super().on_event)
        self._ascii_filters = [AsciiFilter()] if needs_ascii(os.environ) else []
        self._memory = memory
        self.main = MainScreen(service, items, memory, badge)
        for theme in THEMES:
            self.register_theme(theme)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return colours that the stylesheet needs and Textual's own themes lack."""
        return FALLBACKS

    def on_mount(self) -> None:
        """Apply the settings and show the main screen."""
        settings = self._service.settings
        if problem := self._use_theme(settings.theme):
            self._problems.append(problem)
        if unknown := unknown_actions(settings.keys):
            self._problems.append(f"Unknown actions in the keys setting: {', '.join(unknown)}.")
        self.set_keymap(settings.keys)
        self.push_screen(self.main)
        on_bar = {each.sentence for each in settings.unclear}
        for problem in self._problems:
            self.main.event_log.note(problem, "bad")
            if problem not in on_bar:
                self.notify(problem, severity="warning", markup=False, timeout=8)
        self._quit_on_signals()

    def _use_theme(self, name: str) -> str:
        """Use a theme, or the usual one if it is unknown; return a sentence on that, or ""."""
        problem = unknown_theme(name)
        colours = None if self.is_headless else self.console.color_system
        self.theme = theme_for(DARK.name if problem else name, colours)
        return problem

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the filters of every line that is drawn."""
        return [*super().get_line_filters(), *self._ascii_filters]

    @on(MainScreen.SettingsChanged)
    def _settings_changed(self, event: MainScreen.SettingsChanged) -> None:
        if problem := self._use_theme(event.settings.theme):
            self.main.toast(problem, error=True)
        self.set_keymap(event.settings.keys)

    def _quit_on_signals(self) -> None:
        if self.is_headless:
            return
        # A closed terminal or a plain kill must not lose partial data.
        loop = get_running_loop()
        with suppress(NotImplementedError):
            loop.add_signal_handler(signal.SIGTERM, self._close_and_exit)
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
            loop.call_soon_threadsafe(self._close_and_exit, context=context)
            # If the writer has died already, the loop waits for it. Then the app ends as if it
            # were killed, which damages neither session nor files.
            last_resort = threading.Timer(HANG_UP_SECONDS, os._exit, (128 + signal.SIGHUP,))
            last_resort.daemon = True
            last_resort.start()

        signal.signal(signal.SIGHUP, terminal_gone)
        self.set_interval(_TERMINAL_CHECK_SECONDS, self._end_with_the_terminal)

    def _end_with_the_terminal(self) -> None:
        # The system signals only the session leader, which may ignore the signal, as nohup(1)
        # does. Textual would then read the end of the input again and again.
        if not self._quitting and sys.__stdin__ is not None and _is_hung_up(sys.__stdin__.fileno()):
            signal.raise_signal(signal.SIGHUP)

    def handle_bindings_clash(self, clashed_bindings: set[Binding], node: DOMNode) -> None:
        """Report once which action lost its key to the user's choice."""
        for binding in clashed_bindings:
            if binding.id and binding.id not in self._clashes:
                self._clashes.add(binding.id)
                text = f"Another action uses the key of “{binding.description}”."
                self.notify(text, severity="warning", markup=False)

    @on(MainScreen.SessionLocked)
    def _session_is_locked(self, event: MainScreen.SessionLocked) -> None:
        if self._make_service is None:
            self._quit_locked(event.error)
            return

        def chosen(service: DownloadService | None) -> None:
            if service is None:
                self._quit_locked(event.error)
            else:
                self._change_session(service)

        self.push_screen(SessionLockedScreen(event.error, self._open_session), chosen)

    async def _open_session(self, path: Path, *, read_only: bool) -> DownloadService:
        assert self._make_service is not None
        service = self._make_service(path, read_only=read_only)
        await service.start()
        return service

    def _change_session(self, service: DownloadService) -> None:
        """Show another session; the previous one was never open."""
        items = self._items
        if items and service.is_read_only:
            self.notify(f"No downloads were added: {READ_ONLY}.", severity="warning", markup=False)
            items = ()
        self._service = service
        self.main = MainScreen(service, items, self._memory)
        self.switch_screen(self.main)

    def _quit_locked(self, error: SessionLockedError) -> None:
        message = f"rheo-tui: {printable(str(error))}; open another session with --session FILE"
        self.exit(return_code=1, message=Text(message))

    async def on_event(self, event: events.Event) -> None:
        """Clean pasted text before any input sees it, including the palette's; queue keys."""
        if isinstance(event, events.Paste) and not event.is_forwarded:
            event.text = visible(event.text)
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self._typed_ahead.take(event)
        else:
            await super().on_event(event)

    def on_paste(self, event: events.Paste) -> None:
        """Open the box for links with a paste that no input took."""
        from .screens.add import AddScreen  # late, because the first screen does not need it

        text = "\n".join(event.text.splitlines())
        if not text.strip():
            return
        if isinstance(self.screen, AddScreen):
            self.screen.insert(text)
        else:
            self.main.open_add(text)

    def action_help_quit(self) -> None:
        """Show how to quit. In inputs Ctrl+C copies instead."""
        self.main.toast("Press q to quit.")

    async def action_quit(self) -> None:
        """Quit, and ask first while downloads run. A second call while closing quits at once."""
        if self._quitting:
            self.exit()
            return
        if isinstance(self.screen, QuitScreen):
            return
        if isinstance(self.screen, SessionLockedScreen):
            self.screen.dismiss(None)
            return
        latest = self.main.client.latest
        running = latest.stats.in_progress if latest else 0
        if running:
            self.push_screen(QuitScreen(running, self._service.keeps_list), self._quit_if)
        else:
            self._close_and_exit()

    def _quit_if(self, quit_now: bool | None) -> None:
        if quit_now:
            self._close_and_exit()

    def _close_and_exit(self) -> None:
        if not self._quitting:
            self._quitting = True
            self.notify("Stopping downloads…", markup=False)
            self.run_worker(self._close(), exit_on_error=False)

    async def _close(self) -> None:
        self.main.title_of_terminal.clear()
        # The exit cancels all workers, so close the engine first.
        is_reading = self.main.is_reading
        await self.main.client.close()
        self.exit(message=Text(_UNREAD) if is_reading else None)

    async def on_unmount(self) -> None:
        """Close the engine properly, whatever ended the app."""
        self.main.remember()
        await self.main.client.close()
