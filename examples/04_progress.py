"""Show how a download gets on: percent, speed and remaining time.

Progress events come up to ten times a second, and one last when all bytes are there.

    python examples/04_progress.py URL -o downloads
"""

import argparse
import asyncio
from pathlib import Path

from rheo_core import DownloadManager, FileConfig
from rheo_core.events import DownloadEventType, DownloadProgressEvent


def show(event: DownloadProgressEvent) -> None:
    percent = event.progress_percent
    done = f"{percent:5.1f} %" if percent is not None else f"{event.bytes_downloaded} bytes"
    speed = event.speed.average_speed_bps if event.speed else 0.0
    eta = event.speed.eta_seconds if event.speed else None
    remaining = f"{eta:.0f} s left" if eta is not None else "time left unknown"
    print(f"{done}  {speed / 1e6:6.2f} MB/s  {remaining}", flush=True)


async def main(url: str, folder: Path) -> int:
    async with DownloadManager(download_dir=folder) as manager:
        manager.on(DownloadEventType.PROGRESS, show)
        await manager.add([FileConfig(url=url)])
        await manager.wait_until_complete()
        failed = manager.stats.failed
    print("failed" if failed else "done")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download a file and show its progress.")
    parser.add_argument("url")
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    args = parser.parse_args()
    raise SystemExit(asyncio.run(main(args.url, args.output)))
