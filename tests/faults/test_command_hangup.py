"""L20: the window of `rheo download` is closed (SIGHUP): what came is kept, as with SIGTERM."""

import signal
from pathlib import Path

import pytest

from tests.faults.disk import check_kept
from tests.faults.program import COMMAND, Home, ended, has_received
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.scenarios import Tap

BODY = body_of(1_200_000)
FIRST = 6 * 65536


@pytest.mark.skipif(
    signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="run under nohup, as the command is"
)
async def test_l20_hang_up(server: MisbehavingServer, home: Home, tmp_path: Path) -> None:
    tap = Tap(BODY, FIRST, ETag='"v1"')
    part = tmp_path / "files" / "file.bin.part"
    process = await home.start(
        COMMAND, "download", server.on("/file.bin", tap), "-o", tmp_path / "files", "--json"
    )
    await has_received(process, FIRST)
    process.send_signal(signal.SIGHUP)
    result = await ended(process)
    assert result.code == 128 + signal.SIGHUP
    assert check_kept(part.with_suffix(""), BODY) == FIRST
