"""The tables `[hosts."..."]`: which host they stand for, and what is wrong with them."""

from pathlib import Path

import pytest

from rheo_core.config import Settings, build_settings, load_settings, save_settings
from rheo_core.config.host_settings import HostSettings
from rheo_core.domain.hosts import HostLimits, find_host
from rheo_core.domain.request_rules import RequestRules
from rheo_core.engine import make_host_limits, make_manager

_TABLES = """\
[hosts."Example.org"]
speed_limit = "500K"
connections = 2

[hosts."*.example.org"]
max_concurrent = 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def test_tables_are_read_and_written(file: Path) -> None:
    file.write_text(_TABLES)
    loaded = load_settings(file)
    assert loaded.problems == ()
    assert loaded.settings.hosts == {
        "example.org": HostSettings(speed_limit=500_000, connections=2),
        "*.example.org": HostSettings(max_concurrent=1),
    }
    save_settings(loaded.settings, file)
    assert load_settings(file).settings == loaded.settings


def test_the_environment_gives_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHEO_HOSTS", '{"::1": {"speed_limit": "1M"}}')
    assert Settings().hosts == {"::1": HostSettings(speed_limit=1_000_000)}


@pytest.mark.parametrize(
    ("table", "line", "sentence"),
    [
        ('[hosts."a b"]', 1, "hosts.a b = … is not valid: it should be a host such as"),
        ('[hosts."a.org:80"]', 1, "without a port"),
        ('[hosts."*"]', 1, "example.org or *.example.org"),
        ('[hosts."a.org"]\nconnections = 0', 2, "hosts.a.org.connections = 0 is not valid"),
        ("[hosts.a]\nmax_concurrent = true", 2, "it should be a whole number from 1 to 4,096"),
        ("[hosts.a]\nspeed_limit = 'fast'", 2, "it should be bytes per second such as"),
        ("[hosts.a]\nspeedlimit = 1", 2, "is not a setting; did you mean speed_limit?"),
        ("[hosts]\na = 3", 2, "hosts.a = 3 is not valid: it should be a table."),
    ],
)
def test_each_problem_is_one_sentence(file: Path, table: str, line: int, sentence: str) -> None:
    file.write_text(f"{table}\n[hosts.good]\nconnections = 3\n")
    loaded = load_settings(file)
    (problem,) = loaded.problems
    assert f"line {line}: " in problem
    assert sentence in problem
    assert loaded.settings.hosts["good"].connections == 3


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("example.org", "own"),
        ("EXAMPLE.org", "own"),
        ("a.example.org", "below"),
        ("x.deep.example.org", "deeper"),
        ("badexample.org", None),
        ("org", None),
        ("::1", "six"),
        ("0::1", "six"),
        ("0:0:0:0:0:0:0:1", "six"),
        ("::0.0.0.1", "six"),
        ("::1%25lo", "six"),
        ("::2", None),
        ("127.0.0.1", "four"),
        ("127.0.0.1.", "four"),
        ("127.1", "four"),
        ("0x7f000001", "four"),
        ("0177.0.0.1", "four"),
        ("::ffff:7f00:1", "four"),
        ("127.0.0.2", None),
    ],
)
def test_the_nearest_table_holds(host: str, found: str | None) -> None:
    table = {"example.org": "own", "*.example.org": "below", "*.deep.example.org": "deeper"}
    assert find_host(table | {"::1": "six", "127.0.0.1": "four"}, host) == found


def test_what_a_table_leaves_open_is_as_the_next_one_has_it() -> None:
    """A login for one host must not lift the limits that hold for all beside it."""
    settings = build_settings(
        hosts={
            "a.example.org": {"user_agent": "A"},
            "*.deep.example.org": {"connections": 1},
            "*.example.org": {"speed_limit": "1K", "connections": 2, "user_agent": "all"},
            "deep.example.org": {"connections": 9},
        }
    )
    limits = make_host_limits(settings)
    assert find_host(limits, "a.example.org") == HostLimits(1000, 2, None)
    assert find_host(limits, "x.deep.example.org") == HostLimits(1000, 1, None)
    assert find_host(limits, "x.example.org") == HostLimits(1000, 2, None)
    assert find_host(limits, "deep.example.org") == HostLimits(1000, 9, None)
    assert find_host(limits, "example.org") is None


def test_a_line_of_the_schedule_is_named(file: Path) -> None:
    file.write_text('schedule = ["08:00-18:00 2M", "Mon-Fry 08:00-18:00 2M"]\n')
    (problem,) = load_settings(file).problems
    assert problem.endswith(
        "line 1: schedule = 'Mon-Fry 08:00-18:00 2M' is not valid: "
        "it contains 'Mon-Fry'; days are Mon to Sun, as in Mon-Fri or Sat,Sun."
    )


async def test_the_engine_gets_its_limits_from_the_settings(tmp_path: Path) -> None:
    settings = build_settings(
        download_dir=tmp_path,
        speed_limit="5M",
        slow_limit="50K",
        schedule=["00:00-24:00 1M"],
        hosts={"a.org": {"max_concurrent": 1, "connections": 2, "speed_limit": "1K"}},
    )
    assert make_host_limits(settings) == {"a.org": HostLimits(1000, 2, 1)}
    manager = make_manager(settings)
    assert manager.snapshot().speed_limit_bps == 1_000_000
    manager.set_limits(slow=True)
    assert manager.snapshot().speed_limit_bps == 50_000


@pytest.mark.parametrize(
    "text",
    [
        'connection_proxy = "http://127.0.0.1:9"',
        'connect_via = "http://127.0.0.1:9"',
        'login = "me:pw"',
        '[keys]\nproxy = "http://127.0.0.1:9"',
        '[keys]\nquit = "q"\nrequest.proxy = "http://127.0.0.1:9"',
        '[[rules]]\nfolder = "x"\nhosts."example.org".proxy = "http://127.0.0.1:9"',
        '[[rules]]\nfolder = "x"\nproxy = "http://127.0.0.1:9"',
        '[keys.a.request]\nproxy = "http://127.0.0.1:9"',
        '[keys]\nx = [[{ca_file = "x"}]]',
        '[keys]\nmax_size = "5B"',
        '[[rules]]\nfolder = "x"\nmax_size = "5B"',
        '[hosts."x.org"]\nmax_size = "5B"',
        '[request]\nmax_size = "5B"',
    ],
)
def test_what_may_be_meant_for_requests_closes_the_app_too(file: Path, text: str) -> None:
    file.write_text(text)
    assert load_settings(file).settings.unclear


@pytest.mark.parametrize(
    "text",
    [
        "max_concurent = 3",
        "retries = 3",
        "conections = 2",
        '[key]\nquit = "x"',
        '[keys]\nzip = "x"',
    ],
)
def test_a_slip_in_another_setting_closes_nothing(file: Path, text: str) -> None:
    file.write_text(text)
    assert not load_settings(file).settings.unclear


@pytest.mark.parametrize("text", ['[hosts."x.org"]', '[hosts."*.x.org"]', '[hosts."a b"]', ""])
@pytest.mark.parametrize("host", ["x.org", "other.example"])
def test_a_bound_that_is_misplaced_stops_requests_to_all_hosts(
    file: Path, text: str, host: str
) -> None:
    """There is one bound for all downloads, which may have been meant for any host."""
    file.write_text(f'{text}\nmax_size = "20 apples"')
    assert RequestRules(unclear=load_settings(file).settings.unclear).refusal(host)
    assert load_settings(file).settings.unclear
