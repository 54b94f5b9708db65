"""Mark part files with an extended attribute that only this user's programs can make.

Some file systems do not support marks.
"""

import errno
import hmac
import os
from contextlib import suppress
from pathlib import Path

_ATTRIBUTE = "user.rheo.part"
_MARK_BYTES = 16
"""Part of an HMAC; this length fits into the inode of ext4 and needs no extra block."""


def put_mark(descriptor: int, source: str, key: bytes) -> None:
    """Mark an open file as a part file of this download, if the file system supports it."""
    if hasattr(os, "setxattr"):  # Python does not support them on macOS
        with suppress(OSError):
            os.setxattr(descriptor, _ATTRIBUTE, _mark(source, key))


def has_mark(descriptor: int, source: str, key: bytes) -> bool | None:
    """Return True if an open file is a part file of this download.

    None: the file system does not support marks, so the state decides.
    """
    mark = _read_mark(descriptor)
    return None if mark is None else hmac.compare_digest(mark, _mark(source, key))


def has_any_mark(file: int | Path) -> bool | None:
    """Return True if a file has a mark of any key; None: marks are not supported."""
    mark = _read_mark(file)
    return None if mark is None else bool(mark)


def _read_mark(file: int | Path) -> bytes | None:
    """Return the mark of a file; empty: it has none; None: marks are not supported."""
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(file, _ATTRIBUTE)
    except OSError as error:
        return b"" if error.errno == errno.ENODATA else None


def remove_mark(descriptor: int) -> None:
    """Remove the mark, because the file is complete."""
    if hasattr(os, "removexattr"):
        with suppress(OSError):
            os.removexattr(descriptor, _ATTRIBUTE)


def _mark(source: str, key: bytes) -> bytes:
    return hmac.digest(key, b"part file of " + source.encode(), "sha256")[:_MARK_BYTES]
