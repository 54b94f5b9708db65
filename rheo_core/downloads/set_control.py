"""SetController: pause, resume, retry and remove many downloads at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

from rheo_core.domain.cancellation import CancelResult
from rheo_core.domain.downloads import DownloadStatus, QueuePlace
from rheo_core.tracking import DownloadRecord

from .admission import in_slices
from .control import ControlContext, DownloadController, can_pause, cancelled_from, state_to_restore
from .shielded import shielded

if TYPE_CHECKING:
    from .session import Session

Matches = Callable[[DownloadRecord], bool]


class SetController:
    """Carries out the verbs of `DownloadManager` for many downloads.

    A verb takes all of its downloads out of the queue in one step, so that none of them starts
    meanwhile. Then it changes them in slices, between which the event loop runs. It leaves a
    download that runs, or that another verb is changing, to `DownloadController`. If a later verb
    has queued a download again, the later verb applies.
    """

    def __init__(
        self, context: ControlContext, control: DownloadController, session: "Session | None"
    ) -> None:
        self._context = context
        self._control = control
        self._session = session
        self._turn = asyncio.Lock()

    async def pause(self, ids: Iterable[str]) -> list[str]:
        """Stop downloads and keep their bytes; return the ids of those that were stopped."""
        async with self._alone():
            return await shielded(self._pause(self._records(ids)))

    async def resume(self, ids: Sequence[str]) -> list[str]:
        """Put paused downloads back into the queue; return the ids of those that were paused."""
        return await self._each(self._control.resume, ids)

    async def retry(self, ids: Sequence[str]) -> list[str]:
        """Queue downloads that ended without a file again; return their ids."""
        return await self._each(self._control.retry, ids)

    async def restore(self, ids: Sequence[str]) -> list[str]:
        """Undo `remove` and `cancel`; return the ids of the restored downloads."""
        return await self._each(self._control.restore, ids)

    async def cancel(self, ids: Iterable[str], *, keep_partial: bool = False) -> list[str]:
        """End downloads; return the ids of those that had not ended."""
        async with self._alone():
            records = self._records(ids)
            return await shielded(self._cancel(records, keep_partial=keep_partial))

    async def remove(self, ids: Iterable[str], *, keep_partial: bool = False) -> list[str]:
        """Remove downloads from the list; return the ids of those that were in it."""
        async with self._alone():
            return await shielded(self._remove(self._records(ids), keep_partial=keep_partial))

    async def _remove(self, records: Sequence[DownloadRecord], *, keep_partial: bool) -> list[str]:
        before = [(record, state_to_restore(record)) for record in records]
        await self._cancel(records, keep_partial=keep_partial)
        removed = []
        async for some in in_slices(before):
            for record, was in some:
                if self._control.remove_ended(record, was):
                    removed.append(record.id)
        return removed

    async def set_priorities(self, priorities: Mapping[str, int]) -> list[str]:
        """Set priorities by id; return the ids of the downloads that have not ended."""
        async with self._alone():
            self._context.queue.set_priorities(priorities)
            records = list(filter(_has_not_ended, self._records(priorities)))
            async for some in in_slices(records):
                for record in some:
                    self._control.note_priority(record, priorities[record.id])
            return [record.id for record in records]

    async def move_block(
        self, ids: Iterable[str], to: Literal["top", "bottom", "up", "down"]
    ) -> list[str]:
        """Move waiting downloads together; return the ids of those that moved."""
        async with self._alone():
            block = self._context.queue.in_order(ids)
            if to in ("down", "top"):  # last one first, so that none overtakes another
                block.reverse()
            moved, stuck = list[str](), set[str]()  # at the end, with all that follow directly
            async for some in in_slices(block):
                for download_id in some:
                    if to in ("up", "down"):
                        beyond = self._context.queue.neighbours(download_id)[to == "down"]
                        if beyond is None or beyond in stuck:
                            stuck.add(download_id)
                            continue
                    if await self._control.move(download_id, to=to):
                        moved.append(download_id)
            return moved

    def places(self, ids: Iterable[str]) -> dict[str, QueuePlace]:
        """Return the places of downloads that have not ended; see `set_places`."""
        records = filter(_has_not_ended, self._records(ids))
        return {record.id: (record.priority, record.rank) for record in records}

    async def set_places(self, places: Mapping[str, QueuePlace]) -> list[str]:
        """Give downloads that have not ended other places; return their ids."""
        async with self._alone():
            self._context.queue.set_places(places)
            records = list(filter(_has_not_ended, self._records(places)))
            async for some in in_slices(records):
                for record in some:
                    self._control.note_place(record, *places[record.id])
            return [record.id for record in records]

    async def pause_all(self) -> None:
        """Pause every download that has not ended."""
        await self.pause(
            [record.id for record in self._context.tracker.records() if can_pause(record)]
        )

    async def pause_all_if(self, holds: Callable[[], bool]) -> list[str]:
        """Pause every download if `holds` is true after the earlier verbs; return their ids."""
        async with self._alone():
            records = list(self._context.tracker.records())
            return await shielded(self._pause(records)) if holds() else []

    async def resume_all(self) -> None:
        """Resume every paused download."""
        records = self._context.tracker.records()
        # Chosen after the earlier verbs, because one of them may be a pause that has not finished.
        paused = (each.id for each in records if each.status is DownloadStatus.PAUSED)
        await self._each(self._control.resume, paused)

    async def verbs_done(self) -> None:
        """Wait until all running verbs have ended."""
        async with self._turn:
            pass
        await self._control.verbs_done()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Run one verb after the other; the session writes the changes of each at once."""
        async with self._turn:
            with self._session.deferred() if self._session else nullcontext():
                yield

    async def _each(self, verb: Callable[[str], Awaitable[bool]], ids: Iterable[str]) -> list[str]:
        """Call a verb that does not wait for each id; return the ids for which it returned True."""
        async with self._alone():
            done: list[str] = []
            async for some in in_slices(tuple(ids)):
                done += [download_id for download_id in some if await verb(download_id)]
            return done

    async def _pause(self, records: Iterable[DownloadRecord]) -> list[str]:
        idle, busy = self._halt(records, can_pause)
        stopping = asyncio.gather(*map(self._control.pause, busy))
        paused = []
        async for some in in_slices(idle):
            for record in self._still_idle(some, can_pause):
                self._context.lifecycle.paused(record)
                paused.append(record.id)
        return paused + _chosen(busy, await stopping)

    async def _cancel(self, records: Sequence[DownloadRecord], *, keep_partial: bool) -> list[str]:
        idle, busy = self._halt(records, _has_not_ended)
        stopping = asyncio.gather(
            *(self._control.cancel(id_, keep_partial=keep_partial) for id_ in busy)
        )
        if not keep_partial:
            await self._context.worker.discard_many(idle)
        cancelled: list[str] = []
        async for some in in_slices(idle):
            for record in self._still_idle(some, _has_not_ended):
                was = cancelled_from(record)
                self._control.end_halted(record, was, keep_partial=keep_partial)
                cancelled.append(record.id)
        results = [result is CancelResult.CANCELLED for result in await stopping]
        return cancelled + _chosen(busy, results)

    def _halt(
        self, records: Iterable[DownloadRecord], matches: Matches
    ) -> tuple[list[DownloadRecord], list[str]]:
        """Take downloads that match out of the queue; return them, and the ids of busy ones."""
        idle: list[DownloadRecord] = []
        busy: list[str] = []
        for record in filter(matches, records):
            is_busy = self._control.is_changing(record.id) or self._runs(record.id)
            (busy.append(record.id) if is_busy else idle.append(record))
        self._context.queue.remove_many([record.id for record in idle])
        return idle, busy

    def _runs(self, download_id: str) -> bool:
        """Return True if a download runs; one that waits for its next attempt stops waiting."""
        if self._context.queue.waits(download_id) or self._context.pool.stop_waiting(download_id):
            return False
        return download_id in self._context.queue

    def _still_idle(
        self, records: Iterable[DownloadRecord], matches: Matches
    ) -> Iterable[DownloadRecord]:
        """Yield the downloads that no other verb has changed since `_halt`."""
        for record in records:
            if (
                self._context.tracker.get(record.id) is record
                and matches(record)
                and record.id not in self._context.queue
                and not self._control.is_changing(record.id)
            ):
                yield record

    def _records(self, ids: Iterable[str]) -> list[DownloadRecord]:
        known = map(self._context.tracker.get, dict.fromkeys(ids))
        return [record for record in known if record is not None]


def _has_not_ended(record: DownloadRecord) -> bool:
    return not record.status.is_terminal


def _chosen(ids: Sequence[str], chosen: Iterable[bool]) -> list[str]:
    return [id_ for id_, is_chosen in zip(ids, chosen, strict=True) if is_chosen]
