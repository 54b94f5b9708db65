"""PartListings: list the part files of folders, to save searches for them."""

import os
import time
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.exceptions import ShortageError
from rheo_core.domain.filenames import number_filename, split_number
from rheo_core.infrastructure.disk import DiskThreads, TurnBatch
from rheo_core.infrastructure.files import folder_of

from .part_names import folded, is_part_name, stems_of_parts

_MAX_AGE_SECONDS = 1.0
_INTERVAL_SECONDS = 0.5
"""Time between listings of a folder."""
_LOOKS_BEFORE = 16
"""Downloads in a folder before the first listing, which is not worthwhile for a few files."""
_MAX_FOLDERS = 1000
_MAX_NAMES = 20_000
"""Maximum number of names to list, in about 10 ms. A larger folder counts as having part files."""
_MAX_NUMBERS_AGE_SECONDS = 5.0

_Numbers = Mapping[str, set[int]]
"""Numbers of part files in a folder, by their name without the number."""


class _Listing(NamedTuple):
    began: float  # seconds, monotonic
    is_free: bool


class PartListings:
    """Lists folders in a thread, every half second while downloads start there.

    A part file may have one of five names, and looking for all of them takes as long as creating a
    small file. The listing shows new part files of other programs within a second, and those of
    this engine at once. Opening a part file never relies on a listing; it makes all checks.

    Args:
        disk: threads for the listings.
    """

    def __init__(self, disk: DiskThreads) -> None:
        self._disk = disk
        self._listings: dict[str, _Listing] = {}
        self._looks: Counter[str] = Counter()  # before the first listing
        self._latest: dict[str, float] = {}  # when the latest listing began
        self._listed: set[str] = set()  # folders that a thread lists now
        self._numbers: dict[str, tuple[float, _Numbers]] = {}  # when it was listed, and the numbers
        self._numbering = TurnBatch(_numbers_in, lambda _: None)

    def is_free(self, folder: Path | str) -> bool:
        """Return True if `folder` had no part file in the last second, and accepts new files."""
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

    async def numbers(self, path: Path) -> Collection[int]:
        """Return the numbers of a file name that have part files, as far as they are known.

        The first call for a folder lists it. In most folders, no part file has a number.
        """
        folder, now = folder_of(str(path)), time.monotonic()
        listed, numbers = self._numbers.get(folder, (now, None))
        if numbers is None or now - listed > _MAX_NUMBERS_AGE_SECONDS:
            if len(self._numbers) > _MAX_FOLDERS:
                self._numbers.clear()
            numbers = await self._disk.submit_to(self._numbering, folder)
            self._numbers[folder] = now, numbers
        if not numbers:
            return ()
        plain, _ = split_number(number_filename(path.name, 1))
        return numbers.get(folded(plain), ())

    def forget(self) -> None:
        """Ignore listings that began before this call, because a part file was left behind."""
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


def _numbers_in(folder: str) -> _Numbers:
    numbers: dict[str, set[int]] = {}
    for stem in stems_of_parts(folder, _MAX_NAMES) or ():
        plain, number = split_number(stem)
        if number:
            numbers.setdefault(folded(plain), set()).add(number)
    return numbers


def _has_no_part(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name.lower() for entry in islice(entries, _MAX_NAMES + 1)]
    except OSError:
        return False
    return len(names) <= _MAX_NAMES and not any(map(is_part_name, names))
