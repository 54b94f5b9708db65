"""`rheo download` with all that may be pasted into a list: what it says, and what arrives."""

import hashlib
import json
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rheo_core import FileConfig
from rheo_core.cli.main import app
from tests.core.engine import sha256
from tests.inputs.texts import APACHE_PAGE, CHROME_BASH, METALINK_4, SHA1
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import damaged

pytestmark = pytest.mark.usefixtures("environment")
Run = Callable[..., Awaitable[Any]]
BODY = body_of(30_000)


def run(*arguments: object, stdin: str = "") -> Result:
    """In this process; the command reads the descriptor of standard input, not `sys.stdin`."""
    before = os.dup(0)
    with tempfile.TemporaryFile() as file:
        file.write(stdin.encode())
        file.seek(0)
        os.dup2(file.fileno(), 0)
    try:
        return CliRunner().invoke(app, list(map(str, arguments)))
    finally:
        os.dup2(before, 0)
        os.close(before)


async def members_only(exchange: Exchange) -> None:
    if exchange.request.headers.get("cookie") == "sid=s3cret":
        await exchange.serve(BODY)
    else:
        await exchange.head("403 Forbidden", Content_Length=0)


async def whole(exchange: Exchange) -> None:
    await exchange.serve(BODY, ETag='"1"')


async def test_a_curl_command_is_done(rheo: Run, folder: Path) -> None:
    async with MisbehavingServer() as server:
        url = server.on("/get/file.iso", members_only)
        command = f"curl '{url}' \\\n  -H 'Accept: */*' \\\n -b 'sid=s3cret' -k -o 'mine/a b.iso'\n"
        result = await rheo("download", "-i", "-", "-o", folder, stdin=command.encode())
    assert result.code == 0, result.err
    assert "standard input, line 1: ignored: --insecure" in result.err
    assert "s3cret" not in result.err + result.out
    assert (folder / "mine" / "a b.iso").read_bytes() == BODY


async def test_a_metalink_is_done(rheo: Run, folder: Path, tmp_path: Path) -> None:
    """With the mirror that works, and its hash checked."""
    async with MisbehavingServer() as server:
        good = server.on("/x.iso", whole)
        text = f"""<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="x.iso">
            <size>{len(BODY)}</size><hash type="sha-256">{sha256(BODY)}</hash>
            <url priority="2">{good}</url><url priority="1">{server.url("/gone")}</url>
            </file></metalink>"""
        (tmp_path / "x.meta4").write_text(text)
        result = await rheo("download", "-i", tmp_path / "x.meta4", "-o", folder)
    assert result.code == 0, result.err
    assert "hash verified" in result.err
    assert (folder / "x.iso").read_bytes() == BODY


LENGTH = 1 << 12
HASHES = [hashlib.sha1(BODY[at : at + LENGTH]).hexdigest() for at in range(0, len(BODY), LENGTH)]
METALINKS = {
    "x.meta4": """<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="x.iso">
        <size>30000</size><pieces length="4096" type="sha-1">{pieces}</pieces>
        <url priority="1">{first}</url><url priority="2">{second}</url></file></metalink>""",
    "x.metalink": """<metalink version="3.0" xmlns="http://www.metalinker.org/"><files>
        <file name="x.iso"><verification><pieces length="4096" type="sha1">{pieces}</pieces>
        </verification><resources><url type="http" preference="90">{second}</url>
        <url type="http" preference="100">{first}</url></resources></file></files></metalink>""",
}


@pytest.mark.parametrize("name", METALINKS)
async def test_pieces_of_a_metalink_mend_a_file(
    rheo: Run, folder: Path, tmp_path: Path, name: str
) -> None:
    number = ' piece="{}"' if name == "x.metalink" else ""
    pieces = (f"<hash{number.format(at)}>{hex_}</hash>" for at, hex_ in enumerate(HASHES))

    async def spoilt(exchange: Exchange) -> None:
        await exchange.serve(damaged(BODY, (5000, 9000), (29_999, 30_000)), ETag='"1"')

    async with MisbehavingServer() as server, MisbehavingServer() as mirror:
        text = METALINKS[name].format(
            pieces="\n".join(pieces),
            first=server.on("/x.iso", spoilt),
            second=mirror.on("/m", whole),
        )
        (tmp_path / name).write_text(text)
        result = await rheo("download", "-i", tmp_path / name, "-o", folder)
        told = await rheo(
            *("download", "-i", tmp_path / name, "-o", folder, "--exists", "overwrite", "--json")
        )
    assert result.code == told.code == 0, result.err
    assert sha256((folder / "x.iso").read_bytes()) == sha256(BODY)
    assert "repairing x.iso: bad pieces: 3 of 8; fetched again from 127.0.0.1" in result.err
    starts = {request.range_start for request in mirror.requests}
    assert starts == {4096, 28_672}
    events = map(json.loads, told.out.splitlines())
    (repairing,) = (event for event in events if event["event_type"] == "download.repairing")
    assert (repairing["bad_pieces"], repairing["pieces"]) == (3, 8)


async def test_pieces_that_stay_bad_fail_the_command(
    rheo: Run, folder: Path, tmp_path: Path
) -> None:
    """And the next one fetches these pieces only."""
    async with MisbehavingServer() as server:
        url = server.on("/x.iso", whole)
        pieces = "".join(f"<hash>{hex_}</hash>" for hex_ in [SHA1, *HASHES[1:]])
        text = METALINKS["x.meta4"].format(pieces=pieces, first=url, second=url)
        (tmp_path / "x.meta4").write_text(text)
        result = await rheo("download", "-i", tmp_path / "x.meta4", "-o", folder)
        assert result.code == 1
        assert "failed    x.iso: 1 of 8 pieces are damaged" in result.err
        assert not (folder / "x.iso").exists()
        good = text.replace(SHA1, HASHES[0])
        (tmp_path / "x.meta4").write_text(good)
        before = len(server.requests)
        result = await rheo("download", "-i", tmp_path / "x.meta4", "-o", folder)
    assert result.code == 0, result.err
    assert sha256((folder / "x.iso").read_bytes()) == sha256(BODY)
    assert [(r.range_start, r.range_end) for r in server.requests[before:]] == [(0, 4096)]


async def test_the_links_of_a_page_and_a_pattern_are_done(
    rheo: Run, folder: Path, tmp_path: Path
) -> None:
    async with MisbehavingServer() as server:
        for path in ("/p/1.iso", "/p/2.iso", "/n07.bin", "/n08.bin"):
            server.on(path, whole)
        page = tmp_path / "page.html"
        page.write_text('<html><a href="1.iso">1</a> <a href=2.iso>2</a> <a href="3.txt">3</a>')
        base, pattern = server.url("/p/"), server.url("/n[07-08].bin")
        result = await rheo(
            "download", "-i", page, "--links", "*.iso", "--base", base, "--glob", pattern,
            "-o", folder,
        )  # fmt: skip
    assert result.code == 0, result.err
    assert sorted(path.name for path in folder.iterdir()) == [
        "1.iso",
        "2.iso",
        "n07.bin",
        "n08.bin",
    ]


def test_dry_run(tmp_path: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "there.iso").touch()
    lists = tmp_path / "list"
    lists.write_text(
        f"{CHROME_BASH} -k\nhttps://x/there.iso\nhttps://x/[1-2]\nhttps://x/1\nftp://x/\n"
    )
    result = run("download", "-i", lists, "-o", folder, "--glob", "--dry-run", "https://x/a")
    told = result.stdout.replace(f"{lists}, ", "").splitlines()
    assert told[:-1] == [
        "argument 1: ok: https://x/a",
        "line 1: ok: https://cdn.example.org/get/file.iso?sig=***&x=1 "
        "(curl command; ignored: --insecure)",
        "line 10: already there: https://x/there.iso -> there.iso",
        "line 11: ok: https://x/1 (pattern: 2 files)",
        "line 11: ok: https://x/2 (pattern: 2 files)",
        "line 12: duplicate: https://x/1: already in the list, line 11",
        "line 13: invalid: URL 'ftp://x/' has scheme 'ftp'; only http and https are supported",
    ]
    assert told[-1].startswith("4 to download, 1 duplicate, 1 invalid, 1 already there; ")
    assert told[-1].endswith(f" free in {folder}")
    assert (result.exit_code, result.stderr) == (1, "")
    assert [path.name for path in folder.iterdir()] == ["there.iso"]


def test_an_argument_that_is_only_a_comment(folder: Path) -> None:
    result = run("download", "-o", folder, "--dry-run", "# https://u:s3cret@x/?token=s3cret")
    assert result.exit_code == 1
    assert "is not a URL" in result.output
    assert "s3cret" not in result.output


def test_a_dry_run_to_standard_output_names_no_folder() -> None:
    result = run("download", "-o", "-", "--dry-run", "http://x/a")
    assert result.exit_code == 0
    assert result.output.endswith("1 to download; to standard output\n")


def test_dry_run_shows_the_name_of_the_flags(folder: Path) -> None:
    result = run("download", "-o", folder, "--dry-run", "http://x/a", "--filename", "b.zip")
    assert result.exit_code == 0
    assert "http://x/a -> b.zip" in result.output


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--mirror", "ftp://x", "--mirror: URL 'ftp://x' has scheme 'ftp'"),
        ("--hash", "foo", "--hash: hash 'foo' does not have the form"),
        ("--filename", "a/b", "--filename 'a/b' is not valid"),
    ],
)
def test_dry_run_refuses_the_flags_that_a_run_refuses(
    flag: str, value: str, said: str, folder: Path
) -> None:
    dry, real = (
        run("download", "-o", folder, "http://x/a", flag, value, *more)
        for more in (("--dry-run",), ())
    )
    assert said in dry.stderr
    assert (dry.exit_code, dry.stderr) == (real.exit_code, real.stderr)
    assert dry.exit_code != 0


def test_dry_run_tells_sizes(folder: Path) -> None:
    result = run("download", "-i", "-", "-o", folder, "--dry-run", stdin=METALINK_4)
    entry, total = result.stdout.splitlines()
    assert "(Metalink, 3 mirrors; 4.7 GB; ignored: mirrors that are not http" in entry
    assert total.startswith("1 to download; 4.7 GB known, ")
    assert result.exit_code == 0
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 1, "line 1: this is a web page; choose links from it with a pattern such as "
                "*.iso or * (--links)"),
        (("--links", "*.iso"), 1, "line 6: the links of this page are relative; give the address "
                                  "of the page (--base)"),
        (("--links", "*.zip", "--base", "http://x/"), 1, "no link of this page matches '*.zip'"),
        (("--base", "x"), 2, "--base: URL 'x' has no scheme"),
        (("--dry-run", "--json"), 2, "--json has no events to print"),
    ],
)  # fmt: skip
def test_one_sentence(arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run("download", "-i", "-", *arguments, stdin=APACHE_PAGE)
    assert result.exit_code == code
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_options_of_one_download_leave_the_rest_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--filename` for a curl command keeps its headers."""
    asked: list[FileConfig] = []

    def note(configs: list[FileConfig], *_: object, **__: object) -> int:
        asked.extend(configs)
        return 0

    monkeypatch.setattr("rheo_core.cli.running.run", note)
    run("download", "-i", "-", "--filename", "mine", stdin="curl http://x/ -b a=1 -o other")
    assert [(each.filename, each.headers) for each in asked] == [("mine", (("Cookie", "a=1"),))]


def test_a_pattern_is_a_url_unless_asked() -> None:
    result = run("download", "--dry-run", "http://x/[1-3]")
    told = "possible pattern, taken literally (--glob)"
    assert f"argument 1: ok: http://x/[1-3] ({told})\n" in result.stdout
