"""The start of the command: few modules are imported."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.core.engine import serving
from tests.servers.misbehaving import MisbehavingServer, body_of

BODY = body_of(10_000)
PROGRAM = """
import atexit, sys
before = set(sys.modules)
atexit.register(lambda: sys.stdout.write(" ".join(sorted(set(sys.modules) - before))))
from rheo_core.cli.__main__ import main
main()
"""
"""Writes the names of what the command imported to standard output."""

NEEDLESS = {
    "aiofiles",
    "aiohttp",
    "defusedxml",
    "html",
    "http.client",
    "http.cookies",
    "linkify_it",
    "multiprocessing",
    "publicsuffixlist",
    "rheo_core.cli.fleet_commands",
    "rheo_core.domain.filters",
    "rheo_core.domain.fleet",
    "rheo_core.downloads.session",
    "rheo_core.inputs.commands",
    "rheo_core.inputs.table",
    "rheo_core.inputs.web_page",
    "rheo_core.transfer.content_disposition",
    "rich",
    "sqlite3",
    "statistics",
    "textual",
    "tomlkit",
    "urllib.request",
    "xml",
    "yarl",
}
"""Modules and packages that cost time and that a download of a plain http URL does not use."""


@pytest.mark.parametrize("by_list", [False, True])
async def test_a_plain_download_imports_no_more_than_it_uses(
    server: MisbehavingServer, environment: dict[str, str], folder: Path, by_list: bool
) -> None:
    url = server.on("/a.bin", serving(BODY))
    folder.mkdir(exist_ok=True)
    urls = folder / "urls.txt"
    urls.write_text(f"{url}\n")
    asked = ["-i", str(urls)] if by_list else [url]
    words = [sys.executable, "-c", PROGRAM, "download", *asked, "-o", str(folder)]
    # Not from the fork server, which has imported everything.
    process = await asyncio.create_subprocess_exec(
        *words, env=environment, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert (folder / "a.bin").read_bytes() == BODY
    imported = set(out.decode().split())
    assert "rheo_core.downloads.manager" in imported, "the list of modules was not written"
    assert sorted(NEEDLESS & imported) == []
