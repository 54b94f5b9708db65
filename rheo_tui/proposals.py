"""Proposals: pasted or loaded entries with the user's choices and their outcome."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from rheo_core.domain import DownloadSnapshot, DownloadStatus, FileConfig
from rheo_core.domain.redaction import HIDDEN
from rheo_core.domain.request_options import NO_OPTIONS
from rheo_core.domain.signed_urls import unsigned
from rheo_core.domain.text import printable
from rheo_core.domain.urls import host_of
from rheo_core.inputs import Entry, Verdict

from .edit_fields import SENT_FIELDS, edited
from .existing_files import Choice, Decision
from .formatting import count_text, short_path, size_pair_text, size_text

EntryKey = tuple[str, str | None, str | None]
"""URL, name and folder of an entry in the text."""

_RENEWABLE = frozenset(
    {
        DownloadStatus.FAILED,
        DownloadStatus.RETRYING,
        DownloadStatus.PAUSED,
        DownloadStatus.QUEUED,
    }
)
_LEFT_OUT = "without the login and headers that you entered"


class Outcome(StrEnum):
    """Outcomes for an entry."""

    INVALID = "invalid"
    NO_URL = "no-url"
    DUPLICATE = "duplicate"
    UNDECIDED = "undecided"  # its file exists, and the user has not chosen yet
    RENEW = "renew"  # a download in the list gets its URL
    ADD = "add"
    SKIP = "skip"


_COUNTED = {
    Outcome.INVALID: "invalid",
    Outcome.UNDECIDED: Verdict.ON_DISK.words,
    Outcome.SKIP: "skipped",
}
_GIVEN = {
    Verdict.INVALID: Outcome.INVALID,
    Verdict.NO_URL: Outcome.NO_URL,
    Verdict.DUPLICATE: Outcome.DUPLICATE,
}
_RANKS = {  # what the user must decide or read comes first
    Verdict.INVALID: 0,
    Verdict.ON_DISK: 1,
    Verdict.DUPLICATE: 4,
    Verdict.NO_URL: 5,
    Verdict.OK: 6,
}
_RENEWS_RANK, _REMARK_RANK = 2, 3


class Proposal(NamedTuple):
    """An entry, and the user's choices for it."""

    entry: Entry  # as the user has edited it
    key: EntryKey | None = None  # None: there is nothing to choose
    decision: Decision | None = None
    renews: DownloadSnapshot | None = None  # the download that would get its URL
    is_edited: bool = False

    @property
    def outcome(self) -> Outcome:
        """Outcome after the choices of the user."""
        verdict, decision = self.entry.verdict, self.decision
        if (given := _GIVEN.get(verdict)) is not None:
            return given
        if decision is not None and decision.choice is Choice.SKIP:
            return Outcome.SKIP
        if decision is None and verdict is Verdict.ON_DISK:
            return Outcome.UNDECIDED
        return Outcome.RENEW if self.renews is not None and decision is None else Outcome.ADD

    def config(self, base: Path | None) -> FileConfig | None:
        """Return the config as the user decided about an existing file; `base`: see `saved_as`."""
        config, decision = self.entry.config, self.decision
        if config is None or decision is None or self.entry.verdict is not Verdict.ON_DISK:
            return config
        return decision.applied_to(config, base)

    @property
    def stays(self) -> bool:
        """True if its lines stay in the box when the others are added."""
        return self.outcome in (Outcome.INVALID, Outcome.UNDECIDED)

    @property
    def has_remark(self) -> bool:
        """True if the user should read a remark on its options."""
        return bool(self.entry.refused or self.entry.used)

    @property
    def rank(self) -> int:
        """Place in the order of display, which puts entries that need attention first."""
        if self.renews is not None:
            return _RENEWS_RANK
        verdict = self.entry.verdict
        return _REMARK_RANK if verdict is Verdict.OK and self.has_remark else _RANKS[verdict]

    @property
    def words(self) -> str:
        """The outcome in a few words."""
        return self._words(self.entry.problem, self.entry.refused)

    @property
    def brief(self) -> str:
        """The same with the cause first, because a narrow column cuts the end."""
        return self._words(self.entry.brief_problem, self.entry.brief_refusal)

    def _words(self, problem: str, refused: str) -> str:
        entry, outcome = self.entry, self.outcome
        facts: tuple[str, ...]
        match outcome:
            case Outcome.UNDECIDED:
                return f"{entry.verdict.words}: choose"
            case Outcome.SKIP:
                return "skip"
            case Outcome.RENEW if self.renews is not None:
                facts = refused, entry.used, _renewal_words(self.renews), entry.note
            case Outcome.ADD:
                facts = refused, entry.used, self._choice_words, entry.form, entry.note
            case _:
                return problem
        return "; ".join(filter(None, facts)) or "new"

    @property
    def _choice_words(self) -> str:
        decision, words = self.decision, "edited" if self.is_edited else ""
        if decision is None:
            return words
        if self.entry.verdict is not Verdict.ON_DISK:
            return "as a new download"
        return f"{decision.words}; {words}" if words else decision.words


def _renewal_words(row: DownloadSnapshot) -> str:
    kept = size_pair_text(row.bytes_downloaded, row.total_bytes).replace(" / ", " of ")
    amount = f" ({kept} kept)" if row.bytes_downloaded else ""
    return f"new link for {row.name}{amount}"


@dataclass
class Choices:
    """The user's choices for entries; they belong to downloads, and stay while the text changes.

    Attributes:
        decisions: skip, or the choice for a file that exists.
        edits: texts of the fields that the user has changed.
    """

    decisions: dict[EntryKey, Decision] = field(default_factory=dict)
    edits: dict[EntryKey, Mapping[str, str]] = field(default_factory=dict)

    def decision(self, entry: Entry, key: EntryKey | None) -> Decision | None:
        """Return the choice for an entry; None if it was for another file."""
        decision = self.decisions.get(key) if key else None
        if decision is None or decision.path in ("", entry.existing):
            return decision
        return None

    def forget(self, added: Iterable[Proposal]) -> None:
        """Forget the choices for files of proposals that were added: each counts once."""
        for proposal in added:
            if proposal.outcome is Outcome.ADD and proposal.key is not None:
                self.decisions.pop(proposal.key, None)

    def edited(self, entry: Entry, key: EntryKey) -> Entry:
        """Return an entry as the user has edited it."""
        texts = self.edits.get(key)
        if texts is None or entry.config is None:
            return entry
        others = {name: text for name, text in texts.items() if name not in SENT_FIELDS}
        for some, left_out in ((texts, ""), (others, _LEFT_OUT)):
            with suppress(ValueError):  # the text now asks for something else
                config = edited(entry.config, some)
                return entry._replace(
                    config=config, note="; ".join(filter(None, (entry.note, left_out)))
                )
        return entry


@dataclass
class EntryDraft:
    """The user's work on entries, kept while the dialog is closed.

    Attributes:
        choices: choices for single entries.
        unsaved: texts that were typed into the edit form and not saved, by field.
        defaults: texts of the fields for all of them.
    """

    choices: Choices = field(default_factory=Choices)
    unsaved: dict[EntryKey, Mapping[str, str]] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)


def key_of(entry: Entry, subfolder: str | None) -> EntryKey | None:
    """Return the key of an entry; `subfolder` is that of entries whose text names none."""
    config = entry.config
    if config is None:
        return None
    own = config.destination_subdir
    return config.url, config.filename, None if own == subfolder else own


class Renewals:
    """Finds the downloads that a new link to the same file renews.

    The file is the same if the URLs differ only in their signatures, or if name and size are equal.

    Args:
        rows: the downloads in the list.
        urls: whole URLs of the rows that `unclear_ids` returns, by id. Without them, only name and
            size find such a row.
    """

    def __init__(
        self, rows: Iterable[DownloadSnapshot], urls: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._urls = urls
        self._by_name: dict[str, list[DownloadSnapshot]] = {}
        for row in rows:
            if row.status in _RENEWABLE:
                self._by_name.setdefault(row.name, []).append(row)
        self._indexes: dict[str, dict[str | int | None, DownloadSnapshot]] = {}

    def find(self, config: FileConfig) -> DownloadSnapshot | None:
        """Return the download that `config` renews, or None."""
        if not self._by_name:
            return None
        name = _row_name(config)
        if name not in self._by_name:
            return None
        index = self._indexes.get(name) or self._index(name)
        row = index.get(unsigned(config.url))
        if row is None and config.size_bytes is not None:
            row = index.get(config.size_bytes)
        if row is not None and _has_options(config):
            # A download sends options only to its own host.
            return row if host_of(row.url) == host_of(config.url) else None
        return row

    def _index(self, name: str) -> dict[str | int | None, DownloadSnapshot]:
        rows = self._by_name[name]
        index: dict[str | int | None, DownloadSnapshot] = {row.total_bytes: row for row in rows}
        for row in rows:
            url = unsigned(self._urls.get(row.id, row.url))
            if row.id in self._urls or HIDDEN not in url:
                index[url] = row
        self._indexes[name] = index
        return index


def _has_options(config: FileConfig) -> bool:
    return bool(config.headers) or config.request != NO_OPTIONS


def unclear_ids(proposals: Iterable[Proposal], rows: Iterable[DownloadSnapshot]) -> list[str]:
    """Return the ids of rows that proposals may renew, and whose shown URLs do not name the file.

    The hidden part may be that of a share, not that of a signature.
    """
    names = {_row_name(each.entry.config) for each in proposals if each.entry.config is not None}
    return [
        row.id
        for row in rows
        if row.name in names and row.status in _RENEWABLE and HIDDEN in unsigned(row.url)
    ]


def _row_name(config: FileConfig) -> str:
    return printable(config.get_destination_filename())


def renewals_of(
    proposals: Sequence[Proposal], rows: Iterable[DownloadSnapshot], urls: Mapping[str, str]
) -> dict[int, DownloadSnapshot]:
    """Return the downloads that proposals renew, by the indexes of the proposals; each once."""
    renewals, renewed = Renewals(rows, urls), set[str]()
    matches: dict[int, DownloadSnapshot] = {}
    for at, proposal in enumerate(proposals):
        config = proposal.entry.config
        if config is None or proposal.entry.verdict is not Verdict.OK:
            continue
        row = renewals.find(config)
        if row is not None and row.id not in renewed:
            renewed.add(row.id)
            matches[at] = row
    return matches


def rest_words(proposals: Sequence[Proposal]) -> list[str]:
    """Return sentences about the entries that need the user before they can be added."""
    counts = Counter(proposal.outcome for proposal in proposals)
    sentences = []
    if bad := counts[Outcome.INVALID]:
        sentences.append(f"{count_text(bad, 'line')} {'is' if bad == 1 else 'are'} not valid.")
    if there := counts[Outcome.UNDECIDED]:
        verb = "is" if there == 1 else "are"
        sentences.append(f"{count_text(there, 'file')} {verb} already there: choose below.")
    return sentences


def summary(proposals: Sequence[Proposal], free: int | None) -> str:
    """Return a summary: `3 to add, 4.7 GB + 1 unknown (76 GB free) · 2 invalid`.

    It is "" for no entries.

    Args:
        proposals: the entries.
        free: free bytes in the download folder; None if they are unknown.
    """
    if not proposals:
        return ""
    counts = Counter(proposal.outcome for proposal in proposals)
    parts = [f"{counts[Outcome.ADD]:,} to add{_total_size(proposals, free)}"]
    parts += [f"{counts[each]:,} {words}" for each, words in _COUNTED.items() if counts[each]]
    if counts[Outcome.RENEW]:
        parts.append(count_text(counts[Outcome.RENEW], "new link"))
    if counts[Outcome.DUPLICATE]:
        parts.append(count_text(counts[Outcome.DUPLICATE], "duplicate"))
    return " · ".join(parts)


def _total_size(proposals: Sequence[Proposal], free: int | None) -> str:
    """Return the total of the known sizes, the number of unknown ones, and the free space."""
    adds = (each.entry.config for each in proposals if each.outcome is Outcome.ADD)
    sizes = [config.size_bytes for config in adds if config]
    known = [size for size in sizes if size is not None]
    total, unknown = sum(known), len(sizes) - len(known)
    text = f", {size_text(total)}" if known else ""
    if known and unknown:
        text += f" + {unknown:,} unknown"
    if free is None or not sizes:
        return text
    return f"{text} ({'only ' if free < total else ''}{size_text(free)} free)"


def folder_words(config: FileConfig | None) -> str:
    """Return the folder of an entry; "" for the download folder."""
    if config is None or not config.has_folder:
        return ""
    return printable(short_path(config.folder_below(Path())))


def name_words(entry: Entry) -> str:
    """Return the name of the file, or the invalid text."""
    config = entry.config
    return printable(Path(config.get_destination_filename()).name) if config else entry.text
