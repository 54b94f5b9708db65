"""Tally: how much a session has acknowledged, noted beside the file.

SQLite ends a write-ahead log at its first bad frame, without a word: what was committed after it is
gone as if it had never been. The session counts its commits and rows in a table of its own, and
the same numbers are noted here once a commit has returned. If the file then knows of fewer
commits than the note, something that was acknowledged is missing.

The note is not synced: after a loss of power it may be older than the file, which says nothing.
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
from .session_schema import Proof
from .session_seal import Seals

_MARK = b"rheo tally "
_NOTE = re.compile(_MARK + rb"([0-9a-f]{16}) (\d{1,19}) (\d{1,19}) ([0-9a-f]{8}) *\n")
_MAX_COUNT = 1 << 62  # a column has room for more
_NOTE_BYTES = 80  # longer than any; a shorter one is filled up, so that it replaces all of it


class Tally(NamedTuple):
    """Commits and rows written to a session."""

    session: bytes  # random, made with the file
    commits: int
    downloads: int  # rows after the last commit


def latest(first: Tally | None, second: Tally | None) -> Tally | None:
    """Return the tally with more commits; the first, if they are of two sessions."""
    if first is None or second is None:
        return first or second
    is_later = second.session == first.session and second.commits > first.commits
    return second if is_later else first


def tally_of(values: Sequence[object], seals: Seals) -> Tally | None:
    """Return the tally of a row, its seal last; None if it is damaged."""
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
    """The file `NAME.tally` beside the session `NAME.db`; see `path_beside`.

    A file of that name that is not ours is neither read nor written: the session works without.
    """

    def __init__(self, session: Path) -> None:
        self._descriptor: int | None = None
        path = path_beside(session, "tally")
        with suppress(OSError, SessionStoreError):
            self._descriptor = open_own(session, path)
            if not self._is_ours():
                self.close()

    def read(self) -> Tally | None:
        """Return what was noted; None if nothing was, or it is damaged."""
        match = _NOTE.fullmatch(self._content())
        if match is None or int(match[4], 16) != zlib.crc32(match[0][: match.start(4)]):
            return None
        return Tally(bytes.fromhex(match[1].decode()), int(match[2]), int(match[3]))

    def write(self, tally: Tally) -> None:
        """Note a tally. A full disk is no reason to fail: the session itself is on it."""
        note = _MARK + f"{tally.session.hex()} {tally.commits} {tally.downloads} ".encode()
        note += f"{zlib.crc32(note):08x}".encode()
        if self._descriptor is not None:
            with suppress(OSError):
                os.pwrite(self._descriptor, note.ljust(_NOTE_BYTES - 1) + b"\n", 0)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_ours(self) -> bool:
        content = self._content()
        if len(content) <= _NOTE_BYTES and not content.strip(b"\0"):
            return True  # zeros are what a loss of power leaves
        return len(content) == _NOTE_BYTES and content.startswith(_MARK)

    def _content(self) -> bytes:
        if self._descriptor is not None:
            with suppress(OSError):
                return os.pread(self._descriptor, _NOTE_BYTES + 1, 0)
        return b""
