"""PriorityDownloadQueue: what waits, in the order in which it will run."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from sortedcontainers import SortedList

from rheo_core.domain.exceptions import ProcessQueueError
from rheo_core.domain.file_config import FileConfig, host_of
from rheo_core.tracking.record import Rank

_log = logging.getLogger(__name__)
_Key = tuple[int, Rank, str]  # (-priority, rank, id): sorts as the queue runs


class PriorityDownloadQueue:
    """Higher priority first, first come first served within one.

    Every change is made in place and costs O(log n). An id is pending from `add` until
    `task_done` or `remove`.
    """

    def __init__(self) -> None:
        self._order: SortedList[_Key] = SortedList()
        self._keys: dict[str, _Key] = {}
        self._configs: dict[str, FileConfig] = {}
        self._hosts: dict[str, str] = {}  # of those waiting, by id
        self._waiting_for = Counter[str]()  # how many wait, by host
        self._taken: set[str] = set()
        self._last_rank = 0
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def add(self, file_configs: Sequence[FileConfig]) -> None:
        """Append downloads; one whose id is still pending is dropped with a warning."""
        for config in file_configs:
            if config.id in self:
                _log.warning("%s is already queued; dropped", config.id)
            else:
                self.put(config)

    def put(
        self, config: FileConfig, priority: int | None = None, rank: Rank | None = None
    ) -> Rank:
        """Append one, or put it back at the place (`rank`) it had; return its rank."""
        if rank is None:
            rank = self.next_rank()
        self.reserve(rank)
        priority = config.priority if priority is None else priority
        self._taken.discard(config.id)
        self._forget(config.id)
        self._configs[config.id] = config
        self._hosts[config.id] = host = host_of(config.sources[0])
        self._waiting_for[host] += 1
        self._place(config.id, priority, rank)
        self._filled.set()
        self._idle.clear()
        return rank

    def next_rank(self) -> int:
        """Reserve the place after all there are, for a later `put`."""
        self._last_rank += 1
        return self._last_rank

    def reserve(self, rank: Rank) -> None:
        """Have what comes later stand behind this place, of one that may be put back there."""
        self._last_rank = max(self._last_rank, int(rank))

    async def get_next(self, is_full: Callable[[str], bool] = lambda _: False) -> FileConfig:
        """Take the first one whose host is not full; wait for it if there is none.

        Args:
            is_full: tells of a host (with its port) whether it bears no further connection; call
                `look_again` when that changes.
        """
        while (index := self._first(is_full)) is None:
            self._filled.clear()
            await self._filled.wait()
        _, _, download_id = self._order.pop(index)
        del self._keys[download_id]
        self._taken.add(download_id)
        config = self._configs[download_id]
        self._forget(download_id)
        return config

    def _first(self, is_full: Callable[[str], bool]) -> int | None:
        free = {host for host in self._waiting_for if not is_full(host)}
        if not free:  # the usual answer where many wait for one host
            return None
        ids = enumerate(self._order)
        return next(index for index, (_, _, id_) in ids if self._hosts[id_] in free)

    def _forget(self, download_id: str) -> None:
        """It does not wait any more, or not for the same host."""
        self._configs.pop(download_id, None)
        host = self._hosts.pop(download_id, None)
        if host is not None:
            self._waiting_for[host] -= 1
            if not self._waiting_for[host]:
                del self._waiting_for[host]

    def look_again(self) -> None:
        """A host has room again."""
        self._filled.set()

    def task_done(self, download_id: str) -> None:
        """Say that one taken by `get_next` has ended."""
        self._taken.discard(download_id)
        self._note_idle()

    def remove(self, download_id: str) -> bool:
        """Take out a waiting one; False where it does not wait here."""
        key = self._keys.pop(download_id, None)
        if key is None:
            return False
        self._order.remove(key)
        self._forget(download_id)
        self._note_idle()
        return True

    def set_priority(self, download_id: str, priority: int) -> bool:
        """Change the priority of a waiting one; it keeps its seniority."""
        if priority < 1:
            raise ProcessQueueError(f"priority is {priority}; it must be 1 or more")
        key = self._keys.get(download_id)
        if key is None:
            return False
        self._place(download_id, priority, key[1])
        return True

    def move(
        self,
        download_id: str,
        *,
        before: str | None = None,
        after: str | None = None,
        to: str | None = None,
    ) -> tuple[int, Rank] | None:
        """Put a waiting one before or after another, or to the "top" or "bottom".

        It takes over the priority of its new neighbour. Returns its new priority and rank;
        None where one of the two does not wait here.

        Raises:
            ProcessQueueError: not exactly one place is named, or an unknown one.
        """
        if sum(place is not None for place in (before, after, to)) != 1:
            raise ProcessQueueError("move takes exactly one of before, after and to")
        if to not in (None, "top", "bottom"):
            raise ProcessQueueError(f"move to {to!r} is unknown; known are top and bottom")
        if download_id not in self._keys or download_id in (before, after):
            return None
        if to is not None:
            end = self._order[0 if to == "top" else -1][2]
            if end == download_id:  # it stands there already
                negative, rank, _ = self._keys[download_id]
                return -negative, rank
            before, after = (end, None) if to == "top" else (None, end)
        neighbour = before or after
        if neighbour is None or neighbour not in self._keys:
            return None
        self._order.remove(self._keys[download_id])
        negative, rank = self._beside(neighbour, is_before=before is not None)
        key = (negative, rank, download_id)
        self._keys[download_id] = key
        self._order.add(key)
        self.reserve(rank)
        return -negative, rank

    def neighbours(self, download_id: str) -> tuple[str | None, str | None]:
        """The ids that run just before and just after a waiting one."""
        key = self._keys.get(download_id)
        if key is None:
            return None, None
        index = self._order.index(key)
        earlier = self._order[index - 1][2] if index else None
        later = self._order[index + 1][2] if index + 1 < len(self._order) else None
        return earlier, later

    @property
    def pending_count(self) -> int:
        """Downloads waiting or taken and not done."""
        return len(self._keys) + len(self._taken)

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._keys

    def size(self) -> int:
        """How many wait."""
        return len(self._keys)

    async def join(self) -> None:
        """Wait until everything added is done or removed."""
        await self._idle.wait()

    def __contains__(self, download_id: object) -> bool:
        """Whether this id waits or is taken and not done."""
        return download_id in self._keys or download_id in self._taken

    def __iter__(self) -> Iterator[FileConfig]:
        """What waits, in order."""
        return (self._configs[download_id] for _, _, download_id in self._order)

    def _place(self, download_id: str, priority: int, rank: Rank) -> None:
        old = self._keys.get(download_id)
        if old is not None:
            self._order.remove(old)
        key = (-priority, rank, download_id)
        self._keys[download_id] = key
        self._order.add(key)

    def _beside(self, neighbour: str, *, is_before: bool) -> tuple[int, Rank]:
        """(-priority, rank) between `neighbour` and who stands on that side of it."""
        negative, rank, _ = key = self._keys[neighbour]
        index = self._order.index(key) + (-1 if is_before else 1)
        beyond = self._order[index] if 0 <= index < len(self._order) else None
        if beyond is None or beyond[0] != negative:
            # Half a place, because a paused or running one may stand on the next.
            return negative, rank + Fraction(-1 if is_before else 1, 2)
        return negative, Fraction(rank + beyond[1]) / 2

    def _note_idle(self) -> None:
        if not self._keys and not self._taken:
            self._idle.set()
