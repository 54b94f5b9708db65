"""DiskSpaceWatch: hold downloads while the disk is full, and resume them afterwards.

`worker.py` hands over downloads whose disk is full. `assembly.py` decides whether they wait or
fail.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rheo_core.domain.exceptions import DiskFullError
from rheo_core.domain.tuning import Tuning
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.tracking import DownloadRecord
from rheo_core.transfer import reserve_of

_SPARE_BYTES = 1 << 20
"""Free bytes required in addition to the missing ones."""


@dataclass(slots=True)
class _Waiting:
    record: DownloadRecord
    needed: int | None  # free bytes at which it continues; None: its missing bytes
    patience: float  # seconds
    not_before: float  # the loop's clock


class DiskSpaceWatch:
    """Checks the disks from time to time, and resumes downloads that fit.

    Args:
        disk: threads for the checks.
        resume: puts the download with an id back into the queue.
        tuning: intervals of the checks.
    """

    def __init__(
        self, disk: DiskThreads, resume: Callable[[str], Awaitable[bool]], tuning: Tuning
    ) -> None:
        self._disk = disk
        self._tuning = tuning
        self._resume = resume
        self._waiting: dict[str, _Waiting] = {}
        self._filled = asyncio.Event()

    async def needed_by(self, record: DownloadRecord, error: DiskFullError) -> int | None:
        """Return the free bytes at which a file of unknown length continues; None for other files.

        Much more space must be free than now, after rheo removed the useless bytes. Otherwise a
        body that never ends would fill the disk again and again.
        """
        is_known = record.total_bytes is not None and error.reserve is None
        if is_known or record.destination is None:
            return None
        return await self._disk.run(_clearly_more, record.destination.parent)

    def keep(self, record: DownloadRecord, needed: int | None) -> None:
        """Watch the disk of a paused download until there is room; see `needed_by`."""
        before = self._waiting.get(record.id)
        patience = self._tuning.disk_look_seconds
        if before is not None:
            patience = min(before.patience * 2, self._tuning.max_disk_wait_seconds)
        until = asyncio.get_running_loop().time() + patience
        self._waiting[record.id] = _Waiting(record, needed, patience, until)
        self._filled.set()

    async def run(self) -> None:
        """Check the disks until cancelled, but only while downloads wait."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(self._tuning.disk_look_seconds)
            await self.resume_fitting()

    async def resume_fitting(self) -> None:
        """Resume downloads that fit now, in the order of the queue."""
        now = asyncio.get_running_loop().time()
        entries = self._waiting.values()
        self._waiting = {e.record.id: e for e in entries if not e.record.status.is_terminal}
        due = [e for e in self._waiting.values() if e.not_before <= now]
        waiting = [e for e in due if e.record.waits_for_room and e.record.destination]
        for record in await self._disk.run(_fitting, sorted(waiting, key=_order)):
            if record.waits_for_room:  # the user may have paused it meanwhile
                await self._resume(record.id)
        if not any(entry.record.waits_for_room for entry in self._waiting.values()):
            self._filled.clear()


def _order(entry: _Waiting) -> tuple[int, float]:
    return -entry.record.priority, float(entry.record.rank)


def _fitting(entries: Iterable[_Waiting]) -> list[DownloadRecord]:
    """Return the downloads that fit on their disks together."""
    free: dict[int, int] = {}  # bytes by device
    fitting = []
    for entry in entries:
        record = entry.record
        assert record.destination is not None
        space = _look_at(record.destination.parent)
        if space is None:
            continue
        device, room = space
        needed = entry.needed
        if needed is None:
            needed = max((record.total_bytes or 0) - record.bytes_downloaded, 0) + _SPARE_BYTES
        if free.setdefault(device, room) >= needed:
            free[device] -= needed
            fitting.append(record)
    return fitting


def _clearly_more(folder: Path) -> int | None:
    """Return the free bytes of a disk plus the reserve; None if the folder is gone."""
    try:
        seen = os.statvfs(folder)
    except OSError:
        return None
    return seen.f_bavail * seen.f_frsize + max(reserve_of(seen), _SPARE_BYTES)


def _look_at(folder: Path) -> tuple[int, int] | None:
    """Return the device of a folder and its free bytes; None if the folder is gone."""
    try:
        seen = os.statvfs(folder)
        return folder.stat().st_dev, seen.f_bavail * seen.f_frsize
    except OSError:
        return None
