"""RheoApp: start, stop, screens. Wiring only."""

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

from rheo_core.domain.text import printable, visible

from .actions import unknown_actions
from .screens.locked import LockedScreen
from .screens.main import MainScreen
from .screens.quit import QuitScreen
from .service import READ_ONLY, DownloadService, ListLockedError, OtherList
from .themes import DARK, FALLBACKS, THEMES

if TYPE_CHECKING:
    from rheo_core.inputs.sources import Item

HANG_UP_SECONDS = 10.0
"""The app has so long to end by itself after its terminal is gone."""
_LOOK_SECONDS = 2.0
"""Between two looks at whether the terminal is still there."""
_UNREAD = "rheo-tui: the list was not read to its end; the same command adds the rest"


def _is_hung_up(descriptor: int) -> bool:
    look = select.poll()
    look.register(descriptor, 0)
    return any(event & select.POLLHUP for _, event in look.poll(0))


class RheoApp(App[None]):
    """The app over a service, which it starts and closes.

    Args:
        service: the door to the engine.
        wanted: what to queue at the start, read while the app runs; remarks go to the log.
        notices: sentences to show at the start, such as problems with the settings file.
        other_list: makes the door to another list, for when this one is in use.
    """

    TITLE = "rheo"
    CSS_PATH = "styles.tcss"
    ENABLE_COMMAND_PALETTE = False  # the palette is an action of the main screen
    NOTIFICATION_TIMEOUT = 4
    BINDINGS: ClassVar = [
        Binding("ctrl+q", "quit", show=False, priority=True),
        Binding("ctrl+c", "help_quit", show=False, system=True),
    ]

    def __init__(
        self,
        service: DownloadService,
        wanted: "Iterable[Item]" = (),
        notices: Sequence[str] = (),
        other_list: OtherList | None = None,
    ) -> None:
        super().__init__()
        self._service = service
        self._wanted = wanted
        self._notices = list(notices)
        self._other_list = other_list
        self._quitting = False
        self._clashes: set[str] = set()
        self.main = MainScreen(service, wanted)
        for theme in THEMES:
            self.register_theme(theme)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Colours that the stylesheet needs and Textual's own themes lack."""
        return FALLBACKS

    def on_mount(self) -> None:
        """Put the settings in force and show the main screen."""
        settings = self._service.settings
        known = settings.theme in self.available_themes
        self.theme = settings.theme if known else DARK.name
        if not known:
            self._notices.append(f"There is no theme “{settings.theme}”; {DARK.name} is used.")
        if unknown := unknown_actions(settings.keys):
            self._notices.append(f"Keys are set for unknown actions: {', '.join(unknown)}.")
        self.set_keymap(settings.keys)
        self.push_screen(self.main)
        on_bar = {each.sentence for each in settings.unclear}
        for notice in self._notices:
            self.main.book.note(notice, "bad")
            if notice not in on_bar:
                self.notify(notice, severity="warning", markup=False, timeout=8)
        self._quit_on_signals()

    def _quit_on_signals(self) -> None:
        if self.is_headless:
            return
        # A closed terminal or a plain kill must not cost the bytes that are there.
        loop = get_running_loop()
        with suppress(NotImplementedError):
            loop.add_signal_handler(signal.SIGTERM, self._close_and_exit)
        if not hasattr(signal, "SIGHUP"):
            return
        context = copy_context()

        def terminal_gone(*_: object) -> None:
            # The driver's writer dies of a write to a terminal that is gone, and leaving would
            # then wait for it for ever. So what is still written goes nowhere, and that before
            # the driver sees the SIGCONT that comes with a hang-up: hence no loop handler.
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in (sys.__stdin__, sys.__stderr__):
                if stream is not None:
                    os.dup2(nowhere, stream.fileno())
            loop.call_soon_threadsafe(self._close_and_exit, context=context)
            # If the writer has died already, the loop waits for it: then the app ends as if
            # killed, which the list and the files bear.
            last_resort = threading.Timer(HANG_UP_SECONDS, os._exit, (128 + signal.SIGHUP,))
            last_resort.daemon = True
            last_resort.start()

        signal.signal(signal.SIGHUP, terminal_gone)
        self.set_interval(_LOOK_SECONDS, self._end_with_the_terminal)

    def _end_with_the_terminal(self) -> None:
        # The system tells the leader of the session alone, which may ignore it: nohup(1), say.
        # Textual would read the end of the input again and again.
        if not self._quitting and sys.__stdin__ is not None and _is_hung_up(sys.__stdin__.fileno()):
            signal.raise_signal(signal.SIGHUP)

    def handle_bindings_clash(self, clashed_bindings: set[Binding], node: DOMNode) -> None:
        """Tell once which action lost its key to the user's choice."""
        for binding in clashed_bindings:
            if binding.id and binding.id not in self._clashes:
                self._clashes.add(binding.id)
                text = f"The key of “{binding.description}” is taken by another action."
                self.notify(text, severity="warning", markup=False)

    @on(MainScreen.Locked)
    def _list_is_locked(self, event: MainScreen.Locked) -> None:
        if self._other_list is None:
            self._quit_locked(event.error)
            return

        def chosen(service: DownloadService | None) -> None:
            if service is None:
                self._quit_locked(event.error)
            else:
                self._change_list(service)

        self.push_screen(LockedScreen(event.error, self._open_list), chosen)

    async def _open_list(self, path: Path, *, read_only: bool) -> DownloadService:
        assert self._other_list is not None
        service = self._other_list(path, read_only=read_only)
        await service.start()
        return service

    def _change_list(self, service: DownloadService) -> None:
        """Show another list; the one so far was never open."""
        wanted = self._wanted
        if wanted and service.is_read_only:
            self.notify(f"No links were added: {READ_ONLY}.", severity="warning", markup=False)
            wanted = ()
        self._service = service
        self.main = MainScreen(service, wanted)
        self.switch_screen(self.main)

    def _quit_locked(self, error: ListLockedError) -> None:
        told = f"rheo-tui: {printable(str(error))}; open another list with --session FILE"
        self.exit(return_code=1, message=Text(told))

    async def on_event(self, event: events.Event) -> None:
        """Clean what is pasted before any input sees it, that of the palette included."""
        if isinstance(event, events.Paste) and not event.is_forwarded:
            event.text = visible(event.text)
        await super().on_event(event)

    def on_paste(self, event: events.Paste) -> None:
        """A paste that no input kept opens the box for links with all of it."""
        from .screens.add import AddScreen  # the first screen does not wait for it

        text = "\n".join(event.text.splitlines())
        if not text.strip():
            return
        if isinstance(self.screen, AddScreen):
            self.screen.insert(text)
        else:
            self.main.open_add(text)

    def action_help_quit(self) -> None:
        """Ctrl+C copies in inputs; elsewhere it tells how to quit."""
        self.notify("Press q to quit.", markup=False)

    async def action_quit(self) -> None:
        """Quit; ask first while something runs. A second time while closing: at once."""
        if self._quitting:
            self.exit()
            return
        if isinstance(self.screen, QuitScreen):
            return
        if isinstance(self.screen, LockedScreen):
            self.screen.dismiss(None)
            return
        latest = self.main.link.latest
        running = latest.stats.in_progress if latest else 0
        if running:
            self.push_screen(QuitScreen(running, self._service.keeps_list), self._answered)
        else:
            self._close_and_exit()

    def _answered(self, quit_now: bool | None) -> None:
        if quit_now:
            self._close_and_exit()

    def _close_and_exit(self) -> None:
        if not self._quitting:
            self._quitting = True
            self.notify("Stopping downloads…", markup=False)
            self.run_worker(self._close(), exit_on_error=False)

    async def _close(self) -> None:
        # Leaving cancels all workers, so the engine must be closed before.
        is_reading = self.main.is_reading
        await self.main.link.close()
        self.exit(message=Text(_UNREAD) if is_reading else None)

    async def on_unmount(self) -> None:
        """Whatever ended the app, the engine is closed in order."""
        await self.main.link.close()
