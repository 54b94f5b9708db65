"""EntryPreview: the verdict on each entry of a paste or list, their count, further inputs."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from rheo_core.domain import FileConfig
from rheo_core.domain.text import printable, redact_url
from rheo_core.inputs import Entry, ReadOptions, Verdict
from rheo_tui.existing_files import Choice, Decision
from rheo_tui.file_manager import open_path
from rheo_tui.formatting import count_text, size_text

from .existing_files import CAPTION, ExistingFiles
from .line_input import PlainInput
from .line_view import LineView

_GLYPHS = {
    Verdict.OK: "✓",
    Verdict.DUPLICATE: "=",
    Verdict.ON_DISK: "=",
    Verdict.INVALID: "✗",
    Verdict.NO_URL: "·",
}
_CLASSES = {  # in the order of display
    verdict: f"verdict--{verdict.value}"
    for verdict in (
        Verdict.INVALID,
        Verdict.NO_URL,
        Verdict.DUPLICATE,
        Verdict.ON_DISK,
        Verdict.OK,
    )
}
_OPTION_PROMPTS = {  # fields of ReadOptions
    "links": "links of the page to add: *.iso, or * for all",
    "base": "URL of the page or list: https://…",
}
_SUBFOLDER = "folder below the download folder, such as isos/linux"
_OPTIONS_REFUSED = (
    "Ignored options of links, such as a proxy. Press F8 to use them; your stored logins are not "
    "sent along."
)
_OPTIONS_USED = "Using options of links, without your stored logins. Press F8 to ignore them."


class _Line(NamedTuple):
    """A line on the screen."""

    entry: Entry
    reason: str = ""  # a line of the wrapped reason
    is_first: bool = True  # first line of its entry


class PreviewLines(LineView[_Line], can_focus=True):
    """Shows entries, those that need attention first; long reasons are wrapped."""

    COMPONENT_CLASSES: ClassVar = {"verdict--about", "verdict--refused", *_CLASSES.values()}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._follows = False
        self._entries: Sequence[Entry] = ()
        self._digits = 1

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Replace the entries shown."""
        self._entries = entries
        self._lay_out()
        self.scroll_home(animate=False, immediate=True)

    def on_resize(self) -> None:
        """Wrap the reasons to the new width."""
        self._lay_out()

    def _lay_out(self) -> None:
        self._digits = len(str(self._entries[-1].line)) if self._entries else 1
        width = max(self.scrollable_content_region.width, 20)
        reason_width = (
            max(width - len(self._head(self._entries[0])), 10) if self._entries else width
        )
        lines: list[_Line] = []
        entries = self._entries
        if any(entry.refused or entry.used for entry in entries):
            entries = sorted(entries, key=lambda entry: not (entry.refused or entry.used))
        for verdict in _CLASSES:
            for entry in entries:
                if entry.verdict is verdict:
                    pieces = self._wrapped(_reason(entry), reason_width)
                    lines += [_Line(entry, piece, at == 0) for at, piece in enumerate(pieces)]
                    for remark in filter(None, (entry.refused, entry.used)):
                        if verdict is Verdict.OK:
                            pieces = self._wrapped(f"{remark}.", reason_width)
                            lines += [_Line(entry, piece, is_first=False) for piece in pieces]
        self.show(lines)

    def _wrapped(self, text: str, width: int) -> list[str]:
        if cell_len(text) <= width:  # nearly always
            return [text]
        return [line.plain for line in Text(text).wrap(self.app.console, width, overflow="fold")]

    def _head(self, entry: Entry) -> str:
        return f"{_GLYPHS[entry.verdict]} line {entry.line:>{self._digits}}  "

    def text_of(self, line: _Line) -> Text:
        """Return verdict and number, then name and URL, or the reason against the entry."""
        style = self.get_component_rich_style(_CLASSES[line.entry.verdict], partial=True)
        head = self._head(line.entry)
        # Style each part, because the style of a whole `Text` is lost when it has no other.
        if not line.is_first and line.entry.verdict is Verdict.OK:
            style = self.get_component_rich_style("verdict--refused", partial=True)
        text = Text().append((head if line.is_first else " " * len(head)) + line.reason, style)
        if line.is_first and line.entry.verdict is Verdict.OK:
            text.append(line.entry.place, style)
            about = self.get_component_rich_style("verdict--about", partial=True)
            text.append(_about(line.entry), about)
        return text


def _reason(entry: Entry) -> str:
    """Return the reason against an entry; "" if it will be added."""
    if entry.verdict is Verdict.DUPLICATE:
        return f"{entry.place}: {entry.problem}"
    return entry.problem


def _about(entry: Entry) -> str:
    """Return the facts about a download besides its name; the URL comes last, to be cut first."""
    facts = "; ".join(filter(None, (_size(entry), entry.form, entry.note)))
    url = redact_url(entry.config.url) if entry.config else ""
    return f"  ({facts})  {url}" if facts else f"  {url}"


class EntryPreview(Vertical):
    """Shows entries below their count, and inputs for options that they need from the user."""

    ALLOW_KEY = "f8"

    def __init__(self) -> None:
        super().__init__()
        self._entries: Sequence[Entry] = ()
        self._free_space: Callable[[], int | None] = lambda: None
        self.allows = False
        """True if the user allows options of the text, such as a proxy or a CA file."""

    def compose(self) -> ComposeResult:
        """Create the inputs, the count and the lines."""
        for name, what in _OPTION_PROMPTS.items():
            yield PlainInput(placeholder=what, classes=f"option option-{name}", compact=True)
        yield Static("", classes="verdict-count", markup=False)
        yield Static("", classes="verdict-leave", markup=False)
        yield Static(CAPTION, classes="verdict-existing", markup=False)
        yield ExistingFiles()
        yield PreviewLines()
        yield PlainInput(placeholder=_SUBFOLDER, id="subfolder", compact=True)

    @property
    def options(self) -> ReadOptions:
        """Options of the user for the text. Patterns are expanded, because the user sees them."""
        links, base = (self._option_input(name).value.strip() or None for name in ("links", "base"))
        subfolder = self.query_one("#subfolder", Input).value.strip() or None
        return ReadOptions(
            patterns=True, links=links, base=base, subfolder=subfolder, list_options=self.allows
        )

    def show(
        self, entries: Sequence[Entry], nothing: str, free_space: Callable[[], int | None]
    ) -> None:
        """Show entries.

        Args:
            entries: the entries.
            nothing: the sentence to show if there are none.
            free_space: returns the free bytes in the download folder.
        """
        for name in _OPTION_PROMPTS:
            needed = any(entry.wants == name for entry in entries)
            field = self._option_input(name)
            field.display = needed or (bool(entries) and bool(field.value))
        self._entries, self._free_space = entries, free_space
        self.say(summary(self.decided(entries), free_space) or nothing)
        leave = self.query_one(".verdict-leave", Static)
        leave.update(_OPTIONS_USED if self.allows else _OPTIONS_REFUSED)
        leave.display = bool(entries) and (self.allows or any(entry.refused for entry in entries))
        existing = self.query_one(ExistingFiles)
        existing.show(entries)
        self.query_one(".verdict-existing", Static).display = existing.display
        others = [entry for entry in entries if entry.verdict is not Verdict.ON_DISK]
        self.query_one(PreviewLines).show_entries(others)

    @on(ExistingFiles.Decided)
    def _count_again(self) -> None:
        self.say(summary(self.decided(self._entries), self._free_space))

    @on(ExistingFiles.Asked)
    @work
    async def _ask_about(self, event: ExistingFiles.Asked) -> None:
        path = Path(event.entry.existing)
        if event.choice is Choice.OPEN:
            problem = await open_path(path)
            self.app.notify(problem or f"Opened {printable(str(path))}.", markup=False)
            return
        from rheo_tui.screens.existing_file import NameScreen  # it imports widgets

        if name := await self.app.push_screen_wait(NameScreen(path.name)):
            decision = Decision(Choice.RENAME, name)
            self.query_one(ExistingFiles).decide(event.entry, decision)

    def decided(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the entries as the user decided about those whose file exists."""
        return [self._decided(entry) for entry in entries]

    def _decided(self, entry: Entry) -> Entry:
        if entry.verdict is not Verdict.ON_DISK or entry.config is None:
            return entry
        decision = self.query_one(ExistingFiles).decision_on(entry)
        if decision is None or decision.choice is Choice.SKIP:
            return entry
        return entry._replace(verdict=Verdict.OK, config=decision.applied_to(entry.config))

    def is_undecided(self, entry: Entry) -> bool:
        """Return True if the file of an entry exists, and the user has not decided about it."""
        decision = self.query_one(ExistingFiles).decision_on(entry)
        return entry.verdict is Verdict.ON_DISK and decision is None

    def ask(self, entries: Sequence[Entry]) -> bool:
        """Focus the input for the first option needed, or the files that exist.

        Return False if the user need not decide anything.
        """
        for name in _OPTION_PROMPTS:
            if any(entry.wants == name for entry in entries):
                self._option_input(name).focus()
                return True
        if any(map(self.is_undecided, entries)):
            self.query_one(ExistingFiles).focus()
            return True
        return False

    def say(self, text: str) -> None:
        """Show a sentence in place of the count."""
        self.query_one(".verdict-count", Static).update(text)

    def _option_input(self, name: str) -> Input:
        return self.query_one(f".option-{name}", Input)


def valid_configs(entries: Sequence[Entry]) -> list[FileConfig]:
    """Return the configs of the valid entries."""
    return [entry.config for entry in entries if entry.config and entry.verdict is Verdict.OK]


def summary(entries: Sequence[Entry], free_space: Callable[[], int | None]) -> str:
    """Return a summary: `3 to add, 4.7 GB (76 GB free) · 1 duplicate · 2 invalid`.

    It is "" for no entries. `free_space` is called only if a size is known.
    """
    counts = Counter(entry.verdict for entry in entries)
    parts = [f"{counts[Verdict.OK]:,} to add{_total_size(entries, free_space)}"] if entries else []
    if counts[Verdict.DUPLICATE]:
        parts.append(count_text(counts[Verdict.DUPLICATE], "duplicate"))
    if counts[Verdict.ON_DISK]:
        parts.append(f"{counts[Verdict.ON_DISK]:,} {Verdict.ON_DISK.words}")
    if counts[Verdict.INVALID]:
        parts.append(f"{counts[Verdict.INVALID]:,} invalid")
    return " · ".join(parts)


def _total_size(entries: Sequence[Entry], free_space: Callable[[], int | None]) -> str:
    """Return the total of the known sizes and the free space."""
    good = (entry.config for entry in entries if entry.verdict is Verdict.OK)
    size = sum(config.size_bytes or 0 for config in good if config)
    if not size:
        return ""
    free = free_space()
    if free is None:
        return f", {size_text(size)}"
    return f", {size_text(size)} ({'only ' if free < size else ''}{size_text(free)} free)"


def _size(entry: Entry) -> str:
    return size_text(entry.config.size_bytes) if entry.config else ""
