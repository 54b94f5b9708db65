"""Cookies: of a file, and set by servers, within the public suffix rules."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict
from yarl import URL

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.domain.request_options import RequestOptions
from rheo_core.infrastructure.http.cookies import cookie_header, new_jar, store_cookies
from tests.clients import opened_client
from tests.core.engine import error_of, fetch, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.names import Names

BODY = body_of(10_000)
HEAD = "# Netscape HTTP Cookie File\n"


def lines(*cookies: tuple[str, bool, str, bool, int, str, str]) -> str:
    said = HEAD
    for host, below, path, secure, expires, name, value in cookies:
        said += f"{host}\t{below!s}\t{path}\t{secure!s}\t{expires}\t{name}\t{value}\n".replace(
            "True", "TRUE"
        ).replace("False", "FALSE")
    return said


async def asked(
    tmp_path: Path, server: MisbehavingServer, host: str, *, file: str = "", path: str = "/a/b"
) -> list[str]:
    """The cookies that each request for a file of `host` carried."""
    options = RequestOptions()
    if file:
        (tmp_path / "cookies.txt").write_bytes(file.encode(errors="surrogateescape"))
        (tmp_path / "cookies.txt").chmod(0o600)
        options = RequestOptions(cookies=tmp_path / "cookies.txt")
    port = server.url("").rpartition(":")[2]
    async with opened_client(resolver=Names()) as client:
        config = FileConfig(url=f"http://{host}:{port}{path}", filename="f", request=options)
        manager, _ = await fetch(tmp_path / "out", [config], client=client)
    assert status_of(manager, config) == "completed", error_of(manager, config)
    return [request.headers.get("cookie", "") for request in server.requests]


async def whole(exchange: Exchange) -> None:
    await exchange.serve(BODY)


async def test_those_of_a_file_go_where_they_belong(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    server.on("/a/b", whole)
    later = int(time.time()) + 1000
    file = lines(
        ("files.example.org", False, "/", False, 0, "host", "1"),
        (".example.org", True, "/a", False, later, "below", "2"),
        ("#HttpOnly_files.example.org", False, "/", False, later, "hidden", "3"),
        ("example.org", False, "/", False, 0, "parent", "no"),
        ("files.example.org", False, "/other", False, 0, "path", "no"),
        ("files.example.org", False, "/", True, 0, "safe", "no"),
        ("files.example.org", False, "/", False, 5, "expired", "no"),
        (".org", True, "/", False, 0, "public", "no"),
        ("elsewhere.example", False, "/", False, 0, "else", "no"),
    )
    (sent,) = await asked(tmp_path, server, "files.example.org", file=file)
    assert set(sent.split("; ")) == {"host=1", "below=2", "hidden=3"}


async def test_a_file_as_other_programs_write_it(tmp_path: Path, server: MisbehavingServer) -> None:
    """Without the first line, with a mark of UTF-8, with names and columns of every kind."""
    server.on("/a/b", whole)
    file = "\ufeff" + lines(
        ("example.org", True, "/", False, 0, "below", "1"),
        (".files.example.org", False, "/", False, 0, "dot", "2"),
        (".example.org", False, "/", False, 0, "parent", "no"),
        ("FILES.example.org", False, "/", False, 0, "list[a]", '"x, y"'),
        ("files.example.org", False, "/", False, 0, "empty", ""),
    ).removeprefix(HEAD).replace(
        "empty\t\n", "empty\t\nfiles.example.org\tFALSE\t/\tFALSE\t0\tcut\n"
    )
    file = file.replace("\n", "\r\n")
    (sent,) = await asked(tmp_path, server, "files.example.org", file=file)
    assert set(sent.split("; ")) == {"below=1", "dot=2", 'list[a]="x, y"', "empty=", "cut="}


EPOCH = "id=1; expires=Thu, 01 Jan 1970 00:00:00 GMT"


@pytest.mark.parametrize(
    "field",
    ["__Host-id=1; Path=/; Secure", "__Secure-id=1; Path=/", "__secure-id=1; Path=/; secure"],
)
async def test_a_prefix_promises_https(
    tmp_path: Path, server: MisbehavingServer, field: str
) -> None:
    async def begin(exchange: Exchange) -> None:
        await exchange.head("302 Found", Location="/there", Set_Cookie=field, Content_Length=0)

    server.on("/a/b", begin)
    server.on("/there", whole)
    assert await asked(tmp_path, server, "www.example.org") == ["", ""]


async def test_an_empty_value_may_lack_its_tab(tmp_path: Path, server: MisbehavingServer) -> None:
    server.on("/a/b", whole)
    file = lines(("www.example.org", False, "/", False, 0, "id", "")).replace("id\t", "id")
    assert await asked(tmp_path, server, "www.example.org", file=file) == ["id="]


@pytest.mark.parametrize(
    ("host", "field", "target", "sent"),
    [
        ("www.example.org", "id=1", "www.example.org", True),
        ("www.example.org", "id=1", "example.org", False),
        ("www.example.org", "id=1; Domain=example.org", "files.example.org", True),
        ("www.example.org", "id=1; Domain=.example.org", "files.example.org", True),
        ("www.example.org", "id=1; Domain=org", "files.org", False),
        ("www.example.co.uk", "id=1; Domain=co.uk", "other.co.uk", False),
        ("me.github.io", "id=1; Domain=github.io", "you.github.io", False),
        ("www.example.org", "id=1; Domain=other.org", "other.org", False),
        ("www.example.org", "id=1; Domain=example.org; Domain=org", "files.org", False),
        ("intranet", "id=1; Domain=intranet", "intranet", True),
        ("www.example.org", "id=1; Secure", "www.example.org", False),
        ("www.example.org", "id=1; Path=/x", "www.example.org", False),
        ("www.example.org", "id=1; Max-Age=0", "www.example.org", False),
        ("www.example.org", "id=1; Domain=EXAMPLE.Org", "files.example.org", True),
        (
            "www.example.org",
            "id=1; expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "www.example.org",
            False,
        ),
        ("www.example.org", "id=1; Expires=Thu, 01-Jan-70 00:00:00 GMT", "www.example.org", False),
        ("www.example.org", "id=1; Expires=Thu Jan  1 00:00:00 1970", "www.example.org", False),
        ("www.example.org", 'id="1 2"', "www.example.org", True),
        ("www.example.org", "id=1; Expires=Thu, 01-Jan-2070 00:00:00 GMT", "www.example.org", True),
        (
            "www.example.org",
            "id=1; Max-Age=9; expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "www.example.org",
            True,
        ),
    ],
)
async def test_what_a_redirect_sets(
    tmp_path: Path, server: MisbehavingServer, host: str, field: str, target: str, sent: bool
) -> None:
    port = server.url("").rpartition(":")[2]

    async def begin(exchange: Exchange) -> None:
        place = f"http://{target}:{port}/there"
        await exchange.head("302 Found", Location=place, Set_Cookie=field, Content_Length=0)

    server.on("/a/b", begin)
    server.on("/there", whole)
    # A cookie without a path is for the folder of what was asked for (RFC 6265 5.1.4).
    field = f"{field}; Path=/" if "Path" not in field else field
    first, second = await asked(tmp_path, server, host)
    assert first == ""
    assert second == (field.partition(";")[0] if sent else "")


async def test_a_deleted_cookie_of_a_file_is_not_sent(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    async def begin(exchange: Exchange) -> None:
        field = "id=; Path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT"
        await exchange.head("302 Found", Location="/there", Set_Cookie=field, Content_Length=0)

    server.on("/a/b", begin)
    server.on("/there", whole)
    file = lines(("files.example.org", False, "/", False, 0, "id", "1"))
    assert await asked(tmp_path, server, "files.example.org", file=file) == ["id=1", ""]


@pytest.mark.parametrize(
    ("url", "field", "stored"),
    [
        ("https://a.example.org/", "__Host-id=1; Secure; Path=/", True),
        ("https://a.example.org/", "__Secure-id=1; secure", True),
        ("http://a.example.org/", "__Host-id=1; Secure; Path=/", False),
        ("http://a.example.org/", "__Secure-id=1; Secure", False),
        ("https://a.example.org/", "__secure-id=1", False),
        ("https://a.example.org/", "__Host-id=1; Secure; Path=/x", False),
        ("https://a.example.org/", "__Host-id=1; Secure; Path=/; Domain=example.org", False),
        ("https://a.example.org/", "__Hosts=1", True),
    ],
)
async def test_a_prefix_of_a_name_is_a_promise(url: str, field: str, stored: bool) -> None:
    jar = new_jar()
    response: Any = SimpleNamespace(url=URL(url), headers=CIMultiDict({"Set-Cookie": field}))
    store_cookies(jar, response)
    assert len(jar) == stored


async def test_another_download_has_none_of_them(tmp_path: Path, server: MisbehavingServer) -> None:
    async def greet(exchange: Exchange) -> None:
        await exchange.head(Set_Cookie="id=1", Content_Length=0)

    for path in ("/a", "/b"):
        server.on(path, greet)
    configs = [FileConfig(url=server.url(path)) for path in ("/a", "/b")]
    await fetch(tmp_path, configs, max_concurrent=1)
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "line 1 is"),
        (HEAD + "\nc4nary\tc4nary\n", "line 3 is"),
        (
            lines(("example.org", False, "/", False, 0, "id", "c4nary")).replace("0", "c4nary"),
            "line",
        ),
        (lines(("example.org", False, "/", False, 0, "id", "c4nary")).replace("0", "inf"), "line"),
        (lines(("a b", False, "/", False, 0, "id", "c4nary")), "line 2 is"),
        (lines(("", False, "/", False, 0, "id", "c4nary")), "line 2 is"),
        ("\0\xff", "line 1 is"),
        (b"\xff", "line 1 is"),
        (lines(("h", False, "/", False, 0, "id", "c4nary")).replace("0", "c4nary"), "line 2 is"),
        ("", "it is"),
    ],
)
async def test_a_file_that_is_none(
    tmp_path: Path, server: MisbehavingServer, text: str | bytes, problem: str
) -> None:
    file = tmp_path / "cookies.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(0o600)
    config = FileConfig(url=server.url("/a"), request=RequestOptions(cookies=file))
    manager, journal = await fetch(tmp_path / "out", [config])
    told = error_of(manager, config)
    assert told.startswith(f"cookies {file}: {problem}") and "c4nary" not in told
    assert told.endswith(" not in Netscape's cookies.txt format")
    assert journal.names() == ["queued", "failed"] and not server.requests


ODD = {
    "a word": "c4nary",
    "a tab in the value": "www.example.org\tFALSE\t/\tFALSE\t0\tid\tc4\tnary",
    "a field is missing": "www.example.org\tFALSE\t/\t0\tid",
    "no host": "\tFALSE\t/\tFALSE\t0\tid\tc4nary",
    "no time": "www.example.org\tFALSE\t/\tFALSE\tc4nary\tid\t1",
    "not known whether https only": "www.example.org\tFALSE\t/\tyes\t0\tid\tc4nary",
    "a control character": "www.example.org\tFALSE\t/\tFALSE\t0\tid\tc4\x01nary",
    "bytes that are not UTF-8": "www.example.org\tFALSE\t/\tFALSE\t0\tid\tc4nary\udcff",
}


@pytest.mark.parametrize("odd", ODD)
async def test_one_odd_line_does_not_cost_the_others(
    tmp_path: Path, server: MisbehavingServer, caplog: pytest.LogCaptureFixture, odd: str
) -> None:
    server.on("/a/b", whole)
    host = "www.example.org"
    good = [lines((host, False, "/", False, 0, name, "1")) for name in ("a", "b")]
    text = f"{good[0]}{ODD[odd]}\n{good[1]}"
    assert await asked(tmp_path, server, host, file=text) == ["a=1; b=1"]
    file = tmp_path / "cookies.txt"
    sentence = f"cookies {file}: left out line 3: not in Netscape's cookies.txt format"
    assert caplog.messages == [sentence]


async def test_many_odd_lines_are_counted(
    tmp_path: Path, server: MisbehavingServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.on("/a/b", whole)
    good = lines(("files.example.org", False, "/", False, 0, "a", "1"))
    assert await asked(tmp_path, server, "files.example.org", file=good + "odd\n" * 9) == ["a=1"]
    assert "left out lines 3, 4, 5, 6, 7, and 4 more: not in" in caplog.text


def _sent(field: str, *, origin: str, to: str) -> str:
    """Return the cookies for `to` after a response of `origin` with a Set-Cookie field."""
    jar = new_jar()
    headers = CIMultiDict([("Set-Cookie", field)])
    store_cookies(jar, SimpleNamespace(url=URL(origin), headers=headers))
    return cookie_header(jar, to)


@pytest.mark.parametrize(
    "attributes",
    [
        'Domain="co.uk"', 'Domain="CO.UK"', r'domain="\143o.uk"', r'domain="c\o.uk"',
        'domain=".co.uk"', 'domain=" co.uk"', "domain=co.uk; domain=", "domain=.co.uk; domain",
        'domain=co.uk; x="; domain=a.co.uk', 'domain=co.uk; x="; domain=a.co.uk"',
        'x="; domain=a.co.uk"; domain=co.uk', "domain=co.uk, j=w", "domain\t=\tco.uk",
        "domain=..co.uk", "domain=co.uk.", "DOMAIN=Co.Uk", 'domain=a.co.uk; domain="co.uk"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("pair", ["k=v", 'k="v"', 'k="v'])
async def test_no_spelling_of_a_domain_reaches_other_sites(pair: str, attributes: str) -> None:
    field = f"{pair}; {attributes}"
    assert _sent(field, origin="http://a.co.uk/", to="http://victim.co.uk/") == ""


@pytest.mark.parametrize(
    ("field", "to", "expected"),
    [
        ("k=v; domain=a.co.uk", "http://b.a.co.uk/", "k=v"),
        ("k=v; domain=.A.co.UK", "http://b.a.co.uk/", "k=v"),
        ('k="v w"; domain=a.co.uk', "http://b.a.co.uk/", 'k="v w"'),
        ("k=v", "http://b.a.co.uk/", ""),
        ('k=v; domain="a.co.uk"', "http://a.co.uk/", "k=v"),
        ("k=v; secure", "http://a.co.uk/", ""),
        ("k=v; secure", "https://a.co.uk/", ""),  # who knows who set it?
        ('k=v; path="/x"; Version="1"; HttpOnly', "http://a.co.uk/x/y", "k=v"),
        ('k=v; path="/x"', "http://a.co.uk/", ""),
        ("k=v; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "http://a.co.uk/", ""),
        ('k=v; max-age="0"', "http://a.co.uk/", ""),
        ("k=v; expires=Thu, 01 Jan 1970 00:00:00 GMT; max-age=60", "http://a.co.uk/", "k=v"),
        ("k=v; expires=Fri, 01 Jan 2170 00:00:00 GMT; domain=", "http://a.co.uk/", "k=v"),
    ],
)
async def test_cookies_keep_their_attributes(field: str, to: str, expected: str) -> None:
    assert _sent(field, origin="http://a.co.uk/", to=to) == expected


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("sid=evil", "sid=user"),
        ("sid=evil; Path=/", "sid=user"),
        ("sid=evil; Path=/; Secure", "sid=user"),
        ("sid=; Max-Age=0; Path=/", "sid=user"),
        ("sid=evil; Path=/deep/er", "sid=user"),
        ("sid=evil; Domain=example.org", "sid=user"),
        ("sid =evil", "sid=user"),
        ("other=1", "sid=user; other=1"),
    ],
)
async def test_without_tls_nobody_replaces_a_secure_cookie(field: str, sent: str) -> None:
    """RFC 6265bis 5.7, as curl and browsers do."""
    jar, host = new_jar(), "a.example.org"

    def response(url: str, field: str) -> Any:
        return SimpleNamespace(url=URL(url), headers=CIMultiDict({"Set-Cookie": field}))

    store_cookies(jar, response(f"https://{host}/", "sid=user; Path=/; Secure"))
    store_cookies(jar, response(f"http://{host}/deep/er/f", field))
    cookies = cookie_header(jar, f"https://{host}/deep/er/f")
    assert sorted(cookies.split("; ")) == sorted(sent.split("; "))


async def test_without_tls_a_cookie_elsewhere_is_stored() -> None:
    jar = new_jar()
    for url, field in [
        ("https://a.example.org/", "sid=user; Path=/mine; Secure"),
        ("http://a.example.org/", "sid=1; Path=/yours"),
        ("http://b.example.org/", "sid=2"),
    ]:
        headers = CIMultiDict({"Set-Cookie": field})
        store_cookies(jar, SimpleNamespace(url=URL(url), headers=headers))
    assert len(jar) == 3


@pytest.mark.parametrize("is_replaced", [True, False])
async def test_a_file_that_changed_is_read_again(
    tmp_path: Path, server: MisbehavingServer, is_replaced: bool
) -> None:
    file = tmp_path / "cookies.txt"

    def export(path: Path, value: str) -> None:
        path.write_text(lines(("127.0.0.1", False, "/", False, 0, "sid", value)))
        path.chmod(0o600)

    export(file, "old")
    options = RequestOptions(cookies=file)
    server.on("/f", whole)
    async with DownloadManager(download_dir=tmp_path / "out") as manager:
        for number, value in enumerate(["old", "old", "newer", ""]):
            if value == "newer":
                export(tmp_path / "fresh" if is_replaced else file, value)
                if is_replaced:
                    (tmp_path / "fresh").rename(file)
            elif not value:
                file.unlink()
            config = FileConfig(url=server.url("/f"), filename=f"{number}", request=options)
            await manager.add([config])
            await manager.wait_until_complete(timeout=60)
            right = DownloadStatus.COMPLETED if value else DownloadStatus.FAILED
            assert status_of(manager, config) is right
    sent = [request.headers.get("cookie") for request in server.requests]
    assert sent == ["sid=old", "sid=old", "sid=newer"]
