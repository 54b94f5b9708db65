"""PathPicker: choose a recent list or a file of a folder, below a path input."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from textual import on
from textual.message import Message
from textual.widgets.option_list import Option

from rheo_core.domain.text import printable
from rheo_tui.entry_defaults import paths_with

from .choice_list import ChoiceList

_MAX_SHOWN = 500
_RECENT = "Recent lists"


class PathPicker(ChoiceList):
    """Shows paths; Enter or a click chooses one.

    Args:
        recent: returns the recently loaded lists, newest first.
    """

    @dataclass
    class Chosen(Message):
        """The user chose a path; the path of a folder ends with a slash."""

        path: str

    def __init__(self, recent: Callable[[], Sequence[str]]) -> None:
        super().__init__(compact=True, markup=False)
        self._recent = recent
        self._paths: list[str] = []

    async def offer(self, text: str) -> None:
        """Offer the paths that begin with `text`; for no text, recent lists and this folder."""
        here = await asyncio.to_thread(paths_with, text, Path(), folders_only=False)
        recent = [] if text else list(self._recent())
        self._paths = (recent + here)[:_MAX_SHOWN]
        self.set_options(self._prompts(len(recent)))
        self.display = bool(self._paths)
        self.highlighted = None

    def _prompts(self, recent: int) -> list[Option]:
        options = [Option(f"  {printable(path)}") for path in self._paths]
        if recent:
            options.insert(0, Option(_RECENT, disabled=True))
            options.insert(recent + 1, Option("Here", disabled=True))
        return options

    @on(ChoiceList.OptionSelected)
    def _selected(self, event: ChoiceList.OptionSelected) -> None:
        event.stop()
        text = str(event.option.prompt).strip()
        path = next(path for path in self._paths if printable(path) == text)
        self.post_message(self.Chosen(path))
