"""The start and the end of the process: few modules are imported, and nothing is lost."""

import asyncio
import sys
from pathlib import Path

from tests.core.engine import serving
from tests.servers.misbehaving import MisbehavingServer, body_of

BODY = body_of(10_000)
MAIN = "from rheo_core.cli.__main__ import main; main()"
WITH_MODULES = f"""
import atexit, sys
before = set(sys.modules)
atexit.register(lambda: sys.stdout.write(" ".join(sorted(set(sys.modules) - before))))
{MAIN}
"""
WITH_A_THREAD = f"""
import threading, time
threading.Thread(target=lambda: (time.sleep(0.2), print("ended", flush=True))).start()
{MAIN}
"""
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


async def run(program: str, environment: dict[str, str], *arguments: object) -> tuple[int, str]:
    """Run a program in a Python of its own; return its exit status and its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        *map(str, arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_a_plain_download_imports_no_more_than_it_uses(
    server: MisbehavingServer, environment: dict[str, str], folder: Path
) -> None:
    url = server.on("/a.bin", serving(BODY))
    code, out = await run(WITH_MODULES, environment, "download", url, "-o", folder)
    assert code == 0
    assert (folder / "a.bin").read_bytes() == BODY
    imported = set(out.split())
    assert "rheo_core.downloads.manager" in imported, "the list of modules was not written"
    assert sorted(NEEDLESS & imported) == []


async def test_the_exit_status_of_a_failure(environment: dict[str, str]) -> None:
    code, _ = await run(MAIN, environment, "download", "ftp://example.org/", "-q")
    assert code == 1


async def test_a_thread_that_works_on_may_end(environment: dict[str, str]) -> None:
    code, out = await run(WITH_A_THREAD, environment, "--version")
    assert code == 0
    assert "rheo " in out and "ended" in out
