"""Tally: count the commits and rows of a session to detect lost commits.

SQLite ends a write-ahead log at its first bad frame and silently discards the commits after it. So
the session counts its commits and rows in a table, and a note next to the file repeats the numbers
after each commit. If the file has fewer commits than the note, acknowledged commits were lost.

The note is not synced. After a power loss it may be older than the file, which is not a fault.
"""

import os
import re
import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .locks import open_own, path_beside
from .session_errors import SessionStoreError
from .session_integrity import Seals
from .session_schema import Proof

_MARK = b"rheo tally "
_NOTE = re.compile(_MARK + rb"([0-9a-f]{16}) (\d{1,19}) (\d{1,19}) ([0-9a-f]{8}) *\n")
_MAX_COUNT = 1 << 62  # below the limit of an integer column
_NOTE_BYTES = 80  # fixed length, so that each note overwrites the previous one completely


class Tally(NamedTuple):
    """Number of commits and rows of a session."""

    session: bytes  # random id, created with the file
    commits: int
    downloads: int  # rows after the last commit


def latest(first: Tally | None, second: Tally | None) -> Tally | None:
    """Return the tally with more commits; the first one if the sessions differ."""
    if first is None or second is None:
        return first or second
    is_later = second.session == first.session and second.commits > first.commits
    return second if is_later else first


def tally_of(values: Sequence[object], seals: Seals) -> Tally | None:
    """Return the tally of a row, whose last value is its seal; None if it is damaged."""
    match values:
        case (bytes(session), int(commits), int(downloads), seal):
            is_possible = 0 <= commits < _MAX_COUNT and 0 <= downloads < _MAX_COUNT
            is_damaged = not is_possible or seals.judge(values[:-1], seal) is Proof.DAMAGED
            return None if is_damaged else Tally(session, commits, downloads)
    return None


def read_tally(connection: sqlite3.Connection, seals: Seals) -> Tally | None:
    """Return the tally in an open session; None if it is damaged."""
    rows = connection.execute("SELECT session, commits, downloads, seal FROM tally").fetchall()
    return tally_of(rows[0], seals) if len(rows) == 1 else None


class TallyNote:
    """The file `NAME.tally` next to the session `NAME.db`; see `path_beside`.

    A foreign file of that name is neither read nor written. The session works without a note.
    """

    def __init__(self, session: Path) -> None:
        self._descriptor: int | None = None
        path = path_beside(session, "tally")
        with suppress(OSError, SessionStoreError):
            self._descriptor = open_own(session, path)
            if not self._is_ours():
                self.close()

    def read(self) -> Tally | None:
        """Return the tally in the note; None if the note is empty or damaged."""
        match = _NOTE.fullmatch(self._content())
        if match is None or int(match[4], 16) != zlib.crc32(match[0][: match.start(4)]):
            return None
        return Tally(bytes.fromhex(match[1].decode()), int(match[2]), int(match[3]))

    def write(self, tally: Tally) -> None:
        """Write a tally to the note. Errors are ignored, because the session has the tally too."""
        note = _MARK + f"{tally.session.hex()} {tally.commits} {tally.downloads} ".encode()
        note += f"{zlib.crc32(note):08x}".encode()
        if self._descriptor is not None:
            with suppress(OSError):
                os.pwrite(self._descriptor, note.ljust(_NOTE_BYTES - 1) + b"\n", 0)

    def close(self) -> None:
        """Close the file. Does nothing if it is closed."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_ours(self) -> bool:
        content = self._content()
        if len(content) <= _NOTE_BYTES and not content.strip(b"\0"):
            return True  # a power loss leaves zeros
        return len(content) == _NOTE_BYTES and content.startswith(_MARK)

    def _content(self) -> bytes:
        if self._descriptor is not None:
            with suppress(OSError):
                return os.pread(self._descriptor, _NOTE_BYTES + 1, 0)
        return b""
