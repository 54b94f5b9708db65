"""Options of requests: they are parsed, merged, shown and stored."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rheo_core import FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.domain.engine_options import EngineOptions
from rheo_core.domain.hosts import HostLimits, find_host
from rheo_core.domain.request_options import NO_OPTIONS, REVEAL, RequestOptions
from rheo_core.domain.request_rules import RequestRules
from rheo_core.infrastructure.session_rows import to_record, to_stored
from rheo_core.tracking import DownloadRecord

SECRET = "c4nary"
FULL = RequestOptions(
    headers={"X-Token": SECRET},
    referer=f"http://x/?{SECRET}",
    user=f"me:{SECRET}",
    bearer=SECRET,
    proxy=f"http://me:{SECRET}@proxy:3128",
    user_agent="Me/1.0",
    ip_version=4,
)


def test_no_text_of_it_holds_a_secret() -> None:
    config = FileConfig(url="http://x/", request=FULL)
    rules = RequestRules(FULL, {"x": FULL}, proxies={"http": f"http://me:{SECRET}@proxy"})
    for shown in (repr(FULL), str(FULL), repr(config), str(config), repr(rules)):
        assert SECRET not in shown
    assert SECRET not in FULL.model_dump_json(exclude={"headers", "referer"})


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        ({"headers": {"X-Token": "mine"}}, "X_Token"),
        ({"headers": {"X_Token": "mine"}}, "x-token"),
        ({"user_agent": "Me/1.0"}, "User_Agent"),
        ({"headers": {"If-Other": "mine"}}, "IF_OTHER"),
    ],
)
def test_a_header_replaces_those_that_servers_take_for_it(own: dict[str, Any], theirs: str) -> None:
    """A server that runs CGI or WSGI cannot tell `X_Token` from `X-Token`."""
    listed = FileConfig(url="http://x/", headers={theirs: "evil", "X-Other": "kept"})
    config = listed.with_options(RequestOptions(**own))
    sent = config.options_for("http://x/").headers
    assert "evil" not in dict(sent).values() and ("X-Other", "kept") in sent


def test_it_outlives_a_restart_with_its_secrets() -> None:
    config = FileConfig(url="http://x/", request=FULL)
    text = config.model_dump_json(exclude_defaults=True, exclude={"id"}, context=REVEAL)
    assert FileConfig.model_validate_json(text) == config


@pytest.mark.parametrize(
    ("status", "listed", "keeps_options", "keeps_url"),
    [
        (DownloadStatus.QUEUED, True, True, True),
        (DownloadStatus.PAUSED, True, True, True),
        (DownloadStatus.FAILED, True, True, True),
        (DownloadStatus.COMPLETED, True, False, True),
        (DownloadStatus.CANCELLED, True, False, True),
        (DownloadStatus.FAILED, False, False, False),
        (DownloadStatus.COMPLETED, False, False, False),
    ],
)
def test_what_the_session_keeps(
    status: DownloadStatus, listed: bool, keeps_options: bool, keeps_url: bool
) -> None:
    url = "http://me:urlpart@x/a?token=urlpart"
    record = DownloadRecord.of(
        FileConfig(url=url, request=FULL, headers={"A": SECRET}, mirrors=[url + "2"])
    )
    record.status, record.listed = status, listed
    row = to_stored(record)
    assert (SECRET in row.config) is keeps_options
    assert ("urlpart" in row.config) is keeps_url
    assert to_record(row).config.get_destination_filename() == "a"


def test_one_over_another() -> None:
    base = RequestOptions(user="a:b", user_agent="A", headers={"X": "1", "Y": "1"}, netrc=True)
    over = RequestOptions(bearer="t", headers={"x": "2"}, netrc=False)
    both = over.over(base)
    assert (both.user, both.user_agent, both.netrc) == (None, "A", False)
    assert both.bearer is not None
    assert both.headers == (("Y", "1"), ("x", "2"))
    assert NO_OPTIONS.over(base) is base and base.over(NO_OPTIONS) is base
    signed = RequestOptions(headers={"Authorization": "x"})
    assert signed.over(base).user is None
    assert base.over(signed).headers == base.headers
    pair = RequestOptions(client_cert="/a", client_key="/b")
    assert RequestOptions(client_cert="/c").over(pair).client_key is None


def test_the_nearest_pattern_counts_most() -> None:
    def called(name: str) -> RequestOptions:
        return RequestOptions(user_agent=name)

    hosts = {"*.org": called("org"), "*.a.org": called("a"), "b.a.org": called("b")}
    rules = RequestRules(RequestOptions(user_agent="all", ip_version=4), hosts)
    for host, name in [
        ("b.a.org", "b"), ("c.a.org", "a"), ("d.c.a.org", "a"), ("a.org", "org"), ("org", "all"),
    ]:  # fmt: skip
        options = rules.for_origin(host, NO_OPTIONS)
        assert (options.user_agent, options.ip_version) == (name, 4), host
    assert rules.for_origin("b.a.org", called("own")).user_agent == "own"


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("proxy", f"ftp://me:{SECRET}@h", "(http, https, socks5 or socks5h); 'ftp://h'"),
        ("proxy", f"http://me:{SECRET}@h:99999", "'http://h:99999' is not"),
        ("proxy", f"http://me:{SECRET}/w@h", "'http://***@h' is not"),
        ("proxy", f"me:{SECRET}#w@h:0", "'http://***@h:0' is not"),
        ("proxy", f"http://me:p@ss/{SECRET}@h:1", "'http://***@h:1' is not"),
        ("proxy", f"http://me:1/{SECRET}@h:1", "'http://***@h:1' is not"),
        ("proxy", f"me:{SECRET}", "'http://me:***' is not"),
        ("proxy", f"socks5://me:{SECRET}/", "'socks5://me:***/' is not"),
        ("proxy", f"http://me:{SECRET}@ex℀mple.com", "'http://ex℀mple.com' is not"),
        ("proxy", "http://a..b:1", "'http://a..b:1' is not"),
        ("proxy", "http://[::1]x:3128", "'http://[::1]x:3128' is not"),
        ("proxy", f"me:{SECRET}@x[::1]:3128", "'http://x[::1]:3128' is not"),
        ("proxy", f"socks5://{'a' * 64}.org", "is not"),
        ("proxy", "", "should be the URL of a proxy, or off"),
        ("user", f"me:{SECRET}\r\nX: y", "contains control characters"),
        ("bearer", f"{SECRET}\0", "contains control characters"),
        ("user_agent", "", "should not be empty"),
        ("ip_version", 5, "4 or 6"),
        ("auth", "ntlm", "'basic', 'digest' or 'any'"),
        ("interface", "a b", "an address or an interface"),
        ("cookies", "", "should be the path of a file"),
        ("headers", {"Range": SECRET}, "set by the engine"),
    ],
)
def test_what_is_refused(field: str, value: object, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RequestOptions(**{field: value})
    assert problem in caught.value.errors()[0]["msg"]
    assert SECRET not in str(caught.value)
    assert SECRET not in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("SOCKS5://h:1", "socks5://h:1"),
        ("HTTPS://Me:Pw@h", "https://Me:Pw@h"),
        ("h:3128", "http://h:3128"),
        ("OFF", "off"),
    ],
)
def test_a_proxy_is_told_by_its_scheme(value: str, read: str) -> None:
    assert RequestOptions(proxy=value).proxy_url == read


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://example.org/a?b=c", "https://example.org/a?b=c"),
        ("https://me:pw@example.org/a#part", "https://example.org/a"),
        ("about:blank", "about:blank"),
    ],
)
def test_a_referer_tells_no_login_and_no_fragment(given: str, sent: str) -> None:
    assert RequestOptions(referer=given).referer == sent


def test_files_are_found_from_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert RequestOptions(ca_file="~/ca.pem").ca_file == Path("/home/me/ca.pem")


SPELLINGS = {
    "LOCALHOST": "localhost",
    "localhost.": "localhost",
    " localhost ": "localhost",
    "127.1": "127.0.0.1",
    "0x7f.1": "127.0.0.1",
    "::ffff:127.0.0.1": "127.0.0.1",
    "[::1]": "::1",
    "*.Example.ORG": "www.example.org",
    "Faß.de": "xn--fa-hia.de",
}


@pytest.mark.parametrize("key", SPELLINGS)
def test_a_rule_for_a_host_holds_however_it_is_written(key: str) -> None:
    own, limits = RequestOptions(interface="lo"), HostLimits(connections=1)
    rules = RequestRules(hosts={key: own})
    assert rules.for_origin(SPELLINGS[key], NO_OPTIONS).interface == "lo"
    assert find_host(EngineOptions(hosts={key: limits}).hosts, SPELLINGS[key]) == limits
    assert replace(rules, unclear=()).hosts == rules.hosts


@pytest.mark.parametrize("key", [key for key in SPELLINGS if "*" not in key])
def test_certificates_of_a_host_are_not_checked_however_it_is_written(key: str) -> None:
    rules = RequestRules(insecure=frozenset({key}))
    assert not rules.checks_certificate(SPELLINGS[key])
    assert rules.checks_certificate(f"www.{SPELLINGS[key]}")
    assert replace(rules, unclear=()).insecure == rules.insecure


@pytest.mark.parametrize("key", ["*.example.org", "*.Example.ORG", "*.local", "*"])
def test_certificates_are_checked_for_all_hosts_but_those_named(key: str) -> None:
    with pytest.raises(ValueError, match=f"the insecure host '{re.escape(key)}' should be one"):
        RequestRules(insecure=frozenset({key}))


@pytest.mark.parametrize("key", ["localhost:80", "http://localhost", "", "a b", "*", "a.*"])
def test_a_rule_that_no_host_matches_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="should be a host"):
        RequestRules(hosts={key: RequestOptions()})
    with pytest.raises(ValueError, match="should be a host"):
        EngineOptions(hosts={key: HostLimits()})
    with pytest.raises(ValueError, match="should be one host"):
        RequestRules(insecure=frozenset({key}))


def test_rules_that_contradict_each_other_are_refused() -> None:
    hosts = {"h": RequestOptions(ip_version=4), "H.": RequestOptions(ip_version=6)}
    with pytest.raises(ValueError, match="two different tables"):
        RequestRules(hosts=hosts)
    with pytest.raises(ValueError, match="lower case"):
        RequestRules(proxies={"HTTP": "http://p:1"})


@pytest.mark.parametrize("limits", [{"connections": 0}, {"speed_limit_bps": -5}])
def test_limits_of_a_host_are_at_least_one(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="it must be at least 1"):
        HostLimits(**limits)
