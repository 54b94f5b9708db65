"""FleetApp: watch a fleet run; quitting does not stop the run."""

from collections.abc import Sequence

from rich.text import Text
from textual import on
from textual.screen import Screen

from rheo_core.config.settings import Settings

from .actions import first_key
from .screens.fleet import FleetScreen
from .services.fleet import FleetService
from .terminal_app import TerminalApp

_USAGE = 2


class FleetApp(TerminalApp):
    """The app over a fleet run.

    Args:
        service: reads and controls the run.
        settings: theme and keys of the user.
        problems: mistakes in the settings, to show at the start.
    """

    def __init__(
        self, service: FleetService, settings: Settings, problems: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self._service = service
        self._settings = settings
        self._problems = list(problems)
        self.main = FleetScreen(service, settings.keys)

    def get_default_screen(self) -> Screen[None]:
        """Apply the settings and return the first screen, which stays empty below the main one."""
        self._problems += self.take_settings(self._settings)
        return super().get_default_screen()

    def on_mount(self) -> None:
        """Show the run, and the problems of the start."""
        self.fit(self.main)
        self.push_screen(self.main)
        for problem in self._problems:
            self.notify(problem, severity="warning", markup=False, timeout=8)
        self.quit_on_signals()

    @on(FleetScreen.NotAFleet)
    def _not_a_fleet(self, event: FleetScreen.NotAFleet) -> None:
        self.exit(return_code=_USAGE, message=Text(f"rheo-tui: {event.sentence}"))

    def action_help_quit(self) -> None:
        """Show how to quit. In inputs Ctrl+C copies instead."""
        self.main.say(f"Press {first_key('quit', self._settings.keys)} to quit.")

    def show_help(self) -> None:
        """Open the help."""
        self.main.do_help()

    async def action_quit(self) -> None:
        """Quit; the fleet continues."""
        self.close_and_exit()

    def close_and_exit(self) -> None:
        """Exit; threads that wait for a store end with the process."""
        self._quitting = True
        self._service.close()
        self.exit()
