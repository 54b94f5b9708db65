"""A web page instead of a file, in the app: refused with a reason, and accepted with a key."""

from pathlib import Path

from tests.core.engine import names_in
from tests.e2e.terminal import APP, Terminal
from tests.programs import needs_app
from tests.servers.misbehaving import MisbehavingServer
from tests.servers.scenarios import page, redirect

SIGN_IN = b"<html><title>Please sign in</title></html>"

pytestmark = needs_app


async def test_a_sign_in_page_is_refused_until_the_user_accepts_it(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    folder, home = tmp_path / "files", tmp_path / "home"
    url = server.on("/report.pdf", redirect("/login"))
    server.on("/login", page(SIGN_IN))
    async with Terminal([APP, "-d", str(folder), url], home) as terminal:
        await terminal.shows("report.pdf", "✗ web page, not a file")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    assert names_in(folder) == [] and len(server.requests) == 2
    async with Terminal([APP, "-d", str(folder)], home) as terminal:  # the list remembers why
        await terminal.shows("report.pdf", "✗ web page, not a file")
        await terminal.type("w")
        await terminal.shows("Queued again to save the web page")
        await terminal.shows("done: 42 B")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    assert (folder / "report.pdf").read_bytes() == SIGN_IN
