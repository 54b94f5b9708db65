"""What the readers of formats share: lines in, things found out."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from pydantic import ValidationError

from rheo_core.domain.exceptions import RheoError
from rheo_core.domain.file_config import normalise_url
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.filenames import folder_path, sanitise_filename
from rheo_core.domain.outside import NOTHING, Outside
from rheo_core.domain.text import printable

_UNSAID = re.compile(r"^Value error, |, unable to .*")
INVISIBLE = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
"""Characters that a copy from a page, a letter or a path leaves around a line."""
MAX_DOCUMENT_LENGTH = 16 << 20
"""Characters of a document that is read as a whole: a Metalink, a page."""
MAX_LINE_LENGTH = MAX_DOCUMENT_LENGTH
"""Characters; many a page is one line. What is longer is no text, and nothing after it is read."""


class InputError(RheoError):
    """The text cannot be read on from here.

    Attributes:
        line: where; 1 for the first line.
        wants: the field of `ReadOptions` that would help; "" for none.
    """

    def __init__(self, line: int, message: str, wants: str = "") -> None:
        self.line = line
        self.wants = wants
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a text does not say itself.

    Args:
        base: the address of a page or a checksum list; its links and names are relative to it.
        links: which links of a page are meant, as a shell pattern for the name or the whole
            address (`*.iso`); None: a page is not taken for a list.
        patterns: `[001-120]` and `{a,b}` in URLs stand for many URLs.
        folder: where files will go; what is there already is told. None: nobody looks.
        exists: what the user wants done with files that exist; a text can only be stricter. None:
            that is not known.
        list_options: the user allows what a text can only ask for: proxy, CA file and so on.
    """

    base: str | None = None
    links: str | None = None
    patterns: bool = False
    folder: Path | None = None
    exists: FileExistsStrategy | None = None
    list_options: bool = False


class Candidate(NamedTuple):
    """Something that asks for a download, not diagnose yet."""

    line: int
    text: str
    outside: Outside = NOTHING
    problem: str = ""  # where it is known to be of no use
    form: str = ""
    ignored: Sequence[str] = ()  # what it asks for besides, in words
    wants: str = ""
    may_be_pattern: bool = False
    is_copy: bool = False  # all but its URL and name is that of the one before


class Lines(Iterator[str]):
    """Lines, their numbers, and a way to give back what belongs to somebody else."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._coming = iter(lines)
        self._again: list[str] = []
        self.number = 0
        """Of the line that came last; 1 for the first."""
        self.overlong = 0
        """The number of the line that is too long, and ended the text; 0 for none."""

    def __next__(self) -> str:
        line = (self._again.pop() if self._again else next(self._coming)).lstrip(INVISIBLE)
        self.number += 1
        if len(line) > MAX_LINE_LENGTH:
            self.overlong, self._coming = self.number, iter(())
            raise StopIteration
        return line

    def give_back(self, *lines: str) -> None:
        """Let the last `lines` come again."""
        self._again.extend(reversed(lines))
        self.number -= len(lines)


def problem_of(error: ValueError) -> str:
    """What is wrong, in the words of the first that says so."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        return _UNSAID.sub("", first["msg"]).replace("Input ", f"{field} ", 1)
    return str(error)


def base_of(options: ReadOptions, line: int) -> str | None:
    """The address that was given for a page or a list.

    Raises:
        InputError: it is no http(s) URL; `line` is where it is needed.
    """
    try:
        return None if options.base is None else normalise_url(options.base)
    except ValueError as error:
        raise InputError(line, f"the address of this: {error}", "base") from None


def destination_fields(path: str, what: str) -> dict[str, str]:
    """The fields that put a file at `path`, relative to the download folder.

    Raises:
        ValueError: it leads elsewhere, or names no file. `what` names the thing.
    """
    shown = printable(path[:200])
    for flavour in (PurePosixPath(path), PureWindowsPath(path)):
        if flavour.is_absolute() or flavour.drive or flavour.root:
            raise ValueError(f"{what} {shown!r} must be relative to the download folder")
        if ".." in flavour.parts:
            raise ValueError(f"{what} {shown!r} must not contain '..'")
    folders, _, name = path.replace("\\", "/").rpartition("/")
    if name in {"", "."} or "\x00" in path:
        raise ValueError(f"{what} {shown!r} names no file")
    fields = {"filename": sanitise_filename(name)}
    if safe := folder_path(folders):
        fields["destination_subdir"] = safe
    return fields
