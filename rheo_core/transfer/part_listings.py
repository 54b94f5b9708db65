"""PartListings: remember folders without part files, to save searches for them."""

import os
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.exceptions import ShortageError
from rheo_core.infrastructure.disk import DiskThreads

from .part_names import is_part_name

_MAX_AGE_SECONDS = 1.0
_INTERVAL_SECONDS = 0.5
"""Time between listings of a folder."""
_LOOKS_BEFORE = 16
"""Looks into a folder before it is listed for the first time: it may be for a few files alone."""
_MAX_FOLDERS = 1000
_MAX_NAMES = 20_000
"""Names to list; about 10 ms. A folder with more of them is taken for one with part files."""


class _Listing(NamedTuple):
    began: float  # seconds, monotonic
    is_free: bool


class PartListings:
    """Lists folders in a thread while files are claimed there, once in half a second.

    A part file may have one of five names, and looking for all of them takes as long as creating a
    small file. Part files that other programs leave are seen after a second at the latest, and
    those of this engine at once. Nothing is written because of a listing: a part file is opened
    with all checks.

    Args:
        disk: threads for the listings.
    """

    def __init__(self, disk: DiskThreads) -> None:
        self._disk = disk
        self._listings: dict[str, _Listing] = {}
        self._looks: Counter[str] = Counter()  # before the first listing
        self._latest: dict[str, float] = {}  # when the latest listing began
        self._listed: set[str] = set()  # folders that a thread lists now

    def is_free(self, folder: Path | str) -> bool:
        """Return True if `folder` had no part file within the last second, and takes files."""
        name, now = str(folder), time.monotonic()
        began = self._latest.get(name)
        if began is None:
            self._looks[name] += 1
            if self._looks[name] > _LOOKS_BEFORE:
                self._begin(name, now)
            elif len(self._looks) > _MAX_FOLDERS:
                self.forget()
        elif now - began > _INTERVAL_SECONDS:
            self._begin(name, now)
        listing = self._listings.get(name)
        return listing is not None and listing.is_free and now - listing.began < _MAX_AGE_SECONDS

    def forget(self) -> None:
        """Believe no listing that began before this call, because a part file was left."""
        self._listings = {}  # a thread may still write to the old one
        self._looks.clear()
        self._latest.clear()

    def _begin(self, folder: str, now: float) -> None:
        self._latest[folder] = now
        if folder in self._listed:  # a slow disk must not occupy all threads
            return
        self._listed.add(folder)
        try:
            self._disk.submit(self._list, folder, now, self._listings)
        except ShortageError:
            self._listed.discard(folder)

    def _list(self, folder: str, began: float, listings: dict[str, _Listing]) -> None:
        try:
            is_free = os.access(folder, os.W_OK | os.X_OK) and _has_no_part(folder)
            listings[folder] = _Listing(began, is_free)
        finally:
            self._listed.discard(folder)


def _has_no_part(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name.lower() for entry in islice(entries, _MAX_NAMES + 1)]
    except OSError:
        return False
    return len(names) <= _MAX_NAMES and not any(map(is_part_name, names))
