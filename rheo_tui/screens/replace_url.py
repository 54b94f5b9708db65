"""Replace the link of a download, such as one that has expired."""

from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.text import printable
from rheo_tui.services.protocol import DownloadService
from rheo_tui.widgets.line_input import PlainInput


class ReplaceUrlScreen(ModalScreen[None]):
    """Asks for the new link; the bytes that are there are kept if they fit."""

    BINDINGS: ClassVar = [("escape", "dismiss", "Close")]

    def __init__(self, service: DownloadService, row: DownloadSnapshot) -> None:
        super().__init__()
        self._service = service
        self._row = row

    def compose(self) -> ComposeResult:
        """The link so far, the place for the new one and for what is wrong with it."""
        with Vertical(classes="dialog dialog-form") as dialog:
            dialog.border_title = "Replace the link"
            yield Static(printable(self._row.name), markup=False)
            yield Static(printable(self._row.url), id="old-url", markup=False)
            # Not a LineInput: a link that is pasted here belongs here.
            yield PlainInput(placeholder="the new link", id="new-url", compact=True)
            yield Static("", id="url-problem", markup=False)
            yield Static("Enter replaces  ·  Esc closes", classes="dialog-keys")

    @on(Input.Submitted)
    @work(exclusive=True, exit_on_error=False)
    async def _submitted(self, event: Input.Submitted) -> None:
        try:
            replaced = await self._service.replace_url(self._row.id, event.value.strip())
        except Exception as error:  # whatever it is, it is told here and the app goes on
            self._tell(f"{printable(str(error)).rstrip('.') or type(error).__name__}.")
            return
        if replaced:
            self.app.notify("Link replaced.", markup=False)
            self.dismiss()
        else:
            self._tell("It is done, or no longer in the list.")

    def _tell(self, problem: str) -> None:
        self.query_one("#url-problem", Static).update(problem)

    def on_paste(self, event: events.Paste) -> None:
        """What the input did not keep belongs nowhere else."""
        event.stop()
