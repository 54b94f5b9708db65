"""The settings most often changed, each checked before it is put in force."""

import os
from pathlib import Path
from typing import Any, ClassVar

from annotated_types import Ge, Le
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Select, Static

from rheo_core.config.settings import Settings
from rheo_core.domain import FileExistsStrategy
from rheo_core.domain.text import printable
from rheo_tui.themes import NAMES

_LABELS = {
    "parallel": "Parallel downloads",
    "connections": "Connections each",
    "retries": "Retries",
}
_STRATEGIES = {
    FileExistsStrategy.SKIP: "skip: keep the file that is there",
    FileExistsStrategy.OVERWRITE: "overwrite: replace it",
    FileExistsStrategy.RENAME: "rename: save as “name (1)”",
    FileExistsStrategy.ERROR: "error: let the download fail",
}


class SettingsScreen(ModalScreen[Settings | None]):
    """Gives the new settings, or None when left without saving."""

    BINDINGS: ClassVar = [("escape", "dismiss", "Close"), ("ctrl+s", "save", "Save")]

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def compose(self) -> ComposeResult:
        """One line a setting."""
        now = self._settings
        theme = now.theme if now.theme in NAMES else NAMES[0]
        with Vertical(classes="dialog dialog-form") as dialog:
            dialog.border_title = "Settings"
            with Horizontal(classes="field"):
                yield Label("Folder")
                yield Input(str(now.download_dir), id="folder", compact=True)
            with Horizontal(classes="field"):
                yield Label("Parallel downloads")
                yield Input(str(now.max_concurrent), id="parallel", compact=True)
            with Horizontal(classes="field"):
                yield Label("Connections each")
                yield Input(str(now.connections), id="connections", compact=True)
            with Horizontal(classes="field"):
                yield Label("Retries")
                yield Input(str(now.max_retries), id="retries", compact=True)
            with Horizontal(classes="field"):
                yield Label("If the file exists")
                yield Select(
                    [(text, kind) for kind, text in _STRATEGIES.items()],
                    value=now.file_exists_strategy,
                    allow_blank=False,
                    id="strategy",
                    compact=True,
                )
            with Horizontal(classes="field"):
                yield Label("Colours")
                yield Select(
                    [(name, name) for name in NAMES],
                    value=theme,
                    allow_blank=False,
                    id="theme",
                    compact=True,
                )
            yield Static("", id="settings-problem", markup=False)
            yield Static("Enter saves  ·  Tab next  ·  Esc closes", classes="dialog-keys")

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Check all; close with the new settings if all are acceptable."""
        values: dict[str, Any] = {
            "file_exists_strategy": self.query_one("#strategy", Select).value,
            "theme": self.query_one("#theme", Select).value,
        }
        problems: list[str] = []
        for name, read in (
            ("download_dir", self._folder),
            ("max_concurrent", lambda: self._number("parallel", "max_concurrent")),
            ("connections", lambda: self._number("connections", "connections")),
            ("max_retries", lambda: self._number("retries", "max_retries")),
        ):
            try:
                values[name] = read()
            except ValueError as problem:
                problems.append(str(problem))
        if problems:
            self.query_one("#settings-problem", Static).update("\n".join(problems))
            return
        self.dismiss(self._settings.model_copy(update=values))

    def _folder(self) -> Path:
        text = self.query_one("#folder", Input).value.strip()
        try:
            folder = Path(text).expanduser().absolute()
            if text:
                folder.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ValueError(
                f"Folder “{printable(text)}” cannot be used: {printable(reason).lower()}."
            ) from None
        if not text or not os.access(folder, os.W_OK):
            raise ValueError(
                f"Folder “{printable(text)}” is not acceptable: "
                "the path of a folder that can be written is needed."
            )
        return folder

    def _number(self, widget_id: str, name: str) -> int:
        text = self.query_one(f"#{widget_id}", Input).value.strip()
        low, high = _limits(name)
        is_number = text.isascii() and text.isdigit() and len(text) <= 9
        if not is_number or not low <= int(text) <= high:
            label = _LABELS[widget_id]
            raise ValueError(
                f"{label} “{printable(text)}” is not acceptable: a whole number from {low} to "
                f"{high} is needed."
            )
        return int(text)


def _limits(name: str) -> tuple[int, int]:
    """The range that the settings allow."""
    low, high = 0, 0
    for limit in Settings.model_fields[name].metadata:
        if isinstance(limit, Ge):
            low = int(str(limit.ge))
        elif isinstance(limit, Le):
            high = int(str(limit.le))
    return low, high
