"""MainScreen: everything around the table; the handlers of the actions that show things."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
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
from rheo_core.domain import DownloadSnapshot, RheoError
from rheo_core.domain.details import DownloadDetails
from rheo_core.domain.text import printable
from rheo_tui.action_handlers import DownloadHandlers
from rheo_tui.actions import BY_ID, Context, bindings
from rheo_tui.columns import QUEUE_ORDER, Column
from rheo_tui.command_handlers import CommandHandlers
from rheo_tui.command_parser import Command, CommandError, parse_command
from rheo_tui.dispatcher import Dispatcher
from rheo_tui.event_log import EventLog
from rheo_tui.file_manager import folder_of, open_path
from rheo_tui.filters import parse_filter, pattern_of
from rheo_tui.formatting import count_text
from rheo_tui.inspector_pages import Inspected
from rheo_tui.services.changes import Changes
from rheo_tui.services.poller import EngineClient
from rheo_tui.services.protocol import DownloadService, SessionLockedError
from rheo_tui.speed_history import SpeedHistory
from rheo_tui.table_model import TableModel
from rheo_tui.tabs import ALL, Tab
from rheo_tui.terminal_notifications import TerminalNotifier
from rheo_tui.toasts import Toasts
from rheo_tui.widgets.closed_bar import ClosedBar
from rheo_tui.widgets.command_line import CommandLine
from rheo_tui.widgets.details import DetailsPane
from rheo_tui.widgets.filter_bar import FilterBar
from rheo_tui.widgets.footer import StatusFooter
from rheo_tui.widgets.header import SummaryHeader
from rheo_tui.widgets.log_pane import LogPane
from rheo_tui.widgets.tab_bar import TabBar
from rheo_tui.widgets.table import DownloadTable

from .dialogs import Dialogs

if TYPE_CHECKING:
    from rheo_core.inputs.sources import Item

_POLL_SECONDS = 0.25
_DISK_SECONDS = 5.0


class MainScreen(Screen[None]):
    """Shows the downloads and runs the actions on them."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (140, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (14, "-short"), (24, "-medium"), (30, "-high")]  # noqa: RUF012

    @dataclass
    class SessionLocked(Message):
        """Another process has locked the session."""

        error: SessionLockedError

    @dataclass
    class SettingsChanged(Message):
        """The user has saved other settings."""

        settings: Settings

    def __init__(self, service: DownloadService, items: "Iterable[Item]" = ()) -> None:
        super().__init__()
        self.keymap = dict(service.settings.keys)
        self.event_log = EventLog()
        self.model = TableModel()
        notifier = TerminalNotifier(self, service)
        self.client = EngineClient(service, self.event_log, self.toast, notifier.add)
        self._service = service
        self._items = items
        self.is_reading = False  # True while items are read in the background
        self.changes = Changes(service)
        self._downloads = DownloadHandlers(self.changes)
        self._commands = CommandHandlers(service, self._downloads)
        self._quits_when_done = False
        self._speeds = SpeedHistory()
        self._details: DownloadDetails | None = None  # of the download in view

    def compose(self) -> ComposeResult:
        """Create header, filter, table with details, log and footer."""
        read_only = self._service.is_read_only
        yield SummaryHeader(self._service.settings.download_dir, read_only=read_only, id="summary")
        yield ClosedBar(id="closed")
        yield TabBar(id="tabs")
        yield FilterBar(id="filter")
        with Container(id="body"):
            yield DownloadTable(self.model, read_only=read_only, id="table")
            yield DetailsPane(self.keymap, id="details")
        yield LogPane(self.event_log, id="log")
        yield CommandLine(id="command")
        yield StatusFooter(self.keymap, id="footer")

    def on_mount(self) -> None:
        """Build the dispatch table, open the engine and begin to poll."""
        self._dispatcher = Dispatcher(
            self, {"screen": self, "table": self.table, "downloads": self._downloads}
        )
        self.query_one(LogPane).set_class(self._service.settings.show_log, "-open")
        self.table.focus()
        self._show_context()
        # Later, because the engine's imports take longer than the first screen.
        self.call_after_refresh(self._run_engine)
        self.set_interval(_POLL_SECONDS, self.refresh_from_engine)
        # Countdowns in the details change without changes in the engine.
        self.set_interval(1.0, self._show_details)
        self._watch_disk()

    @work(exit_on_error=False)
    async def _run_engine(self) -> None:
        try:
            await self.client.start()
        except SessionLockedError as error:
            self.post_message(self.SessionLocked(error))
        except RheoError as error:
            self.app.exit(return_code=1, message=Text(f"rheo-tui: {printable(str(error))}"))
        if self.client.ready and self._items:
            self.is_reading = True
            await self.client.add_items(self._items)
            self.is_reading = False

    @work(exit_on_error=False)
    async def _watch_disk(self) -> None:
        while True:  # in a thread, because a disk in the network may hang
            free = await asyncio.to_thread(self._service.free_space)
            folder = self._service.settings.download_dir
            self.query_one(SummaryHeader).show_folder(folder, free)
            await asyncio.sleep(_DISK_SECONDS)

    def _name_of(self, download_id: str) -> str:
        row = self.model.rows.get(download_id)
        return row.name if row else ""

    # Showing

    async def refresh_from_engine(self) -> None:
        """Pull the changes from the engine and repaint only those."""
        snapshot = await self.client.poll(self._name_of)
        if not self.is_running:  # the screen was closed meanwhile
            return
        self.query_one(LogPane).update_lines()
        if snapshot is None:
            return
        self.table.apply(snapshot)
        self._speeds.sample(snapshot.downloads, time.monotonic())
        self.query_one(SummaryHeader).apply(snapshot, self.model.totals)
        self.query_one(TabBar).show(snapshot.stats, self.model.tab)
        self.query_one(ClosedBar).apply(snapshot)
        self._show_count()
        self._show_context()
        self._show_details()
        stats = snapshot.stats
        if self._quits_when_done and not stats.queued and not stats.in_progress:
            await self.app.run_action("quit")

    def context(self) -> Context:
        """Return the state that decides which actions are available."""
        latest = self.client.latest
        current, on_fold = self.table.current, self.table.on_fold
        marked = tuple(self.model.marked_shown())
        first = self.model.first_finished() if on_fold else current
        return Context(
            targets=marked or ((first,) if first else ()),
            current=current,
            on_fold=on_fold and not marked,
            marked=len(marked),
            total=self.model.lines,
            failed=latest.stats.failed if latest else 0,
            finished=latest.stats.completed + latest.stats.skipped if latest else 0,
            running=latest.stats.queued + latest.stats.in_progress if latest else 0,
            paused=latest.stats.paused if latest else 0,
            details_open=self.query_one(DetailsPane).display,
            can_undo=self.changes.can_undo,
            can_redo=self.changes.can_redo,
            by_queue_order=self.model.sort.column is QUEUE_ORDER,
            speed_limit=latest.speed_limit_bps if latest else None,
            is_slow=latest.is_slow if latest else False,
            read_only=self._service.is_read_only,
        )

    @property
    def table(self) -> DownloadTable:
        """The table of downloads."""
        return self.query_one(DownloadTable)

    @property
    def rows(self) -> Mapping[str, DownloadSnapshot]:
        """All downloads by their ids."""
        return self.model.rows

    def finished_rows(self) -> Sequence[DownloadSnapshot]:
        """Return the downloads that the line of finished ones stands for."""
        return self.model.finished_rows()

    def _show_context(self) -> None:
        context, marked = self.context(), len(self.model.marked)
        header, is_range = self.query_one(SummaryHeader), self.table.is_marking
        header.show_marks(marked, marked - context.marked, is_range=is_range)
        self.query_one(StatusFooter).show(context, self._place())

    def _place(self) -> str:
        """Return the place of the cursor in words, for a screen without tabs."""
        if self.query_one(TabBar).display or not self.model.lines:
            return ""
        tab = "" if self.model.tab is ALL else f"{self.model.tab.title} "
        return f"{tab}{self.table.cursor + 1:,} of {self.model.lines:,}"

    def _show_details(self) -> None:
        pane, row = self.query_one(DetailsPane), self.table.current
        if not pane.display:
            return
        if row is None:
            pane.show(None)
            return
        if self._details is None or self._details.id != row.id:
            self._details = None
        self._show_inspected(row)
        self._fetch_details(row.id)

    def _show_inspected(self, row: DownloadSnapshot) -> None:
        seen = Inspected(
            row,
            self.table.status_of(row),
            self._details,
            self._speeds.of(row.id),
            tuple(self.event_log.of(row.id)),
        )
        self.query_one(DetailsPane).show(seen)

    @work(exclusive=True, group="details", exit_on_error=False)
    async def _fetch_details(self, download_id: str) -> None:
        """Ask the service for the details of the download in view, and of no other."""
        if not self.client.ready:
            return
        details = await self._service.details(download_id)
        row = self.table.current
        if details is not None and row is not None and row.id == details.id:
            self._details = details
            self._show_inspected(row)

    def _show_count(self) -> None:
        bar = self.query_one(FilterBar)
        if bar.display:
            bar.show_count(self.model.shown_count, len(self.model.rows))

    def toast(self, text: str, error: bool = False, can_undo: bool = False) -> None:
        """Show a sentence at the bottom; as a toast if a dialog covers the bottom."""
        if self.app.screen is self:
            footer = self.query_one(StatusFooter)
            footer.display = True  # the command line may be open
            footer.say(text, is_error=error, can_undo=can_undo)
        else:
            self._toasts.show(text, error)

    @cached_property
    def _toasts(self) -> Toasts:
        return Toasts(self.app)

    @cached_property
    def _dialogs(self) -> Dialogs:
        return Dialogs(self.app, self.client, self.changes)

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable keys that open an input while an input has the focus."""
        in_input = isinstance(self.focused, Input)
        return not (in_input and action == "run" and BY_ID[str(parameters[0])].opens_input)

    def action_run(self, action_id: str) -> None:
        """Run an action, or show why it is disabled."""
        self.on_key()
        self._dispatcher.run(action_id)

    def on_key(self) -> None:
        """Remove old feedback, and keep rows in their places while the user works on them."""
        self.query_one(StatusFooter).hush()
        self.table.hold()

    def run_in_background(self, title: str, call: Callable[[], Awaitable[str]]) -> None:
        """Await `call()` in a worker; show the text that it returns, or `title` and the error."""
        self._run_guarded(title, call)

    # Apart, because @work hides the signature that `ActionScreen` asks for.
    @work(exit_on_error=False)
    async def _run_guarded(self, title: str, call: Callable[[], Awaitable[str]]) -> None:
        async def run() -> None:
            steps = self.changes.count
            if text := await call():
                self.toast(text, can_undo=self.changes.count > steps)

        await self.client.guard(run(), title)
        await self.refresh_from_engine()
        self._show_context()

    def open_add(self, text: str) -> None:
        """Open the box for links with `text` in it."""
        if reason := BY_ID["add"].disabled(self.context()):
            self.toast(f"Cannot add: {reason}.")
            return
        self._dialogs.add(text)

    def do_add(self) -> None:
        """Open the box for links."""
        self.open_add("")

    def do_load(self) -> None:
        """Open the dialog that loads a list."""
        self._dialogs.load()

    def do_link(self) -> None:
        """Open the dialog that edits the current download, its URL first."""
        row = self.table.current
        if row is None:
            return

        def closed(is_saved: bool) -> None:
            if is_saved:
                self.toast(f"Edited {printable(row.name)}.", can_undo=True)
            else:
                self.toast("Not saved. Edit the download again to go on.")

        self._dialogs.edit(row, closed)

    def do_history(self) -> None:
        """Open the history."""
        self._dialogs.history()

    def do_settings(self) -> None:
        """Open the settings."""
        self._dialogs.settings(self._save_settings)

    def do_palette(self) -> None:
        """Open the command palette."""
        self._dialogs.palette()

    def do_help(self) -> None:
        """Open the help."""
        self._dialogs.help(self.keymap)

    def do_quit(self) -> None:
        """Quit the app, which asks first while downloads run."""
        self.app.call_later(self.app.action_quit)

    @on(DownloadTable.Marked)
    def _marks_changed(self) -> None:
        self.table.refresh()
        self._show_context()

    def do_clear(self) -> None:
        """Close or clear one thing: details, filter, range, marks or tab."""
        if self.query_one(DetailsPane).display:
            self._toggle_details()
        elif self.query_one(FilterBar).display:
            self._filter_cleared()
        elif self.model.has_range:
            self.table.end_range()
        elif self.model.marked:
            self.model.marked.clear()
            self._marks_changed()
        elif self.model.tab is not ALL:
            self.do_tab(ALL)

    def do_tab(self, tab: Tab) -> None:
        """Show the downloads of a tab."""
        self.model.tab = tab
        self.table.rebuild()
        if self.client.latest:
            self.query_one(TabBar).show(self.client.latest.stats, tab)
        self._show_count()
        self._show_context()

    @on(TabBar.Chosen)
    def _tab_chosen(self, event: TabBar.Chosen) -> None:
        self.do_tab(event.tab)

    def do_details(self) -> None:
        """Show or hide the details, or the finished downloads if the cursor is on their line."""
        if self.table.on_fold:
            self.table.toggle_fold()
        else:
            self._toggle_details()

    def _toggle_details(self) -> None:
        details = self.query_one(DetailsPane)
        self.set_class(not details.display, "-details")
        self.call_after_refresh(self._show_details)
        self.call_after_refresh(self._show_context)

    def do_next_page(self) -> None:
        """Open the next page of the details."""
        self.query_one(DetailsPane).turn(1)

    def do_previous_page(self) -> None:
        """Open the previous page of the details."""
        self.query_one(DetailsPane).turn(-1)

    def do_details_down(self) -> None:
        """Scroll the details down."""
        self.query_one(DetailsPane).scroll_page(1)

    def do_details_up(self) -> None:
        """Scroll the details up."""
        self.query_one(DetailsPane).scroll_page(-1)

    def do_log(self) -> None:
        """Show or hide the log."""
        log = self.query_one(LogPane)
        asked = not log.display
        log.set_class(asked, "-open", "-asked")
        log.update_lines()

    async def do_copy(self, context: Context) -> str:
        """Copy the URL of the current download, secrets included."""
        row = context.current
        if row is None:
            return ""
        self.app.copy_to_clipboard(await self._service.url_of(row.id) or row.url)
        return "URL copied."

    def do_folder(self) -> None:
        """Open the folder of the current download in the file manager."""
        row = self.table.current
        fallback = self._service.settings.download_dir
        self._open(folder_of(row.destination if row else "", fallback))

    def do_open(self) -> None:
        """Open the file of the current download with its usual program."""
        if row := self.table.current:
            self._open(Path(row.destination))

    def _open(self, path: Path) -> None:
        problem = open_path(path)
        self.toast(problem or f"Opening {printable(str(path))}.", bool(problem))

    # Sorting and filtering

    def do_sort(self) -> None:
        """Open the choice of a column."""
        self._dialogs.sort(self.model.sort, self._sort_by)

    def do_filter(self) -> None:
        """Open the filter bar."""
        self.query_one(FilterBar).open()

    @on(DownloadTable.SortRequested)
    def _sort_requested(self, event: DownloadTable.SortRequested) -> None:
        self._sort_by(event.column)

    def _sort_by(self, column: Column | None) -> None:
        if column is not None:
            self.model.sort = self.model.sort.towards(column)
            self.table.rebuild()
            self._show_context()

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self._filter_by(event.text)

    @on(FilterBar.Done)
    def _filter_done(self) -> None:
        self.table.focus()

    @on(FilterBar.Cleared)
    def _filter_cleared(self) -> None:
        self.query_one(FilterBar).close()
        self._filter_by("")
        self.table.focus()

    def _filter_by(self, text: str) -> None:
        self.model.filter = parse_filter(text)
        self.table.rebuild()
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

    @on(StatusFooter.Clicked)
    def _footer_clicked(self, event: StatusFooter.Clicked) -> None:
        self.action_run(event.action_id)

    # Settings and the command line

    async def _save_settings(self, settings: Settings | None) -> None:
        if settings is not None:
            self.post_message(self.SettingsChanged(settings))
            saved = self._service.change_settings(settings)
            await self.client.guard(saved, "The settings apply, but cannot be saved")
            await self.refresh_from_engine()

    def _mark_matching(self, pattern: str) -> None:
        count = self.model.mark_matching(pattern_of(pattern))
        self._marks_changed()
        self.toast(f"Marked {count_text(count)} that match “{printable(pattern)}”.")

    def _toggle_quit_when_done(self) -> None:
        self._quits_when_done = not self._quits_when_done
        on = self._quits_when_done
        self.query_one(SummaryHeader).show_quits_when_done(on)
        self.toast("The app quits when all downloads have ended." if on else "The app stays open.")

    def do_command(self) -> None:
        """Open the command line."""
        self._open_command_line("")

    def do_mark_matching(self) -> None:
        """Open the command line for a pattern."""
        self._open_command_line("mark ")

    def do_set_priority(self) -> None:
        """Open the command line for a priority."""
        self._open_command_line("priority ")

    def _open_command_line(self, text: str) -> None:
        self.query_one(StatusFooter).display = False
        self.query_one(CommandLine).open(text)

    @on(CommandLine.Left)
    def _command_line_left(self) -> None:
        self.query_one(StatusFooter).display = True
        self.table.focus()

    @on(CommandLine.Entered)
    def _command_entered(self, event: CommandLine.Entered) -> None:
        try:
            command = parse_command(event.text, self.model.rows)
        except CommandError as error:
            self.toast(str(error), error=True)
            return
        self.query_one(CommandLine).close()
        self._run_command(command)

    def _run_command(self, command: Command) -> None:
        if command.verb == "quit":
            self.do_quit()
        elif command.verb == "mark":
            self._mark_matching(command.text)
        elif command.verb == "quit-when-done":
            self._toggle_quit_when_done()
        else:
            run = partial(self._commands.run, command, self.model.rows, self.context())
            self.run_in_background(command.verb, run)
