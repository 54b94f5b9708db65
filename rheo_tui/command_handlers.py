"""Handlers of the commands typed after `:`."""

from collections.abc import Mapping
from datetime import datetime

from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.schedule import start_text
from rheo_core.domain.text import printable
from rheo_core.inputs import Verdict

from .action_handlers import DownloadHandlers, Rows, unfinished
from .actions import BY_ID, Context
from .command_parser import Command
from .formatting import count_text, size_text
from .services.protocol import READ_ONLY, DownloadService


class CommandHandlers:
    """Runs parsed commands through the service; the text returned becomes feedback.

    Args:
        service: the service to change.
        downloads: the handlers of actions that commands share with keys.
    """

    def __init__(self, service: DownloadService, downloads: DownloadHandlers) -> None:
        self._service = service
        self._downloads = downloads

    async def run(
        self, command: Command, rows: Mapping[str, DownloadSnapshot], targets: Rows
    ) -> str:
        """Run a command.

        Args:
            command: the parsed command; not `quit`, which is the screen's.
            rows: all downloads by their ids.
            targets: the marked downloads, or the current one.
        """
        if self._service.is_read_only:
            return f"{command.verb}: {READ_ONLY}."
        match command.verb:
            case "reload":
                return await self._reload()
            case "limit":
                return await self._limit(command, targets)
            case "at":
                return await self._set_start(command.start_at, targets)
            case "stop-after":
                return await self._stop_after(command.size)
            case "add":
                return await self._add(command.text)
            case "prune":
                return await self._prune(command.days)
            case _:
                return await self._change_one(command, rows[command.download_id])

    async def _change_one(self, command: Command, row: DownloadSnapshot) -> str:
        action = BY_ID["pause" if command.verb == "resume" else command.verb]
        context = Context(targets=(row,), current=row)
        if reason := action.disabled(context):
            return f"{action.title}: {reason}."
        match command.verb:
            case "link":
                return await self._replace_url(row, command.text)
            case "pause":  # the action of this id resumes a paused download
                await self._service.pause([row.id])
                return ""
            case "resume":
                await self._service.resume([row.id])
                return ""
            case "cancel":
                return await self._downloads.do_cancel(context)
            case "retry":
                return await self._downloads.do_retry(context)
            case "remove":
                return await self._downloads.do_remove(context)
            case _:
                return await self._downloads.do_keep(context)

    async def _limit(self, command: Command, targets: Rows) -> str:
        if command.for_all:
            return await self._downloads.set_limit(command.rate)
        if ids := unfinished(targets):
            return await self._downloads.set_limit(command.rate, ids)
        return "limit: no unfinished download is selected. Limit all with “limit all 2M”."

    async def _set_start(self, start_at: float | None, targets: Rows) -> str:
        ids = unfinished(targets)
        if not ids:
            return "at: no unfinished download is selected."
        await self._service.set_start(ids, start_at)
        if start_at is None:
            start = "starts as soon as it can" if len(ids) == 1 else "start as soon as they can"
            return f"{count_text(len(ids))} {start}."
        return f"Starts {count_text(len(ids))} at {start_text(start_at, datetime.now())}."

    async def _stop_after(self, size: int | None) -> str:
        await self._service.stop_after(size)
        if size is None:
            return "Automatic stop is off."
        return f"Pauses all downloads after {size_text(size)}."

    async def _add(self, text: str) -> str:
        entries = await self._service.check(text)
        good = [entry.config for entry in entries if entry.config and entry.verdict is Verdict.OK]
        await self._service.add(good)
        bad = [entry.problem.rstrip(".") for entry in entries if entry.verdict is not Verdict.OK]
        remarks = (text for entry in entries for text in (entry.note, entry.refused) if text)
        notes = dict.fromkeys(remarks)
        sentences = []
        if good:
            sentences.append(f"Added {'; '.join((count_text(len(good)), *notes))}.")
        if bad or not good:
            sentences.append(f"Not added: {bad[0] if bad else 'the text contains no link'}.")
        return " ".join(sentences)

    async def _reload(self) -> str:
        problems = await self._service.reload_settings()
        return " ".join(map(printable, problems)) or "Settings reloaded."

    async def _prune(self, days: int) -> str:
        count = await self._service.forget(older_than_days=days)
        if not days:
            return f"Deleted {count_text(count)} from the history."
        age = count_text(days, "day")
        return f"Deleted {count_text(count)} older than {age} from the history."

    async def _replace_url(self, row: DownloadSnapshot, url: str) -> str:
        replaced = await self._service.replace_url(row.id, url)
        return "URL replaced." if replaced else "URL not replaced: the download is done."
