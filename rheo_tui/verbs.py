"""What the actions do to downloads, through the service; each tells what came of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.text import printable
from rheo_core.inputs import Verdict

from .actions import (
    BY_ID,
    SPEED_LIMITS,
    Context,
    can_keep,
    can_move,
    can_pause,
    can_retry,
    limit_step,
)
from .commands import Command
from .formatting import count_text, limit_text
from .service import READ_ONLY, DownloadService

Targets = Sequence[DownloadSnapshot]


class Verbs:
    """Acts on the rows given; a returned text is for a notice, "" where the rows say enough."""

    def __init__(self, service: DownloadService) -> None:
        self._service = service
        self._removed: list[list[str]] = []
        self._before_slow: int | None = None
        self.by_action: dict[str, Callable[[Targets], Awaitable[str]]] = {
            "pause": self._pause,
            "cancel": self._cancel,
            "retry": self._retry,
            "retry_failed": self._retry,
            "remove": self._remove,
            "clear_finished": self._remove,
            "keep": self._keep,
            "undo": self._undo,
            "priority_up": lambda rows: self._change_priority(rows, 1),
            "priority_down": lambda rows: self._change_priority(rows, -1),
            "move_up": lambda rows: self._move(rows, up=True),
            "move_down": lambda rows: self._move(rows, up=False),
        }

    @property
    def can_undo(self) -> bool:
        """Whether there is a remove to undo."""
        return bool(self._removed)

    async def _pause(self, rows: Targets) -> str:
        running = [row.id for row in rows if can_pause(row)]
        if running:
            await self._service.pause(running)
            return _several("Paused", running)
        paused = [row.id for row in rows if row.status is DownloadStatus.PAUSED]
        await self._service.resume(paused)
        return _several("Resumed", paused)

    async def _cancel(self, rows: Targets) -> str:
        ids = [row.id for row in rows if not row.status.is_terminal]
        await self._service.cancel(ids)
        return _several("Cancelled", ids)

    async def _retry(self, rows: Targets) -> str:
        ids = [row.id for row in rows if can_retry(row)]
        await self._service.retry(ids)
        return _several("Queued again:", ids)

    async def _keep(self, rows: Targets) -> str:
        kept = [await self._service.keep(row.id) for row in rows if can_keep(row)]
        paths = [path for path in kept if path is not None]
        if not paths:
            return "There is no data left to keep."
        if len(paths) == 1:
            return f"Kept as {printable(paths[0].name)}."
        return _several("Kept the data of", paths)

    async def _remove(self, rows: Targets) -> str:
        ids = [row.id for row in rows]
        await self._service.remove(ids)
        self._removed.append(ids)
        back = "it" if len(ids) == 1 else "them"
        return f"Removed {count_text(len(ids))} from the list; undo brings {back} back."

    async def _undo(self, _: Targets) -> str:
        if not self._removed:
            return ""
        ids = self._removed.pop()
        await self._service.restore(ids)
        return f"Brought back {count_text(len(ids))}."

    async def _change_priority(self, rows: Targets, by: int) -> str:
        ids = [row.id for row in rows if not row.status.is_terminal]
        await self._service.change_priority(ids, by)
        return ""

    async def _move(self, rows: Targets, *, up: bool) -> str:
        queued = [row.id for row in rows if can_move(row)]
        # The one in front moves first, or marked neighbours would only swap places.
        for download_id in queued if up else reversed(queued):
            await self._service.move(download_id, "up" if up else "down")
        return ""

    async def step_limit(self, current: int | None, *, up: bool) -> str:
        """Go one step up or down from `current` bytes/s."""
        return await self.set_limit(limit_step(current, up))

    async def toggle_slow(self, current: int | None) -> str:
        """Go down to the slowest step from `current` bytes/s, or back to what was before."""
        if current == SPEED_LIMITS[0]:
            return await self.set_limit(self._before_slow)
        self._before_slow = current
        return f"Slow mode. {await self.set_limit(SPEED_LIMITS[0])}"

    async def set_limit(self, bytes_per_second: int | None) -> str:
        """Limit all downloads together; None lifts the limit."""
        await self._service.set_speed_limit(bytes_per_second)
        if bytes_per_second is None:
            return "No speed limit."
        return f"Speed limit {limit_text(bytes_per_second)}."

    async def run_command(self, command: Command, rows: Mapping[str, DownloadSnapshot]) -> str:
        """Run a command of the command line; `rows` are all downloads by their ids."""
        if self._service.is_read_only:
            return f"{command.verb}: {READ_ONLY}."
        if command.verb == "limit":
            return await self.set_limit(command.rate)
        if command.verb == "add":
            return await self._add(command.text)
        if command.verb == "prune":
            return await self._prune(command.days)
        row = rows[command.download_id]
        action = BY_ID["pause" if command.verb == "resume" else command.verb]
        if reason := action.disabled(Context(targets=(row,), current=row)):
            return f"{action.title}: {reason}."
        if command.verb == "link":
            return await self._replace_link(row, command.text)
        verb = {"resume": self._resume_one, "pause": self._pause_one}.get(command.verb)
        return await (verb or self.by_action[command.verb])([row])

    async def _add(self, text: str) -> str:
        entries = await self._service.check(text)
        good = [entry.config for entry in entries if entry.config and entry.verdict is Verdict.OK]
        await self._service.add(good)
        bad = [entry.problem.rstrip(".") for entry in entries if entry.verdict is not Verdict.OK]
        return f"Not added: {bad[0]}." if bad else f"Added {count_text(len(good))}."

    async def _prune(self, days: int) -> str:
        count = await self._service.forget(older_than_days=days)
        if not days:
            return f"Forgot {count_text(count)} that were off the list."
        ago = count_text(days, "day")
        return f"Forgot {count_text(count)} off the list that ended more than {ago} ago."

    async def _replace_link(self, row: DownloadSnapshot, url: str) -> str:
        replaced = await self._service.replace_url(row.id, url)
        return "Link replaced." if replaced else "Not replaced: it is done."

    async def _pause_one(self, rows: Targets) -> str:
        await self._service.pause([row.id for row in rows])
        return ""

    async def _resume_one(self, rows: Targets) -> str:
        await self._service.resume([row.id for row in rows])
        return ""


def _several(did: str, ids: Sequence[object]) -> str:
    return f"{did} {count_text(len(ids))}." if len(ids) > 1 else ""
