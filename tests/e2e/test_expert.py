"""An expert without a mouse: what people do every day costs few keys, in a real terminal."""

import base64
import re
from pathlib import Path

from tests.core.engine import names_in, serving
from tests.e2e.terminal import APP, Terminal
from tests.e2e.test_hundred_steps import ENTER, ESCAPE, HELD, Held, Person
from tests.programs import needs_app
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

pytestmark = [needs_app]

TAB, DOWN = "\t", "\x1b[B"
FILES = {f"file-{n:03}.bin": body_of(200 + n, f"file {n}") for n in range(200)}
PRIVATE = "file-117.bin"
FOUND = "file-042.bin"
MAX_KEYS = 45
"""Keys that all of it may take, typed words included. At one a second, a minute has 60."""
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;]*[A-Z~])?")  # one key


async def private(exchange: Exchange) -> None:
    expected = "Basic " + base64.b64encode(b"ann:pw").decode()
    if exchange.request.headers.get("authorization") == expected:
        await exchange.serve(FILES[PRIVATE])
    else:
        challenge = {"WWW-Authenticate": 'Basic realm="files"'}
        await exchange.head("401 Unauthorized", Content_Length=0, **challenge)


class Expert(Person):
    """Counts the keys."""

    keys = 0

    async def press(self, keys: str, *shown: str, gone: str = "") -> None:
        self.keys += len(_SEQUENCE.sub("?", keys))
        await super().press(keys, *shown, gone=gone)


async def test_a_day_of_an_expert_at_80_columns(server: MisbehavingServer, tmp_path: Path) -> None:
    held = [Held(body) for body in HELD.values()]
    for name, behaviour in zip(HELD, held, strict=True):
        server.on(f"/{name}", behaviour)
    for name, body in FILES.items():
        server.on(f"/{name}", private if name == PRIVATE else serving(body))
    opened = tmp_path / "opened"
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "xdg-open").write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n')
    (programs / "xdg-open").chmod(0o755)
    home = tmp_path / "home"
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "RHEO_CONNECTIONS": "1"}
    environ["RHEO_MAX_CONCURRENT"] = "8"  # with three, one remains beside the held ones
    async with Terminal([APP], home, columns=80, lines=24, environ=environ) as terminal:
        expert = Expert(terminal)
        await add(expert, server)
        await recover(expert)
        await steer(expert)
        await expert.press(f"/042{ENTER}", f"▌ {FOUND}", "1 of 202")
        await expert.press("f", "Opened")
        folder = str(home / "Downloads")  # the app waits for the program a second at most
        await terminal.until(lambda: opened.exists() and opened.read_text() == folder, "the folder")
        await expert.press(ESCAPE, "All 202", gone="1 of 202")
        await expert.press(f",theme{ENTER}", "rheo-light")
        await expert.press(DOWN + ENTER, "Saved.")
        await expert.press(ESCAPE, "Settings")
        await expert.press(ESCAPE, gone="Settings")
        await expert.press("q")
        assert await terminal.exit_code() == 0
    assert 'theme = "rheo-light"' in (home / "config" / "rheo" / "settings.toml").read_text()
    assert names_in(home / "Downloads") == sorted(FILES)
    assert expert.keys <= MAX_KEYS


async def add(expert: Expert, server: MisbehavingServer) -> None:
    """Paste links into a folder of their own, and two hundred into the usual one."""
    await expert.sees("Nothing to download yet")
    await expert.paste("\n".join(map(server.url, (f"/{name}" for name in HELD))), "2 to add")
    await expert.press(f"{TAB}{TAB}~/isos{ENTER}", "Added 2 downloads to ~/isos.", "2 Active 2")
    await expert.paste("\n".join(map(server.url, (f"/{name}" for name in FILES))), "200 to add")
    await expert.press(ENTER, "4 Failed 1", "6 Done 199")


async def recover(expert: Expert) -> None:
    """Find the one failure, see its cause and what helps, and give it a login."""
    await expert.press("N", f"▌ {PRIVATE}", "✗ 401 needs a login", "Press e and enter a login")
    await expert.press("e", f"Edit {PRIVATE}")
    await expert.press(f"ann:pw{ENTER}", "4 Failed 0", "6 Done 200")


async def steer(expert: Expert) -> None:
    """Pause everything, limit the speed, and take back a removal."""
    first, second = HELD
    await expert.press("P", "Paused 2 downloads", "5 Paused 2")
    await expert.press("[", "Speed limit is")
    await expert.press("g", f"▌ {first}")
    await expert.press("x", f"Removed {first}", f"▌ {second}", "All 201")
    await expert.press("u", f"▌ {first}", f"Undid the removal of {first}.", "All 202")
