"""Logins: basic, digest, bearer and netrc, as servers see them."""

import json
import re
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from rheo_core import FileConfig
from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.request_options import REVEAL, RequestOptions
from rheo_core.domain.request_rules import RequestRules, Unclear
from rheo_core.infrastructure.http.auth import Login, NetrcFile, check_netrc
from rheo_core.inputs import ReadOptions, read_entries
from rheo_tui.edit_fields import edited, texts_of
from tests.clients import IS_AIOHTTP
from tests.core.engine import error_of, fetch, sha256, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

BODY = body_of(300_000)
EMPTY_QUERY = "/a" if IS_AIOHTTP else "/a?"  # yarl drops the question mark
ENCODINGS = ["utf-8"] if IS_AIOHTTP else ["utf-8", "latin-1"]  # aiohttp writes fields in UTF-8 only


def basic(pair: str) -> str:
    return f"Basic {b64encode(pair.encode()).decode()}"


class Guarded:
    """Wants a digest (RFC 7616) of `me` and `p@ss:word`; `offers` is what its 401 says."""

    CHALLENGE = 'Digest realm="r", nonce="n0", qop="auth", algorithm={}'

    def __init__(self, algorithm: str, *offers: str, realm: bytes = b"r") -> None:
        self._algorithm = algorithm
        self._realm = realm
        self._offers = offers or (self.CHALLENGE.format(algorithm),)
        self.seen: list[str] = []

    async def __call__(self, exchange: Exchange) -> None:
        said = exchange.request.headers.get("authorization", "")
        self.seen.append(said)
        if said.startswith("Digest ") and self._is_right(said, exchange.request.target):
            await exchange.serve(BODY, ETag='"1"')
            return
        lines = "".join(f"WWW-Authenticate: {offer}\r\n" for offer in self._offers)
        response = f"HTTP/1.1 401 No\r\n{lines}Content-Length: 0\r\n\r\n"
        await exchange.send(response.encode(errors="surrogateescape"))

    def _is_right(self, said: str, target: str) -> bool:
        import hashlib

        digest = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[self._algorithm]
        parts = dict(part.split("=", 1) for part in said[7:].split(", "))
        value = {name: _unquoted(text) for name, text in parts.items()}

        def hashed(text: str) -> str:
            return digest(text.encode(errors="surrogateescape")).hexdigest()

        realm = self._realm.decode(errors="surrogateescape")
        expected = hashed(
            f"{hashed(f'me:{realm}:p@ss:word')}:n0:{value['nc']}:{value['cnonce']}:auth:"
            f"{hashed(f'GET:{target}')}"
        )
        is_right = value["response"] == expected and value["username"] == "me"
        is_right = is_right and value["uri"] == target  # Apache compares them
        return is_right and value["realm"].encode("latin-1") == self._realm


def _unquoted(text: str) -> str:
    """Return the value of a token or a quoted string (RFC 9110 5.6.4); "" if it is neither."""
    quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', text)
    if quoted is None:
        return "" if '"' in text else text
    return re.sub(r"\\(.)", r"\1", quoted[1])


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/a?", EMPTY_QUERY),
        ("/ä", "/%C3%A4"),
        ("/a?q=ä", "/a?q=%C3%A4"),
        ("/a?q=%2B+&r=a=b", "/a?q=%2B+&r=a=b"),
        ("/%e4", "/%e4"),
        ("/a;b=c?b?c", "/a;b=c?b?c"),
        ("/a?#f", EMPTY_QUERY),
        ('/a"b', '/a"b'),
        ('/a?q="b"', '/a?q="b"'),
        ('/a?uri="/b"', '/a?uri="/b"'),
        ("/a?q=b\\c", "/a?q=b\\c"),
        ("?a", "/?a"),
        ("", "/"),
    ],
)
async def test_a_digest_signs_the_target_as_it_is_sent(
    tmp_path: Path, server: MisbehavingServer, target: str, sent: str
) -> None:
    server.on(sent, Guarded("MD5"))
    login = RequestOptions(user="me:p@ss:word", auth="digest")
    config = FileConfig(url=server.url(target), filename="a", request=login)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_digest(tmp_path: Path, server: MisbehavingServer, algorithm: str) -> None:
    guard = Guarded(algorithm)
    url = server.on("/a?b=%20c", guard)
    config = FileConfig(url=url, request=RequestOptions(user="me:p@ss:word", auth="digest"))
    manager, _ = await fetch(tmp_path, [config], connections=3)
    assert status_of(manager, config) == "completed", error_of(manager, config)
    assert sha256((tmp_path / "a").read_bytes()) == sha256(BODY)
    assert guard.seen[0] == "" and not any(said.startswith("Basic") for said in guard.seen)
    assert guard.seen.count("") == 1  # the challenge is remembered


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ({}, "HTTP 401 Unauthorized"),
        ({"user": "me:wrong"}, "HTTP 401 Unauthorized; the login was refused"),
        ({"bearer": "wrong"}, "HTTP 401 Unauthorized; the login was refused"),
    ],
)
async def test_a_refused_login_reads_otherwise_than_a_missing_one(
    tmp_path: Path, server: MisbehavingServer, login: dict[str, str], said: str
) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.head("401 Unauthorized", Content_Length=0)

    config = FileConfig(url=server.on("/a", refuse), request=RequestOptions(**login))
    manager, _ = await fetch(tmp_path, [config])
    assert error_of(manager, config) == said


MD5 = Guarded.CHALLENGE.format("MD5")


@pytest.mark.parametrize(
    "offers",
    [
        (MD5, 'Basic realm="r"'),
        ('Basic realm="r"', MD5),
        ("Negotiate", "NTLM", MD5),
        (f'Basic realm="r, d", {MD5}',),
        (Guarded.CHALLENGE.format("SHA-512-256"), MD5.replace("Digest", "digest")),
        (f"{Guarded.CHALLENGE.format('SHA-512-256')}, {MD5}",),
        ("Digest", 'Digest realm="r"', MD5.replace("auth", "auth-conf"), MD5),
        (f'{MD5}, domain="/a http://[x/"',),
        (f'{MD5}, domain="http://h:99999/"',),
        ('DIGEST REALM="r", NONCE="n0", QOP="auth", ALGORITHM=MD5',),
        ('Digest Realm="r", Nonce="n0", qop="AUTH", algorithm=MD5',),
        ('digest Realm="r", nonce="n0", Qop="Auth", Opaque="a\\"b"',),
    ],
)
async def test_the_challenge_is_found_among_others(
    tmp_path: Path, server: MisbehavingServer, offers: tuple[str, ...]
) -> None:
    url = server.on("/a", Guarded("MD5", *offers))
    config = FileConfig(url=url, request=RequestOptions(user="me:p@ss:word", auth="digest"))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)


@pytest.mark.parametrize(
    "offer",
    ["Digest", 'Digest realm="r"', MD5.replace("MD5", "X"), "Basic"],
)
async def test_no_challenge_to_answer(
    tmp_path: Path, server: MisbehavingServer, offer: str
) -> None:
    guard = Guarded("MD5", offer)
    options = RequestOptions(user="me:p@ss:word", auth="digest")
    config = FileConfig(url=server.on("/a", guard), request=options)
    manager, _ = await fetch(tmp_path, [config])
    assert "401" in error_of(manager, config)
    assert guard.seen == [""]


@pytest.mark.parametrize("charset", ["", ', charset="UTF-8"'])
@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_realm_is_hashed_as_the_bytes_that_came(
    tmp_path: Path, server: MisbehavingServer, encoding: str, charset: str
) -> None:
    """RFC 7616 3.4.2, whether the server says in what its realm is written or not."""
    realm = "Zugang für Gäste".encode(encoding)
    shown = realm.decode(errors="surrogateescape")
    guard = Guarded("MD5", MD5.replace('"r"', f'"{shown}"') + charset, realm=realm)
    options = RequestOptions(user="me:p@ss:word", auth="digest")
    config = FileConfig(url=server.on("/a", guard), request=options)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)
    assert sha256((tmp_path / "a").read_bytes()) == sha256(BODY)


async def test_a_login_in_the_url_meets_a_digest(tmp_path: Path, server: MisbehavingServer) -> None:
    url = server.on("/a", Guarded("MD5")).replace("://", "://me:p%40ss%3Aword@")
    config = FileConfig(url=url)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)


async def test_a_name_with_a_colon_goes_with_basic_alone(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    """As curl sends it. Digest is impossible, and nobody asked for it."""

    async def whole(exchange: Exchange) -> None:
        await exchange.serve(BODY)

    url = server.on("/a", whole).replace("http://", "http://a%3Ab:c@")
    manager, _ = await fetch(tmp_path, [FileConfig(url=url)])
    assert manager.stats.completed == 1
    assert server.requests[0].headers["authorization"] == basic("a:b:c")
    digest = FileConfig(url=url, filename="d", request=RequestOptions(auth="digest"))
    manager, _ = await fetch(tmp_path, [digest])
    assert "digest authentication does not allow a colon" in error_of(manager, digest)


@pytest.mark.parametrize("place", ["url", "netrc"])
async def test_bytes_that_are_not_utf8_are_sent_as_they_are(
    tmp_path: Path, server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    async def whole(exchange: Exchange) -> None:
        await exchange.serve(BODY)

    url = server.on("/a", whole)
    netrc = tmp_path / "netrc"
    netrc.write_bytes(b"machine 127.0.0.1 login caf\xe9 password p\xff\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    options = RequestOptions(netrc=True)
    if place == "url":
        url, options = url.replace("://", "://caf%e9:p%ff@"), RequestOptions()
    config = FileConfig(url=url, request=options)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)
    sent = server.requests[0].headers["authorization"].removeprefix("Basic ")
    assert b64decode(sent) == b"caf\xe9:p\xff"
    digest = FileConfig(url=url, filename="d", request=RequestOptions(auth="digest", netrc=True))
    manager, _ = await fetch(tmp_path, [digest])
    assert error_of(manager, digest) == (
        "user: digest authentication needs a name and a password in UTF-8"
    )


@pytest.mark.parametrize(
    "command",
    [
        "curl --digest -u me:p@ss:word {}", "curl --anyauth -u me:p@ss:word {}",
        "wget --user=me --password=p@ss:word {}", "wget http://me:p%40ss%3Aword@{}",
        "aria2c --http-user=me --http-passwd=p@ss:word --http-auth-challenge=true {}",
    ],
)  # fmt: skip
async def test_a_command_sends_no_password_before_the_server_asks(
    tmp_path: Path, server: MisbehavingServer, command: str
) -> None:
    guard = Guarded("SHA-256")
    url = server.on("/a", guard)
    (entry,) = read_entries([command.format(url).replace("@http://", "@")])
    assert entry.config is not None
    await fetch(tmp_path, [entry.config])
    assert sha256((tmp_path / "a").read_bytes()) == sha256(BODY)
    assert guard.seen[0] == "" and all(said.startswith("Digest ") for said in guard.seen[1:])


@pytest.mark.parametrize(
    ("offers", "sent"),
    [
        ([MD5], ["", "Digest"]),
        (['Basic realm="r"'], ["", "Basic"]),
        (["basic"], ["", "Basic"]),
        (['Negotiate, Basic realm="a, digest b"'], ["", "Basic"]),
        (['Basic realm="r"', MD5], ["", "Digest"]),
        ([f'{MD5}, Basic realm="r"'], ["", "Digest"]),
        ([MD5.replace("MD5", "X"), 'Basic realm="r"'], ["", "Basic"]),
        (["Negotiate"], [""]),
        (['Bearer realm="a, Basic b"'], [""]),
        ([], [""]),
    ],
)
async def test_any_login_waits_for_a_challenge_and_prefers_digest(
    tmp_path: Path, server: MisbehavingServer, offers: list[str], sent: list[str]
) -> None:
    said: list[str] = []

    async def guard(exchange: Exchange) -> None:
        said.append(exchange.request.headers.get("authorization", ""))
        if said[-1]:
            await exchange.serve(BODY, ETag='"1"')
            return
        lines = "".join(f"WWW-Authenticate: {offer}\r\n" for offer in offers)
        await exchange.send(f"HTTP/1.1 401 No\r\n{lines}Content-Length: 0\r\n\r\n".encode())

    config = FileConfig(
        url=server.on("/a", guard), request=RequestOptions(user="me:p@ss:word", auth="any")
    )
    manager, _ = await fetch(tmp_path, [config])
    assert [text.partition(" ")[0] for text in said] == sent
    assert status_of(manager, config) == ("completed" if len(sent) > 1 else "failed")
    if "Basic" in sent:
        assert said[1] == basic("me:p@ss:word")


async def test_any_login_is_sent_at_once_after_the_first_challenge(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    said: list[str] = []

    async def guard(exchange: Exchange) -> None:
        said.append(exchange.request.headers.get("authorization", ""))
        if said[-1]:
            await exchange.serve(BODY)
        else:
            await exchange.send(
                b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
            )

    options = RequestOptions(user="me:pw", auth="any")
    configs = [FileConfig(url=server.on(f"/{at}", guard), request=options) for at in range(3)]
    manager, _ = await fetch(tmp_path, configs, max_concurrent=1)
    assert manager.stats.completed == 3
    assert said == ["", *[basic("me:pw")] * 3]


async def test_a_wrong_login_of_any_kind_ends(tmp_path: Path, server: MisbehavingServer) -> None:
    guard = Guarded("MD5", "Basic")
    options = RequestOptions(user="me:x", auth="any")
    config = FileConfig(url=server.on("/a", guard), request=options)
    manager, _ = await fetch(tmp_path, [config])
    assert "401" in error_of(manager, config)
    assert guard.seen == ["", basic("me:x")]


async def test_a_wrong_digest_ends(tmp_path: Path, server: MisbehavingServer) -> None:
    config = FileConfig(
        url=server.on("/a", Guarded("MD5")), request=RequestOptions(user="me:x", auth="digest")
    )
    manager, _ = await fetch(tmp_path, [config])
    assert "401" in error_of(manager, config) and len(server.requests) <= 3


@pytest.mark.parametrize(
    ("options", "at", "sent"),
    [
        ({"user": "me:p:w"}, "", basic("me:p:w")),
        ({"user": "me:pä"}, "", basic("me:pä")),
        ({"bearer": "tok"}, "", "Bearer tok"),
        ({"user": "me:pw"}, "you:in%20url@", basic("you:in url")),
        ({"headers": {"Authorization": "Own x"}}, "", "Own x"),
        ({"headers": {"Authorization": "Own x"}, "netrc": True}, "", "Own x"),
        ({"netrc": True}, "", basic("first:one")),
        ({"netrc": True, "user": "second"}, "", basic("second:two")),
        ({"netrc": True}, "second@", basic("second:two")),
        ({"netrc": True, "user": "third"}, "", basic("third:")),
        ({}, "", None),
    ],
)
async def test_what_goes_first(
    tmp_path: Path,
    server: MisbehavingServer,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
    at: str,
    sent: str | None,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(
        "machine 127.0.0.1 login first password one\n"
        "machine 127.0.0.1 login second password two\n"
        "default login any password any\n"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    url = server.url("/a").replace("://", f"://{at}")
    config = FileConfig(url=url, request=RequestOptions(**options))
    await fetch(tmp_path / "out", [config])
    assert server.requests[0].headers.get("authorization") == sent


async def test_netrc_is_for_the_exact_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine Example.org\nlogin me\npassword pw\ndefault login x password y\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    file = NetrcFile()
    assert await file.find("example.org") == Login("me", "pw")
    for host in ("www.example.org", "org", "default", "example.com"):
        assert await file.find(host) is None
    assert "pw" not in repr(await file.find("example.org"))


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("machine h login a machine h login a password p", None, Login("a", "p")),
        ("machine h login a machine h login b password p", None, Login("b", "p")),
        ("machine h login a machine h login b password p", "a", Login("a", "")),
        ("machine h password p", "a", Login("a", "p")),
        ("machine h password p machine h login a password q", "a", Login("a", "p")),
        ("machine h login b password p", "a", None),
    ],
)
async def test_no_entry_of_a_netrc_hides_a_password(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    name: str | None,
    found: Login | None,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(text.replace(" machine", "\nmachine") + "\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert await NetrcFile().find("h", name) == found


@pytest.mark.parametrize(
    "text",
    [
        "{}macdef init\ncd /x\nput y",
        "{}macdef init\ncd /x\n",
        "macdef init\ncd /x\n\n{}",
        "\ufeff{}",
        "\ufeff# of the office\r\n{}",
        "# ü\n{}",
    ],
)
async def test_a_netrc_as_people_have_it(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(text.format("machine h login me password pw\n"), encoding="utf-8", newline="")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert await NetrcFile().find("h") == ("me", "pw")


@pytest.mark.parametrize(
    ("text", "login"),
    [
        (rb"machine h login me password a\b", ("me", r"a\b")),
        (rb'machine h login me password "a\\ \"b"', ("me", 'a\\ "b')),
        (b"machine h login me password c4nary\xe9", ("me", "c4nary\udce9")),
        (b"MACHINE H LOGIN me PASSWORD pw", ("me", "pw")),
        (b"machine h account x frobnicate login me password pw", ("me", "pw")),
        (b"machine x login\nmachine h login me password pw", None),
        (b"# machine h login no password no\nmachine h login me password #pw", ("me", "#pw")),
        (b"default login x password y", None),
    ],
)
async def test_a_netrc_is_read_as_curl_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, login: tuple[str, str] | None
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_bytes(text)
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert await NetrcFile().find("h") == login


async def test_a_netrc_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(RequestOptionsError, match="No such file or directory"):
        await NetrcFile().find("x")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('machine h login me password "c4nary', 1),
        ('machine h\nlogin me\npassword "c4nary\nmachine x login y password "z"\n', 3),
        ('macdef x\ncd /\n\n# "c4nary\nmachine h login "me\n', 5),
        ('machine h login me password "c4nary\\"', 1),
    ],
)
async def test_a_quote_that_is_not_closed_takes_no_other_secret_along(
    tmp_path: Path, server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch, text: str, line: int
) -> None:
    """curl refuses such a file, too."""
    netrc = tmp_path / "netrc"
    netrc.write_text(text)
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    sentence = f"netrc {netrc}: line {line}: a quote is not closed"
    with pytest.raises(RequestOptionsError) as caught:
        check_netrc()
    assert str(caught.value) == sentence
    config = FileConfig(url=server.url("/x"), request=RequestOptions(netrc=True))
    manager, _ = await fetch(tmp_path / "out", [config])
    assert error_of(manager, config) == sentence and not server.requests


OWN, PLAIN = "http://x:y@h/a", "http://h/b"
STORED = RequestRules(hosts={"h": RequestOptions(user="me:secret", auth="digest")})


def entry_of(**outside: object) -> FileConfig:
    """Return the config of a line of JSON, whose options need no permission."""
    (entry,) = read_entries([json.dumps(outside)], (), ReadOptions())
    assert entry.config is not None and not entry.refused, entry
    return entry.config


def lives(outside: FileConfig) -> dict[str, FileConfig]:
    """Return what can become of a download whose list chose a scheme."""
    own = FileConfig(url=PLAIN).with_options(RequestOptions(auth="digest"))
    return {
        "as it is": outside,
        "link": outside.with_link(PLAIN),
        "link with a name": outside.with_link("http://me@h/b"),
        "two links later": outside.with_link(OWN).with_link(PLAIN),
        "renewed by the user": outside.renewed_by(FileConfig(url=PLAIN)),
        "renewed by another list": outside.renewed_by(entry_of(url=OWN, request={"auth": "any"})),
        "renews another one": FileConfig(url=PLAIN).renewed_by(outside),
        "renews the user's": own.renewed_by(outside),
        "login cleared": edited(outside, texts_of(outside) | {"login": ""}),
        "login typed": edited(outside, texts_of(outside) | {"login": "me:secret"}),
        "header of the user": outside.with_options(RequestOptions(headers={"X-Key": "1"})),
        "stored and restored": FileConfig.model_validate_json(
            outside.model_dump_json(context=REVEAL, exclude_computed_fields=True)
        ),
        "added again": outside.without_options(),
    }


@pytest.mark.parametrize("auth", ["basic", "any"])
@pytest.mark.parametrize(
    "outside",
    [
        {"url": OWN},
        {"url": "http://:@h/a"},
        {"url": PLAIN},
        {"url": "http://me@h/a"},
        {"url": OWN, "mirrors": [PLAIN, "http://me@h/b"]},
        {"url": PLAIN, "mirrors": ["http://me@h/c"], "request": {"user": "x:y"}},
        {"url": OWN, "request": {"user": "me"}},
    ],
)
def test_a_list_does_not_weaken_the_scheme_of_the_settings(
    outside: dict[str, Any], auth: str
) -> None:
    request = outside.get("request", {}) | {"auth": auth}
    config = entry_of(**outside | {"request": request})
    assert STORED.for_origin("other", config.options_for("http://other/")).auth in (auth, None)
    general = RequestRules(RequestOptions(netrc=True, auth="digest"))
    for life, each in lives(config).items():
        for url in each.sources:
            for rules in (STORED, general):
                options = each.options_for(url)
                assert rules.for_origin("h", options).auth == "digest", (life, url)
                leads = rules.for_redirect("h", options, "elsewhere", is_safe=True)
                assert leads.auth == "digest", (life, url)


def test_a_list_does_not_open_a_host_whose_scheme_is_unclear() -> None:
    rules = RequestRules(unclear=(Unclear("auth 'digset' is not valid", "auth", "h"),))
    options = entry_of(url=OWN, request={"auth": "basic"}).options_for(OWN)
    assert rules.refusal("h", options) == "auth 'digset' is not valid"


def test_a_list_chooses_the_scheme_where_the_user_chose_none() -> None:
    options = entry_of(url=OWN, request={"auth": "any"}).options_for(OWN)
    assert RequestRules().for_origin("h", options).auth == "any"


@pytest.mark.parametrize("auth", ["basic", "digest", "any"])
def test_a_scheme_that_the_user_chose_holds_for_the_stored_login(auth: str) -> None:
    config = FileConfig(url=PLAIN).with_options(RequestOptions(auth=auth))
    assert STORED.for_origin("h", config.options_for(PLAIN)).auth == auth
    with_login = FileConfig(url=OWN, mirrors=(PLAIN,)).with_options(RequestOptions(auth="digest"))
    basic = RequestRules(hosts={"h": RequestOptions(user="me:secret", auth="basic")})
    assert basic.for_origin("h", with_login.options_for(PLAIN)).auth == "digest"


@pytest.mark.parametrize("login", [{}, {"user": "x:y"}])
async def test_a_redirect_does_not_choose_a_stored_login(
    tmp_path: Path,
    server: MisbehavingServer,
    monkeypatch: pytest.MonkeyPatch,
    login: dict[str, str],
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    end = server.on("/b", lambda exchange: exchange.serve(BODY)).replace("://", "://me@")
    start = server.on(
        "/a", lambda exchange: exchange.head("302 Found", Location=end, Content_Length=0)
    )
    url = start if login else start.replace("://", "://x:y@")
    text = json.dumps({"url": url, "request": {"auth": "basic"} | login})
    (listed,) = read_entries([text], (), ReadOptions())
    assert listed.config is not None
    rules = RequestRules(defaults=RequestOptions(netrc=True, auth="digest"))
    await fetch(tmp_path / "out", [listed.config], request_rules=rules)
    sent = [request.headers.get("authorization") for request in server.requests]
    assert sent == [None, None]  # nobody asked, and the user chose digest
