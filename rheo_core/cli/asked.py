"""What the arguments and the lists ask for, read as far as it is wanted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.text import printable, redact

from .options import ExitCode, fail

if TYPE_CHECKING:
    from rheo_core.inputs import Entry, ReadOptions

_STANDARD_INPUT = "-"
_MOST_LINES = 50


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence on something that is not downloaded."""

    text: str
    is_problem: bool = True  # something is not right; otherwise it is only left out


Item = FileConfig | Remark
Placed = tuple[str, "Entry"]
"""Where an entry was read, and the entry."""


def entries(
    urls: Sequence[str], list_files: Sequence[str], options: "ReadOptions"
) -> Iterator[Placed]:
    """What is asked for, each with the place where it is; read as far as it is wanted.

    Ends the command at once where a list cannot be opened.
    """
    return _read(urls, [(name, _open(name)) for name in list_files], options)


def _read(
    urls: Sequence[str], lists: list[tuple[str, TextIO]], options: "ReadOptions"
) -> Iterator[Placed]:
    from rheo_core.inputs import Entry, Verdict, bounded_lines, read_entries

    known: set[str] = set()  # ids
    for number, url in enumerate(urls, 1):
        where, entry = f"argument {number}", None
        for entry in read_entries(url.splitlines(), known, options):
            yield where, entry
            _note_id(known, entry)
        if entry is None:
            yield where, Entry(1, url, Verdict.INVALID, problem=f"{url!r} is no URL")
    while lists:
        name, file = lists.pop(0)
        name, entry = _called(name), None
        fresh: set[str] = set()  # apart: what the list itself repeats is told with the line
        problem = "there is no URL in it"
        try:
            for entry in read_entries(bounded_lines(file), known, options):
                yield f"{name}, line {entry.line}", entry
                if lists:  # of the last one nothing is held
                    _note_id(fresh, entry)
        except OSError as error:
            entry, problem = None, f"cannot be read any further: {_reason(error)}"
        if entry is None:
            yield name, Entry(1, "", Verdict.INVALID, problem=problem)
        known |= fresh
        file.close()


def explained(entry: "Entry") -> str:
    """What is wrong with an entry, and the option that would help."""
    return f"{entry.problem} (--{entry.wants})" if entry.wants else entry.problem


def judged(where: str, entry: "Entry") -> Iterator[Item]:
    """What an entry comes to."""
    if entry.config is None:
        yield Remark(f"{where}: {explained(entry)}")
    elif entry.problem:
        yield Remark(f"{where}: {entry.problem}, left out: {entry.text}", is_problem=False)
    else:
        if entry.note:
            yield Remark(f"{where}: {entry.note}", is_problem=False)
        yield entry.config


def _note_id(ids: set[str], entry: "Entry") -> None:
    if entry.config is not None and not entry.problem:
        ids.add(entry.config.id)


def _open(name: str) -> TextIO:
    """Ends the command where it cannot be opened."""
    try:
        if name == _STANDARD_INPUT:
            # Not sys.stdin: a thread stuck in reading it would hold its lock when Python ends.
            return open(0, encoding="utf-8", errors="replace", closefd=False)
        return Path(name).open(encoding="utf-8", errors="replace")
    except (OSError, ValueError) as error:  # ValueError: NUL in the name
        fail(f"cannot read the list {name}: {_reason(error)}.", ExitCode.FAILED)


def _called(name: str) -> str:
    return "standard input" if name == _STANDARD_INPUT else name


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class Remarks:
    """Tells what is not right, and unless `quiet` what is left out; a flood is cut short."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._count = {True: 0, False: 0}

    @property
    def any_problem(self) -> bool:
        """Whether something was not right."""
        return self._count[True] > 0

    def tell(self, remark: Remark, say: Callable[[str], None]) -> None:
        """Say it, unless there were too many already."""
        self._count[remark.is_problem] += 1
        is_wanted = remark.is_problem or not self._quiet
        if is_wanted and self._count[remark.is_problem] <= _MOST_LINES:
            say(f"rheo: {printable(redact(remark.text))}")

    def finish(self, say: Callable[[str], None]) -> None:
        """Say how many were too many; there will be no more."""
        for is_problem, what in ((True, "not right"), (False, "left out")):
            more = self._count[is_problem] - _MOST_LINES
            if more > 0 and (is_problem or not self._quiet):
                say(f"rheo: and {more:,} more {what}")
