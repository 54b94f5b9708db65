"""Killed at a write-like system call of a repair, in turn; then started again until done."""

import hashlib
from pathlib import Path

import pytest

from tests.core.engine import names_in, sha256
from tests.effort import effort
from tests.faults.program import (
    CALLS,
    COMMAND,
    HASTE,
    ONE_THREAD,
    Ended,
    Home,
    needs_strace,
    strace,
)
from tests.faults.test_kill import code_after, kill_at, some_steps
from tests.servers.misbehaving import Headers, MisbehavingServer, body_of
from tests.servers.scenarios import damaged, paced

BODY = body_of(1_200_000)
LENGTH = 50_000
SPOILT = damaged(BODY, (120_000, 120_001), (500_000, 640_000), (1_199_999, 1_200_000))
KILLS = effort("KILLS", 24)
PROGRAM = HASTE + ONE_THREAD + COMMAND


def metalink(*urls: str) -> str:
    hashes = (
        hashlib.sha1(BODY[at : at + LENGTH]).hexdigest() for at in range(0, len(BODY), LENGTH)
    )
    pieces = "".join(f"<hash>{digest}</hash>" for digest in hashes)
    links = "".join(f'<url priority="{at}">{url}</url>' for at, url in enumerate(urls, 1))
    return (
        f'<metalink><file name="file.bin"><size>{len(BODY)}</size>'
        f'<pieces length="{LENGTH}" type="sha-1">{pieces}</pieces>{links}</file></metalink>'
    )


@needs_strace
@pytest.mark.parametrize("etag", ['"of the mirror"', None])
async def test_killed_at_every_step_of_a_repair(
    server: MisbehavingServer, home: Home, tmp_path: Path, etag: str | None
) -> None:
    """The first source is damaged, the mirror is good; whatever happens, so is the file."""
    headers: Headers = {} if etag is None else {"ETag": etag}
    own = server.on("/file.bin", paced(SPOILT, ETag='"v1"'))
    mirror = server.on("/m/file.bin", paced(BODY, **headers))
    links = tmp_path / "file.meta4"
    links.write_text(metalink(own, mirror))

    async def run(folder: Path, *before: str) -> Ended:
        line = ("download", "-i", links, "-o", folder, "-x", 3)
        return await home.run(PROGRAM, *line, before=before)

    log = tmp_path / "log"
    whole = await run(tmp_path / "count", *strace("-e", f"trace={CALLS}", log=log))
    assert whole.code == 0 and "repairing" in whole.err, whole
    killed, steps = 0, some_steps(log, KILLS // 3)
    for step in steps:
        folder = tmp_path / "-".join(map(str, step))
        result = await run(folder, *kill_at(step, log))
        assert result.code == code_after(step, log), (step, result)
        killed += result.code != 0
        final = folder / "file.bin"
        if final.exists():
            assert sha256(final.read_bytes()) == sha256(BODY), f"wrong after a kill at {step}"
        result = await run(folder)
        assert result.code == 0, f"not done after a kill at {step}: {result}"
        assert sha256(final.read_bytes()) == sha256(BODY), f"wrong after a kill at {step}"
        assert names_in(folder) == ["file.bin"], f"orphans after a kill at {step}"
    assert killed > len(steps) // 4
