"""The start of the command: few modules are imported."""

import asyncio
import hashlib
import sys
from pathlib import Path

import pytest

from tests.core.engine import serving
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.scenarios import cut, in_turn

BODY = body_of(300_000)
SHA256 = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
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
    imported = await _imported(environment, *asked, "-o", str(folder))
    assert (folder / "a.bin").read_bytes() == BODY
    assert sorted(NEEDLESS & imported) == []


# A download that lasts longer than 0.1 s has progress, too.
@pytest.mark.parametrize(
    "flags",
    [(), ("--limit-rate", "600K"), ("--json",), ("--json", "--hash", SHA256)],
    ids=["quick", "slow", "json", "hash"],
)
@pytest.mark.parametrize("is_there", [False, True], ids=["new file", "replaced file"])
@pytest.mark.halved("flags", "is_there")
async def test_plugins_of_other_packages_are_not_looked_for(
    server: MisbehavingServer,
    environment: dict[str, str],
    folder: Path,
    tmp_path: Path,
    is_there: bool,
    flags: tuple[str, ...],
) -> None:
    """pydantic looks for plugins in all installed packages, and imports them."""
    packages = tmp_path / "packages"
    metadata = packages / "plugin_of_another-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Name: plugin-of-another\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pydantic]\nany = plugin_of_another:plugin\n")
    (packages / "plugin_of_another.py").write_text("plugin = None\n")
    folder.mkdir()
    if is_there:
        (folder / "a.bin").write_bytes(b"")
    variables = environment | {"PYTHONPATH": f"{packages}:{environment['PYTHONPATH']}"}
    url = server.on("/a.bin", in_turn(cut(BODY, 100_000), serving(BODY)))  # it is retried
    imported = await _imported(variables, url, "-o", str(folder), "--exists", "overwrite", *flags)
    assert (folder / "a.bin").read_bytes() == BODY
    assert "plugin_of_another" not in imported


@pytest.mark.parametrize("chosen", [None, "of-the-user"])
async def test_commands_of_the_user_get_the_environment_of_the_user(
    server: MisbehavingServer,
    environment: dict[str, str],
    folder: Path,
    tmp_path: Path,
    chosen: str | None,
) -> None:
    told = tmp_path / "told"
    url = server.on("/a.bin", serving(BODY))
    script = tmp_path / "script"
    script.write_text(f'echo "${{PYDANTIC_DISABLE_PLUGINS-unset}}" > {told}')
    variables = environment | {"RHEO_ON_COMPLETE": f"sh {script}"}
    variables.pop("PYDANTIC_DISABLE_PLUGINS", None)  # an app that began in this process sets it
    if chosen is not None:
        variables["PYDANTIC_DISABLE_PLUGINS"] = chosen
    await _imported(variables, url, "-o", str(folder))
    assert told.read_text().strip() == (chosen or "unset")


async def _imported(environment: dict[str, str], *words: str) -> set[str]:
    """Run `rheo download` with these words; return the modules that it imported."""
    # Not from the fork server, which has imported everything.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "download", *words),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    imported = set(out.decode().split())
    assert "rheo_core.downloads.manager" in imported, "the list of modules was not written"
    return imported
