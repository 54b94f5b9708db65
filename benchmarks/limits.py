"""Exactness and cost of speed limits: `python -m benchmarks.limits`.

Each case fetches from a local nginx for ten seconds, over as many connections as it says, and is
then compared with what the limits allow; the CPU time is that of the process, its threads included.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain.hosts import HostLimits

from .server import Server
from .works import MIB, Work

_SECONDS = 10.0
_FILE = Work("limits", "a file that ten seconds do not suffice for", 1, 1024 * MIB)


@dataclass(frozen=True, slots=True)
class Case:
    """Some limits, bytes/s; the lowest one is `allowed`."""

    title: str
    allowed: int
    total: int | None = None
    host: int | None = None
    each: int | None = None  # download
    downloads: int = 1
    connections: int = 1  # for each of them


_CASES = [
    Case("500 kB/s, 1 connection", 500_000, total=500_000),
    Case("2 MB/s, 1 connection", 2_000_000, total=2_000_000),
    Case("2 MB/s, 16 downloads", 2_000_000, total=2_000_000, downloads=16),
    Case("2 MB/s, 1 download, 16 connections", 2_000_000, total=2_000_000, connections=16),
    Case("50 MB/s, 1 connection", 50_000_000, total=50_000_000),
    Case("50 MB/s, 4 downloads of 4", 50_000_000, total=50_000_000, downloads=4, connections=4),
    Case("host 2 MB/s, total 10 MB/s, 16 downloads", 2_000_000, 10_000_000, 2_000_000, None, 16),
    Case("each 500 kB/s, host 20 MB/s, total 10 MB/s, 16 downloads",
         8_000_000, 10_000_000, 20_000_000, 500_000, 16),
]  # fmt: skip


async def measure(case: Case, url: str, folder: Path) -> tuple[float, float]:
    """Received against allowed, and CPU seconds a second."""
    hosts = {"127.0.0.1": HostLimits(speed_limit_bps=case.host)} if case.host else {}
    async with DownloadManager(
        download_dir=folder,
        max_concurrent=case.downloads,
        connections=case.connections,
        connections_per_host=64,
        speed_limit_bps=case.total,
        hosts=hosts,
    ) as manager:
        files = [
            FileConfig(url=url, filename=f"{number}.bin", speed_limit=case.each)
            for number in range(case.downloads)
        ]
        await manager.add(files)
        await _first_byte(manager)
        began, cpu, before = time.monotonic(), time.process_time(), _received(manager)
        await asyncio.sleep(_SECONDS)
        seconds = time.monotonic() - began
        received = _received(manager) - before
        cpu = (time.process_time() - cpu) / seconds
        for config in files:
            await manager.cancel(config.id)
    return received / (case.allowed * seconds), cpu


async def _first_byte(manager: DownloadManager) -> None:
    while not _received(manager):  # noqa: ASYNC110 (nobody tells)
        await asyncio.sleep(0.001)


def _received(manager: DownloadManager) -> int:
    return sum(record.stats.transferred for record in manager.tracker.records())


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name, Server(Path(name)) as server:
        server.offer(_FILE)
        url = server.url(_FILE, _FILE.names[0])
        for case in _CASES:
            folder = Path(name) / "fetched"
            ratio, cpu = asyncio.run(measure(case, url, folder))
            print(f"{case.title:60} {ratio - 1:+7.2%}  CPU {cpu:6.1%}", flush=True)


if __name__ == "__main__":
    main()
