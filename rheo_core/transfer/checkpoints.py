"""Checkpoints: decide when a transfer saves its progress in the state file.

`ConnectionGroup` makes one every `Tuning.checkpoint_seconds`, and one if the transfer ends early.
`PartFile.checkpoint` syncs the data, then writes the state.
"""

import asyncio

from rheo_core.infrastructure.disk import DiskThreads

from .context import TransferContext
from .part_file import PartFile
from .segments import WrittenRange


class Checkpoints:
    """Decides when a transfer makes a checkpoint, the first time after one interval."""

    def __init__(self, context: TransferContext, disk: DiskThreads, part: PartFile) -> None:
        self._record = context.record
        self._interval = context.options.tuning.checkpoint_seconds
        self._disk = disk
        self._part = part
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + self._interval

    @property
    def is_due(self) -> bool:
        """True once the interval since the last checkpoint is over."""
        return self._loop.time() >= self._due

    async def make(self, written: tuple[WrittenRange, ...], *, on_full_disk: bool = False) -> None:
        """Save the written ranges if another attempt can continue from them.

        Raises:
            DiskFullError: the disk has no room for the state.
            DestinationError: the disk reports an error. The last checkpoint stays valid.
        """
        is_of_use = self._part.is_resumable and self._part.is_begun
        if is_of_use and self._record.keep_partial:
            part = self._part
            work = part.checkpoint_on_full_disk if on_full_disk else part.checkpoint
            await self._disk.run(work, written)
        self._due = self._loop.time() + self._interval
