"""RoomKeeper: downloads whose disk is full, until there is room again."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.tracking import DownloadRecord

_INTERVAL = 5.0
"""Seconds between two looks at the disks."""

_LONGEST = 60.0
"""Seconds between two tries of a download that finds its disk full again and again: a quota may
stop it where the disk has room."""

_SPARE = 1 << 20
"""Bytes there must be beyond what is missing; also where the size is not known."""


@dataclass(slots=True)
class _Waiting:
    record: DownloadRecord
    patience: float  # seconds
    not_before: float  # the loop's clock


class RoomKeeper:
    """Looks at the disks from time to time, and lets go on what fits.

    Args:
        disk: threads for the looks.
        resume: puts a download, by its id, back into the queue.
    """

    def __init__(self, disk: DiskThreads, resume: Callable[[str], Awaitable[bool]]) -> None:
        self._disk = disk
        self._resume = resume
        self._waiting: dict[str, _Waiting] = {}
        self._filled = asyncio.Event()

    def keep(self, record: DownloadRecord) -> None:
        """Take a download that was paused for want of room."""
        before = self._waiting.get(record.id)
        patience = min(before.patience * 2, _LONGEST) if before else _INTERVAL
        until = asyncio.get_running_loop().time() + patience
        self._waiting[record.id] = _Waiting(record, patience, until)
        self._filled.set()

    async def run(self) -> None:
        """Look until cancelled; not at all while nothing waits."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(_INTERVAL)
            await self.look()

    async def look(self) -> None:
        """Let go on what fits now, in the order of the queue."""
        now = asyncio.get_running_loop().time()
        entries = self._waiting.values()
        self._waiting = {e.record.id: e for e in entries if not e.record.status.is_terminal}
        due = [e.record for e in self._waiting.values() if e.not_before <= now]
        waiting = [record for record in due if record.waits_for_room and record.destination]
        for record in await self._disk.run(_fitting, sorted(waiting, key=_order)):
            if record.waits_for_room:  # the user may have paused it while the disk was looked at
                await self._resume(record.id)
        if not any(entry.record.waits_for_room for entry in self._waiting.values()):
            self._filled.clear()


def _order(record: DownloadRecord) -> tuple[int, float]:
    return -record.priority, float(record.rank)


def _fitting(records: Iterable[DownloadRecord]) -> list[DownloadRecord]:
    """Those for which their disks have room, one after the other."""
    free: dict[int, int] = {}  # bytes by device
    fitting = []
    for record in records:
        assert record.destination is not None
        found = _look_at(record.destination.parent)
        if found is None:
            continue
        device, room = found
        needed = max((record.total_bytes or 0) - record.bytes_downloaded, 0) + _SPARE
        if free.setdefault(device, room) >= needed:
            free[device] -= needed
            fitting.append(record)
    return fitting


def _look_at(folder: Path) -> tuple[int, int] | None:
    """The device of a folder and the free bytes on it; None where it is gone."""
    try:
        seen = os.statvfs(folder)
        return folder.stat().st_dev, seen.f_bavail * seen.f_frsize
    except OSError:
        return None
