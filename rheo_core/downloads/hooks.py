"""HookRunner: run the user's commands (hooks) after a download.

`desktop_notifications.py` shows notifications.
"""

import logging
from collections.abc import Callable

from rheo_core.domain.engine_options import CompletionHooks
from rheo_core.domain.text import printable, redact_url
from rheo_core.events import (
    BaseEmitter,
    DownloadCompletedEvent,
    DownloadEvent,
    DownloadEventType,
    DownloadFailedEvent,
)
from rheo_core.infrastructure.processes import ProcessRunner

_log = logging.getLogger(__name__)

Explain = Callable[[str, str], None]
"""Report a problem after the end of a download: its id and a sentence."""


class HookRunner:
    """Runs hooks when downloads end. A failing hook never changes a download.

    Commands run one at a time, in the order in which the downloads ended. Draining the emitter
    waits for them.
    """

    def __init__(self, hooks: CompletionHooks, emitter: BaseEmitter, explain: Explain) -> None:
        self._hooks = hooks
        self._explain = explain
        self._commands = ProcessRunner()
        self._is_open = False
        if hooks.on_complete:
            emitter.on(DownloadEventType.COMPLETED, self._run_command)
        if hooks.on_error:
            emitter.on(DownloadEventType.FAILED, self._run_command)

    def open(self) -> None:
        """Start running hooks."""
        self._commands = ProcessRunner()
        self._is_open = True

    async def close(self) -> None:
        """End the running command and drop waiting ones."""
        self._is_open = False
        await self._commands.close()

    async def _run_command(self, event: DownloadEvent) -> None:
        if not self._is_open:
            _log.warning(
                "%s: its command did not run because the program is exiting", event.download_id
            )
            return
        is_complete = isinstance(event, DownloadCompletedEvent)
        command = self._hooks.on_complete if is_complete else self._hooks.on_error
        problem = await self._commands.run(command, facts_of(event), self._hooks.timeout)
        if problem is not None:
            _log.warning("%s: its command failed: %s", event.download_id, problem)
            self._explain(event.download_id, f"command after the download: {problem}")


def facts_of(event: DownloadEvent) -> dict[str, str]:
    """Return the environment variables of a command, without secrets; "" for unknown values."""
    facts = {
        "RHEO_ID": event.download_id,
        "RHEO_URL": redact_url(event.url),
        "RHEO_STATUS": event.event_type.removeprefix("download."),
        "RHEO_PATH": "",
        "RHEO_SIZE": "",
        "RHEO_HASH": "",
        "RHEO_ERROR": "",
    }
    if isinstance(event, DownloadCompletedEvent):
        facts |= {"RHEO_PATH": event.destination_path, "RHEO_SIZE": str(event.total_bytes)}
        if event.validation is not None:
            checked = event.validation
            facts["RHEO_HASH"] = f"{checked.algorithm.value}:{checked.calculated_hash}"
        if event.computed_hash is not None:
            facts["RHEO_HASH"] = event.computed_hash
    elif isinstance(event, DownloadFailedEvent):
        facts["RHEO_ERROR"] = printable(event.error.message)
    return facts
