"""Commands after the end of a download: real scripts, no shell, nothing left behind."""

import asyncio
import logging
import os
import stat
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import HashConfig
from rheo_core.downloads import CompletionHooks
from tests.core.engine import Gate, Journal, fetch, names_in, serving, sha256, status_of
from tests.programs import WAITS, is_running
from tests.servers.misbehaving import Exchange, MisbehavingServer
from tests.waiting import until


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Script that writes its arguments and variables to a file of its own."""
    path = tmp_path / "hook with space.sh"
    path.write_text(
        dedent("""\
        #!/bin/sh
        n=$(ls "$FACTS" | wc -l)
        { env | grep ^RHEO_ | sort; for word; do echo "word=$word"; done; } > "$FACTS/$n"
        echo said
        """)
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder that the script writes to."""
    folder = tmp_path / "facts"
    folder.mkdir()
    monkeypatch.setenv("FACTS", str(folder))
    return folder


def told(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


async def missing(exchange: Exchange) -> None:
    await exchange.head("404 Not Found", Content_Length=0)


def written(path: Path) -> bool:
    return path.exists() and path.read_text() != ""


async def test_a_command_gets_the_facts(
    server: MisbehavingServer,
    tmp_path: Path,
    script: Path,
    facts: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = server.on("/$(touch%20x)'%22;a.bin?token=s3cret", serving(b"body"))
    config = FileConfig(
        url=url.replace("http://", "http://me:passw0rd@"),
        hash_config=HashConfig(algorithm="sha256", expected_hash=sha256(b"body")),
    )
    command = (str(script), "a b; touch y", "$RHEO_PATH", "*")
    folder = tmp_path / "files"
    with caplog.at_level(logging.INFO):
        await fetch(folder, [config], following=CompletionHooks(on_complete=command))
    assert told(facts / "0") | {"word": ""} == {
        "RHEO_ID": config.id,
        "RHEO_STATUS": "completed",
        "RHEO_URL": url.replace("s3cret", "***"),
        "RHEO_PATH": str(folder / "$(touch x)'_;a.bin"),
        "RHEO_SIZE": "4",
        "RHEO_HASH": f"sha256:{sha256(b'body')}",
        "RHEO_ERROR": "",
        "word": "",
    }
    words = [line for line in (facts / "0").read_text().splitlines() if line.startswith("word=")]
    assert words == ["word=a b; touch y", "word=$RHEO_PATH", "word=*"]
    assert "said" in caplog.text
    assert "s3cret" not in (facts / "0").read_text() and "passw0rd" not in caplog.text
    assert names_in(folder) == ["$(touch x)'_;a.bin"]


async def test_a_failure_has_a_command_of_its_own(
    server: MisbehavingServer, tmp_path: Path, script: Path, facts: Path
) -> None:
    configs = [
        FileConfig(url=server.on("/gone?key=s3cret", missing)),
        FileConfig(url=server.on("/there", serving(b"body"))),
    ]
    await fetch(tmp_path / "files", configs, following=CompletionHooks(on_error=(str(script),)))
    (only,) = facts.iterdir()
    assert told(only)["RHEO_STATUS"] == "failed"
    assert "404" in told(only)["RHEO_ERROR"]
    assert told(only)["RHEO_PATH"] == told(only)["RHEO_SIZE"] == ""
    assert "s3cret" not in only.read_text()


async def test_commands_run_one_at_a_time_and_all_before_the_end(
    server: MisbehavingServer, tmp_path: Path, facts: Path
) -> None:
    code = (
        "import os, sys; f = os.environ['FACTS']; os.mkdir(f + '/busy'); "
        "open(f + '/' + os.environ['RHEO_ID'], 'w'); os.rmdir(f + '/busy')"
    )
    configs = [FileConfig(url=server.on(f"/{n}", serving(b"x"))) for n in range(8)]
    manager, _ = await fetch(
        tmp_path / "files",
        configs,
        max_concurrent=8,
        following=CompletionHooks(on_complete=(sys.executable, "-c", code)),
    )
    assert names_in(facts) == sorted(config.id for config in configs)
    assert {row.reason for row in manager.snapshot().downloads} == {""}


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("/no/such/program",), "/no/such/program: No such file or directory"),
        (("/",), "/: Permission denied"),
        (("false",), "false: exit code 1"),
        (("sh", "-c", "kill -9 $$"), "sh: ended by SIGKILL"),
        (("a\0b",), "embedded null byte"),
    ],
)
async def test_a_command_that_fails_is_told_and_changes_nothing(
    server: MisbehavingServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    command: tuple[str, ...],
    problem: str,
) -> None:
    config = FileConfig(url=server.on("/f", serving(b"body")))
    manager, journal = await fetch(
        tmp_path, [config], following=CompletionHooks(on_complete=command)
    )
    assert status_of(manager, config) == "completed"
    assert journal.endings() == {config.id: 1}
    assert (tmp_path / "f").read_bytes() == b"body"
    (row,) = manager.snapshot().downloads
    assert problem in row.reason and row.error is None
    assert [r.levelname for r in caplog.records if problem in r.getMessage()] == ["WARNING"]


async def test_a_command_that_takes_too_long_is_ended(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/f", serving(b"body")))
    following = CompletionHooks(on_complete=("sleep", "600"), timeout=0.5)
    manager, _ = await fetch(tmp_path / "files", [config], following=following)
    (row,) = manager.snapshot().downloads
    assert "sleep: timed out after 0.5 s" in row.reason
    assert row.status == "completed"


async def test_closing_ends_the_command_and_leaves_out_the_next(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    command = (sys.executable, "-c", WAITS, str(pid))
    configs = [FileConfig(url=server.on(f"/{n}", serving(b"body"))) for n in range(3)]
    manager = DownloadManager(
        download_dir=tmp_path / "files", following=CompletionHooks(on_complete=command)
    )
    async with manager:
        await manager.add(configs)
        await until(lambda: manager.stats.completed == 3 and written(pid))
        assert is_running(pid)
    assert not is_running(pid)
    reasons = [row.reason for row in manager.snapshot().downloads]
    assert sum("ended by SIGTERM" in reason for reason in reasons) == 1
    assert manager.stats.completed == 3


async def test_a_command_and_its_children_that_will_not_end_are_killed(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    pids = [tmp_path / "parent", tmp_path / "child"]
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{WAITS}"
    starts = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', *sys.argv[2:]])"
    command = (sys.executable, "-c", f"{starts}\n{deaf}", str(pids[0]), deaf, str(pids[1]))
    following = CompletionHooks(on_complete=command)
    async with DownloadManager(download_dir=tmp_path / "files", following=following) as manager:
        await manager.add([FileConfig(url=server.on("/f", serving(b"body")))])
        await until(lambda: all(map(written, pids)))
        assert all(map(is_running, pids))
    await until(lambda: not any(map(is_running, pids)))  # the child is reaped by another process


async def test_one_that_is_being_started_while_the_manager_closes_is_ended(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    following = CompletionHooks(on_complete=("sleep", "600"))
    async with DownloadManager(download_dir=tmp_path / "files", following=following) as manager:
        ended = asyncio.Event()
        manager.on("download.completed", lambda _: ended.set())
        await manager.add([FileConfig(url=server.on("/f", serving(b"body")))])
        async with asyncio.timeout(60):
            await ended.wait()  # the command's process is made at the next steps of the loop
        await manager.close()
    (row,) = manager.snapshot().downloads
    assert "sleep: ended by SIGTERM" in row.reason


async def test_what_a_command_leaves_in_the_background_stays_until_the_end(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    command = ("sh", "-c", f'{sys.executable} -c "{WAITS}" "$1" &', "sh", str(pid))
    config = FileConfig(url=server.on("/f", serving(b"body")))
    following = CompletionHooks(on_complete=command)
    async with DownloadManager(download_dir=tmp_path / "files", following=following) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        await until(lambda: written(pid))
        assert is_running(pid)
    assert manager.snapshot().downloads[0].reason == ""
    await until(lambda: not is_running(pid))


async def test_a_slow_command_delays_no_download(server: MisbehavingServer, tmp_path: Path) -> None:
    gate = Gate(b"x" * 100_000, 10)
    fifos = [tmp_path / "5", tmp_path / "100000"]
    for fifo in fifos:  # a command waits until somebody reads its own
        os.mkfifo(fifo)
    following = CompletionHooks(
        on_complete=("sh", "-c", 'echo "$RHEO_ID" > "$1/$RHEO_SIZE"', "sh", str(tmp_path))
    )
    quick = FileConfig(url=server.on("/quick", serving(b"quick")))
    other = FileConfig(url=server.on("/other", gate))
    async with DownloadManager(download_dir=tmp_path / "files", following=following) as manager:
        journal = Journal(manager)
        await manager.add([quick])
        await until(lambda: bool(journal.endings()))
        await manager.add([other])
        await asyncio.wait_for(gate.reached.wait(), 60)
        gate.opened.set()
        await until(lambda: len(journal.endings()) == 2)
        for fifo, config in zip(fifos, (quick, other), strict=True):
            assert await asyncio.to_thread(fifo.read_text) == f"{config.id}\n"
        await manager.wait_until_complete(timeout=60)
