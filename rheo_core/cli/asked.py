"""What the arguments and the lists ask for, read as far as it is wanted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.text import printable

from .options import ExitCode, fail

if TYPE_CHECKING:
    from rheo_core.inputs import Entry

STANDARD_INPUT = "-"
_MOST_LINES = 50


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence on something that is not downloaded."""

    text: str
    is_problem: bool = True  # something is not right; otherwise it is only left out


Item = FileConfig | Remark


class Asked:
    """Iterates over what is to be downloaded, and remarks; holds nothing of what it gave.

    Ends the command at once where a list cannot be opened.
    """

    def __init__(self, urls: Sequence[str], list_files: Sequence[str]) -> None:
        self._urls = urls
        self._known: set[str] = set()  # ids
        self._files = ExitStack()
        self._lists = [(_called(name), self._open(name)) for name in list_files]

    def __iter__(self) -> Iterator[Item]:
        yield from self._of_arguments()
        while self._lists:
            name, lines = self._lists.pop(0)
            yield from self._of_list(name, lines)
        self._files.close()

    def _of_arguments(self) -> Iterator[Item]:
        from rheo_core.inputs import read_entries

        for number, url in enumerate(self._urls, 1):
            entry = next(read_entries([url], self._known), None)
            if entry is None:
                yield Remark(f"argument {number}: {url!r} is no URL")
                continue
            if entry.config is not None:
                self._known.add(entry.config.id)
            yield _judged(entry, f"argument {number}")

    def _of_list(self, name: str, lines: Iterable[str]) -> Iterator[Item]:
        from rheo_core.inputs import read_entries

        fresh: set[str] = set()  # apart: what the list itself repeats is told with the line
        entry = None
        try:
            for entry in read_entries(lines, self._known):
                if self._lists and entry.config is not None:
                    fresh.add(entry.config.id)
                yield _judged(entry, f"{name}, line {entry.line}")
        except OSError as error:
            yield Remark(f"cannot read the list {name}: {_reason(error)}.")
        else:
            if entry is None:
                yield Remark(f"{name}: there is no URL in it")
        self._known |= fresh

    def _open(self, name: str) -> TextIO:
        try:
            # Not sys.stdin: a thread stuck in reading it would hold its lock when Python ends.
            place = 0 if name == STANDARD_INPUT else Path(name)
            file = open(place, encoding="utf-8", errors="replace", closefd=place != 0)  # noqa: SIM115
        except (OSError, ValueError) as error:  # ValueError: NUL in the name
            fail(f"cannot read the list {name}: {_reason(error)}.", ExitCode.FAILED)
        return self._files.enter_context(file)


class Remarks:
    """Tells what is not right, and unless `quiet` what is left out; a flood is cut short."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._count = {True: 0, False: 0}

    @property
    def any_problem(self) -> bool:
        """Whether something was not right."""
        return self._count[True] > 0

    @property
    def count(self) -> int:
        """All that were told or might have been."""
        return sum(self._count.values())

    def tell(self, remark: Remark, say: Callable[[str], None]) -> None:
        """Say it, unless there were too many already."""
        self._count[remark.is_problem] += 1
        is_wanted = remark.is_problem or not self._quiet
        if is_wanted and self._count[remark.is_problem] <= _MOST_LINES:
            say(f"rheo: {printable(remark.text)}")

    def finish(self, say: Callable[[str], None]) -> None:
        """Say how many were too many; there will be no more."""
        for is_problem, what in ((True, "not right"), (False, "left out")):
            more = self._count[is_problem] - _MOST_LINES
            if more > 0 and (is_problem or not self._quiet):
                say(f"rheo: and {more:,} more {what}")


def _judged(entry: "Entry", where: str) -> Item:
    if entry.config is None:
        return Remark(f"{where}: {entry.problem}")
    if entry.problem:
        return Remark(f"{where}: {entry.problem}, left out: {entry.text}", is_problem=False)
    return entry.config


def _called(list_file: str) -> str:
    return "standard input" if list_file == STANDARD_INPUT else list_file


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
