"""UndoStack: undo and redo changes of downloads, step by step."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from rheo_core.domain.text import printable
from rheo_core.domain.tuning import DEFAULT_TUNING

from .formatting import count_text
from .long_work import LongWork

_MAX_STEPS = 1000
Change = Callable[[], Awaitable[int]]
"""Changes downloads and returns their number."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change, and how to undo and redo it.

    In sentences, `{}` is replaced by the name of the only download, or by their number.
    """

    undo: Change
    redo: Change
    undone: str  # such as `Restored {}`
    redone: str
    name: str = ""  # of the download, if it changes only one
    returning: Sequence[str] = ()  # downloads that come back into the list when it is undone
    total: int = 0  # downloads that it changed
    time: float = 0.0  # of the monotonic clock


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
        """Undo the last step; return a sentence about the result."""
        if not self.can_undo:
            return ""
        step = self._done.pop()
        self.work.is_stopped = False
        count = await step.undo()
        if self.work.is_stopped:
            self._done.append(step)  # so that the next undo continues with it
            return f"{step.undone.format(count_text(count))}; stopped. Undo again to continue."
        self._undone.append(step)
        self.returned = step.returning
        return _report("Undo", step, step.undone, count)

    async def redo(self) -> str:
        """Redo the last undone step; return a sentence about the result."""
        if not self._undone:
            return ""
        step = self._undone.pop()
        self.work.is_stopped = False
        count = await step.redo()
        if self.work.is_stopped:
            self._undone.append(step)  # so that the next redo continues with it
            return f"{step.redone.format(count_text(count))}; stopped. Redo again to continue."
        self._done.append(replace(step, time=time.monotonic()))
        return _report("Redo", step, step.redone, count)

    def only_name(self, ids: Sequence[str]) -> str:
        """Return the name of the only download; "" if there are several."""
        return printable(self._name_of(ids[0])) if len(ids) == 1 else ""

    def push(self, step: Step, count: int) -> int:
        """Keep a step that changed `count` downloads, if it changed any, and return `count`."""
        if count:
            self.count += 1
            self._undone.clear()
            self._done.append(replace(step, total=count, time=time.monotonic()))
            del self._done[:-_MAX_STEPS]
        return count


def _report(name: str, step: Step, sentence: str, count: int) -> str:
    """Return a sentence about what `name`, undo or redo, did to `count` downloads of a step."""
    rest = step.total - count
    changed = "has changed or is gone" if rest == 1 else "have changed or are gone"
    if not count:
        return f"{name} is not possible: {step.name or count_text(rest)} {changed}."
    text = sentence.format(step.name or count_text(count))
    return f"{text}; skipped {rest:,} that {changed}." if rest > 0 else f"{text}."
