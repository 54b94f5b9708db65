"""`rheo list`: the list of the app, read while the app writes it."""

import asyncio
import json
import os
import shlex
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain.text import printable
from rheo_core.events import DownloadEventType
from rheo_core.infrastructure import session_schema
from scripts.command_docs import list_schema
from tests.cli.conftest import Run
from tests.core.engine import serving
from tests.core.stored import opened, row
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.untouched import file_state
from tests.waiting import Until

BODY = body_of(300_000)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return tmp_path / "session" / "session.db"


@pytest.fixture
async def app(
    server: MisbehavingServer, session: Path, tmp_path: Path, until: Until
) -> AsyncIterator[DownloadManager]:
    """An engine that runs, with one download done, one failed and one paused."""
    manager = DownloadManager(download_dir=tmp_path / "out", session_path=session)
    ended: list[object] = []
    manager.on(DownloadEventType.COMPLETED, ended.append)
    manager.on(DownloadEventType.FAILED, ended.append)
    await manager.open()
    urls = [
        server.on("/big%20file.iso", serving(BODY)),
        f"{server.url('/gone.zip')}?token=c4nary",
        server.on("/later.pdf", serving(BODY)),
    ]
    paused = FileConfig(url=urls[2], start_at=time.time() + 3600)
    await manager.add([paused, *(FileConfig(url=url) for url in urls[:2])])
    await manager.pause(paused.id)
    await until(lambda: len(ended) == 2)
    await manager.history()  # writes what is not written yet
    yield manager
    await manager.close()


def names(out: str) -> list[str]:
    return [json.loads(line)["name"] for line in out.splitlines()]


async def test_the_list_is_read_while_the_engine_runs(
    app: DownloadManager, session: Path, rheo: Run, server: MisbehavingServer, until: Until
) -> None:
    log = session.with_name("session.db-wal")
    await until(lambda: not log.stat().st_size)  # the writer has written it back
    before = session.read_bytes()
    done = await rheo("list", "--session", session)
    assert (done.code, done.err) == (0, "")
    head, *rows = done.out.splitlines()
    assert head.split() == ["ID", "STATUS", "DONE", "SIZE", "NAME"]
    assert sorted(row.split()[1] for row in rows) == ["done", "failed", "paused"]
    assert "gone.zip  (HTTP 404 Not Found)" in done.out
    assert session.read_bytes() == before
    later = FileConfig(url=server.on("/more.bin", serving(BODY)))  # the writer goes on
    await app.add([later])
    assert names((await rheo("list", "more", "--json", "--session", session)).out) == ["more.bin"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["status:failed"], ["gone.zip"]),
        (["size>1k", "!status:paused"], ["big file.iso"]),
        (['name:"big file" or status:paused'], ["later.pdf", "big file.iso"]),
        (["host:other.org"], []),
    ],
)
async def test_a_filter_chooses(
    app: DownloadManager, session: Path, rheo: Run, words: list[str], expected: list[str]
) -> None:
    done = await rheo("list", *words, "--json", "--session", session)
    assert (done.code, done.err) == (0, "")
    assert sorted(names(done.out)) == sorted(expected)


async def test_lines_of_json_fit_the_schema_and_hold_no_secret(
    app: DownloadManager, session: Path, rheo: Run
) -> None:
    done = await rheo("list", "--json", "--session", session)
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert len(lines) == 3
    for line in lines:
        jsonschema.validate(line, json.loads(list_schema()))
    assert "c4nary" not in done.out and "token=***" in done.out


async def test_nothing_matches(app: DownloadManager, session: Path, rheo: Run) -> None:
    done = await rheo("list", "nothing-like-this", "--session", session)
    assert (done.code, done.out, done.err) == (0, "", "rheo: no download matches.\n")


async def test_a_mistake_in_a_filter_is_shown_at_its_character(rheo: Run, session: Path) -> None:
    done = await rheo("list", "size>1g", "status:fooo", "--session", session)
    assert (done.code, done.out) == (2, "")
    text, arrow, sentence = done.err.splitlines()
    assert text[arrow.index("^") :] == "fooo"
    assert "invalid filter at character 16: “fooo” is not valid" in sentence


async def test_without_a_session_the_list_is_empty(rheo: Run) -> None:
    done = await rheo("list")
    assert (done.code, done.out) == (0, "")
    assert "the app has no downloads yet" in done.err and len(done.err.splitlines()) == 1


async def test_a_session_that_is_missing_or_foreign(rheo: Run, session: Path) -> None:
    assert (await rheo("list", "--session", session)).code == 2
    session.parent.mkdir()
    session.write_bytes(b"something else")
    done = await rheo("list", "--session", session)
    assert done.code == 2 and str(session) in done.err
    assert session.read_bytes() == b"something else"


@pytest.mark.parametrize("kind", ["name", "link", "loop"])
async def test_a_session_that_nobody_can_reach_is_named(
    rheo: Run, tmp_path: Path, kind: str
) -> None:
    session = tmp_path / "s.db"
    if kind == "name":
        session = tmp_path / ("n" * 300)
    else:
        session.symlink_to("n" * 300 if kind == "link" else session)
    done = await rheo("list", "--session", str(session))
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert str(tmp_path) in done.err


async def test_a_fifo_is_refused_at_once(rheo: Run, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    result = await rheo("list", "--session", str(fifo))
    assert result.code == 2
    assert "it is not a regular file" in result.err


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["FIFO", "link", "text"])
async def test_a_foreign_file_beside_a_session_is_left_alone(
    app: DownloadManager, session: Path, rheo: Run, suffix: str, kind: str
) -> None:
    await app.close()
    side = session.with_name(f"session.db{suffix}")
    side.unlink(missing_ok=True)
    if kind == "FIFO":
        os.mkfifo(side)
    elif kind == "link":
        side.symlink_to("nowhere")
    elif suffix == "-journal":  # the others, SQLite reads without removing them
        side.write_text("of another program")
    else:
        return
    before = file_state(side)
    done = await rheo("list", "--session", str(session))
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert side.name in done.err
    assert file_state(side) == before


async def test_an_older_session_is_not_migrated(
    app: DownloadManager, session: Path, rheo: Run
) -> None:
    await app.close()
    with closing(sqlite3.connect(session)) as connection:
        connection.execute(f"PRAGMA user_version = {len(session_schema.MIGRATIONS) - 1}")
    before = session.read_bytes()
    done = await rheo("list", "--session", session)
    assert done.code == 2 and "cannot be read" in done.err
    assert session.read_bytes() == before


@pytest.mark.parametrize(
    "folder",
    ["\u0645\u06cc\u200c\u062e\u0648", "\udce9t\udce9", "two\nlines", "\u202edir", "\ue000"],
    ids=["zero-width", "not UTF-8", "line end", "bidi", "private"],
)
async def test_paths_are_those_of_the_disk(
    server: MisbehavingServer, session: Path, rheo: Run, tmp_path: Path, folder: str
) -> None:
    out = tmp_path / folder
    manager = DownloadManager(download_dir=out, session_path=session)
    async with manager:
        await manager.add([FileConfig(url=server.on("/%E6%97%A5.bin", serving(BODY)))])
        await manager.wait_until_complete()
        (shown,) = manager.snapshot().downloads
        assert Path(shown.destination).read_bytes() == BODY
    done = await rheo("list", "--json", "--session", session)
    assert (done.code, done.err) == (0, "")
    (line,) = map(json.loads, done.out.splitlines())
    assert Path(line["destination_path"]).read_bytes() == BODY
    words = (f'folder:"{printable(folder)}"', "--json", "--session", session)
    assert names((await rheo("list", *words)).out) == names(done.out)


async def test_a_folder_named_list_is_no_command(
    server: MisbehavingServer, rheo: Run, tmp_path: Path
) -> None:
    url = server.on("/a.bin", serving(BODY))
    done = await rheo("-o", "list", url, cwd=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "list" / "a.bin").read_bytes() == BODY


@pytest.mark.skipif(sys.platform != "linux", reason="other systems ignore ulimit -v")
async def test_a_session_that_needs_too_much_memory_is_one_sentence(
    session: Path, command: tuple[str, ...], environment: dict[str, str]
) -> None:
    with opened(session) as store:
        store.save(row(number) for number in range(8))
    with closing(sqlite3.connect(session)) as rows:
        rows.execute("UPDATE downloads SET reason = printf('%.*c', 50000000, 'x')")
        rows.commit()
    line = f"ulimit -v 400000; exec {shlex.join((*command, 'list', '--session', str(session)))}"
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", line, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 2
    assert err.decode().endswith("session.db: it needs more memory than is available.\n")
    session.unlink()
