"""The main screen: table, details, log; sends each key to what carries it out."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot, RheoError, Snapshot
from rheo_core.domain.text import printable
from rheo_tui.actions import BY_ID, Context, bindings
from rheo_tui.columns import QUEUE_ORDER, Column
from rheo_tui.commands import Command, CommandError, parse_command
from rheo_tui.engine_link import EngineLink
from rheo_tui.filters import parse_filter
from rheo_tui.folders import folder_of, open_folder
from rheo_tui.listing import Listing
from rheo_tui.log_book import LogBook
from rheo_tui.notices import Notices
from rheo_tui.notifier import TerminalNotifier
from rheo_tui.service import DownloadService, ListLockedError
from rheo_tui.verbs import Verbs
from rheo_tui.widgets.closed_bar import ClosedBar
from rheo_tui.widgets.command_line import CommandLine
from rheo_tui.widgets.details import DetailsPane
from rheo_tui.widgets.filter_bar import FilterBar
from rheo_tui.widgets.footer import KeyFooter
from rheo_tui.widgets.log_pane import LogPane
from rheo_tui.widgets.table import DownloadTable
from rheo_tui.widgets.totals import TotalsHeader

from .dialogs import Dialogs

if TYPE_CHECKING:
    from rheo_core.inputs.sources import Item

_POLL_SECONDS = 0.25


class MainScreen(Screen[None]):
    """Shows the list and steers it."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (140, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (12, "-short"), (30, "-high")]  # noqa: RUF012

    @dataclass
    class Locked(Message):
        """Another process has the list."""

        error: ListLockedError

    def __init__(self, service: DownloadService, wanted: "Iterable[Item]" = ()) -> None:
        super().__init__()
        self.keymap = dict(service.settings.keys)
        self.book = LogBook()
        self.listing = Listing()
        notifier = TerminalNotifier(self, service)
        self.link = EngineLink(service, self.book, self._notice, notifier.add)
        self._service = service
        self._wanted = wanted
        self.is_reading = False  # what is wanted, in the background
        self._verbs = Verbs(service)
        self._quits_when_done = False
        self._here: dict[str, Callable[[], object]] = {
            "add": lambda: self.open_add(""),
            "load": lambda: self._dialogs.load(),
            "link": self._open_link,
            "limit_down": lambda: self._change_limit(partial(self._verbs.step_limit, up=False)),
            "limit_up": lambda: self._change_limit(partial(self._verbs.step_limit, up=True)),
            "slow": lambda: self._change_limit(self._verbs.toggle_slow),
            "mark": self._mark,
            "mark_all": self._mark_all,
            "filter": lambda: self.query_one(FilterBar).open(),
            "sort": lambda: self._dialogs.sort(self.listing.sort, self._sort_by),
            "clear": self._clear,
            "details": self._toggle_details,
            "log": self._toggle_log,
            "history": lambda: self._dialogs.history(),
            "copy": self._copy,
            "folder": self._open_folder,
            "settings": lambda: self._dialogs.settings(self._save_settings),
            "command": self._open_command_line,
            "palette": lambda: self._dialogs.palette(),
            "help": lambda: self._dialogs.help(self.keymap),
            "quit": lambda: self.app.run_action("quit"),
        }

    def compose(self) -> ComposeResult:
        """Header, filter, table beside or above details, log, footer."""
        read_only = self._service.is_read_only
        yield TotalsHeader(read_only=read_only, id="totals")
        yield ClosedBar(id="closed")
        yield FilterBar(id="filter")
        with Container(id="body"):
            yield DownloadTable(self.listing, read_only=read_only, id="table")
            yield DetailsPane(id="details")
        yield LogPane(self.book, id="log")
        yield CommandLine(id="command")
        yield KeyFooter(self.keymap, id="footer")

    def on_mount(self) -> None:
        """Open the engine and begin to poll."""
        self.query_one(LogPane).display = self._service.settings.show_log
        self.query_one(DownloadTable).focus()
        self._show_context()
        self.call_after_refresh(self._run_engine)  # its imports take longer than the first screen
        self.set_interval(_POLL_SECONDS, self.refresh_from_engine)
        # Countdowns in the details go on without news from the engine.
        self.set_interval(1.0, self._show_details)

    @work(exit_on_error=False)
    async def _run_engine(self) -> None:
        try:
            await self.link.start()
        except ListLockedError as error:
            self.post_message(self.Locked(error))
        except RheoError as error:
            self.app.exit(return_code=1, message=Text(f"rheo-tui: {printable(str(error))}"))
        if self.link.ready and self._wanted:
            self.is_reading = True
            await self.link.add_wanted(self._wanted)
            self.is_reading = False

    def _name_of(self, download_id: str) -> str:
        row = self.listing.rows.get(download_id)
        return row.name if row else ""

    # What is shown

    async def refresh_from_engine(self) -> None:
        """Pull what changed; nothing is repainted when nothing did."""
        snapshot = await self.link.poll(self._name_of)
        if not self.is_running:  # it was closed meanwhile
            return
        self.query_one(LogPane).update_lines()
        if snapshot is None:
            return
        self.query_one(DownloadTable).apply(snapshot)
        self.query_one(TotalsHeader).apply(snapshot, len(self.listing.marked))
        self.query_one(ClosedBar).apply(snapshot)
        self._show_count()
        self._show_context()
        self._show_details()
        stats = snapshot.stats
        if self._quits_when_done and not stats.queued and not stats.in_progress:
            await self.app.run_action("quit")

    def context(self) -> Context:
        """What decides which actions make sense now."""
        latest = self.link.latest
        current = self.query_one(DownloadTable).current
        marked = tuple(self.listing.marked_shown())
        return Context(
            targets=marked or ((current,) if current else ()),
            current=current,
            total=len(self.listing.shown),
            failed=latest.stats.failed if latest else 0,
            finished=latest.stats.completed + latest.stats.skipped if latest else 0,
            can_undo=self._verbs.can_undo,
            by_queue_order=self.listing.sort.column is QUEUE_ORDER,
            speed_limit=latest.speed_limit_bps if latest else None,
            read_only=self._service.is_read_only,
        )

    def _show_context(self) -> None:
        self.query_one(KeyFooter).show(self.context())

    def _show_details(self) -> None:
        details = self.query_one(DetailsPane)
        if details.display:
            table = self.query_one(DownloadTable)
            row = table.current
            lines = self.book.of(row.id) if row else []
            details.show(row, table.status_of(row) if row else "", lines)

    def _show_count(self) -> None:
        bar = self.query_one(FilterBar)
        if bar.display:
            bar.show_count(len(self.listing.shown), len(self.listing.rows))

    def _notice(self, text: str, error: bool = False) -> None:
        self._notices.show(text, error)

    @cached_property
    def _notices(self) -> Notices:
        return Notices(self.app)

    @cached_property
    def _dialogs(self) -> Dialogs:
        return Dialogs(self.app, self.link)

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that open an input are letters like any other while one has the focus."""
        in_input = isinstance(self.focused, Input)
        return not (in_input and action == "run" and BY_ID[str(parameters[0])].opens_input)

    def action_run(self, action_id: str) -> None:
        """Run the action, or say why it makes no sense now."""
        action = BY_ID[action_id]
        context = self.context()
        if reason := action.disabled(context):
            self._notice(f"{action.title}: {reason}.")
        elif action.opens_input:
            self._here[action_id]()
        elif action_id in self._here:
            self.call_later(self._here[action_id])
        elif action_id in self._verbs.by_action:
            targets = context.targets
            if action.acts_on:
                rows = self.listing.rows.values()
                targets = tuple(row for row in rows if row.status in action.acts_on)
            self._act(action_id, targets)
        else:
            self.query_one(DownloadTable).go(action_id)

    @work(exit_on_error=False)
    async def _act(self, action_id: str, targets: Sequence[DownloadSnapshot]) -> None:
        title = BY_ID[action_id].title

        async def act() -> None:
            if told := await self._verbs.by_action[action_id](targets):
                self._notice(told)

        await self.link.guard(act(), f"{title} did not work")
        await self.refresh_from_engine()
        self._show_context()

    def open_add(self, text: str) -> None:
        """Open the box for links with `text` in it."""
        if reason := BY_ID["add"].disabled(self.context()):
            self._notice(f"Not added: {reason}.")
            return
        self._dialogs.add(text)

    def _open_link(self) -> None:
        row = self.query_one(DownloadTable).current
        if row is not None:
            self._dialogs.replace_link(row)

    @work(exit_on_error=False)
    async def _change_limit(self, change: Callable[[Snapshot], Awaitable[str]]) -> None:
        async def act() -> None:
            if self.link.latest:
                self._notice(await change(self.link.latest))

        await self.link.guard(act(), "The speed limit was not changed")
        await self.refresh_from_engine()

    def _mark(self) -> None:
        table = self.query_one(DownloadTable)
        if table.current:
            self.listing.toggle_mark(table.current.id)
            table.cursor += 1
            self._marks_changed()

    def _mark_all(self) -> None:
        self.listing.invert_marks()
        self._marks_changed()

    @on(DownloadTable.Marked)
    def _marks_changed(self) -> None:
        self.query_one(DownloadTable).refresh()
        if self.link.latest:
            self.query_one(TotalsHeader).apply(self.link.latest, len(self.listing.marked))
        self._show_context()

    def _clear(self) -> None:
        if self.query_one(FilterBar).display:
            self._filter_cleared()
        elif self.listing.marked:
            self.listing.marked.clear()
            self._marks_changed()

    def _toggle_details(self) -> None:
        details = self.query_one(DetailsPane)
        details.display = not details.display
        self._show_details()

    def _toggle_log(self) -> None:
        log = self.query_one(LogPane)
        log.display = not log.display
        log.update_lines()

    @work(exit_on_error=False)
    async def _copy(self) -> None:
        row = self.query_one(DownloadTable).current
        if row is None:
            return

        async def copy() -> None:
            self.app.copy_to_clipboard(await self._service.link_of(row.id) or row.url)
            self._notice("Link copied.")

        await self.link.guard(copy(), "The link was not copied")

    def _open_folder(self) -> None:
        row = self.query_one(DownloadTable).current
        fallback = self._service.settings.download_dir
        folder = folder_of(row.destination if row else "", fallback)
        problem = open_folder(folder)
        self._notice(problem or f"Opening {folder}.", bool(problem))

    # Sorting and filtering

    @on(DownloadTable.SortRequested)
    def _sort_requested(self, event: DownloadTable.SortRequested) -> None:
        self._sort_by(event.column)

    def _sort_by(self, column: Column | None) -> None:
        if column is not None:
            self.listing.sort = self.listing.sort.towards(column)
            self.query_one(DownloadTable).rebuild()
            self._show_context()

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self._filter_by(event.text)

    @on(FilterBar.Done)
    def _filter_done(self) -> None:
        self.query_one(DownloadTable).focus()

    @on(FilterBar.Cleared)
    def _filter_cleared(self) -> None:
        self.query_one(FilterBar).close()
        self._filter_by("")
        self.query_one(DownloadTable).focus()

    def _filter_by(self, text: str) -> None:
        self.listing.filter = parse_filter(text)
        self.query_one(DownloadTable).rebuild()
        self._show_count()
        self._show_context()

    # From the widgets

    @on(DownloadTable.CursorMoved)
    def _cursor_moved(self) -> None:
        self._show_context()
        self._show_details()

    @on(DownloadTable.Activated)
    def _activated(self) -> None:
        self.action_run("details")

    @on(KeyFooter.Clicked)
    def _footer_clicked(self, event: KeyFooter.Clicked) -> None:
        self.action_run(event.action_id)

    # Settings and the command line

    async def _save_settings(self, settings: Settings | None) -> None:
        if settings is not None:
            self.app.theme = settings.theme
            saved = self._service.change_settings(settings)
            await self.link.guard(saved, "The settings are in force, but cannot be kept")
            await self.refresh_from_engine()

    def _toggle_quit_when_done(self) -> None:
        self._quits_when_done = not self._quits_when_done
        told = "Quits when nothing waits or runs any more." if self._quits_when_done else "Stays."
        self._notice(told)

    def _open_command_line(self) -> None:
        self.query_one(KeyFooter).display = False
        self.query_one(CommandLine).open()

    @on(CommandLine.Left)
    def _command_line_left(self) -> None:
        self.query_one(KeyFooter).display = True
        self.query_one(DownloadTable).focus()

    @on(CommandLine.Entered)
    def _command_entered(self, event: CommandLine.Entered) -> None:
        try:
            command = parse_command(event.text, self.listing.rows)
        except CommandError as error:
            self._notice(str(error), error=True)
            return
        self.query_one(CommandLine).close()
        self._run_command(command)

    @work(exit_on_error=False)
    async def _run_command(self, command: Command) -> None:
        if command.verb == "quit":
            await self.app.run_action("quit")
            return
        if command.verb == "quit-when-done":
            self._toggle_quit_when_done()
            return

        async def act() -> None:
            targets = self.context().targets
            if told := await self._verbs.run_command(command, self.listing.rows, targets):
                self._notice(told)

        await self.link.guard(act(), f"{command.verb} did not work")
        await self.refresh_from_engine()
