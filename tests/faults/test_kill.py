"""L07: killed at a write-like system call, in turn; then started again until done."""

import asyncio
import os
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.core.engine import names_in
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

STRACE = shutil.which("strace")
CALLS = "write,pwrite64,ftruncate,fdatasync,fsync,link,linkat,unlink,rename,renameat,renameat2"
BODY = body_of(1_200_000)
KILLS = int(os.environ.get("RHEO_TEST_KILLS", "24"))
"""How many of the calls are tried, evenly spread; a large number tries every one."""

PROGRAM = """
import asyncio, sys
from pathlib import Path
from rheo_core import DownloadManager, FileConfig
from rheo_core.transfer import crew

crew._CHECKPOINT_SECONDS = crew._WORTH_SECONDS = 0.0
crew._JOIN_AFTER = 0.01

async def main(folder, url):
    async with DownloadManager(
        download_dir=folder / "files",
        session_path=folder / "session.db",
        connections=3,
        chunk_size=65536,
    ) as manager:
        await manager.add([FileConfig(url=url)])
        await manager.wait_until_complete()
        # Skipped: the file got its name, and the kill came before the session knew.
        return manager.stats.completed + manager.stats.skipped

sys.exit(0 if asyncio.run(main(Path(sys.argv[1]), sys.argv[2])) == 1 else 1)
"""

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")


async def paced(exchange: Exchange) -> None:
    """A good server on a line that takes its time."""
    start, end = exchange.request.range_start or 0, exchange.request.range_end or len(BODY)
    if exchange.request.range_start is None:
        await exchange.head(Content_Length=len(BODY), ETag='"v1"')
    else:
        await exchange.head(
            "206 Partial Content",
            Content_Range=f"bytes {start}-{end - 1}/{len(BODY)}",
            Content_Length=end - start,
            ETag='"v1"',
        )
    for offset in range(start, end, 40_000):
        await exchange.send(BODY[offset : min(offset + 40_000, end)])
        await asyncio.sleep(0.004)  # the pace of the line, not a wait of the test


async def run(folder: Path, url: str, *strace: str) -> int:
    """Run the program, under strace where its options are given; return its exit code."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith("COVERAGE")}
    environment |= {"PYTHONPATH": os.getcwd(), "PYTHONDONTWRITEBYTECODE": "1"}  # noqa: PTH109
    process = await asyncio.create_subprocess_exec(
        *strace, sys.executable, "-c", PROGRAM, str(folder), url,
        env=environment, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, told = await asyncio.wait_for(process.communicate(), 60)
    assert b"Traceback" not in told, told.decode()
    assert process.returncode is not None
    return process.returncode


async def count_calls(folder: Path, url: str, log: Path) -> int:
    """How many of the calls the busiest thread of a whole run makes: strace counts by thread."""
    assert STRACE is not None
    assert await run(folder, url, STRACE, "-f", "-qq", "-o", str(log), "-e", f"trace={CALLS}") == 0
    lines = (line for line in log.read_text().splitlines() if "resumed>" not in line)
    return max(Counter(line.split()[0] for line in lines).values())


@pytest.mark.parametrize("half", [0, 1])  # two tests, so that two cores can share the work
async def test_l07_killed_at_every_step(
    server: MisbehavingServer, tmp_path: Path, half: int
) -> None:
    url = server.on("/file.bin", paced)
    calls = await count_calls(tmp_path / "count", url, tmp_path / "log")
    steps = sorted({1 + index * calls // KILLS for index in range(half, KILLS, 2)})
    killed = 0
    for step in steps:
        folder = tmp_path / str(step)
        inject = ("-e", f"trace={CALLS}", "-e", f"inject={CALLS}:signal=KILL:when={step}")
        assert STRACE is not None
        code = await run(folder, url, STRACE, "-f", "-qq", "-o", os.devnull, *inject)
        assert code in (0, -signal.SIGKILL, 128 + signal.SIGKILL)
        killed += code != 0
        final = folder / "files" / "file.bin"
        if final.exists():
            assert final.read_bytes() == BODY, f"a wrong file after a kill at call {step}"
        assert await run(folder, url) == 0, f"not done after a kill at call {step}"
        assert final.read_bytes() == BODY, f"wrong bytes after a kill at call {step}"
        assert names_in(folder / "files") == ["file.bin"], f"orphans after a kill at call {step}"
    assert killed > len(steps) // 2
