"""Options that a list chose and the user allowed: no secret that the user keeps goes along."""

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain.request_options import NO_OPTIONS, PROTECTING, RequestOptions
from rheo_core.domain.request_rules import RequestRules
from rheo_core.infrastructure.session_rows import to_record, to_stored
from rheo_core.inputs import ReadOptions, read_entries
from rheo_core.tracking import DownloadRecord
from tests.core.engine import error_of, fetch, serving, sha256, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.proxy import proxy
from tests.servers.scenarios import answer, in_turn, redirect
from tests.servers.tls import Authority

BODY = body_of(200_000)
SECRET = "c4nary"
HOST = "127.0.0.1"

KEPT: dict[str, Callable[[Path], RequestRules]] = {
    "login of the host": lambda _: of_host(user=f"me:{SECRET}"),
    "digest login of the host": lambda _: of_host(user=f"me:{SECRET}", auth="basic"),
    "bearer of the host": lambda _: of_host(bearer=SECRET),
    "header of the host": lambda _: of_host(headers={"X-Key": SECRET}),
    "login of all": lambda _: RequestRules(RequestOptions(user=f"me:{SECRET}")),
    "header of all": lambda _: RequestRules(RequestOptions(headers={"Cookie": SECRET})),
    "referer of all": lambda _: RequestRules(RequestOptions(referer=f"http://x/{SECRET}")),
    "netrc of all": lambda _: RequestRules(RequestOptions(netrc=True)),
    "netrc of the host": lambda _: of_host(netrc=True),
    "cookies of all": lambda home: RequestRules(RequestOptions(cookies=home / "cookies.txt")),
    "cookies of the host": lambda home: of_host(cookies=home / "cookies.txt"),
}
ROUTES: dict[str, dict[str, Any]] = {
    "interface": {"interface": HOST},
    "ip version": {"ip_version": 4},
    "downgrade": {"allow_downgrade": True},
    "no proxy": {"proxy": "off"},
}


def of_host(**options: Any) -> RequestRules:
    return RequestRules(hosts={HOST: RequestOptions(**options)})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a netrc and cookies that have the secret."""
    netrc = tmp_path / "netrc"
    netrc.write_text(
        f"machine {HOST} login me password {SECRET}\nmachine localhost login me password {SECRET}\n"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    lines = [f"{host}\tFALSE\t/\tFALSE\t0\tjar\t{SECRET}\n" for host in (HOST, "localhost")]
    (tmp_path / "cookies.txt").write_text("# Netscape HTTP Cookie File\n" + "".join(lines))
    (tmp_path / "cookies.txt").chmod(0o600)
    return tmp_path


def listed(url: str, *, allowed: bool = True, **fields: Any) -> FileConfig:
    """Return the config that a line of JSON makes."""
    text = json.dumps({"url": url, **fields})
    (entry,) = read_entries([text], (), ReadOptions(list_options=allowed))
    assert entry.config is not None, entry.problem
    return entry.config


def told(server: MisbehavingServer) -> list[str]:
    """The headers that have the secret in them, of all requests."""
    return [
        name
        for request in server.requests
        for name, value in request.headers.items()
        if SECRET in value or SECRET in decoded(value)
    ]


def decoded(value: str) -> str:
    scheme, _, login = value.partition(" ")
    return b64decode(login).decode() if scheme == "Basic" else ""


async def completed(folder: Path, config: FileConfig, rules: RequestRules, **more: Any) -> None:
    manager, _ = await fetch(folder, [config], request_rules=rules, **more)
    assert status_of(manager, config) == "completed", error_of(manager, config)


@pytest.mark.parametrize("kept", KEPT)
async def test_nothing_kept_goes_to_a_proxy_of_a_list(
    tmp_path: Path, home: Path, server: MisbehavingServer, kept: str
) -> None:
    rules = KEPT[kept](home)
    url = server.on("/a", serving(BODY))
    async with proxy(tmp_path) as way:
        wish = {"proxy": f"http://{HOST}:{way.port}"}
        await completed(tmp_path / "1", listed(url, request=wish), rules)
        assert str(server.url("").rpartition(":")[2]) in way.log
        assert told(server) == []
    await completed(tmp_path / "2", listed(url, request=wish, allowed=False), rules)
    assert told(server)  # as it goes without the list's proxy: this test can fail


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kept", ["login of the host", "header of all", "netrc of all"])
async def test_nothing_kept_takes_any_route_of_a_list(
    tmp_path: Path, home: Path, server: MisbehavingServer, kept: str, route: str
) -> None:
    config = listed(server.on("/a", serving(BODY)), request=ROUTES[route])
    await completed(tmp_path / "out", config, KEPT[kept](home))
    assert told(server) == []


@pytest.mark.parametrize("kept", ["login of the host", "cookies of all", "bearer of the host"])
async def test_nothing_kept_is_told_to_who_has_a_certificate_of_the_lists_authority(
    tmp_path: Path, home: Path, kept: str
) -> None:
    authority = Authority()
    async with MisbehavingServer(ssl=authority.serving(HOST)) as evil:
        wish = {"ca_file": str(authority.file(tmp_path))}
        url = evil.on("/a", serving(BODY))
        await completed(tmp_path / "out", listed(url, request=wish), KEPT[kept](home))
        assert evil.requests and told(evil) == []


async def test_no_certificate_of_the_settings_is_shown_on_a_route_of_a_list(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.client(tmp_path)
    async with MisbehavingServer(ssl=authority.asking(HOST)) as server:
        rules = of_host(client_cert=certificate, client_key=key)
        config = listed(
            server.on("/a", serving(BODY)), request={"ca_file": str(authority.file(tmp_path))}
        )
        manager, _ = await fetch(tmp_path / "out", [config], request_rules=rules)
        assert status_of(manager, config) == "failed"
        assert not server.requests


@pytest.mark.parametrize("kept", ["login of the host", "netrc of all"])
async def test_sidecars_and_retries_are_as_silent(
    tmp_path: Path, home: Path, server: MisbehavingServer, kept: str
) -> None:
    url = server.on("/a", in_turn(answer("503 Busy"), serving(BODY)))
    session = tmp_path / "session.db"
    server.on("/a.sha256", serving(f"{sha256(BODY)}  a\n".encode()))
    config = listed(url, request={"ip_version": 4}, sidecar=True)
    rules = KEPT[kept](home)
    await fetch(tmp_path / "out", [config], request_rules=rules, session_path=session)
    async with DownloadManager(  # the next start: it knows of the list what the session kept
        download_dir=tmp_path / "out", request_rules=rules, session_path=session
    ) as manager:
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
    assert len(server.requests_for("/a")) == 2
    assert server.requests_for("/a.sha256")
    assert told(server) == []


@pytest.mark.parametrize(
    "options", [{"proxy": "off"}, {"ca_file": "/x"}, {"netrc": True}, {"cookies": "/x"}]
)
def test_the_session_keeps_what_the_list_chose(options: dict[str, Any]) -> None:
    config = listed("http://x/", request=options)
    again = to_record(to_stored(DownloadRecord.of(config))).config
    assert again == config
    assert again.list_options == tuple(options)
    assert config.model_copy(update={"fetch_url": "http://y/"}).list_options == tuple(options)
    ended = config.without_options()
    assert ended.list_options == tuple(PROTECTING & options.keys())
    assert ended.request == (config.request if ended.list_options else NO_OPTIONS)


async def test_the_environments_proxy_keeps_its_login_to_itself(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    """This login is a stored one too, and an interface of the list may lead to a foreign proxy."""
    async with proxy(tmp_path, f"me:{SECRET}") as way:
        rules = RequestRules(proxies={"http": f"http://me:{SECRET}@{HOST}:{way.port}"})
        url = server.on("/a", serving(BODY))
        config = listed(url, request={"allow_downgrade": True})
        manager, _ = await fetch(tmp_path / "1", [config], request_rules=rules)
        assert status_of(manager, config) == "failed"
        assert not server.requests
        await completed(tmp_path / "2", listed(url), rules)


@pytest.mark.parametrize("wish", ["netrc", "cookies"])
async def test_a_file_of_secrets_that_a_list_names_is_for_its_own_origin(
    tmp_path: Path, home: Path, server: MisbehavingServer, wish: str
) -> None:
    there = server.on("/there", serving(BODY)).replace(HOST, "localhost")
    url = server.on("/here", redirect(there))
    options = {"netrc": True} if wish == "netrc" else {"cookies": str(home / "cookies.txt")}
    mirror = server.on("/mirror", serving(BODY)).replace(HOST, "localhost")
    config = listed(url, request=options, mirrors=[mirror])
    assert config.options_for(mirror).netrc is None
    assert config.options_for(mirror).cookies is None
    await completed(tmp_path / "out", config, RequestRules())
    (here,) = server.requests_for("/here")
    assert any(SECRET in value + decoded(value) for value in here.headers.values())
    for request in server.requests_for("/there") + server.requests_for("/mirror"):
        assert not any(SECRET in value + decoded(value) for value in request.headers.values())


async def test_headers_of_a_list_go_to_its_origin_alone(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    names = ("Authorization", "Cookie", "Referer", "X-Key")
    async with MisbehavingServer() as other:
        moved = other.on("/moved", serving(BODY, ETag='"1"'))
        mirror = other.on("/mirror", serving(BODY, ETag='"1"'))
        fields: dict[str, Any] = {"headers": dict.fromkeys(names, SECRET), "mirrors": [mirror]}
        await completed(
            tmp_path / "1", listed(server.on("/a", redirect(moved)), **fields), RequestRules()
        )
        assert sorted(told(server)) == sorted(map(str.lower, names))
        assert other.requests and told(other) == []
        lost = listed(server.on("/lost", answer("404 Not Found")), **fields)
        await fetch(tmp_path / "2", [lost])
        assert told(other) == []


@pytest.mark.parametrize(
    "request_of_list",
    [{"user": user, "auth": auth} for user in ("x:y", "x") for auth in ("basic", "any")],
)
async def test_no_list_has_a_kept_login_told_in_clear(
    tmp_path: Path, server: MisbehavingServer, request_of_list: dict[str, Any]
) -> None:
    """A login by digest stays one: at mirrors that a list names, and under a name in its URL."""
    rules = RequestRules(hosts={"localhost": RequestOptions(user=f"me:{SECRET}", auth="digest")})
    mirror = server.on("/mirror", serving(BODY)).replace(HOST, "localhost")
    config = listed(
        server.on("/a", answer("404 Not Found")),
        request=request_of_list, mirrors=[mirror], allowed=False,
    )  # fmt: skip
    assert rules.for_origin("localhost", config.options_for(mirror)).auth == "digest"
    named = listed("http://me@localhost/x", request=request_of_list, allowed=False)
    assert rules.for_origin("localhost", named.options_for(named.url)).auth == "digest"
    await fetch(tmp_path / "out", [config], request_rules=rules)
    assert told(server) == []


async def test_how_a_list_has_its_own_login_told_is_not_for_the_login_of_a_flag(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    config = listed(
        server.on("/a", serving(BODY)), request={"user": "x:y", "auth": "basic"}, allowed=False
    ).with_options(RequestOptions(user=f"me:{SECRET}"))
    rules = RequestRules(RequestOptions(auth="digest"))
    await fetch(tmp_path / "out", [config], request_rules=rules)
    assert len(server.requests) > 0 and told(server) == []


def test_flags_of_the_user_are_no_more_told_than_settings() -> None:
    config = listed("http://x/", request={"proxy": "http://evil:1", "ca_file": "/x"})
    flags = RequestOptions(bearer=SECRET, headers={"X-Key": SECRET}, netrc=True, user_agent="Me/1")
    own = config.with_options(flags)
    assert own.request.bearer is None and own.request.headers == ()
    assert own.request.netrc is None
    assert own.request.user_agent == "Me/1"
    assert own.request.proxy_url == "http://evil:1"
    assert own.list_options == config.list_options

    routed = config.with_options(RequestOptions(proxy="http://mine:1", ca_file="/y", bearer="b"))
    assert routed.list_options == ()  # nothing is left of what the list chose
    assert routed.request.proxy_url == "http://mine:1" and routed.request.bearer is not None


@pytest.mark.parametrize("place", ["headers", "request"])
@pytest.mark.parametrize(
    ("flags", "theirs"),
    [
        ({"headers": {"X-A": "mine"}}, ("x-a", "list")),
        ({"headers": {"User-Agent": "mine"}}, ("user-agent", "list")),
        ({"user_agent": "mine"}, ("User-Agent", "list")),
        ({"referer": "http://mine/"}, ("REFERER", "http://list/")),
        ({"user": "mine:mine"}, ("Authorization", "Bearer list")),
        ({"bearer": "mine"}, ("authorization", "Bearer list")),
        ({"headers": {"Authorization": "mine"}}, ("Authorization", "Bearer list")),
        ({"headers": {"Cookie": "a=mine"}}, ("Cookie", "a=list")),
    ],
)
async def test_a_flag_replaces_the_same_field_of_a_list(
    tmp_path: Path,
    server: MisbehavingServer,
    place: str,
    flags: dict[str, Any],
    theirs: tuple[str, str],
) -> None:
    headers = {theirs[0]: theirs[1], "X-Other": "list"}
    fields = {"headers": headers} if place == "headers" else {"request": {"headers": headers}}
    config = listed(server.on("/a", serving(BODY)), **fields, allowed=False)
    await fetch(tmp_path / "out", [config.with_options(RequestOptions(**flags))])
    sent = server.requests[0].headers
    assert "list" not in sent[theirs[0].lower()] and sent["x-other"] == "list"
    await fetch(tmp_path / "2", [config])
    assert server.requests[-1].headers[theirs[0].lower()] == theirs[1]


def test_a_host_decides_before_all_hosts_in_either_form() -> None:
    rules = RequestRules(
        RequestOptions(headers={"User-Agent": "all", "Referer": "http://all/", "X-A": "all"}),
        {"h": RequestOptions(user_agent="host", referer="http://host/")},
    )
    sent = rules.for_origin("h", RequestOptions())
    assert sent.headers == (("X-A", "all"),)
    assert (sent.user_agent, sent.referer) == ("host", "http://host/")
