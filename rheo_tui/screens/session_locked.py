"""SessionLockedScreen: choose what to do if another process uses the session."""

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
from rheo_tui.formatting import with_tilde
from rheo_tui.services.protocol import DownloadService, SessionLockedError
from rheo_tui.widgets.keys_line import KeysLine
from rheo_tui.widgets.line_input import LineInput

_CHOICES = (
    "r  open it read-only",
    "n  open another session",
    "t  try again once it has ended",
    "q  quit",
)


class SessionOpener(Protocol):
    """Opens a session."""

    def __call__(self, path: Path, *, read_only: bool) -> Awaitable[DownloadService]:
        """Return a service with an open session.

        Raises:
            RheoError: the session cannot be opened.
        """


class SessionLockedScreen(ModalScreen[DownloadService | None]):
    """Returns a service with an open session, or None to quit.

    Args:
        error: names the process that has locked the session.
        open_session: opens the choice of the user; its errors are shown here.
    """

    AUTO_FOCUS = ""  # the input is hidden at first
    BINDINGS: ClassVar = [
        ("r", "view", "Read-only"),
        ("n", "other", "Another session"),
        ("t", "again", "Try again"),
        ("q", "dismiss(None)", "Quit"),
    ]

    def __init__(self, error: SessionLockedError, open_session: SessionOpener) -> None:
        super().__init__()
        self._error = error
        self._open = open_session

    def compose(self) -> ComposeResult:
        """Create the reason, the choices, the input for a path and the line for problems."""
        with Vertical(classes="dialog dialog-form") as dialog:
            dialog.border_title = "Session in use"
            reason = str(self._error).removeprefix("session ")  # as the title says
            yield Static(with_tilde(f"{reason}."), id="locked-by", markup=False)
            yield Static("\n".join(_CHOICES), markup=False)
            yield LineInput(id="other-session", compact=True)
            yield Static("", id="locked-problem", markup=False)
            yield KeysLine("Enter open · Esc go back")

    def on_mount(self) -> None:
        """Hide the input until the user asks for it."""
        self._show_input(False)

    def action_view(self) -> None:
        """Open the session of the other process read-only."""
        self._try(self._error.path, read_only=True)

    def action_again(self) -> None:
        """Try again, because the other process may have ended."""
        self._try(self._error.path)

    @work(exit_on_error=False)
    async def action_other(self) -> None:
        """Ask for a path and suggest one."""
        self.query_one(Input).value = str(await asyncio.to_thread(_free_name, self._error.path))
        self._show_input(True)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        try:
            path = Path(event.value.strip()).expanduser()
        except RuntimeError:
            self._show_problem(f"Unknown user: “{printable(event.value)}”.")
            return
        if event.value.strip():
            self._try(path)
        else:
            self._show_problem("Enter the path of a session file.")

    @on(LineInput.Left)
    def _left(self) -> None:
        self._show_input(False)

    @work(exclusive=True, exit_on_error=False)
    async def _try(self, path: Path, *, read_only: bool = False) -> None:
        self._show_problem("")
        try:
            self.dismiss(await self._open(path, read_only=read_only))
        except Exception as error:  # show any error here; the app continues
            self._show_problem(f"{printable(str(error)) or type(error).__name__}.")

    def _show_input(self, shown: bool) -> None:
        self.query_one(Input).display = shown
        self.query_one(".dialog-keys").display = shown
        self.set_focus(self.query_one(Input) if shown else None)
        self._show_problem("")

    def _show_problem(self, problem: str) -> None:
        self.query_one("#locked-problem", Static).update(problem)

    def on_paste(self, event: events.Paste) -> None:
        """Stop pastes, because no session is open yet."""
        event.stop()


def _free_name(path: Path) -> Path:
    """Return a free name in the folder of `path`, such as `session-2.db`."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(name for name in names if not os.path.lexists(name))
