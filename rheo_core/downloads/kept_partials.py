"""KeptPartials: partial data of cancelled downloads, kept until their undo is over."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from rheo_core.domain.tuning import Tuning
from rheo_core.tracking import DownloadRecord

_AT_ONCE = 100
"""Removals that are handed to the disk threads together."""


class KeptPartials:
    """Removes the partial data of cancelled downloads later than at once, so that undo finds it.

    Args:
        discard_one: removes the partial data of a download, unless it was queued again.
        tuning: the time until then.
    """

    def __init__(
        self, discard_one: Callable[[DownloadRecord], Awaitable[None]], tuning: Tuning
    ) -> None:
        self._discard_one = discard_one
        self._seconds = tuning.undo_seconds
        self._kept: dict[str, tuple[float, DownloadRecord]] = {}  # when due, soonest first
        self._filled = asyncio.Event()

    def keep(self, record: DownloadRecord) -> bool:
        """Keep the data of a download for `undo_seconds`; False if it has none yet."""
        if record.stats_or_none is None and not record.bytes_downloaded:
            return False
        self._kept.pop(record.id, None)
        due = asyncio.get_running_loop().time() + self._seconds
        self._kept[record.id] = (due, record)
        self._filled.set()
        return True

    async def run(self) -> None:
        """Remove data whose time is over, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._filled.wait()
            soonest = next(iter(self._kept.values()), None)
            if soonest is None:
                self._filled.clear()
                continue
            await asyncio.sleep(soonest[0] - loop.time())
            now = loop.time()
            await self.discard([record for due, record in self._kept.values() if due <= now])

    async def discard_all(self) -> None:
        """Remove all kept data at once: the program ends, or the disk is full."""
        await self.discard([record for _, record in self._kept.values()])

    async def discard(self, records: Sequence[DownloadRecord]) -> None:
        """Remove the data of these downloads."""
        for start in range(0, len(records), _AT_ONCE):
            some = records[start : start + _AT_ONCE]
            for record in some:
                self._kept.pop(record.id, None)
            await asyncio.gather(*map(self._discard_one, some))
