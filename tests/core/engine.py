"""Helpers of the engine's tests."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, RetryConfig
from rheo_core.domain.tuning import Tuning
from rheo_core.downloads import RetryHandler
from rheo_core.events import DownloadEvent
from tests.servers.misbehaving import Behaviour, Exchange

PATIENT = Tuning(
    join_threshold_seconds=60.0,
    min_join_threshold_seconds=60.0,
    takeover_seconds=60.0,
    min_takeover_seconds=60.0,
)
"""No connection joins or loses its range to another one because the machine is busy."""

EAGER = replace(PATIENT, join_after_seconds=0.01, join_threshold_seconds=0.0)
"""More connections join almost at once, whatever they may gain."""

PROMPT = replace(EAGER, takeover_seconds=3.0, min_takeover_seconds=0.1)
"""A connection without data soon loses its range to another one."""

ENDINGS = {"download.completed", "download.failed", "download.skipped", "download.cancelled"}


def quick_retries(count: int = 3) -> RetryHandler:
    """Retries that hardly wait."""
    return RetryHandler(RetryConfig(max_retries=count, base_delay=0.01, max_delay=0.02))


class Journal:
    """Every event of a manager, in order."""

    def __init__(self, manager: DownloadManager) -> None:
        self.events: list[DownloadEvent] = []
        manager.on("*", self.events.append)

    def names(self, download_id: str | None = None, *, progress: bool = False) -> list[str]:
        return [
            event.event_type.removeprefix("download.")
            for event in self.events
            if download_id in (None, event.download_id)
            and (progress or event.event_type != "download.progress")
        ]

    def last(self, name: str) -> Any:
        return [e for e in self.events if e.event_type == f"download.{name}"][-1]

    def endings(self) -> dict[str, int]:
        """Return the number of terminal events by download."""
        counts: dict[str, int] = {}
        for event in self.events:
            if event.event_type in ENDINGS:
                counts[event.download_id] = counts.get(event.download_id, 0) + 1
        return counts


async def fetch(
    folder: Path, configs: Sequence[FileConfig], **options: Any
) -> tuple[DownloadManager, Journal]:
    """Run downloads to their end."""
    async with DownloadManager(download_dir=folder, **options) as manager:
        journal = Journal(manager)
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
    return manager, journal


def status_of(manager: DownloadManager, config: FileConfig) -> DownloadStatus:
    info = manager.get_download_info(config.id)
    assert info is not None
    return info.status


def error_of(manager: DownloadManager, config: FileConfig) -> str:
    info = manager.get_download_info(config.id)
    assert info is not None
    return info.error or ""


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder and below it; `rglob` of 3.11.2 stops at links without end."""
    paths = (Path(base, name) for base, *names in os.walk(folder) for name in chain(*names))
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Gate:
    """A behaviour that sends a first piece of the body and the rest when told to."""

    def __init__(self, body: bytes, first: int, **headers: Any) -> None:
        self.opened = asyncio.Event()
        self.reached = asyncio.Event()
        self._body, self._first, self._headers = body, first, headers

    async def __call__(self, exchange: Exchange) -> None:
        start = exchange.request.range_start
        if start is not None:
            await exchange.serve(self._body, **self._headers)
            return
        await exchange.head(Content_Length=len(self._body), **self._headers)
        await exchange.send(self._body[: self._first])
        self.reached.set()
        await self.opened.wait()
        await exchange.send(self._body[self._first :])


async def silent(exchange: Exchange) -> None:
    """Accept the request and never answer."""
    await exchange.reader.read()


def serving(body: bytes, **headers: Any) -> Behaviour:
    """A behaviour that answers as a good server does."""

    async def behave(exchange: Exchange) -> None:
        await exchange.serve(body, **headers)

    return behave
