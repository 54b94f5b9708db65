"""Read the arguments and lists of a command on demand, as downloads and diagnostics."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.text import printable, redact
from rheo_core.user_files import open_list

from .entries import Entry, Verdict
from .pipeline import bounded_lines, decoded, note_checksum, read_entries
from .reader_api import ReadOptions

_STANDARD_INPUT = "-"
_MAX_REPORTED = 50
_OPTIONS = {"patterns": "glob"}  # names of flags that differ from the field of ReadOptions


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A sentence about something that is not downloaded."""

    text: str
    is_problem: bool = True  # False if a valid entry is left out
    is_warning: bool = False  # shown even if only errors are shown


Item = FileConfig | Diagnostic
LocatedEntry = tuple[str, Entry]
"""The place where an entry was read, and the entry."""


def read_arguments(
    urls: Sequence[str],
    list_files: Sequence[str],
    options: ReadOptions,
    known: dict[str, str] | None = None,
) -> Iterator[LocatedEntry]:
    """Return an iterator over the entries of arguments and lists, which reads on demand.

    Args:
        urls: arguments.
        list_files: paths; `-` is standard input.
        options: how to read them.
        known: ids with the beginnings of their checksums, shared by calls whose inputs belong
            together; None: there are no other inputs.

    Raises:
        ValueError: at once, if a list cannot be opened; one sentence.
    """
    lists = [(name, _open(name)) for name in list_files]
    return _read(urls, lists, options, {} if known is None else known)


def _read(
    urls: Sequence[str],
    lists: list[tuple[str, BufferedReader]],
    options: ReadOptions,
    known: dict[str, str],
) -> Iterator[LocatedEntry]:
    for number, url in enumerate(urls, 1):
        where, entry = f"argument {number}", None
        for entry in read_entries(url.splitlines(), (), options, known):
            yield where, entry
            _note(known, entry)
        if entry is None:
            shown = printable(redact(url))
            yield where, Entry(1, shown, Verdict.INVALID, problem=f"{shown!r} is not a URL")
    while lists:
        name, file = lists.pop(0)
        name, entry = _display_name(name), None
        fresh: dict[str, str] = {}  # separate: repeats within the list are reported with their line
        problem = "it contains no URL"
        try:
            with file, decoded(file) as text:
                for entry in read_entries(bounded_lines(text), (), options, known):
                    yield f"{name}, line {entry.line}", entry
                    if lists:  # nobody needs them after the last list
                        _note(fresh, entry)
        except OSError as error:
            problem = f"cannot be read{' any further' if entry else ''}: {_reason(error)}"
            entry = None
        if entry is None:
            yield name, Entry(1, "", Verdict.INVALID, problem=problem)
        known |= fresh


def explain_entry(entry: Entry) -> str:
    """Return the problem of an entry or the notes on it, with the option that would help."""
    message = entry.problem or entry.note
    if entry.wants:
        message = f"{message} (--{_OPTIONS.get(entry.wants, entry.wants)})"
    if entry.problem:
        return message
    refused = f"{entry.refused} without --allow-list-options" if entry.refused else ""
    return "; ".join(filter(None, (refused, entry.used, message)))


def diagnose(where: str, entry: Entry) -> Iterator[Item]:
    """Yield the download of an entry and a diagnostic about it, if there are any."""
    if entry.verdict is Verdict.NO_URL:
        yield Diagnostic(f"{where}: {entry.problem}", is_problem=False)
    elif entry.config is None:
        yield Diagnostic(f"{where}: {explain_entry(entry)}")
    elif entry.problem:
        yield Diagnostic(f"{where}: {entry.problem}, left out: {entry.text}", is_problem=False)
    else:
        if message := explain_entry(entry):
            is_warning = bool(entry.refused or entry.used)
            yield Diagnostic(f"{where}: {message}", is_problem=False, is_warning=is_warning)
        yield entry.config


def _note(known: dict[str, str], entry: Entry) -> None:
    if entry.config is not None and not entry.problem:
        known[entry.config.id] = note_checksum(entry.config.hash_config)


def _open(name: str) -> BufferedReader:
    if not name:  # such as an unset variable; its path would be the current folder
        raise ValueError("the name of a list is empty")
    try:
        # Not sys.stdin: a thread stuck in a read would hold its lock when Python exits.
        return os.fdopen(os.dup(0), "rb") if name == _STANDARD_INPUT else open_list(Path(name))
    except (OSError, ValueError) as error:  # ValueError: NUL in the name
        reason = "it is a URL; save it to a file first" if "://" in name else _reason(error)
        raise ValueError(f"cannot read the list {name}: {reason}") from None


def _display_name(name: str) -> str:
    return "standard input" if name == _STANDARD_INPUT else name


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class Diagnostics:
    """Reports problems and, unless `quiet`, what is left out: the first 50 of each."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._count = {True: 0, False: 0}
        self.warnings = 0
        """Number of valid entries whose options are not all used."""

    @property
    def problems(self) -> int:
        """Number of problems."""
        return self._count[True]

    def report(self, diagnostic: Diagnostic, write: Callable[[str], None]) -> None:
        """Pass the text of a diagnostic to `write`, unless there were already too many."""
        self._count[diagnostic.is_problem] += 1
        self.warnings += diagnostic.is_warning
        is_shown = diagnostic.is_problem or diagnostic.is_warning or not self._quiet
        if is_shown and self._count[diagnostic.is_problem] <= _MAX_REPORTED:
            write(printable(redact(diagnostic.text)))

    def finish(self, write: Callable[[str], None]) -> None:
        """Pass the numbers of unreported diagnostics to `write`, at the end."""
        for is_problem, what in ((True, "not valid"), (False, "left out")):
            more = self._count[is_problem] - _MAX_REPORTED
            if more > 0 and (is_problem or not self._quiet):
                write(f"and {more:,} more {what}")
