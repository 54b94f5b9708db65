"""200 real files of mixed sizes from a real nginx, through the command and through the app."""

import asyncio
import hashlib
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.terminal import APP, Terminal
from tests.programs import needs_app
from tests.servers import nginx

COMMAND = str(Path(sys.executable).with_name("rheo"))
pytestmark = [
    pytest.mark.skipif(nginx.PROGRAM is None, reason="nginx is not installed"),
    needs_app,
]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Names and SHA-256 of what nginx serves."""
    root = tmp_path / "root"
    root.mkdir()
    sizes = random.Random(2026)
    digests = {}
    for number in range(200):
        size = round(10 ** sizes.uniform(0, 6.4)) if number else 0
        data = os.urandom(size)
        name = f"file-{number:03}.bin"
        (root / name).write_bytes(data)
        digests[name] = hashlib.sha256(data).hexdigest()
    return digests


@pytest.fixture
def url_list(tmp_path: Path, files: dict[str, str]) -> Iterator[Path]:
    """A list of their URLs."""
    with nginx.Nginx(tmp_path / "root", tmp_path) as server:
        lines = tmp_path / "list.txt"
        lines.write_text("# a list\n\n" + "\n".join(server.url(name) for name in files))
        yield lines


def digests_in(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


async def test_through_the_command(tmp_path: Path, files: dict[str, str], url_list: Path) -> None:
    folder = tmp_path / "out"
    process = await asyncio.create_subprocess_exec(
        COMMAND, "download", "-i", str(url_list), "-o", str(folder), "-w", "8", "-q",
        env=os.environ | {"HOME": str(tmp_path)},
    )  # fmt: skip
    assert await asyncio.wait_for(process.wait(), 120) == 0
    assert digests_in(folder) == files


async def test_through_the_app(tmp_path: Path, files: dict[str, str], url_list: Path) -> None:
    folder = tmp_path / "out"
    command = [APP, "-i", str(url_list), "-d", str(folder)]
    async with Terminal(command, tmp_path / "home") as terminal:
        await terminal.shows("6 Done 200")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    assert digests_in(folder) == files
