"""AddScreen: a box for links, with a verdict on each line while the user types."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, Static, TextArea

from rheo_core.inputs import Entry, ReadOptions, Verdict
from rheo_tui.formatting import count_text
from rheo_tui.services.poller import EngineClient
from rheo_tui.widgets.entry_preview import EntryPreview, valid_configs

_CHECK_DELAY_SECONDS = 0.1
_LONG_TEXT = 100_000  # characters
_TEXT_KEPT = "The text stays in the box. Press F7 and Del there to delete it."
_KEYS = "Enter add  ·  Ctrl+J new line  ·  Tab verdicts, folder  ·  Esc close"
_HINT = (
    "Paste links, one per line, curl commands, aria2 or wget lists, Metalinks, checksum lists, web "
    "pages, or any text that contains links. Patterns such as [001-120] and {a,b} work too."
)


class LinksArea(TextArea):
    """A text box where Enter submits and Ctrl+J starts a new line."""

    @dataclass
    class Submitted(Message):
        """The user pressed Enter."""

    def on_key(self, event: events.Key) -> None:
        """Handle Enter and Ctrl+J instead of the ordinary text box."""
        if event.key not in {"enter", "ctrl+j"}:
            return
        event.stop()
        event.prevent_default()
        if event.key == "enter":
            self.post_message(self.Submitted())
        else:
            self.insert("\n")

    def on_paste(self, event: events.Paste) -> None:
        """Stop the event; otherwise the app would insert the text a second time."""
        event.stop()


class AddScreen(ModalScreen[str]):
    """Queues the valid lines; the others stay in the box. Returns the text left in the box."""

    BINDINGS: ClassVar = [
        ("escape", "leave", "Close"),
        ("enter", "submit", "Add"),
        (EntryPreview.ALLOW_KEY, "allow", "Use the options of the links"),
    ]

    def __init__(self, client: EngineClient, text: str = "") -> None:
        super().__init__()
        self._client = client
        self._text = text
        self.report = ""  # what was added, if that closed the box
        self._timer: Timer | None = None
        self._is_adding = False
        self._checked: list[Entry] = []
        self._checked_for: tuple[str, ReadOptions] | None = None

    def compose(self) -> ComposeResult:
        """Create the box, the verdicts and the keys."""
        with Vertical(classes="dialog dialog-wide") as dialog:
            dialog.border_title = "Add links"
            yield LinksArea(id="links", show_line_numbers=True, tab_behavior="focus")
            yield EntryPreview()
            yield Static(_KEYS, classes="dialog-keys")

    def on_mount(self) -> None:
        """Show the hint, or insert the text that was pasted."""
        self._check_soon()
        if self._text:  # later, because a box without a width would lay out a long text twice
            self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        text, self._text = self._text, ""
        if text:
            self.insert(text)

    def insert(self, text: str) -> None:
        """Insert a paste that another widget received."""
        links = self.query_one(LinksArea)
        links.insert(text)
        links.scroll_cursor_visible()
        links.focus()

    @on(TextArea.Changed)
    def _text_changed(self) -> None:
        self.query_one(EntryPreview).allows = False  # the user allowed the previous text
        self._changed()

    def action_allow(self) -> None:
        """Use the options of the links, or stop using them."""
        verdicts = self.query_one(EntryPreview)
        verdicts.allows = not verdicts.allows
        self._check_now()

    @on(Input.Changed)
    def _changed(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_CHECK_DELAY_SECONDS, self._check_now)

    def _check_now(self) -> None:
        if not self._is_adding:
            self._check_soon()

    @work(exclusive=True)
    async def _check_soon(self) -> None:
        await self._check()

    async def _check(self) -> list[Entry]:
        text = self.query_one(LinksArea).text
        verdicts, service = self.query_one(EntryPreview), self._client.service
        request = text, verdicts.options
        if request == self._checked_for:
            return self._checked
        if len(text) > _LONG_TEXT:
            verdicts.say("Checking the lines…")
        entries = await service.check(*request) if text.strip() else []
        self._checked_for, self._checked = request, entries
        nothing = _HINT if not text.strip() else "These lines contain nothing to add."
        verdicts.show(entries, nothing, service.free_space)
        return entries

    @on(LinksArea.Submitted)
    @on(Input.Submitted)
    def action_submit(self) -> None:
        """Add the valid entries."""
        if not self._is_adding:
            self._is_adding = True
            self._fill()  # Enter may arrive with the paste, before the first layout
            self._submit()

    @work(exclusive=True)
    async def _submit(self) -> None:
        text = self.query_one(LinksArea).text
        try:
            entries = self.query_one(EntryPreview).decided(await self._check())
            good = valid_configs(entries)
            if good:
                self.query_one(EntryPreview).say(f"Adding {count_text(len(good))}…")
                added = await self._client.add(good)
                self._checked_for = None  # the list has changed
                if not added:
                    await self._check()
                    return
        finally:
            self._is_adding = False
        self._after(entries, text)

    def _after(self, entries: list[Entry], text: str) -> None:
        """Close if nothing in `text` is left to do; otherwise keep the rest."""
        if not entries:
            self.app.notify("Nothing to add. Paste links first.", severity="warning", markup=False)
            return
        preview = self.query_one(EntryPreview)
        has_news = bool(valid_configs(entries)) or any(map(preview.is_undecided, entries))
        must_decide = preview.ask(entries)
        has_typed_more = self.query_one(LinksArea).text != text
        if not has_typed_more and not any(map(self._stays, entries)):
            self.report = "" if must_decide and not has_news else self._sentence(entries)
            self.dismiss("")
            return
        if not must_decide or has_news:
            bad = any(entry.verdict is Verdict.INVALID for entry in entries)
            severity = "warning" if bad else "information"
            self.app.notify(self._sentence(entries), severity=severity, markup=False)  # type: ignore[arg-type]
        if has_typed_more:
            self._check_soon()
        else:
            self._keep(entries)

    def _stays(self, entry: Entry) -> bool:
        """Return True if the lines of an entry stay in the box."""
        is_undecided = self.query_one(EntryPreview).is_undecided(entry)
        return is_undecided or entry.verdict is Verdict.INVALID

    def _sentence(self, entries: list[Entry]) -> str:
        """Return how many downloads were added, and which lines were not."""
        good = sum(entry.verdict is Verdict.OK for entry in entries)
        parts = [f"Added {count_text(good)}."] if good else []
        undecided = [*filter(self.query_one(EntryPreview).is_undecided, entries)]
        for some, words in (
            (_with(Verdict.DUPLICATE, entries), "already in the list"),
            (undecided, "already on the disk; choose below"),
            (_with(Verdict.INVALID, entries), "not valid; kept in the box"),
        ):
            lines = list(dict.fromkeys(str(entry.line) for entry in some))
            if lines:
                shown = ", ".join(lines[:5]) + (", …" if len(lines) > 5 else "")
                parts.append(f"{'Line' if len(lines) == 1 else 'Lines'} {shown}: {words}.")
        refused = [e for e in entries if e.refused and e.verdict is Verdict.OK]
        parts += [f"Line {entry.line} {entry.refused}." for entry in refused[:1]]
        return " ".join(parts)

    def _keep(self, entries: list[Entry]) -> None:
        """Keep only the lines of entries that are invalid or undecided in the box."""
        links = self.query_one(LinksArea)
        lines = links.text.splitlines()
        starts = sorted({entry.line - 1 for entry in entries})
        bad = {entry.line - 1 for entry in entries if self._stays(entry)}
        lines_left = [
            line
            for start, end in pairwise([*starts, len(lines)])
            if start in bad
            for line in lines[start:end]
        ]
        if len(lines_left) < len(lines):
            links.load_text("\n".join(lines_left))
            links.move_cursor(links.document.end)

    def action_leave(self) -> None:
        """Close and keep the text for the next time."""
        if self._is_adding:
            return
        text = self._text or self.query_one(LinksArea).text
        if text.strip():
            self.app.notify(_TEXT_KEPT, markup=False)
            self.dismiss(text)
        else:
            self.dismiss("")


def _with(verdict: Verdict, entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.verdict is verdict]
