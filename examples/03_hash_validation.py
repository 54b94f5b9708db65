"""Download a file and compare it with a checksum.

A file with another checksum never appears under its name.

    python examples/03_hash_validation.py URL sha256:9f86d081… -o downloads
"""

import argparse
import asyncio
import sys
from pathlib import Path

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.domain import HashConfig
from rheo_core.inputs import problem_of

URL = "https://www.apache.org/licenses/LICENSE-2.0.txt"
CHECKSUM = "sha256:cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


async def main(file: FileConfig, folder: Path) -> int:
    async with DownloadManager(download_dir=folder) as manager:
        await manager.add([file])
        await manager.wait_until_complete()
        info = manager.get_download_info(file.id)
    assert info is not None  # the manager knows every download that was added
    if info.status is not DownloadStatus.COMPLETED:
        print(f"{info.status}: {info.error or 'the file exists'}")
        return 1
    assert info.validation is not None
    print(f"verified: {info.destination_path} ({info.validation.algorithm})")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download a file and verify it.")
    parser.add_argument("url", nargs="?", default=URL, metavar="URL")
    parser.add_argument("checksum", nargs="?", default=CHECKSUM, metavar="ALGORITHM:HEX")
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    args = parser.parse_args()
    try:
        checksum = HashConfig.from_checksum_string(args.checksum)
        file = FileConfig(url=args.url, hash_config=checksum)
    except ValueError as error:
        sys.exit(f"{problem_of(error)}.")
    sys.exit(asyncio.run(main(file, args.output)))
