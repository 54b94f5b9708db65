"""L07: killed while a download begins again, because the file on the server changed.

Bytes without a state are nobody's, and a later run would not touch them: at no moment may there be
such bytes of ours.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.core.engine import names_in, serving
from tests.faults.program import Home, needs_strace, strace
from tests.faults.test_part_read_back import BODY, leave_part
from tests.servers.misbehaving import MisbehavingServer

Until = Callable[..., Awaitable[None]]


@needs_strace
@pytest.mark.parametrize("call", ["openat", "rename", "unlink", "ftruncate"])
async def test_l07_killed_where_the_state_is_replaced(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until, call: str
) -> None:
    folder = tmp_path / "files"
    line = await leave_part(home, server, folder, until)
    saved = {path.name: path.read_bytes() for path in folder.iterdir()}
    server.on("/file.bin", serving(BODY, ETag='"v2"'))
    paths = [folder / name for name in ("file.bin.part", *saved, "file.bin.part.state.new")]
    watched = [option for path in paths for option in ("-P", str(path))]
    killed = 0
    for number in range(1, 6):
        kill = (*watched, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
        result = await home.rheo(*line, before=strace(*kill))
        killed += result.code not in (0, 4)
        result = await home.rheo(*line)
        assert result.code == 0, (number, result, names_in(folder))
        assert (folder / "file.bin").read_bytes() == BODY
        assert names_in(folder) == ["file.bin"], number
        (folder / "file.bin").unlink()
        for name, data in saved.items():
            (folder / name).write_bytes(data)
    assert killed
