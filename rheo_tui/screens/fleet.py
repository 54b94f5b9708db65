"""FleetScreen: show the shards and failures of a fleet run; stop it or retry."""

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from rheo_core.domain.fleet import part_name
from rheo_core.domain.fleet_view import FleetView, ShardRow
from rheo_core.domain.text import printable
from rheo_tui.actions import bindings
from rheo_tui.fleet_actions import FLEET_ACTIONS, SHARD_ACTIONS
from rheo_tui.formatting import sentence
from rheo_tui.services.fleet import FleetError, FleetService, NotAFleetError
from rheo_tui.widgets.fleet_errors import FleetErrors
from rheo_tui.widgets.fleet_header import FleetHeader
from rheo_tui.widgets.footer import StatusFooter
from rheo_tui.widgets.shard_table import ShardTable, shard_text

from .confirm import ConfirmScreen

_INTRO = "The fleet does not need this app, which only reads and writes its output folder."
_PATIENCE_SECONDS = 10.0
"""Time after which a store that does not answer is reported."""
_TRY_AGAIN_SECONDS = 5.0
_STOP = "Running shards finish, and no new ones start. The run can continue later."
_RETRY = "Plan another pass over temporary errors, such as timeouts?"
_NOTHING_YET = "nothing has been read yet"


class FleetScreen(Screen[None]):
    """Shows a run, and keeps reading it.

    Args:
        service: reads and controls the run.
        keymap: the user's keys.
    """

    AUTO_FOCUS = "ShardTable"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(SHARD_ACTIONS)]

    class NotAFleet(Message):
        """The folder has no plan."""

        def __init__(self, sentence: str) -> None:
            super().__init__()
            self.sentence = sentence

    def __init__(self, service: FleetService, keymap: dict[str, str]) -> None:
        super().__init__()
        self._service = service
        self._keymap = keymap
        self.view: FleetView | None = None
        """The run at the last reading."""
        self._problem = ""
        self._looks_now = asyncio.Event()

    def compose(self) -> ComposeResult:
        """Create the header, the problem, the shards, the errors and the footer."""
        yield FleetHeader(self._service.shown_out, id="summary")
        yield Static("", id="fleet-problem", markup=False)
        with Container(id="fleet-body"):
            with Container(id="fleet-shards"):
                yield Static("", id="shard-titles", markup=False)
                yield ShardTable(id="shards")
            yield FleetErrors(id="fleet-errors")
        yield StatusFooter(self._keymap, SHARD_ACTIONS, id="footer")

    def on_mount(self) -> None:
        """Start reading."""
        self._watch()
        self.call_after_refresh(self._show_titles)

    def on_resize(self) -> None:
        """Fit the titles to the new width."""
        self.call_after_refresh(self._show_titles)

    # Reading

    @work(exit_on_error=False)
    async def _watch(self) -> None:
        while True:
            self._looks_now.clear()
            pause = _TRY_AGAIN_SECONDS
            try:
                self._show(await self._look())
                pause = self._service.pause
            except NotAFleetError as error:
                if self.view is None:
                    self.post_message(self.NotAFleet(str(error)))
                    return
                self._show_problem(f"{error} Trying again.")
            except FleetError as error:
                self._show_problem(f"{error} Trying again.")
            try:
                async with asyncio.timeout(pause):
                    await self._looks_now.wait()
            except TimeoutError:
                pass

    async def _look(self) -> FleetView:
        looking = asyncio.ensure_future(self._service.look())
        try:
            answered, _ = await asyncio.wait({looking}, timeout=_PATIENCE_SECONDS)
            if not answered:
                self._show_problem(f"{self._service.shown_out} does not answer. Waiting.")
            return await looking
        finally:
            looking.cancel()

    def _show(self, view: FleetView) -> None:
        self._show_problem(view.problem)
        if view == self.view and not view.shards_running:  # only the times of running shards change
            return
        self.view = view
        self.query_one(FleetHeader).show(view)
        self.query_one(ShardTable).show_rows(view.rows)
        self.query_one(FleetErrors).show(view.errors, view.hosts)
        self._show_keys()

    def _show_problem(self, sentence: str) -> None:
        if sentence != self._problem:
            self._problem = sentence
            bar = self.query_one("#fleet-problem", Static)
            bar.display = bool(sentence)
            bar.update(printable(sentence))

    def _show_titles(self) -> None:
        self.query_one("#shard-titles", Static).update(self.query_one(ShardTable).titles())

    @on(ShardTable.CursorMoved)
    def _show_keys(self) -> None:
        disabled = frozenset(each.id for each in SHARD_ACTIONS if self._reason(each.id))
        table = self.query_one(ShardTable)
        count = 0 if self.view is None else len(self.view.rows)
        place = f"{table.cursor + 1:,}/{count:,}" if count else ""
        self.query_one(StatusFooter).show_disabled(disabled, place)

    @property
    def _row(self) -> ShardRow | None:
        return self.query_one(ShardTable).current

    # Actions

    def _reason(self, action_id: str) -> str:
        """Return the reason why an action is disabled now, or ""."""
        view, row = self.view, self._row
        if action_id in ("details", "copy", "pause", "retry", "sort") and view is None:
            return _NOTHING_YET
        if view is None or row is None:
            return ""
        if action_id == "details" and not row.failed:
            return f"no URL of shard {shard_text(row)} has failed"
        if action_id == "pause" and view.state == "complete":
            return "the run is complete"
        if action_id == "retry" and view.state != "complete":
            return "the run is not complete"
        if action_id == "retry" and not view.failed:
            return "no URL has failed"
        return ""

    def action_run(self, action_id: str) -> None:
        """Run an action, or show why it is disabled."""
        self.query_one(StatusFooter).hush()
        action = next(each for each in SHARD_ACTIONS if each.id == action_id)
        if reason := self._reason(action_id):
            self.say(sentence(reason))
        else:
            self.call_later(getattr(self, action.handler))

    @on(StatusFooter.Clicked)
    def _clicked(self, event: StatusFooter.Clicked) -> None:
        self.action_run(event.action_id)

    def say(self, text: str, *, is_error: bool = False, stays: bool = False) -> None:
        """Show one sentence; see `StatusFooter.say`."""
        self.query_one(StatusFooter).say(text, is_error=is_error, stays=stays)

    def on_key(self) -> None:
        """Remove old feedback."""
        self.query_one(StatusFooter).hush()

    @on(ShardTable.Opened)
    def _opened(self) -> None:
        self.action_run("details")

    def do_details(self) -> None:
        """Show the failed URLs of the current shard."""
        from .failed_urls import FailedUrlsScreen

        if (row := self._row) is not None:
            self.app.push_screen(FailedUrlsScreen(self._service, row, self._keymap))

    def do_failures(self) -> None:
        """Show or hide the errors."""
        errors = self.query_one(FleetErrors)
        self.set_class(not errors.display, "-errors")
        self.set_class(not self.has_class("-errors"), "-no-errors")
        self.call_after_refresh(self.set_focus, self.query_one(ShardTable))

    def do_clear(self) -> None:
        """Leave the errors of a low screen."""
        self.remove_class("-errors")
        self.call_after_refresh(self.set_focus, self.query_one(ShardTable))

    def do_sort(self) -> None:
        """Change the order of the shards."""
        self.say(f"Order: {self._service.next_order()}.")
        self._looks_now.set()

    def do_copy(self) -> None:
        """Copy the path of the current shard's manifest."""
        if (row := self._row) is not None:
            name = f"{part_name(row.shard, row.pass_number)}.parquet"
            self.app.copy_to_clipboard(f"{self._service.out.rstrip('/')}/{name}")
            self.say(f"Copied the path of {name}.")

    @work(exit_on_error=False)
    async def do_pause(self) -> None:
        """Ask the workers to stop, after a confirmation, or withdraw this."""
        try:
            if self.view is not None and self.view.stop_requested:
                await self._service.take_stop_back()
                text = f"Withdrew the request to stop. Continue with: {self._service.command}"
                self.say(text, stays=True)
            elif await self._confirmed("Stop the run?", _STOP, yes="stop", no="continue"):
                await self._service.stop()
                self.say("Running shards finish, and no new ones start.")
        except FleetError as error:
            self.say(str(error), is_error=True)
        self._looks_now.set()

    @work(exit_on_error=False)
    async def do_retry(self) -> None:
        """Plan a retry pass, after a confirmation, and show the command that runs it."""
        if not await self._confirmed("Try again?", _RETRY, yes="plan", no="leave"):
            return
        self.say("Reading the manifests…", stays=True)
        try:
            self.say(await self._service.plan_retry(), stays=True)  # a command to copy
        except FleetError as error:
            self.say(str(error), is_error=True)
        self._looks_now.set()

    async def _confirmed(self, title: str, text: str, *, yes: str, no: str) -> bool:
        question = ConfirmScreen(title, text, yes=yes, no=no)
        return await self.app.push_screen_wait(question)

    def do_help(self) -> None:
        """Open the help, which begins with the keys of the dialog that is open."""
        from .help import HelpScreen

        self.app.push_screen(HelpScreen(self.app.screen, self._keymap, FLEET_ACTIONS, _INTRO))

    def do_suspend(self) -> None:
        """Stop the app, as a shell does; `fg` continues it."""
        self.app.action_suspend_process()

    def do_quit(self) -> None:
        """Quit; the fleet continues."""
        self.app.call_later(self.app.action_quit)
