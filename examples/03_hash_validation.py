"""Download a file that must have a given checksum.

A file with another one never appears under its name: what came is thrown away.

    python examples/03_hash_validation.py URL sha256:9f86d081… -o downloads
"""

import argparse
import asyncio
from pathlib import Path

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.domain import HashConfig


async def main(url: str, checksum: HashConfig, folder: Path) -> int:
    file = FileConfig(url=url, hash_config=checksum)
    async with DownloadManager(download_dir=folder) as manager:
        await manager.add([file])
        await manager.wait_until_complete()
        info = manager.get_download_info(file.id)
    assert info is not None
    if info.status is not DownloadStatus.COMPLETED:
        print(f"{info.status}: {info.error or 'the file exists'}")
        return 1
    assert info.validation is not None
    print(f"verified: {info.destination_path} ({info.validation.algorithm})")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download a file and check it.")
    parser.add_argument("url")
    parser.add_argument("checksum", help="ALGORITHM:HEX", type=HashConfig.from_checksum_string)
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    args = parser.parse_args()
    raise SystemExit(asyncio.run(main(args.url, args.checksum, args.output)))
