"""Changes: the user's changes of downloads, which can be undone and redone step by step."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Literal

from rheo_core.domain import DownloadSnapshot, FileConfig
from rheo_core.domain.text import printable
from rheo_core.domain.tuning import DEFAULT_TUNING
from rheo_tui.formatting import count_text, limit_text
from rheo_tui.long_work import LongWork

from .protocol import Deletion, DownloadService

_MAX_STEPS = 1000
Work = Callable[[], Awaitable[int]]
"""Changes downloads and returns their number."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change, and how to undo and redo it.

    Sentences have `{}` in the place of the downloads: the name of the only one, or their number.
    """

    undo: Work
    redo: Work
    undone: str  # such as `Restored {}`
    redone: str
    name: str = ""  # of the download, if it changes only one
    returning: Sequence[str] = ()  # downloads that come back into the list when it is undone
    total: int = 0  # downloads that it changed
    time: float = 0.0  # of the monotonic clock


class Changes:
    """Changes downloads through the service and keeps the steps back.

    A step can be undone for 10 minutes, the time for which the engine keeps partial data and
    removed downloads. Work on many downloads shows its progress, and may be stopped in between.

    Args:
        service: changes the downloads.
        work: runs changes of many downloads in batches.
        name_of: returns the name of a download in the list; "" if it is unknown.
    """

    def __init__(
        self,
        service: DownloadService,
        work: LongWork | None = None,
        name_of: Callable[[str], str] = lambda _: "",
    ) -> None:
        self.service = service
        self.work = work or LongWork()
        self._name_of = name_of
        self.count = 0  # steps taken so far
        self.returned: Sequence[str] = ()  # downloads that the last undo brought back
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def can_undo(self) -> bool:
        """True if there is a step to undo."""
        oldest = time.monotonic() - DEFAULT_TUNING.undo_seconds
        if self._done and self._done[0].time < oldest:
            self._done = [step for step in self._done if step.time >= oldest]
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """True if there is a step to redo."""
        return bool(self._undone)

    async def undo(self) -> str:
        """Undo the last step; return what was done, and what could not be."""
        if not self.can_undo:
            return ""
        step = self._done.pop()
        self.work.is_stopped = False
        count = await step.undo()
        if self.work.is_stopped:
            self._done.append(step)  # so that the next undo goes on with it
            return f"{step.undone.format(count_text(count))}; stopped. Undo again to continue."
        self._undone.append(step)
        self.returned = step.returning
        return _report("Undo", step, step.undone, count)

    async def redo(self) -> str:
        """Redo the step that was undone last; return what was done, and what could not be."""
        if not self._undone:
            return ""
        step = self._undone.pop()
        self.work.is_stopped = False
        count = await step.redo()
        if self.work.is_stopped:
            self._undone.append(step)  # so that the next redo goes on with it
            return f"{step.redone.format(count_text(count))}; stopped. Redo again to continue."
        self._done.append(replace(step, time=time.monotonic()))
        return _report("Redo", step, step.redone, count)

    async def take(self, step: Step) -> int:
        """Take a new step; return the number of downloads that it changed."""
        return self._note(step, await step.redo())

    def _note(self, step: Step, count: int) -> int:
        """Keep a step that changed `count` downloads, and return that number."""
        if count:
            self.count += 1
            self._undone.clear()
            self._done.append(replace(step, total=count, time=time.monotonic()))
            del self._done[:-_MAX_STEPS]
        return count

    async def cancel(self, ids: Sequence[str]) -> int:
        """Cancel downloads; their partial data is kept until the undo is over."""
        undo = self._each("Restoring", self.service.restore, ids)
        redo = self._each("Cancelling", self.service.cancel, ids, from_end=True)
        return await self.take(Step(undo, redo, "Restored {}", "Cancelled {}", self._only(ids)))

    async def remove(self, ids: Sequence[str]) -> int:
        """Remove downloads from the list; partial data is kept until the undo is over."""
        undo = self._each("Restoring", self.service.restore, ids)
        redo = self._each("Removing", self.service.remove, ids, from_end=True)
        name = self._only(ids)
        return await self.take(Step(undo, redo, "Restored {}", "Removed {}", name, ids))

    async def delete_files(self, ids: Sequence[str]) -> Deletion:
        """Delete the files of completed downloads, and remove these from the list."""
        name = self._only(ids)
        deletion = await self.service.delete_files(ids)
        stay = "; files in the trash stay there" if deletion.in_trash else ""
        step = Step(
            partial(self.service.restore_files, deletion.ids),
            partial(self._delete_files, deletion.ids),
            f"Restored {{}}{stay}",
            "Deleted the files of {}",
            name,
            deletion.ids,
        )
        self._note(step, len(deletion.ids))
        return deletion

    async def _delete_files(self, ids: Sequence[str]) -> int:
        return len((await self.service.delete_files(ids)).ids)

    async def pause(self, ids: Sequence[str]) -> int:
        """Pause downloads."""
        pause, resume = self._pausing(ids)
        return await self.take(Step(resume, pause, "Resumed {}", "Paused {}", self._only(ids)))

    async def resume(self, ids: Sequence[str]) -> int:
        """Resume paused downloads."""
        pause, resume = self._pausing(ids)
        return await self.take(Step(pause, resume, "Paused {}", "Resumed {}", self._only(ids)))

    def _pausing(self, ids: Sequence[str]) -> tuple[Work, Work]:
        """Return the work that pauses downloads, and that which resumes them."""
        service = self.service
        pause = self._each("Pausing", service.pause, ids, from_end=True)
        return pause, self._each("Resuming", service.resume, ids)

    def _each(
        self,
        title: str,
        call: Callable[[Sequence[str]], Awaitable[int]],
        ids: Sequence[str],
        *,
        from_end: bool = False,
    ) -> Work:
        """Return work in batches; that `from_end` starts none of the later ones meanwhile."""
        return partial(self.work.each, title, ids, call, from_end=from_end)

    async def move(self, ids: Sequence[str], where: Literal["up", "down", "top", "bottom"]) -> int:
        """Move queued downloads as a block."""
        return await self._place(ids, partial(self.service.move, ids, where), "Moved {}")

    async def change_priority(self, ids: Sequence[str], by: int) -> int:
        """Add `by` to the priority of each download; the lowest priority is 1."""
        redo = self._each(
            "Setting priorities", lambda some: self.service.change_priority(some, by), ids
        )
        return await self._place(ids, redo, "Changed the priority of {}")

    async def set_priority(self, ids: Sequence[str], priority: int) -> int:
        """Give each download a priority, 1 or more."""
        redo = self._each(
            "Setting priorities", lambda some: self.service.set_priority(some, priority), ids
        )
        return await self._place(ids, redo, f"Priority is {priority} for {{}}")

    async def _place(self, ids: Sequence[str], redo: Work, redone: str) -> int:
        places = await self.service.places(ids)
        undo = partial(self.service.set_places, places)
        undone, name = "Restored the place of {} in the queue", self._only(ids)
        return await self.take(Step(undo, redo, undone, redone, name))

    async def limit(self, rate: int | None, before: int | None, *, was_slow: bool) -> None:
        """Limit all downloads together.

        Args:
            rate: bytes/s; None lifts the limit.
            before: the limit until now.
            was_slow: True if slow mode was on until now.
        """
        undo = partial(self._set_slow, True) if was_slow else partial(self._set_limit, before)
        undone = "Slow mode is on" if was_slow else limit_sentence(before)
        await self.take(Step(undo, partial(self._set_limit, rate), undone, limit_sentence(rate)))

    async def limit_each(self, rate: int | None, rows: Iterable[DownloadSnapshot]) -> int:
        """Limit single downloads to `rate` bytes/s each; None lifts their limits."""
        before = {row.id: row.speed_limit_bps for row in rows}
        return await self.take(
            Step(
                partial(self._limit_each, before),
                partial(self._limit_each, dict.fromkeys(before, rate)),
                "Restored the speed limit of {}",
                f"{limit_sentence(rate)} for {{}}",
                self._only(list(before)),
            )
        )

    async def set_slow(self, on: bool) -> None:
        """Switch slow mode on or off."""
        undo, redo = partial(self._set_slow, not on), partial(self._set_slow, on)
        texts = "Slow mode is off", "Slow mode is on"
        await self.take(Step(undo, redo, texts[not on], texts[on]))

    async def replace_url(self, download_id: str, url: str) -> bool:
        """Download from another URL from now on; see `DownloadService.replace_url`."""
        before = await self.service.config_of(download_id)
        if before is None:
            return False
        step = Step(
            partial(self._edit, download_id, before),  # its checksum may have changed, too
            partial(self._replace_url, download_id, url),
            "Restored the previous URL of {}",
            "Replaced the URL of {}",
            self._only([download_id]),
        )
        return bool(await self.take(step))

    async def edit(self, configs: Mapping[str, FileConfig]) -> int:
        """Give downloads other options, by id; return their number. See `DownloadService.edit`."""
        return await self._edit_all(configs, "Restored the options of {}", "Edited {}")

    async def renew(self, links: Mapping[str, FileConfig]) -> int:
        """Fetch downloads from other URLs from now on, and keep their bytes; return their number.

        Args:
            links: configs with the new URLs, and perhaps new options, by the ids of the downloads.

        Raises:
            ValueError: the checksum of a link contradicts that of its download. Nothing changed.
        """
        configs = dict[str, FileConfig]()
        for each, link in links.items():
            if (before := await self.service.config_of(each)) is not None:
                try:
                    configs[each] = before.renewed_by(link)
                except ValueError as error:
                    name = printable(before.get_destination_filename())
                    raise ValueError(f"{name}: {error}") from None
        return await self._edit_all(configs, "Restored the previous links of {}", "Renewed {}")

    async def _edit_all(self, configs: Mapping[str, FileConfig], undone: str, redone: str) -> int:
        undo, redo = dict[str, FileConfig](), dict[str, FileConfig]()
        name = self._only(list(configs))
        for download_id, after in configs.items():
            before = await self.service.config_of(download_id)
            saved = await self.service.edit(download_id, after)
            if before is not None and saved is not None:
                undo[saved], redo[download_id] = before, after
        back, again = partial(self._edit_each, undo), partial(self._edit_each, redo)
        return self._note(Step(back, again, undone, redone, name), len(undo))

    async def _edit_each(self, configs: Mapping[str, FileConfig]) -> int:
        return sum([await self._edit(each, config) for each, config in configs.items()])

    async def _edit(self, download_id: str, config: FileConfig) -> int:
        return int(await self.service.edit(download_id, config) is not None)

    def _only(self, ids: Sequence[str]) -> str:
        """Return the name of the only download; "" if there are several."""
        return printable(self._name_of(ids[0])) if len(ids) == 1 else ""

    async def _set_limit(self, rate: int | None) -> int:
        await self.service.set_speed_limit(rate)
        return 1

    async def _set_slow(self, on: bool) -> int:
        await self.service.set_slow(on)
        return 1

    async def _limit_each(self, rates: Mapping[str, int | None]) -> int:
        for rate, some in groupby(sorted(rates, key=lambda each: rates[each] or 0), rates.get):
            await self.service.set_speed_limit(rate, list(some))
        return len(rates)

    async def _replace_url(self, download_id: str, url: str) -> int:
        return int(await self.service.replace_url(download_id, url))


def limit_sentence(rate: int | None) -> str:
    """Return the limit in words, without a full stop."""
    return "Speed limit is off" if rate is None else f"Speed limit is {limit_text(rate)}"


def _report(name: str, step: Step, sentence: str, count: int) -> str:
    """Return what `name`, undo or redo, did to `count` of the downloads of a step."""
    rest = step.total - count
    changed = "has changed or is gone" if rest == 1 else "have changed or are gone"
    if not count:
        return f"{name} is not possible: {step.name or count_text(rest)} {changed}."
    text = sentence.format(step.name or count_text(count))
    return f"{text}; skipped {rest:,} that {changed}." if rest > 0 else f"{text}."
