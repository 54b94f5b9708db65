"""MainScreen: the screen around the download table, and the handlers of its actions."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot, DownloadStatus, RheoError
from rheo_core.domain.filters import parse_typed
from rheo_core.domain.text import printable
from rheo_tui import menus
from rheo_tui.action_handlers import DownloadHandlers, done_text, unfinished
from rheo_tui.action_reasons import Context, can_edit, has_file
from rheo_tui.actions import BY_ID, Action, advice_text, bindings, first_key, handler_table
from rheo_tui.columns import QUEUE_ORDER, Column, ColumnChoice
from rheo_tui.command_handlers import CommandHandlers
from rheo_tui.commands import equal_command, targets_text
from rheo_tui.existing_files import Choice, Decision, path_of
from rheo_tui.failure_advice import cause_of
from rheo_tui.failure_groups import failure_groups
from rheo_tui.file_manager import folder_of, open_path
from rheo_tui.formatting import count_text, sentence, short_name, short_path
from rheo_tui.garbage_collections import GarbageCollections
from rheo_tui.long_work import LongWork
from rheo_tui.screen_memory import ScreenMemory
from rheo_tui.services.edits import Edits
from rheo_tui.services.event_log import EventLog
from rheo_tui.services.poller import POLL_SECONDS, EngineClient
from rheo_tui.services.protocol import DownloadService, SessionLockedError
from rheo_tui.status_look import look_of
from rheo_tui.table_model import TableModel
from rheo_tui.tabs import ALL, TABS
from rheo_tui.terminal_notifications import TerminalNotifier
from rheo_tui.terminal_title import TerminalTitle
from rheo_tui.toasts import Toasts
from rheo_tui.typed_ahead import key_work
from rheo_tui.undo import UndoStack
from rheo_tui.widgets.closed_bar import ClosedBar
from rheo_tui.widgets.command_line import CommandLine
from rheo_tui.widgets.details import DetailsPane
from rheo_tui.widgets.filter_bar import FilterBar
from rheo_tui.widgets.footer import StatusFooter
from rheo_tui.widgets.header import SummaryHeader
from rheo_tui.widgets.log_pane import LogPane
from rheo_tui.widgets.tab_bar import TabBar
from rheo_tui.widgets.table import DownloadTable

from .command_runner import CommandRunner
from .dialogs import Dialogs
from .filter_handlers import FilterHandlers
from .inspector import Inspector

if TYPE_CHECKING:
    from rheo_core.inputs.arguments import Item
    from rheo_tui.screens.failures import GroupAction

_DISK_SECONDS = 5.0
_MAX_UNASKED = 20
"""Finished downloads that a key on their line changes without a question."""


class MainScreen(Screen[None]):
    """Shows the downloads and runs the actions on them."""

    AUTO_FOCUS = "DownloadTable"  # before the styles hide the inputs, keys would go to one of them
    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]

    @dataclass
    class SessionLocked(Message):
        """Another process has locked the session."""

        error: SessionLockedError

    @dataclass
    class SettingsChanged(Message):
        """The user has saved other settings."""

        settings: Settings

    def __init__(
        self,
        service: DownloadService,
        items: "Iterable[Item]" = (),
        memory: ScreenMemory | None = None,
        badge: str = "",
    ) -> None:
        super().__init__()
        self.memory = memory or ScreenMemory()
        self._badge = badge or ("read-only" if service.is_read_only else "")
        self.keymap = dict(service.settings.keys)
        self.event_log = EventLog()
        self.model = TableModel()
        notifier = TerminalNotifier(self, service)
        self.title_of_terminal = TerminalTitle(self)
        self.work = LongWork(self._show_progress)
        self.client = EngineClient(service, self.event_log, self.toast, notifier.add, self.work)
        self._service = service
        self._items = items
        self.is_reading = False  # True while items are read in the background
        self._garbage = GarbageCollections()
        self.undo = UndoStack(self.work, self._name_of)
        self.edits = Edits(service, self.undo)
        self._downloads = DownloadHandlers(service, self.undo)
        self._quits_when_done = False
        self._retried: DownloadSnapshot | None = None  # or edited; as it was, until the next key
        self._inspector = Inspector(self, service, self.client, self.event_log)
        self._filters = FilterHandlers(self, self.model, service, self._show_filtered)
        self._commands = CommandRunner(
            self,
            model=self.model,
            service=service,
            handlers=CommandHandlers(service, self._downloads, self.edits),
            filters=self._filters,
            work=self.work,
            memory=self.memory,
            event_log=self.event_log,
        )

    def compose(self) -> ComposeResult:
        """Create header, filter, table with details, log and footer."""
        read_only = self._service.is_read_only
        folder = self._service.settings.download_dir
        yield SummaryHeader(folder, badge=self._badge, id="summary")
        yield ClosedBar(id="closed")
        yield TabBar(id="tabs")
        yield FilterBar(self._filters.complete, id="filter")
        with Container(id="body"):
            yield DownloadTable(
                self.model,
                self.keymap,
                read_only=read_only,
                columns=self.memory.columns,
                id="table",
            )
            yield DetailsPane(self.keymap, id="details")
        yield LogPane(self.event_log, id="log")
        yield CommandLine(
            self._commands.complete, self._commands.hint, self._commands.history, id="command"
        )
        yield StatusFooter(self.keymap, id="footer")

    def on_mount(self) -> None:
        """Build the table of handlers, open the engine and begin to poll."""
        self._handlers = handler_table(
            {
                "screen": self,
                "table": self.table,
                "downloads": self._downloads,
                "filters": self._filters,
                "commands": self._commands,
                "inspector": self._inspector,
            }
        )
        self.query_one(LogPane).set_class(self._service.settings.show_log, "-open")
        self._filters.recall(self.memory.filter, self.memory.tab)
        self._show_context()
        # Later, because the engine's imports take longer than the first screen.
        self.call_after_refresh(self._run_engine)
        self.set_interval(POLL_SECONDS, self.refresh_from_engine)
        # Countdowns in the details change without changes in the engine.
        self.set_interval(1.0, self._inspector.show)
        self._watch_disk()

    def remember(self) -> None:
        """Save filter, tab and commands for the next run. Blocks."""
        self.memory.filter, self.memory.tab = str(self.model.filter), self.model.tab.id
        self.memory.save()

    def remember_soon(self) -> None:
        """Save filter, tab and commands in the background."""
        self.run_worker(asyncio.to_thread(self.remember), exclusive=True, group="memory")

    @work(exit_on_error=False)
    async def _run_engine(self) -> None:
        try:
            with self._garbage.off():
                await self.client.start()
                await self.refresh_from_engine()
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
        self._garbage.spare(len(self.model.rows))
        self._inspector.sample(snapshot.downloads)
        self.query_one(SummaryHeader).apply(snapshot, self.model.totals)
        self.title_of_terminal.show(snapshot, self.model.totals)
        self._show_problem()
        self._say_how_it_ended()
        self._filters.show_tabs(snapshot.stats)
        self.query_one(ClosedBar).apply(snapshot)
        self._filters.show_count()
        self._show_context()
        self._inspector.show()
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
            folded=self.model.finished if on_fold and not marked else 0,
            marked=len(marked),
            total=self.model.lines,
            active=latest.stats.in_progress if latest else 0,
            failed=latest.stats.failed if latest else 0,
            finished=latest.stats.completed + latest.stats.skipped if latest else 0,
            running=latest.stats.queued + latest.stats.in_progress if latest else 0,
            paused=latest.stats.paused if latest else 0,
            lowered_hosts=latest.lowered_hosts if latest else 0,
            details_open=self.query_one(DetailsPane).display,
            log_open=self.query_one(LogPane).display,
            follows=self.table.is_following,
            undoes=self.undo.next_undo,
            redoes=self.undo.next_redo,
            by_queue_order=self.model.sort.column is QUEUE_ORDER,
            speed=latest.speed_bps if latest else 0.0,
            speed_limit=latest.speed_limit_bps if latest else None,
            speed_limit_reason=latest.speed_limit_reason if latest else "",
            is_slow=latest.is_slow if latest else False,
            has_filter=bool(self.model.filter) or self.model.tab not in TABS,
            own_tabs=len(self.model.own_tabs),
            read_only=self._service.is_read_only,
        )

    @property
    def table(self) -> DownloadTable:
        """The table of downloads."""
        return self.query_one(DownloadTable)

    def _show_context(self) -> None:
        context, marked = self.context(), len(self.model.marked)
        header, is_range = self.query_one(SummaryHeader), self.table.is_marking
        header.show_marks(marked, marked - context.marked, is_range=is_range)
        header.show_following(context.follows)
        self.query_one(StatusFooter).show(context, self._place(), self._advice(context))

    def _advice(self, context: Context) -> str:
        """Return what helps against the failure of the current download; "" if nothing can."""
        row = context.current
        if (
            context.read_only
            or row is None
            or row.status is not DownloadStatus.FAILED
            or context.marked
        ):
            return ""
        return advice_text(cause_of(row), self.keymap)

    def _place(self) -> str:
        """Return the place of the cursor in words, for a screen without tabs."""
        if self.query_one(TabBar).display or not self.model.lines:
            return ""
        tab = "" if self.model.tab is ALL else f"{self.model.tab.title} "
        return f"{tab}{self.table.cursor + 1:,}/{self.model.lines:,}"

    def toast(self, text: str, error: bool = False, can_undo: bool = False) -> None:
        """Show a sentence at the bottom; as a toast if a dialog covers the bottom."""
        if self.app.screen is self:
            footer = self.query_one(StatusFooter)
            footer.display = True  # the command line may be open
            footer.say(text, is_error=error, can_undo=can_undo)
        else:
            self._toasts.show(text, error)

    def _show_progress(self, text: str) -> None:
        stop = first_key("clear", self.keymap)
        self.query_one(StatusFooter).say(f"{text} · {stop} stops", stays=True)

    @cached_property
    def _toasts(self) -> Toasts:
        return Toasts(self.app)

    @cached_property
    def _dialogs(self) -> Dialogs:
        return Dialogs(self.app, self.client, self.edits, self.model.rows, self.memory)

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable keys that open an input while an input has the focus."""
        in_input = isinstance(self.focused, Input)
        return not (in_input and action == "run" and BY_ID[str(parameters[0])].opens_input)

    def action_run(self, action_id: str) -> None:
        """Run an action, or show why it is disabled."""
        self.on_key()
        self.run_on(action_id)

    def run_on(self, action_id: str, targets: Sequence[DownloadSnapshot] | None = None) -> None:
        """Run an action on downloads; None: on the marked ones, or on the current one."""
        action, handler = BY_ID[action_id], self._handlers[action_id]
        context = self.context()
        if targets is not None:
            context = replace(context, targets=tuple(targets), folded=0)
        if reason := action.disabled(context):
            self.toast(sentence(reason))
        elif iscoroutinefunction(handler):
            if action.owner == "downloads":
                only = context.targets[0].name if len(context.targets) == 1 else ""
                name = only if action.takes_targets else ""
                self._commands.log(equal_command(action, context), name)
            context = self._with_all_targets(action, context)
            call = partial(handler, context)
            if action.id == "delete":
                call = partial(self._delete, call, context)
            elif action.takes_targets and context.folded > _MAX_UNASKED:
                call = partial(self._ask_for_folded, call, action, context)
            is_single_retry = action.id == "retry" and len(context.targets) == 1
            retried = context.targets[0] if is_single_retry else None
            self.run_in_background(action.title, call, retried)
        elif action.opens_input:
            handler()  # at once, because keys may be typed ahead
        else:
            self.call_later(handler)

    async def _delete(self, call: Callable[[], Awaitable[str]], context: Context) -> str:
        """Delete files by `call`; ask before several, because the trash may be emptied."""
        count = sum(map(has_file, context.targets))
        is_sure = count == 1 or await self._dialogs.is_sure_to_delete(count)
        return await call() if is_sure else "Nothing was deleted."

    async def _ask_for_folded(
        self, call: Callable[[], Awaitable[str]], action: Action, context: Context
    ) -> str:
        """Change many finished downloads by `call`, if the user means all of their line."""
        is_sure = await self._dialogs.is_sure_for_folded(action.title, context.folded)
        return await call() if is_sure else "Nothing was changed."

    def _say_how_it_ended(self) -> None:
        """Correct the feedback on a retry or an edit if the download has ended meanwhile."""
        before = self._retried
        row = self.model.rows.get(before.id) if before else None
        if row is None or row is before or not row.status.is_terminal:
            return
        self._retried = None
        if row.status is DownloadStatus.FAILED:
            self.toast(f"{short_name(row.name)} failed again: {cause_of(row).text}.", error=True)
        else:
            self.toast(f"{short_name(row.name)} is {look_of(row).label}.")

    def _waiting_text(self, ids: Sequence[str]) -> str:
        """Return a sentence on downloads that ran, left the list, and wait for a slot again."""
        latest = self.client.latest
        if latest is None or latest.stats.in_progress < latest.slots:
            return ""
        rows = filter(None, map(self.model.rows.get, ids))
        waiting = [row for row in rows if row.status is DownloadStatus.QUEUED]
        count = sum(row.bytes_downloaded > 0 for row in waiting)
        if not count:
            return ""
        return " It waits for a free slot." if len(ids) == 1 else f" {count:,} wait for free slots."

    def _with_all_targets(self, action: Action, context: Context) -> Context:
        """Return a context with all downloads that an action changes."""
        if not action.acts_on:
            return self._unfolded(context)
        rows = self.model.rows.values()
        return replace(context, targets=tuple(row for row in rows if row.status in action.acts_on))

    def selection(self) -> Context:
        """Return the state of the screen, with all downloads of the selection as targets."""
        return self._unfolded(self.context())

    def _unfolded(self, context: Context) -> Context:
        """Return a context with all downloads that the line of finished ones stands for."""
        if context.folded:
            return replace(context, targets=tuple(self.model.finished_rows()))
        return context

    def on_key(self) -> None:
        """Remove old feedback, and keep rows in their places while the user works on them."""
        self.query_one(StatusFooter).hush()
        self._retried = None
        self.table.hold()

    def run_in_background(
        self,
        title: str,
        call: Callable[[], Awaitable[str]],
        retried: DownloadSnapshot | None = None,
    ) -> None:
        """Await `call()` in a worker; show the text that it returns, or `title` and the error.

        The text changes if the download that `call` retries fails again.
        """
        self.run_worker(self._run(title, call, retried), exit_on_error=False)

    async def _run(
        self, title: str, call: Callable[[], Awaitable[str]], retried: DownloadSnapshot | None
    ) -> None:
        steps = self.undo.count
        try:
            text = await call()
            await self.refresh_from_engine()  # first: the next key acts on what the list shows
            returned, self.undo.returned = self.undo.returned, ()
            self.table.go_to_first(returned)
            text += self._waiting_text(returned)
            if text:
                self.toast(text, can_undo=self.undo.count > steps)
                self._retried = retried
                self._say_how_it_ended()
        except Exception as error:
            self.client.report(title, error)
            await self.refresh_from_engine()
        self._show_context()

    @property
    def lines_in_add_box(self) -> int:
        """See `Dialogs.lines_in_add_box`."""
        return self._dialogs.lines_in_add_box

    def open_add(self, text: str) -> None:
        """Open the box for links with `text` in it."""
        if reason := BY_ID["add"].disabled(self.context()):
            self.toast(f"Cannot add: {reason}.")
            return
        self._dialogs.add(text, self.toast)

    def do_add(self) -> None:
        """Open the box for links."""
        self.open_add("")

    def do_load(self) -> None:
        """Open the dialog that loads a list."""

        def loaded(sentence: str) -> None:
            self.toast(sentence)
            self.remember_soon()

        self._dialogs.load(loaded)

    def do_link(self) -> None:
        """Open the dialog that edits the targets that are not done."""
        self._edit(self.context().targets)

    def _edit(self, targets: Sequence[DownloadSnapshot]) -> None:
        rows = [row for row in targets if can_edit(row)]
        again = " Queued again." if all(row.status.is_terminal for row in rows) else ""

        def closed(problem: str) -> None:
            if problem:
                self.toast(problem)
            else:
                text = done_text("Edited", rows, targets, "were done")
                self.toast(text + again, can_undo=True)
                self._retried = self.model.rows.get(rows[0].id) if len(rows) == 1 else None

        self._dialogs.edit(rows, closed)

    async def do_replace_links(self, context: Context) -> str:
        """Open the dialog that edits the links of the failed downloads among the targets."""
        failed = [row for row in context.targets if row.status is DownloadStatus.FAILED]
        await self._open_links(failed).wait()
        return ""

    @key_work
    async def _open_links(self, rows: Sequence[DownloadSnapshot]) -> None:
        await self._dialogs.replace_links(rows, partial(self.toast, can_undo=True))

    def do_existing(self) -> None:
        """Ask what to do about the files of downloads that are on the disk already."""
        self._ask_about_files(self.context().targets)

    def _ask_about_files(self, targets: Sequence[DownloadSnapshot]) -> None:
        rows = [row for row in targets if row.has_file]
        self._dialogs.existing_file(rows, partial(self._existing_decided, rows))

    def _existing_decided(
        self, rows: Sequence[DownloadSnapshot], decision: Decision | None
    ) -> None:
        if decision is None:
            return
        if decision.choice is Choice.OPEN:
            self._open(path_of(rows[0], self._service.settings.download_dir))
            return
        self.run_in_background(
            BY_ID["existing"].title, partial(self._downloads.download_again, rows, decision)
        )

    def do_failures(self) -> None:
        """Open the failures by cause."""
        groups = failure_groups(self.model.rows.values())

        def chosen(choice: "GroupAction | None") -> None:
            if choice is None:
                return
            if choice.action == "mark":
                self.model.marked |= {row.id for row in choice.rows}
                self._marks_changed()
            elif choice.action == "link":
                self._edit(choice.rows)
            elif choice.action == "existing" and any(row.has_file for row in choice.rows):
                self._ask_about_files(choice.rows)
            elif choice.action == "copy":
                self._open_copy_menu(choice.rows)
            else:
                self.run_on(choice.action, choice.rows)

        if groups:
            self._dialogs.failures(groups, self.keymap, chosen)

    def do_history(self) -> None:
        """Open the history."""
        self._dialogs.history()

    def do_settings(self) -> None:
        """Open the settings."""
        self._dialogs.settings(self.save_settings, self._show_settings, self._reload_settings)

    def do_palette(self) -> None:
        """Open the command palette."""
        self._dialogs.palette()

    def do_suspend(self) -> None:
        """Stop the program, as a shell does; `fg` continues it."""
        self.title_of_terminal.clear()
        self.app.action_suspend_process()

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
        """Stop long work; or close or clear one thing: details, filter, range or marks.

        The tab stays, because the next key must not act on a download of another one.
        """
        if self.work.stop():
            return
        if self.query_one(DetailsPane).display:
            self._toggle_details()
        elif self.query_one(FilterBar).display:
            self._filter_cleared()
        elif self.table.is_following:
            self.table.end_following()
        elif self.model.has_range:
            self.table.end_range()
        elif self.model.marked:
            self.model.marked.clear()
            self._marks_changed()
        elif self.model.tab is not ALL:
            self.toast(f"Press {first_key('tab_all', self.keymap)} to show all downloads.")

    def do_keep_tab(self) -> None:
        """Ask for a name, and keep the filter as a tab."""
        tab, kept = self.model.tab, self.model.tab.filter & self.model.filter
        name = "" if tab in TABS or self.model.filter else tab.title

        def chosen(new: str | None) -> None:
            if new is not None:
                tabs = self._service.settings.tabs
                others = {each: text for each, text in tabs.items() if each != name}
                self._keep_tabs({**others, new: str(kept)} if new else others, new)

        self._dialogs.keep_tab(str(kept), name, chosen)

    def _keep_tabs(self, tabs: dict[str, str], opened: str) -> None:
        """Save the user's tabs, and open one by its name; "" opens all downloads."""

        async def save() -> None:
            await self.save_settings(self._service.settings.model_copy(update={"tabs": tabs}))
            self._filters.open_kept(opened)

        self.run_worker(save(), exit_on_error=False)

    @on(TabBar.Chosen)
    def _tab_chosen(self, event: TabBar.Chosen) -> None:
        self._filters.open_tab(event.tab)

    def do_details(self) -> None:
        """Show or hide the details, or the finished downloads if the cursor is on their line."""
        if self.table.on_fold:
            self.table.toggle_fold()
        else:
            self._toggle_details()

    def _toggle_details(self) -> None:
        details = self.query_one(DetailsPane)
        self.set_class(not details.display, "-details")
        self.call_after_refresh(self._inspector.show)
        self.call_after_refresh(self._show_context)

    def do_log(self) -> None:
        """Show or hide the log."""
        log = self.query_one(LogPane)
        is_open = not log.display
        log.set_class(is_open, "-open", "-asked")
        log.update_lines()

    def do_menu(self) -> None:
        """Open the menu of everything that can be done with the selection."""
        context = self.selection()
        items = menus.action_items(context, self.keymap)
        self._dialogs.menu(menus.heading("", context.targets), items, self.action_run)

    @on(DownloadTable.MenuRequested)
    def _menu_requested(self) -> None:
        self.action_run("menu")

    def do_copy(self) -> None:
        """Open the menu of facts to copy; the page of the details, too, if they are open."""
        context = self.selection()
        has_page = context.details_open and context.current and not context.marked
        details = self.query_one(DetailsPane)
        self._open_copy_menu(context.targets, details if has_page else None)

    def _open_copy_menu(
        self, rows: Sequence[DownloadSnapshot], details: DetailsPane | None = None
    ) -> None:
        from rheo_tui.copying import BY_ID as FACTS
        from rheo_tui.copying import FIELD, PAGE, Fact, copied, copy_items

        async def copy(fact: Fact) -> str:
            texts = await copied(fact, rows, self._service.config_of)
            if not texts:
                return f"Nothing copied: there is no {fact.id}."
            self.app.copy_to_clipboard("\n".join(texts))
            title = fact.title.partition(",")[0]
            lines = f" ({count_text(len(texts), 'line')})" if len(rows) > 1 else ""
            return f"{title} copied{lines}."

        def chosen(fact_id: str) -> None:
            if details and fact_id == PAGE:
                self.app.copy_to_clipboard(details.text)
                self.toast(f"{title} copied.")
            elif fact_id.startswith(FIELD):
                name, value = fields[int(fact_id.removeprefix(FIELD))]
                self.app.copy_to_clipboard(value)
                self.toast(f"{name} copied.")
            else:
                self.run_in_background("Cannot copy", partial(copy, FACTS[fact_id]))

        title, fields = (details.page.title, details.facts) if details else ("", [])
        items = copy_items(rows, title, fields)
        self._dialogs.menu(menus.heading("Copy:", rows), items, chosen)

    def do_limit_menu(self) -> None:
        """Open the menu of speed limits for the selection, or for all if nothing in it runs."""
        context = self.selection()
        self._open_limit_menu(context, for_all=not unfinished(context.targets))

    def _open_limit_menu(self, context: Context, *, for_all: bool) -> None:
        scope = "limit all" if for_all else "limit"

        def chosen(item: str) -> None:
            if item == menus.ALL:
                self._open_limit_menu(context, for_all=True)
            elif item == menus.SLOW:
                self.action_run("slow")
            elif item.startswith(menus.OTHER):
                typed = item.removeprefix(menus.OTHER)
                self._commands.open(f"{scope} {typed}")
            else:
                targets = "" if for_all else targets_text(context)
                self._commands.run(f"{scope} {item} {targets}".rstrip())

        rows = context.targets
        title = menus.heading("Limit", rows)
        if for_all:
            has_ended = rows and not unfinished(rows)
            why = f" ({menus.heading('Ended:', rows)})" if has_ended else ""
            title = f"Limit all together{why}"
        limits = {context.speed_limit} if for_all else {row.speed_limit_bps for row in rows}
        slow = self._service.settings.slow_limit
        self._dialogs.menu(title, menus.limit_items(limits, slow, for_all=for_all), chosen)

    def do_folder(self) -> None:
        """Open the folder of the current download in the file manager."""
        row = self.table.current
        fallback = self._service.settings.download_dir
        self._open(folder_of(row.destination if row else "", fallback))

    def do_open(self) -> None:
        """Open the file of the current download with its usual program."""
        if row := self.table.current:
            key = first_key("again", self.keymap)
            self._open(Path(row.destination), f" Press {key} to download it again.")

    def _open(self, path: Path, if_missing: str = "") -> None:
        """Open a file or folder; `if_missing` is advice for one that does not exist."""

        async def open_now() -> str:
            if problem := await open_path(path, self.app.copy_to_clipboard):
                is_there = await asyncio.to_thread(path.exists)
                self.toast(problem + ("" if is_there else if_missing), error=True)
                return ""
            return f"Opened {printable(short_path(path))}."

        self.run_in_background("Cannot open", open_now)

    # Sorting and filtering

    def do_sort(self) -> None:
        """Open the choice of a column."""
        self._dialogs.sort(self.model.sort, self._sort_by)

    def do_columns(self) -> None:
        """Open the choice of columns."""
        self._dialogs.columns(self.table.columns, self._choose_columns, self.table.size.width)

    @on(DownloadTable.ColumnsChosen)
    def _columns_chosen(self, event: DownloadTable.ColumnsChosen) -> None:
        self._choose_columns(event.columns)

    def _choose_columns(self, columns: ColumnChoice) -> None:
        self.table.choose_columns(columns)
        self.memory.columns = columns
        self.remember_soon()

    @on(DownloadTable.SortRequested)
    def _sort_requested(self, event: DownloadTable.SortRequested) -> None:
        self._sort_by(event.column)

    def _sort_by(self, column: Column | None) -> None:
        if column is not None:
            self.model.sort = self.model.sort.towards(column)
            self.table.resort()
            self._show_context()

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _show_typing(self) -> None:
        """Show the keys of the line in which the user types."""
        lines = (self.query_one(FilterBar), self.query_one(CommandLine))
        keys = next((line.KEYS for line in lines if line.has_focus_within), ())
        self.query_one(StatusFooter).show_typing(keys)

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self._filters.type(event.text)

    @on(FilterBar.Done)
    def _filter_done(self, event: FilterBar.Done) -> None:
        self._filters.apply(event.text)
        self.table.focus()
        self.remember_soon()
        if mistake := parse_typed(event.text)[1]:
            self.toast(f"Filter: {mistake}.", error=True)

    @on(FilterBar.Cleared)
    def _filter_cleared(self) -> None:
        self._filters.show_and_apply("")
        self.table.focus()

    def _show_filtered(self) -> None:
        self._show_problem()
        self._show_context()

    def _show_problem(self) -> None:
        """Say that a filter was dropped because it takes too long."""
        problem, self.model.problem = self.model.problem, ""
        if problem:
            self.toast(f"Filter removed: {problem}", error=True)

    # From the widgets

    @on(DownloadTable.CursorMoved)
    def _cursor_moved(self) -> None:
        self._show_context()
        self._inspector.show()

    @on(DownloadTable.Following)
    def _following_changed(self, event: DownloadTable.Following) -> None:
        self._show_context()
        if row := event.hidden:
            self.toast(f"Stopped following {short_name(row.name)}: it is not shown here.")

    @on(DownloadTable.NotFound)
    def _row_not_found(self, event: DownloadTable.NotFound) -> None:
        self.toast(event.sentence)

    @on(DownloadTable.Activated)
    def _activated(self) -> None:
        self.action_run("details")

    @on(StatusFooter.Clicked)
    def _footer_clicked(self, event: StatusFooter.Clicked) -> None:
        self.action_run(event.action_id)

    # Settings

    def _show_settings(self, settings: Settings) -> None:
        self.keymap.clear()
        self.keymap.update(settings.keys)
        self.query_one(DownloadTable).refresh()
        self.query_one(StatusFooter).refresh()
        self.post_message(self.SettingsChanged(settings))

    async def save_settings(self, settings: Settings) -> bool:
        """Apply settings and save them; return False if they cannot be saved."""
        self._show_settings(settings)
        saving = self._service.change_settings(settings)
        is_saved = await self.client.guard(saving, "The settings apply, but cannot be saved")
        await self.refresh_from_engine()
        return is_saved

    async def _reload_settings(self) -> Settings:
        async def reload() -> None:
            for problem in await self._service.reload_settings():
                self.event_log.note(problem, "bad")
                self.toast(problem, True)

        await self.client.guard(reload(), "Cannot read the settings")
        self._show_settings(self._service.settings)
        return self._service.settings

    def toggle_quit_when_done(self) -> None:
        """Quit when all downloads have ended, or no longer."""
        self._quits_when_done = not self._quits_when_done
        on = self._quits_when_done
        self.query_one(SummaryHeader).show_quits_when_done(on)
        self.toast("The app quits when all downloads have ended." if on else "The app stays open.")

    @on(CommandLine.Left)
    def _command_line_left(self, event: CommandLine.Left) -> None:
        self._commands.left(gives_up=event.gives_up)

    @on(CommandLine.Entered)
    def _command_entered(self, event: CommandLine.Entered) -> None:
        self._commands.enter(event.text)
