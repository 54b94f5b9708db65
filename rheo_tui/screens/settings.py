"""SettingsScreen: the most frequently changed settings, validated before they apply."""

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
    """A setting that the user types."""

    label: str
    text: Callable[[Any], str] = str  # formats its value as the user types it
    example: str = ""  # shown if the setting may be empty, which means off
    is_first: bool = False  # first field of a group


_FIELDS = {
    "download_dir": _Field("Folder"),
    "max_concurrent": _Field("Parallel downloads"),
    "connections": _Field("Connections each"),
    "connections_per_host": _Field("Connections per host"),
    "max_retries": _Field("Retries"),
    "speed_limit": _Field(
        "Speed limit",
        lambda rate: rate_input(rate) if rate else "",
        "none, or a rate such as 2M",
        True,
    ),
    "slow_limit": _Field("Slow mode limit", rate_input),
    "schedule": _Field("Schedule", "; ".join, "none, or Mon-Fri 08:00-18:00 2M"),
}
_LABELS = {name: field.label for name, field in _FIELDS.items()}
_STRATEGIES = {
    FileExistsStrategy.SKIP: "skip: keep the existing file",
    FileExistsStrategy.OVERWRITE: "overwrite: replace it",
    FileExistsStrategy.RENAME: "rename: save as “name (1)”",
    FileExistsStrategy.ERROR: "error: fail the download",
}


class SettingsScreen(ModalScreen[Settings | None]):
    """Returns the new settings, or None if the user closes without saving."""

    BINDINGS: ClassVar = [("escape", "dismiss", "Close"), ("ctrl+s", "save", "Save")]

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def compose(self) -> ComposeResult:
        """Create one line for each setting."""
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
            yield Static("Enter save  ·  Tab go to next  ·  Esc close", classes="dialog-keys")

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Validate all settings; close with them if all are valid."""
        try:
            self.dismiss(self._checked())
        except ValueError as problems:
            self.query_one("#settings-problem", Static).update(str(problems))

    def _checked(self) -> Settings:
        """Return the validated settings.

        Raises:
            ValueError: values are not valid; the message has one sentence for each.
        """
        values: dict[str, Any] = {
            name: self.query_one(f"#{name}", Input).value.strip() or (field.example and "off")
            for name, field in _FIELDS.items()
        }
        for name in ("file_exists_strategy", "theme"):
            values[name] = self.query_one(f"#{name}", Select).value
        try:
            # Pass every field, so that no environment variable is read again.
            checked = Settings(**{**self._settings.model_dump(), **values})
        except ValidationError as error:
            problems = (f"{sentence}." for sentence in explain(error, _LABELS).values())
            raise ValueError("\n".join(problems)) from None
        _create(checked.download_dir)
        return self._settings.model_copy(update={name: getattr(checked, name) for name in values})


def _choice(name: str, options: list[tuple[str, Any]], value: object) -> Select[Any]:
    return Select(options, value=value, allow_blank=False, id=name, compact=True)


def _create(folder: Path) -> None:
    """Create a folder.

    Raises:
        ValueError: the folder cannot be created or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK) else "it is not writable"
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    if reason:
        raise ValueError(f"Cannot use folder “{printable(str(folder))}”: {printable(reason)}.")
