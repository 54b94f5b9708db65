"""The settings most often changed, each checked before it is put in force."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pydantic import ValidationError
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Select, Static

from rheo_core.config.problems import explain
from rheo_core.config.settings import Settings
from rheo_core.domain import FileExistsStrategy
from rheo_core.domain.text import printable
from rheo_tui.formatting import rate_input
from rheo_tui.themes import NAMES
from rheo_tui.widgets.line_input import PlainInput


class _Field(NamedTuple):
    """A setting that is typed."""

    label: str
    text: Callable[[Any], str] = str  # its value as one types it
    example: str = ""  # where it may be left empty, which is off
    is_first: bool = False  # of its group


_FIELDS = {
    "download_dir": _Field("Folder"),
    "max_concurrent": _Field("Parallel downloads"),
    "connections": _Field("Connections each"),
    "connections_per_host": _Field("Connections a host"),
    "max_retries": _Field("Retries"),
    "speed_limit": _Field(
        "Speed limit", lambda rate: rate_input(rate) if rate else "", "none, or such as 2M", True
    ),
    "slow_limit": _Field("Slow mode limit", rate_input),
    "schedule": _Field("Schedule", "; ".join, "none, or such as Mon-Fri 08:00-18:00 2M"),
}
_LABELS = {name: field.label for name, field in _FIELDS.items()}
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
        with Vertical(classes="dialog dialog-form") as dialog:
            dialog.border_title = "Settings"
            for name, field in _FIELDS.items():
                with Horizontal(classes="field field-first" if field.is_first else "field"):
                    yield Label(field.label)
                    text = field.text(getattr(now, name))
                    yield PlainInput(text, placeholder=field.example, id=name, compact=True)
            with Horizontal(classes="field field-first"):
                yield Label("If the file exists")
                strategies = [(text, kind) for kind, text in _STRATEGIES.items()]
                yield _choice("file_exists_strategy", strategies, now.file_exists_strategy)
            with Horizontal(classes="field"):
                yield Label("Colours")
                theme = now.theme if now.theme in NAMES else NAMES[0]
                yield _choice("theme", [(name, name) for name in NAMES], theme)
            yield Static("", id="settings-problem", markup=False)
            yield Static("Enter saves  ·  Tab next  ·  Esc closes", classes="dialog-keys")

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Check all; close with the new settings if all are acceptable."""
        try:
            self.dismiss(self._checked())
        except ValueError as problems:
            self.query_one("#settings-problem", Static).update(str(problems))

    def _checked(self) -> Settings:
        """Raises ValueError with a sentence on each value that is not acceptable."""
        values: dict[str, Any] = {
            name: self.query_one(f"#{name}", Input).value.strip() or (field.example and "off")
            for name, field in _FIELDS.items()
        }
        for name in ("file_exists_strategy", "theme"):
            values[name] = self.query_one(f"#{name}", Select).value
        try:
            # Every field is passed on, so that no variable of the environment is read again.
            checked = Settings(**{**self._settings.model_dump(), **values})
        except ValidationError as error:
            problems = (f"{sentence}." for sentence in explain(error, _LABELS).values())
            raise ValueError("\n".join(problems)) from None
        _make(checked.download_dir)
        return self._settings.model_copy(update={name: getattr(checked, name) for name in values})


def _choice(name: str, options: list[tuple[str, Any]], value: object) -> Select[Any]:
    return Select(options, value=value, allow_blank=False, id=name, compact=True)


def _make(folder: Path) -> None:
    """Raises ValueError where files cannot be put there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK) else "it cannot be written to"
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    if reason:
        raise ValueError(f"Folder “{printable(str(folder))}” cannot be used: {printable(reason)}.")
