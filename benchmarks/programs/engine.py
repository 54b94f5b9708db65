"""This project's engine without the command: `python engine.py LIST FOLDER …`.

Prints the seconds from the first look into the list to the last file: what it takes to start Python
and to import is left out. Settings come from `RHEO_*` variables, as for the command.
"""

import argparse
import asyncio
import cProfile
import gc
import json
import sys
import time
from pathlib import Path

from rheo_core.config import Settings, build_settings
from rheo_core.domain import FileConfig, HashConfig
from rheo_core.engine import make_manager
from rheo_core.inputs import read_entries


async def main(settings: Settings, urls: Path, checksum: str | None) -> bool:
    """Download what the list says; whether all went well."""
    with urls.open() as lines:
        configs = [entry.config for entry in read_entries(lines) if entry.config]
    if checksum is not None:
        expected = HashConfig.from_checksum_string(checksum)
        configs = [FileConfig(url=configs[0].url, hash_config=expected)]
    async with make_manager(settings) as manager:
        await manager.add(configs)
        await manager.wait_until_complete()
        return manager.stats.completed == len(configs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", type=Path, metavar="LIST")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("-w", "--workers", type=int, default=3)
    parser.add_argument("-x", "--connections", type=int, default=1)
    parser.add_argument("--hash", metavar="ALG:HEX")
    parser.add_argument("--profile", metavar="FILE", help="what cProfile sees of the main thread")
    options = parser.parse_args()
    settings = build_settings(
        download_dir=options.folder,
        max_concurrent=options.workers,
        connections=options.connections,
    )
    gc.freeze()  # as the command does: what was imported stays
    profile = cProfile.Profile()
    if options.profile:
        profile.enable()
    begin = time.monotonic()
    is_done = asyncio.run(main(settings, options.urls, options.hash))
    seconds = time.monotonic() - begin
    if options.profile:
        profile.disable()
        profile.dump_stats(options.profile)
    print(json.dumps({"seconds": seconds}))
    sys.exit(not is_done)
