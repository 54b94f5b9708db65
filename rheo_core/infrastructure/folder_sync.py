"""Sync folders and files. Callers that wait for the same folder share one fsync(2).

One syncfs(2) makes all files of a file system durable at once.
"""

import os
import threading
from contextlib import suppress
from pathlib import Path


def sync_folder(folder: Path | str) -> None:
    """Make the names in `folder` durable. Errors are ignored: some file systems cannot sync it.

    A sync covers the names that exist when it begins. So callers that arrive during a sync share
    the next one. Blocks.
    """
    path = str(folder)
    with _guard:
        batch = _next.get(path)
        if is_first := batch is None:
            batch = _next[path] = _Batch(_current.get(path))
    if is_first:
        batch.run(path)
    else:
        with batch.working:
            pass


def sync_file(path: Path) -> None:
    """Make the data of a file durable. Blocks.

    Raises:
        OSError: data could not be written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(folder: Path) -> None:
    """Make all files and names on the file system of `folder` durable. Blocks.

    One call costs less than an fsync(2) for each of many small files. Systems without syncfs(2)
    sync all file systems instead.

    Raises:
        OSError: data could not be written.
    """
    import ctypes  # few programs need it

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


class _Batch:
    """Callers that wait for a sync that has not begun.

    Args:
        before: the batch whose sync is running.
    """

    def __init__(self, before: "_Batch | None") -> None:
        self._before = before
        self.working = threading.Lock()  # held until the sync is over; faster than an Event
        self.working.acquire()

    def run(self, path: str) -> None:
        before, self._before = self._before, None
        try:
            if before is not None:
                with before.working:
                    pass
            with _guard:
                del _next[path]  # later callers need the next sync
                _current[path] = self
            _sync(path)
        finally:
            with _guard:
                if _current.get(path) is self:
                    del _current[path]
            self.working.release()


_guard = threading.Lock()
_next: dict[str, _Batch] = {}
_current: dict[str, _Batch] = {}
"""Batches by folder: one that waits, and one whose sync is running."""


def _sync(path: str) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
