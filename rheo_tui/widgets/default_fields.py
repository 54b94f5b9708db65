"""DefaultFields: inputs for the options of all downloads that are added together."""

from pathlib import Path
from typing import Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from rheo_tui.entry_defaults import (
    PARSERS,
    QUEUE_ENDS,
    STARTS,
    ChosenFolder,
    EntryDefaults,
    complete_path,
    complete_word,
    parse_defaults,
    parse_folder,
)
from rheo_tui.formatting import short_path

from .line_input import Completer, ShortInput, SlowCompleter

FIELDS: Final = {  # label, what an empty field means, and what it takes
    "folder": ("Folder", "", "such as isos or ~/isos"),  # empty: the download folder
    "priority": ("Priority", "1", "1 or more"),
    "start": ("Start", "now", "now, paused or 23:30"),
    "place": ("Place", "last", "last or first"),
}

_ALL_WIDTH, _LINE_WIDTH = 64, 97
"""Cells for all inputs with their labels, and for all next to a long path."""


class DefaultFields(Vertical):
    """Inputs for folder, priority, start and place; a narrow one shows the focused input only.

    Args:
        folder: the download folder, for completion and for an empty field.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def compose(self) -> ComposeResult:
        """Create the row, and the line for a mistake."""
        with Horizontal(id="defaults"):
            for name, (label, usual, _) in FIELDS.items():
                with Horizontal(id=f"field-{name}", classes="default-field"):
                    yield Label(label)
                    yield ShortInput(
                        placeholder=usual or short_path(self._folder),
                        suggester=self._completer(name),
                        id=f"default-{name}",
                        compact=True,
                    )
        yield Static("", id="default-problem", classes="field-problem", markup=False)

    def on_resize(self) -> None:
        """Show one input at a time, or two lines of them, if there is no space for one line."""
        self.set_class(self.size.width < _ALL_WIDTH, "-one")
        self.set_class(_ALL_WIDTH <= self.size.width < _LINE_WIDTH, "-two")

    def _completer(self, name: str) -> Completer | SlowCompleter | None:
        match name:
            case "folder":
                return SlowCompleter(
                    lambda text: complete_path(text, self._folder, folders_only=True)
                )
            case "start":
                return Completer(lambda text: complete_word(text, STARTS))
            case "place":
                return Completer(lambda text: complete_word(text, QUEUE_ENDS))
        return None

    def input(self, name: str) -> Input:
        """Return an input by the name of its field."""
        return self.query_one(f"#default-{name}", Input)

    @property
    def keys(self) -> str:
        """Keys of an input for one line, after the values of the focused field."""
        focused = (name for name in FIELDS if self.input(name).has_focus)
        name = next(focused, "")
        takes = [FIELDS[name][2]] if name else []
        complete = ["→ complete"] if name and self.input(name).suggester else []
        return " · ".join([*takes, "Enter add", "Tab next", *complete, "Esc close"])

    @property
    def texts(self) -> dict[str, str]:
        """Texts of the fields."""
        return {name: self.input(name).value for name in FIELDS}

    def fill(self, texts: dict[str, str]) -> None:
        """Put texts into the fields."""
        for name, text in texts.items():
            self.input(name).value = text

    @property
    def chosen_folder(self) -> ChosenFolder:
        """Folder for the downloads; the download folder while the text is wrong."""
        try:
            return parse_folder(self.input("folder").value, self._folder)
        except ValueError:
            return ChosenFolder()

    def parsed(self) -> EntryDefaults | None:
        """Return the options, or show a mistake, focus its field and return None."""
        if problem := self._problem():
            name, sentence = problem
            self._show(sentence)
            self.input(name).focus()
            return None
        return parse_defaults(self.texts)

    def _problem(self) -> tuple[str, str] | None:
        """Return the first field with a mistake, and a sentence about it."""
        for name, text in self.texts.items():
            try:
                PARSERS[name](text, self._folder)
            except ValueError as error:
                return name, f"{error}."
        return None

    def _show(self, sentence: str) -> None:
        line = self.query_one("#default-problem", Static)
        line.update(sentence)
        line.display = bool(sentence)

    @on(Input.Changed)
    def _changed(self) -> None:
        """Check the fields while the user types."""
        problem = self._problem()
        self._show(problem[1] if problem else "")
