"""kill -9, hundreds of times, on `rheo download` of a large file from nginx.

    python -m tests.faults.kill_sweep --kills 500 --size 200

Each turn is one download, killed at random moments a few times in a row and then let finish. Ends
with 1 if any file was wrong, or anything but the file was left.
"""

import argparse
import asyncio
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import nginx

COMMAND = str(Path(sys.executable).with_name("rheo"))
MIB = 1 << 20
CONNECTIONS = 4
NAME = "file.bin"
_MEMORY = Path("/dev/shm")
_LONGEST_ROW = 4  # kills before a download is let finish
_PATIENCE = 300.0  # seconds for a download that is let finish


@dataclass
class Sweep:
    """Kills of a sweep, and the failures after them."""

    server: nginx.Nginx
    folder: Path
    digest: str
    wanted: int  # kills
    seconds: float  # that an undisturbed download takes
    seed: random.Random
    kills: int = 0
    files: int = 0
    turns: int = 0
    wrong: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    async def work(self) -> None:
        """Turn after turn, until there were kills enough."""
        while self.kills < self.wanted:
            self.turns += 1
            await self._turn(self.turns)
            print(f"{self.kills} of {self.wanted} kills, {self.files} files", flush=True)

    async def _turn(self, number: int) -> None:
        folder = self.folder / str(number)
        for _ in range(self.seed.randint(1, _LONGEST_ROW)):
            killed = await self._start_and_kill(folder, self.seed.uniform(0, self.seconds))
            self.kills += killed
            self._judge(folder, number)
        code = await run(self.server, folder)
        if code != 0:
            self.wrong.append(f"turn {number}: exit code {code}")
        self._judge(folder, number, is_finished=True)
        self.files += 1
        shutil.rmtree(folder, ignore_errors=True)

    async def _start_and_kill(self, folder: Path, seconds: float) -> bool:
        """Start and kill a run; return True if the kill came before its end."""
        process = await start(self.server, folder)
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            with suppress(ProcessLookupError):  # it ended in this very moment
                process.kill()
        return await process.wait() == -signal.SIGKILL

    def _judge(self, folder: Path, number: int, *, is_finished: bool = False) -> None:
        """A file of the final name is whole, whenever it is looked at."""
        final = folder / NAME
        if is_finished or final.exists():
            found = digest_of(final) if final.exists() else "nothing"
            if found != self.digest:
                self.wrong.append(f"turn {number}: {found}")
        ours = {NAME} if is_finished else {NAME, *(NAME + end for end in _SIDES)}
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
        self.orphans += [f"turn {number}: {name}" for name in sorted(names - ours)]


_SIDES = (".part", ".part.state", ".part.state.new")


async def start(server: nginx.Nginx, folder: Path) -> asyncio.subprocess.Process:
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return await asyncio.create_subprocess_exec(
        COMMAND, "download", "-q", "-x", str(CONNECTIONS), "-o", str(folder), server.url(NAME),
        env=environment | {"HOME": str(folder.parent)},
    )  # fmt: skip


async def run(server: nginx.Nginx, folder: Path) -> int:
    """A download to its end; its exit code."""
    process = await start(server, folder)
    try:
        return await asyncio.wait_for(process.wait(), _PATIENCE)
    except TimeoutError:
        process.kill()
        return await process.wait()


def digest_of(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def make_file(file: Path, size: int) -> None:
    """Bytes that no other offset repeats."""
    with file.open("wb") as data:
        for _ in range(size // MIB):
            data.write(os.urandom(MIB))


async def sweep(options: argparse.Namespace, folder: Path) -> int:
    size = options.size * MIB
    root, disk = folder / "root", folder / "disk"
    root.mkdir()
    disk.mkdir()
    make_file(root / NAME, size)
    with nginx.Nginx(root, folder, rate=size // CONNECTIONS) as server:
        began = time.monotonic()
        code = await run(server, disk / "first")
        seconds = time.monotonic() - began
        shutil.rmtree(disk / "first")
        done = Sweep(
            server,
            disk,
            digest_of(root / NAME),
            options.kills,
            seconds,
            random.Random(options.seed),
        )
        if code == 0:
            print(f"undisturbed: {seconds:.1f} s; seed {options.seed}", flush=True)
            await asyncio.gather(*(done.work() for _ in range(options.jobs)))
        else:
            done.wrong.append(f"undisturbed: exit code {code}")
    again = server.bytes_sent() - (done.files + 1) * size
    for problem in (*done.wrong, *done.orphans):
        print(problem)
    print(
        f"kills: {done.kills}, files: {done.files}, wrong files: {len(done.wrong)}, orphans: "
        f"{len(done.orphans)}, fetched again: {again / MIB:.0f} MiB "
        f"({again / MIB / max(done.kills, 1):.0f} MiB a kill)"
    )
    return 1 if done.wrong or done.orphans else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, metavar="N")
    parser.add_argument("--size", type=int, default=200, metavar="MIB", help="of the file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), metavar="N")
    options = parser.parse_args()
    if nginx.PROGRAM is None or not Path(COMMAND).exists():
        print("nginx and an installed rheo are needed", file=sys.stderr)
        return 1
    needed = (options.jobs + 2) * options.size * MIB
    is_roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 2 * needed
    with tempfile.TemporaryDirectory(dir=_MEMORY if is_roomy else None) as folder:
        return asyncio.run(sweep(options, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
