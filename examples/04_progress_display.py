"""Show a bar with speed and remaining time for each download.

Progress events come up to ten times a second for each download, and once more at the end.

    python examples/04_progress_display.py URL [URL ...] -o downloads
"""

import argparse
import asyncio
import sys
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.progress import TaskID as BarId

from rheo_core import DownloadManager, FileConfig
from rheo_core.events import (
    DownloadCompletedEvent,
    DownloadEventType,
    DownloadFailedEvent,
    DownloadProgressEvent,
    DownloadStartedEvent,
)
from rheo_core.inputs import problem_of

URLS = [f"https://www.rfc-editor.org/rfc/rfc{number}.txt" for number in (9110, 9112)]
COLUMNS = (
    TextColumn("{task.description}", markup=False),
    BarColumn(),
    TextColumn("{task.percentage:3.0f} %"),
    DownloadColumn(),
    TextColumn("{task.fields[speed]}"),
)


class Bars:
    """A bar for each download that has started."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, BarId] = {}

    def on_started(self, event: DownloadStartedEvent) -> None:
        if event.download_id not in self._bars:  # a retry starts again
            name = event.url.rpartition("/")[2]
            self._bars[event.download_id] = self._progress.add_task(name, total=None, speed="")

    def on_progress(self, event: DownloadProgressEvent) -> None:
        speed = ""
        if event.speed is not None:
            speed = f"{event.speed.current_speed_bps / 1e6:.1f} MB/s"
            if event.speed.eta_seconds is not None:
                speed += f", {event.speed.eta_seconds:.0f} s left"
        self._progress.update(
            self._bars[event.download_id],
            completed=event.bytes_downloaded,
            total=event.total_bytes,
            speed=speed,
        )

    def on_completed(self, event: DownloadCompletedEvent) -> None:
        self._progress.update(
            self._bars[event.download_id],
            completed=event.total_bytes,
            total=event.total_bytes,
            speed=f"{event.average_speed_bps / 1e6:.1f} MB/s on average",
        )

    def on_failed(self, event: DownloadFailedEvent) -> None:
        line = f"failed: {event.url}: {event.error.message}"
        self._progress.console.print(line, markup=False, soft_wrap=True)


async def main(files: list[FileConfig], folder: Path) -> int:
    with Progress(*COLUMNS) as progress:
        bars = Bars(progress)
        async with DownloadManager(download_dir=folder) as manager:
            manager.on(DownloadEventType.STARTED, bars.on_started)
            manager.on(DownloadEventType.PROGRESS, bars.on_progress)
            manager.on(DownloadEventType.COMPLETED, bars.on_completed)
            manager.on(DownloadEventType.FAILED, bars.on_failed)
            await manager.add(files)
            await manager.wait_until_complete()
            stats = manager.stats
    print(f"{stats.completed} completed, {stats.skipped} skipped, {stats.failed} failed")
    return 1 if stats.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download files and show their progress.")
    parser.add_argument("urls", nargs="*", default=URLS, metavar="URL")
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    args = parser.parse_args()
    try:
        files = [FileConfig(url=url) for url in args.urls]
    except ValueError as error:
        sys.exit(f"{problem_of(error)}.")
    sys.exit(asyncio.run(main(files, args.output)))
