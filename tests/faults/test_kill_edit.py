"""L07: killed while an edit moves a part file to another name or folder.

The part file and the row of the session cannot change at once. Whichever row is left, it finds the
bytes, and the other name is removed.
"""

import shutil
from pathlib import Path

import pytest

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from tests.core.engine import Gate, serving, status_of
from tests.effort import effort
from tests.faults.program import CALLS, LIMIT, ONE_THREAD, Home, needs_strace, strace
from tests.faults.test_kill import code_after, kill_at, steps_in
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.shared_key import share_key
from tests.waiting import Until

BODY = body_of(1_200_000)
SEEN = 700_000
HEADERS = {
    "etag": {"ETag": '"v1"'},
    "date": {
        "Last_Modified": "Mon, 02 Nov 2020 08:00:00 GMT",
        "Date": "Mon, 30 Nov 2026 08:00:00 GMT",
    },
}
EVERY = effort("KILLS", 24) > 100
"""Try all calls. Otherwise, of the kind that the session makes most, only some."""

OPENED = """
IS_PAUSED = False
import asyncio, sys
from pathlib import Path
from rheo_core import DownloadManager
from rheo_core.domain.exceptions import DestinationError
from rheo_core.infrastructure.session_errors import SessionStoreError

async def run(folder, *arguments):
    session = Path(folder, "state", "session.db")
    manager = DownloadManager(download_dir=Path(folder, "files"), session_path=session)
    await manager.open(paused=IS_PAUSED)
    await work(manager, *arguments)
    await manager.close()

def main():
    try:
        asyncio.run(run(*sys.argv[1:]))
    except SessionStoreError as error:
        sys.exit(str(error))
"""
EDIT = (
    OPENED
    + """
IS_PAUSED = True  # no attempt begins meanwhile

async def work(manager, download_id, filename, subdir):
    config = await manager.find_config(download_id)
    update = {"filename": filename or None, "destination_subdir": subdir or None}
    try:
        await manager.edit(download_id, config.model_copy(update=update))
    except DestinationError as error:
        print(error)
main()
"""
)
FINISH = (
    OPENED
    + """
async def work(manager):
    ids = [row.id for row in manager.snapshot().downloads]
    for download_id in ids:
        await manager.retry(download_id)
    await manager.resume_all()
    await manager.wait_until_complete()
    print(len(ids), *(row.status.value for row in manager.snapshot().downloads))
main()
"""
)


def files_in(folder: Path) -> list[str]:
    base = folder / "files"
    return sorted(path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file())


async def begun(
    server: MisbehavingServer,
    folder: Path,
    until: Until,
    status: DownloadStatus,
    headers: dict[str, str],
) -> FileConfig:
    """Leave a session with a download that has some of its bytes."""

    async def breaking(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(BODY), Accept_Ranges="bytes", **headers)
        await exchange.send(BODY[:SEEN])
        await exchange.close()

    gate = Gate(BODY, SEEN, **headers)
    is_failed = status is DownloadStatus.FAILED
    config = FileConfig(url=server.on("/f.bin", breaking if is_failed else gate))
    async with DownloadManager(
        download_dir=folder / "files",
        session_path=folder / "state" / "session.db",
        connections=1,
        retry_handler=None,
    ) as manager:
        await manager.add([config])
        if is_failed:
            await manager.wait_until_complete(LIMIT)
        else:
            await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == SEEN)
            await manager.pause(config.id)
            gate.opened.set()
        assert status_of(manager, config) is status
    assert files_in(folder) == ["f.bin.part", "f.bin.part.state"]
    server.on("/f.bin", serving(BODY, **headers))
    return config


@needs_strace
@pytest.mark.parametrize("validator", HEADERS)
@pytest.mark.parametrize(
    ("filename", "subdir"), [("other.bin", ""), ("", "sub"), ("other.bin", "sub")]
)
@pytest.mark.parametrize("status", [DownloadStatus.PAUSED, DownloadStatus.FAILED])
@pytest.mark.halved("validator", "status")
async def test_l07_killed_while_an_edit_moves_the_bytes(
    server: MisbehavingServer,
    home: Home,
    tmp_path: Path,
    until: Until,
    status: DownloadStatus,
    filename: str,
    subdir: str,
    validator: str,
) -> None:
    share_key(home.path / "state")
    saved, folder, log = tmp_path / "saved", tmp_path / "folder", tmp_path / "log"
    config = await begun(server, folder, until, status, HEADERS[validator])
    folder.rename(saved)
    target = str(Path(subdir, filename or "f.bin"))

    def restore() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(saved, folder)  # with marks

    restore()
    edit = (ONE_THREAD + EDIT, folder, config.id, filename, subdir)
    whole = await home.run(*edit, before=strace("-e", f"trace={CALLS}", log=log))
    assert whole.code == 0, whole.err
    assert files_in(folder) == [f"{target}.part", f"{target}.part.state"]
    steps = steps_in(log)
    kinds = {call for call, _ in steps}
    assert {"linkat", "unlink", "rename"} <= kinds
    names_after = set[str]()
    for call, number in steps:
        if not (EVERY or call in ("linkat", "link", "unlink", "rename") or number % 12 == 0):
            continue
        restore()
        killed = await home.run(*edit, before=kill_at((call, number), log))
        assert killed.code == code_after((call, number), log), (call, number, killed)
        asked = len(server.requests)
        result = await home.run(FINISH, folder)
        assert (result.code, result.err) == (0, ""), (call, number, result)
        assert result.out.split() == ["1", "completed"], (call, number, result)
        (name,) = files_in(folder)
        assert (folder / "files" / name).read_bytes() == BODY, (call, number)
        starts = [request.range_start for request in server.requests[asked:]]
        assert starts and all(starts), f"fetched again after a kill at {call} {number}: {starts}"
        names_after.add(name)
    assert names_after == {"f.bin", target}  # kills before the row was saved, and after it


@needs_strace
@pytest.mark.parametrize("number", range(1, 40, 3))  # from the opening of the session on
async def test_nothing_is_renamed_while_the_session_has_no_room(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until, number: int
) -> None:
    """Only SQLite writes at offsets here, so the part file moves, but its row stays the old one.

    Otherwise the next attempt would end the move, and a later crash would lose the bytes.
    """
    share_key(home.path / "state")
    folder, log = tmp_path / "folder", tmp_path / "log"
    config = await begun(server, folder, until, DownloadStatus.PAUSED, HEADERS["etag"])
    full = strace("-e", f"inject=pwrite64:error=ENOSPC:when={number}+", log=log)
    edit = await home.run(ONE_THREAD + EDIT, folder, config.id, "other.bin", "sub", before=full)
    if "the list cannot be saved" in edit.out:
        assert files_in(folder) == ["f.bin.part", "f.bin.part.state"]
    else:  # the session could not be opened, or all of it was written before
        assert not edit.out
    asked = len(server.requests)
    result = await home.run(FINISH, folder)
    assert (result.code, result.err, result.out.split()) == (0, "", ["1", "completed"])
    (name,) = files_in(folder)
    assert (folder / "files" / name).read_bytes() == BODY
    assert [request.range_start for request in server.requests[asked:]] == [SEEN]
