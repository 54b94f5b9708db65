"""CommandRunner: open the command line, and run the commands that are entered there."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from textual.message import Message
from textual.widget import Widget

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.filters import Filter, Moment, SlowPatternError, parse_filter
from rheo_core.domain.text import printable
from rheo_tui.action_reasons import Context
from rheo_tui.command_handlers import CommandHandlers, setting_text, with_setting
from rheo_tui.command_hint import Hint, hint_for
from rheo_tui.command_parser import Command, parse_command
from rheo_tui.commands import COMMANDS, MOVE_ACTIONS, CommandError, without_secrets
from rheo_tui.completion import complete_command
from rheo_tui.formatting import count_text
from rheo_tui.long_work import LongWork
from rheo_tui.screen_memory import ScreenMemory
from rheo_tui.services.event_log import EventLog
from rheo_tui.services.protocol import READ_ONLY, DownloadService
from rheo_tui.table_model import TableModel
from rheo_tui.tabs import Tab
from rheo_tui.widgets.command_line import CommandLine
from rheo_tui.widgets.footer import StatusFooter
from rheo_tui.widgets.table import DownloadTable

from .filter_handlers import FilterHandlers

W = TypeVar("W", bound=Widget)


class CommandScreen(Protocol):
    """The parts of the main screen that commands use."""

    def query_one(self, selector: type[W]) -> W:
        """Return the widget of a class: the command line, the footer or the table."""

    def post_message(self, message: Message) -> bool:
        """Send a message to the screen."""

    def call_later(self, callback: Callable[..., object], *args: object) -> bool:
        """Call a function after the messages that are waiting."""

    def toast(self, text: str, error: bool = False) -> None:
        """Show a sentence."""

    def run_in_background(self, title: str, call: Callable[[], Awaitable[str]]) -> None:
        """Await `call()` in a worker; show the text that it returns, or `title` and the error."""

    def run_on(self, action_id: str, targets: Sequence[DownloadSnapshot] | None = None) -> None:
        """Run an action on downloads; None: on the selection."""

    def selection(self) -> Context:
        """Return the state of the screen, with all downloads of the selection as targets."""

    async def save_settings(self, settings: Settings) -> bool:
        """Apply settings and save them; return False if they cannot be saved."""

    def toggle_quit_when_done(self) -> None:
        """Quit when all downloads have ended, or no longer."""

    def remember_soon(self) -> None:
        """Save what outlives the screen."""


class CommandRunner:
    """Handles the actions whose owner is `commands`, and runs the lines that are entered.

    Args:
        screen: the screen with the command line, the footer and the table.
        model: the downloads of the table.
        service: changes the settings.
        handlers: run the commands that are not actions.
        filters: filter the list and open tabs.
        work: stops the marking of a long list.
        memory: keeps the commands.
        event_log: shows the commands.
    """

    def __init__(
        self,
        screen: CommandScreen,
        *,
        model: TableModel,
        service: DownloadService,
        handlers: CommandHandlers,
        filters: FilterHandlers,
        work: LongWork,
        memory: ScreenMemory,
        event_log: EventLog,
    ) -> None:
        self._screen = screen
        self._model = model
        self._service = service
        self._handlers = handlers
        self._filters = filters
        self._work = work
        self._memory = memory
        self._event_log = event_log

    # The line

    def do_command(self) -> None:
        """Open the command line."""
        self.open("")

    def do_mark_matching(self) -> None:
        """Open the command line for a pattern."""
        self.open("mark ")

    def do_set_priority(self) -> None:
        """Open the command line for a priority."""
        self.open("priority ")

    def open(self, text: str) -> None:
        """Open the command line with `text` in it."""
        self._screen.query_one(StatusFooter).display = False
        self._screen.query_one(CommandLine).open(text)

    def left(self, *, gives_up: bool) -> None:
        """Go back to the list after the command line has closed; see `CommandLine.Left`."""
        footer = self._screen.query_one(StatusFooter)
        footer.display = True
        if gives_up:
            footer.hush()
        self._screen.query_one(DownloadTable).focus()

    def complete(self, line: str) -> str:
        """Return a line with its likeliest rest, or ""."""
        settings, history = self._service.settings, self._memory.commands
        return complete_command(line, self._model.rows, history, settings, settings.tabs)

    def hint(self, line: str) -> Hint:
        """Return what a line would do, or what it needs."""
        targets = self._screen.selection().targets
        return hint_for(line, self._model.rows, targets, self._model.moment())

    def history(self) -> Sequence[str]:
        """Return earlier commands, oldest first."""
        return self._memory.commands

    def enter(self, text: str) -> None:
        """Run a line; keep it open if it is not valid."""
        line = text.strip().removeprefix(":")
        if self.run(line):
            self._screen.query_one(CommandLine).close()
            self._memory.add_command(line)
            self._screen.remember_soon()

    # Running

    def run(self, line: str) -> bool:
        """Run a command and log it; show why it is not valid, and return False."""
        try:
            command = parse_command(line, self._model.rows, self._model.moment())
            self._run(command)
        except (CommandError, SlowPatternError) as error:
            self._screen.toast(str(error), error=True)
            return False
        if not COMMANDS[command.verb].action_id and command.verb != "move":
            self.log(line)  # the screen logs actions
        return True

    def log(self, command: str, name: str = "") -> None:
        """Write a command to the log, without secrets; `name` is that of its only download."""
        self._event_log.note(f":{without_secrets(command)}", name=name)

    def _run(self, command: Command) -> None:
        rows, spec, screen = self._model.rows, COMMANDS[command.verb], self._screen
        match command.verb:
            case "set":
                changed = with_setting(self._service.settings, command.text, command.value)
                screen.run_in_background("set", partial(self._set, changed, command.text))
            case "filter":
                self._filters.show_and_apply(command.text)
            case "mark":
                condition = parse_filter(command.text)
                mark = partial(self._mark_matching, command.text, condition, self._model.moment())
                screen.run_in_background("mark", mark)
            case "tab":
                self._filters.open_tab(self._tab_named(command.text))
            case "quit-when-done":
                screen.toggle_quit_when_done()
            case _ if (
                action_id := MOVE_ACTIONS[command.text]
                if command.verb == "move"
                else spec.action_id
            ):
                targets = command.targets
                named = None if targets is None else [rows[each] for each in targets]
                screen.call_later(screen.run_on, action_id, named)
            case _:
                run = partial(self._handlers.run, command, rows, screen.selection())
                screen.run_in_background(command.verb, run)

    async def _set(self, settings: Settings, name: str) -> str:
        if self._service.is_read_only:
            return f"set: {READ_ONLY}."
        await self._screen.save_settings(settings)
        return f"{name} is {setting_text(settings, name)} now."

    async def _mark_matching(self, text: str, condition: Filter, moment: Moment) -> str:
        async def mark(ids: Sequence[str]) -> int:
            return self._model.mark_matching(ids, lambda row: condition.matches(row, moment))

        async def match(ids: Sequence[str]) -> int:
            rows = (self._model.rows.get(each) for each in ids)
            return sum(row is not None and condition.matches(row, moment) for row in rows)

        under_fold = self._model.folded_ids

        try:
            count = await self._work.each("Marking", list(self._model.shown), mark)
            is_stopped = self._work.is_stopped
            folded = 0 if is_stopped else await self._work.each("Marking", under_fold, match)
        finally:
            self._screen.post_message(DownloadTable.Marked())
        rest = f"; {folded:,} done ones are not shown" if folded else ""
        rest = "; stopped before the others" if is_stopped else rest
        return f"Marked {count_text(count)} that match “{printable(text)}”{rest}."

    def _tab_named(self, name: str) -> Tab:
        for tab in self._filters.tabs:
            if name.casefold() == tab.title.casefold():
                return tab
        names = ", ".join(tab.title.lower() for tab in self._filters.tabs)
        raise CommandError(f"There is no tab “{name}”. Tabs: {names}.")
