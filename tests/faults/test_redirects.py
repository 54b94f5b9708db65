"""Redirects (rows D): bounded, never to where the user would not go, never a name of their own."""

from collections.abc import AsyncIterator

import pytest

from rheo_core.domain.request_options import RequestOptions
from tests.clients import IS_AIOHTTP, opened_client
from tests.core.engine import quick_retries
from tests.faults.oracle import Scene
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.names import Names
from tests.servers.scenarios import answer, raw, redirect, response, whole
from tests.servers.tls import Authority

BODY = body_of(60_000)
STATUSES = [
    "301 Moved Permanently",
    "302 Found",
    "303 See Other",
    "307 Temporary Redirect",
    "308 Permanent Redirect",
]


@pytest.mark.parametrize("status", STATUSES)
async def test_d02_a_loop_ends(scene: Scene, status: str) -> None:
    scene.server.on("/b", redirect(scene.path, status))
    outcome = await scene.fetch(redirect("/b", status))
    outcome.failed("redirects", requests=21)


async def test_d02_a_thousand_hops_with_growing_headers_end(scene: Scene) -> None:
    async def further(exchange: Exchange) -> None:
        number = len(scene.server.requests)
        location = f"/hop{number}"
        scene.server.on(location, further)
        grown = "x" * (1000 * number)
        await exchange.head("302 Found", Location=location, X=grown, Content_Length=0)

    outcome = await scene.fetch(further)
    outcome.failed("redirects", requests=21)


async def test_d02_a_few_hops_are_followed(scene: Scene) -> None:
    for number in range(5):
        scene.server.on(f"/{number}", redirect(f"/{number + 1}"))
    scene.server.on("/5", whole(BODY))
    (await scene.fetch(redirect("/0"), BODY)).completed(BODY, requests=7)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("lines", [(), ("Location:",), ("Location: /a", "Location: /b")])
async def test_d03_no_clear_place_to_go(scene: Scene, status: str, lines: tuple[str, ...]) -> None:
    scene.server.on("/a", whole(BODY))
    scene.server.on("/b", whole(BODY))
    sent = response(b"", "Content-Length: 0", *lines, status=f"HTTP/1.1 {status}")
    outcome = await scene.fetch(raw(sent, then_close=False), BODY)
    outcome.failed(requests=1)


async def test_d03_the_same_place_twice_is_clear(scene: Scene) -> None:
    scene.server.on("/a", whole(BODY))
    sent = response(b"", "Content-Length: 0", *["Location: /a"] * 2, status="HTTP/1.1 302 Found")
    (await scene.fetch(raw(sent, then_close=False), BODY)).completed(BODY, requests=2)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "has scheme 'file'"),
        ("ftp://127.0.0.1/file", "has scheme 'ftp'"),
        ("javascript:alert(1)", "has scheme 'javascript'"),
        ("data:text/plain,evil", "has scheme 'data'"),
        ("http://", "has no host"),
        ("http://[::1", "redirect to an invalid address: URL 'http://[::1' is not valid"),
        ("http://[::1]x/", "http://[::1]x/' is not valid"),
        ("http://127.0.0.1:99999/", "Port out of range"),
        ("http://127.0.0.1:x/", "its port is not a number"),
        ("http:///path", "path: host name not found"),
        ("//", "has no host"),
        ("gopher://127.0.0.1:70/", "has scheme 'gopher'"),
        ("http://exa mple/", "contains invalid characters"),
        ("\x1b[31m://", "404" if IS_AIOHTTP else "302"),  # curl and our client see no field
    ],
)
async def test_d03_places_that_are_none(scene: Scene, location: str, reason: str) -> None:
    outcome = await scene.fetch(redirect(location))
    outcome.failed(reason)


@pytest.mark.parametrize(
    "host",
    ["a..b", ".a", "....", "x" * 64 + ".com", "x" * 64, ".".join(["x" * 63] * 4), "a..b:8080"],
)
@pytest.mark.parametrize("form", ["http://{}/", "//{}/x", "https://{}"])
async def test_d03_hosts_that_cannot_be(
    scene: Scene, caplog: pytest.LogCaptureFixture, host: str, form: str
) -> None:
    outcome = await scene.fetch(redirect(form.format(host)), retry_handler=quick_retries(1))
    outcome.failed("redirect to an invalid address: URL '")
    assert "bug" not in caplog.text and "codec" not in outcome.error


@pytest.mark.parametrize(
    "location",
    [
        "http://me:c4nary9pw@ex℀mple.org/",
        "//me:c4nary9pw@℀/",
        "http://[me:c4nary9pw@h]/",
        "http://me:c4nary9pw@[::1/",
        "http://me:c4nary9pw@[::1]x/",
        "http://me:c4nary9pw]@h/x",
        "ftp://me:c4nary9pw@h/x",
    ],
)
async def test_d03_a_place_that_is_none_is_shown_without_its_login(
    scene: Scene, caplog: pytest.LogCaptureFixture, location: str
) -> None:
    outcome = await scene.fetch(redirect(location))
    outcome.failed("redirect to an invalid address: URL '")
    assert "c4nary" not in outcome.error + caplog.text


@pytest.fixture
async def named(scene: Scene) -> AsyncIterator[Names]:
    """Host names instead of addresses: `files.example` is the server the user asked for."""
    names = Names()
    async with opened_client(resolver=names) as client:
        scene.options["client"] = client
        yield names


def port_of(server: MisbehavingServer) -> str:
    return server.url("").rpartition(":")[2]


@pytest.mark.parametrize(
    "form",
    [
        "http:\\\\b.example:{}\\there",
        "\\\\b.example:{}\\there",
        "/\\b.example:{}/there",
        "///b.example:{}/there",
        "http:/\\b.example:{}/there",
        "http:/\t/b.example:{}/there",
        "http://b.example:{}\\@a.example/there",
    ],
)
async def test_d06_a_host_behind_backslashes_is_another_host(
    scene: Scene, named: Names, form: str
) -> None:
    """As browsers read it; and what is secret stays with the first host."""
    port = port_of(scene.server)
    there = "/@a.example/there" if "@" in form else "/there"
    scene.server.on(there, whole(BODY))
    scene.server.on(scene.path, redirect(form.format(port)))
    config = scene.config(
        url=f"http://me:c4nary@a.example:{port}{scene.path}",
        request=RequestOptions(bearer="c4nary", headers={"X-Key": "c4nary"}),
    )
    outcome = await scene.fetch(None, BODY, config=config)
    outcome.completed(BODY, requests=2)
    assert named.asked == ["a.example", "b.example"]
    first, second = scene.server.requests
    assert second.headers["host"] == f"b.example:{port}" and second.target == there
    assert "c4nary" in str(first.headers) and "c4nary" not in str(second.headers)
    assert "authorization" not in second.headers


async def test_d06_https_is_not_given_up_for_http(scene: Scene) -> None:
    authority = Authority()
    scene.server.on(scene.path, whole(BODY))
    async with MisbehavingServer(ssl=authority.serving("127.0.0.1")) as secure:
        secure.on(scene.path, redirect(scene.server.url(scene.path)))
        url = secure.url(scene.path).replace("://", "://user:secret@")
        async with opened_client(ssl=authority.trusting()) as client:
            outcome = await scene.fetch(None, BODY, config=scene.config(url=url), client=client)
    assert all("authorization" not in request.headers for request in scene.server.requests)
    outcome.failed("refused a redirect from https to http (127.0.0.1)", requests=0)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0177.1",
        "2130706433",
        "0x7f.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00::1]",
    ],
)
async def test_d08_a_server_cannot_send_us_to_private_places(
    scene: Scene, named: Names, host: str
) -> None:
    port = port_of(scene.server)
    scene.server.on("/secret", whole(BODY))
    scene.server.on(scene.path, redirect(f"http://{host}:{port}/secret"))
    config = scene.config(url=f"http://files.example:{port}{scene.path}")
    outcome = await scene.fetch(None, BODY, config=config, connect_timeout=0.2)
    outcome.failed(requests=1)
    assert set(named.asked) == {"files.example"}


async def test_d08_the_user_may_name_private_places(scene: Scene) -> None:
    scene.server.on("/there", whole(BODY))
    outcome = await scene.fetch(redirect(scene.server.url("/there")), BODY)
    outcome.completed(BODY, requests=2)


@pytest.mark.parametrize("target", ["/.bashrc", "/etc/passwd", "/..%2f..%2fevil", "/CON", "/x/"])
@pytest.mark.parametrize("absolute", [False, True])
async def test_d09_a_redirect_does_not_name_the_file(
    scene: Scene, target: str, absolute: bool
) -> None:
    scene.server.on(target, whole(BODY))
    location = scene.server.url(target) if absolute else target
    (await scene.fetch(redirect(location), BODY)).completed(BODY, requests=2)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename=".bashrc"', "bashrc"),
        ('attachment; filename="../../evil.sh"', "evil.sh"),
        ("attachment; filename*=UTF-8''%2e%2e%2f.profile", "profile"),
        ('attachment; filename=".."', "file.bin"),
    ],
)
async def test_d09_the_name_in_the_last_response_is_made_safe(
    scene: Scene, disposition: str, name: str
) -> None:
    scene.server.on("/.hidden", whole(BODY, Content_Disposition=disposition))
    scene.name = name
    (await scene.fetch(redirect("/.hidden"), BODY)).completed(BODY, requests=2)


async def test_d09_a_redirect_with_a_body_and_a_name_brings_neither(scene: Scene) -> None:
    scene.server.on("/there", whole(BODY))
    said = {"Location": "/there", "Content_Disposition": 'attachment; filename="no.sh"'}
    outcome = await scene.fetch(answer("302 Found", b"not the file", **said), BODY)
    outcome.completed(BODY, requests=2)
