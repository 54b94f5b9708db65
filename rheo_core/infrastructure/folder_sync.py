"""Making the names in a folder last; what waits for the same folder shares one sync."""

import os
import threading
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` last; some network file systems cannot, and that is no error.

    A sync covers the names that were given before it began. So while one is under way, all who
    come meanwhile wait for the next one, which is then one for all of them.
    """
    with _guard:
        batch = _next.get(folder)
        if is_first := batch is None:
            batch = _next[folder] = _Batch(_turns.setdefault(folder, threading.Lock()))
    if is_first:
        batch.run(folder)
    else:
        batch.is_done.wait()


class _Batch:
    """Those who wait for a sync that has not begun."""

    def __init__(self, turn: threading.Lock) -> None:
        self._turn = turn
        self.is_done = threading.Event()

    def run(self, folder: Path) -> None:
        try:
            with self._turn:
                with _guard:
                    del _next[folder]  # who comes from now on is too late for this one
                _sync(folder)
        finally:
            self.is_done.set()


_guard = threading.Lock()
_next: dict[Path, _Batch] = {}
_turns: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()
"""Whoever holds it syncs the folder; kept while there is somebody."""


def _sync(folder: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
