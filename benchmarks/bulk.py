"""Costs of verbs on a whole list: `python -m benchmarks.bulk [--count 100000]`.

The service of the app holds a list with a session; nothing is downloaded. For each verb on all
downloads: CPU seconds of the process until the call returns, until the list of the app shows the
change, and until the session is saved. Waiting is not counted: others may be at work on this
machine. The last line is about the session, opened again.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from rheo_core.config.settings import build_settings
from rheo_core.domain import DownloadStatus
from rheo_tui.services.local import LocalService
from rheo_tui.table_model import TableModel

from .scale import urls

_COUNT = 100_000
_POLL_SECONDS = 0.25
"""Interval at which the app asks for changes."""

Verb = Callable[[Sequence[str]], Awaitable[object]]


def _service(folder: Path) -> LocalService:
    settings = build_settings(download_dir=folder)
    return LocalService(settings, save=False, session_path=folder / "session.db")


async def _open(service: LocalService) -> None:
    """Open the engine without running anything."""
    await service._manager.open(paused=True)


async def _until_saved(service: LocalService) -> None:
    session = service._manager._parts.session
    assert session is not None
    await session._flush()


class _List:
    """The list of the app, brought up to date as by its polls."""

    def __init__(self, service: LocalService) -> None:
        self._service = service
        self.model = TableModel()
        self._revision = 0

    async def poll(self) -> None:
        self._service.take_events()
        snapshot = await self._service.snapshot(self._revision)
        self._revision = snapshot.revision
        self.model.apply(snapshot)


async def _measure(verb: Verb, ids: Sequence[str], rows: _List, service: LocalService) -> str:
    begin = time.process_time()
    await verb(ids)
    returned = time.process_time() - begin
    await rows.poll()
    shown = time.process_time() - begin
    await _until_saved(service)
    saved = time.process_time() - begin
    return f"{returned:9.2f} {shown:9.2f} {saved:9.2f}"


async def measure(count: int, folder: Path) -> None:
    """Print a line for each verb."""
    service = _service(folder)
    await _open(service)
    rows = _List(service)
    configs = urls(count)
    ids = [config.id for config in configs]
    verbs: dict[str, Verb] = {
        "add all": lambda _: service.add(configs),
        "pause all": service.pause,
        "resume all": service.resume,
        "raise the priority of all": lambda ids: service.change_priority(ids, 1),
        "cancel all": service.cancel,
        "retry all": service.retry,
        "remove all": service.remove,
        "restore all": service.restore,
        "limit the speed of all": lambda ids: service.set_speed_limit(100_000, ids),
        "cancel all again": service.cancel,
        "clear the ended ones": service.remove,
        "restore them": service.restore,
    }
    print(f"{'':28} {'returned':>9} {'shown':>9} {'saved':>9}  CPU s")
    for name, verb in verbs.items():
        print(f"{name:28}", await _measure(verb, ids, rows, service), flush=True)
    stats = service._manager.stats
    print(f"at last: {len(rows.model.rows):,} rows, {stats.cancelled:,} cancelled")
    await service.retry(ids)
    await service.close()
    await _restart(folder)


async def _restart(folder: Path) -> None:
    service = _service(folder)
    rows = _List(service)
    begin = time.process_time()
    opening = asyncio.create_task(_open(service))
    first = 0.0
    while not opening.done():
        await asyncio.sleep(_POLL_SECONDS / 10)
        if not first:
            await rows.poll()
            first = time.process_time() - begin if rows.model.rows else 0.0
    await opening
    await rows.poll()
    total = time.process_time() - begin
    queued = sum(row.status is DownloadStatus.QUEUED for row in rows.model.rows.values())
    print(f"open again: first rows after {first or total:.2f} s, {queued:,} after {total:.2f} s")
    await service.close()


def main() -> None:
    """Measure in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=_COUNT, help=f"downloads, default {_COUNT}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(options.count, Path(folder)))


if __name__ == "__main__":
    main()
