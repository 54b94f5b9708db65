"""EntryTable: a table of pasted or loaded entries, with a cursor and keys to choose.

`rheo_tui/proposals.py` decides what happens to each entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message

from rheo_core.domain.text import printable
from rheo_core.domain.urls import host_of
from rheo_core.inputs import Verdict
from rheo_tui.existing_files import Choice
from rheo_tui.formatting import fit, fit_middle, fit_right, size_text
from rheo_tui.proposals import Outcome, Proposal, folder_words, name_words

from .cursor_view import CursorView

_ADD = "Ctrl+S add"
_CLOSE = "Esc close"
_GLYPHS = {
    Outcome.INVALID: "✗",
    Outcome.NO_URL: "·",
    Outcome.DUPLICATE: "=",
    Outcome.UNDECIDED: "?",
    Outcome.RENEW: "↻",
    Outcome.ADD: "✓",
    Outcome.SKIP: "–",
}
_GLYPH_CELLS = 3
"""Cells of the cursor's bar, the glyph and the blank after it. A click there skips a line."""
_SIZE_WIDTH, _HOST_WIDTH, _FOLDER_WIDTH = 9, 22, 16
_WIDE, _MEDIUM = 100, 56
"""Widths from which there is space for host and folder, and for the size."""
_NAME_SHARE = 0.42
_MISTAKE_WIDTH = 24
"""Cells that a mistake takes from long names."""
_MEASURED = 500
"""Lines whose names and verdicts decide on the widths; those that need attention are first."""


class Widths(NamedTuple):
    """Widths of the columns; 0 for one that is not shown."""

    line: int
    name: int
    size: int
    host: int
    folder: int
    verdict: int


class Needs(NamedTuple):
    """Cells that the lines would fill, and True if an entry has a size or its own folder."""

    line: int = 1
    name: int = 0
    verdict: int = 0
    has_sizes: bool = False
    has_folders: bool = False


def _needs_of(proposals: Sequence[Proposal]) -> Needs:
    some = proposals[:_MEASURED]
    return Needs(
        len(str(max((each.entry.line for each in proposals), default=1))),
        max((cell_len(name_words(each.entry)) for each in some), default=0),
        max(map(_verdict_cells, some), default=0),
        any(each.entry.config and each.entry.config.size_bytes for each in proposals),
        any(folder_words(each.entry.config) for each in proposals),
    )


def _verdict_cells(proposal: Proposal) -> int:
    """Return the cells that a verdict needs; that of a mistake stands below the table, too."""
    cells = cell_len(proposal.brief)
    return min(cells, _MISTAKE_WIDTH) if proposal.outcome is Outcome.INVALID else cells


@lru_cache(maxsize=16)
def widths_for(width: int, needs: Needs) -> Widths:
    """Return the widths of the columns in `width` cells.

    A long name takes the cells that the verdicts leave.
    """
    size = _SIZE_WIDTH if needs.has_sizes and width >= _MEDIUM else 0
    host = _HOST_WIDTH if width >= _WIDE else 0
    folder = _FOLDER_WIDTH if needs.has_folders and width >= _WIDE else 0
    line = needs.line if width >= _MEDIUM else 0
    fixed = _GLYPH_CELLS + sum(each + 2 for each in (line, size, host, folder) if each)
    rest = max(width - fixed - 2, 2)
    name = max(int(rest * _NAME_SHARE), min(needs.name, rest - needs.verdict), 1)
    return Widths(line, name, size, host, folder, rest - name)


def keys_for(proposal: Proposal | None) -> str:
    """Return the keys that make sense on a line."""
    if proposal is None:
        return f"{_ADD} · {_CLOSE}"
    entry = proposal.entry
    if entry.config is None:
        return f"Enter correct the line · {_ADD} · {_CLOSE}"
    if entry.verdict is Verdict.ON_DISK:
        choices = "Enter choose · o overwrite · r rename · s skip · a again"
        return f"{choices} · {_ADD} · A O S all · v open · e edit · {_CLOSE}"
    if entry.verdict is not Verdict.OK:
        return f"Enter edit · {_ADD} · {_CLOSE}"
    renews = " · a add as new" if proposal.renews is not None else ""
    return f"Space skip · Enter edit{renews} · Tab folder · {_ADD} · {_CLOSE}"


class EntryTable(CursorView[Proposal]):
    """Shows proposals, first those that need attention."""

    COMPONENT_CLASSES: ClassVar = {
        "entries--quiet",
        "entries--remark",
        *(f"entries--{outcome.value}" for outcome in Outcome),
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        ("space", "choose('skip', True)", "Skip"),
        ("enter", "ask('act')", "Choose or edit"),
        ("e", "ask('edit')", "Edit"),
        ("s", "choose('skip')", "Skip"),
        ("a", "choose('again')", "Download again"),
        ("o", "choose('overwrite')", "Overwrite"),
        ("r", "ask('rename')", "Rename"),
        ("v", "ask('open')", "Open"),
        ("A", "choose_all('again')", "Download all again"),
        ("O", "choose_all('overwrite')", "Overwrite all"),
        ("S", "choose_all('skip')", "Skip all"),
    ]

    @dataclass
    class Chosen(Message):
        """The user made a choice for the line under the cursor, or for all existing files."""

        choice: Choice
        for_all: bool = False
        toggles: bool = False  # revoke the choice if the line already has it

    @dataclass
    class Asked(Message):
        """The user wants to choose for the line under the cursor, or edit, rename or open it."""

        what: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._needs = Needs()

    def show_proposals(self, proposals: Sequence[Proposal], *, from_top: bool) -> None:
        """Replace the lines. `from_top` moves the cursor to the first one."""
        self._needs = _needs_of(proposals)
        self.show(proposals)
        self.cursor = 0 if from_top else self.validate_cursor(self.cursor)
        if from_top:
            self.scroll_home(animate=False, immediate=True)
        self.post_message(self.CursorMoved())

    def replace(self, proposals: Sequence[Proposal]) -> None:
        """Show other choices for the same lines."""
        self._items = proposals
        self.refresh()
        self.post_message(self.CursorMoved())

    def allow_focus(self) -> bool:
        """Return True if there is a line for the cursor."""
        return bool(self._items)

    # Choices

    def action_choose(self, choice: str, toggles: bool = False) -> None:
        """Choose for the line under the cursor."""
        self.post_message(self.Chosen(Choice(choice), toggles=toggles))

    def action_choose_all(self, choice: str) -> None:
        """Choose for all lines whose files exist."""
        self.post_message(self.Chosen(Choice(choice), for_all=True))

    def action_ask(self, what: str) -> None:
        """Ask to choose for the line under the cursor, or to edit, rename or open it."""
        self.post_message(self.Asked(what))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor; skip on the glyph; a double click is Enter."""
        line, offset = self.line_at(event), event.get_content_offset(self)
        if line is None or offset is None:
            return
        self.cursor = line
        if offset.x < _GLYPH_CELLS:
            self.action_choose(Choice.SKIP, toggles=True)
        elif event.chain == 2:
            self.action_ask("act")

    # Painting

    def titles(self) -> Text:
        """Return the titles of the columns."""
        widths = self._widths
        cells = (
            fit_right("#", widths.line),
            fit("Name", widths.name),
            fit_right("Size", widths.size),
            fit("Host", widths.host),
            fit("Folder", widths.folder),
            fit("Verdict", widths.verdict),
        )
        style = self.get_component_rich_style("lines--titles", partial=True)
        shown = (cell for cell, width in zip(cells, widths, strict=True) if width)
        return Text(" " * _GLYPH_CELLS + "  ".join(shown), style, no_wrap=True)

    @property
    def _widths(self) -> Widths:
        width = max(self.scrollable_content_region.width, 20)
        return widths_for(width, self._needs)

    def text_of(self, item: Proposal) -> Text:
        """Return glyph, line number, name, size, host, folder and verdict."""
        entry, config, outcome, widths = item.entry, item.entry.config, item.outcome, self._widths
        get = self.get_component_rich_style
        style = get(f"entries--{outcome.value}", partial=True)
        quiet = get("entries--quiet", partial=True)
        is_remark = item.has_remark and outcome is Outcome.ADD
        host = printable(host_of(config.url).rpartition(":")[0]) if config and widths.host else ""
        name_style = style if config is None else quiet if outcome is Outcome.SKIP else None
        cells = (
            (fit_right(f"{entry.line}", widths.line), quiet),
            (fit_middle(name_words(entry), widths.name), name_style),
            (fit_right(size_text(config.size_bytes) if config else "", widths.size), quiet),
            (fit(host, widths.host), quiet),
            (fit_middle(folder_words(config), widths.folder), quiet),
            (
                fit(item.brief, widths.verdict),
                get("entries--remark", partial=True) if is_remark else style,
            ),
        )
        text = Text(no_wrap=True).append(f" {_GLYPHS[outcome]} ", style)
        shown = [cell for cell, width in zip(cells, widths, strict=True) if width]
        for at, (words, cell_style) in enumerate(shown):
            text.append(("  " if at else "") + words, cell_style)
        return text
