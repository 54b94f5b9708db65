"""Proxies: real ones, by HTTP, CONNECT and SOCKS5, with and without a login."""

import asyncio
import os
from base64 import b64decode
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.config import build_settings
from rheo_core.domain.failures import FailureKind
from rheo_core.domain.request_options import RequestOptions, read_proxy
from rheo_core.domain.request_rules import RequestRules
from rheo_core.engine import make_manager
from rheo_core.infrastructure.http import AiohttpClient
from rheo_core.infrastructure.http.proxies import usual_proxy
from tests.clients import IS_AIOHTTP
from tests.core.engine import error_of, fetch, quick_retries, serving, sha256, status_of
from tests.servers.misbehaving import Behaviour, Exchange, MisbehavingServer, body_of
from tests.servers.proxy import proxy
from tests.servers.scenarios import answer, in_turn, redirect
from tests.servers.tls import Authority

BODY = body_of(400_000)


@pytest.mark.parametrize("login", ["", "anna:s3cret"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_a_file_comes_through_it(
    tmp_path: Path, scheme: str, secure: bool, login: str
) -> None:
    authority = Authority()
    ssl = authority.serving("127.0.0.1") if secure else None
    async with MisbehavingServer(ssl=ssl) as server, proxy(tmp_path, login) as way:
        at = f"{login}@" if login else ""
        options = RequestOptions(
            proxy=f"{scheme}://{at}127.0.0.1:{way.port}", ca_file=authority.file(tmp_path)
        )
        config = FileConfig(url=server.on("/a", serving(BODY, ETag='"1"')), request=options)
        manager, _ = await fetch(tmp_path / "out", [config], connections=2)
        assert status_of(manager, config) == "completed", error_of(manager, config)
        port = server.url("").rpartition(":")[2]
        assert port in way.log  # it went this way, and no other
        assert all("proxy-authorization" not in request.headers for request in server.requests)
    assert sha256((tmp_path / "out" / "a").read_bytes()) == sha256(BODY)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_a_wrong_login_is_told_without_it(tmp_path: Path, scheme: str, secure: bool) -> None:
    ssl = Authority().serving("127.0.0.1") if secure else None
    async with MisbehavingServer(ssl=ssl) as server, proxy(tmp_path, "anna:right") as way:
        options = RequestOptions(proxy=f"{scheme}://anna:s3cret@127.0.0.1:{way.port}")
        config = FileConfig(url=server.on("/a", serving(BODY)), request=options)
        manager, _ = await fetch(tmp_path / "out", [config])
        assert status_of(manager, config) == "failed"
        assert "s3cret" not in error_of(manager, config)
        assert "prox" in error_of(manager, config).lower(), error_of(manager, config)
        assert not server.requests


_URLS = ["http://files.invalid/a", "https://files.invalid/a"]


def _refusing(way: MisbehavingServer, url: str, *behaviours: Behaviour) -> None:
    """Let a proxy answer the requests for `url` like this."""
    way.on(url if url.startswith("http:") else "files.invalid:443", in_turn(*behaviours))


@pytest.mark.parametrize("url", _URLS)
@pytest.mark.parametrize("login", ["", "anna:s3cret@"])
async def test_a_proxy_that_requires_a_login_is_told_alike_on_every_way(
    server: MisbehavingServer, tmp_path: Path, url: str, login: str
) -> None:
    _refusing(server, url, answer("407 Proxy Authentication Required"))
    options = RequestOptions(proxy=server.url("").replace("://", f"://{login}"))
    config = FileConfig(url=url, request=options)
    manager, journal = await fetch(tmp_path, [config], retry_handler=quick_retries(3))
    note = "; the login was refused" if login else ""
    sentence = f"the proxy refused the request: 407 Proxy Authentication Required{note}"
    assert error_of(manager, config) == sentence
    kinds = (FailureKind.PROXY_LOGIN_MISSING, FailureKind.PROXY_LOGIN_REFUSED)
    assert journal.last("failed").error.kind is kinds[bool(login)]
    assert len(server.requests) == 1


async def test_a_407_without_a_proxy_is_a_status_of_the_server(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/a", answer("407 Proxy Authentication Required")))
    manager, journal = await fetch(tmp_path, [config])
    assert error_of(manager, config) == "HTTP 407 Proxy Authentication Required"
    assert journal.last("failed").error.kind is FailureKind.HTTP_STATUS


@pytest.mark.parametrize("url", _URLS)
@pytest.mark.parametrize("status", ["302 Found", "400 No", "401 No", "403 Forbidden", "404 No"])
async def test_a_proxy_that_refuses_a_host_is_asked_once(
    server: MisbehavingServer, tmp_path: Path, url: str, status: str
) -> None:
    _refusing(server, url, answer(status))
    config = FileConfig(url=url, request=RequestOptions(proxy=server.url("")))
    manager, _ = await fetch(tmp_path, [config], retry_handler=quick_retries(3))
    assert status[:3] in error_of(manager, config)
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", _URLS)
@pytest.mark.parametrize(
    ("status", "wait", "is_waited"),
    [
        ("503 Busy", "1", True),
        ("429 Slow Down", "1", True),
        ("403 Later", "1", True),
        ("503 Busy", "", False),
        ("502 Bad Gateway", "x", False),
    ],
)
async def test_the_wait_that_a_proxy_asks_for_is_kept(
    server: MisbehavingServer, tmp_path: Path, url: str, status: str, wait: str, is_waited: bool
) -> None:
    _refusing(server, url, answer(status, Retry_After=wait), answer("404 No"))
    config = FileConfig(url=url, request=RequestOptions(proxy=server.url("")))
    manager, journal = await fetch(tmp_path, [config], retry_handler=quick_retries(1))
    assert "404" in error_of(manager, config)
    assert (journal.last("retrying").delay_seconds >= 1) is is_waited
    assert len(server.requests) == 2


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
async def test_a_proxy_whose_name_is_not_found_is_the_one_named(
    tmp_path: Path, scheme: str
) -> None:
    options = RequestOptions(proxy=f"{scheme}://no-such-proxy.invalid:3128")
    config = FileConfig(url="http://files.invalid/x", request=options)
    manager, _ = await fetch(tmp_path, [config])
    sentence = "no-such-proxy.invalid: the proxy: host name not found"
    assert error_of(manager, config) == sentence


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_not_there(
    tmp_path: Path, server: MisbehavingServer, scheme: str
) -> None:
    options = RequestOptions(proxy=f"{scheme}://127.0.0.1:9")
    config = FileConfig(url=server.on("/a", serving(BODY)), request=options)
    manager, _ = await fetch(tmp_path / "out", [config])
    assert "proxy" in error_of(manager, config)
    assert not server.requests


@pytest.mark.skipif(IS_AIOHTTP, reason="aiohttp has sentences of its own")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_hangs_up_is_not_called_a_server(tmp_path: Path, scheme: str) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as way:
        port = way.sockets[0].getsockname()[1]
        options = RequestOptions(proxy=f"{scheme}://127.0.0.1:{port}")
        config = FileConfig(url="https://files.invalid/x", request=options)
        manager, _ = await fetch(tmp_path, [config])
    assert error_of(manager, config).startswith("127.0.0.1: ")
    assert "the proxy" in error_of(manager, config)
    assert "server" not in error_of(manager, config)


async def test_each_host_may_have_its_own(tmp_path: Path, server: MisbehavingServer) -> None:
    """By default one, for a host none; on a redirect the way is chosen again."""
    async with proxy(tmp_path) as way:
        rules = RequestRules(
            defaults=RequestOptions(proxy=f"http://127.0.0.1:{way.port}"),
            hosts={"localhost": RequestOptions(proxy="off")},
        )
        port = server.url("").rpartition(":")[2]
        there = server.on("/there", serving(BODY))
        server.on("/here", redirect(there))
        config = FileConfig(url=f"http://localhost:{port}/here", filename="a")
        manager, _ = await fetch(tmp_path / "out", [config], request_rules=rules)
        assert status_of(manager, config) == "completed"
        assert way.log.count(f"127.0.0.1:{port}") == 1
        assert "localhost" not in way.log


@pytest.mark.parametrize(
    ("name", "bypass", "used"),
    [
        ("http_proxy", "", True),
        ("HTTP_PROXY", "", True),
        ("ALL_PROXY", "", True),
        ("https_proxy", "", False),
        ("http_proxy", "127.0.0.1", False),
        ("http_proxy", "*", False),
        ("http_proxy", "10.0.0.0/8, 127.0.0.0/8", False),
        ("http_proxy", "127.0.0.1/32", False),
        ("http_proxy", "localhost, 127.0.0.1.", False),
        ("http_proxy", "10.0.0.0/8,::/0,x/y", True),
    ],
)
async def test_the_variables_of_the_environment(
    tmp_path: Path,
    server: MisbehavingServer,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    bypass: str,
    used: bool,
) -> None:
    for known in os.environ:
        if known.lower().endswith("_proxy"):
            monkeypatch.delenv(known)
    async with proxy(tmp_path) as way:
        monkeypatch.setenv(name, f"127.0.0.1:{way.port}")
        monkeypatch.setenv("no_proxy", bypass)
        config = FileConfig(url=server.on("/a", serving(BODY)))
        async with make_manager(build_settings(download_dir=tmp_path / "out")) as manager:
            await manager.add([config])
            await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) == "completed"
        assert (server.url("").rpartition(":")[2] in way.log) is used


@pytest.mark.parametrize(
    ("exempt", "place", "is_direct"),
    [
        ("h.example", "h.example", True),
        ("h.example", "h.example.:8080", True),
        ("h.example:80", "h.example", True),
        ("h.example:81", "h.example", False),
        ("h.example:81", "h.example:81", True),
        ("*.example", "a.h.example", True),
        ("*.example", "example", False),
        ("192.168.1.*", "192.168.1.5:81", True),
        ("a b  h.example", "h.example", True),
        ("a,\tH.Example", "h.example", True),
        ("h.example", "xh.example", False),
        ("::1", "[::1]:80", True),
        ("[::1]", "[::1]", True),
        ("[fc00::]/7", "[fd00::1]:81", True),
        ("fc00::/7", "[2001:db8::1]", False),
        ("[2001:db8::1]:81", "[2001:db8::1]:81", True),
        ("10.0.0.0/33, 10.0.0.9", "10.0.0.9", True),
        ("10", "10.0.0.9", False),
    ],
)
def test_entries_of_no_proxy(exempt: str, place: str, is_direct: bool) -> None:
    proxies = {"http": "http://p:1", "no": exempt}
    assert usual_proxy(proxies, "http", place) == (None if is_direct else "http://p:1")


def test_the_scheme_of_desktops_means_socks() -> None:
    """GNOME writes `socks://` into ALL_PROXY."""
    assert read_proxy("socks://h:1080/") == "socks5h://h:1080/"
    assert read_proxy("SOCKS5://h") == "socks5://h"


@pytest.mark.parametrize("value", ["me:s3cret@h:99999", "http://me:s3/cret@h", "ftp://me:s3@h"])
async def test_a_variable_of_no_use_is_told_without_its_login(
    tmp_path: Path, server: MisbehavingServer, value: str
) -> None:
    config = FileConfig(url=server.on("/a", serving(BODY)))
    manager, _ = await fetch(tmp_path, [config], request_rules=RequestRules(proxies={"all": value}))
    told = error_of(manager, config)
    assert told.startswith("Environment: all_proxy is not valid: it should be the URL of")
    assert "s3" not in told and not server.requests


async def test_a_login_that_is_not_utf8_is_sent_as_its_bytes(tmp_path: Path) -> None:
    async with MisbehavingServer() as way:
        way.on("http://files.invalid/a", serving(BODY))
        options = RequestOptions(proxy=way.url("").replace("://", "://caf%e9:p%ff@"))
        config = FileConfig(url="http://files.invalid/a", request=options)
        manager, _ = await fetch(tmp_path, [config])
        assert status_of(manager, config) == "completed", error_of(manager, config)
        sent = way.requests[0].headers["proxy-authorization"].removeprefix("Basic ")
        assert b64decode(sent) == b"caf\xe9:p\xff"


async def test_the_client_on_aiohttp_sends_such_a_login_too() -> None:
    async with MisbehavingServer() as way, AiohttpClient() as client:
        way.on("http://files.invalid/a", serving(BODY))
        proxy = way.url("").replace("://", "://caf%e9:p%ff@")
        async with client.get("http://files.invalid/a", proxy=proxy) as response:
            assert response.status == 200
        sent = way.requests[0].headers["proxy-authorization"].removeprefix("Basic ")
        assert b64decode(sent) == b"caf\xe9:p\xff"


async def test_a_variable_that_is_not_unicode_gets_a_whole_sentence(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    config = FileConfig(url=server.on("/a", serving(BODY)))
    rules = RequestRules(proxies={"all": "http://a\udcff@h:1"})
    manager, _ = await fetch(tmp_path, [config], request_rules=rules)
    problem = "Environment: all_proxy is not valid: the proxy is not valid Unicode."
    assert error_of(manager, config) == problem and not server.requests


async def test_a_proxy_set_during_a_redirect_gets_the_next_hop(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    gate = asyncio.Event()

    async def lead(exchange: Exchange) -> None:
        await gate.wait()
        await exchange.head("302 Found", Location="/b", Content_Length=0)

    server.on("/b", serving(BODY))
    config = FileConfig(url=server.on("/a", lead))
    async with proxy(tmp_path) as way, DownloadManager(download_dir=tmp_path / "out") as manager:
        await manager.add([config])
        await server.wait_for_requests(1)
        options = RequestOptions(proxy=f"http://127.0.0.1:{way.port}")
        manager.set_defaults(request_rules=RequestRules(options))
        gate.set()
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) == "completed", error_of(manager, config)
        assert server.url("").rpartition(":")[2] in way.log
