"""T04, R02, R25, D12: a web page comes in the place of the file."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import HashConfig, PieceHashes, RetryConfig, RetryPolicy
from rheo_core.downloads import RetryHandler
from tests.core.engine import (
    PATIENT,
    Journal,
    error_of,
    fetch,
    names_in,
    quick_retries,
    serving,
    sha256,
    status_of,
)
from tests.faults.disk import state_of
from tests.faults.oracle import LIMIT, Scene, checksum
from tests.faults.program import COMMAND, Home, ended
from tests.servers.misbehaving import V1, Behaviour, Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import (
    Hold,
    answer,
    chunked,
    cut,
    in_chunks,
    in_turn,
    page,
    raw,
    redirect,
    response,
    whole,
)
from tests.waiting import Until

BODY = body_of(600_000)
AT = 200_000
SIGN_IN = b"<!doctype html><html><title>Please sign in</title></html>"
XHTML = "application/xhtml+xml"
FACTS = {**V1, "Content_Type": "application/zip"}
SAYS = "instead of the file"


def trickling(body: bytes) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await exchange.head(Transfer_Encoding="chunked")
        for piece in in_chunks(body, 3):
            await exchange.send(piece)
            await asyncio.sleep(0)

    return behave


PAGES = {
    "page": page(SIGN_IN),
    "page without a length": chunked(SIGN_IN, Content_Type="text/html"),
    "page with an ETag": page(SIGN_IN, ETag='"page"'),
    "page of the size of the file": page(SIGN_IN.ljust(len(BODY))),
    "XHTML": answer("200 OK", SIGN_IN, Content_Type=XHTML),
    "a page by name": page(SIGN_IN, Content_Disposition='inline; filename="login.html"'),
    "an attached page": page(SIGN_IN, Content_Disposition='attachment; filename="login.html"'),
    "in capitals": answer("200 OK", SIGN_IN, Content_Type=" TEXT/HTML ;charset=X"),
    "without a semicolon": answer("200 OK", SIGN_IN, Content_Type="text/html charset=utf-8"),
    "told twice": answer("200 OK", SIGN_IN, Content_Type="text/html, text/html"),
    "inline": page(SIGN_IN, Content_Disposition="inline"),
    "empty": page(b""),
    "redirect": redirect("/login?next=file"),
    "redirect to be remembered": redirect("/login", "308 Permanent Redirect"),
    "JSON": answer("200 OK", b'{"error": "token expired"}', Content_Type="application/json"),
    "NDJSON": answer("200 OK", b'{"error": 1}\n{}\n', Content_Type="application/x-ndjson"),
    "JavaScript": answer("200 OK", b"location='/login'", Content_Type="application/javascript"),
    "YAML": answer("200 OK", b"error: expired", Content_Type="application/yaml"),
    "image": answer("200 OK", b"GIF89a", Content_Type="image/gif"),
    "attached without a name": page(SIGN_IN, Content_Disposition="attachment"),
    "attached with the name of the file": page(
        SIGN_IN, Content_Disposition='attachment; filename="file.bin"'
    ),
    "without a type": whole(SIGN_IN),
    "without a type, chunked": chunked(b"\xef\xbb\xbf\n\n" + SIGN_IN),
    "without a type, in small pieces": trickling(SIGN_IN),
    "without a type, large": whole(SIGN_IN.ljust(len(BODY))),
    "without a type, empty": whole(b""),
    "of the type of the file": whole(SIGN_IN, Content_Type="application/zip", ETag='"v2"'),
    "of any type": whole(SIGN_IN.upper(), Content_Type="application/octet-stream"),
}


def log_in_needed(scene: Scene) -> None:
    for path in ("/login", "/login?next=file"):
        scene.server.on(path, page(SIGN_IN))


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.halved("kind", "broken")
async def test_a_page_does_not_replace_what_is_there(broken: Scene, kind: str) -> None:
    log_in_needed(broken)
    outcome = await broken.resume(BODY, AT, PAGES[kind], headers=FACTS)
    outcome.failed(SAYS, requests=3 if "redirect" in kind else 2)
    assert "the partial file is kept" in outcome.error
    assert outcome.journal.last("failed").error.exc_type.endswith(".WebPageError")
    assert state_of(broken.part).media_type == "application/zip"
    kept = broken.part.read_bytes()
    assert sha256(kept) == sha256(BODY[:AT])

    again = await broken.fetch(PAGES[kind], BODY)
    again.failed(SAYS)
    assert broken.part.read_bytes() == kept

    before = len(broken.server.requests)
    (await broken.fetch(serving(BODY, **FACTS), BODY)).completed(BODY)
    asked = broken.server.requests[before:]
    assert [request.range_start for request in asked] == [AT]


@pytest.mark.parametrize("etag", ['"v1"', '"page"', 'W/"v1"', None])
async def test_a_page_does_not_pass_for_a_range(broken: Scene, etag: str | None) -> None:
    place = f"bytes {AT}-{len(BODY) - 1}/{len(BODY)}"
    rest = SIGN_IN.ljust(len(BODY) - AT)
    facts = {"Content_Type": "text/html", "Content_Range": place} | ({"ETag": etag} if etag else {})
    lie = answer("206 Partial Content", rest, **facts)
    (await broken.resume(BODY, AT, lie, headers=FACTS)).failed(SAYS, requests=2)
    assert broken.part.read_bytes() == BODY[:AT]
    (await broken.fetch(serving(BODY, **FACTS), BODY)).completed(BODY)


@pytest.mark.parametrize("type", ["text/plain", "application/octet-stream", None])
async def test_a_range_may_have_another_type(broken: Scene, type: str | None) -> None:
    """Servers that know fewer types than others share one address with them."""
    then = serving(BODY, **V1, **({"Content_Type": type} if type else {}))
    (await broken.resume(BODY, AT, then, headers=FACTS)).completed(BODY)


REFUSALS = {
    "416": answer("416 Range Not Satisfiable", Content_Range="bytes */100"),
    "412": answer("412 Precondition Failed"),
    "another version": answer(
        "206 Partial Content",
        BODY[AT:],
        Content_Range=f"bytes {AT}-{len(BODY) - 1}/{len(BODY)}",
        ETag='"v2"',
    ),
}


@pytest.mark.parametrize("then", ["page", "JSON", "403", "cut off"])
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_refused_range_costs_no_byte_until_the_whole_comes(
    broken: Scene, refusal: str, then: str
) -> None:
    others = {"403": answer("403 Forbidden"), "cut off": raw(b"")}
    last = others[then] if then in others else PAGES[then]

    async def behave(exchange: Exchange) -> None:
        is_range = exchange.request.range_start is not None
        await (REFUSALS[refusal] if is_range else last)(exchange)

    (await broken.resume(BODY, AT, behave, headers=FACTS)).failed()
    assert broken.part.read_bytes() == BODY[:AT]
    (await broken.fetch(serving(BODY, **FACTS), BODY)).completed(BODY)
    assert broken.server.requests[-1].range_start == AT


@pytest.mark.parametrize(
    "kind",
    [
        "page",
        "page without a length",
        "redirect",
        "JSON",
        "NDJSON",
        "without a type",
        "attached without a name",
        "image",
    ],
)
async def test_a_page_on_resume_is_an_error_of_the_command(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until, kind: str
) -> None:
    folder, hold = tmp_path / "files", Hold(BODY, AT, **FACTS)
    part = folder / "get.part"
    server.on("/login?next=file", page(SIGN_IN))
    line = ("download", server.on("/get?file=5", hold), "-o", folder)
    process = await home.start(COMMAND, *line)
    await until(lambda: part.exists() and part.stat().st_size >= AT - 65536)
    process.terminate()
    await ended(process)
    hold.let_go.set()
    before, state = sha256(part.read_bytes()), part.with_name("get.part.state").read_bytes()

    server.on("/get?file=5", PAGES[kind])
    result = await home.rheo(*line, "--retries", 5)
    assert result.code == 1 and result.told_once(SAYS), result.err
    assert "retry" not in result.err and result.told_once("--accept-html")
    assert names_in(folder) == ["get.part", "get.part.state"]
    assert sha256(part.read_bytes()) == before
    assert part.with_name("get.part.state").read_bytes() == state

    server.on("/get?file=5", serving(BODY, **FACTS))
    result = await home.rheo(*line)
    assert result.code == 0, result.err
    assert (folder / "get").read_bytes() == BODY and server.requests[-1].range_start


@pytest.mark.parametrize("kind", ["page", "page with an ETag", "redirect"])
async def test_a_page_does_not_replace_what_came_without_a_type(broken: Scene, kind: str) -> None:
    log_in_needed(broken)
    broken.path, broken.name = "/get", "get"
    (await broken.resume(BODY, AT, PAGES[kind], headers=V1)).failed(SAYS)
    assert broken.part.read_bytes() == BODY[:AT]
    (await broken.fetch(serving(BODY, **V1), BODY)).completed(BODY)
    assert broken.server.requests[-1].range_start == AT


async def test_a_new_link_that_leads_to_a_page_costs_no_byte(scene: Scene) -> None:
    await scene.begin(BODY, AT, **FACTS)
    config = scene.config(fetch_url=scene.server.on("/new", PAGES["page"]))
    (await scene.fetch(None, BODY, config=config)).failed("the new link leads to a different file")
    assert scene.part.read_bytes() == BODY[:AT]


@pytest.mark.parametrize("kind", ["page", "page without a length", "redirect"])
async def test_a_page_does_not_replace_what_pieces_vouch_for(scene: Scene, kind: str) -> None:
    """Hashes of pieces let a download continue without a validator."""
    log_in_needed(scene)
    length = 50_000
    hashes = tuple(sha256(BODY[at : at + length]) for at in range(0, len(BODY), length))
    pieces = PieceHashes(algorithm="sha256", length=length, hashes=hashes)
    config = scene.config(pieces=pieces)
    outcome = await scene.resume(BODY, AT, PAGES[kind], config=config)
    outcome.failed(SAYS)
    assert scene.part.read_bytes() == BODY[:AT]
    (await scene.fetch(serving(BODY), BODY, config=config)).completed(BODY)
    assert scene.server.requests[-1].range_start == AT


async def test_a_changed_file_of_the_same_kind_begins_again(broken: Scene) -> None:
    new = body_of(500_000, "new")
    facts = {"ETag": '"v2"', "Content_Type": "application/zip"}
    (await broken.resume(BODY, AT, serving(new, **facts), new, headers=FACTS)).completed(new)


@pytest.mark.parametrize("size", [0, 1, 511, 5000, 20_000, 500_000])
@pytest.mark.parametrize("framing", [whole, chunked])
@pytest.mark.parametrize("speed_limit", [None, 10_000_000])
@pytest.mark.halved("speed_limit", "framing", "size", "broken")
async def test_a_changed_file_is_whole_after_its_beginning_was_looked_at(
    broken: Scene, size: int, framing: Callable[..., Behaviour], speed_limit: int | None
) -> None:
    new, facts = body_of(size, "new"), {"ETag": '"v2"', "Content_Type": "application/zip"}
    config = broken.config(speed_limit=speed_limit)
    outcome = await broken.resume(
        BODY, AT, framing(new, **facts), new, headers=FACTS, config=config
    )
    outcome.completed(new)


@pytest.mark.parametrize("then", [whole, chunked])
async def test_a_changed_page_without_a_type_begins_again(
    broken: Scene, then: Callable[..., Behaviour]
) -> None:
    """The existing file also begins like a page."""
    old, new = SIGN_IN + BODY, SIGN_IN + body_of(500_000, "new")
    broken.path, broken.name = "/wiki", "wiki"
    outcome = await broken.resume(old, AT, then(new, ETag='"v2"'), new, headers=V1)
    outcome.completed(new)


@pytest.mark.parametrize("kind", ["JSON", "YAML", "without a type", "without a type, empty"])
async def test_no_message_replaces_what_came_without_a_type(broken: Scene, kind: str) -> None:
    broken.path, broken.name = "/a.zip", "a.zip"
    (await broken.resume(BODY, AT, PAGES[kind], headers=V1)).failed(SAYS)
    assert broken.part.read_bytes() == BODY[:AT]
    (await broken.fetch(serving(BODY, **V1), BODY)).completed(BODY)
    assert broken.server.requests[-1].range_start == AT


@pytest.mark.parametrize("recorded", ["text/html", XHTML, "Text/HTML; charset=utf-8"])
async def test_a_changed_page_begins_again(broken: Scene, recorded: str) -> None:
    new, facts = body_of(500_000, "new"), {**V1, "Content_Type": recorded}
    broken.path, broken.name = "/wiki", "wiki"
    outcome = await broken.resume(BODY, AT, page(new), new, headers=facts)
    outcome.completed(new)


@pytest.mark.parametrize("recorded", ["application/octet-stream", "text/csv", "image/png"])
async def test_a_page_does_not_pass_for_a_file_that_cannot_be_resumed(
    scene: Scene, recorded: str
) -> None:
    """Nothing is lost, but what was begun was no page."""
    scene.path, scene.name = "/get", "get"
    first = cut(BODY, AT, Content_Type=recorded)
    outcome = await scene.fetch(in_turn(first, page(SIGN_IN)), BODY)
    outcome.failed(SAYS, requests=2)
    assert "kept" not in outcome.error and not scene.part.exists()


@pytest.mark.parametrize("wishes", [{"filename": "a.zip"}, {"type": "application/zip"}])
async def test_a_page_by_name_is_not_the_file_that_was_named(
    scene: Scene, wishes: dict[str, object]
) -> None:
    """The server's name does not count where the user gave one, or the type."""
    scene.server.on("/get", PAGES["an attached page"])
    config = FileConfig(url=scene.server.url("/get"), **wishes)
    manager, _ = await fetch(scene.folder, [config])
    assert SAYS in error_of(manager, config)
    assert not (scene.folder / "a.zip").exists() and not (scene.folder / "login.html").exists()


async def test_a_retry_by_the_user_knows_what_was_begun(scene: Scene) -> None:
    scene.path, scene.name = "/get", "get"
    config, first = scene.config(), cut(BODY, AT, Content_Type="application/zip")
    scene.server.on(scene.path, in_turn(first, page(SIGN_IN)))
    async with scene.manager(retry_handler=quick_retries(0)) as manager, asyncio.timeout(LIMIT):
        await manager.add([config])
        await manager.wait_until_complete()
        await manager.retry(config.id)
        await manager.wait_until_complete()
        assert SAYS in error_of(manager, config)
    assert not scene.final.exists()


FILES = [
    "a.zip",
    "a.ZIP",
    "a.tar.gz",
    "a%2Ezip",
    "a.zip;jsessionid=1",
    "a.zip?token=expired",
    "download%2Fa.iso",
    "report.pdf",
    "b%C3%BCro.docx",
    "photo.jpeg",
    "song.flac",
    "film.mkv",
    "data.csv",
    "model.safetensors",
    "pytorch_model.bin",
    "disk.qcow2",
    "a.7z.001",
    "a.zip/",
    "a.zip/download",
    "a.zip/Download?token=expired",
    "releases/a.iso/raw/",
    "get.php?file=a.zip",
    "get.php?id=5&filename=a%20b.zip",
    "dl?path=%2Fpub%2Fa.tar.gz",
    "get?a.zip",
    "wiki/File:a.jpg",
    "blob/main/a.zip",
    "setup.exe",
    "app.deb",
]
NO_FILES = [
    "",
    "index",
    "index.html",
    "a.zip.html",
    "a.htm",
    "page.xhtml",
    "get.php?file=a.html",
    "get.php?file=a",
    "share?url=http%3A%2F%2Fh%2Fa.zip&title=a.zip",
    "find?q=a.zip",
    "login?next=/a.zip",
    "viewer.html?file=a.pdf",
    "a.zip/view",
    "a.zip/index.html",
    "show.aspx",
    "v1.2",
    "zip",
    "readme.txt",
    "wiki/",
    "a.html.gz",
    "a.htm.xz",
]


@pytest.mark.parametrize("path", FILES)
async def test_a_page_is_no_such_file(server: MisbehavingServer, tmp_path: Path, path: str) -> None:
    config = FileConfig(url=server.on(f"/{path}", page(SIGN_IN)))
    handler = RetryHandler(
        RetryConfig(base_delay=0.01, policy=RetryPolicy(retry_unknown_errors=True))
    )
    manager, journal = await fetch(tmp_path, [config], retry_handler=handler)
    assert status_of(manager, config) == "failed" and "kept" not in error_of(manager, config)
    assert error_of(manager, config).startswith(
        f"the server sent a web page (text/html, 57 bytes) {SAYS}"
    )
    assert journal.names() == ["queued", "failed"]
    assert len(server.requests) == 1 and names_in(tmp_path) == []


@pytest.mark.parametrize("path", NO_FILES)
async def test_a_page_may_be_what_was_asked_for(
    server: MisbehavingServer, tmp_path: Path, path: str
) -> None:
    config = FileConfig(url=server.on(f"/{path}", page(SIGN_IN)))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)


@pytest.mark.parametrize(
    ("response", "is_taken"),
    [
        (page(SIGN_IN, Content_Disposition="attachment"), True),
        (page(SIGN_IN, Content_Disposition='attachment; filename="a.zip"'), True),
        (page(SIGN_IN, Content_Disposition='inline; filename="a.zip"'), True),
        (page(SIGN_IN, Content_Disposition="inline"), False),
        (PAGES["a page by name"], False),
        (PAGES["an attached page"], False),
        (page(SIGN_IN, Content_Disposition="attachment; filename*=UTF-8''LOG%20IN.HTM"), False),
        (whole(SIGN_IN), True),
        (whole(SIGN_IN, Content_Type="application/octet-stream"), True),
        (whole(SIGN_IN, Content_Type="text/plain"), True),
        (whole(SIGN_IN, Content_Type=""), True),
        (whole(SIGN_IN, Content_Type="html"), True),
        (PAGES["redirect"], False),
        (PAGES["XHTML"], False),
        (PAGES["in capitals"], False),
        (PAGES["told twice"], False),
        (PAGES["without a semicolon"], False),
        (PAGES["page without a length"], False),
    ],
)
async def test_the_response_says_whether_it_is_a_page(
    server: MisbehavingServer, tmp_path: Path, response: Behaviour, is_taken: bool
) -> None:
    server.on("/login?next=file", page(SIGN_IN))
    config = FileConfig(url=server.on("/a.zip", response))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == ("completed" if is_taken else "failed")
    assert names_in(tmp_path) == (["a.zip"] if is_taken else [])


@pytest.mark.parametrize(
    ("wishes", "path", "is_taken"),
    [
        ({"filename": "a.zip"}, "/get?id=5", False),
        ({"filename": "a.zip"}, "/get.php", False),
        ({"filename": "a.html"}, "/a.zip", True),
        ({"filename": "a"}, "/a.zip", False),
        ({"type": "application/pdf"}, "/get?id=5", False),
        ({"type": "text/html"}, "/a.zip", True),
        ({"accept_html": True}, "/a.zip", True),
        ({"fetch_url": "/new"}, "/a.zip", False),
        ({"size_bytes": 57}, "/a.zip", False),
    ],
)
async def test_what_was_asked_for_says_what_is_no_page(
    server: MisbehavingServer, tmp_path: Path, wishes: dict[str, object], path: str, is_taken: bool
) -> None:
    for each in (path, "/new"):
        server.on(each, page(SIGN_IN))
    if "fetch_url" in wishes:
        wishes = {"fetch_url": server.url("/new")}
    config = FileConfig(url=server.url(path), **wishes)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == ("completed" if is_taken else "failed")


async def test_the_command_takes_a_page_only_if_told_to(
    server: MisbehavingServer, home: Home, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    line = ("download", server.on("/a.zip", page(SIGN_IN)), "-o", folder)
    result = await home.rheo(*line, "--retries", 5)
    assert result.code == 1 and result.told_once(SAYS) and "retry" not in result.err
    assert len(server.requests) == 1 and names_in(folder) == []
    result = await home.rheo(*line, "--json")
    assert '"exc_type":"rheo_core.domain.exceptions.WebPageError"' in result.out.replace(": ", ":")
    result = await home.rheo(*line, "--accept-html")
    assert result.code == 0, result.err
    assert (folder / "a.zip").read_bytes() == SIGN_IN


async def test_a_list_cannot_have_a_page_accepted(
    server: MisbehavingServer, home: Home, tmp_path: Path
) -> None:
    items = tmp_path / "list.jsonl"
    url = server.on("/a.zip", page(SIGN_IN))
    items.write_text(f'{{"url": "{url}", "accept_html": true}}\n')
    result = await home.rheo("download", "-i", items, "-o", tmp_path / "files")
    assert result.code == 1 and result.told_once(SAYS), result.err


@pytest.mark.parametrize("framing", ["whole", "redirect"])
async def test_a_mirror_that_answers_with_a_page_is_left_out(scene: Scene, framing: str) -> None:
    log_in_needed(scene)
    behaviour = PAGES["page"] if framing == "whole" else PAGES["redirect"]
    mirror = scene.server.on("/mirror", behaviour)
    own = scene.config(mirrors=(mirror,))
    outcome = await scene.fetch(serving(BODY, **FACTS), BODY, config=own, connections=4)
    outcome.completed(BODY)


@pytest.mark.parametrize("where", ["own link", "first mirror"])
async def test_a_mirror_goes_on_where_another_source_sends_a_page(scene: Scene, where: str) -> None:
    pages = PAGES["page"]
    first = pages if where == "own link" else answer("404 Not Found")
    mirrors = [
        scene.server.on("/1/a.zip", answer("503 Busy") if where == "own link" else pages),
        scene.server.on("/2/a.zip", serving(BODY, **FACTS)),
    ]
    config = scene.config(mirrors=tuple(mirrors))
    (await scene.fetch(first, BODY, config=config)).completed(BODY)


async def test_a_resume_goes_on_from_a_mirror_where_the_link_leads_to_a_page(scene: Scene) -> None:
    mirror = scene.server.on("/mirror", serving(BODY, **FACTS))
    config = scene.config(mirrors=(mirror,))
    outcome = await scene.resume(BODY, AT, PAGES["page"], config=config, headers=FACTS)
    outcome.completed(BODY)
    assert [r.range_start for r in scene.server.requests_for("/mirror")] == [AT]


@pytest.mark.parametrize("kind", ["page", "redirect", "404", "403"])
@pytest.mark.parametrize("connections", [1, 4])
async def test_a_bad_mirror_does_not_keep_a_broken_connection_from_a_retry(
    scene: Scene, kind: str, connections: int
) -> None:
    log_in_needed(scene)
    bad = PAGES[kind] if kind in PAGES else answer(f"{kind} No")
    config = scene.config(mirrors=(scene.server.on("/mirror", bad),))
    first = in_turn(cut(BODY, AT, **FACTS), serving(BODY, **FACTS))
    outcome = await scene.fetch(first, BODY, config=config, connections=connections)
    outcome.completed(BODY)


class Expiring:
    """The first response sends all in two portions; requests in between get a page."""

    def __init__(self, *, breaks: bool) -> None:
        self.asked = asyncio.Event()
        self._breaks = breaks

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.request.range_start is not None:
            await page(SIGN_IN)(exchange)
            self.asked.set()
            return
        await exchange.head(Content_Length=len(LARGE), **FACTS)
        await exchange.send(LARGE[: 2 << 20])
        await self.asked.wait()
        if self._breaks:
            await exchange.close()
        else:
            await exchange.send(LARGE[2 << 20 :])


LARGE = body_of(4 << 20)


@pytest.mark.parametrize("breaks", [False, True])
async def test_a_second_connection_that_gets_a_page_costs_no_byte(
    scene: Scene, breaks: bool
) -> None:
    outcome = await scene.fetch(
        Expiring(breaks=breaks),
        LARGE,
        connections=2,
        chunk_size=65536,
        durable=False,
        tuning=replace(PATIENT, join_threshold_seconds=0.0),
    )
    if not breaks:
        outcome.completed(LARGE)
        return
    outcome.failed(SAYS)
    state = state_of(scene.part)
    assert state.offset == 2 << 20
    (await scene.fetch(serving(LARGE, **FACTS), LARGE, connections=1)).completed(LARGE)
    assert scene.server.requests[-1].range_start


async def test_a_checksum_of_the_users_is_the_better_judge(scene: Scene) -> None:
    """A program that sends every file as text/html, as PHP does unless told otherwise."""
    scene.path, scene.name = "/a.zip", "a.zip"
    mislabelled = serving(BODY, **V1, Content_Type="text/html; charset=UTF-8")
    config = scene.config(hash_config=checksum(BODY))
    (await scene.fetch(mislabelled, BODY, config=config)).completed(BODY)


async def test_what_a_checksum_refuses_is_told_to_be_a_page(scene: Scene) -> None:
    scene.path, scene.name = "/a.zip", "a.zip"
    config = scene.config(hash_config=checksum(BODY))
    outcome = await scene.fetch(page(SIGN_IN), SIGN_IN, config=config)
    outcome.failed("wrong SHA-256", requests=1)
    assert "the server sent a web page (text/html)" in outcome.error


async def test_a_checksum_does_not_let_a_page_replace_what_is_there(broken: Scene) -> None:
    config = broken.config(hash_config=HashConfig.from_checksum_string(f"sha256:{sha256(BODY)}"))
    outcome = await broken.resume(BODY, AT, PAGES["page"], config=config, headers=FACTS)
    outcome.failed(SAYS, requests=2)
    assert broken.part.read_bytes() == BODY[:AT]
    (await broken.fetch(serving(BODY, **FACTS), BODY, config=config)).completed(BODY)


@pytest.mark.parametrize("starts", ["same run", "next run"])
async def test_the_user_may_take_a_page_all_the_same(
    server: MisbehavingServer, tmp_path: Path, starts: str
) -> None:
    folder, session = tmp_path / "files", tmp_path / "session.db"
    config = FileConfig(url=server.on("/a.zip", page(SIGN_IN)))

    async def refused(manager: DownloadManager) -> None:
        await manager.add([config])
        await manager.wait_until_complete(timeout=LIMIT)

    async def taken(manager: DownloadManager) -> None:
        (row,) = manager.snapshot().downloads
        assert row.got_page and "instead of the file" in (row.error or "")
        assert await manager.accept_html(config.id)
        await manager.wait_until_complete(timeout=LIMIT)
        (row,) = manager.snapshot().downloads
        assert row.status == "completed" and not row.got_page
        assert not await manager.accept_html(config.id)

    async with DownloadManager(download_dir=folder, session_path=session) as manager:
        await refused(manager)
        if starts == "same run":
            await taken(manager)
    if starts == "next run":
        async with DownloadManager(download_dir=folder, session_path=session) as manager:
            await taken(manager)
    assert (folder / "a.zip").read_bytes() == SIGN_IN
    assert len(server.requests) == 2


async def test_only_a_page_has_the_user_asked(scene: Scene) -> None:
    config = scene.config()
    async with scene.manager(retry_handler=quick_retries(0)) as manager:
        scene.server.on(scene.path, answer("404 Not Found"))
        journal = Journal(manager)
        await manager.add([config])
        await manager.wait_until_complete(timeout=LIMIT)
        (row,) = manager.snapshot().downloads
        assert not row.got_page and journal.names() == ["queued", "failed"]
        assert not await manager.accept_html("0" * 16)


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Type: application/octet-stream, text/html"],
        ["Content-Type: application/octet-stream", "Content-Type: text/html; charset=utf-8"],
        ['Content-Type: "text/html"'],
        ["Content-Type: text/x-html"],
        ["Content-Type: application/xhtml+xml; charset=utf-8"],
    ],
)
async def test_t04_a_page_is_recognised_however_its_type_is_written(
    server: MisbehavingServer, tmp_path: Path, lines: list[str]
) -> None:
    body = b"<!DOCTYPE html><title>Sign in</title>"
    sent = response(body, *lines, f"Content-Length: {len(body)}")
    config = FileConfig(url=server.on("/a.zip", raw(sent)))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "failed"
    assert "a web page" in error_of(manager, config)
    assert not (tmp_path / "a.zip").exists()
