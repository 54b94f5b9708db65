"""What to do when another process has the list: look at it, take another one, or quit."""

import asyncio
import os
from collections.abc import Awaitable
from itertools import count
from pathlib import Path
from typing import ClassVar, Protocol

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rheo_core.domain.text import printable
from rheo_tui.services.protocol import DownloadService, SessionLockedError
from rheo_tui.widgets.line_input import LineInput

_CHOICES = (
    "r  look at it, read-only",
    "n  open another list",
    "t  try again, after the other one has quit",
    "q  quit",
)


class SessionOpener(Protocol):
    """Opens a list."""

    def __call__(self, path: Path, *, read_only: bool) -> Awaitable[DownloadService]:
        """The open list.

        Raises:
            RheoError: it cannot be opened.
        """


class SessionLockedScreen(ModalScreen[DownloadService | None]):
    """Gives an open list, or None to quit.

    Args:
        error: says who has the list.
        open_list: tries a choice; what it raises is shown here.
    """

    AUTO_FOCUS = ""  # the input is hidden at first
    BINDINGS: ClassVar = [
        ("r", "view", "Read-only"),
        ("n", "other", "Another list"),
        ("t", "again", "Try again"),
        ("q", "dismiss(None)", "Quit"),
    ]

    def __init__(self, error: SessionLockedError, open_list: SessionOpener) -> None:
        super().__init__()
        self._error = error
        self._open = open_list

    def compose(self) -> ComposeResult:
        """Who has it, the choices, the place for another path and for what is wrong with it."""
        with Vertical(classes="dialog dialog-form") as dialog:
            dialog.border_title = "This list is in use"
            yield Static(f"{self._error}.", id="locked-by", markup=False)
            yield Static("\n".join(_CHOICES), markup=False)
            yield LineInput(id="other-list", compact=True)
            yield Static("", id="locked-problem", markup=False)
            yield Static("Enter opens  ·  Esc goes back", classes="dialog-keys")

    def on_mount(self) -> None:
        """The input appears when it is wanted."""
        self._show_input(False)

    def action_view(self) -> None:
        """Look at the list of the other process."""
        self._try(self._error.path, read_only=True)

    def action_again(self) -> None:
        """The other process may have ended."""
        self._try(self._error.path)

    @work(exit_on_error=False)
    async def action_other(self) -> None:
        """Ask for a path, with one to begin with."""
        self.query_one(Input).value = str(await asyncio.to_thread(_free_beside, self._error.path))
        self._show_input(True)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        try:
            path = Path(event.value.strip()).expanduser()
        except RuntimeError:
            self._tell(f"There is no such user: “{printable(event.value)}”.")
            return
        if event.value.strip():
            self._try(path)
        else:
            self._tell("The path of a list is needed.")

    @on(LineInput.Left)
    def _left(self) -> None:
        self._show_input(False)

    @work(exclusive=True, exit_on_error=False)
    async def _try(self, path: Path, *, read_only: bool = False) -> None:
        self._tell("")
        try:
            self.dismiss(await self._open(path, read_only=read_only))
        except Exception as error:  # whatever it is, it is told here and the app goes on
            self._tell(f"{printable(str(error)) or type(error).__name__}.")

    def _show_input(self, shown: bool) -> None:
        self.query_one(Input).display = shown
        self.query_one(".dialog-keys").display = shown
        self.set_focus(self.query_one(Input) if shown else None)
        self._tell("")

    def _tell(self, problem: str) -> None:
        self.query_one("#locked-problem", Static).update(problem)

    def on_paste(self, event: events.Paste) -> None:
        """There is no list yet that could take links."""
        event.stop()


def _free_beside(path: Path) -> Path:
    """A name beside `path` that is not taken: `session-2.db`."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(name for name in names if not os.path.lexists(name))
