"""Interface of the format readers: lines in, candidates for downloads out."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from rheo_core.domain.exceptions import RheoError
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.filenames import folder_path, sanitise_filename
from rheo_core.domain.hash_hints import hash_in_line
from rheo_core.domain.paths import check_relative
from rheo_core.domain.rules import Rule
from rheo_core.domain.text import printable
from rheo_core.domain.untrusted import NOTHING, Untrusted
from rheo_core.domain.urls import normalise_url

_GOES_ON = ("\\", "\\\n", "\\\r\n")
_NOISE = re.compile(r"^Value error, |, unable to .*")
INVISIBLE = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
"""Invisible characters around a line that was copied from a page, a letter or a path."""
SUBSTITUTE = "\ufffd"
"""Letter in place of bytes that are not UTF-8."""
WRONG_ENCODING = "this line is not UTF-8; save the list as UTF-8"
MAX_DOCUMENT_LENGTH = 16 << 20
"""Maximum characters of a Metalink or a web page, which is read whole."""
MAX_LINE_LENGTH = MAX_DOCUMENT_LENGTH
"""Maximum characters of a line, because some pages are one line. A longer line is not text, and
ends the reading."""
_MAX_REPEATS = 10
"""Average number of times that readers may give back a character, to look ahead again."""


class InputError(RheoError):
    """The rest of a text cannot be read.

    Attributes:
        line: number of the line, counted from 1.
        wants: the field of `ReadOptions` that would help; "" for none.
    """

    def __init__(self, line: int, message: str, wants: str = "") -> None:
        self.line = line
        self.wants = wants
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options for reading a text.

    Args:
        base: URL of a page or a checksum list; links and names in it are relative to this.
        links: links to take from a page: a shell pattern (`*.iso`) for the name or the whole URL.
            None: do not read pages as lists.
        patterns: expand `[001-120]` and `{a,b}` in URLs.
        folder: download folder; absolute folders in aria2 lists are relative to it. None if it is
            unknown.
        subfolder: folder below the download folder for downloads whose text names none.
        download_dir: folder that the user chose for these downloads in place of the download
            folder.
        rules: rules that choose folders below `folder`.
        finds_files: report files that exist in the folders of the downloads.
        exists: the user's strategy for files that exist; a text can only make it stricter. None
            if it is unknown.
        timeout: the user's limit for an attempt, seconds; a text can only lower it. None if there
            is none.
        list_options: allow options that texts may only ask for, such as proxy and CA file.
    """

    base: str | None = None
    links: str | None = None
    patterns: bool = False
    folder: Path | None = None
    subfolder: str | None = None
    download_dir: Path | None = None
    rules: Sequence[Rule] = ()
    finds_files: bool = False
    exists: FileExistsStrategy | None = None
    timeout: float | None = None
    list_options: bool = False


class Candidate(NamedTuple):
    """An unchecked request for a download."""

    line: int
    text: str
    outside: Untrusted = NOTHING
    problem: str = ""  # set if it is already known to be useless
    form: str = ""
    ignored: Sequence[str] = ()  # names of unsupported options
    wants: str = ""
    may_be_pattern: bool = False
    is_copy: bool = False  # differs from the previous one in URL and name only
    has_placeholders: bool = False  # its name has `#1` for the first value of its pattern
    is_left_out: bool = False  # a line without a request; `problem` says so


class Lines(Iterator[str]):
    """Iterator over lines that counts them, and takes back lines for another reader."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rest = iter(lines)
        self._returned: list[str] = []
        self.number = 0
        """Number of the latest line, counted from 1."""
        self.overlong = 0
        """Number of the line that is too long and ended the text; 0 for none."""
        self._taken = 0  # characters, and one for each line
        self._given_back = 0

    @property
    def may_look_ahead(self) -> bool:
        """False if lines were given back so often that the time would no longer be linear.

        Readers check this before they search for an end that may be missing, such as a closing
        bracket.
        """
        return self._given_back <= _MAX_REPEATS * self._taken

    def __next__(self) -> str:
        if self._returned:
            line = self._returned.pop()
        else:
            line = next(self._rest)
            self._taken += len(line) + 1
        line = line.lstrip(INVISIBLE)
        self.number += 1
        if len(line) > MAX_LINE_LENGTH:
            self.overlong, self._rest = self.number, iter(())
            raise StopIteration
        return line

    def give_back(self, *lines: str) -> None:
        """Give back the last `lines`, to read them again."""
        self._returned.extend(reversed(lines))
        self.number -= len(lines)
        self._given_back += sum(map(len, lines)) + len(lines)


def with_next_hashes(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines. Join pip's lines that continue with `--hash`; empty lines keep the numbers.

    `Lines` ends the text if they are longer than one line may be.
    """
    parts: list[str] = []
    length = 0
    for line in lines:
        if parts and (length > MAX_LINE_LENGTH or not line.lstrip().startswith("--hash")):
            yield from _joined(parts)
            parts, length = [], 0
        if parts:
            line = line.strip()
        elif not line.endswith(_GOES_ON):
            yield line
            continue
        parts.append(line)
        length += len(line)
        if not line.endswith(_GOES_ON):
            yield from _joined(parts)
            parts, length = [], 0
    if parts:
        yield from _joined(parts)


def _joined(parts: list[str]) -> Iterator[str]:
    """Yield one line, and empty ones in place of the others."""
    *more, last = parts
    yield " ".join([*(part.rstrip()[:-1] for part in more), last])
    yield from [""] * len(more)


def problem_of(error: ValueError) -> str:
    """Return the first problem of an error as text."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        return _NOISE.sub("", first["msg"]).replace("Input ", f"{field} ", 1)
    return str(error)


def with_hint(number: int, url: str, line: str, form: str = "") -> Candidate:
    """Return the only URL of a line, with the checksum in the rest of the line."""
    hint, problem = None, ""
    try:
        hint = hash_in_line(line)
    except ValueError as error:
        problem = problem_of(error)
    outside = Untrusted(url, hash_config=hint)
    ignored = ("--hash",) if hint is None and " --hash" in line else ()
    return Candidate(number, url, outside, problem, form=form, ignored=ignored, may_be_pattern=True)


def base_of(options: ReadOptions, line: int) -> str | None:
    """Return the URL that the user gave for a page or a list.

    Raises:
        InputError: it is not an http(s) URL. Its line is `line`.
    """
    try:
        return None if options.base is None else normalise_url(options.base)
    except ValueError as error:
        raise InputError(line, f"base address: {error}", "base") from None


def destination_fields(path: str, what: str) -> dict[str, str]:
    """Return the fields of `Untrusted` for a file at `path`, relative to the download folder.

    Args:
        path: a path from outside.
        what: the option that it comes from, for messages.

    Raises:
        ValueError: the path leaves the download folder, or has no file name.
    """
    check_relative(path, what)
    folders, _, name = path.replace("\\", "/").rpartition("/")
    if name in {"", "."} or "\x00" in path:
        raise ValueError(f"{what} {printable(path[:200])!r} must name a file")
    if SUBSTITUTE in path:  # in place of bytes, so two names could become one
        raise ValueError(WRONG_ENCODING)
    fields = {"filename": sanitise_filename(name)}
    if safe := folder_path(folders):
        fields["destination_subdir"] = safe
    return fields
