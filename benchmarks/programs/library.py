"""A peer that is a Python library: `python library.py PEER LIST FOLDER WORKERS CONNECTIONS HASH`.

HASH is a SHA-256 in hexadecimal, or "". Runs in the peers' own virtual environment.
"""

import asyncio
import os
import sys
from pathlib import Path


def pypdl(urls: list[str], folder: Path, workers: int, connections: int, checksum: str) -> bool:
    """One result for each file that came."""
    from pypdl import Pypdl

    tasks = [{"url": url, "file_path": str(folder / _name(url))} for url in urls]
    done = Pypdl(max_concurrent=workers).start(
        tasks=tasks,
        multisegment=connections > 1,
        segments=connections,
        hash_algorithms="sha256" if checksum else None,
        display=False,
        block=True,
    )
    if checksum:
        return all(result.get_hash("sha256") == checksum for _, result in done)
    return len(done) == len(urls)


def parfive(urls: list[str], folder: Path, workers: int, connections: int, checksum: str) -> bool:
    """Its own list of errors."""
    from parfive import Downloader

    downloader = Downloader(max_conn=workers, max_splits=connections, progress=False)
    for url in urls:
        expected = f"sha-256={checksum}" if checksum else None
        downloader.enqueue_file(url, path=folder, filename=_name(url), checksum=expected)
    return not downloader.download().errors


def rheopy(urls: list[str], folder: Path, workers: int, connections: int, checksum: str) -> bool:
    """This project's forerunner: no segments, so `connections` says nothing to it."""
    import certifi
    from rheo import DownloadManager
    from rheo.domain.file_config import FileConfig
    from rheo.domain.hash_validation import HashConfig

    # It trusts the authorities of this package only.
    certifi.where = lambda: os.environ["SSL_CERT_FILE"]
    expected = HashConfig.from_checksum_string(f"sha256:{checksum}") if checksum else None
    configs = [FileConfig(url=url, filename=_name(url), hash_config=expected) for url in urls]

    async def run() -> bool:
        async with DownloadManager(max_concurrent=workers, download_dir=folder) as manager:
            await manager.add(configs)
            await manager.wait_until_complete()
            completed: int = manager.stats.completed
            return completed == len(configs)

    return asyncio.run(run())


def _name(url: str) -> str:
    return url.rpartition("/")[2]


if __name__ == "__main__":
    peer, list_file, folder, workers, connections, checksum = sys.argv[1:]
    run = {"pypdl": pypdl, "parfive": parfive, "rheopy": rheopy}[peer]
    urls = Path(list_file).read_text().split()
    sys.exit(not run(urls, Path(folder), int(workers), int(connections), checksum))
