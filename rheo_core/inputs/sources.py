"""What the arguments and the lists of a command ask for, read as far as it is wanted."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.text import printable, redact
from rheo_core.user_files import open_list

from .entries import Entry, Verdict
from .pipeline import bounded_lines, decoded, read_entries
from .reader_api import ReadOptions

_STANDARD_INPUT = "-"
_MAX_REPORTED = 50
_OPTIONS = {"patterns": "glob"}  # where it is not called like the field of ReadOptions


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A sentence on something that is not downloaded."""

    text: str
    is_problem: bool = True  # something is not right; otherwise it is only left out
    is_warning: bool = False  # it matters even if only errors are shown


Item = FileConfig | Diagnostic
LocatedEntry = tuple[str, Entry]
"""Where an entry was read, and the entry."""


def entries(
    urls: Sequence[str], list_files: Sequence[str], options: ReadOptions
) -> Iterator[LocatedEntry]:
    """What is asked for, each with the place where it is; read as far as it is wanted.

    Args:
        urls: arguments.
        list_files: paths; `-` is standard input.
        options: what they do not say themselves.

    Raises:
        ValueError: at once, where a list cannot be opened; one sentence.
    """
    return _read(urls, [(name, _open(name)) for name in list_files], options)


def _read(
    urls: Sequence[str], lists: list[tuple[str, BufferedReader]], options: ReadOptions
) -> Iterator[LocatedEntry]:
    known: set[str] = set()  # ids
    for number, url in enumerate(urls, 1):
        where, entry = f"argument {number}", None
        for entry in read_entries(url.splitlines(), known, options):
            yield where, entry
            _note_id(known, entry)
        if entry is None:
            shown = printable(redact(url))
            yield where, Entry(1, shown, Verdict.INVALID, problem=f"{shown!r} is no URL")
    while lists:
        name, file = lists.pop(0)
        name, entry = _called(name), None
        fresh: set[str] = set()  # apart: what the list itself repeats is told with the line
        problem = "there is no URL in it"
        try:
            with file, decoded(file) as text:
                for entry in read_entries(bounded_lines(text), known, options):
                    yield f"{name}, line {entry.line}", entry
                    if lists:  # of the last one nothing is held
                        _note_id(fresh, entry)
        except OSError as error:
            problem = f"cannot be read{' any further' if entry else ''}: {_reason(error)}"
            entry = None
        if entry is None:
            yield name, Entry(1, "", Verdict.INVALID, problem=problem)
        known |= fresh


def explained(entry: Entry) -> str:
    """What is wrong with an entry, or to be said of it, and the option that would help."""
    told = entry.problem or entry.note
    if entry.wants:
        told = f"{told} (--{_OPTIONS.get(entry.wants, entry.wants)})"
    if entry.problem:
        return told
    refused = f"{entry.refused} without --allow-list-options" if entry.refused else ""
    return "; ".join(filter(None, (refused, entry.used, told)))


def diagnose(where: str, entry: Entry) -> Iterator[Item]:
    """What an entry comes to."""
    if entry.config is None:
        yield Diagnostic(f"{where}: {explained(entry)}")
    elif entry.problem:
        yield Diagnostic(f"{where}: {entry.problem}, left out: {entry.text}", is_problem=False)
    else:
        if told := explained(entry):
            is_warning = bool(entry.refused or entry.used)
            yield Diagnostic(f"{where}: {told}", is_problem=False, is_warning=is_warning)
        yield entry.config


def _note_id(ids: set[str], entry: Entry) -> None:
    if entry.config is not None and not entry.problem:
        ids.add(entry.config.id)


def _open(name: str) -> BufferedReader:
    try:
        # Not sys.stdin: a thread stuck in reading it would hold its lock when Python ends.
        return os.fdopen(os.dup(0), "rb") if name == _STANDARD_INPUT else open_list(Path(name))
    except (OSError, ValueError) as error:  # ValueError: NUL in the name
        raise ValueError(f"cannot read the list {name}: {_reason(error)}") from None


def _called(name: str) -> str:
    return "standard input" if name == _STANDARD_INPUT else name


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class Diagnostics:
    """Reports what is not right and, unless `quiet`, what is left out; a flood is cut short."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._count = {True: 0, False: 0}
        self.warnings = 0
        """Number of entries that are valid but not done as they ask."""

    @property
    def problems(self) -> int:
        """How much was not right."""
        return self._count[True]

    def report(self, diagnostic: Diagnostic, write: Callable[[str], None]) -> None:
        """Say it, unless there were too many already."""
        self._count[diagnostic.is_problem] += 1
        self.warnings += diagnostic.is_warning
        is_wanted = diagnostic.is_problem or diagnostic.is_warning or not self._quiet
        if is_wanted and self._count[diagnostic.is_problem] <= _MAX_REPORTED:
            write(printable(redact(diagnostic.text)))

    def finish(self, say: Callable[[str], None]) -> None:
        """Say how many were too many; there will be no more."""
        for is_problem, what in ((True, "not right"), (False, "left out")):
            more = self._count[is_problem] - _MAX_REPORTED
            if more > 0 and (is_problem or not self._quiet):
                say(f"and {more:,} more {what}")
