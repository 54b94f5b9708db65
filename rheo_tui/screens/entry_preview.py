"""EntryPreview: show pasted or loaded entries in a table, with totals and options."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static

from rheo_core.domain import DownloadManagerError, DownloadSnapshot, FileConfig
from rheo_core.domain.text import printable, redact_url
from rheo_core.domain.units import count_text
from rheo_core.inputs import Entry, ReadOptions, Verdict
from rheo_tui.edit_fields import FIELDS, edited
from rheo_tui.entry_defaults import EntryDefaults
from rheo_tui.existing_files import Choice, Decision, usual_folder
from rheo_tui.file_manager import open_path
from rheo_tui.proposals import (
    EntryDraft,
    EntryKey,
    Outcome,
    Proposal,
    key_of,
    name_words,
    renewals_of,
    summary,
    unclear_ids,
)
from rheo_tui.screens.edit import EditScreen
from rheo_tui.screens.existing_file import ExistingFileScreen, NameScreen
from rheo_tui.services.edits import Edits
from rheo_tui.services.poller import EngineClient
from rheo_tui.typed_ahead import key_work
from rheo_tui.widgets.default_fields import DefaultFields
from rheo_tui.widgets.entry_table import EntryTable, keys_for
from rheo_tui.widgets.keys_line import KeysLine
from rheo_tui.widgets.line_input import PlainInput

_OPTION_PROMPTS = {  # fields of ReadOptions
    "links": "links of the page to add: *.iso, or * for all",
    "base": "URL of the page or list: https://…",
}
_OPTIONS_REFUSED = (
    "Ignored options such as a proxy. Press F8 to use them. A proxy gets no stored login."
)
_OPTIONS_USED = (
    "Using options such as a proxy. Press F8 to ignore them. A proxy gets no stored login."
)
_STOPPED = "Stopped. The downloads added so far stay; press Enter to add the rest."
_EDITABLE = tuple(name for name in FIELDS if name != "link")  # the link is in the text


class EntryPreview(Vertical):
    """Shows entries below their count, and inputs for options that they need from the user.

    Args:
        client: reaches the engine.
        edits: edits downloads, so that this can be undone.
        rows: all downloads in the list by their ids.
        draft: the user's work on the entries.
        until_checked: waits until the latest text has been checked.
        keys: the keys of the dialog, while nothing here has the focus.
    """

    ALLOW_KEY = "f8"

    @dataclass
    class LineWanted(Message):
        """The user wants to correct an invalid line."""

        line: int

    def __init__(
        self,
        client: EngineClient,
        edits: Edits,
        rows: Mapping[str, DownloadSnapshot],
        draft: EntryDraft,
        until_checked: Callable[[], Awaitable[object]],
        keys: str,
    ) -> None:
        super().__init__()
        self._client = client
        self._edits = edits
        self._rows = rows
        self._draft = draft
        self._until_checked = until_checked
        self._keys = keys
        self._entries: Sequence[Entry] = ()  # as read from the text
        self._nothing = ""
        self._free: int | None = None
        self.is_stopped = False
        """True if the user stopped adding, or before it began."""
        self.proposals: list[Proposal] = []
        self.allows = False
        """True if the user allows options of the text, such as a proxy or a CA file."""

    def compose(self) -> ComposeResult:
        """Create the inputs, the count, the table and the fields below it."""
        for name, what in _OPTION_PROMPTS.items():
            yield PlainInput(placeholder=what, classes=f"option option-{name}", compact=True)
        yield Static("", classes="verdict-count", markup=False)
        yield Static("", classes="verdict-leave", markup=False)
        yield Static("", id="entry-titles", markup=False)
        yield EntryTable(id="entries")
        yield Static("", id="entry-detail", markup=False)
        yield DefaultFields(self._client.service.settings.download_dir)
        yield KeysLine(self._keys, id="entry-keys")

    def on_mount(self) -> None:
        """Fill the fields with the texts of the last time."""
        for fields in self.query(DefaultFields):  # none if the app closes meanwhile
            fields.fill(self._draft.defaults)

    @property
    def options(self) -> ReadOptions:
        """Options of the user for the text. Patterns are expanded, because the user sees them."""
        links, base = (self._option_input(name).value.strip() or None for name in ("links", "base"))
        folder = self.query_one(DefaultFields).chosen_folder
        return ReadOptions(
            patterns=True,
            links=links,
            base=base,
            subfolder=folder.subfolder,
            download_dir=folder.elsewhere,
            list_options=self.allows,
        )

    # Showing

    async def show(self, entries: Sequence[Entry], nothing: str) -> None:
        """Show entries with the user's choices.

        Args:
            entries: the entries as read from the text.
            nothing: the sentence to show if there are none.
        """
        for name in _OPTION_PROMPTS:
            needed = any(entry.wants == name for entry in entries)
            option = self._option_input(name)
            option.display = needed or (bool(entries) and bool(option.value))
        self._entries, self._nothing = entries, nothing
        free_space, folder = self._client.service.free_space, self.options.download_dir
        self._free = await asyncio.to_thread(free_space, folder) if entries else None
        leave = self.query_one(".verdict-leave", Static)
        leave.update(_OPTIONS_USED if self.allows else _OPTIONS_REFUSED)
        leave.display = bool(entries) and (self.allows or any(entry.refused for entry in entries))
        await self._propose(from_top=True)

    async def _propose(self, *, from_top: bool) -> None:
        """Build proposals from the entries and the choices, and show them."""
        proposals = await self._with_edits(self._entries)
        proposals = await self._with_renewals(proposals)
        self.proposals = sorted(proposals, key=lambda proposal: proposal.rank)
        self._show_count()
        table = self.query_one(EntryTable)
        table.show_proposals(self.proposals, from_top=from_top)
        self.query_one("#entry-titles").display = bool(proposals)
        self._show_titles()

    async def _with_edits(self, entries: Sequence[Entry]) -> list[Proposal]:
        choices, options = self._draft.choices, self.options
        keys = [key_of(entry, options.subfolder) for entry in entries]
        edits: list[EntryKey | None] = [key if key in choices.edits else None for key in keys]
        if any(edits):
            changed = [
                choices.edited(entry, key) if key else entry
                for entry, key in zip(entries, edits, strict=True)
            ]
            entries = await self._client.service.recheck(changed, options)
        return [
            Proposal(entry, key, choices.decision(entry, key), None, edit is not None)
            for entry, key, edit in zip(entries, keys, edits, strict=True)
        ]

    async def _with_renewals(self, proposals: list[Proposal]) -> list[Proposal]:
        # In a thread, because a long list takes longer than a key may.
        rows = list(self._rows.values())
        unclear = await asyncio.to_thread(unclear_ids, proposals, rows)
        urls = await self._client.service.urls_of(unclear) if unclear else {}
        renewed = await asyncio.to_thread(renewals_of, proposals, rows, urls)
        for at, row in renewed.items():
            proposals[at] = proposals[at]._replace(renews=row)
        return proposals

    def _show_count(self) -> None:
        self.say(summary(self.proposals, self._free) or self._nothing)
        # One line leaves more of them to the table; a sentence needs all of its lines.
        self.query_one(".verdict-count").set_class(bool(self.proposals), "-one-line")

    def say(self, text: str) -> None:
        """Show a sentence in place of the count."""
        count = self.query_one(".verdict-count", Static)
        count.update(text)
        count.remove_class("-one-line")

    def _say_progress(self, text: str) -> None:
        self.say(f"{text} · Esc stops")

    def on_resize(self) -> None:
        """Fit the titles to the new width."""
        self.call_after_refresh(self._show_titles)

    def _show_titles(self) -> None:
        self.query_one("#entry-titles", Static).update(self.query_one(EntryTable).titles())

    @on(EntryTable.CursorMoved)
    def _show_detail(self) -> None:
        detail, proposal = (
            self.query_one("#entry-detail", Static),
            self.query_one(EntryTable).current,
        )
        detail.display = proposal is not None
        if proposal is not None:
            detail.update(_detail(proposal))
        self._show_keys()

    def show_keys(self, keys: str) -> None:
        """Show other keys of the dialog, while nothing here has the focus."""
        self._keys = keys
        self._show_keys()

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _show_keys(self) -> None:
        table = self.query_one(EntryTable)
        self.screen.set_class(table.has_focus, "-on-table")
        self.screen.set_class(self.query_one(DefaultFields).has_focus_within, "-on-fields")
        self.query_one("#entry-keys", KeysLine).show(self._keys_now())

    def _keys_now(self) -> str:
        """Return the keys of the part that has the focus."""
        table = self.query_one(EntryTable)
        if table.has_focus:
            return keys_for(table.current)
        return self.query_one(DefaultFields).keys if self.has_focus_within else self._keys

    # Choosing

    @on(EntryTable.Chosen)
    def _chosen(self, event: EntryTable.Chosen) -> None:
        self._choose(event)

    @key_work
    async def _choose(self, event: EntryTable.Chosen) -> None:
        await self._until_checked()
        decision, table = Decision(event.choice), self.query_one(EntryTable)
        if event.for_all:
            some = [each for each in self.proposals if each.entry.verdict is Verdict.ON_DISK]
            self._decide(some, decision)
        elif (current := table.current) is not None and _fits(current, decision):
            takes_back = event.toggles and current.outcome is Outcome.SKIP
            self._decide_one(current, None if takes_back else decision)

    def _decide_one(self, proposal: Proposal, decision: Decision | None) -> None:
        """Record a decision on the line under the cursor, and go to the next one."""
        self._decide([proposal], decision)
        self.query_one(EntryTable).cursor += 1

    def _decide(self, some: Sequence[Proposal], decision: Decision | None) -> None:
        """Record a decision on proposals, or revoke it, and show it."""
        choices = self._draft.choices
        keys = {proposal.key for proposal in some if proposal.key}
        for proposal in some:
            if proposal.key is None:
                continue
            if decision is None:
                choices.decisions.pop(proposal.key, None)
            elif decision.choice is Choice.SKIP:
                choices.decisions[proposal.key] = decision
            else:  # it may replace this file, and no other one
                path = proposal.entry.existing
                choices.decisions[proposal.key] = decision._replace(path=path)
        self.proposals = [
            each._replace(decision=choices.decision(each.entry, each.key))
            if each.key in keys
            else each
            for each in self.proposals
        ]
        self._show_count()
        self.query_one(EntryTable).replace(self.proposals)

    @on(EntryTable.Asked)
    def _ask(self, event: EntryTable.Asked) -> None:
        self._answer(event.what)

    @key_work
    async def _answer(self, what: str) -> None:
        await self._until_checked()
        proposal = self.query_one(EntryTable).current
        if proposal is None:
            return
        if proposal.entry.config is None or proposal.key is None:
            self.post_message(self.LineWanted(proposal.entry.line))
            return
        is_on_disk = proposal.entry.verdict is Verdict.ON_DISK
        match what:
            case "act" if is_on_disk:
                self._offer_choices(proposal)
            case "act" | "edit":
                self._edit(proposal, proposal.key)
            case "open" if is_on_disk:
                await self._open(proposal)
            case "rename" if is_on_disk:
                self._rename(proposal)

    def _offer_choices(self, proposal: Proposal) -> None:
        def decided(decision: Decision | None) -> None:
            if decision is None:
                return
            if decision.choice is Choice.OPEN:
                self.query_one(EntryTable).action_ask("open")
            else:
                self._decide_one(proposal, decision)

        path = Path(proposal.entry.existing)
        self.app.push_screen(ExistingFileScreen([path], may_skip=True), decided)

    async def _open(self, proposal: Proposal) -> None:
        path = Path(proposal.entry.existing)
        problem = await open_path(path, self.app.copy_to_clipboard)
        self.app.notify(problem or f"Opened {printable(str(path))}.", markup=False)

    def _rename(self, proposal: Proposal) -> None:
        def named(name: str | None) -> None:
            if name:
                self._decide_one(proposal, Decision(Choice.RENAME, name))

        self.app.push_screen(NameScreen(Path(proposal.entry.existing).name), named)

    def _edit(self, proposal: Proposal, key: EntryKey) -> None:
        config = proposal.entry.config
        assert config is not None

        async def load() -> FileConfig:
            return config

        async def save(new: Mapping[str, str]) -> None:
            edited(config, new)  # raises ValueError
            edits = self._draft.choices.edits
            if new:
                edits[key] = {**edits.get(key, {}), **new}
                await self._propose(from_top=False)

        def left(unsaved: Mapping[str, str] | None) -> None:
            if unsaved:
                self._draft.unsaved[key] = unsaved

        unsaved = self._draft.unsaved.pop(key, {})
        screen = EditScreen(name_words(proposal.entry), load, save, unsaved, _EDITABLE)
        self.app.push_screen(screen, left)

    # Adding

    def ask(self) -> bool:
        """Focus the input for the first option needed, or the first file that exists.

        Return False if the user need not decide anything.
        """
        for name in _OPTION_PROMPTS:
            if any(each.entry.wants == name for each in self.proposals):
                self._option_input(name).focus()
                return True
        for at, proposal in enumerate(self.proposals):
            if proposal.outcome is Outcome.UNDECIDED:
                table = self.query_one(EntryTable)
                table.cursor = at
                table.focus()
                return True
        return False

    def defaults(self) -> EntryDefaults | None:
        """Return the options for all downloads, or show a mistake and return None."""
        fields = self.query_one(DefaultFields)
        self._draft.defaults = fields.texts
        return fields.parsed()

    async def add(self, defaults: EntryDefaults) -> bool:
        """Queue the downloads, and renew those in the list.

        Return False if that failed, or if the user stopped it.
        """
        base = usual_folder(self._client.service.settings)
        configs, earlier = list[FileConfig](), dict[str, str]()
        for proposal in self.proposals:
            config = proposal.config(base) if proposal.outcome is Outcome.ADD else None
            if config is not None and proposal.entry.config is not None:
                configs.append(defaults.applied_to(config))
                if proposal.decision is not None:  # its name or folder may be another one
                    earlier[configs[-1].id] = proposal.entry.config.id
        renewals = {
            proposal.renews.id: proposal.entry.config
            for proposal in self.proposals
            if proposal.outcome is Outcome.RENEW and proposal.renews and proposal.entry.config
        }
        if renewals and not await self._client.guard(self._renew(renewals), "Cannot renew"):
            return False
        is_added = not configs or await self._client.add(
            configs,
            paused=defaults.paused,
            first=defaults.first,
            earlier=earlier,
            say=self._say_progress,
        )
        if is_added or self.is_stopped:
            self._draft.choices.forget(self.proposals)
        if not is_added and self.is_stopped:
            self.app.notify(_STOPPED, markup=False)
        return is_added

    async def _renew(self, links: Mapping[str, FileConfig]) -> None:
        """Renew downloads, by id.

        Raises:
            DownloadManagerError: some were completed or removed after the lines were checked. The
                others are renewed.
        """
        if missed := len(links) - await self._edits.renew(links):
            raise DownloadManagerError(
                f"{count_text(missed)} {'was' if missed == 1 else 'were'} completed or removed "
                "meanwhile. Check the lines, then press Enter again"
            )

    def begin(self) -> None:
        """Prepare for `add`, which `stop` may stop."""
        self.is_stopped = False

    def stop(self) -> None:
        """Stop adding after the current batch; the downloads added so far stay."""
        self.is_stopped = True
        self._client.work.stop()

    def remember(self) -> None:
        """Keep the texts of the fields for the next time."""
        self._draft.defaults = self.query_one(DefaultFields).texts

    def _option_input(self, name: str) -> Input:
        return self.query_one(f".option-{name}", Input)


def _fits(proposal: Proposal, decision: Decision) -> bool:
    """Return True if a decision makes sense for a line."""
    match decision.choice:
        case Choice.SKIP:
            return proposal.entry.verdict in (Verdict.OK, Verdict.ON_DISK)
        case Choice.AGAIN if proposal.renews is not None:
            return proposal.key is not None
    return proposal.entry.verdict is Verdict.ON_DISK


def _detail(proposal: Proposal) -> str:
    """Return everything about a line that its cells may cut, the cause first."""
    entry, config = proposal.entry, proposal.entry.config
    source = redact_url(config.url) if config else entry.text
    number = "" if config else f"Line {entry.line}: "
    return f"{number}{proposal.brief}  {source}"
