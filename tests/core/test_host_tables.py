"""Tables by host in the library: a key in any spelling has an effect, or is refused."""

import math
from pathlib import Path

import pytest

from rheo_core import DownloadManager
from rheo_core.domain.engine_options import EngineOptions
from rheo_core.domain.hosts import HostLimits
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.request_rules import RequestRules

PROXY = RequestOptions(proxy="http://proxy:1")
SPELLINGS = {
    "LOCALHOST": "localhost",
    "localhost.": "localhost",
    " localhost": "localhost",
    "127.1": "127.0.0.1",
    "0x7f.1": "127.0.0.1",
    "::ffff:127.0.0.1": "127.0.0.1",
    "[::1]": "::1",
    "0::1": "::1",
    "Bücher.example": "xn--bcher-kva.example",
    "*.Example.org": "www.example.org",
}
WRONG = ["localhost:80", "http://localhost", "*", "", "a..b", "a b", "[::1]:80", "a.*"]


@pytest.mark.parametrize("key", SPELLINGS)
def test_a_table_holds_for_its_host_in_any_spelling(key: str) -> None:
    host = SPELLINGS[key]
    assert RequestRules(hosts={key: PROXY}).of_host(host).proxy_url == "http://proxy:1"
    limits = EngineOptions(hosts={key: HostLimits(connections=1)}).hosts
    assert list(limits) == [host.replace("www.", "*.")]
    if not key.startswith("*"):
        assert RequestRules(insecure=frozenset({key})).insecure == {host}


@pytest.mark.parametrize("key", WRONG)
async def test_a_key_that_matches_no_request_is_refused(tmp_path: Path, key: str) -> None:
    sentence = "should be a host such as"
    with pytest.raises(ValueError, match=sentence):
        RequestRules(hosts={"localhost": PROXY, key: PROXY})
    with pytest.raises(ValueError, match=sentence):
        RequestRules(insecure=frozenset({key}))
    with pytest.raises(ValueError, match=sentence):
        EngineOptions(hosts={key: HostLimits(connections=1)})
    async with DownloadManager(download_dir=tmp_path) as manager:
        with pytest.raises(ValueError, match=sentence):
            manager.set_limits(max_concurrent=7, hosts={key: HostLimits(connections=1)})
        assert manager.max_concurrent != 7


def test_two_tables_for_one_host_are_refused() -> None:
    with pytest.raises(ValueError, match="'localhost' has two tables"):
        RequestRules(hosts={"localhost": PROXY, "LOCALHOST.": RequestOptions(proxy="off")})


def test_certificates_are_unchecked_for_single_hosts_only() -> None:
    with pytest.raises(ValueError, match="should be a single host"):
        RequestRules(insecure=frozenset({"*.example.org"}))


def test_a_proxy_by_scheme_holds_in_any_case() -> None:
    assert RequestRules(proxies={"HTTP": "http://p:1"}).proxies == {"http": "http://p:1"}


@pytest.mark.parametrize(
    "limits",
    [
        {"connections": 0},
        {"max_concurrent": 0},
        {"speed_limit_bps": -5},
        {"connections": math.nan},
        {"connections": "5"},
    ],
)
def test_a_limit_of_a_host_that_is_too_small_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(limits))} of a host is .*; it must be"):
        HostLimits(**limits)
