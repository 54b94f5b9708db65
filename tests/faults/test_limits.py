"""L17, L19: an open umask, few descriptors, little memory, no processor to speak of."""

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from rheo_core.config import Settings
from rheo_core.config.store import save_settings
from tests.core.engine import names_in, serving
from tests.faults.disk import kept_so_far
from tests.faults.program import COMMAND, HASTE, WITH_SESSION, Home, ended
from tests.programs import limited
from tests.servers.misbehaving import V1, MisbehavingServer, body_of
from tests.servers.scenarios import Tap, paced
from tests.waiting import Until

BODY = body_of(1_200_000)
FIRST = 6 * 65536
PRIVATE = 0o600


def modes_in(folder: Path) -> dict[str, int]:
    modes = {}
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # the new state has replaced it
            modes[path.name] = stat.S_IMODE(path.stat().st_mode)
    return modes


@pytest.mark.parametrize(("umask", "ordinary"), [(0, 0o666), (0o027, 0o640)])
async def test_l17_nobody_else_reads_what_we_keep(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until, umask: int, ordinary: int
) -> None:
    tap, folder, state = Tap(BODY, FIRST, **V1), tmp_path / "files", tmp_path / "state"
    url = server.on("/file.bin", tap)
    process = await home.start(
        HASTE + WITH_SESSION, folder, url, preexec_fn=lambda: os.umask(umask)
    )
    part = folder / "file.bin.part"
    await until(lambda: kept_so_far(part) >= FIRST - 65536)  # it was renamed more than once
    modes = modes_in(folder)
    assert modes.pop(part.name) == ordinary
    assert f"{part.name}.state" in modes and set(modes.values()) == {PRIVATE}
    lists = ("session.db", "session.db-wal", "session.db-shm", "session.lock", "session.tally")
    assert modes_in(state) == dict.fromkeys(lists, PRIVATE)
    tap.opened.set()
    assert (await ended(process)).code == 0
    assert modes_in(folder) == {"file.bin": ordinary}
    assert set(modes_in(state).values()) == {PRIVATE}


def test_l17_the_settings(tmp_path: Path) -> None:
    path, before = tmp_path / "rheo" / "settings.toml", os.umask(0)
    try:
        for connections in (2, 3):
            save_settings(Settings(connections=connections), path)
            assert modes_in(path.parent) == {path.name: PRIVATE}
    finally:
        os.umask(before)


def many(server: MisbehavingServer, count: int, body: bytes) -> list[str]:
    return [
        server.on(f"/{number}.bin", paced(body, 100_000, ETag=f'"{number}"'))
        for number in range(count)
    ]


def check_all(folder: Path, count: int, body: bytes) -> None:
    assert names_in(folder) == sorted(f"{number}.bin" for number in range(count))
    assert all(path.read_bytes() == body for path in folder.iterdir())


@pytest.mark.parametrize("limit", [24, 64])
async def test_l19_few_descriptors(
    server: MisbehavingServer, home: Home, tmp_path: Path, limit: int
) -> None:
    """More at once than there are descriptors: they wait for each other."""
    urls, folder = many(server, 24, BODY), tmp_path / "files"
    line = ("download", *urls, "-o", folder, "-w", 24, "-x", 4, "--retries", 1)
    few = limited(resource.RLIMIT_NOFILE, limit)
    result = await home.run(HASTE + COMMAND, *line, within=few)
    assert result.code == 0, result
    check_all(folder, 24, BODY)


MEMORY = 128 << 20


@contextmanager
def memory_group() -> Iterator[Path]:
    """A control group whose processes may use so much memory in all; the test skips without."""
    own = dict(entry.split(":")[1:] for entry in Path("/proc/self/cgroup").read_text().splitlines())
    for root, own_path, name in (
        ("/sys/fs/cgroup/memory", own.get("memory"), "memory.limit_in_bytes"),
        ("/sys/fs/cgroup", own.get(""), "memory.max"),
    ):
        group = Path(f"{root}{own_path}") / f"rheo-test-{os.getpid()}"
        with suppress(OSError), ExitStack() as stack:
            group.mkdir()
            stack.callback(group.rmdir)
            (group / name).write_text(str(MEMORY))
            stack.pop_all()
            break
    else:
        pytest.skip("no control group for memory can be made")
    try:
        yield group
    finally:
        group.rmdir()


async def test_l19_little_memory(server: MisbehavingServer, home: Home, tmp_path: Path) -> None:
    body = body_of(24_000_000)
    urls = [server.on(f"/{number}.bin", serving(body, ETag='"v1"')) for number in range(8)]
    line = ("download", *urls, "-o", tmp_path / "files", "-w", 8)
    with memory_group() as group:

        def join() -> None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

        result = await home.rheo(*line, preexec_fn=join)
    assert result.code == 0, result
    check_all(tmp_path / "files", 8, body)


@contextmanager
def busy_processor() -> Iterator[int]:
    """A processor with something else to do, always."""
    number = min(os.sched_getaffinity(0))
    busy = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(busy, preexec_fn=lambda: os.sched_setaffinity(0, {number})) as process:
        try:
            yield number
        finally:
            process.kill()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors cannot be chosen")
async def test_l19_a_busy_processor(server: MisbehavingServer, home: Home, tmp_path: Path) -> None:
    urls, folder = many(server, 4, BODY), tmp_path / "files"
    with busy_processor() as number:

        def last_in_line(pid: int) -> None:
            os.sched_setaffinity(pid, {number})
            os.setpriority(os.PRIO_PROCESS, pid, 5)

        result = await home.rheo("download", *urls, "-o", folder, within=last_in_line)
    assert result.code == 0, result
    check_all(folder, 4, BODY)
