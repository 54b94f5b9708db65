"""Download several files, two at a time, the first one given first.

Of the downloads that wait, the one with the highest priority runs next.

    python examples/02_many_with_priority.py URL URL URL -o downloads -n 2
"""

import argparse
import asyncio
from pathlib import Path

from rheo_core import DownloadManager, FileConfig
from rheo_core.events import DownloadCompletedEvent, DownloadEventType, DownloadFailedEvent


def on_completed(event: DownloadCompletedEvent) -> None:
    print(f"done: {Path(event.destination_path).name}")


def on_failed(event: DownloadFailedEvent) -> None:
    print(f"failed: {event.url}: {event.error.message}")


async def main(urls: list[str], folder: Path, at_once: int) -> int:
    files = [FileConfig(url=url, priority=len(urls) - place) for place, url in enumerate(urls)]
    async with DownloadManager(download_dir=folder, max_concurrent=at_once) as manager:
        manager.on(DownloadEventType.COMPLETED, on_completed)
        manager.on(DownloadEventType.FAILED, on_failed)
        await manager.add(files)
        await manager.wait_until_complete()
        return 1 if manager.stats.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download several files by priority.")
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    parser.add_argument("-n", "--at-once", type=int, default=2)
    args = parser.parse_args()
    raise SystemExit(asyncio.run(main(args.urls, args.output, args.at_once)))
