"""`rheo download` against a real server, in a process of its own."""

import asyncio
import fcntl
import hashlib
import json
import os
import re
import resource
import signal
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pexpect
import pytest

from rheo_core.events import DownloadEventType
from rheo_tui.demo import MB, DemoFile, DemoServer
from tests.core.engine import names_in, serving, sha256
from tests.fork_server import stop_reading
from tests.programs import limited
from tests.servers.demo import is_whole
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.scenarios import Hold, in_turn
from tests.waiting import Until

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]
Run = Callable[..., Awaitable[Any]]

SMALL = DemoFile("/a small.bin", 300_001)
NAMED = DemoFile("/get/1", 70_000, offered_name="better.bin")
CHUNKED = DemoFile("/chunked.csv", 150_000, has_length=False)
BUSY = DemoFile("/busy.bin", 10_000, failures=2)
GONE = DemoFile("/gone.bin", 0, missing=True)
MARKUP = DemoFile("/[/red]{x}.bin", 5 * MB, speed=4 * MB)
BOOK = DemoFile("/get/2", 2 * MB, speed=4 * MB, offered_name="book.epub")
SLOW = DemoFile("/slow.bin", 3 * MB, speed=1 * MB)
FILES = [SMALL, NAMED, CHUNKED, BUSY, GONE, MARKUP, BOOK, SLOW]


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


async def test_several(demo: DemoServer, rheo: Run, folder: Path) -> None:
    urls = [demo.url(file.path) for file in (SMALL, NAMED, CHUNKED)]
    result = await rheo("download", *urls, "-o", folder)
    assert result.code == 0, result.err
    assert result.out == ""
    *lines, summary = result.err.splitlines()
    assert sorted(line.split(":")[0] for line in lines) == [
        "done      a small.bin",
        "done      better.bin",
        "done      chunked.csv",
    ]
    assert summary.startswith("3 completed; 520.0 kB in ")
    assert names_in(folder) == [
        "a small.bin",
        "better.bin",
        "chunked.csv",
    ]
    assert is_whole(folder / "a small.bin", demo, SMALL)
    assert is_whole(folder / "better.bin", demo, NAMED)
    assert is_whole(folder / "chunked.csv", demo, CHUNKED)


async def test_options_before_the_command(demo: DemoServer, rheo: Run, folder: Path) -> None:
    result = await rheo("-d", folder, "-w", 1, "download", demo.url(SMALL.path), "-q")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert is_whole(folder / "a small.bin", demo, SMALL)


async def test_json(demo: DemoServer, rheo: Run, folder: Path) -> None:
    urls = [demo.url(file.path) for file in (SMALL, GONE)]
    result = await rheo("download", *urls, "-o", folder, "--json")
    assert result.code == 1
    events = [json.loads(line) for line in result.out.splitlines()]
    kinds = [event["event_type"] for event in events if event["url"] == urls[0]]
    assert kinds[0] == DownloadEventType.QUEUED
    assert kinds[1] == DownloadEventType.STARTED
    assert set(kinds[2:-1]) == {DownloadEventType.PROGRESS}
    assert kinds[-1] == DownloadEventType.COMPLETED
    kinds = [event["event_type"] for event in events if event["url"] == urls[1]]
    assert kinds == [DownloadEventType.QUEUED, DownloadEventType.FAILED]


async def test_verbose_before_and_after_the_name_of_the_command(
    demo: DemoServer, rheo: Run, folder: Path
) -> None:
    line = ("download", demo.url(GONE.path), "-o", folder)
    for arguments, told in ((line, False), (("-v", *line), True), ((*line, "-v"), True)):
        assert ("attempt 1 failed" in (await rheo(*arguments)).err) == told


async def test_failed_and_retried(demo: DemoServer, rheo: Run, folder: Path) -> None:
    urls = [demo.url(file.path) for file in (BUSY, GONE)]
    result = await rheo("download", *urls, "-o", folder)
    assert result.code == 1
    assert result.err.count("retrying  busy.bin") == 2
    assert "done      busy.bin" in result.err
    assert "failed    gone.bin: " in result.err
    assert "404" in result.err
    assert names_in(folder) == ["busy.bin"]


async def test_retries_are_counted(demo: DemoServer, rheo: Run, folder: Path) -> None:
    result = await rheo("download", demo.url(BUSY.path), "-o", folder, "--retries", 0)
    assert result.code == 1
    assert "retrying" not in result.err
    assert names_in(folder) == []


async def test_hash(demo: DemoServer, rheo: Run, folder: Path) -> None:
    url, digest = demo.url(SMALL.path), demo.sha256(SMALL.path)
    wrong = await rheo("download", url, "-o", folder, "--hash", f"sha256:{digest[::-1]}")
    assert wrong.code == 1
    assert "wrong SHA-256" in wrong.err
    assert not (folder / "a small.bin").exists()
    right = await rheo(
        "download", url, "-o", folder, "--hash", f"sha256:{digest}", "--filename", "mine.bin"
    )
    assert right.code == 0
    assert "done      mine.bin" in right.err
    assert "hash verified" in right.err
    assert is_whole(folder / "mine.bin", demo, SMALL)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("{url}", "--hash", "{weaker}", "--hash", "{strongest}"), "sha256 is used"),
        (("{url}", "--hash", "{strongest}", "--hash", "{weaker}"), "sha256 is used"),
        (("{url}#{weaker}&{strongest}",), "sha256 is used"),
        (
            ("{url}", "--mirror", "{url}?2#{strongest}", "--mirror", "{url}?3#{weaker}"),
            "sha256 is used",
        ),
        (("{url}#{weaker}", "--hash", "{strongest}"), "yours is used"),
    ],
)
async def test_the_strongest_of_several_hashes_counts(
    demo: DemoServer, rheo: Run, folder: Path, arguments: tuple[str, ...], why: str
) -> None:
    url, digest = demo.url(SMALL.path), demo.sha256(SMALL.path)
    values = {"url": url, "weaker": f"md5:{'0' * 32}", "strongest": f"sha256:{digest}"}
    words = [word.format_map(values) for word in arguments]
    result = await rheo("download", *words, "-o", folder)
    assert result.code == 0, result.err
    assert f"argument 1: ignored: md5 hash ({why})" in result.err
    assert "hash verified" in result.err


LISTS = {  # with a strong checksum of their own
    "URL": "{url}#sha512={evil}",
    "JSON": '{{"url": "{url}", '
    '"hash_config": {{"algorithm": "sha512", "expected_hash": "{evil}"}}}}',
    "aria2": "{url}\n  checksum=sha-512={evil}",
    "Metalink": '<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="f">'
    '<hash type="sha-512">{evil}</hash><url>{url}</url></file></metalink>',
    "table": "url,sha512\n{url},{evil}",
    "aria2c": "aria2c --checksum=sha-512={evil} {url}",
    "mirror": "{url}\t{url}?2#sha512={evil}",
}


@pytest.mark.parametrize("own", ["md5", "sha256"])
@pytest.mark.parametrize("form", [*LISTS, "flag", "own mirror"])
async def test_no_stronger_checksum_replaces_that_of_the_user(
    server: MisbehavingServer, rheo: Run, folder: Path, form: str, own: str
) -> None:
    good, evil = b"good", b"evil"
    url, digest = server.on("/f", serving(evil)), hashlib.sha512(evil).hexdigest()
    checksum = f"{own}:{hashlib.new(own, good).hexdigest()}"
    words = ["--hash", checksum, "-o", folder]
    if form == "own mirror":
        words = [f"{url}#sha512={digest}", "--mirror", f"{url}?2#{checksum}", "-o", folder]
    elif form == "flag":
        words += [url, "--mirror", f"{url}?2#sha512={digest}"]
    elif form == "URL":
        words += [LISTS[form].format(url=url, evil=digest)]
    else:
        folder.mkdir()
        text = folder.with_name("list")
        text.write_text(LISTS[form].format(url=url, evil=digest))
        words += ["-i", text]
    result = await rheo("download", "--retries", "0", *words)
    assert result.code == 1
    assert "ignored: sha512 hash (yours is used)" in result.err
    assert f"wrong {own.upper().replace('SHA256', 'SHA-256')}" in result.err
    assert not list(folder.iterdir())


@pytest.mark.parametrize(("own", "theirs"), [("md5", "sha256"), ("sha256", "sha512")])
@pytest.mark.parametrize("form", ["{url}#{checksum}", "{url}\n  checksum={checksum}\n"])
async def test_no_list_replaces_the_checksum_in_a_mirror_of_the_user(
    server: MisbehavingServer, rheo: Run, tmp_path: Path, form: str, own: str, theirs: str
) -> None:
    url, mirror = server.on("/f", serving(b"evil")), server.on("/m", serving(b"evil"))
    checksum = f"{theirs}={hashlib.new(theirs, b'evil').hexdigest()}"
    text, folder = tmp_path / "list", tmp_path / "out"
    text.write_text(form.format(url=url, checksum=checksum))
    mirror += f"#{own}={hashlib.new(own, b'good').hexdigest()}"
    words = ["--retries", "0", "--mirror", mirror, "-i", text, "-o", folder]
    result = await rheo("download", *words)
    assert result.code == 1 and f"ignored: {theirs} hash (yours is used)" in result.err
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("strategy", "code", "names"),
    [
        ("skip", 0, ["a small.bin"]),
        ("error", 1, ["a small.bin"]),
        ("overwrite", 0, ["a small.bin"]),
        ("rename", 0, ["a small (1).bin", "a small.bin"]),
    ],
)
async def test_existing_file(
    demo: DemoServer, rheo: Run, folder: Path, strategy: str, code: int, names: list[str]
) -> None:
    put(folder / "a small.bin", b"mine")
    result = await rheo("download", demo.url(SMALL.path), "-o", folder, "--exists", strategy)
    assert result.code == code, result.err
    assert names_in(folder) == names
    assert ((folder / "a small.bin").read_bytes() == b"mine") == (strategy != "overwrite")


async def test_a_hash_is_computed_and_reported(demo: DemoServer, rheo: Run, folder: Path) -> None:
    digest = f"sha256:{demo.sha256(SMALL.path)}"
    flags = ("download", demo.url(SMALL.path), "-o", folder, "--compute-hash", "sha256")
    assert digest in (await rheo(*flags, "--exists", "overwrite")).err
    lines = (await rheo(*flags, "--exists", "overwrite", "--json")).out.splitlines()
    assert json.loads(lines[-1])["computed_hash"] == digest


@pytest.mark.parametrize("way", ["flag", "checksums", "json", "size"])
async def test_an_existing_file_that_is_wrong(
    demo: DemoServer, rheo: Run, folder: Path, way: str
) -> None:
    put(folder / "a small.bin", b"mine")
    url, digest = demo.url(SMALL.path), demo.sha256(SMALL.path)
    entry: dict[str, Any] = {"url": url}
    if way == "size":
        entry["size_bytes"] = SMALL.size
    else:
        entry["hash_config"] = {"algorithm": "sha256", "expected_hash": digest}
    arguments = ["-i", "-"]
    if way == "flag":
        arguments = [url, "--hash", f"sha256:{digest}"]
    elif way == "checksums":
        arguments += ["--base", demo.url("/")]
    text = f"{digest}  {SMALL.path[1:]}\n" if way == "checksums" else json.dumps(entry)
    result = await rheo("download", *arguments, "-o", folder, stdin=text.encode())
    assert result.code == 1, result.err
    assert "failed    a small.bin: " in result.err
    assert "the existing a small.bin" in result.err
    assert (folder / "a small.bin").read_bytes() == b"mine"


async def test_skipped_files_are_called_by_their_names_with_numbers(
    server: MisbehavingServer, rheo: Run, folder: Path
) -> None:
    urls = [server.on(f"/{number}/a.bin", serving(b"data")) for number in range(3)]
    await rheo(*urls, "-o", folder)
    done = await rheo(*urls, "-o", folder)
    assert sorted(line.split(": ")[0].split(None, 1)[1] for line in done.err.splitlines()[:3]) == [
        "a (1).bin",
        "a (2).bin",
        "a.bin",
    ]


async def test_list_with_bad_lines(demo: DemoServer, rheo: Run, folder: Path) -> None:
    small = demo.url(SMALL.path)
    text = f"# mine\n{small}\nftp://x\n{demo.url(NAMED.path)}\n{small}\n"
    result = await rheo("download", "-i", "-", "-o", folder, stdin=text.encode())
    assert result.code == 1
    assert "standard input, line 3: " in result.err
    assert "standard input, line 5: already in the list, line 2" in result.err
    assert names_in(folder) == ["a small.bin", "better.bin"]


async def test_disk_refuses(
    demo: DemoServer, rheo: Run, folder: Path, environment: dict[str, str]
) -> None:
    for name in [name for name in environment if name.startswith("COVERAGE")]:
        del environment[name]  # it could not write its data either

    url = demo.url(SMALL.path)
    small_files = limited(resource.RLIMIT_FSIZE, 100_000)
    result = await rheo("download", url, "-o", folder, within=small_files)
    assert result.code == 4, result.err
    assert not (folder / "a small.bin").exists()


async def until_progress(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        event = json.loads(line)
        if event["event_type"] == DownloadEventType.PROGRESS and event["bytes_downloaded"] > 0:
            return
    pytest.fail("it ended without progress")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted_and_resumed(
    demo: DemoServer, start: Start, rheo: Run, folder: Path, number: signal.Signals
) -> None:
    arguments = ("download", demo.url(SLOW.path), "-o", folder, "--json")
    process = await start(*arguments)
    await until_progress(process)
    process.send_signal(number)
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    assert process.returncode == 128 + number
    assert "Run the same command again" in err.decode()
    assert "Traceback" not in err.decode()
    assert not (folder / "slow.bin").exists()
    kept = (folder / "slow.bin.part").stat().st_size
    assert kept > 0
    again = await rheo(*arguments)
    assert again.code == 0
    assert is_whole(folder / "slow.bin", demo, SLOW)
    assert names_in(folder) == ["slow.bin"]
    counts = [json.loads(line).get("bytes_downloaded", 0) for line in again.out.splitlines()]
    assert min(count for count in counts if count) > 0


async def test_reader_of_json_goes_away(demo: DemoServer, start: Start, folder: Path) -> None:
    process = await start("download", demo.url(SLOW.path), "-o", folder, "--json")
    await until_progress(process)
    stop_reading(process, 1)
    assert process.stderr is not None
    async with asyncio.timeout(60):
        err = await process.stderr.read()
        assert await process.wait() == 0, err.decode()
    assert "Error" not in err.decode()
    assert is_whole(folder / "slow.bin", demo, SLOW)


async def test_reader_of_json_is_stuck(
    demo: DemoServer, command: tuple[str, ...], environment: dict[str, str], folder: Path
) -> None:
    """The downloads go on; an interrupt ends the command although nobody reads."""
    files = [SMALL, SLOW, NAMED, CHUNKED, MARKUP]
    unread, full = os.pipe()
    fcntl.fcntl(full, fcntl.F_SETPIPE_SZ, 4096)
    process = await asyncio.create_subprocess_exec(
        *command,
        *(
            "download",
            *(demo.url(file.path) for file in files),
            "--json",
            "-o",
            str(folder),
            "-w",
            "9",
        ),
        stdout=full,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    os.close(full)
    assert process.stderr is not None
    async with asyncio.timeout(60):
        for _ in files:
            assert (await process.stderr.readline()).startswith(b"done")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    os.close(unread)


def watch_in_terminal(
    command: list[str], environment: dict[str, str], interrupt_at: str | None = None
) -> tuple[int | None, str]:
    child = pexpect.spawn(
        command[0],
        command[1:],
        env=environment | {"TERM": "xterm-256color"},
        dimensions=(24, 100),
        encoding="utf-8",
        timeout=60,
    )
    shown = ""
    if interrupt_at is not None:
        child.expect_exact(interrupt_at)
        shown = child.before or ""
        child.sendintr()
    shown += child.read()
    child.close()
    return child.exitstatus, shown


async def test_a_bar_has_the_name_that_the_server_gives(
    demo: DemoServer, folder: Path, environment: dict[str, str], command: tuple[str, ...]
) -> None:
    line = [*command, "download", demo.url(BOOK.path), "-o", os.fspath(folder)]
    code, shown = await asyncio.to_thread(watch_in_terminal, line, environment)
    assert code == 0
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert re.search(r"^book\.epub +[━╸╺]", plain, re.MULTILINE)
    assert "done      book.epub" in plain


async def test_bars_on_a_terminal(
    demo: DemoServer, folder: Path, environment: dict[str, str], command: tuple[str, ...]
) -> None:
    urls = [demo.url(file.path) for file in (MARKUP, SMALL, GONE)]
    line = [*command, "download", *urls, "-o", os.fspath(folder), "-x", "1"]
    code, shown = await asyncio.to_thread(watch_in_terminal, line, environment)
    assert code == 1
    assert "/5.0 MB" in shown
    assert "of 3" in shown
    assert "━" in shown
    assert "done      a small.bin" in shown
    assert "failed    gone.bin" in shown
    assert "Traceback" not in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back


async def test_ctrl_c_leaves_the_terminal_as_it_was(
    demo: DemoServer, folder: Path, environment: dict[str, str], command: tuple[str, ...]
) -> None:
    line = [*command, "download", demo.url(SLOW.path), "-o", os.fspath(folder), "-x", "1"]
    code, shown = await asyncio.to_thread(watch_in_terminal, line, environment, "/3.0 MB")
    assert code == 130
    assert "Run the same command again" in shown
    assert "Traceback" not in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


async def test_waits_until_it_is_time(demo: DemoServer, start: Start, folder: Path) -> None:
    at = (datetime.now() + timedelta(seconds=2)).isoformat()
    process = await start("download", demo.url(SMALL.path), "-o", folder, "--at", at)
    assert process.stderr is not None
    async with asyncio.timeout(60):
        assert (await process.stderr.readline()).startswith(b"Waiting until ")
        assert not (folder / "a small.bin").exists()
        await process.communicate()
    assert process.returncode == 0
    assert datetime.now().isoformat() > at
    assert is_whole(folder / "a small.bin", demo, SMALL)


async def test_the_wait_can_be_interrupted(demo: DemoServer, start: Start, folder: Path) -> None:
    arguments = ("download", demo.url(SMALL.path), "-o", folder, "--at", "2126-01-01T00:00")
    process = await start(*arguments)
    assert process.stderr is not None
    async with asyncio.timeout(60):
        assert await process.stderr.readline() == b"Waiting until 2126-01-01 00:00.\n"
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130
    assert b"Interrupted. Run the same command again" in err
    assert names_in(folder) == []


@pytest.mark.parametrize(("exists", "codes"), [("skip", [3, 0]), ("error", [3, 1])])
async def test_runs_that_stop_after_so_many_bytes_finish_a_list(
    server: MisbehavingServer, rheo: Run, folder: Path, exists: str, codes: list[int]
) -> None:
    bodies = [body_of(3_000_000, str(number)) for number in range(2)]
    urls = [server.on(f"/{n}.bin", serving(each, ETag='"1"')) for n, each in enumerate(bodies)]
    flags = ("--stop-after", "4M", "-w", "1", "-x", "1", "--exists", exists)
    for code in codes:
        done = await rheo("download", *urls, "-o", folder, *flags)
        assert done.code == code, done.err
    assert [(folder / f"{number}.bin").read_bytes() for number in range(2)] == bodies


@pytest.mark.parametrize("exists", ["overwrite", "rename"])
async def test_a_setting_with_which_stopped_runs_never_end_is_refused(
    rheo: Run, folder: Path, environment: dict[str, str], exists: str
) -> None:
    environment["RHEO_FILE_EXISTS_STRATEGY"] = exists
    arguments = ("download", "http://127.0.0.1:9/a", "-o", folder)
    done = await rheo(*arguments, "--stop-after", "1G")
    assert (done.code, f"with {exists}, each run" in done.err) == (2, True), done.err


async def test_stops_after_so_many_bytes_and_goes_on(
    demo: DemoServer, rheo: Run, folder: Path
) -> None:
    arguments = ("download", demo.url(MARKUP.path), "-o", folder, "-x", 1)
    stopped = await rheo(*arguments, "--stop-after", "2M")
    assert stopped.code == 3
    assert "Stopped by --stop-after. Run the same command again" in stopped.err
    (part,) = folder.glob("*.part")
    assert 1_900_000 <= part.stat().st_size < 2_600_000
    again = await rheo(*arguments, "--stop-after", "1G")
    assert again.code == 0, again.err
    (whole,) = folder.iterdir()
    assert is_whole(whole, demo, MARKUP)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, "--stop-after"])
async def test_an_interrupted_mirror_is_resumed_without_the_wrong_file(
    server: MisbehavingServer,
    start: Start,
    rheo: Run,
    folder: Path,
    tmp_path: Path,
    until: Until,
    end: signal.Signals | str,
) -> None:
    body, half = body_of(3_000_000), 1_500_000
    hold, part = Hold(body, half, ETag='"right"'), folder / "big.part"
    wrong = server.on("/w", serving(body_of(3_000_000, "other"), ETag='"wrong"'))
    right = server.on("/b", in_turn(hold, serving(body, ETag='"right"')))
    (tmp_path / "big.meta4").write_text(
        f"""<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="big">
        <hash type="sha-256">{sha256(body)}</hash>
        <url priority="1">{wrong}</url><url priority="2">{right}</url></file></metalink>"""
    )
    arguments = ("download", "-i", tmp_path / "big.meta4", "-o", folder, "-x", 1)
    if isinstance(end, str):
        assert (await rheo(*arguments, end, "4M")).code == 3  # a third of the right one
    else:
        process = await start(*arguments)
        async with asyncio.timeout(60):
            await server.wait_for_requests(2)
            await until(lambda: 0 < part.stat().st_size <= half)  # not the whole wrong file
            process.send_signal(end)
            await process.communicate()
        assert process.returncode == 128 + end
    kept = part.stat().st_size
    done = await rheo(*arguments)
    assert done.code == 0, done.err
    assert (folder / "big").read_bytes() == body
    assert [request.range_start for request in server.requests_for("/b")] == [None, kept]
    assert len(server.requests_for("/w")) == 1
