"""AddScreen: paste or type links, and preview the downloads."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.css.query import NoMatches
from textual.message import Message
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, TextArea

from rheo_core.domain import DownloadSnapshot
from rheo_core.inputs import Entry, ReadOptions
from rheo_tui.entry_defaults import EntryDefaults
from rheo_tui.formatting import count_text
from rheo_tui.proposals import EntryDraft, Outcome, Proposal, folder_words, rest_words
from rheo_tui.screens.entry_preview import EntryPreview
from rheo_tui.services.edits import Edits
from rheo_tui.services.poller import EngineClient
from rheo_tui.typed_ahead import key_work, while_open

_CHECK_DELAY_SECONDS = 0.1
_LONG_TEXT = 100_000  # characters
_TEXT_KEPT = "The links stay in the add box until you quit."
_KEYS = "Enter add · Ctrl+J new line · Tab entries, then folder · Ctrl+U clear · Esc close"
_NEWS = {Outcome.ADD, Outcome.RENEW, Outcome.UNDECIDED}
_HINT = (
    "Paste links, one per line, or any text that contains links: curl commands, aria2 or wget "
    "lists, Metalinks, checksum lists, web pages. Patterns such as [001-120] and {a,b} work too."
)


class LinksArea(TextArea):
    """A text box where Enter submits and Ctrl+J starts a new line."""

    BINDINGS: ClassVar[list[BindingType]] = [("ctrl+u", "clear_all", "Clear")]

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

    def action_clear_all(self) -> None:
        """Remove the text; Ctrl+Z brings it back."""
        self.clear()

    def on_resize(self) -> None:
        """Draw the lines again; Textual wraps them for a new width after it has drawn them."""
        self.refresh()

    def on_paste(self, event: events.Paste) -> None:
        """Stop the event; otherwise the app would insert the text a second time."""
        event.stop()


class AddScreen(ModalScreen[str]):
    """Queues the valid lines; the others stay in the box. Returns the text left in the box.

    Args:
        client: reaches the engine.
        edits: edits downloads, so that this can be undone.
        rows: all downloads in the list by their ids.
        draft: the user's work on the entries, which outlives the screen.
        text: the text to begin with.
    """

    BINDINGS: ClassVar = [
        ("escape", "leave", "Close"),
        ("enter,ctrl+s", "submit", "Add"),
        ("tab", "go(1)", "Next"),
        ("shift+tab", "go(-1)", "Previous"),
        (EntryPreview.ALLOW_KEY, "allow", "Use the options of the links"),
    ]

    def __init__(
        self,
        client: EngineClient,
        edits: Edits,
        rows: Mapping[str, DownloadSnapshot],
        draft: EntryDraft,
        text: str = "",
    ) -> None:
        super().__init__()
        self._client = client
        self._preview = EntryPreview(client, edits, rows, draft, self._check, _KEYS)
        self._text = text
        self.report = ""  # sentence about the downloads that were added, or the text that was kept
        self._timer: Timer | None = None
        self._is_adding = False
        self._checking = asyncio.Lock()
        self._checked_for: tuple[str, ReadOptions] | None = None
        self._being_checked: tuple[str, ReadOptions] | None = None

    def compose(self) -> ComposeResult:
        """Create the box and the table."""
        with Vertical(classes="dialog dialog-wide") as dialog:
            dialog.border_title = "Add links"
            yield LinksArea(id="links", show_line_numbers=True, tab_behavior="focus")
            yield self._preview

    def on_mount(self) -> None:
        """Show the hint, or insert the text that was pasted."""
        self._check_soon()
        if self._text:  # later, because a box without a width would lay out a long text twice
            self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        text, self._text = self._text, ""
        if text:
            self.insert(text)

    @property
    def text(self) -> str:
        """The text in the box, also before it is shown."""
        return self._text or self.query_one(LinksArea).text

    def insert(self, text: str) -> None:
        """Append a paste that another widget received, on a line of its own."""
        links = self.query_one(LinksArea)
        links.move_cursor(links.document.end)
        if links.cursor_location[1]:
            links.insert("\n")
        links.insert(text)
        links.scroll_cursor_visible()
        links.focus()

    # Checking

    @on(TextArea.Changed)
    def _text_changed(self) -> None:
        self._preview.allows = False  # the user allowed the previous text
        self._changed()

    def action_allow(self) -> None:
        """Use the options of the links, or stop using them."""
        self._preview.allows = not self._preview.allows
        self._check_now()

    @on(Input.Changed)
    def _changed(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_CHECK_DELAY_SECONDS, self._check_now)

    def _check_now(self) -> None:
        if not self._is_adding and not self._is_being_checked():
            self._check_soon()

    def _is_being_checked(self) -> bool:
        """Return True if a check of the present text and options is running."""
        if self._being_checked is None:
            return False
        try:
            return self._being_checked == (self.text, self._preview.options)
        except NoMatches:  # the screen is closing
            return True

    @work(exclusive=True, group="check")
    @while_open
    async def _check_soon(self) -> None:
        await self._check()

    async def _check(self) -> None:
        """Show proposals for the current text, unless they are already shown."""
        async with self._checking:
            await self._check_text()

    async def _check_text(self) -> None:
        self._fill()  # a key may arrive with the paste, before the first layout
        text = self.query_one(LinksArea).text
        request = text, self._preview.options
        if request == self._checked_for:
            return
        if len(text) > _LONG_TEXT:
            self._preview.say("Checking the lines…")
        self._being_checked = request
        try:
            entries: list[Entry] = []
            if text.strip():
                entries = await self._client.service.check(*request)
            nothing = _HINT if not text.strip() else "These lines contain nothing to add."
            await self._preview.show(entries, nothing)
            self._checked_for = request
        finally:
            self._being_checked = None

    @key_work
    async def action_go(self, by: int) -> None:
        """Go to another field; which ones there are depends on the text."""
        if isinstance(self.focused, LinksArea):
            await self._check()
        self.focus_next() if by > 0 else self.focus_previous()

    @on(EntryPreview.LineWanted)
    def _go_to_line(self, event: EntryPreview.LineWanted) -> None:
        links = self.query_one(LinksArea)
        links.move_cursor((event.line - 1, 0), center=True)
        links.focus()

    # Adding

    @on(LinksArea.Submitted)
    @on(Input.Submitted)
    def action_submit(self) -> None:
        """Add the valid entries."""
        if not self._is_adding:
            self._is_adding = True
            self._preview.begin()
            self._submit()

    @key_work
    async def _submit(self) -> None:
        try:
            await self._check()
            text, proposals = self.query_one(LinksArea).text, self._preview.proposals
            defaults = self._preview.defaults()
            if defaults is None or self._preview.is_stopped:
                return
            count = sum(each.outcome in (Outcome.ADD, Outcome.RENEW) for each in proposals)
            if count:
                self._preview.say(f"Adding {count_text(count)}…")
                added = await self._preview.add(defaults)
                self._checked_for = None  # the list has changed
                if not added:
                    await self._check()
                    return
        finally:
            self._is_adding = False
        await self._after(proposals, text, defaults)

    async def _after(
        self, proposals: Sequence[Proposal], text: str, defaults: EntryDefaults
    ) -> None:
        """Close if `text` needs no more work; otherwise keep the rest."""
        if not proposals:
            self._preview.say("Nothing to add. Paste links first.")
            return
        has_typed_more = self.query_one(LinksArea).text != text
        stay = [proposal for proposal in proposals if proposal.stays]
        sentence = _sentence(proposals, defaults)
        if not stay and not has_typed_more:
            self.report = sentence
            self.dismiss("")
            return
        if has_typed_more:
            self._check_soon()
        else:
            self._keep(proposals)
            await self._check()
        must_decide = self._preview.ask()
        if not must_decide or any(each.outcome in _NEWS for each in proposals):
            self._preview.say(sentence)  # no toast, which would cover the keys

    def _keep(self, proposals: Sequence[Proposal]) -> None:
        """Keep only the lines in the box that are invalid or undecided."""
        links = self.query_one(LinksArea)
        lines = links.text.splitlines()
        starts = sorted({proposal.entry.line - 1 for proposal in proposals})
        bad = {proposal.entry.line - 1 for proposal in proposals if proposal.stays}
        lines_left = [
            line
            for start, end in pairwise([*starts, len(lines)])
            if start in bad
            for line in lines[start:end]
        ]
        if len(lines_left) < len(lines):
            with self.prevent(TextArea.Changed):  # the caller checks the rest
                links.load_text("\n".join(lines_left))
            links.move_cursor(links.document.end)

    def action_leave(self) -> None:
        """Stop adding; or close, and keep the text for the next time."""
        if self._is_adding:
            self._preview.stop()
            return
        self._preview.remember()
        if self.text.strip():
            self.report = _TEXT_KEPT
            self.dismiss(self.text)
        else:
            self.dismiss("")


def _sentence(proposals: Sequence[Proposal], defaults: EntryDefaults) -> str:
    """Return how many downloads were added, and which lines were not."""

    def with_outcome(outcome: Outcome) -> list[Proposal]:
        return [proposal for proposal in proposals if proposal.outcome is outcome]

    good, renewed = with_outcome(Outcome.ADD), with_outcome(Outcome.RENEW)
    folders = {folder_words(each.entry.config) for each in good}
    added = f" to {folders.pop()}" if len(folders) == 1 and folders != {""} else ""
    added += " paused" if defaults.paused else ""
    parts = [f"Added {count_text(len(good))}{added}."] if good else []
    if renewed:
        parts.append(f"Renewed {count_text(len(renewed))}.")
    for outcome, words in (
        (Outcome.SKIP, "skipped"),
        (Outcome.DUPLICATE, "already in the list"),
    ):
        lines = list(dict.fromkeys(str(each.entry.line) for each in with_outcome(outcome)))
        if lines:
            shown = ", ".join(lines[:5]) + (", …" if len(lines) > 5 else "")
            parts.append(f"{'Line' if len(lines) == 1 else 'Lines'} {shown}: {words}.")
    parts += rest_words(proposals)
    parts += [
        f"Line {each.entry.line} {each.entry.refused}." for each in good if each.entry.refused
    ][:1]
    return " ".join(parts)
