"""Retry downloads that fail because the server is busy or the connection breaks.

Without a retry handler the first error is final. With one, the delay doubles after each failure;
errors that a retry cannot cure, such as 404, are final at once.

    python examples/07_retries.py URL [URL ...] -o downloads --retries 5 --delay 0.5
"""

import argparse
import asyncio
import sys
from pathlib import Path

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import RetryConfig
from rheo_core.downloads import RetryHandler
from rheo_core.events import DownloadEventType, DownloadRetryingEvent
from rheo_core.inputs import problem_of

URLS = ["https://www.rfc-editor.org/rfc/rfc9110.txt"]


def on_retrying(event: DownloadRetryingEvent) -> None:
    print(f"retry {event.retry} of {event.max_retries}: {event.error.message}")


async def main(files: list[FileConfig], folder: Path, config: RetryConfig) -> int:
    handler = RetryHandler(config)
    async with DownloadManager(download_dir=folder, retry_handler=handler) as manager:
        manager.on(DownloadEventType.RETRYING, on_retrying)
        await manager.add(files)
        await manager.wait_until_complete()
        infos = [manager.get_download_info(file.id) for file in files]
    for info in infos:
        assert info is not None  # the manager knows every download that was added
        print(f"{info.status}: {info.error or info.destination_path}")
    return 1 if manager.stats.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download files with retries.")
    parser.add_argument("urls", nargs="*", default=URLS, metavar="URL")
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    parser.add_argument("--retries", type=int, default=3)
    parser.add_argument("--delay", type=float, default=1.0, help="first delay, seconds")
    args = parser.parse_args()
    try:
        files = [FileConfig(url=url) for url in args.urls]
        config = RetryConfig(max_retries=args.retries, base_delay=args.delay)
    except ValueError as error:
        sys.exit(f"{problem_of(error)}.")
    sys.exit(asyncio.run(main(files, args.output, config)))
