"""Every form of input, pasted into the app or loaded by it, becomes the files it asks for."""

from collections.abc import Mapping
from pathlib import Path

from tests.core.engine import serving, sha256
from tests.e2e.terminal import APP, Terminal
from tests.programs import needs_app
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

ENTER, TAB = "\r", "\t"
OTHER_HASH = sha256(b"of another file")

pytestmark = needs_app


def as_browsers_copy_it(url: str) -> str:
    return f"""curl '{url}' \\
  -H 'accept: text/html,*/*;q=0.8' \\
  -H 'x-ticket: it is '\\''mine'\\''' \\
  -b 'sid=s3cret; theme=dark' \\
  -H 'user-agent: Mozilla/5.0 (X11; Linux x86_64)' \\
  --compressed"""


def aria2_list(url: str, digest: str, wrong_url: str) -> str:
    return f"""{url}
  out=isos/named-by-out.bin
  checksum=sha-256={digest}
{wrong_url}
  checksum=sha-256={OTHER_HASH}
"""


def metalink(digests: Mapping[str, str], base: str) -> str:
    files = "".join(
        f"""<file name="{name}"><hash type="sha-256">{digest}</hash>
        <url priority="1">{base}gone</url><url priority="2">{base}{name}</url></file>"""
        for name, digest in digests.items()
    )
    namespace = "urn:ietf:params:xml:ns:metalink"
    return f'<?xml version="1.0"?><metalink xmlns="{namespace}">{files}</metalink>'


async def add(terminal: Terminal, text: str, told: str) -> None:
    """Paste, look at the verdicts, add."""
    await terminal.paste(text)
    await terminal.shows("Add links", told)
    await terminal.type(ENTER)
    await terminal.until(lambda: "Add links" not in terminal.text, "the box to close")


async def answer(terminal: Terminal, question: str, text: str) -> None:
    """Go to the next input, once it is there, and say what it asks for."""
    await terminal.shows(question)
    await terminal.type(TAB)
    await terminal.until(lambda: question in terminal.cursor_line, f"the cursor at {question}")
    await terminal.type(text)


async def load(terminal: Terminal, path: Path, told: str, base: str = "") -> None:
    """Load a list, with its address where it has to be said."""
    await terminal.type("o")
    await terminal.shows("Load a list")
    await terminal.type(str(path))
    if base:
        await answer(terminal, "URL of the page or list", base)
    await terminal.shows(told)
    await terminal.type(ENTER)
    await terminal.until(lambda: "Load a list" not in terminal.text, "the screen to close")


async def test_every_form_becomes_its_files(server: MisbehavingServer, tmp_path: Path) -> None:
    names = (
        "plain-1.bin", "plain-2.bin", "copied.bin", "isos/named-by-out.bin",
        "part08.bin", "part09.bin", "part10.bin", "linked.bin", "summed.bin",
        "a one.iso", "two.iso",
    )  # fmt: skip
    files = {name: body_of(200_000 + 1000 * at, name) for at, name in enumerate(names)}

    async def for_the_browser_only(exchange: Exchange) -> None:
        sent = exchange.request.headers
        if (sent.get("x-ticket"), sent.get("cookie")) == ("it is 'mine'", "sid=s3cret; theme=dark"):
            await exchange.serve(files["copied.bin"])
        else:
            await exchange.head("403 Forbidden", Content_Length=0)

    async def gone(exchange: Exchange) -> None:
        await exchange.head("404 Not Found", Content_Length=0)

    for name, body in files.items():
        server.on("/" + name.replace(" ", "%20"), serving(body))
    for name in ("wrong-aria2.bin", "wrong-linked.bin", "wrong-summed.bin"):
        server.on(f"/{name}", serving(body_of(5000, name)))
    server.on("/x?id=7", serving(files["isos/named-by-out.bin"]))
    server.on("/copied.bin", for_the_browser_only)
    server.on("/gone", gone)
    base, digests = server.url("/"), {name: sha256(body) for name, body in files.items()}

    linked = {"linked.bin": digests["linked.bin"], "wrong-linked.bin": OTHER_HASH}
    (tmp_path / "files.meta4").write_text(metalink(linked, base))
    summed = {"summed.bin": digests["summed.bin"], "wrong-summed.bin": OTHER_HASH}
    sums = "".join(f"{digest}  {name}\n" for name, digest in summed.items())
    (tmp_path / "SHA256SUMS").write_text(sums)
    page = "<html><a href='a%20one.iso'>1</a><a href=two.iso>2</a><a href=no.txt>3</a></html>"

    folder = tmp_path / "files"
    async with Terminal([APP, "-d", str(folder)], tmp_path / "home") as terminal:
        await terminal.shows("quit")
        await add(terminal, f"{base}plain-1.bin\n{base}plain-2.bin", "2 to add")
        await add(terminal, as_browsers_copy_it(f"{base}copied.bin"), "1 to add")
        named = digests["isos/named-by-out.bin"]
        listed = aria2_list(f"{base}x?id=7", named, f"{base}wrong-aria2.bin")
        await add(terminal, listed, "2 to add")
        await add(terminal, f"{base}part[08-10].bin", "3 to add")
        await load(terminal, tmp_path / "files.meta4", "2 to add")
        await load(terminal, tmp_path / "SHA256SUMS", "2 to add", base)

        await terminal.paste(page)
        await answer(terminal, "links of the page to add", "*.iso")
        await answer(terminal, "URL of the page or list", base)
        await terminal.shows("2 to add")
        await terminal.type(ENTER)
        await terminal.shows(f"6 Done {len(files)}", "4 Failed 3")
        await terminal.type("q")
        assert await terminal.exit_code() == 0

    found = {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and ".part" not in path.suffixes  # what the user may still keep
    }
    assert found == digests
