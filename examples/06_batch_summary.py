"""Download many files and print a summary.

A list has one URL a line, or any other format of docs/INPUTS.md.

    python examples/06_batch_summary.py URL [URL ...] --list urls.txt -o downloads
"""

import argparse
import asyncio
import sys
from pathlib import Path

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.inputs import Entry, Verdict, read_entries, read_entries_file

URLS = [f"https://www.rfc-editor.org/rfc/rfc{number}.txt" for number in (9110, 9111, 9112)]


async def read(urls: list[str], list_path: Path | None) -> list[Entry]:
    entries = list(read_entries(urls))
    if list_path is not None:
        entries += await read_entries_file(list_path)
    return entries


async def main(files: list[FileConfig], folder: Path) -> int:
    async with DownloadManager(download_dir=folder, max_concurrent=8) as manager:
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
    parser = argparse.ArgumentParser(description="Download many files and sum up.")
    parser.add_argument("urls", nargs="*", metavar="URL")
    parser.add_argument("-l", "--list", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("downloads"))
    args = parser.parse_args()
    try:
        entries = asyncio.run(read(args.urls or ([] if args.list else URLS), args.list))
    except OSError as error:
        sys.exit(f"{args.list}: {error.strerror}.")
    problems = [entry for entry in entries if entry.verdict is Verdict.INVALID]
    for entry in problems:
        print(f"line {entry.line}: {entry.problem}.", file=sys.stderr)
    files = list({entry.config.id: entry.config for entry in entries if entry.config}.values())
    sys.exit(asyncio.run(main(files, args.output)) or bool(problems))
