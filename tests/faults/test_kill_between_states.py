"""L07: killed between two notes that belong together.

A download begins again, because the file on the server changed: bytes without a state are nobody's,
and a later run would not touch them. At no moment may there be such bytes of ours.

A file has its final name, and the session does not know yet.
"""

import signal
from pathlib import Path

import pytest

from rheo_core import DownloadManager
from rheo_core.domain import DownloadStatus
from tests.core.engine import names_in, serving
from tests.faults.program import LIMIT, WITH_SESSION, Home, needs_strace, strace
from tests.faults.test_kill import code_after
from tests.faults.test_part_read_back import BODY, leave_part
from tests.servers.misbehaving import MisbehavingServer
from tests.waiting import Until


@needs_strace
@pytest.mark.parametrize("call", ["openat", "rename", "unlink", "ftruncate"])
@pytest.mark.halved("call")
async def test_l07_killed_where_the_state_is_replaced(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until, call: str
) -> None:
    folder = tmp_path / "files"
    line = await leave_part(home, server, folder, until)
    saved = {path.name: path.read_bytes() for path in folder.iterdir()}
    server.on("/file.bin", serving(BODY, ETag='"v2"'))
    paths = [folder / name for name in ("file.bin.part", *saved, "file.bin.part.state.new")]
    watched = [option for path in paths for option in ("-P", str(path))]
    killed, log = 0, tmp_path / "log"
    for number in range(1, 6):
        kill = (*watched, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
        result = await home.rheo(*line, before=strace(*kill, log=log))
        assert result.code == code_after((call, number), log), (number, result)
        killed += result.code != 0
        result = await home.rheo(*line)
        assert result.code == 0, (number, result, names_in(folder))
        assert (folder / "file.bin").read_bytes() == BODY
        assert names_in(folder) == ["file.bin"], number
        (folder / "file.bin").unlink()
        for name, data in saved.items():
            (folder / name).write_bytes(data)
    assert killed


KILLED_AFTER_THE_COMMIT = """
import os, signal
real = os.link
def link(source, target, **options):
    real(source, target, **options)
    if str(target).endswith("/file.bin"):
        os.kill(os.getpid(), signal.SIGKILL)
os.link = link
"""


@pytest.mark.parametrize("size", [100_000, len(BODY)])
async def test_l07_killed_between_the_commit_and_the_note_of_the_session(
    server: MisbehavingServer, home: Home, tmp_path: Path, size: int
) -> None:
    """The next start finds the file, which is right, and skips it."""
    folder, url = tmp_path / "files", server.on("/file.bin", serving(BODY[:size]))
    result = await home.run(KILLED_AFTER_THE_COMMIT + WITH_SESSION, folder, url)
    assert result.code == -signal.SIGKILL, result
    assert (folder / "file.bin").read_bytes() == BODY[:size]
    session = tmp_path / "state" / "session.db"
    async with DownloadManager(download_dir=folder, session_path=session) as manager:
        await manager.wait_until_complete(LIMIT)
        (row,) = manager.snapshot().downloads
        assert (row.status, row.reason) == (DownloadStatus.SKIPPED, "file exists")
    assert (folder / "file.bin").read_bytes() == BODY[:size]
    assert names_in(folder) == ["file.bin"]
    assert len(server.requests) == 1
