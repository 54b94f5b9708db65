"""Download several files, two at a time; the first URL has the highest priority.

python examples/02_multiple_with_priority.py URL URL URL -o downloads -n 2
"""

import argparse
import asyncio
import sys
from pathlib import Path

from rheo_core import DownloadManager, FileConfig
from rheo_core.events import DownloadCompletedEvent, DownloadEventType, DownloadFailedEvent
from rheo_core.inputs import problem_of

URLS = [f"https://www.rfc-editor.org/rfc/rfc{number}.txt" for number in (9110, 9111, 9112)]


def on_completed(event: DownloadCompletedEvent) -> None:
    print(f"done: {Path(event.destination_path).name}")


def on_failed(event: DownloadFailedEvent) -> None:
    print(f"failed: {event.url}: {event.error.message}")


async def main(files: list[FileConfig], folder: Path, max_concurrent: int) -> int:
    async with DownloadManager(download_dir=folder, max_concurrent=max_concurrent) as manager:
        manager.on(DownloadEventType.COMPLETED, on_completed)
        manager.on(DownloadEventType.FAILED, on_failed)
        await manager.add(files)
        await manager.wait_until_complete()
        stats = manager.stats
    print(f"{stats.completed} of {stats.total} completed")
    return 1 if stats.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download several files by priority.")
    parser.add_argument("urls", nargs="*", default=URLS, metavar="URL")
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    parser.add_argument("-n", "--max-concurrent", type=int, default=2)
    args = parser.parse_args()
    if args.max_concurrent < 1:
        sys.exit("--max-concurrent must be 1 or more.")
    try:
        priorities = range(len(args.urls), 0, -1)
        pairs = zip(args.urls, priorities, strict=True)
        files = [FileConfig(url=url, priority=priority) for url, priority in pairs]
    except ValueError as error:
        sys.exit(f"{problem_of(error)}.")
    sys.exit(asyncio.run(main(files, args.output, args.max_concurrent)))
