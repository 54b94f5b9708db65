"""Actions after a download of `rheo download`: times, folders, commands, notifications."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_download import watch_in_terminal
from tests.core.engine import names_in, serving
from tests.programs import is_running
from tests.servers.misbehaving import Exchange, MisbehavingServer
from tests.waiting import until

Run = Callable[..., Awaitable[Any]]

MODIFIED, WHEN = "Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777


@pytest.fixture
def settings_file(environment: dict[str, str]) -> Path:
    """The settings file of the command, not there yet."""
    path = Path(environment["XDG_CONFIG_HOME"]) / "rheo" / "settings.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize(
    ("setting", "flags", "is_theirs"),
    [
        ("", [], False),
        ("", ["--server-time"], True),
        ("server_time = true", [], True),
        ("server_time = true", ["--no-server-time"], False),
    ],
)
async def test_the_servers_time(
    server: MisbehavingServer,
    rheo: Run,
    folder: Path,
    settings_file: Path,
    setting: str,
    flags: list[str],
    is_theirs: bool,
) -> None:
    settings_file.write_text(setting)
    url = server.on("/f", serving(b"data", Last_Modified=MODIFIED))
    result = await rheo("download", url, "-o", folder, *flags)
    assert result.code == 0, result.err
    assert ((folder / "f").stat().st_mtime == WHEN) is is_theirs


async def test_rules_hold_unless_a_folder_is_asked_for(
    server: MisbehavingServer, rheo: Run, tmp_path: Path, settings_file: Path
) -> None:
    settings_file.write_text("[[rules]]\nfolder = 'text'\ntype = 'text/*'\n")
    url = server.on("/f", serving(b"data", Content_Type="text/plain"))
    for flags in (("-d", tmp_path / "a", "download", url), ("download", url, "-o", tmp_path / "b")):
        result = await rheo(*flags)
        assert result.code == 0, result.err
    assert names_in(tmp_path / "a") == ["text", "text/f"]
    assert names_in(tmp_path / "b") == ["f"]


async def test_a_bad_rule_is_told_once_and_is_no_obstacle(
    server: MisbehavingServer, rheo: Run, folder: Path, settings_file: Path
) -> None:
    settings_file.write_text("[[rules]]\nfolder = 'text'\npattern = '*'\n")
    url = server.on("/f", serving(b"data"))
    result = await rheo("download", url, "-o", folder)
    assert result.code == 0
    (told,) = [line for line in result.err.splitlines() if "rules" in line]
    assert "pattern = '*' in rule 1, which should be a regular expression" in told


async def test_commands_run_before_the_end(
    server: MisbehavingServer, rheo: Run, folder: Path, tmp_path: Path, settings_file: Path
) -> None:
    told = tmp_path / "told"
    script = 'echo "$RHEO_PATH" >> "$1"; exit 3'
    settings_file.write_text(f"on_complete = ['sh', '-c', '{script}', 'sh', '{told}']\n")
    urls = [server.on(f"/{n}", serving(b"data")) for n in range(3)]
    result = await rheo("download", *urls, "-o", folder)
    assert result.code == 0
    assert sorted(told.read_text().splitlines()) == [str(folder / str(n)) for n in range(3)]
    assert result.err.count("exit code 3") == 3


async def test_a_command_runs_in_a_locale_that_lacks_letters_of_the_url(
    server: MisbehavingServer,
    start: Any,
    environment: dict[str, str],
    folder: Path,
    tmp_path: Path,
    settings_file: Path,
) -> None:
    told = tmp_path / "told"
    script = 'echo "$RHEO_URL" > "$1"'
    settings_file.write_text(f"on_complete = ['sh', '-c', '{script}', 'sh', '{told}']\n")
    url = server.on("/%E6%97%A5", serving(b"data"))
    given = url.replace("%E6%97%A5", "日")
    (tmp_path / "list").write_text(f"{given}\n", "utf-8")
    environment |= {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    process = await start("download", "-i", tmp_path / "list", "-o", folder)
    _, err = await process.communicate()
    assert (process.returncode, b"its command failed" in err) == (0, False), err
    assert told.read_text("utf-8") == f"{given}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("shell", ["exec", ""], ids=["itself", "its child"])
async def test_an_interrupt_ends_the_command(
    server: MisbehavingServer,
    start: Any,
    folder: Path,
    tmp_path: Path,
    settings_file: Path,
    number: signal.Signals,
    shell: str,
) -> None:
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    pid = tmp_path / "pid"
    script = f'{shell} "$@"; exit'
    command = ["sh", "-c", script, "sh", sys.executable, "-c", code, str(pid)]
    settings_file.write_text(f"on_complete = {json.dumps(command)}\n")
    process = await start("download", server.on("/f", serving(b"data")), "-o", folder)
    await until(lambda: pid.exists() and pid.read_text())
    process.send_signal(number)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 128 + number, err
    assert b"Interrupted." in err and b"Run the same command again" not in err
    await until(lambda: not is_running(pid))  # it is reaped by another process
    assert names_in(folder) == ["f"]


async def test_the_terminal_is_told_once(
    server: MisbehavingServer,
    folder: Path,
    environment: dict[str, str],
    command: tuple[str, ...],
) -> None:
    async def missing(exchange: Exchange) -> None:
        await exchange.head("404 Not Found", Content_Length=0)

    urls = [server.on("/a", serving(b"data")), server.on("/b", missing)]
    line = [*command, "download", *urls, "-o", os.fspath(folder)]
    code, shown = await asyncio.to_thread(
        watch_in_terminal, line, environment | {"RHEO_NOTIFY": "terminal"}
    )
    assert code == 1
    assert shown.count("\x1b]9;Downloaded: 1; Failed: 1\x07") == 1


async def test_what_is_no_terminal_is_told_nothing(
    server: MisbehavingServer, rheo: Run, folder: Path, settings_file: Path
) -> None:
    settings_file.write_text("notify = 'terminal'\n")
    result = await rheo("download", server.on("/a", serving(b"data")), "-o", folder)
    assert result.code == 0
    assert "\x1b" not in result.err + result.out
