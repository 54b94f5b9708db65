"""Secrets leave the disk with the downloads they belong to, also while the session is open."""

import os
import signal
from pathlib import Path

import pytest

from rheo_core.domain import DownloadStatus, FileConfig
from rheo_core.domain.tuning import Tuning
from rheo_core.downloads.session import Session
from rheo_core.infrastructure.session_store import SessionStore
from rheo_core.tracking import DownloadRecord
from tests.programs import start_program
from tests.waiting import Until

ROOT = Path(__file__).parents[2]
COUNT = 40

_ENDING = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.core.test_session_secrets import Session, end, secret_downloads

async def main():
    session = Session(Path(sys.argv[1]))
    await session.open()
    records = secret_downloads()
    await session.save_now(records)
    print("saved", flush=True)
    sys.stdin.readline()
    await end(session, records, sys.argv[2])
    print("ended", flush=True)
    await asyncio.sleep(3600)  # for the kill

asyncio.run(main())
"""


def secret_downloads() -> list[DownloadRecord]:
    return [
        DownloadRecord.of(
            FileConfig(
                url=f"https://me:CANARY-url-{n}@example.org/file-{n}?token=CANARY-token-{n}",
                mirrors=(f"https://me:CANARY-mirror-{n}@example.net/file-{n}",),
                fetch_url=f"https://example.org/file-{n}?token=CANARY-link-{n}",
                headers={"Authorization": f"Bearer CANARY-header-{n}"},
                request={"user": f"me:CANARY-login-{n}"},
            )
        )
        for n in range(COUNT)
    ]


async def end(session: Session, records: list[DownloadRecord], how: str) -> None:
    """Bring every download to its end, and off the list; `forgotten`: out of the history too."""
    for record in records:
        record.status = DownloadStatus.COMPLETED if how == "listed" else DownloadStatus(how)
        record.listed = how == "listed"
        session.note(record)
    if how != "listed":
        await session.forget([])


def canaries_in(folder: Path) -> set[str]:
    return {
        f"{path.name}: {kind}"
        for path in folder.iterdir()
        for kind in ("url", "token", "mirror", "link", "header", "login")
        if f"CANARY-{kind}".encode() in path.read_bytes()
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.db"


@pytest.mark.parametrize("how", ["completed", "skipped", "cancelled", "failed", "listed"])
@pytest.mark.halved("how")
async def test_no_copy_stays_while_the_app_runs_nor_after_a_kill(
    path: Path, until: Until, how: str
) -> None:
    process = await start_program(_ENDING, [path, how], os.environ, cwd=ROOT)
    assert process.stdout and process.stdin
    try:
        assert await process.stdout.readline() == b"saved\n"
        assert canaries_in(path.parent)
        process.stdin.write(b"\n")
        assert await process.stdout.readline() == b"ended\n"
        kept = {"session.db: url", "session.db: token"} if how == "listed" else set()
        await until(lambda: canaries_in(path.parent) == kept)  # the id comes from the URL
    finally:
        process.kill()
    assert await process.wait() == -signal.SIGKILL
    assert canaries_in(path.parent) == kept


async def test_what_a_kill_leaves_goes_when_the_session_is_opened(path: Path) -> None:
    process = await start_program(_ENDING, [path, "completed"], os.environ, cwd=ROOT)
    assert process.stdout and process.stdin
    assert await process.stdout.readline() == b"saved\n"
    process.stdin.write(b"\n")
    assert await process.stdout.readline() == b"ended\n"
    process.kill()  # at once
    await process.wait()
    session = Session(path)
    assert await session.open() == ()
    try:
        assert canaries_in(path.parent) == set()
    finally:
        await session.close()


async def test_a_reader_only_delays_it(
    path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied: list[bool] = []
    empty = SessionStore.empty_log

    def noting(store: SessionStore) -> bool:
        emptied.append(empty(store))
        return emptied[-1]

    monkeypatch.setattr(SessionStore, "empty_log", noting)
    session, records = Session(path, tuning=Tuning(session_retry_seconds=0.05)), secret_downloads()
    await session.open()
    await session.save_now(records)
    reader = SessionStore.open(path, read_only=True).store
    try:
        reader._connection.execute("BEGIN")
        reader._connection.execute("SELECT count(*) FROM downloads").fetchone()
        await end(session, records, "completed")
        await until(lambda: emptied[-2:] == [False, False])
        await session.save_now([DownloadRecord.of(FileConfig(url="https://example.org/more"))])
        assert canaries_in(path.parent)
        reader._connection.execute("COMMIT")
        await until(lambda: canaries_in(path.parent) == set())
    finally:
        reader.close()
        await session.close()


async def test_what_the_history_forgets_is_gone_from_the_disk(path: Path, until: Until) -> None:
    session = Session(path)
    await session.open()
    try:
        record = DownloadRecord.of(FileConfig(url="https://example.org/CANARY-url"))
        record.status, record.listed = DownloadStatus.COMPLETED, False
        session.note(record)
        assert await session.search("canary", 1)
        assert await session.forget([record.id]) == 1
        await until(lambda: canaries_in(path.parent) == set())
    finally:
        await session.close()
