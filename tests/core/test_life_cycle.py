"""Opening and closing of a manager, and what it does after that."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
async def test_a_session_opens_though_the_report_of_its_problems_fails(
    tmp_path: Path, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    session = tmp_path / "session.db"
    config = FileConfig(url="http://127.0.0.1:9/x")
    manager = DownloadManager(download_dir=tmp_path, session_path=session)
    await manager.open(paused=True)
    await manager.add([config])
    await manager.close()
    with closing(sqlite3.connect(session)) as connection:
        connection.execute("UPDATE downloads SET priority = 7")  # without its seal
        connection.commit()

    def fails(_: str) -> None:
        raise error

    manager = DownloadManager(download_dir=tmp_path, session_path=session, on_problem=fails)
    await manager.open(paused=True)
    assert manager.is_active
    await manager.close()
    assert "failed to report: The session session.db has damaged rows" in caplog.text
