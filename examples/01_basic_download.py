"""Download files and print where they are.

python examples/01_basic_download.py https://example.org/file.zip -o downloads
"""

import argparse
import asyncio
import sys
from pathlib import Path

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.inputs import problem_of

URLS = ["https://www.rfc-editor.org/rfc/rfc9110.txt"]


async def main(files: list[FileConfig], folder: Path) -> int:
    async with DownloadManager(download_dir=folder) as manager:
        await manager.add(files)
        await manager.wait_until_complete()
        infos = [manager.get_download_info(file.id) for file in files]
    for info in infos:
        assert info is not None  # the manager knows every download that was added
        if info.status is DownloadStatus.FAILED:
            print(f"failed: {info.url}: {info.error}")
        else:
            print(f"{info.status}: {info.destination_path} ({info.bytes_downloaded} bytes)")
    return 1 if manager.stats.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download files.")
    parser.add_argument("urls", nargs="*", default=URLS, metavar="URL")
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    args = parser.parse_args()
    try:
        files = [FileConfig(url=url) for url in args.urls]
    except ValueError as error:
        sys.exit(f"{problem_of(error)}.")
    sys.exit(asyncio.run(main(files, args.output)))
