"""Handlers of the actions that change downloads: one method for each action."""

from collections.abc import Sequence

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.text import printable

from .actions import Context, can_move, can_pause, can_retry, has_wrong_hash, limit_step
from .existing_files import Decision
from .formatting import count_text, limit_text
from .services.protocol import DownloadService

Rows = Sequence[DownloadSnapshot]


class DownloadHandlers:
    """Handles the actions whose owner is `downloads`.

    Each `do_` method handles the action of that id for the targets of its context. The text that
    it returns becomes feedback: what was done, to how many, and what was left out.
    """

    def __init__(self, service: DownloadService) -> None:
        self._service = service
        self._removed: list[list[str]] = []

    @property
    def undo_steps(self) -> int:
        """Number of removals that can be undone."""
        return len(self._removed)

    async def do_pause(self, context: Context) -> str:
        """Pause the downloads that can be paused; if none can, resume the paused ones."""
        running = [row for row in context.targets if can_pause(row)]
        if running:
            await self._service.pause(_ids(running))
            return _done("Paused", running, context.targets)
        paused = [row for row in context.targets if row.status is DownloadStatus.PAUSED]
        await self._service.resume(_ids(paused))
        return _done("Resumed", paused, context.targets)

    async def do_cancel(self, context: Context) -> str:
        """Cancel the downloads that have not ended."""
        rows = [row for row in context.targets if not row.status.is_terminal]
        await self._service.cancel(_ids(rows))
        return _done("Cancelled", rows, context.targets)

    async def do_retry(self, context: Context) -> str:
        """Queue failed, cancelled and skipped downloads again."""
        rows = [row for row in context.targets if can_retry(row)]
        await self._service.retry(_ids(rows))
        return _done("Queued again:", rows, context.targets, "did not fail")

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
            sentences.append(f"Kept as {printable(paths[0].name)}.")
        elif paths:
            sentences.append(f"Kept the data of {count_text(len(paths))}.")
        return " ".join(sentences) or "No data is left to keep."

    async def download_again(self, rows: Rows, decision: Decision) -> str:
        """Queue downloads again whose files are on the disk."""
        await self._service.add_again(_ids(rows), decision.strategy, decision.filename)
        return _done("Queued again:", rows, rows)[:-1] + f" ({decision.words})."

    async def do_remove(self, context: Context) -> str:
        """Remove downloads from the list."""
        ids = _ids(context.targets)
        await self._service.remove(ids)
        self._removed.append(ids)
        return _done("Removed", context.targets, context.targets)

    do_clear_finished = do_remove

    async def do_undo(self, _: Context) -> str:
        """Restore the downloads that were removed last."""
        if not self._removed:
            return ""
        ids = self._removed.pop()
        await self._service.restore(ids)
        return f"Restored {count_text(len(ids))}."

    async def do_priority_up(self, context: Context) -> str:
        """Raise the priority by 1."""
        return await self._change_priority(context.targets, 1)

    async def do_priority_down(self, context: Context) -> str:
        """Lower the priority by 1."""
        return await self._change_priority(context.targets, -1)

    async def _change_priority(self, targets: Rows, by: int) -> str:
        rows = [row for row in targets if not row.status.is_terminal]
        await self._service.change_priority(_ids(rows), by)
        if len(rows) == 1:
            return f"Priority of {printable(rows[0].name)} is {max(1, rows[0].priority + by)}."
        return _done(
            "Raised the priority of" if by > 0 else "Lowered the priority of", rows, targets
        )

    # The row in front moves first; otherwise adjacent marked rows would only swap places.

    async def do_move_up(self, context: Context) -> str:
        """Move queued downloads one place up."""
        for row in filter(can_move, context.targets):
            await self._service.move(row.id, "up")
        return ""

    async def do_move_down(self, context: Context) -> str:
        """Move queued downloads one place down."""
        for row in filter(can_move, reversed(context.targets)):
            await self._service.move(row.id, "down")
        return ""

    async def do_limit_up(self, context: Context) -> str:
        """Raise the speed limit of all downloads together by one step."""
        return await self.set_limit(limit_step(context.speed_limit, up=True))

    async def do_limit_down(self, context: Context) -> str:
        """Lower the speed limit of all downloads together by one step."""
        return await self.set_limit(limit_step(context.speed_limit, up=False))

    async def do_slow(self, context: Context) -> str:
        """Switch slow mode on or off."""
        await self._service.set_slow(not context.is_slow)
        if context.is_slow:
            return "Slow mode is off."
        return f"Slow mode is on: {limit_text(self._service.settings.slow_limit)} in total."

    async def set_limit(self, rate: int | None, ids: Sequence[str] | None = None) -> str:
        """Limit the speed.

        Args:
            rate: bytes/s; None lifts the limit.
            ids: the downloads to limit each; None limits all downloads together.
        """
        await self._service.set_speed_limit(rate, ids)
        whose = "" if ids is None else f" for {count_text(len(ids))}"
        if rate is None:
            return f"Speed limit is off{whose}."
        return f"Speed limit is {limit_text(rate)}{whose}."


def unfinished(rows: Rows) -> list[str]:
    """Return the ids of the rows that have not ended."""
    return _ids([row for row in rows if not row.status.is_terminal])


def _ids(rows: Rows) -> list[str]:
    return [row.id for row in rows]


def _done(verb: str, rows: Rows, targets: Rows, left_out: str = "had ended") -> str:
    """Return what was done to `rows`, and how many of `targets` were left out and why."""
    what = printable(rows[0].name) if len(rows) == 1 else count_text(len(rows))
    others = len(targets) - len(rows)
    return f"{verb} {what}; {others:,} {left_out}." if others else f"{verb} {what}."
