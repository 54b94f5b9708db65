"""The installed `rheo-tui` in a real pseudo-terminal, used as a person uses it."""

import asyncio
import hashlib
import os
import signal
import sys
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from tests.core.engine import Gate, names_in, serving
from tests.e2e.terminal import APP, Terminal
from tests.programs import PATIENT_APP, needs_app
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.shared_key import share_key
from tests.waiting import Until

DOWN, ENTER, ESCAPE = "\x1b[B", "\r", "\x1b"
BODY = body_of(3_000_000)
ONE_CONNECTION = {"RHEO_CONNECTIONS": "1"}
"""Otherwise, a second one may fetch what a gate holds back, if the machine is busy."""

pytestmark = needs_app


async def test_paste_watch_cancel_retry_quit(server: MisbehavingServer, tmp_path: Path) -> None:
    async def missing_at_first(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.head("404 Not Found", Content_Length=0)
        else:
            await exchange.serve(BODY)

    files = {f"file-{n}.bin": body_of(700_000 * n, f"seed {n}") for n in (1, 2, 3)}
    urls = [server.on(f"/{name}", serving(body)) for name, body in files.items()]
    stuck = server.on("/stuck.bin", Gate(BODY, 1_200_000))
    flaky = server.on("/flaky.bin", missing_at_first)
    folder = tmp_path / "files"

    async with Terminal([APP, "-d", str(folder)], tmp_path / "home") as terminal:
        await terminal.shows("quit")
        await terminal.paste("\n".join(urls))
        await terminal.shows(*urls)  # the Add screen, filled in, every line of it
        await terminal.type(ENTER)
        await terminal.until(
            lambda: all("✓" in terminal.line_with(name) for name in files), "three files done"
        )

        await terminal.paste(f"{stuck}\n{flaky}")
        await terminal.shows(stuck, flaky)
        await terminal.type(ENTER)
        await terminal.until(lambda: "✗" in terminal.line_with("flaky.bin"), "the failure")
        await terminal.until(lambda: "%" in terminal.line_with("stuck.bin"), "some progress")

        await terminal.type("/stuck" + ENTER)  # in one go, as a slow line delivers keys
        await terminal.shows("1 of 5", "▌ stuck.bin")  # the filter
        await terminal.type("c")
        await terminal.until(lambda: "⊘" in terminal.line_with("stuck.bin"), "the cancellation")
        await terminal.type("/" + "\x7f" * 5 + "flaky" + ENTER)
        await terminal.until(lambda: "✗" in terminal.line_with("▌ flaky.bin"), "the filter")
        await terminal.type("r")
        await terminal.until(lambda: "✓" in terminal.line_with("flaky.bin"), "the retry")

        await terminal.type("q")
        assert await terminal.exit_code() == 0

    expected = files | {"flaky.bin": BODY}
    assert names_in(folder) == sorted(expected)
    for name, body in expected.items():
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert digest == hashlib.sha256(body).hexdigest(), name


async def test_a_key_does_not_wait_for_a_box_that_has_closed(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    program = PATIENT_APP.replace("10.0", "3600.0")
    assert program != PATIENT_APP
    urls = [server.on(f"/file-{n}.bin", serving(b"data")) for n in range(6)]
    command = [sys.executable, "-c", program, "-d", str(tmp_path / "files")]
    async with Terminal(command, tmp_path / "home") as terminal:
        await terminal.shows("quit")
        for count, url in enumerate(urls, start=1):
            await terminal.paste(url)
            await terminal.shows("1 to add")
            await terminal.type(ENTER)
            await terminal.shows(f"6 Done {count}")
        await terminal.type("q")
        assert await terminal.exit_code() == 0


async def test_a_row_gets_the_servers_name_while_it_runs(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    header = 'attachment; filename="[/b]book\u202e.epub"'
    gate = Gate(BODY, 1_200_000, Content_Disposition=header)
    url = server.on("/get-it", gate)
    async with Terminal([APP, url, "-d", str(tmp_path / "files")], tmp_path / "home") as terminal:
        await terminal.until(lambda: "%" in terminal.line_with("b]book.epub"), "the name")
        gate.opened.set()
        await terminal.until(lambda: "✓" in terminal.line_with("b]book.epub"), "the end")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    assert names_in(tmp_path / "files") == ["b]book.epub"]


async def test_the_terminal_is_told_of_ends(server: MisbehavingServer, tmp_path: Path) -> None:
    hostile = server.on("/x%07y;%1b%5d9;z.bin", serving(BODY))
    home = tmp_path / "home"
    command = [APP, hostile, "-d", str(tmp_path / "files")]
    async with Terminal(command, home, environ={"RHEO_NOTIFY": "terminal"}) as terminal:
        told = b"\x1b]9;Downloaded x_y;_]9;z.bin\x07"
        await terminal.until(lambda: told in terminal.painted, "the notification")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    assert terminal.painted.count(b"\x1b]9;") == 1


async def test_without_the_setting_the_terminal_is_told_nothing(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    url = server.on("/file.bin", serving(BODY))
    async with Terminal([APP, url, "-d", str(tmp_path / "files")], tmp_path / "home") as terminal:
        await terminal.until(lambda: "✓" in terminal.line_with("file.bin"), "the end")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    assert b"\x1b]9;" not in terminal.painted and b"\x1b]777;" not in terminal.painted


async def test_quitting_asks_while_something_runs_and_keeps_the_bytes(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(BODY, 1_980_000, ETag='"v1"')  # 66 %, and no byte of it less
    url = server.on("/big.bin", gate)
    folder = tmp_path / "files"
    first = Terminal([APP, "-d", str(folder), url], tmp_path / "home", environ=ONE_CONNECTION)
    async with first as terminal:
        await terminal.until(lambda: "66%" in terminal.line_with("big.bin"), "2 of 3 MB")
        await terminal.type("q")
        await terminal.shows("kept")  # it says what happens to what runs
        await terminal.type(ENTER)
        assert await terminal.exit_code() == 0
    assert "1 unfinished download is kept for the next start" in terminal.text
    assert names_in(folder) == ["big.bin.part", "big.bin.part.state"]

    async with Terminal([APP, "-d", str(folder), url], tmp_path / "home") as terminal:
        await terminal.until(lambda: "✓" in terminal.line_with("big.bin"), "the rest")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    assert "kept for the next start" not in terminal.text
    assert (folder / "big.bin").read_bytes() == BODY
    assert server.requests[-1].headers["range"] == "bytes=1980000-"


async def test_a_list_from_standard_input_while_keys_come_from_the_terminal(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    url = server.on("/file.bin", serving(BODY))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = f"{APP} -i - -d {tmp_path / 'files'} < {pipe}"
    async with Terminal(["/bin/sh", "-c", command], tmp_path / "home") as terminal:
        writer = await asyncio.to_thread(pipe.open, "w")
        writer.write(f"{url}\nftp://x/y\n# more to come\n")
        writer.flush()
        await terminal.until(lambda: "✓" in terminal.line_with("file.bin"), "the end of the first")
        await terminal.shows("standard input, line 2: URL 'ftp://x/y' has scheme 'ftp'")
        await terminal.type("q")  # the list is still open
        assert await terminal.exit_code() == 0
        writer.close()
    assert (
        b"the list was not read completely; run the same command to add the rest"
        in terminal.painted
    )
    assert names_in(tmp_path / "files") == ["file.bin"]


async def test_the_demo_shows_what_there_is(tmp_path: Path) -> None:
    async with Terminal([APP, "--demo"], tmp_path / "home") as terminal:
        await terminal.shows("debian-13.2.0-amd64-netinst.iso", "downloading")
        await terminal.until(lambda: b"retry 1 of 5" in terminal.painted, "the retry, in the log")
        await terminal.shows("▸ ")  # a file is done
        await terminal.type("q")
        await terminal.shows("Nothing is saved.")
        await terminal.type(ENTER)
        assert await terminal.exit_code() == 0
    assert not list(Path(tmp_path).glob("**/*.iso*"))


@pytest.mark.parametrize(
    ("keys", "shown"), [("/deb", ("/deb", "1 of 13")), ("*p", ("1 All 13", "debian", "blender"))]
)
async def test_keys_before_the_first_screen_go_where_they_were_meant(
    tmp_path: Path, keys: str, shown: tuple[str, ...]
) -> None:
    async with Terminal([APP, "--demo"], tmp_path) as terminal:
        terminal.type_ahead(keys)
        await terminal.shows(*shown)
        assert "No name or URL" not in terminal.text


async def test_a_long_kept_list_shows_its_first_rows_while_it_is_read(tmp_path: Path) -> None:
    count = 20_000
    files = [FileConfig(url=f"http://x.invalid/{n:05}.bin", start_at=4e9) for n in range(count)]
    session = tmp_path / "session.db"
    share_key(tmp_path / "state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        manager = DownloadManager(download_dir=tmp_path, session_path=session)
        async with manager:
            await manager.add(files)
    async with Terminal([APP, "--session", str(session)], tmp_path) as terminal:
        await terminal.shows("00003.bin", "Reading your list…")
        assert "Nothing to download yet" not in terminal.painted.decode(errors="replace")
        terminal.type_ahead("jj")
        await terminal.until(lambda: "Reading" not in terminal.text, "the end of the list")
        await terminal.shows(f"All {count:,}", "▌ 00002.bin")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    assert "Nothing to download yet" not in terminal.painted.decode(errors="replace")


async def test_the_list_outlives_a_kill(server: MisbehavingServer, tmp_path: Path) -> None:
    """Nothing is committed before the kill, so that all four are done after it, not skipped."""
    gate = Gate(BODY, 2_000_000, ETag='"v1"')

    async def small(exchange: Exchange) -> None:
        await gate.opened.wait()
        await exchange.serve(b"data")

    urls = [server.on("/big.bin", gate), *(server.on(f"/small-{n}.bin", small) for n in range(3))]
    listing = tmp_path / "list.txt"
    listing.write_text("\n".join(urls))
    folder = tmp_path / "files"
    command = [APP, "-d", str(folder)]
    first = Terminal(
        [*command, "-i", str(listing)],
        tmp_path / "home",
        environ=ONE_CONNECTION | {"RHEO_MAX_CONCURRENT": "1"},
    )
    async with first:
        await first.until(lambda: "66%" in first.line_with("big.bin"), "2 of 3 MB")
        async with Terminal(command, tmp_path / "home") as second:
            await second.shows("Session in use", "in use by process")
            await second.type("q")
            assert await second.exit_code() == 1
            said = "".join(second.text.split())  # the terminal breaks lines where it likes
            assert "inusebyprocess" in said and "--sessionFILE" in said
        first.kill()
        await first.exit_code()
    gate.opened.set()
    async with Terminal(command, tmp_path / "home") as terminal:
        await terminal.shows("6 Done 4")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    assert (folder / "big.bin").read_bytes() == BODY
    assert names_in(folder) == ["big.bin", "small-0.bin", "small-1.bin", "small-2.bin"]

    async with Terminal(command, tmp_path / "home") as terminal:  # the history is there too
        await terminal.shows("6 Done 4", "big.bin")
        await terminal.type("q")
        assert await terminal.exit_code() == 0


async def test_a_second_app_looks_and_a_third_takes_another_list(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    urls = [server.on(f"/file-{n}.bin", serving(b"data")) for n in range(2)]
    held = server.on("/held.bin", Gate(BODY, 1_200_000))
    home, other = tmp_path / "home", server.on("/other.bin", serving(b"data"))
    command = [APP, "-d", str(tmp_path / "files")]
    async with Terminal([*command, *urls, held], home) as first:
        await first.shows("6 Done 2", "2 Active 1")
        async with Terminal([*command, other], home) as viewer:
            await viewer.shows("Session in use")
            await viewer.type("r")
            told = b"No downloads were added: this session"  # a toast, which goes
            await viewer.until(lambda: told in viewer.painted, "the toast")
            await viewer.shows("read-only", "6 Done 2", "held.bin")
            await viewer.type("x")
            await viewer.shows("This session is open read-only")
            await viewer.type("6")
            await viewer.shows("file-0.bin", "file-1.bin")
            await first.type("/file-0" + ENTER + "x")
            await viewer.until(lambda: not viewer.line_with("file-0.bin"), "the change")
            await viewer.shows("6 Done 1", "file-1.bin")
            await viewer.type("h")
            await viewer.until(lambda: "✓" in viewer.line_with("file-0.bin"), "the history")
            await viewer.type(ESCAPE)
            await viewer.until(lambda: "History" not in viewer.text, "the end of it")
            await viewer.type("q")
            assert await viewer.exit_code() == 0

        async with Terminal([*command, other], home) as third:
            await third.shows("Session in use")
            await third.type("n")
            await third.shows("session-2.db")
            await third.type(ENTER)
            await third.shows("6 Done 1", "other.bin")
            await third.type("q")
            assert await third.exit_code() == 0
        assert len(server.requests_for("/other.bin")) == 1
        await first.shows("2 Active 1")
    assert "session-2.db" in names_in(home / "state" / "rheo")


async def test_a_list_with_bad_lines(server: MisbehavingServer, tmp_path: Path) -> None:
    url = server.on("/good.bin", serving(b"data"))
    listing = tmp_path / "list.txt"
    listing.write_text(f"nonsense\n{url}\nftp://old.example/x\n")
    folder = tmp_path / "files"
    command = [APP, "-d", str(folder), "-i", str(listing)]
    async with Terminal(command, tmp_path / "home", columns=160) as terminal:
        await terminal.until(lambda: "✓" in terminal.line_with("good.bin"), "the good one")
        await terminal.shows("line 1: URL 'nonsense'", "line 3: URL 'ftp://old.example/x'")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    assert names_in(folder) == ["good.bin"]


async def test_settings_saved_in_the_app_keep_comments(tmp_path: Path, until: Until) -> None:
    file = tmp_path / "home" / "config" / "rheo" / "settings.toml"
    file.parent.mkdir(parents=True)
    text = (
        f'# My settings\nmax_concurrent = 7  # at night\ndownload_dir = "{tmp_path}"  # large\n\n'
        '[hosts."files.example.org"]\nspeed_limit = "500K"  # they asked\n'
    )
    file.write_text(text)
    async with Terminal([APP], tmp_path / "home") as terminal:
        await terminal.shows("quit")
        await terminal.type(",")
        await terminal.shows("Parallel downloads")
        other = str(tmp_path / "other")
        await terminal.type(ENTER + other)  # the first one, whose text is selected
        await terminal.shows("other")
        await terminal.type(ENTER)
        await until(lambda: file.read_text() == text.replace(f'"{tmp_path}"', f'"{other}"'))
        await terminal.shows("Saved.")
        await terminal.type(ESCAPE)
        await terminal.until(lambda: "Parallel downloads" not in terminal.text, "the list")
        await terminal.type("q")
        assert await terminal.exit_code() == 0


async def test_suspended_and_continued(tmp_path: Path, until: Until) -> None:
    """Ctrl+Z gives the terminal back with its title; SIGCONT, as `fg` sends it, draws again."""
    async with Terminal([APP], tmp_path / "home") as terminal:
        await terminal.shows("quit")
        await until(lambda: b"\x1b]0;rheo\x1b\\" in terminal.painted)
        await terminal.type("\x1a")
        await until(lambda: _state_of(terminal.pid) == "T")
        await until(lambda: b"\x1b[23;0t" in terminal.painted)
        painted = len(terminal.painted)
        os.kill(terminal.pid, signal.SIGCONT)
        await until(lambda: b"\x1b[?1049h" in terminal.painted[painted:])
        await terminal.shows("quit")
        await terminal.type("q")
        assert await terminal.exit_code() == 0


def _state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
async def test_a_signal_ends_the_editor_and_then_the_app(
    number: signal.Signals, tmp_path: Path, until: Until
) -> None:
    """The app waits for the editor, so that the signal must reach it first."""
    editor, opened = tmp_path / "editor", tmp_path / "opened"
    editor.write_text(f"#!/bin/sh\necho $$ > {opened}\nexec sleep 600\n")
    editor.chmod(0o700)
    environ = {"EDITOR": str(editor)}
    async with Terminal([APP], tmp_path / "home", environ=environ) as terminal:
        await terminal.shows("quit")
        await terminal.type(",")
        await terminal.shows("Parallel downloads")
        await terminal.type("\x0f")  # Ctrl+O
        await until(lambda: opened.exists() and opened.read_text().strip())
        terminal.send_signal(number)
        assert await terminal.exit_code() == 0
    assert not Path("/proc", opened.read_text().strip()).exists()
