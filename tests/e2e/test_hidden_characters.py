"""Nothing that a terminal would obey, and nothing hidden, is painted by any input."""

import asyncio
import unicodedata
from pathlib import Path

import pytest

from tests.core.engine import serving
from tests.e2e.terminal import APP, Terminal
from tests.programs import needs_app
from tests.servers.misbehaving import MisbehavingServer

HIDDEN = "\u200b\u200e\u202e\u2066\u2069\ufeff\u061c\u2060\u00ad\U000e0041"
HOSTILE = f"be{HIDDEN}gun\x80\x85\x9b31m\x9d0;title\x9c\x90q{HIDDEN}"
CTRL_P = "\x10"

pytestmark = needs_app


def hidden_in(painted: bytes) -> set[str]:
    """Return what no terminal should be sent, decoded as a terminal does it."""
    text = painted.decode(errors="replace")
    return {
        f"U+{ord(character):04X}"
        for character in text
        if unicodedata.category(character) == "Cf" or 0x80 <= ord(character) < 0xA0
    }


INPUTS = {
    "add box": ("a", "Add links"),
    "filter": ("/", "status:failed  host:"),
    "command line": (":", "Tab completes"),
    "history": ("h", "part of a name or URL"),
    "load dialog": ("o", "links.txt"),
    "edit dialog": ("e", "Priority"),
    "settings": (",", "Parallel downloads"),
    "palette": (CTRL_P, "Search for an action"),
}


@pytest.mark.parametrize("where", INPUTS)
@pytest.mark.parametrize("way", ["pasted", "typed"])
@pytest.mark.halved("where", "way")
async def test_an_input_paints_nothing_hidden(
    tmp_path: Path, server: MisbehavingServer, where: str, way: str
) -> None:
    url = server.url("/lost.bin")
    home = tmp_path / "home"
    home.mkdir()
    keys, sign = INPUTS[where]
    async with Terminal([APP, "-d", str(tmp_path / "files"), url], home) as terminal:
        await terminal.until(lambda: "✗" in terminal.line_with("lost.bin"), "the failure")
        for key in keys:
            await terminal.type(key)
        await terminal.shows(sign)
        if where == "history":
            await terminal.type("/")  # its list has the keys first
            await terminal.until(lambda: sign in terminal.cursor_line, "the cursor there")
        if way == "pasted":
            await terminal.paste(f"{HOSTILE}\x85end" if where == "add box" else HOSTILE)
        else:
            await terminal.type(HOSTILE)
        await terminal.type("zz")  # comes through behind it
        await terminal.until(lambda: "zz" in terminal.text, "the last keys")
        assert not hidden_in(bytes(terminal.painted))


async def test_a_hidden_character_in_a_link_is_seen_and_kept(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    """The link that is added leads where the pasted one does, and the lines stay lines."""
    home = tmp_path / "home"
    home.mkdir()
    for path in ("/first.bin", "/a%E2%80%AEgpj.bin"):
        server.on(path, serving(b"data"))
    pasted = f"\ufeff{server.url('/first.bin')}\u200b\u2028{server.url('/a')}\u202egpj.bin\u200e"
    async with Terminal([APP, "-d", str(tmp_path / "files")], home) as terminal:
        await terminal.shows("Paste links")
        await terminal.paste(pasted)
        await terminal.shows("Add links", "a%E2%80%AEgpj.bin")
        await terminal.type("\r")
        async with asyncio.timeout(60):
            await server.wait_for_requests(2)
        assert {request.target for request in server.requests} == {
            "/first.bin",
            "/a%E2%80%AEgpj.bin",
        }
        assert not hidden_in(bytes(terminal.painted))


async def test_a_setting_with_hidden_characters_is_shown_without(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "config" / "rheo").mkdir(parents=True)
    settings = home / "config" / "rheo" / "settings.toml"
    settings.write_text(
        'user_agent = "be\\u009bgun\\u202e"\ndownload_dir = "/tmp/be\\u009bgun\\u202e"\n'
    )
    async with Terminal([APP], home) as terminal:
        await terminal.shows("Paste links")
        await terminal.type(",")
        await terminal.shows("Parallel downloads", "gun")
        assert not hidden_in(bytes(terminal.painted))
