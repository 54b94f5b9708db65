"""How requests travel: TLS of the user's choice, versions of IP, interfaces, redirects."""

import socket
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rheo_core import FileConfig
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.request_rules import RequestRules
from rheo_core.infrastructure.http import AiohttpClient, create_secure_connector, resolver
from tests.core.engine import error_of, fetch, serving, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.names import Names
from tests.servers.scenarios import redirect
from tests.servers.tls import Authority

BODY = body_of(30_000)


async def ask(tmp_path: Path, url: str, rules: RequestRules | None = None, **own: Any) -> str:
    """ "" where the file came, else what is told."""
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


async def test_a_client_certificate(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.client(tmp_path)
    trust = {"ca_file": authority.file(tmp_path)}
    async with MisbehavingServer(ssl=authority.asking("127.0.0.1")) as server:
        url = server.on("/a", serving(BODY))
        assert await ask(tmp_path, url, **trust) != ""
        assert await ask(tmp_path, url, **trust, client_cert=certificate, client_key=key) == ""


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
        ("ca_file", "nothing", "it holds no certificate in PEM form"),
        ("ca_file", "-----BEGIN CERTIFICATE-----\nx\n", "it holds no certificate in PEM form"),
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
    told = await ask(tmp_path, "https://127.0.0.1:9/", **{field: file})
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
        ({"interface": "127.0.0.1"}, ""),
        ({"interface": "127.0.0.3"}, ""),
        ({"interface": "127.0.0.3", "ip_version": 6}, "not an address of IP version 6"),
        ({"interface": "no-such-one"}, "interface 'no-such-one' is not one of this machine"),
        ({"interface": "lo"}, ""),
        ({"interface": "192.0.2.1"}, "127.0.0.1: "),
        ({"interface": "lo", "proxy": "socks5://127.0.0.1:9"}, "do not go with a SOCKS proxy"),
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


async def test_ten_redirects_are_followed_and_no_more(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    for number in range(1, 11):
        server.on(f"/{number}", redirect(f"/{number - 1}"))
    server.on("/0", serving(BODY))
    assert await ask(tmp_path, server.url("/10")) == ""
    assert len(server.requests) == 11
    server.on("/11", redirect("/10"))
    server.requests.clear()
    (tmp_path / "out" / "f").unlink()
    assert await ask(tmp_path, server.url("/11")) == "more than 10 redirects"
    assert len(server.requests) == 11


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
    trust = {"ca_file": authority.file(tmp_path)}
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


class Book(Names):
    """Names with addresses of their own; others lead to 127.0.0.1."""

    addresses: ClassVar = {"inner.example": "127.0.0.2", "intranet.example": "127.0.0.2"}

    async def resolve(self, host: str, *args: Any, **kwargs: Any) -> Any:
        (found,) = await super().resolve(host, *args, **kwargs)
        return [{**found, "host": self.addresses.get(host, found["host"])}]


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is Linux's")
@pytest.mark.parametrize(
    ("home", "there", "problem"),
    [
        ("files.example", "other.example", ""),
        ("files.example", "inner.example", "refused a redirect to inner.example, which has a"),
        ("intranet.example", "inner.example", ""),
    ],
)
async def test_a_public_name_of_a_private_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, there: str, problem: str
) -> None:
    """Here 127.0.0.2 stands for what is private, and 127.0.0.1 for what is not."""
    monkeypatch.setattr(resolver, "is_private", lambda host: host == "127.0.0.2")
    connector = create_secure_connector(resolver=resolver.GuardedResolver(Book()))
    async with MisbehavingServer(host="127.0.0.2") as inner, MisbehavingServer() as outer:
        servers = {"127.0.0.2": inner, "127.0.0.1": outer}

        def server_of(host: str) -> MisbehavingServer:
            return servers[Book.addresses.get(host, "127.0.0.1")]

        def url_of(host: str, path: str) -> str:
            return f"http://{host}:{server_of(host).url('').rpartition(':')[2]}{path}"

        server_of(there).on("/b", serving(BODY))
        server_of(home).on("/a", redirect(url_of(there, "/b")))
        config = FileConfig(url=url_of(home, "/a"))
        async with AiohttpClient(connector=connector) as client:
            manager, _ = await fetch(tmp_path, [config], client=client)
        await connector.close()
        assert problem in error_of(manager, config)
        assert (status_of(manager, config) == "failed") is bool(problem)
        assert len(server_of(there).requests_for("/b")) == (not problem)
