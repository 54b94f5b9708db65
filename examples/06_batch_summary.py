"""Download a list of URLs and sum up what became of them.

The list has one URL a line; empty lines and lines that begin with `#` do not count.

    python examples/06_batch_summary.py urls.txt -o downloads
"""

import argparse
import asyncio
from pathlib import Path

from rheo_core import DownloadManager, DownloadStatus, FileConfig


def read_list(path: Path) -> list[FileConfig]:
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [FileConfig(url=line) for line in lines if line and not line.startswith("#")]


async def main(files: list[FileConfig], folder: Path) -> int:
    async with DownloadManager(download_dir=folder) as manager:
        await manager.add(files)
        await manager.wait_until_complete()
        infos = [manager.get_download_info(file.id) for file in files]
        stats = manager.stats
    for info in infos:
        if info is not None and info.status is DownloadStatus.FAILED:
            print(f"failed: {info.url}: {info.error}")
    print(
        f"{stats.completed} completed ({stats.completed_bytes} bytes), "
        f"{stats.skipped} skipped, {stats.failed} failed"
    )
    return 1 if stats.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download a list of URLs.")
    parser.add_argument("list", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    args = parser.parse_args()
    raise SystemExit(asyncio.run(main(read_list(args.list), args.output)))
