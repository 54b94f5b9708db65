"""Secrets of every kind over redirects: none goes to another host, port or scheme."""

import os
import ssl
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rheo_core import FileConfig
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.request_rules import RequestRules
from tests.clients import opened_client
from tests.core.engine import error_of, fetch, serving, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.names import Names
from tests.servers.scenarios import redirect
from tests.servers.tls import Authority

BODY = body_of(20_000)
HOST, OTHER, PORT = "files.example", "other.example", 7000
SECRET = "c4nary"
MARKS = (SECRET, b64encode(f"me:{SECRET}".encode()).decode(), "username=")

COOKIES = f"# Netscape HTTP Cookie File\n{HOST}\tFALSE\t/\tFALSE\t0\tid\t{SECRET}\n"
NETRC = f"machine {HOST} login me password {SECRET}\n"

REFERER = "http://example.org/"
KINDS: dict[str, Mapping[str, Any]] = {
    "login in the URL": {},
    "Authorization": {"headers": {"authorization": f"Basic {SECRET}"}},
    "Cookie": {"headers": {"Cookie": f"id={SECRET}"}},
    "header": {"headers": {"X-Token": SECRET}},
    "referer": {"referer": f"{REFERER}?{SECRET}"},
    "basic": {"user": f"me:{SECRET}"},
    "digest": {"user": f"me:{SECRET}", "auth": "digest"},
    "bearer": {"bearer": SECRET},
    "netrc": {"netrc": True},
    "cookies.txt": {},
}
PLANTED = [
    (kind, level)
    for kind in KINDS
    for level in ("download", "default", "host")
    if level == "download" or kind != "login in the URL"
]
MOVES = ("path", "port", "host", "scheme", "downgrade", "all")


class Places(Names):
    """Every name leads to 127.0.0.1, every port to `port`: two schemes may share a port."""

    port = 0

    async def resolve(self, *args: Any, **kwargs: Any) -> Any:
        (found,) = await super().resolve(*args, **kwargs)
        return [{**found, "port": self.port}]


class Stage:
    """A server that redirects to another one, which is elsewhere in the ways of `move`."""

    def __init__(self, move: str, home: MisbehavingServer, there: MisbehavingServer) -> None:
        self.places = Places()
        self.home, self.there = home, there
        self.places.port = port_of(home)
        secure = move == "downgrade"
        self.url = f"{'https' if secure else 'http'}://{HOST}:{PORT}/a"
        scheme = "https" if move in ("scheme", "all") else "http"
        host = OTHER if move in ("host", "all") else HOST
        port = PORT + 1 if move in ("port", "all") else PORT
        self._target = f"{scheme}://{host}:{port}/b"
        home.on("/a", self._send_on)
        there.on("/b", self._serve)

    async def _send_on(self, exchange: Exchange) -> None:
        if "digest" in self.url and "authorization" not in exchange.request.headers:
            await challenge(exchange)
            return
        self.places.port = port_of(self.there)
        await exchange.head("302 Found", Location=self._target, Content_Length=0)
        await exchange.close()

    async def _serve(self, exchange: Exchange) -> None:
        await exchange.serve(BODY)


def port_of(server: MisbehavingServer) -> int:
    return int(server.url("").rpartition(":")[2])


async def challenge(exchange: Exchange) -> None:
    """Ask for a digest (RFC 7616)."""
    wanted = 'Digest realm="files", nonce="abc", qop="auth", algorithm=SHA-256'
    await exchange.head("401 Unauthorized", WWW_Authenticate=wanted, Content_Length=0)


def secrets_in(requests: list[Any]) -> list[str]:
    said = [f"{name}: {value}" for request in requests for name, value in request.headers.items()]
    return [line for line in said if any(mark in line for mark in MARKS)]


@pytest.mark.parametrize(("kind", "level"), PLANTED)
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.halved("move", "kind")
async def test_none_goes_astray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, move: str, kind: str, level: str
) -> None:
    authority = Authority()
    safe = authority.serving(HOST, OTHER)
    fields = {**KINDS[kind], "allow_downgrade": True, "ca_file": authority.file(tmp_path)}
    if kind == "cookies.txt":
        fields["cookies"] = tmp_path / "cookies.txt"
        fields["cookies"].write_text(COOKIES)
        fields["cookies"].chmod(0o600)
    netrc = tmp_path / "netrc"
    netrc.write_text(NETRC)
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with (
        MisbehavingServer(ssl=safe if move == "downgrade" else None) as home,
        MisbehavingServer(ssl=safe if move in ("scheme", "all") else None) as there,
    ):
        stage = Stage(move, home, there)
        if kind == "digest":
            stage.url += "?digest"
            home.on("/a?digest", stage._send_on)
        options = RequestOptions(**fields)
        own, rules = {}, None
        if level == "download":
            own = {"request": options}
        else:
            rules = RequestRules(
                defaults=options if level == "default" else RequestOptions(**_harmless(fields)),
                hosts={HOST: options} if level == "host" else {},
            )
        url = stage.url
        if kind == "login in the URL":
            url = url.replace("://", f"://me:{SECRET}@")
        config = FileConfig(url=url, filename="a", **own)
        async with opened_client(resolver=stage.places) as client:
            manager, _ = await fetch(tmp_path / "out", [config], client=client, request_rules=rules)
        assert status_of(manager, config) == "completed", error_of(manager, config)
        assert secrets_in(home.requests), "the secret was never sent"
        if move == "path":
            assert secrets_in(there.requests), "it was lost at its own origin"
        else:
            assert secrets_in(there.requests) == []
            assert not {"authorization", "cookie"} & set(there.requests[0].headers)
            assert there.requests[0].headers.get("referer", REFERER) == REFERER
    assert (tmp_path / "out" / "a").read_bytes() == BODY


def _harmless(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in ("allow_downgrade", "ca_file")}


@pytest.mark.parametrize("secure", [True, False], ids=["https", "http"])
@pytest.mark.parametrize("kind", ["basic", "bearer", "header", "netrc", "cookies.txt"])
async def test_what_is_kept_for_a_host_is_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, secure: bool
) -> None:
    """A redirect to another host finds what the user said of that one, and of no other.

    By http anybody could be there; cookies say themselves whether that matters.
    """
    authority = Authority()
    netrc = tmp_path / "netrc"
    netrc.write_text(NETRC.replace(HOST, OTHER))
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    cookies = tmp_path / "cookies.txt"
    cookies.write_text(COOKIES.replace(HOST, OTHER))
    cookies.chmod(0o600)
    options = RequestOptions(**{**KINDS[kind], **({"cookies": cookies} if "." in kind else {})})
    rules = RequestRules(hosts={OTHER: options})
    trust = RequestOptions(ca_file=authority.file(tmp_path))
    if kind in ("netrc", "cookies.txt"):
        rules = RequestRules()
        trust = options.over(trust)
    rules = RequestRules(defaults=trust, hosts=rules.hosts)
    safe = authority.serving(OTHER) if secure else None
    async with MisbehavingServer() as home, MisbehavingServer(ssl=safe) as there:
        stage = Stage("host", home, there)
        if secure:
            stage._target = stage._target.replace("http:", "https:")
        config = FileConfig(url=stage.url)
        async with opened_client(resolver=stage.places) as client:
            manager, _ = await fetch(tmp_path / "out", [config], client=client, request_rules=rules)
        assert status_of(manager, config) == "completed"
        is_told = bool(secrets_in(there.requests))
        assert is_told is (secure or kind == "cookies.txt")
        assert not secrets_in(home.requests)


@pytest.mark.parametrize("move", ["path", "port", "host"])
@pytest.mark.parametrize("level", ["download", "default"])
async def test_a_client_certificate_is_not_shown_elsewhere(
    tmp_path: Path, move: str, level: str
) -> None:
    authority = Authority()
    certificate, key = authority.client(tmp_path)
    options = RequestOptions(
        ca_file=authority.file(tmp_path), client_cert=certificate, client_key=key
    )
    shown: dict[str, bool] = {}

    def note(exchange: Exchange) -> None:
        tls: ssl.SSLObject = exchange.writer.get_extra_info("ssl_object")
        shown[exchange.request.target] = bool(tls.getpeercert())

    asking = authority.asking(HOST, OTHER, strictly=False)
    async with MisbehavingServer(ssl=asking) as home, MisbehavingServer(ssl=asking) as there:
        stage = Stage(move, home, there)
        stage.url = stage.url.replace("http:", "https:")
        stage._target = stage._target.replace("http:", "https:")

        async def first(exchange: Exchange) -> None:
            note(exchange)
            await stage._send_on(exchange)

        async def second(exchange: Exchange) -> None:
            note(exchange)
            await exchange.serve(BODY)

        home.on("/a", first)
        there.on("/b", second)
        own = {"request": options} if level == "download" else {}
        rules = RequestRules(defaults=options) if level == "default" else None
        config = FileConfig(url=stage.url, **own)
        async with opened_client(resolver=stage.places) as client:
            manager, _ = await fetch(tmp_path / "out", [config], client=client, request_rules=rules)
        assert status_of(manager, config) == "completed", error_of(manager, config)
    assert shown == {"/a": True, "/b": move == "path"}


@pytest.mark.skipif(os.name != "posix", reason="modes")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
async def test_a_netrc_that_others_may_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: MisbehavingServer, mode: int
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(NETRC)
    netrc.chmod(mode)
    monkeypatch.setenv("NETRC", str(netrc))
    config = FileConfig(url=server.url("/a"), request=RequestOptions(netrc=True))
    manager, journal = await fetch(tmp_path / "out", [config])
    assert error_of(manager, config).endswith("other users can read it; run chmod 600 on it")
    assert journal.names() == ["queued", "failed"] and not server.requests


@pytest.mark.parametrize("kind", ["named", "broken link"])
async def test_a_netrc_that_the_user_has_and_that_is_gone_is_refused(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Without it the request would be made by nobody, and another file may come."""
    monkeypatch.setenv("HOME", str(tmp_path))
    if kind == "named":
        monkeypatch.setenv("NETRC", str(tmp_path / "gone"))
    else:
        monkeypatch.delenv("NETRC", raising=False)
        (tmp_path / ".netrc").symlink_to("gone")
    config = FileConfig(url=server.url("/a"), request=RequestOptions(netrc=True))
    manager, _ = await fetch(tmp_path / "files", [config])
    assert error_of(manager, config).endswith("No such file or directory")
    assert server.requests == []


async def test_who_has_no_netrc_asks_without_a_login(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    config = FileConfig(url=server.on("/a", serving(b"a")), request=RequestOptions(netrc=True))
    await fetch(tmp_path / "files", [config])
    assert (tmp_path / "files" / "a").read_bytes() == b"a"


@pytest.mark.parametrize("there", [HOST, f"{HOST}."])
async def test_a_dot_behind_a_host_makes_it_no_other_host(tmp_path: Path, there: str) -> None:
    """Secrets of a host go to no other port, in whatever form a redirect writes its name."""
    authority = Authority()
    serving = authority.serving(HOST)
    async with (
        MisbehavingServer(ssl=serving) as home,
        MisbehavingServer(ssl=serving) as other,
        opened_client(resolver=Names()) as client,
    ):
        home.on("/a", redirect(f"https://{there}:{port_of(other)}/b"))
        other.on("/b", lambda exchange: exchange.serve(BODY))
        config = FileConfig(url=f"https://{HOST}:{port_of(home)}/a")
        rules = RequestRules(
            RequestOptions(ca_file=authority.file(tmp_path)),
            {HOST: RequestOptions(user=f"me:{SECRET}")},
        )
        manager, _ = await fetch(tmp_path / "out", [config], client=client, request_rules=rules)
        assert status_of(manager, config) == "completed", error_of(manager, config)
        assert secrets_in(home.requests) and not secrets_in(other.requests)
