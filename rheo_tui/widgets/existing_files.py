"""ExistingFiles: entries whose file is on the disk already, with the choice for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from rheo_core.inputs import Entry, Verdict
from rheo_tui.existing_files import Choice, Decision
from rheo_tui.formatting import count_text

_UNDECIDED = "choose"
CAPTION = (
    "Already on the disk (Tab): v open · a again · r rename · o overwrite · s skip; A O S: all"
)
"""The line above the list."""
_MAX_LINES = 1000
"""Entries with a line of their own; keys for all decide the others too."""


class ExistingFiles(OptionList):
    """Shows the entries; keys decide the one under the cursor, or all of them.

    Decisions belong to downloads, not to lines: they stay while the user edits the text.
    """

    BINDINGS: ClassVar = [
        ("v", "open", "Open"),
        ("a", "decide('again')", "Download again"),
        ("r", "rename", "Rename"),
        ("o", "decide('overwrite')", "Overwrite"),
        ("s", "decide('skip')", "Skip"),
        ("A", "decide_all('again')", "Download all again"),
        ("O", "decide_all('overwrite')", "Overwrite all"),
        ("S", "decide_all('skip')", "Skip all"),
        ("enter", "screen.submit", "Add"),
    ]

    @dataclass
    class Decided(Message):
        """The user decided an entry, or all."""

    @dataclass
    class Asked(Message):
        """The user wants to open the file of an entry, or to name the download."""

        entry: Entry
        choice: Choice

    def __init__(self) -> None:
        super().__init__(compact=True, markup=False)
        self._entries: Sequence[Entry] = ()
        self._decisions: dict[str, Decision] = {}  # by the ids of the downloads

    def show(self, entries: Sequence[Entry]) -> None:
        """Show the entries whose file exists; hide the list if there are none."""
        self._entries = [entry for entry in entries if entry.verdict is Verdict.ON_DISK]
        at = self.highlighted or 0
        self.clear_options()
        self.add_options(Option(self._text_of(entry)) for entry in self._entries[:_MAX_LINES])
        if hidden := len(self._entries[_MAX_LINES:]):
            self.add_option(Option(f"  and {count_text(hidden, 'more file')}", disabled=True))
        self.display = bool(self._entries)
        self.highlighted = min(at, self.option_count - 1) if self._entries else None

    def decision_on(self, entry: Entry) -> Decision | None:
        """Return the user's decision on an entry; None if there is none."""
        return self._decisions.get(entry.config.id) if entry.config else None

    def decide(self, entry: Entry, decision: Decision) -> None:
        """Note a decision."""
        self._decisions |= _all_as([entry], decision)
        for at, each in enumerate(self._entries[:_MAX_LINES]):
            if each == entry:
                self.replace_option_prompt_at_index(at, self._text_of(each))
        self.post_message(self.Decided())

    def action_decide(self, choice: str) -> None:
        """Decide the entry under the cursor, and go to the next one."""
        if (entry := self._current) is not None:
            self.decide(entry, Decision(Choice(choice)))
            if self.highlighted != self.option_count - 1:
                self.action_cursor_down()

    def action_decide_all(self, choice: str) -> None:
        """Decide all entries."""
        self._decisions |= _all_as(self._entries, Decision(Choice(choice)))
        self.show(self._entries)
        self.post_message(self.Decided())

    def action_open(self) -> None:
        """Ask to open the file under the cursor."""
        if (entry := self._current) is not None:
            self.post_message(self.Asked(entry, Choice.OPEN))

    def action_rename(self) -> None:
        """Ask for another name for the download under the cursor."""
        if (entry := self._current) is not None:
            self.post_message(self.Asked(entry, Choice.RENAME))

    @property
    def _current(self) -> Entry | None:
        return self._entries[self.highlighted] if self.highlighted is not None else None

    def _text_of(self, entry: Entry) -> str:
        decision = self.decision_on(entry)
        words = decision.words if decision else _UNDECIDED
        return f"= line {entry.line}  {entry.place}  ({words})"


def _all_as(entries: Sequence[Entry], decision: Decision) -> dict[str, Decision]:
    return {entry.config.id: decision for entry in entries if entry.config}
