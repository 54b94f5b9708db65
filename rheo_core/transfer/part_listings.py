"""PartListings: list the part files of folders, to save searches for them."""

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.exceptions import ShortageError
from rheo_core.domain.filenames import number_filename, split_number
from rheo_core.infrastructure.disk import DiskFuture, DiskThreads
from rheo_core.infrastructure.files import folder_of

from .part_names import folded, stems_of_parts

_MAX_AGE_SECONDS = 1.0
_INTERVAL_SECONDS = 0.5
"""Time between listings of a folder."""
_MAX_FOLDERS = 1000
_MAX_NAMES = 20_000
"""Maximum number of names to list, in about 10 ms. A larger folder counts as having part files."""
_MAX_NUMBERS_AGE_SECONDS = 5.0


class _Listing(NamedTuple):
    began: float  # seconds, monotonic
    is_free: bool  # the folder has no part file, and accepts new files
    numbers: Mapping[str, set[int]]  # of part files, by their name without the number


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
        self._listings: dict[str, _Listing] = {}  # the latest one of each folder
        self._begun: dict[str, DiskFuture[_Listing]] = {}
        self._forgotten = 0.0  # seconds, monotonic

    def is_free(self, folder: Path | str) -> bool:
        """Return True if `folder` had no part file in the last second, and accepts new files."""
        name, now = str(folder), time.monotonic()
        listing = self._listings.get(name)
        if listing is None or now - listing.began > _INTERVAL_SECONDS:
            with suppress(ShortageError):
                self._list(name, now)
        if listing is None or not listing.is_free:
            return False
        return now - listing.began < _MAX_AGE_SECONDS and listing.began > self._forgotten

    async def numbers(self, path: Path) -> Collection[int]:
        """Return the numbers of a file name that have part files, as far as they are known.

        In most folders, no part file has a number.

        Raises:
            ShortageError: as for `DiskThreads.submit`.
        """
        folder, now = folder_of(str(path)), time.monotonic()
        listing = self._listings.get(folder)
        if listing is None or now - listing.began > _MAX_NUMBERS_AGE_SECONDS:
            listing = await self._list(folder, now)
        if not listing.numbers:
            return ()
        plain, _ = split_number(number_filename(path.name, 1))
        return listing.numbers.get(folded(plain), ())

    def forget(self) -> None:
        """Let no listing call a folder free that began before, as a part file was left behind."""
        self._forgotten = time.monotonic()

    def _list(self, folder: str, now: float) -> DiskFuture[_Listing]:
        """Begin to list a folder, unless a thread still does: a slow disk may occupy only one."""
        if folder not in self._begun:
            listing = self._disk.submit(_listing_of, folder, now)
            self._begun[folder] = listing
            listing.add_done_callback(partial(self._keep, folder))
        return self._begun[folder]

    def _keep(self, folder: str, listing: DiskFuture[_Listing]) -> None:
        del self._begun[folder]
        if len(self._listings) >= _MAX_FOLDERS:
            self._listings.clear()
        self._listings[folder] = listing.result()


def _listing_of(folder: str, began: float) -> _Listing:
    """List the part files of a folder. Blocks."""
    stems = stems_of_parts(folder, _MAX_NAMES)
    is_free = stems is not None and not stems and os.access(folder, os.W_OK | os.X_OK)
    numbers: dict[str, set[int]] = {}
    for stem in stems or ():
        plain, number = split_number(stem)
        if number:
            numbers.setdefault(folded(plain), set()).add(number)
    return _Listing(began, is_free, numbers)
