"""KeptPartials: keep the data of cancelled downloads while the user can undo this."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from rheo_core.domain.tuning import Tuning
from rheo_core.tracking import DownloadRecord


class KeptPartials:
    """Delays the removal of cancelled downloads' partial data, so that undo can restore it.

    Args:
        discard: removes the partial data of downloads, unless they were queued again.
        tuning: the delay.
    """

    def __init__(
        self, discard: Callable[[Sequence[DownloadRecord]], Awaitable[None]], tuning: Tuning
    ) -> None:
        self._discard = discard
        self._seconds = tuning.undo_seconds
        self._kept: dict[str, tuple[float, DownloadRecord]] = {}  # when due, soonest first
        self._filled = asyncio.Event()

    def keep(self, record: DownloadRecord) -> bool:
        """Keep the data of a download for `undo_seconds`; return False if none is known.

        Even then, a part file of an earlier run may exist. It is removed after the delay too.
        """
        self._kept.pop(record.id, None)
        due = asyncio.get_running_loop().time() + self._seconds
        self._kept[record.id] = (due, record)
        self._filled.set()
        return record.stats_or_none is not None or record.bytes_downloaded > 0

    def forget(self, record: DownloadRecord) -> None:
        """Leave the data of a download alone: another one has taken its place."""
        self._kept.pop(record.id, None)

    def find(self, download_id: str) -> list[DownloadRecord]:
        """Return the download of an id if its data is kept."""
        return [record for _, record in filter(None, [self._kept.get(download_id)])]

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
        for record in records:
            self._kept.pop(record.id, None)
        if records:
            await self._discard(records)
