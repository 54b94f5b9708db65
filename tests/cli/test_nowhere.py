"""Users without a home, as in containers, and a current folder that somebody removed."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Finished
from tests.core.engine import serving
from tests.servers.misbehaving import MisbehavingServer, body_of

BODY = body_of(1_000_000)
UNKNOWN = """
import pwd

def unknown(number):
    raise KeyError(number)

pwd.getpwuid = unknown  # only root can become a user that the system does not know
from rheo_core.cli.__main__ import main
main()
"""
Run = Callable[..., Awaitable[Any]]


@pytest.fixture
def command() -> tuple[str, ...]:
    """Return the command as a user runs it whom the system does not know."""
    return sys.executable, "-c", UNKNOWN


@pytest.mark.parametrize("home", [None, "", "relative"])
async def test_a_user_without_a_home_downloads_all_the_same(
    server: MisbehavingServer,
    rheo: Run,
    environment: dict[str, str],
    tmp_path: Path,
    home: str | None,
) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        environment.pop(name, None)
    if home is not None:
        environment["HOME"] = home
    url = server.on("/file.bin", serving(BODY))
    result = await rheo("download", url, cwd=tmp_path)
    assert result.code == 0, result.err
    assert (tmp_path / "Downloads" / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("home", ["/dev/null", "/nonexistent", "{}/file", "{}/file/below"])
@pytest.mark.parametrize("variable", ["HOME", "XDG_CONFIG_HOME"])
async def test_a_home_that_is_no_folder_has_no_settings(
    server: MisbehavingServer,
    rheo: Run,
    environment: dict[str, str],
    tmp_path: Path,
    variable: str,
    home: str,
) -> None:
    """Service accounts have homes such as /dev/null."""
    (tmp_path / "file").touch()
    if variable == "HOME":
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            environment.pop(name, None)
    environment[variable] = home.format(tmp_path)
    url = server.on("/file.bin", serving(BODY))
    result = await rheo("download", url, "-o", tmp_path / "here")
    assert result.code == 0, result.err
    assert (tmp_path / "here" / "file.bin").read_bytes() == BODY


async def test_a_current_folder_that_is_gone_is_one_sentence(
    command: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    # As the installed script: `python -c` would search the folder, which no longer imports on 3.13.
    python, *words = command
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", 'rmdir ../gone; exec "$@"', "sh",
        python, "-P", *words, "download", "http://127.0.0.1:9/x", "-o", "out",
        cwd=gone, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    ended = Finished(process.returncode, out.decode(), err.decode())
    assert ended.code == 2
    assert ended.err == (
        "rheo: --output = 'out' is not valid: it should be an absolute path: the current "
        "folder is gone.\n"
    )
