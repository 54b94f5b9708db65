"""Download one file and say where it went.

The manager closes its connections at the end of the block.

    python examples/01_basic.py https://example.com/file.zip -o downloads
"""

import argparse
import asyncio
from pathlib import Path

from rheo_core import DownloadManager, DownloadStatus, FileConfig


async def main(url: str, folder: Path) -> int:
    file = FileConfig(url=url)
    async with DownloadManager(download_dir=folder) as manager:
        await manager.add([file])
        await manager.wait_until_complete()
        info = manager.get_download_info(file.id)
    assert info is not None  # the default tracker knows every download that was added
    if info.status is DownloadStatus.FAILED:
        print(f"failed: {info.error}")
        return 1
    print(f"{info.status}: {info.destination_path} ({info.bytes_downloaded} bytes)")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download one file.")
    parser.add_argument("url")
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    args = parser.parse_args()
    raise SystemExit(asyncio.run(main(args.url, args.output)))
