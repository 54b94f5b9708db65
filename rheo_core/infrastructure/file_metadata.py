"""What a finished file carries beside its bytes: a time, and where it came from."""

import logging
import os
import time
from dataclasses import dataclass

from rheo_core.domain.text import redact_url

_log = logging.getLogger(__name__)
_ORIGIN = "user.xdg.origin.url"
"""As freedesktop.org has it (CommonExtendedAttributes); curl and wget write the same."""


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """Both are a convenience: where the file system knows no such thing the file goes without."""

    modified: int | None = None  # seconds since the epoch
    origin: str | None = None  # its URL; secrets are left out

    def apply(self, descriptor: int) -> None:
        """Mark an open file. Blocks."""
        if self.origin is not None:
            _put_origin(descriptor, self.origin)
        # A server that does not know the time says 1970; no file is from the future.
        if self.modified is not None and 0 < self.modified <= time.time():
            try:
                os.utime(descriptor, (time.time(), self.modified))
            except OSError as error:
                _log.info("the file keeps its own time: %s", error.strerror)


def _put_origin(descriptor: int, url: str) -> None:
    if not hasattr(os, "setxattr"):  # macOS
        return
    try:
        os.setxattr(descriptor, _ORIGIN, redact_url(url).encode(errors="replace"))
    except OSError as error:
        _log.info("the file goes without its origin: %s", error.strerror)
