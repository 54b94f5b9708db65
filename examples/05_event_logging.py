"""Print every event of some downloads.

`"*"` subscribes to all types; `unsubscribe()` on what `on` returned ends it.

    python examples/05_event_logging.py URL [URL ...] -o downloads
"""

import argparse
import asyncio
import sys
from pathlib import Path

from rheo_core import DownloadManager, FileConfig
from rheo_core.events import DownloadEvent
from rheo_core.inputs import problem_of

URLS = ["https://www.rfc-editor.org/rfc/rfc9110.txt"]
COMMON = {"occurred_at", "event_type", "download_id", "url"}


async def log(event: DownloadEvent) -> None:
    """Print an event; a handler may be a coroutine, and a slow one delays no download."""
    facts = event.model_dump(mode="json", exclude=COMMON, exclude_none=True)
    text = " ".join(f"{name}={value}" for name, value in facts.items())
    head = f"{event.occurred_at:%H:%M:%S} {event.download_id[:8]} {event.event_type}"
    print(f"{head} {text}".rstrip())


async def main(files: list[FileConfig], folder: Path) -> int:
    async with DownloadManager(download_dir=folder) as manager:
        subscription = manager.on("*", log)
        await manager.add(files)
        await manager.wait_until_complete()
        subscription.unsubscribe()
        return 1 if manager.stats.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download files and print every event.")
    parser.add_argument("urls", nargs="*", default=URLS, metavar="URL")
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    args = parser.parse_args()
    try:
        files = [FileConfig(url=url) for url in args.urls]
    except ValueError as error:
        sys.exit(f"{problem_of(error)}.")
    sys.exit(asyncio.run(main(files, args.output)))
