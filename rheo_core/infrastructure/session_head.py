"""Session file header: recognise a session and its version without SQLite.

The app reads the header before it opens its screen. This module does not import SQLite, because
that takes a while.
"""

from contextlib import suppress
from pathlib import Path

from rheo_core.user_files import open_regular

MAGIC = b"SQLite format 3\0"
APPLICATION_ID = 0x5268656F
"""Mark of a session: "Rheo" in ASCII, at byte 68 of the file."""
LAYOUT = 4
"""Number of the layout that this version writes."""

HEAD_BYTES = 72
_LAYOUT_AT = slice(60, 64)  # sqlite.org/fileformat2.html, 1.3: user version, application id
_MARK_AT = slice(68, 72)


def _read_head(path: Path) -> bytes:
    """Return the first bytes of a regular file; nothing if it cannot be read."""
    with suppress(OSError), open_regular(path) as file:
        return file.read(HEAD_BYTES)
    return b""


def is_session(head: bytes) -> bool:
    """Return True if a head belongs to a session, even if the rest of the file is damaged."""
    return head.startswith(MAGIC) and head[_MARK_AT] == APPLICATION_ID.to_bytes(4, "big")


def layout_in(head: bytes) -> int:
    """Return the number of the layout."""
    return int.from_bytes(head[_LAYOUT_AT], "big")


def newer_problem(layout: int, ours: int = LAYOUT) -> str | None:
    """Return the reason to refuse a session of this layout; None if this version knows it."""
    if layout <= ours:
        return None
    return (
        f"it comes from a newer version of this program (layout {layout}, here {ours}); "
        "use that version"
    )


def find_newer(path: Path) -> str | None:
    """Return `newer_problem` of the session at a path; None if there is none."""
    head = _read_head(path)
    return newer_problem(layout_in(head)) if is_session(head) else None
