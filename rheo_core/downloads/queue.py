"""PriorityDownloadQueue: choose the next of the waiting downloads, by priority and host.

The session (SQL) and the table of the app sort by the same priority and rank.

`pool.py` decides which hosts must wait; the queue passes over their downloads.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from typing import NamedTuple

from sortedcontainers import SortedList

from rheo_core.domain.downloads import QueuePlace, Rank
from rheo_core.domain.exceptions import ProcessQueueError
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.urls import host_of
from rheo_core.infrastructure.wall_clock import nap_before

_log = logging.getLogger(__name__)
_SORT_COST = 8
"""Downloads that are sorted in the time of one search in a long list."""


class _Waiting(NamedTuple):
    """A waiting download. Its sort order is the order of the queue and ends with the id."""

    negative: int  # the priority, with a minus
    rank: Rank
    id: str
    host: str
    config: FileConfig


class PriorityDownloadQueue:
    """Download queue: higher priorities first, then first come, first served.

    Every change is made in place and takes O(log n). An id is pending from `add` until `task_done`
    or `remove`. A download with a start time joins the queue at that time.
    """

    def __init__(self) -> None:
        self._order: SortedList[_Waiting] = SortedList()
        self._later: SortedList[tuple[float, str]] = SortedList()  # when to start, and the id
        self._waiting: dict[str, _Waiting] = {}  # all of both, by id
        self._waiting_for = defaultdict[str, int](int)  # how many, by host
        self._taken: dict[str, str] = {}  # id -> host
        self._last_rank = 0
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def add(self, file_configs: Sequence[FileConfig]) -> None:
        """Append downloads. Skip a download that is already pending, with a warning."""
        for config in file_configs:
            if config.id in self:
                _log.warning("%s is already queued; dropped", config.id)
            else:
                self.put(config)

    def put(
        self,
        config: FileConfig,
        priority: int | None = None,
        rank: Rank | None = None,
        host: str | None = None,
    ) -> Rank:
        """Append a download, or put it back at its former `rank`. Return its rank.

        The download waits for `host` (with its port). None: the host of its link.
        """
        if rank is None:
            rank = self.next_rank()
        self.reserve(rank)
        priority, id_ = config.priority if priority is None else priority, config.id
        self._taken.pop(id_, None)
        if id_ in self._waiting:
            self._take_out(id_)
        self._insert(_Waiting(-priority, rank, id_, host or host_of(config.source), config))
        self._filled.set()
        self._idle.clear()
        return rank

    def next_rank(self) -> int:
        """Reserve the last place for a later `put`."""
        self._last_rank += 1
        return self._last_rank

    def reserve(self, rank: Rank) -> None:
        """Keep later downloads behind this place, because one may be put back there."""
        if rank > self._last_rank:
            self._last_rank = int(rank)

    async def get_next(self, is_full: Callable[[str], bool] = lambda _: False) -> FileConfig:
        """Take the first download whose host is not full. Wait until there is one.

        Args:
            is_full: returns True for a host (with its port) that accepts no more connections. Call
                `look_again` when this changes.
        """
        while (config := self.take(is_full)) is None:
            self._filled.clear()
            await self._until_filled()
        return config

    def take(self, is_full: Callable[[str], bool] = lambda _: False) -> FileConfig | None:
        """Take the first download whose host is not full; None if there is none now."""
        self._line_up()
        index = self._first(is_full)
        if index is None:
            return None
        first = self._order.pop(index)
        del self._waiting[first.id]
        self._note_left(first.host)
        self._taken[first.id] = first.host
        return first.config

    def host_for(self, download_id: str) -> str:
        """Return the host that a pending download waits or waited for."""
        waiting = self._waiting.get(download_id)
        return self._taken[download_id] if waiting is None else waiting.host

    async def _until_filled(self) -> None:
        """Wait for a change, or for the next start time."""
        nap = nap_before(self._later[0][0]) if self._later else None
        with suppress(TimeoutError):
            async with asyncio.timeout(nap):
                await self._filled.wait()

    def _line_up(self) -> None:
        """Add downloads to the line when their start time comes."""
        while self._later and self._later[0][0] <= time.time():
            _, download_id = self._later.pop(0)
            self._stand_in_line(self._waiting[download_id])

    def _first(self, is_full: Callable[[str], bool]) -> int | None:
        """Return the place of the first download whose host is not full, from 0."""
        full: set[str] = set()
        for index, waiting in enumerate(self._order):
            if waiting.host in full:
                continue
            if not is_full(waiting.host):
                return index
            full.add(waiting.host)
            if len(full) == len(self._waiting_for):  # the usual end if many wait for one host
                return None
        return None

    def look_again(self) -> None:
        """Check again whether a download can run, because a host may have room now."""
        self._filled.set()

    def task_done(self, download_id: str) -> None:
        """Mark a download from `get_next` as ended."""
        self._taken.pop(download_id, None)
        self._note_idle()

    def remove(self, download_id: str) -> bool:
        """Remove a waiting download. Return False if it does not wait here."""
        if self._take_out(download_id) is None:
            return False
        self._note_idle()
        return True

    def remove_many(self, ids: Collection[str]) -> None:
        """Remove waiting downloads; others are ignored."""
        if self._is_bulk(ids):
            removed = {download_id for download_id in ids if download_id in self._waiting}
            for download_id in removed:
                del self._waiting[download_id]
            self._sort_again()
        else:
            for download_id in ids:
                self._take_out(download_id)
        self._note_idle()

    def set_priority(self, download_id: str, priority: int) -> bool:
        """Change the priority of a waiting download; it keeps its rank."""
        self.set_priorities({download_id: priority})
        return download_id in self._waiting

    def set_priorities(self, priorities: Mapping[str, int]) -> None:
        """Change priorities by id; the downloads keep their ranks. See `set_places`."""
        waiting = self._waiting
        self.set_places(
            {
                download_id: (priority, waiting[download_id].rank if download_id in waiting else 0)
                for download_id, priority in priorities.items()
            }
        )

    def set_places(self, places: Mapping[str, QueuePlace]) -> None:
        """Give waiting downloads new places. Ids that do not wait here are ignored.

        Raises:
            ProcessQueueError: a priority is below 1. Nothing changes.
        """
        for priority, _ in places.values():
            check_priority(priority)
        moved = [
            self._waiting[id_]._replace(negative=-priority, rank=rank)
            for id_, (priority, rank) in places.items()
            if id_ in self._waiting
        ]
        if self._is_bulk(moved):
            self._waiting |= {waiting.id: waiting for waiting in moved}
            self._sort_again()
        else:
            for waiting in moved:
                self._take_out(waiting.id)
                self._insert(waiting)

    def move(
        self,
        download_id: str,
        *,
        before: str | None = None,
        after: str | None = None,
        to: str | None = None,
    ) -> QueuePlace | None:
        """Move a waiting download before or after another, or to the "top" or "bottom".

        The download gets the priority of its new neighbour. Return its new priority and rank;
        None if one of the two does not wait here.

        Raises:
            ProcessQueueError: not exactly one place is given, or `to` is unknown.
        """
        if sum(place is not None for place in (before, after, to)) != 1:
            raise ProcessQueueError("move takes exactly one of before, after and to")
        if to not in (None, "top", "bottom"):
            raise ProcessQueueError(f"move to {to!r} is unknown; use top, bottom, up or down")
        waiting = self._in_line(download_id)
        if waiting is None or download_id in (before, after):
            return None
        if to is not None:
            end = self._order[0 if to == "top" else -1].id
            if end == download_id:  # already there
                return -waiting.negative, waiting.rank
            before, after = (end, None) if to == "top" else (None, end)
        neighbour = self._in_line(before or after or "")
        if neighbour is None:
            return None
        self._take_out(download_id)
        negative, rank = self._beside(neighbour, is_before=before is not None)
        self._insert(waiting._replace(negative=negative, rank=rank))
        self.reserve(rank)
        return -negative, rank

    def in_order(self, download_ids: Iterable[str]) -> list[str]:
        """Return the ids that wait in line, in the order in which they will run."""
        waiting = filter(None, map(self._in_line, download_ids))
        return [each.id for each in sorted(waiting)]

    def place(self, download_id: str) -> int | None:
        """Return the place of a waiting download, from 1; None if it does not wait in line."""
        waiting = self._in_line(download_id)
        return None if waiting is None else self._order.index(waiting) + 1

    def neighbours(self, download_id: str) -> tuple[str | None, str | None]:
        """Return the ids that run just before and just after a waiting download."""
        waiting = self._in_line(download_id)
        if waiting is None:
            return None, None
        index = self._order.index(waiting)
        earlier = self._order[index - 1].id if index else None
        later = self._order[index + 1].id if index + 1 < len(self._order) else None
        return earlier, later

    @property
    def pending_count(self) -> int:
        """Number of downloads that are waiting or running."""
        return len(self._waiting) + len(self._taken)

    def is_empty(self) -> bool:
        """Return True if no download waits."""
        return not self._waiting

    def size(self) -> int:
        """Return the number of waiting downloads."""
        return len(self._waiting)

    async def join(self) -> None:
        """Wait until every added download is done or removed."""
        await self._idle.wait()

    def __contains__(self, download_id: object) -> bool:
        """Return True if this download is waiting or running."""
        return download_id in self._waiting or download_id in self._taken

    def __iter__(self) -> Iterator[FileConfig]:
        """Yield waiting downloads in order, then downloads with a later start time."""
        later = (self._waiting[download_id] for _, download_id in self._later)
        return (waiting.config for waiting in chain(self._order, later))

    def waits(self, download_id: str) -> bool:
        """Return True if this download waits and has not been taken."""
        return download_id in self._waiting

    def _is_bulk(self, some: Sized) -> bool:
        """Return True if sorting everything again is cheaper than searching for each of `some`."""
        return len(some) > len(self._waiting) // _SORT_COST

    def _sort_again(self) -> None:
        """Build the order from what waits now."""
        self._order = SortedList()
        self._later = SortedList()
        self._waiting_for.clear()
        now = time.time()
        in_line = []
        for waiting in self._waiting.values():
            if _is_due(waiting, now):
                in_line.append(waiting)
            else:
                self._later.add((waiting.config.start_at or 0.0, waiting.id))
        self._order.update(in_line)
        for waiting in in_line:
            self._waiting_for[waiting.host] += 1

    def _insert(self, waiting: _Waiting) -> None:
        self._waiting[waiting.id] = waiting
        if _is_due(waiting, time.time()):
            self._stand_in_line(waiting)
        else:
            self._later.add((waiting.config.start_at or 0.0, waiting.id))

    def _stand_in_line(self, waiting: _Waiting) -> None:
        self._waiting_for[waiting.host] += 1
        self._order.add(waiting)

    def _in_line(self, download_id: str) -> _Waiting | None:
        waiting = self._waiting.get(download_id)
        return None if waiting is None or self._is_later(waiting) else waiting

    def _is_later(self, waiting: _Waiting) -> bool:
        return (
            waiting.config.start_at is not None
            and (waiting.config.start_at, waiting.id) in self._later
        )

    def _take_out(self, download_id: str) -> _Waiting | None:
        waiting = self._waiting.pop(download_id, None)
        if waiting is None:
            return None
        if self._is_later(waiting):
            self._later.remove((waiting.config.start_at or 0.0, waiting.id))
            return waiting
        self._order.remove(waiting)
        self._note_left(waiting.host)
        return waiting

    def _note_left(self, host: str) -> None:
        """Record that a download of this host left the line."""
        self._waiting_for[host] -= 1
        if not self._waiting_for[host]:
            del self._waiting_for[host]

    def _beside(self, neighbour: _Waiting, *, is_before: bool) -> QueuePlace:
        """Return (-priority, rank) of a place on one side of `neighbour`."""
        negative, rank = neighbour.negative, neighbour.rank
        index = self._order.index(neighbour) + (-1 if is_before else 1)
        beyond = self._order[index] if 0 <= index < len(self._order) else None
        if beyond is None or beyond.negative != negative:
            # Half a place, because a paused or running one may stand on the next.
            return negative, rank + Fraction(-1 if is_before else 1, 2)
        return negative, Fraction(rank + beyond.rank) / 2

    def _note_idle(self) -> None:
        if not self._waiting and not self._taken:
            self._idle.set()


def check_priority(priority: int) -> None:
    """Check a priority given by the user.

    Raises:
        ProcessQueueError: the priority is below 1.
    """
    if priority < 1:
        raise ProcessQueueError(f"priority is {priority}; it must be 1 or more")


def _is_due(waiting: _Waiting, now: float) -> bool:
    start_at = waiting.config.start_at
    return start_at is None or start_at <= now
