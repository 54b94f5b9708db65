"""UndoStack: undo and redo changes of downloads, step by step."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from rheo_core.domain.tuning import DEFAULT_TUNING

from .formatting import count_text, sentence, short_name
from .long_work import LongWork

_MAX_STEPS = 1000
Change = Callable[[], Awaitable[int]]
"""Changes downloads and returns their number."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change, and how to undo and redo it."""

    undo: Change
    redo: Change
    change: str  # such as `the removal of {}`, with `{}` for the name or number of the downloads
    name: str = ""  # of the download, if it changes only one
    returning: Sequence[str] = ()  # downloads that come back into the list when it is undone
    total: int = 0  # downloads that it changed
    time: float = 0.0  # of the monotonic clock

    def words(self, count: int | None = None) -> str:
        """Return the change of `count` downloads, or of all, in words: `the removal of x.bin`."""
        some = self.total if count is None else count
        return self.change.format(self.name or count_text(some))


class UndoStack:
    """Keeps the steps of the user.

    A step can be undone for 10 minutes, as long as the engine keeps partial data and removed
    downloads. The caller makes a change and then pushes its step.

    Args:
        work: runs changes of many downloads in batches, which the user may stop.
        name_of: returns the name of a download in the list; "" if it is unknown.

    Attributes:
        count: number of steps so far.
        returned: downloads that the last undo brought back into the list.
    """

    def __init__(
        self, work: LongWork | None = None, name_of: Callable[[str], str] = lambda _: ""
    ) -> None:
        self.work = work or LongWork()
        self._name_of = name_of
        self.count = 0
        self.returned: Sequence[str] = ()
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def next_undo(self) -> str:
        """The change that `undo` undoes first, such as `the removal of x.bin`; "" for none."""
        oldest = time.monotonic() - DEFAULT_TUNING.undo_seconds
        if self._done and self._done[0].time < oldest:
            self._done = [step for step in self._done if step.time >= oldest]
        return self._done[-1].words() if self._done else ""

    @property
    def next_redo(self) -> str:
        """The change that `redo` makes again first; "" for none."""
        return self._undone[-1].words() if self._undone else ""

    async def undo(self) -> str:
        """Undo the last step that still can be undone; return a sentence about the result."""
        lost: list[Step] = []
        while self.next_undo:
            step = self._done.pop()
            count = await self._run(step.undo, step, self._done)
            if self.work.is_stopped:
                self._done.append(step)  # so that the next undo continues with it
                return f"Undid {step.words(count)}; stopped. Undo again to continue."
            if count:
                self._undone.append(step)
                self.returned = step.returning
                return _lost_text(lost, "undone") + _report("Undid", step, count)
            lost.append(step)
        return _lost_text(lost, "undone").rstrip()

    async def redo(self) -> str:
        """Redo the last undone step that still can be; return a sentence about the result."""
        lost: list[Step] = []
        while self._undone:
            step = self._undone.pop()
            count = await self._run(step.redo, step, self._undone)
            if self.work.is_stopped:
                self._undone.append(step)  # so that the next redo continues with it
                return f"Redid {step.words(count)}; stopped. Redo again to continue."
            if count:
                self._done.append(replace(step, time=time.monotonic()))
                return _lost_text(lost, "redone") + _report("Redid", step, count)
            lost.append(step)
        return _lost_text(lost, "redone").rstrip()

    async def _run(self, change: Change, step: Step, steps: list[Step]) -> int:
        """Undo or redo a step; if that fails, put it back, so that the user can try again."""
        self.work.is_stopped = False
        try:
            return await change()
        except BaseException:
            steps.append(step)
            raise

    def only_name(self, ids: Sequence[str]) -> str:
        """Return the name of the only download, cut if it is long; "" if there are several."""
        return short_name(self._name_of(ids[0])) if len(ids) == 1 else ""

    def push(self, step: Step, count: int) -> int:
        """Keep a step that changed `count` downloads, if it changed any, and return `count`."""
        if count:
            self.count += 1
            self._undone.clear()
            self._done.append(replace(step, total=count, time=time.monotonic()))
            del self._done[:-_MAX_STEPS]
        return count


def _report(verb: str, step: Step, count: int) -> str:
    """Return a sentence about `count` downloads of a step that was undone or redone."""
    text, rest = f"{verb} {step.words(count)}", step.total - count
    changed = "has changed or is gone" if rest == 1 else "have changed or are gone"
    return f"{text}; skipped {rest:,} that {changed}." if rest > 0 else f"{text}."


def _lost_text(steps: Sequence[Step], done: str) -> str:
    """Return a sentence, and a blank, about steps that can no longer be undone or redone."""
    if not steps:
        return ""
    what = steps[0].words() if len(steps) == 1 else f"{len(steps):,} changes"
    return sentence(f"{what} can no longer be {done}") + " "
