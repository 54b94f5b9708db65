"""What the actions do to downloads, through the service; each tells what came of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from rheo_core.domain import DownloadSnapshot, DownloadStatus, Snapshot
from rheo_core.domain.schedule import start_text
from rheo_core.domain.text import printable
from rheo_core.inputs import Verdict

from .actions import (
    BY_ID,
    Context,
    can_move,
    can_pause,
    can_retry,
    has_wrong_hash,
    limit_step,
)
from .command_parser import Command
from .formatting import count_text, limit_text, size_text
from .services.protocol import READ_ONLY, DownloadService

Targets = Sequence[DownloadSnapshot]


class DownloadHandlers:
    """Acts on the rows given; a returned text is for a notice, "" where the rows say enough."""

    def __init__(self, service: DownloadService) -> None:
        self._service = service
        self._removed: list[list[str]] = []
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
        """Save data with a wrong hash; download web pages that were refused."""
        pages = [row.id for row in rows if row.got_page and await self._service.accept_html(row.id)]
        hashed = [row for row in rows if has_wrong_hash(row) and not row.got_page]
        kept = [await self._service.keep(row.id) for row in hashed]
        paths = [path for path in kept if path is not None]
        told = []
        if pages:
            told.append(f"Queued again, to save the web page: {count_text(len(pages))}.")
        if len(paths) == 1:
            told.append(f"Kept as {printable(paths[0].name)}.")
        elif paths:
            told.append(_several("Kept the data of", paths))
        return " ".join(told) or "There is no data left to keep."

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

    async def step_limit(self, now: Snapshot, *, up: bool) -> str:
        """Go one step up or down from the limit that holds now."""
        return await self._set_limit(limit_step(now.speed_limit_bps, up))

    async def toggle_slow(self, now: Snapshot) -> str:
        """Switch slow mode on or off."""
        await self._service.set_slow(not now.is_slow)
        if now.is_slow:
            return "Slow mode is off."
        return f"Slow mode: {limit_text(self._service.settings.slow_limit)} for all together."

    async def _set_limit(self, rate: int | None, rows: Targets | None = None) -> str:
        """Limit all downloads together, or each of `rows`; None lifts the limit."""
        ids = None if rows is None else _not_ended(rows)
        if ids == []:
            return "limit: nothing that has not ended is marked or selected; “limit all 2M”?"
        await self._service.set_speed_limit(rate, ids)
        whose = "" if ids is None else f" for {count_text(len(ids))}"
        return (
            f"No speed limit{whose}." if rate is None else f"Speed limit {limit_text(rate)}{whose}."
        )

    async def _set_start(self, start_at: float | None, rows: Targets) -> str:
        ids = _not_ended(rows)
        if not ids:
            return "at: nothing that has not ended is marked or selected."
        await self._service.set_start(ids, start_at)
        if start_at is None:
            return ""
        return f"{count_text(len(ids))}: waits until {start_text(start_at, datetime.now())}."

    async def _stop_after(self, size: int | None) -> str:
        await self._service.stop_after(size)
        if size is None:
            return "Nothing stops by itself."
        return f"All will be paused once {size_text(size)} have come."

    async def run_command(
        self, command: Command, rows: Mapping[str, DownloadSnapshot], targets: Targets
    ) -> str:
        """Run a command of the command line.

        Args:
            command: what was typed.
            rows: all downloads by their ids.
            targets: those that are marked, else the current one.
        """
        if self._service.is_read_only:
            return f"{command.verb}: {READ_ONLY}."
        if command.verb == "reload":
            return await self._reload()
        if command.verb == "limit":
            return await self._set_limit(command.rate, None if command.for_all else targets)
        if command.verb == "at":
            return await self._set_start(command.start_at, targets)
        if command.verb == "stop-after":
            return await self._stop_after(command.size)
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
        said = (text for entry in entries for text in (entry.note, entry.refused) if text)
        notes = dict.fromkeys(said)
        told = []
        if good:
            told.append(f"Added {'; '.join((count_text(len(good)), *notes))}.")
        if bad or not good:
            told.append(f"Not added: {bad[0] if bad else 'there is no link in it'}.")
        return " ".join(told)

    async def _reload(self) -> str:
        problems = await self._service.reload_settings()
        return " ".join(map(printable, problems)) or "The settings were read again."

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


def _not_ended(rows: Targets) -> list[str]:
    return [row.id for row in rows if not row.status.is_terminal]


def _several(did: str, ids: Sequence[object]) -> str:
    return f"{did} {count_text(len(ids))}." if len(ids) > 1 else ""
