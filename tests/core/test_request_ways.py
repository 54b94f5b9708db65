"""Routes of requests: the user's TLS options, IP versions, interfaces, redirects."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.request_rules import RequestRules
from rheo_core.infrastructure.http import (
    BaseHttpClient,
    private_networks,
    resolver,
)
from rheo_core.infrastructure.http.resolver import GuardedResolver
from tests.clients import opened_client
from tests.core.engine import error_of, fetch, serving, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.names import Names
from tests.servers.scenarios import redirect
from tests.servers.tls import Authority

BODY = body_of(30_000)


async def ask(tmp_path: Path, url: str, rules: RequestRules | None = None, **own: Any) -> str:
    """Fetch a file; return the error, or "" if the file arrived."""
    config = FileConfig(url=url, filename="f", request=RequestOptions(**own))
    folder = tmp_path / "out"
    manager, journal = await fetch(folder, [config], request_rules=rules, connect_timeout=5)
    if status_of(manager, config) == "completed":
        assert (folder / "f").read_bytes() == BODY
        return ""
    assert journal.names()[-1] == "failed"
    return error_of(manager, config)


@pytest.mark.parametrize("level", ["download", "host", "default"])
async def test_an_authority_of_ones_own(tmp_path: Path, level: str) -> None:
    authority = Authority()
    options = RequestOptions(ca_file=authority.file(tmp_path))
    rules = {
        "download": None,
        "host": RequestRules(hosts={"127.0.0.1": options}),
        "default": RequestRules(defaults=options),
    }[level]
    own = {"ca_file": options.ca_file} if level == "download" else {}
    async with MisbehavingServer(ssl=authority.serving("127.0.0.1")) as server:
        url = server.on("/a", serving(BODY))
        assert "certificate refused" in await ask(tmp_path, url)
        assert await ask(tmp_path, url, rules, **own) == ""
    async with MisbehavingServer(ssl=Authority().serving("127.0.0.1")) as stranger:
        url = stranger.on("/a", serving(BODY))
        (tmp_path / "out" / "f").unlink()
        assert "certificate refused" in await ask(tmp_path, url, rules, **own)


@pytest.mark.parametrize(
    ("before", "encoding"),
    [
        ("# Gold Főtanúsítvány\n", "utf-8"),
        ("friendlyName: Jörg\n", "latin-1"),
        ("\ufeff", "utf-8"),
        ("\ufeff# Ünïversity\r\n", "utf-8"),
    ],
)
async def test_notes_beside_an_authority_may_be_in_any_encoding(
    tmp_path: Path, before: str, encoding: str
) -> None:
    authority = Authority()
    file = authority.file(tmp_path)
    file.write_bytes(before.encode(encoding) + file.read_bytes())
    async with MisbehavingServer(ssl=authority.serving("127.0.0.1")) as server:
        url = server.on("/a", serving(BODY))
        assert await ask(tmp_path, url, ca_file=file) == ""


async def test_a_client_certificate(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.client(tmp_path)
    trust: dict[str, Any] = {"ca_file": authority.file(tmp_path)}
    async with MisbehavingServer(ssl=authority.asking("127.0.0.1")) as server:
        url = server.on("/a", serving(BODY))
        assert await ask(tmp_path, url, **trust) != ""
        assert await ask(tmp_path, url, **trust, client_cert=certificate, client_key=key) == ""


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_https_proxy_sees_no_client_certificate(tmp_path: Path, scheme: str) -> None:
    authority = Authority()
    certificate, key = authority.client(tmp_path)
    trust: dict[str, Any] = {"ca_file": authority.file(tmp_path)}
    async with MisbehavingServer(ssl=authority.asking("127.0.0.1")) as proxy:
        way = proxy.url("").replace("https", "HTTPS")
        told = await ask(
            tmp_path,
            f"{scheme}://127.0.0.1:9/",
            proxy=way,
            client_cert=certificate,
            client_key=key,
            **trust,
        )
        rule = "cannot be used with an https proxy, which would get it too"
        assert told == f"client_cert {certificate}: {rule}"
        insecure = RequestRules(insecure=frozenset({"127.0.0.1"}))
        told = await ask(tmp_path, f"{scheme}://127.0.0.1:9/", insecure, proxy=way, **trust)
        assert told == "--insecure 127.0.0.1: cannot be used with an https proxy"
        assert not proxy.connections


async def test_insecure_is_for_one_host(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with MisbehavingServer(ssl=Authority().serving("other.example")) as server:
        url = server.on("/a", serving(BODY))
        assert await ask(tmp_path, url, RequestRules(insecure=frozenset({"127.0.0.1"}))) == ""
        assert "certificates of 127.0.0.1 are not checked" in caplog.text
        (tmp_path / "out" / "f").unlink()
        other = RequestRules(insecure=frozenset({"localhost"}))
        assert "certificate refused" in await ask(tmp_path, url, other)


@pytest.mark.parametrize(
    ("field", "content", "problem"),
    [
        ("ca_file", None, "No such file"),
        ("ca_file", "nothing", "it contains no certificate in PEM format"),
        ("ca_file", "-----BEGIN CERTIFICATE-----\nx\n", "it contains no certificate in PEM format"),
        ("client_cert", None, "no such file"),
        ("client_cert", "nothing", "it cannot be used"),
    ],
)
async def test_files_of_no_use(
    tmp_path: Path, field: str, content: str | None, problem: str
) -> None:
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    told = await ask(tmp_path, "https://127.0.0.1:9/", **dict[str, Any]({field: file}))
    assert told.startswith(f"{field} {file}: ") and problem in told


async def test_an_encrypted_key_asks_nobody(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form

    certificate, key = Authority().client(tmp_path)
    loaded = form.load_pem_private_key(key.read_bytes(), None)
    secret = form.BestAvailableEncryption(b"pw")
    kinds = (form.Encoding.PEM, form.PrivateFormat.PKCS8)
    key.write_bytes(loaded.private_bytes(*kinds, secret))
    told = await ask(tmp_path, "https://127.0.0.1:9/", client_cert=certificate, client_key=key)
    assert told == f"client_key {key}: it is encrypted, which is not supported"


async def _peer(exchange: Exchange) -> None:
    peers.append(exchange.writer.get_extra_info("peername")[0])
    await exchange.serve(BODY)


peers: list[str] = []


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ({"ip_version": 4}, ""),
        ({"ip_version": 6}, "127.0.0.1 is not an address of IP version 6"),
        (
            {"ip_version": 6, "proxy": "http://127.0.0.1:9"},
            "127.0.0.1 is not an address of IP version 6",
        ),
        (
            {"ip_version": 4, "proxy": "http://[::1]:9"},
            "::1 is not an address of IP version 4",
        ),
        ({"interface": "127.0.0.1"}, ""),
        ({"interface": "127.0.0.3"}, ""),
        ({"interface": "127.0.0.3", "ip_version": 6}, "not an address of IP version 6"),
        ({"interface": "no-such-one"}, "interface 'no-such-one' does not exist on this computer"),
        ({"interface": "lo"}, ""),
        ({"interface": "192.0.2.1"}, "interface 192.0.2.1 is not an address of this computer"),
        ({"interface": "2001:db8::1"}, "127.0.0.1 is not an address of IP version 6"),
        ({"interface": "lo", "proxy": "socks5://127.0.0.1:9"}, "a SOCKS proxy cannot be combined"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.3 and lo are Linux's")
async def test_where_connections_come_from(
    tmp_path: Path, server: MisbehavingServer, own: dict[str, Any], problem: str
) -> None:
    peers.clear()
    told = await ask(tmp_path, server.on("/a", _peer), **own)
    assert problem in told and bool(told) is bool(problem), told
    if not problem:
        wanted = own.get("interface", "")
        assert peers == [wanted if wanted[:1].isdigit() else "127.0.0.1"]


async def test_twenty_redirects_are_followed_and_no_more(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    for number in range(1, 21):
        server.on(f"/{number}", redirect(f"/{number - 1}"))
    server.on("/0", serving(BODY))
    assert await ask(tmp_path, server.url("/20")) == ""
    assert len(server.requests) == 21
    server.on("/21", redirect("/20"))
    server.requests.clear()
    (tmp_path / "out" / "f").unlink()
    assert await ask(tmp_path, server.url("/21")) == "more than 20 redirects"
    assert len(server.requests) == 21


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/b c", "/b%20c"),
        ("/b%20c", "/b%20c"),
        ("/é?ü=%2F", "/%C3%A9?%C3%BC=%2F"),
        ("/\udce9", "/%E9"),
        ("?x=1", "/a?x=1"),
        ("b#part", "/b"),
        ("http:/b", "/b"),
    ],
)
async def test_places_are_asked_for_as_browsers_do(
    tmp_path: Path, server: MisbehavingServer, location: str, asked: str
) -> None:
    server.on(asked, serving(BODY))
    assert await ask(tmp_path, server.on("/a", redirect(location))) == ""
    assert [request.target for request in server.requests] == ["/a", asked]


async def test_consent_to_a_downgrade(tmp_path: Path, server: MisbehavingServer) -> None:
    authority = Authority()
    trust: dict[str, Any] = {"ca_file": authority.file(tmp_path)}
    async with MisbehavingServer(ssl=authority.serving("127.0.0.1")) as secure:
        url = secure.on("/a", redirect(server.on("/a", serving(BODY))))
        assert "from https to http" in await ask(tmp_path, url, **trust)
        assert not server.requests
        assert await ask(tmp_path, url, **trust, allow_downgrade=True) == ""


async def test_an_error_names_the_host_that_failed(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    with socket.socket() as held:  # bound, and not listening
        held.bind(("127.0.0.1", 0))
        there = f"http://localhost:{held.getsockname()[1]}/c4nary?token=c4nary"
        told = await ask(tmp_path, server.on("/a", redirect(there)))
    assert told == "localhost: connection refused"


@pytest.mark.parametrize("host", ["127.1", "2130706433"])
async def test_an_address_in_an_odd_notation_is_not_called_a_redirect(
    tmp_path: Path, host: str
) -> None:
    told = await ask(tmp_path, f"http://{host}:9/a")
    assert told == "127.0.0.1: connection refused"


class Book(Names):
    """Names with addresses of their own."""

    addresses: ClassVar = {
        "inner.example": ["127.0.0.2"],
        "intranet.example": ["127.0.0.2"],
        "files.example": ["127.0.0.1"],
        "other.example": ["127.0.0.1"],
        "both.example": ["127.0.0.1", "127.0.0.2"],
    }

    async def resolve(self, host: str, *args: Any, **kwargs: Any) -> Any:
        (found,) = await super().resolve(host, *args, **kwargs)
        return [{**found, "host": each} for each in self.addresses[host]]


class Town:
    """127.0.0.2 stands for a private address here, 127.0.0.1 for a public one."""

    def __init__(self, tmp_path: Path, client: BaseHttpClient, *servers: MisbehavingServer) -> None:
        self._folder = tmp_path
        self._client = client
        self._servers = dict(zip(("127.0.0.1", "127.0.0.2"), servers, strict=True))

    def server_of(self, host: str) -> MisbehavingServer:
        return self._servers[Book.addresses.get(host, [host])[0]]

    def url(self, host: str, path: str) -> str:
        return f"http://{host}:{self.server_of(host).url('').rpartition(':')[2]}{path}"

    async def problem(self, home: str, there: str) -> str:
        """Return the error of a download that `home` redirects; "" if the file arrived."""
        self.server_of(there).on("/b", serving(BODY))
        self.server_of(home).on("/a", redirect(self.url(there, "/b")))
        return await self.fetch(self.url(home, "/a"))

    async def fetch(self, url: str) -> str:
        config = FileConfig(url=url)
        self._folder = self._folder / "next"
        manager, _ = await fetch(self._folder, [config], client=self._client)
        problem = error_of(manager, config)
        assert status_of(manager, config) == ("failed" if problem else "completed")
        return problem


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    monkeypatch.setattr(private_networks, "is_private", lambda host: host == "127.0.0.2")
    async with (
        MisbehavingServer() as outer,
        MisbehavingServer(host="127.0.0.2") as inner,
        opened_client(resolver=GuardedResolver(Book())) as client,
    ):
        yield Town(tmp_path, client, outer, inner)


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is Linux's")


@ON_LINUX
@pytest.mark.parametrize(
    ("home", "there", "problem"),
    [
        ("files.example", "other.example", ""),
        ("files.example", "inner.example", "refused a redirect to inner.example, which has a"),
        ("files.example", "127.0.0.2", "refused a redirect to the private address 127.0.0.2"),
        ("intranet.example", "inner.example", ""),
        ("intranet.example", "127.0.0.2", ""),
        # The owner of a name may give it any address besides his own.
        ("both.example", "inner.example", "refused a redirect to inner.example, which has a"),
        ("both.example", "127.0.0.2", "refused a redirect to the private address 127.0.0.2"),
    ],
)
async def test_a_public_name_of_a_private_address(
    town: Town, home: str, there: str, problem: str
) -> None:
    told = await town.problem(home, there)
    assert problem in told and bool(told) is bool(problem), told
    assert len(town.server_of(there).requests_for("/b")) == (not problem)


@ON_LINUX
async def test_a_private_place_that_is_known_from_the_user(town: Town) -> None:
    """Neither a connection that is kept alive nor a lookup of before opens it to a redirect."""
    town.server_of("inner.example").on("/mine", serving(BODY))
    assert await town.fetch(town.url("inner.example", "/mine")) == ""
    told = await town.problem("files.example", "inner.example")
    assert "refused a redirect to the private address inner.example" in told
    assert not town.server_of("inner.example").requests_for("/b")


class Flipping(Book):
    """`rebound.example` is public at first; each later lookup tells another address."""

    def __init__(self, *later: str) -> None:
        super().__init__()
        self._later = later

    async def resolve(self, host: str, *args: Any, **kwargs: Any) -> Any:
        if host != "rebound.example":
            return await super().resolve(host, *args, **kwargs)
        (found,) = await Names.resolve(self, host, *args, **kwargs)
        if self.asked.count(host) == 1:
            return [found]
        return [{**found, "host": each} for each in self._later]


@ON_LINUX
@pytest.mark.parametrize("later", [("127.0.0.2",), ("127.0.0.1", "127.0.0.2")])
@pytest.mark.parametrize("through", ["", "other.example"])
@pytest.mark.parametrize("to", ["rebound.example", "127.0.0.2", "inner.example"])
async def test_a_name_that_becomes_private_between_two_hops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: tuple[str, ...], through: str, to: str
) -> None:
    """The host gains nothing from it, neither for itself nor for others."""
    monkeypatch.setattr(private_networks, "is_private", lambda host: host == "127.0.0.2")
    monkeypatch.setattr(resolver, "_CACHE_SECONDS", 0.0)
    book = GuardedResolver(Flipping(*later))
    async with (
        MisbehavingServer() as outer,
        MisbehavingServer(host="127.0.0.2") as inner,
        opened_client(resolver=book) as client,
    ):
        inner.on("/secret", serving(BODY))
        port = inner.url("").rpartition(":")[2]
        target = f"http://{to}:{port}/secret"

        async def lead(exchange: Exchange) -> None:
            # Somebody else looks the name up while the first response is under way.
            await book.resolve("rebound.example", 80)
            await redirect(target)(exchange)

        outer.on("/a", lead)
        home = outer.url("/a").replace("127.0.0.1", "rebound.example")
        if through:
            outer.on("/b", lead)
            outer.on("/a", redirect(outer.url("/b").replace("127.0.0.1", through)))
        config = FileConfig(url=home)
        manager, _ = await fetch(tmp_path / "out", [config], client=client)
        assert "refused a redirect" in error_of(manager, config)
        assert not inner.requests


@ON_LINUX
@pytest.mark.parametrize("home", ["intranet.example", "both.example"])
async def test_a_home_in_the_local_network_may_lead_to_itself(
    town: Town, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setattr(resolver, "_CACHE_SECONDS", 0.0)
    assert await town.problem(home, home) == ""


@pytest.mark.parametrize(
    ("host", "is_inside"),
    [
        *[(host, True) for host in ("0", "100.64.0.1", "::", "::1", "fe80::1%eth0", "fec0::1")],
        *[(f"{before}127.0.0.1", True) for before in ("", "::", "::ffff:", "::ffff:0:")],
        *[(f"{before}8.8.8.8", False) for before in ("", "::", "::ffff:", "::ffff:0:")],
        *[("64:ff9b::10.0.0.1", True), ("64:ff9b::8.8.8.8", False), ("64:ff9b:1::8.8.8.8", True)],
        *[("2002:7f00:1::1", True), ("2002:808:808::1", False), ("2606:4700::1111", False)],
        *[("localhost.", True), ("a.localhost", True), ("127.1.", True), ("example.org", False)],
    ],
)
def test_which_addresses_are_private(host: str, is_inside: bool) -> None:
    assert private_networks.is_private(host) is is_inside


async def test_one_lookup_answers_all_who_ask_at_once() -> None:
    book = SlowBook()
    resolver = GuardedResolver(book)
    answers = await asyncio.gather(*(resolver.resolve("files.example", port) for port in (80, 443)))
    assert [answer[0]["port"] for answer in answers] == [80, 443]
    assert (await resolver.resolve("files.example", 80))[0]["host"] == answers[0][0]["host"]
    assert book.asked == ["files.example"]


async def test_a_lookup_that_failed_is_not_kept() -> None:
    book = SlowBook(failures=1)
    resolver = GuardedResolver(book)
    both = [resolver.resolve("files.example") for _ in range(2)]
    failed = await asyncio.gather(*both, return_exceptions=True)
    assert [type(error) for error in failed] == [OSError, OSError]
    assert await resolver.resolve("files.example")
    assert book.asked == ["files.example"] * 2


class SlowBook(Book):
    """Another one may ask before it answers; fails at first."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self._failures = failures

    async def resolve(self, host: str, *args: Any, **kwargs: Any) -> Any:
        found = await super().resolve(host, *args, **kwargs)
        await asyncio.sleep(0)
        if len(self.asked) <= self._failures:
            raise OSError("no answer")
        return found


async def test_an_authority_that_is_withdrawn_is_not_trusted_any_more(tmp_path: Path) -> None:
    old, new = Authority(), Authority()
    file = old.file(tmp_path)
    options = RequestOptions(ca_file=file)
    async with (
        MisbehavingServer(ssl=old.serving("127.0.0.1")) as server,
        DownloadManager(download_dir=tmp_path / "out") as manager,
    ):
        url = server.on("/f", lambda exchange: exchange.serve(b"data", Connection="close"))
        for number, step in enumerate(["as it is", "replaced", "as it was", "removed"]):
            if step == "replaced":
                new.file(tmp_path)
            elif step == "as it was":
                old.file(tmp_path)
            elif step == "removed":
                file.unlink()
            config = FileConfig(url=url, filename=f"{number}", request=options)
            await manager.add([config])
            await manager.wait_until_complete(timeout=60)
            is_trusted = status_of(manager, config) is DownloadStatus.COMPLETED
            assert is_trusted == step.startswith("as it"), error_of(manager, config)
