"""Print every event in the life of some downloads.

`"*"` subscribes to all types; `unsubscribe()` on what `on` returned ends it.

    python examples/05_event_log.py URL [URL ...] -o downloads
"""

import argparse
import asyncio
from pathlib import Path

from rheo_core import DownloadManager, FileConfig
from rheo_core.events import DownloadEvent

COMMON = {"occurred_at", "event_type", "download_id", "url"}


async def log(event: DownloadEvent) -> None:
    """A handler may be a coroutine; a slow one delays no download."""
    facts = event.model_dump(mode="json", exclude=COMMON, exclude_none=True)
    text = " ".join(f"{name}={value}" for name, value in facts.items())
    head = f"{event.occurred_at:%H:%M:%S} {event.download_id[:8]} {event.event_type}"
    print(f"{head} {text}".rstrip())


async def main(urls: list[str], folder: Path) -> int:
    async with DownloadManager(download_dir=folder) as manager:
        subscription = manager.on("*", log)
        await manager.add([FileConfig(url=url) for url in urls])
        await manager.wait_until_complete()
        subscription.unsubscribe()
        return 1 if manager.stats.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download files and print every event.")
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    args = parser.parse_args()
    raise SystemExit(asyncio.run(main(args.urls, args.output)))
