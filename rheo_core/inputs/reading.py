"""Lists of URLs, one a line, into entries with a verdict each."""

import errno
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

import aiofiles
import aiofiles.os
from pydantic import ValidationError

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.text import printable

from .entries import Entry, Verdict

_BATCH_SIZE = 64 * 1024  # characters read between two breaths of the event loop
_LONGEST_SHOWN = 500


def read_entries(lines: Iterable[str], known: Container[str] = ()) -> Iterator[Entry]:
    """An entry for each line that asks for a download, as the lines come.

    A line is a URL, with white space around it. Blank lines and lines that begin with `#` make
    no entry; a byte order mark is left out. No text makes this raise.

    Args:
        lines: The lines, with or without their ends.
        known: Ids of the downloads that are there already.
    """
    return _Reader(known).read(lines)


async def read_entries_file(path: Path, known: Container[str] = ()) -> list[Entry]:
    """The entries of a UTF-8 list file; bytes that are not UTF-8 are replaced.

    The event loop goes on meanwhile, in long lists too.

    Raises:
        OSError: the file cannot be read, or is no regular file.
    """
    if not await aiofiles.os.path.isfile(path) and await aiofiles.os.path.exists(path):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    reader = _Reader(known)
    entries: list[Entry] = []
    async with aiofiles.open(path, encoding="utf-8", errors="replace") as file:
        while lines := await file.readlines(_BATCH_SIZE):
            entries.extend(reader.read(lines))
    return entries


class _Reader:
    """What is remembered from line to line."""

    def __init__(self, known: Container[str]) -> None:
        self._known = known
        self._first_line: dict[int, int] = {}  # by id, as a number: lists may be very long
        self._line = 0

    def read(self, lines: Iterable[str]) -> Iterator[Entry]:
        for line in lines:
            self._line += 1
            text = line.removeprefix("\ufeff").strip()
            if text and not text.startswith("#"):
                yield self._judge(text)

    def _judge(self, text: str) -> Entry:
        shown = printable(text[:_LONGEST_SHOWN]) + ("…" if len(text) > _LONGEST_SHOWN else "")
        try:
            text.encode()
            config = FileConfig(url=text)
        except UnicodeEncodeError:  # lone surrogates, which no URL can hold
            problem = "URL contains characters that are not valid Unicode"
            return Entry(self._line, shown, Verdict.INVALID, problem=problem)
        except ValidationError as error:
            return Entry(self._line, shown, Verdict.INVALID, problem=_first_message(error))
        problem = self._duplicate_of(config)
        verdict = Verdict.DUPLICATE if problem else Verdict.OK
        return Entry(self._line, shown, verdict, config, problem)

    def _duplicate_of(self, config: FileConfig) -> str:
        """Why the download would be there twice; "" for a new one."""
        if self._known and config.id in self._known:
            return "already in the list"
        first = self._first_line.setdefault(int(config.id, 16), self._line)
        return "" if first == self._line else f"already in the list, line {first}"


def _first_message(error: ValidationError) -> str:
    return error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
