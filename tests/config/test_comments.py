"""Saving settings keeps what the user wrote: comments, order, spelling."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st

from rheo_core.config import Settings, build_settings, load_settings, save_settings
from rheo_core.config.toml_text import edit

WRITTEN = """\
# My settings
theme = "nord"  # dark

# Slow line at home
speed_limit = "5M"      # half of it
schedule = [
    "Mon-Fri 08:00-18:00 2M",  # at work
    # nobody is up
    "23:00-06:00 off",
]

[hosts."files.example.org"]  # the mirror
speed_limit = "500K"  # they asked
connections = 2
[hosts."files.example.org".headers]
X-Key = "c4nary"  # from the wiki

[keys]
# vim
quit = "Q"
pause = "space"  # thumb

[request]
proxy = "off"

[[rules]]
folder = "iso"  # big
host = "example.org"

# Papers
[[rules]]
folder = "papers"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(WRITTEN)
    path.chmod(0o600)
    return path


def save(path: Path, **changes: Any) -> str:
    """Save changes to the settings of a file as the app does; return its text."""
    loaded = load_settings(path, **changes)
    assert loaded.problems == ()
    save_settings(loaded.settings, path, only=changes)
    assert load_settings(path).settings == loaded.settings
    return path.read_text()


def test_nothing_changed_is_the_same_text(path: Path) -> None:
    save_settings(load_settings(path).settings, path, only=Settings.model_fields)
    assert path.read_text() == WRITTEN


def test_all_settings_saved_is_the_same_text(path: Path) -> None:
    save_settings(load_settings(path).settings, path)
    assert path.read_text() == WRITTEN


@pytest.mark.parametrize(
    ("changes", "line", "now"),
    [
        ({"theme": "x"}, 'theme = "nord"  # dark', 'theme = "x"  # dark'),
        (
            {"speed_limit": "off"},
            'speed_limit = "5M"      # half of it\n',
            "",
        ),
        ({"speed_limit": "1M"}, '"5M"      # half of it', "1000000      # half of it"),
        (
            {"schedule": ["Mon-Fri 08:00-18:00 2M", "22:00-06:00 off"]},
            '"23:00-06:00 off"',
            '"22:00-06:00 off"',
        ),
        ({"keys": {"quit": "Q", "pause": "p"}}, '"space"  # thumb', '"p"  # thumb'),
        ({"keys": {"quit": "Q"}}, 'pause = "space"  # thumb\n', ""),
        ({"rules": [{"folder": "dvd", "host": "example.org"}, {"folder": "papers"}]},
         'folder = "iso"  # big', 'folder = "dvd"  # big'),
        (
            {"rules": [{"folder": "iso", "host": "example.org"}]},
            '[[rules]]\nfolder = "papers"\n',
            "",
        ),
    ],
)  # fmt: skip
def test_only_the_changed_line_changes(
    path: Path, changes: dict[str, Any], line: str, now: str
) -> None:
    assert line in WRITTEN
    assert save(path, **changes).rstrip() == WRITTEN.replace(line, now).rstrip()


def test_a_new_setting_stands_in_front_of_the_tables(path: Path) -> None:
    text = save(path, max_concurrent=7)
    assert text.replace("max_concurrent = 7\n", "").replace("\n\n\n", "\n\n") == WRITTEN
    assert text.index("max_concurrent") < text.index("[hosts")


def test_one_option_of_a_host(path: Path) -> None:
    hosts = load_settings(path).settings.hosts
    host = hosts["files.example.org"]
    changed = {**hosts, "files.example.org": host.model_copy(update={"connections": 3})}
    settings = load_settings(path).settings.model_copy(update={"hosts": changed})
    save_settings(settings, path, only=["hosts"])
    assert path.read_text() == WRITTEN.replace("connections = 2", "connections = 3")


def test_a_new_host_and_one_that_goes(path: Path) -> None:
    hosts = {"*.example.net": {"connections": 1}}
    text = save(path, hosts=hosts)
    assert tomllib.loads(text)["hosts"] == hosts
    for kept in ("# My settings", "# dark", "# at work", "# vim", "# thumb", "# big", "# Papers"):
        assert kept in text


def test_inline_tables_stay_inline(path: Path) -> None:
    path.write_text("hosts = { 'a.example' = { connections = 2 } }  # b\nkeys.quit = 'Q' # c\n")
    text = save(path, keys={"quit": "q"}, hosts={"a.example": {"connections": 3}})
    assert text == "hosts = { 'a.example' = { connections = 3 } }  # b\nkeys.quit = \"q\" # c\n"


def test_a_value_that_means_the_same_keeps_its_spelling(path: Path) -> None:
    path.write_text("slow_limit = '100K' # slow\nmax_concurrent = 3 # the default\n")
    text = save(path, slow_limit=100_000, max_concurrent=3, theme="x")
    assert text.startswith("slow_limit = '100K' # slow\nmax_concurrent = 3 # the default\n")


def test_windows_line_ends_stay(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf# a\r\ntheme = 'x' # b\r\nshow_log = false\r\n")
    save(path, theme="y")
    assert path.read_bytes() == b'# a\r\ntheme = "y" # b\r\nshow_log = false\r\n'


def test_broken_lines_keep_their_comments(path: Path) -> None:
    path.write_text("timeout = -1  # to do\n[keys]\nquit = 3  # too\n")
    loaded = load_settings(path)
    save_settings(loaded.settings.model_copy(update={"theme": "x"}), path, only=["theme"])
    text = path.read_text()
    assert "timeout = -1  # to do\n" in text
    assert "[keys]\nquit = 3  # too\n" in text


def test_a_new_file_is_plain(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.toml"
    save_settings(build_settings(theme="x", keys={"quit": "Q"}), path)
    assert path.read_text() == 'theme = "x"\n\n[keys]\nquit = "Q"\n'


_KEYS = st.text("ab.\"' é", max_size=3)
_SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=5)
    | st.datetimes()
)
_TABLES = st.dictionaries(
    _KEYS,
    st.recursive(
        _SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(_KEYS, inner, max_size=3)
            | st.lists(st.dictionaries(_KEYS, inner, max_size=2), max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)


@options(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_TABLES, _TABLES)
def test_any_change_reads_back(old: dict[str, Any], new: dict[str, Any]) -> None:
    text = edit("", old)
    assert tomllib.loads(edit(text, new)) == new
    assert tomllib.loads(edit(f"# a\n{text}# b\n", old | new)) == old | new


def test_values_matter_more_than_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the library must not cost a setting."""
    monkeypatch.setattr("tomlkit.dumps", lambda document: "theme = 'wrong'")
    assert edit("theme = 'a' # b\n", {"theme": "x"}) == 'theme = "x"\n'
    monkeypatch.setattr("tomlkit.dumps", lambda document: "theme =")
    assert edit("theme = 'a' # b\n", {"theme": "x"}) == 'theme = "x"\n'


def test_every_setting_of_the_schema_can_be_removed(path: Path) -> None:
    save_settings(Settings(), path)
    assert tomllib.loads(path.read_text()) == {}
    assert "# My settings" in path.read_text()
