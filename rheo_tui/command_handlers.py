"""Handlers of the commands typed after `:`."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from rheo_core.config.problems import unknown_setting, with_full_stop
from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.schedule import start_text
from rheo_core.domain.text import printable, redact

from .action_handlers import DownloadHandlers, Rows, unfinished
from .action_reasons import Context, can_pause
from .actions import BY_ID
from .command_parser import Command
from .commands import CommandError
from .formatting import count_text, sentence, size_text
from .services.edits import Edits
from .services.protocol import READ_ONLY, DownloadService
from .setting_texts import TABLES, changed, value_text


class CommandHandlers:
    """Runs parsed commands through the service; the text returned becomes feedback.

    Args:
        service: the service to change.
        downloads: the handlers of actions that commands share with keys.
        edits: changes the links of downloads.
    """

    def __init__(self, service: DownloadService, downloads: DownloadHandlers, edits: Edits) -> None:
        self._service = service
        self._downloads = downloads
        self._edits = edits

    async def run(
        self, command: Command, rows: Mapping[str, DownloadSnapshot], context: Context
    ) -> str:
        """Run a command that is not an action.

        Args:
            command: the parsed command; not one of the screen.
            rows: all downloads by their ids.
            context: its targets are those of a command that names none.
        """
        if self._service.is_read_only:
            return f"{command.verb}: {READ_ONLY}."
        if command.targets is not None:
            context = replace(context, targets=tuple(rows[each] for each in command.targets))
        match command.verb:
            case "pause":  # the action of this id resumes paused downloads
                return await self._pause(context.targets)
            case "resume":
                return await self._resume(context.targets)
            case "priority":
                return await self._set_priority(command.number, context.targets)
            case "limit":
                return await self._limit(command, context)
            case "at":
                return await self._set_start(command.start_at, context.targets)
            case "link":
                return await self._replace_url(context.targets[0], command.text)
            case "stop-after":
                return await self._stop_after(command.size)
            case "add":
                return await self._add(command.text)
            case "prune":
                return await self._prune(command.number)
            case _:
                return await self._reload()

    async def _pause(self, targets: Rows) -> str:
        rows = [row for row in targets if can_pause(row)]
        count = await self._downloads.pause([row.id for row in rows])
        return self._downloads.done("Paused", rows, targets, "cannot be paused", count=count)

    async def _resume(self, targets: Rows) -> str:
        rows = [row for row in targets if row.status is DownloadStatus.PAUSED]
        count = await self._downloads.resume([row.id for row in rows])
        return self._downloads.done("Resumed", rows, targets, "were not paused", count=count)

    async def _limit(self, command: Command, context: Context) -> str:
        if command.for_all:
            return await self._downloads.limit(command.rate, context)
        if rows := unfinished(context.targets):
            return await self._downloads.limit_each(command.rate, rows)
        return "limit: no unfinished download is selected. Limit all with “limit all 2M”."

    async def _set_priority(self, priority: int, targets: Rows) -> str:
        if unfinished(targets):
            return await self._downloads.set_priority(priority, targets)
        return "priority: no unfinished download is selected."

    async def _set_start(self, start_at: float | None, targets: Rows) -> str:
        ids = [row.id for row in unfinished(targets)]
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
        from rheo_core.inputs import Verdict  # its readers are not needed for the first screen

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
        if reason := BY_ID["link"].disabled(Context(targets=(row,), current=row)):
            return sentence(reason)
        replaced = await self._edits.replace_url(row.id, url)
        return "URL replaced." if replaced else "URL not replaced: the download is done."


def with_setting(settings: Settings, name: str, value: str) -> Settings:
    """Return settings with another value, from text.

    Raises:
        CommandError: the name is unknown, or the value is not valid.
    """
    if name not in Settings.model_fields:
        raise CommandError(with_full_stop(unknown_setting(name)))
    if name in TABLES:
        raise CommandError(f"{name} is a table; change it in the settings file.")
    if not value:
        raise CommandError(
            f"set {name} needs a value; the current one is {setting_text(settings, name)}."
        )
    try:
        return changed(settings, name, value, labels={})
    except ValueError as problem:
        raise CommandError(str(problem)) from None


def setting_text(settings: Settings, name: str) -> str:
    """Return the value of a setting as text; secrets in it are replaced."""
    return printable(redact(value_text(name, getattr(settings, name))))
