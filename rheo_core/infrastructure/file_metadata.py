"""Write the metadata of a finished file: modification time, origin and source.

`downloads/attempt.py` chooses the values.
"""

import errno
import logging
import os
import time
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.text import redact_url

_log = logging.getLogger(__name__)
_ORIGIN = "user.xdg.origin.url"
"""Extended attribute of freedesktop.org (CommonExtendedAttributes), also used by curl and wget."""
_SOURCE = "user.rheo.source"
"""Extended attribute with the source of the download, by which a later run finds its file."""


class FileMetadata(NamedTuple):
    """Optional metadata. If the file system cannot store an item, the file goes without it."""

    modified: int | None = None  # time on the server, seconds since the epoch
    origin: str | None = None  # URL; it is stored without its secrets
    source: str | None = None  # keyed hash of the URL

    def apply(self, descriptor: int) -> None:
        """Write the metadata to an open file. Blocks."""
        if self.origin is not None:
            _set_origin(descriptor, self.origin)
        if self.source is not None:
            _set_source(descriptor, self.source)
        # A server that does not know the time sends 1970. No file comes from the future.
        if self.modified is not None and 0 < self.modified <= time.time():
            try:
                os.utime(descriptor, (time.time(), self.modified))
            except OSError as error:
                _log.info("cannot set the modification time of the file: %s", error.strerror)


def source_at(path: Path) -> str | None:
    """Return the source of the download that wrote a file.

    Return "" if the file has no source, and None if the file system does not support this.
    """
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(path, _SOURCE, follow_symlinks=False).decode("ascii", "replace")
    except OSError as error:
        return None if error.errno in (errno.ENOTSUP, errno.ENOSYS) else ""


def _set_source(descriptor: int, source: str) -> None:
    try:
        os.setxattr(descriptor, _SOURCE, source.encode())
    except (OSError, AttributeError):  # Python does not support them on macOS
        return


def _set_origin(descriptor: int, url: str) -> None:
    if not hasattr(os, "setxattr"):  # macOS
        return
    try:
        os.setxattr(descriptor, _ORIGIN, redact_url(url).encode(errors="replace"))
    except OSError as error:
        _log.info("cannot store the origin of the file: %s", error.strerror)
