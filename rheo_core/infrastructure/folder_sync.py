"""Sync of folders. Callers that wait for the same folder share one fsync(2).

One syncfs(2) makes all files of a file system durable at once.
"""

import os
import threading
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Errors are ignored: some file systems cannot sync it.

    A sync covers the names that exist when it begins. So callers that arrive while one is under
    way share the next one. Blocks.
    """
    with _guard:
        batch = _next.get(folder)
        if is_first := batch is None:
            batch = _next[folder] = _Batch(_turns.setdefault(folder, threading.Lock()))
    if is_first:
        batch.run(folder)
    else:
        with batch.working:
            pass


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
    """Callers that wait for a sync that has not begun."""

    def __init__(self, turn: threading.Lock) -> None:
        self._turn = turn
        self.working = threading.Lock()  # held until the sync is over; quicker than an Event
        self.working.acquire()

    def run(self, folder: Path) -> None:
        try:
            with self._turn:
                with _guard:
                    del _next[folder]  # later callers need the next sync
                _sync(folder)
        finally:
            self.working.release()


_guard = threading.Lock()
_next: dict[Path, _Batch] = {}
_turns: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()
"""Locks that the sync of a folder holds; each lives as long as a batch uses it."""


def _sync(folder: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
