"""RheoApp: start and stop the service, show the screens, ask before quitting."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events, on
from textual.screen import Screen

from rheo_core.domain.text import printable

from .actions import first_key
from .formatting import count_text
from .screen_memory import ScreenMemory
from .screens.confirm import QuitScreen
from .screens.main import MainScreen
from .screens.session_locked import SessionLockedScreen
from .services.protocol import READ_ONLY, DownloadService, ServiceFactory, SessionLockedError
from .terminal_app import TerminalApp

if TYPE_CHECKING:
    from rheo_core.inputs.arguments import Item

_UNREAD = "rheo-tui: the list was not read completely; run the same command to add the rest"


class RheoApp(TerminalApp):
    """The app over a service, which it starts and closes.

    Args:
        service: the service that runs the engine.
        items: downloads to queue, read while the app runs; remarks go to the event log.
        problems: messages to show at the start, such as mistakes in the settings file.
        make_service: makes the service of another session, in case this one is locked.
        memory: filter, tab and commands of the last run; None keeps nothing.
        badge: a word in the header on the kind of session; "": the usual kind.
    """

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
        self._memory = memory
        self.main = MainScreen(service, items, memory, badge)

    def get_default_screen(self) -> Screen[None]:
        """Apply the settings and return the first screen, which stays empty below the main one."""
        self._problems += self.take_settings(self._service.settings)
        return super().get_default_screen()

    def on_mount(self) -> None:
        """Show the main screen, and the problems of the start."""
        self.fit(self.main)
        self.push_screen(self.main)
        on_bar = {each.sentence for each in self._service.settings.unclear}
        for problem in self._problems:
            self.main.event_log.note(problem, "bad")
            if problem not in on_bar:
                self.notify(problem, severity="warning", markup=False, timeout=8)
        self.quit_on_signals()

    @on(MainScreen.SettingsChanged)
    def _settings_changed(self, event: MainScreen.SettingsChanged) -> None:
        if problem := self.use_theme(event.settings.theme):
            self.main.toast(problem, error=True)
        self.use_keys(event.settings.keys)

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

    def on_paste(self, event: events.Paste) -> None:
        """Open the box for links with a paste that no input took."""
        from .screens.add import AddScreen  # late, because the first screen does not need them
        from .screens.help import HelpScreen

        text = "\n".join(event.text.splitlines())
        if not text.strip():
            return
        if isinstance(self.screen, HelpScreen):
            self.screen.dismiss()  # the links go to the screen below
        if isinstance(self.screen, AddScreen):
            self.screen.insert(text)
        else:
            self.main.open_add(text)

    def action_help_quit(self) -> None:
        """Show how to quit. In inputs Ctrl+C copies instead."""
        self.main.toast(f"Press {first_key('quit', self.main.keymap)} to quit.")

    def show_help(self) -> None:
        """Open the help."""
        self.main.do_help()

    async def action_quit(self) -> None:
        """Quit, and ask first if that stops downloads or loses links.

        A second call while closing quits at once.
        """
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
        lines = self.main.lines_in_add_box
        if running or lines:
            screen = QuitScreen(running, self._service.keeps_list, lines)
            self.push_screen(screen, self._quit_if)
        else:
            self.close_and_exit()

    def _quit_if(self, quit_now: bool | None) -> None:
        if quit_now:
            self.close_and_exit()

    def close_and_exit(self) -> None:
        """Close the engine, then exit."""
        if not self._quitting:
            self._quitting = True
            self.notify("Stopping downloads…", markup=False)
            self.run_worker(self._close(), exit_on_error=False)

    async def _close(self) -> None:
        self.main.title_of_terminal.clear()
        # The exit cancels all workers, so close the engine first.
        lines = [self._kept_text(), _UNREAD if self.main.is_reading else ""]
        await self.main.client.close()
        text = "\n".join(filter(None, lines))
        self.exit(message=Text(text) if text else None)

    def _kept_text(self) -> str:
        """Return how many unfinished downloads the next start finds; "" for none."""
        latest, service = self.main.client.latest, self._service
        if latest is None or latest.is_loading or service.is_read_only or not service.keeps_list:
            return ""
        stats = latest.stats
        unfinished = stats.queued + stats.in_progress + stats.paused
        verb = "is" if unfinished == 1 else "are"
        what = count_text(unfinished, "unfinished download")
        return f"rheo-tui: {what} {verb} kept for the next start" if unfinished else ""

    async def on_unmount(self) -> None:
        """Close the engine properly, whatever ended the app."""
        self.main.remember()
        await self.main.client.close()
