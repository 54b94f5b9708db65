"""Standard streams that are closed, full or shared, and what else a parent process may leave."""

import asyncio
import fcntl
import json
import os
import shlex
import signal
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from rheo_core import DownloadManager, FileConfig
from tests.core.engine import serving
from tests.programs import start_program
from tests.servers.misbehaving import MisbehavingServer, body_of

BODY = body_of(1_000_000)
ENTRY = "from rheo_core.cli.__main__ import main; main()"
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")


@pytest.fixture
def command() -> tuple[str, ...]:
    """Return what the entry point of the package runs."""
    return sys.executable, "-m", "rheo_core.cli"


class Shell:
    """Runs lines of sh in which `$RHEO` is the command."""

    def __init__(self, command: tuple[str, ...], environment: dict[str, str]) -> None:
        self._environment = environment | {"RHEO": shlex.join(command)}

    async def run(self, line: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", line,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=self._environment,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert b"Traceback" not in err, err.decode()
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
def shell(command: tuple[str, ...], environment: dict[str, str]) -> Shell:
    """Return a shell with the command."""
    return Shell(command, environment)


async def code_of(environment: dict[str, str], line: str) -> int | None:
    """Return the exit status of the command if nothing is wrong with its streams."""
    process = await start_program(ENTRY, shlex.split(line), environment)
    await process.communicate()
    return process.returncode


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("flag", ["", "--json"])
@pytest.mark.halved("closed", "flag")
async def test_closed_streams_stop_no_download(
    server: MisbehavingServer, shell: Shell, folder: Path, closed: str, flag: str
) -> None:
    url = server.on("/file.bin", serving(BODY))
    code, out, _ = await shell.run(f"$RHEO download {url} -o {folder} {flag} {closed}")
    assert code == 0
    assert (folder / "file.bin").read_bytes() == BODY
    assert all(json.loads(line) for line in out.splitlines())  # no sentence gets among the events


async def test_a_pipe_that_does_not_block_gets_every_event(
    server: MisbehavingServer, command: tuple[str, ...], environment: dict[str, str], folder: Path
) -> None:
    urls = [server.on(f"/{number}", serving(b"data")) for number in range(60)]
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(write, False)
    process = await asyncio.create_subprocess_exec(
        *command, "download", *urls, "-o", str(folder), "--json",
        stdout=write, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    os.close(write)
    assert process.stderr is not None
    for _ in urls:
        assert (await process.stderr.readline()).startswith(b"done")
    with os.fdopen(read, "rb") as pipe:
        lines = await asyncio.to_thread(pipe.readlines)
    await process.communicate()
    assert process.returncode == 0
    ended = [json.loads(line)["event_type"] == "download.completed" for line in lines]
    assert sum(ended) == len(urls)


async def test_events_tell_of_a_path_that_is_no_utf8(
    server: MisbehavingServer, shell: Shell, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"out-\xff")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("the file system has UTF-8 only")
    url = server.on("/file.bin", serving(BODY))
    line = f"$RHEO download {url} -o {tmp_path}/out-* --json"
    first, again = await shell.run(line), await shell.run(line)
    assert (first[0], again[0]) == (0, 0)
    ends = [json.loads(out.splitlines()[-1]) for _, out, _ in (first, again)]
    assert [end["event_type"] for end in ends] == ["download.completed", "download.skipped"]
    assert {end["destination_path"] for end in ends} == {str(folder / "file.bin")}
    assert ends[0]["occurred_at"].endswith("Z")
    assert datetime.fromisoformat(ends[0]["occurred_at"]).tzinfo is not None


@needs_full
async def test_events_that_find_no_room_are_missed_aloud(
    server: MisbehavingServer, shell: Shell, folder: Path
) -> None:
    url = server.on("/file.bin", serving(BODY))
    code, _, err = await shell.run(f"$RHEO download {url} -o {folder} --json -q >{FULL}")
    assert (code, err) == (
        4, "rheo: events are missing from the output: No space left on device\n"
    )  # fmt: skip
    assert (folder / "file.bin").read_bytes() == BODY


@needs_full
@pytest.mark.parametrize("what", ["--version", "download --help", "download --dry-run http://a/b"])
async def test_output_that_finds_no_room_is_one_sentence(shell: Shell, what: str) -> None:
    code, _, err = await shell.run(f"$RHEO {what} >{FULL}")
    assert (code, err) == (4, "rheo: cannot write to standard output: No space left on device\n")


@needs_full
@pytest.mark.parametrize("what", ["status", "status --json", "check"])
async def test_a_status_that_finds_no_room_does_not_tell_of_a_complete_run(
    shell: Shell, environment: dict[str, str], folder: Path, what: str
) -> None:
    source = folder.with_name("list.txt")
    source.write_text("https://example.org/a\n")
    assert await code_of(environment, f"fleet plan {source} -o {folder}") == 0
    assert await code_of(environment, f"fleet {what} {folder}") == 3
    code, _, err = await shell.run(f"$RHEO fleet {what} {folder} >{FULL}")
    assert (code, err) == (4, "rheo: cannot write to standard output: No space left on device\n")


@needs_full
@pytest.mark.parametrize("flag", ["--version", "--help"])
async def test_output_of_the_app_that_finds_no_room(shell: Shell, flag: str) -> None:
    app = shlex.join([sys.executable, "-m", "rheo_tui"])
    code, _, err = await shell.run(f"{app} {flag} >{FULL}")
    assert (code, err) == (
        4,
        "rheo-tui: cannot write to standard output: No space left on device\n",
    )


@pytest.mark.parametrize("flag", ["--version", "--help"])
@pytest.mark.parametrize(("reader", "status"), [("true", "1"), ("cat >/dev/null", "0")])
async def test_output_of_the_app_whose_reader_is_gone(
    shell: Shell, flag: str, reader: str, status: str
) -> None:
    """The shell waits until nobody reads the pipe any more, if that is to come."""
    gone = "until ! echo; do :; done 2>/dev/null; " if reader == "true" else ""
    app = shlex.join([sys.executable, "-m", "rheo_tui"])
    line = f"{{ trap '' PIPE; {gone}{app} {flag}; echo $? >&2; }} | {reader}"
    assert await shell.run(line) == (0, "", f"{status}\n")


@pytest.mark.parametrize("flag", ["", "--json"])
async def test_a_name_that_the_locale_cannot_write_keeps_its_escapes(
    server: MisbehavingServer, shell: Shell, folder: Path, flag: str
) -> None:
    urls = (
        server.on("/caf%C3%A9", serving(BODY)),
        server.on("/caf%C3%A8", serving(BODY)),
        server.on(
            "/a", serving(BODY, Content_Disposition="attachment; filename*=UTF-8''%E4%B8%AD")
        ),
    )
    locale = "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"
    line = f"{locale} $RHEO download {' '.join(urls)} -o {folder} {flag}"
    code, out, err = await shell.run(line)
    assert code == 0, out + err
    assert {path.name for path in folder.iterdir()} == {"caf%C3%A9", "caf%C3%A8", "%E4%B8%AD"}
    code, out, err = await shell.run(line)
    assert (code, len(list(folder.iterdir()))) == (0, 3)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "iso8859-6", "utf-8"])
@pytest.mark.parametrize("buffering", ["", "PYTHONUNBUFFERED=1"])
@pytest.mark.halved("encoding", "buffering")
async def test_names_that_the_output_cannot_encode_are_escaped(
    server: MisbehavingServer, shell: Shell, folder: Path, encoding: str, buffering: str
) -> None:
    there = ["日本.bin", "\U0001f600.bin"]
    urls = [server.on(f"/{quote(name)}", serving(BODY)) for name in there]
    session = folder.with_name("session.db")
    async with DownloadManager(download_dir=folder, session_path=session) as manager:
        await manager.add([FileConfig(url=url) for url in urls])
        await manager.wait_until_complete()
    command = f"{buffering} PYTHONIOENCODING={encoding} $RHEO"
    escaped = [name.encode(encoding, "backslashreplace").decode(encoding) for name in there]
    code, out, err = await shell.run(f"{command} list --session {session}")
    assert (code, err) == (0, "")
    assert sorted(line.split()[-1] for line in out.splitlines()[1:]) == sorted(escaped)
    code, out, err = await shell.run(f"{command} list --json --session {session}")
    assert (code, err) == (0, "")
    lines = map(json.loads, out.splitlines())  # in UTF-8 (RFC 8259 8.1)
    assert sorted(line["name"] for line in lines) == sorted(there)
    code, out, err = await shell.run(f"{command} --dry-run -o {folder}/日 {' '.join(urls)}")
    assert (code, err) == (0, "")
    shown = "日".encode(encoding, "backslashreplace").decode(encoding)
    assert out.rstrip().endswith(("/日", f"/{shown}"))  # typer writes UTF-8 instead of ASCII


async def test_the_exit_code_of_a_command_counts_though_the_parent_ignores_children(
    server: MisbehavingServer, shell: Shell, folder: Path, tmp_path: Path
) -> None:
    url = server.on("/file.bin", serving(BODY))
    careless = tmp_path / "careless.py"
    careless.write_text(
        "import os, signal, sys\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "os.execvp(sys.argv[1], sys.argv[1:])\n"
    )
    code, _, err = await shell.run(
        f"RHEO_ON_COMPLETE=true {sys.executable} {careless} $RHEO download {url} -o {folder}"
    )
    assert code == 0
    assert "exit code" not in err
    assert "warning" not in err


@pytest.mark.parametrize("flag", ["", "--json"])
async def test_no_thread_to_begin_with_is_one_sentence(
    environment: dict[str, str], folder: Path, flag: str
) -> None:
    """Only a user who is not root has a limit of threads."""
    program = (
        "from threading import Thread\n"
        'def none_left(_): raise RuntimeError("can\'t start new thread")\n'
        f"Thread.start = none_left\n{ENTRY}"
    )
    shell = Shell((sys.executable, "-c", program), environment)
    line = f'eval "$RHEO" download http://127.0.0.1:9/x -o {folder} {flag}'
    code, out, err = await shell.run(line)
    assert (code, out, err) == (1, "", "rheo: cannot start another thread\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@needs_full
async def test_a_file_that_a_full_output_does_not_take_is_an_error_of_the_disk(
    server: MisbehavingServer, shell: Shell, unbuffered: str
) -> None:
    url = server.on("/file.bin", serving(BODY))
    code, _, err = await shell.run(f"PYTHONUNBUFFERED={unbuffered} $RHEO {url} -q -o - >{FULL}")
    sentence = "rheo: cannot write to standard output: No space left on device.\n"
    assert (code, err) == (4, sentence)


@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_no_file_is_cut_short_on_an_output_that_takes_a_part(
    server: MisbehavingServer, shell: Shell, unbuffered: str
) -> None:
    url = server.on("/file.bin", serving(BODY))
    reader = "(head -c 1000 >/dev/null; sleep 0.5)"
    line = f"(PYTHONUNBUFFERED={unbuffered} $RHEO {url} -q -o -; echo $? >&2) | {reader}"
    _, _, err = await shell.run(line)
    assert err == "1\n"  # the reader had enough


@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_a_pipe_that_does_not_block_gets_the_whole_file(
    server: MisbehavingServer,
    command: tuple[str, ...],
    environment: dict[str, str],
    unbuffered: str,
) -> None:
    url = server.on("/file.bin", serving(BODY))
    read, write = os.pipe()
    os.set_blocking(write, False)
    process = await asyncio.create_subprocess_exec(
        *command, url, "-o", "-",
        stdout=write, stderr=asyncio.subprocess.PIPE,
        env=environment | {"PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(write)
    assert process.stderr is not None
    assert (await process.stderr.readline()).startswith(b"done")
    with os.fdopen(read, "rb") as pipe:
        assert await asyncio.to_thread(pipe.read) == BODY
    _, err = await process.communicate()
    assert (process.returncode, b"Traceback" in err) == (0, False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_a_command_whose_output_nobody_reads(
    server: MisbehavingServer,
    command: tuple[str, ...],
    environment: dict[str, str],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    url = server.on("/file.bin", serving(BODY))
    read, write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *command, url, "-o", "-",
        stdout=write, stderr=asyncio.subprocess.PIPE,
        env=environment | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    os.close(write)
    await asyncio.to_thread(os.read, read, 1)  # so that it has begun to write
    process.send_signal(number)
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    os.close(read)
    assert (process.returncode, b"Traceback" in err) == (128 + number, False)
    assert list(tmp_path.glob("rheo-*")) == []


async def test_text_that_an_output_without_a_buffer_takes_in_part_is_reported(
    command: tuple[str, ...], environment: dict[str, str]
) -> None:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(write, False)
    process = await asyncio.create_subprocess_exec(
        *command, "download", "--help",
        stdout=write, stderr=asyncio.subprocess.PIPE,
        env=environment | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    os.close(write)
    _, err = await process.communicate()
    os.close(read)
    assert process.returncode == 4
    assert err.startswith(b"rheo: cannot write to standard output: ")


async def test_an_output_that_is_open_for_reading_is_reported(shell: Shell) -> None:
    code, _, err = await shell.run("$RHEO --version 1</dev/null")
    assert (code, err) == (4, "rheo: cannot write to standard output: Bad file descriptor\n")


async def test_a_file_for_a_closed_output_is_not_lost(shell: Shell) -> None:
    code, _, said = await shell.run("$RHEO download http://127.0.0.1:1/x -o - >&-")
    assert (code, said) == (2, "rheo: -o - writes to standard output, which is closed.\n")


async def test_a_missing_temporary_folder_is_one_sentence(
    server: MisbehavingServer, shell: Shell
) -> None:
    url = server.on("/file.bin", serving(BODY))
    # Coverage could not write its file either.
    line = f"(unset COVERAGE_PROCESS_CONFIG; ulimit -f 0; $RHEO {url} -o -; echo $?) | cat"
    _, out, err = await shell.run(line)
    assert out == "4\n"
    assert err.startswith("rheo: cannot create a temporary folder: ")


@needs_full
@pytest.mark.parametrize("lost", [f"2>{FULL}", "2>&-", "2>&1 | true"])
@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("download -w 0 http://x/", 2),
        ("download --no-such-flag", 2),
        ("list 'size>'", 2),
        ("download --sha256 5 http://x/", 2),
        ("fleet plan no-such-file -o {folder}", 1),
    ],
)
@pytest.mark.halved("arguments", "lost")
async def test_a_lost_sentence_changes_no_exit_status(
    shell: Shell,
    environment: dict[str, str],
    folder: Path,
    arguments: str,
    wanted: int,
    lost: str,
) -> None:
    line = arguments.format(folder=folder)
    said = await code_of(environment, line)
    code, _, _ = await shell.run(f"($RHEO {line}; echo $? >{folder}.code) {lost}")
    assert code == 0 and int(Path(f"{folder}.code").read_text()) == said == wanted
