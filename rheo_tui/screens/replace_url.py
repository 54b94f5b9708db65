"""ReplaceUrlScreen: a new URL for a download, such as after the old one has expired."""

from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.text import printable
from rheo_tui.services.changes import Changes
from rheo_tui.widgets.line_input import PlainInput


class ReplaceUrlScreen(ModalScreen[None]):
    """Asks for the new URL; partial data is kept if it belongs to the same file."""

    BINDINGS: ClassVar = [("escape", "dismiss", "Close")]

    def __init__(self, changes: Changes, row: DownloadSnapshot) -> None:
        super().__init__()
        self._changes = changes
        self._row = row

    def compose(self) -> ComposeResult:
        """Create the old URL, the input for the new one and the line for problems."""
        with Vertical(classes="dialog dialog-form") as dialog:
            dialog.border_title = "Replace the URL"
            yield Static(printable(self._row.name), markup=False)
            yield Static(printable(self._row.url), id="old-url", markup=False)
            # Not a LineInput, because a URL that is pasted here belongs here.
            yield PlainInput(placeholder="new URL", id="new-url", compact=True)
            yield Static("", id="url-problem", markup=False)
            yield Static("Enter replace  ·  Esc close", classes="dialog-keys")

    @on(Input.Submitted)
    @work(exclusive=True, exit_on_error=False)
    async def _submitted(self, event: Input.Submitted) -> None:
        try:
            replaced = await self._changes.replace_url(self._row.id, event.value.strip())
        except Exception as error:  # show any error here; the app runs on
            self._show_problem(f"{printable(str(error)).rstrip('.') or type(error).__name__}.")
            return
        if replaced:
            self.app.notify("URL replaced.", markup=False)
            self.dismiss()
        else:
            self._show_problem("This download is done, or no longer in the list.")

    def _show_problem(self, problem: str) -> None:
        self.query_one("#url-problem", Static).update(problem)

    def on_paste(self, event: events.Paste) -> None:
        """Stop pastes that the input did not take; they belong nowhere else."""
        event.stop()
