"""Handlers of the actions that change downloads, and the undo step of each."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Literal

from rheo_core.domain import DownloadSnapshot, DownloadStatus, FileExistsStrategy
from rheo_core.domain.downloads import NOT_STORED
from rheo_core.domain.text import printable

from .action_reasons import (
    Context,
    can_move,
    can_pause,
    can_retry,
    has_file,
    has_wrong_hash,
    is_done,
)
from .existing_files import Decision
from .formatting import at_most_names, count_text, limit_text, sentence, short_name
from .services.protocol import Deletion, DownloadService
from .speed_steps import limit_step
from .undo import Change, Step, UndoStack

_MAX_HOSTS = 3
"""Maximum number of hosts to name in feedback."""

Rows = Sequence[DownloadSnapshot]


class DownloadHandlers:
    """Handles the actions whose owner is `downloads`.

    Each `do_` method handles the action of that id for the targets of its context. The text that it
    returns becomes feedback: the change, the number of downloads, and the omitted ones.

    Args:
        service: changes the downloads.
        undo: keeps the steps.
    """

    def __init__(self, service: DownloadService, undo: UndoStack) -> None:
        self._service = service
        self._undo = undo

    def done(
        self,
        verb: str,
        rows: Rows,
        targets: Rows,
        left_out: str = "already ended",
        *,
        count: int | None = None,
    ) -> str:
        """Return what was done; see `done_text`."""
        if count is not None and self._undo.work.is_stopped:
            left_out = "not done, because you stopped it"
        return done_text(verb, rows, targets, left_out, count=count)

    async def do_pause(self, context: Context) -> str:
        """Pause the downloads that can be paused; if none can, resume the paused ones."""
        running = [row for row in context.targets if can_pause(row)]
        if running:
            count = await self.pause(_ids(running))
            return self.done("Paused", running, context.targets, count=count)
        paused = [row for row in context.targets if row.status is DownloadStatus.PAUSED]
        count = await self.resume(_ids(paused))
        return self.done("Resumed", paused, context.targets, count=count)

    async def do_cancel(self, context: Context) -> str:
        """Cancel the downloads that have not ended."""
        rows = [row for row in context.targets if not row.status.is_terminal]
        count = await self.cancel(_ids(rows))
        return self.done("Cancelled", rows, context.targets, count=count)

    async def do_retry(self, context: Context) -> str:
        """Queue failed, cancelled and skipped downloads again."""
        rows = [row for row in context.targets if can_retry(row)]
        count = await self._undo.work.each("Queueing again", _ids(rows), self._service.retry)
        done = self.done("Queued again:", rows, context.targets, "did not fail", count=count)
        return done + _lost_login_text(rows)

    do_retry_failed = do_retry

    async def do_keep(self, context: Context) -> str:
        """Save data whose checksum is wrong; download web pages that were refused."""
        pages, paths = 0, []
        for row in context.targets:
            if row.got_page:
                pages += await self._service.accept_html(row.id)
            elif has_wrong_hash(row) and (path := await self._service.keep(row.id)):
                paths.append(path)
        sentences = []
        if pages:
            sentences.append(f"Queued again to save the web page: {count_text(pages)}.")
        if len(paths) == 1:
            sentences.append(f"Kept as {short_name(paths[0].name)}.")
        elif paths:
            sentences.append(f"Kept the data of {count_text(len(paths))}.")
        return " ".join(sentences) or "No data is left to keep."

    async def download_again(self, rows: Rows, decision: Decision) -> str:
        """Queue downloads again although their files are on the disk."""
        paths = decision.paths_of(rows, self._service.settings.download_dir)
        await self._service.add_again(_ids(rows), decision.strategy, paths)
        done = self.done("Queued again:", rows, rows)[:-1]
        return f"{done} ({decision.words}).{_lost_login_text(rows)}"

    async def do_remove(self, context: Context) -> str:
        """Remove downloads from the list."""
        count = await self.remove(_ids(context.targets))
        return self.done("Removed", context.targets, context.targets, "were gone", count=count)

    do_clear_finished = do_remove

    async def do_pause_all(self, context: Context) -> str:
        """Pause all downloads that run or wait."""
        count = await self.pause(_ids(context.targets))
        return self.done("Paused", context.targets, context.targets, count=count)

    async def do_resume_all(self, context: Context) -> str:
        """Resume all paused downloads."""
        count = await self.resume(_ids(context.targets))
        return self.done("Resumed", context.targets, context.targets, count=count)

    async def do_again(self, context: Context) -> str:
        """Download completed and skipped files again, next to the existing ones."""
        rows = [row for row in context.targets if is_done(row)]
        await self._service.add_again(_ids(rows), FileExistsStrategy.RENAME)
        done = self.done("Queued again:", rows, context.targets, "are not done")
        kept = "The existing file is" if len(rows) == 1 else "Existing files are"
        return f"{done} {kept} kept.{_lost_login_text(rows)}"

    async def do_delete(self, context: Context) -> str:
        """Delete finished files, and remove their downloads from the list."""
        rows = [row for row in context.targets if has_file(row)]
        deletion = await self.delete_files(_ids(rows))
        return " ".join(filter(None, (_deletion_text(deletion, rows), *deletion.problems)))

    async def do_undo(self, _: Context) -> str:
        """Undo the last change."""
        return await self._undo.undo()

    async def do_redo(self, _: Context) -> str:
        """Redo the last undone change."""
        return await self._undo.redo()

    async def do_priority_up(self, context: Context) -> str:
        """Raise the priority by 1."""
        return await self._change_priority(context.targets, 1)

    async def do_priority_down(self, context: Context) -> str:
        """Lower the priority by 1."""
        return await self._change_priority(context.targets, -1)

    async def set_priority(self, priority: int, targets: Rows) -> str:
        """Give the downloads that have not ended a priority."""
        rows = unfinished(targets)
        count = await self._prioritise(
            rows,
            lambda some: self._service.set_priority(some, priority),
        )
        return self.done(f"Priority is {priority:,} for", rows, targets, count=count)

    async def _change_priority(self, targets: Rows, by: int) -> str:
        rows = unfinished(targets)
        count = await self._prioritise(
            rows,
            lambda some: self._service.change_priority(some, by),
        )
        if not rows:
            return self.done("Priority is the same for", rows, targets, count=count)
        priorities = [max(1, row.priority + by) for row in rows]
        lowest, highest = min(priorities), max(priorities)
        now = f"{lowest:,}" if lowest == highest else f"{lowest:,} to {highest:,}"
        return self.done(f"Priority is {now} for", rows, targets, count=count)

    async def _prioritise(self, rows: Rows, call: Callable[[Sequence[str]], Awaitable[int]]) -> int:
        ids = _ids(rows)
        change = "the priority change of {}"
        return await self._place(ids, self._each("Setting priorities", call, ids), change)

    async def do_move_up(self, context: Context) -> str:
        """Move queued downloads one place up."""
        return await self._move(context.targets, "up")

    async def do_move_down(self, context: Context) -> str:
        """Move queued downloads one place down."""
        return await self._move(context.targets, "down")

    async def do_move_top(self, context: Context) -> str:
        """Move queued downloads to the beginning of the queue."""
        return await self._move(context.targets, "top")

    async def do_move_bottom(self, context: Context) -> str:
        """Move queued downloads to the end of the queue."""
        return await self._move(context.targets, "bottom")

    async def _move(self, targets: Rows, where: Literal["up", "down", "top", "bottom"]) -> str:
        rows = [row for row in targets if can_move(row)]
        ids = _ids(rows)
        if await self._place(ids, partial(self._service.move, ids, where), "the move of {}"):
            return self.done("Moved", rows, targets, "were not queued")
        end = "top" if where in ("up", "top") else "end"
        return f"Already at the {end} of the queue."

    async def do_limit_up(self, context: Context) -> str:
        """Raise the speed limit of all downloads together by one step."""
        return await self._step_limit(context, up=True)

    async def do_limit_down(self, context: Context) -> str:
        """Lower the speed limit of all downloads together by one step."""
        return await self._step_limit(context, up=False)

    async def _step_limit(self, context: Context, *, up: bool) -> str:
        # Of several keys in a row, each goes on from the one before, which may not be shown yet.
        is_own = not context.speed_limit_reason
        limit = self._service.settings.speed_limit if is_own else context.speed_limit
        rate = limit_step(limit, up=up, speed=context.speed)
        return await self.limit(rate, context)

    async def do_lift(self, _: Context) -> str:
        """Lift the limits that hosts caused by refusing requests."""
        hosts = await self._service.lift_host_limits()
        if not hosts:
            return "No host limit has been lowered."
        names = [printable(host.removesuffix(":443").removesuffix(":80")) for host in hosts]
        return f"Lifted the limit of {at_most_names(names, _MAX_HOSTS)}."

    async def do_slow(self, context: Context) -> str:
        """Switch slow mode on or off."""
        undo = partial(self._set_slow, context.is_slow)
        redo = partial(self._set_slow, not context.is_slow)
        change = "the end of slow mode" if context.is_slow else "slow mode"
        await self._take(Step(undo, redo, change))
        if context.is_slow:
            return "Slow mode is off."
        return f"Slow mode is on: {limit_text(self._service.settings.slow_limit)} in total."

    async def limit(self, rate: int | None, context: Context) -> str:
        """Limit all downloads together.

        Args:
            rate: bytes/s; None lifts the limit.
            context: the conditions until now.
        """
        undo = partial(
            self._restore_limit,
            self._service.settings.speed_limit,
            was_slow=context.is_slow,
            was_scheduled=bool(context.speed_limit_reason),
        )
        await self._take(Step(undo, partial(self._set_limit, rate), _limit_change(rate)))
        return f"{_limit_sentence(rate)} for all downloads."

    async def limit_each(self, rate: int | None, rows: Rows) -> str:
        """Limit each of `rows` to `rate` bytes/s; None lifts their limits."""
        before = {row.id: row.speed_limit_bps for row in rows}
        await self._take(
            Step(
                partial(self._limit_each, before),
                partial(self._limit_each, dict.fromkeys(before, rate)),
                f"{_limit_change(rate)} for {{}}",
                self._undo.only_name(list(before)),
            )
        )
        return f"{_limit_sentence(rate)} for {_name_or_count(rows, len(rows))}."

    # Changes by id; each pushes its step

    async def cancel(self, ids: Sequence[str]) -> int:
        """Cancel downloads; their partial data is kept while undo is possible."""
        undo = self._each("Restoring", self._service.restore, ids)
        redo = self._each("Cancelling", self._service.cancel, ids, from_end=True)
        name = self._undo.only_name(ids)
        return await self._take(Step(undo, redo, "the cancellation of {}", name))

    async def remove(self, ids: Sequence[str]) -> int:
        """Remove downloads from the list; partial data is kept while undo is possible."""
        undo = self._each("Restoring", self._service.restore, ids)
        redo = self._each("Removing", self._service.remove, ids, from_end=True)
        name = self._undo.only_name(ids)
        return await self._take(Step(undo, redo, "the removal of {}", name, ids))

    async def delete_files(self, ids: Sequence[str]) -> Deletion:
        """Delete the files of completed downloads, and remove these from the list."""
        name = self._undo.only_name(ids)
        deletion = await self._service.delete_files(ids)
        step = Step(
            partial(self._service.restore_files, deletion.ids),
            partial(self._delete_files, deletion.ids),
            "the deletion of {}",
            name,
            deletion.ids,
        )
        self._undo.push(step, len(deletion.ids))
        return deletion

    async def _delete_files(self, ids: Sequence[str]) -> int:
        return len((await self._service.delete_files(ids)).ids)

    async def pause(self, ids: Sequence[str]) -> int:
        """Pause downloads."""
        pause, resume = self._pausing(ids)
        name = self._undo.only_name(ids)
        return await self._take(Step(resume, pause, "the pause of {}", name))

    async def resume(self, ids: Sequence[str]) -> int:
        """Resume paused downloads."""
        pause, resume = self._pausing(ids)
        name = self._undo.only_name(ids)
        return await self._take(Step(pause, resume, "the resumption of {}", name))

    def _pausing(self, ids: Sequence[str]) -> tuple[Change, Change]:
        """Return the work that pauses downloads, and the work that resumes them."""
        service = self._service
        pause = self._each("Pausing", service.pause, ids, from_end=True)
        return pause, self._each("Resuming", service.resume, ids)

    async def _place(self, ids: Sequence[str], redo: Change, change: str) -> int:
        places = await self._service.places(ids)
        undo = partial(self._service.set_places, places)
        return await self._take(Step(undo, redo, change, self._undo.only_name(ids)))

    async def _set_limit(self, rate: int | None) -> int:
        await self._service.set_speed_limit(rate)
        return 1

    async def _restore_limit(self, rate: int | None, *, was_slow: bool, was_scheduled: bool) -> int:
        await self._service.set_speed_limit(rate)
        if was_scheduled:
            await self._service.follow_schedule()
        if was_slow:
            await self._service.set_slow(True)
        return 1

    async def _set_slow(self, on: bool) -> int:
        await self._service.set_slow(on)
        return 1

    async def _limit_each(self, rates: Mapping[str, int | None]) -> int:
        for rate, some in groupby(sorted(rates, key=lambda each: rates[each] or 0), rates.get):
            await self._service.set_speed_limit(rate, list(some))
        return len(rates)

    async def _take(self, step: Step) -> int:
        """Make a change and push its step; return the number of downloads that it changed."""
        return self._undo.push(step, await step.redo())

    def _each(
        self,
        title: str,
        call: Callable[[Sequence[str]], Awaitable[int]],
        ids: Sequence[str],
        *,
        from_end: bool = False,
    ) -> Change:
        """Return work in batches; `from_end` begins at the end, so that no later one starts."""
        return partial(self._undo.work.each, title, ids, call, from_end=from_end)


def unfinished(rows: Rows) -> list[DownloadSnapshot]:
    """Return the rows that have not ended."""
    return [row for row in rows if not row.status.is_terminal]


def _limit_sentence(rate: int | None) -> str:
    """Return the limit in words, without a full stop."""
    return "Speed limit is off" if rate is None else f"Speed limit is {limit_text(rate)}"


def _limit_change(rate: int | None) -> str:
    return (
        "the end of the speed limit" if rate is None else f"the speed limit of {limit_text(rate)}"
    )


def _ids(rows: Rows) -> list[str]:
    return [row.id for row in rows]


def _name_or_count(rows: Rows, count: int) -> str:
    """Return the name of the only one of `rows`, or the number of changed ones."""
    return short_name(rows[0].name) if len(rows) == count == 1 else count_text(count)


def _lost_login_text(rows: Rows) -> str:
    """Return a sentence on the logins that downloads lost before they were queued again."""
    lost = [row for row in rows if row.lost_login]
    if not lost:
        return ""
    if len(rows) == 1:
        return f" {sentence(rows[0].reason.rpartition('; ')[2])}"
    return f" The logins or headers of {count_text(len(lost))} were {NOT_STORED}."


def _deletion_text(deletion: Deletion, rows: Rows) -> str:
    deleted = [row for row in rows if row.id in deletion.ids]
    if not deleted:
        return ""
    what = short_name(deleted[0].name) if len(deleted) == 1 else count_text(len(deleted), "file")
    if deletion.in_trash == len(deleted):
        return f"Moved {what} to the trash."
    return f"Deleted {what}. There is no trash; you can undo this for 10 minutes."


def done_text(
    verb: str,
    rows: Rows,
    targets: Rows,
    left_out: str = "already ended",
    *,
    count: int | None = None,
) -> str:
    """Return a sentence on the change to `rows`, and on how many of `targets` it omitted and why.

    `count` is the number of rows that changed, since some may have ended meanwhile; None: all.
    """
    count = len(rows) if count is None else count
    what = _name_or_count(rows, count)
    others = len(targets) - count
    return f"{verb} {what}; {others:,} {left_out}." if others else f"{verb} {what}."
