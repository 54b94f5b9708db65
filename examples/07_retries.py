"""Try again where the server is busy or the connection breaks.

Without a retry handler the first error is the last. With one, errors that another attempt can
cure are followed by one after a growing delay; a 404 is not tried again.

    python examples/07_retries.py URL -o downloads --retries 5 --delay 0.5
"""

import argparse
import asyncio
from pathlib import Path

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import RetryConfig
from rheo_core.downloads import RetryHandler
from rheo_core.events import DownloadEventType, DownloadRetryingEvent


def on_retrying(event: DownloadRetryingEvent) -> None:
    print(f"retry {event.retry} of {event.max_retries}: {event.error.message}")


async def main(url: str, folder: Path, retries: int, delay: float) -> int:
    handler = RetryHandler(RetryConfig(max_retries=retries, base_delay=delay))
    file = FileConfig(url=url)
    async with DownloadManager(download_dir=folder, retry_handler=handler) as manager:
        manager.on(DownloadEventType.RETRYING, on_retrying)
        await manager.add([file])
        await manager.wait_until_complete()
        info = manager.get_download_info(file.id)
    assert info is not None
    print(f"{info.status}: {info.error or info.destination_path}")
    return 1 if info.error else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download a file with retries.")
    parser.add_argument("url")
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    parser.add_argument("--retries", type=int, default=3)
    parser.add_argument("--delay", type=float, default=1.0, help="first delay, seconds")
    args = parser.parse_args()
    raise SystemExit(asyncio.run(main(args.url, args.output, args.retries, args.delay)))
