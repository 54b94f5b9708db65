"""A setting that cannot be understood closes its hosts in the engine too, by every way there."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rheo_core import FileConfig
from rheo_core.config import Settings, build_settings, load_settings, save_settings
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.request_rules import RequestRules, Unclear
from rheo_core.downloads import DownloadManager
from rheo_core.engine import make_manager
from tests.clients import opened_client
from tests.core.engine import error_of, fetch, serving, sha256, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.names import Names
from tests.servers.scenarios import redirect
from tests.servers.tls import Authority

BODY = body_of(300_000)
WHY = "settings.toml, line 2: hosts.b.example.proxy = … is not valid."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


async def run(manager: DownloadManager, config: FileConfig) -> None:
    async with manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)


@pytest.mark.parametrize(
    "text",
    [
        '[request]\nproxy = "socks4://127.0.0.1:9"\n',
        '[hosts."127.0.0.1"]\ninterface = ""\n',
        '[Request]\nproxy = "http://127.0.0.1:9"\n',
        "max_retries = \n",
    ],
)
async def test_the_settings_of_a_library_user_are_closed(
    tmp_path: Path, path: Path, server: MisbehavingServer, text: str
) -> None:
    path.write_text(text)
    settings = load_settings(path, download_dir=tmp_path / "out").settings
    config = FileConfig(url=server.on("/a", serving(BODY)))
    manager = make_manager(settings)
    await run(manager, config)
    assert str(path) in error_of(manager, config)
    copy = settings.model_copy(update={"max_concurrent": 1})
    manager = make_manager(copy)
    await run(manager, config)
    assert str(path) in error_of(manager, config)
    assert not server.requests


async def with_names(tmp_path: Path, config: FileConfig, rules: RequestRules) -> DownloadManager:
    async with opened_client(resolver=Names()) as client:
        manager, _ = await fetch(
            tmp_path / "out", [config], client=client, request_rules=rules, connections=2
        )
    return manager


def at(server: MisbehavingServer, host: str, path: str) -> str:
    return f"http://{host}:{server.url('').rpartition(':')[2]}{path}"


async def test_a_redirect_to_a_closed_host_is_refused(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    server.on("/a", redirect(at(server, "b.example", "/b")))
    server.on("/b", serving(BODY))
    config = FileConfig(url=at(server, "a.example", "/a"))
    rules = RequestRules(unclear=(Unclear(WHY, "proxy", "b.example"),))
    manager = await with_names(tmp_path, config, rules)
    assert error_of(manager, config) == WHY
    assert [request.target for request in server.requests] == ["/a"]


async def test_a_mirror_at_a_closed_host_is_left_out(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    server.on("/a", serving(BODY, ETag='"1"'))
    config = FileConfig(
        url=at(server, "b.example", "/a"), mirrors=[at(server, "a.example", "/a")], filename="a"
    )
    rules = RequestRules(unclear=(Unclear(WHY, "proxy", "b.example"),))
    manager = await with_names(tmp_path, config, rules)
    assert status_of(manager, config) == "completed", error_of(manager, config)
    assert {request.headers["host"].partition(":")[0] for request in server.requests} == {
        "a.example"
    }
    assert sha256((tmp_path / "out" / "a").read_bytes()) == sha256(BODY)


PROXY = RequestOptions(proxy="off")


@pytest.mark.parametrize(
    ("unclear", "hosts", "own", "closed"),
    [
        (Unclear(WHY, "proxy"), {}, {}, True),
        (Unclear(WHY, "proxy"), {}, {"proxy": "off"}, False),
        (Unclear(WHY, "proxy"), {}, {"interface": "127.0.0.1"}, True),
        (Unclear(WHY, "proxy"), {"a.b.example": PROXY}, {}, False),
        (Unclear(WHY, "proxy"), {"*.example": PROXY}, {}, False),
        (Unclear(WHY, "proxy"), {"b.example": PROXY}, {}, True),
        (Unclear(WHY, "proxy", "*.example"), {"*.b.example": PROXY}, {}, False),
        (Unclear(WHY, "proxy", "*.b.example"), {"*.example": PROXY}, {}, True),
        (Unclear(WHY, "proxy", "a.b.example"), {"*.b.example": PROXY}, {}, True),
        (Unclear(WHY, "", "a.b.example"), {}, {"proxy": "off"}, True),
        (Unclear(WHY, "headers"), {}, {"headers": {"X": "1"}}, True),
        (Unclear(WHY, "user"), {}, {"bearer": "token"}, False),
        (Unclear(WHY, "client_key"), {}, {"client_cert": "x"}, False),
        (Unclear(WHY, "", "b.example"), {}, {}, False),
        (Unclear(WHY, "", "*.a.b.example"), {}, {}, False),
    ],
)
def test_only_what_would_apply_closes(
    unclear: Unclear, hosts: Mapping[str, RequestOptions], own: dict[str, Any], closed: bool
) -> None:
    rules = RequestRules(hosts=hosts, unclear=(unclear,))
    for host in ("a.b.example", "A.B.example."):
        assert (rules.refusal(host, RequestOptions(**own)) is not None) is closed


@pytest.mark.parametrize(
    "text",
    [
        '[request]\nproxy = "socks4://127.0.0.1:9"\nuser = "me:pw"\n',
        '[hosts."a.example"]\nprxoy = "http://127.0.0.1:9"\n',
        '[Request]\nproxy = "http://127.0.0.1:9"\n',
        "theme = \n",
    ],
)
def test_saving_loses_nothing_that_protects(path: Path, text: str) -> None:
    path.write_text(text)
    settings = load_settings(path).settings.model_copy(update={"max_concurrent": 7})
    for only in (["max_concurrent"], None):
        with pytest.raises(OSError, match=r"settings\.toml.* Correct the file first"):
            save_settings(settings, path, only=only)
    assert path.read_text() == text


def test_saving_keeps_what_protects_beside_another_mistake(path: Path) -> None:
    path.write_text('theme = 5\n[request]\nproxy = "http://127.0.0.1:9"\n[hosts.a]\nnetrc = true\n')
    before = load_settings(path).settings
    save_settings(before.model_copy(update={"max_concurrent": 7}), path, only=["max_concurrent"])
    after = load_settings(path)
    assert len(after.problems) == 1 and "theme = 5" in after.problems[0]
    assert after.settings == before.model_copy(update={"max_concurrent": 7})


@pytest.mark.parametrize("field", ["ca_file", "client_cert", "cookies"])
async def test_a_file_that_goes_before_the_request(tmp_path: Path, field: str) -> None:
    authority = Authority()
    file = {
        "ca_file": authority.file(tmp_path),
        "client_cert": authority.client(tmp_path)[0],
        "cookies": tmp_path / "cookies.txt",
    }[field]
    async with MisbehavingServer(ssl=authority.serving("127.0.0.1")) as server:
        config = FileConfig(url=server.on("/a", serving(BODY)))
        rules = RequestRules(RequestOptions(**{field: file}))
        async with DownloadManager(download_dir=tmp_path / "out", request_rules=rules) as manager:
            file.unlink(missing_ok=True)
            await manager.add([config])
            await manager.wait_until_complete(timeout=60)
        assert error_of(manager, config).startswith(f"{field} {file}: ")
        assert not server.requests


@pytest.mark.parametrize("make", [Settings, build_settings])
async def test_variables_close_settings_without_a_file_too(
    server: MisbehavingServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    make: Callable[..., Settings],
) -> None:
    for name in ("RHEO_ID", "RHEO_URL", "RHEO_PATH", "RHEO_HASH", "RHEO_STATUS", "RHEO_OF_MINE"):
        monkeypatch.setenv(name, "x")
    assert not make().unclear  # a command after a download may start another one
    monkeypatch.setenv("RHEO_PROXY", "http://127.0.0.1:9")
    config = FileConfig(url=server.on("/a", serving(BODY)))
    manager = make_manager(make(download_dir=tmp_path).model_copy(update={"max_retries": 0}))
    await run(manager, config)
    assert error_of(manager, config).startswith("Environment: RHEO_PROXY is not a setting; ")
    assert not server.requests


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("RHEO_CA_FILE", "ca_file"),
        ("RHEO_CA_CERT", "ca_file"),
        ("RHEO_CAFILE", "ca_file"),
        ("RHEO_CA", "ca_file"),
        ("rheo_cacert", "ca_file"),
        ("RHEO_CA_BUNDLE", "ca_file"),
        ("RHEO_PROXY", "proxy"),
        ("RHEO_PROXIES", "proxy"),
        ("RHEO_PRXY", "proxy"),
        ("RHEO_HTTPPROXY", "proxy"),
        ("RHEO_SOCKS5", "proxy"),
        ("RHEO_CLIENTCERT", "client_cert"),
        ("RHEO_CERT", "client_cert"),
        ("RHEO_INTERFACES", "interface"),
        ("RHEO_IFACE", "interface"),
        ("RHEO_IPV6", "ip_version"),
        ("RHEO_NETRCFILE", "netrc"),
        ("RHEO_COOKIE", "cookies"),
        ("RHEO_HEADER", "headers"),
    ],
)
def test_a_variable_that_may_be_meant_to_protect_closes(
    monkeypatch: pytest.MonkeyPatch, path: Path, name: str, option: str
) -> None:
    monkeypatch.setenv(name, "x")
    told = f"Environment: {name} is not a setting; if you mean {option}, write RHEO_REQUEST="
    loaded = load_settings(path)
    for settings in (loaded.settings, build_settings()):
        (unclear,) = settings.unclear
        assert unclear.sentence == f"""{told}'{{"{option}": …}}'."""
    assert loaded.problems == (unclear.sentence,) and not loaded.faults


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RHEO_MAX_SZE", "RHEO_MAX_SIZE"),
        ("RHEO_MAX_CONCURENT", "RHEO_MAX_CONCURRENT"),
        ("RHEO_TIMEOUTS", "RHEO_TIMEOUT"),
    ],
)
def test_a_variable_with_a_slip_in_its_name_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, path: Path, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "1")
    loaded = load_settings(path)
    told = f"Environment: {name} is not a setting; did you mean {meant}?"
    closes = meant == "RHEO_MAX_SIZE"  # a bound protects
    assert [each.sentence for each in loaded.settings.unclear] == [told] * closes
    assert loaded.problems == (told,) and loaded.faults == (told,) * (not closes)


@pytest.mark.parametrize("name", ["RHEO_OF_MINE", "RHEO_HOME", "RHEO_HOST", "RHEO_TEST_KILLS"])
def test_any_other_variable_is_only_reported(
    monkeypatch: pytest.MonkeyPatch, path: Path, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    loaded = load_settings(path)
    assert not loaded.settings.unclear and not loaded.faults
    assert loaded.problems == (f"Environment: {name} is not a setting.",)


@pytest.mark.parametrize(
    "name", ["ID", "URL", "PATH", "SIZE", "HASH", "STATUS", "ERROR", "VERSION"]
)
def test_variables_for_hooks_are_no_settings(
    monkeypatch: pytest.MonkeyPatch, path: Path, name: str
) -> None:
    monkeypatch.setenv(f"RHEO_{name}", "1")
    loaded = load_settings(path)
    assert not loaded.problems and not loaded.settings.unclear


@pytest.mark.parametrize("name", ["RHEO_REQEUST", "RHEO_REQUESTS", "RHEO_HOST"])
def test_a_table_in_a_variable_with_a_slip_in_its_name_closes(
    monkeypatch: pytest.MonkeyPatch, path: Path, name: str
) -> None:
    monkeypatch.setenv(name, "mine")  # which may belong to anybody
    assert not load_settings(path).settings.unclear
    monkeypatch.setenv(name, '{"proxy": "http://127.0.0.1:9"}')
    assert load_settings(path).settings.unclear and build_settings().unclear


def test_understood_again_it_is_open(path: Path) -> None:
    path.write_text("[request]\nproxy = 5\n")
    assert load_settings(path).settings.unclear
    path.write_text('[request]\nproxy = "off"\n')
    assert load_settings(path).settings.unclear == Settings().unclear == ()
