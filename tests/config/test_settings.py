"""Names, defaults, limits and precedence of the settings."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rheo_core.config import LogLevel, Notify, Settings, build_settings, load_settings
from rheo_core.domain import FileExistsStrategy
from rheo_core.domain.rules import Rule


def test_defaults(tmp_path: Path) -> None:
    settings = Settings()
    assert settings.download_dir == tmp_path / "home" / "Downloads"
    assert settings.max_concurrent == 3
    assert settings.file_exists_strategy is FileExistsStrategy.SKIP
    assert settings.timeout is None
    assert settings.speed_limit is None
    assert settings.chunk_size == 4 * 1024 * 1024
    assert settings.log_level is LogLevel.WARNING
    assert settings.keys == {}


@pytest.mark.parametrize(("size", "is_read"), [(1 << 20, True), (1 << 30, False)])
def test_a_huge_list_of_the_users_folders_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, is_read: bool
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folders = tmp_path / "user-dirs.dirs"
    folders.write_text('XDG_DOWNLOAD_DIR="$HOME/isos"\n')
    os.truncate(folders, size)
    name = "isos" if is_read else "Downloads"
    assert Settings().download_dir == tmp_path / "home" / name


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("DOWNLOAD_DIR", "/srv/files", Path("/srv/files")),
        ("MAX_CONCURRENT", "7", 7),
        ("MAX_RETRIES", "0", 0),
        ("RETRY_BASE_DELAY", "0.5", 0.5),
        ("RETRY_MAX_DELAY", "10", 10.0),
        ("FILE_EXISTS_STRATEGY", "Rename", FileExistsStrategy.RENAME),
        ("TIMEOUT", "12.5", 12.5),
        ("TIMEOUT", "off", None),
        ("CONNECT_TIMEOUT", "3", 3.0),
        ("STALL_TIMEOUT", "4", 4.0),
        ("SPEED_LIMIT", "500K", 500_000),
        ("SPEED_LIMIT", "off", None),
        ("SLOW_LIMIT", "50K", 50_000),
        (
            "SCHEDULE",
            "08:00-18:00 2M; Sat,Sun 00:00-24:00 off",
            ("08:00-18:00 2M", "Sat,Sun 00:00-24:00 off"),
        ),
        ("SCHEDULE", "off", ()),
        ("CHUNK_SIZE", "8192", 8192),
        ("HISTORY_DAYS", "30", 30),
        ("HISTORY_DAYS", "off", None),
        ("SERVER_TIME", "yes", True),
        ("ORIGIN", "1", True),
        ("ON_COMPLETE", "run 'a b' --x", ("run", "a b", "--x")),
        ("ON_ERROR", "off", ()),
        ("COMMAND_TIMEOUT", "2.5", 2.5),
        ("NOTIFY", "Desktop", Notify.DESKTOP),
        ("RULES", '[{"folder": "a", "host": "b"}]', (Rule(folder="a", host=("b",)),)),
        ("LOG_LEVEL", "debug", LogLevel.DEBUG),
        ("THEME", "nord", "nord"),
        ("SHOW_LOG", "no", False),
        ("KEYS", '{"quit": "ctrl+q"}', {"quit": "ctrl+q"}),
    ],
)
def test_environment(monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object) -> None:
    monkeypatch.setenv(f"RHEO_{name}", text)
    assert getattr(build_settings(), name.lower()) == value
    loaded = load_settings()
    assert getattr(loaded.settings, name.lower()) == value
    assert loaded.problems == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500K", 500_000),
        ("500k", 500_000),
        (" 5M ", 5_000_000),
        ("2.5 MB", 2_500_000),
        ("1MiB", 1024**2),
        (65536, 65536),
        ("0", None),
        (0, None),
        ("OFF", None),
        ("none", None),
    ],
)
def test_speed_limit(text: object, value: int | None) -> None:
    assert build_settings(speed_limit=text).speed_limit == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_concurrent", 0),
        ("max_concurrent", 4097),
        ("max_concurrent", True),
        ("max_retries", -1),
        ("max_retries", 101),
        ("retry_base_delay", 0),
        ("connect_timeout", float("inf")),
        ("timeout", -1),
        ("speed_limit", -1),
        ("speed_limit", "fast"),
        ("speed_limit", "9" * 400),
        ("chunk_size", 1023),
        ("history_days", -1),
        ("history_days", "a year"),
        ("on_complete", "run 'a"),
        ("on_complete", 3),
        ("on_error", ["run", 3]),
        ("on_error", ["", "x"]),
        ("on_error", "run a\x00b"),
        ("command_timeout", 0),
        ("notify", "mail"),
        ("rules", {"folder": "a"}),
        ("rules", "[{]"),
        ("rules", [{"folder": "a", "pattern": "["}]),
        ("log_level", "LOUD"),
        ("theme", ""),
        ("keys", "quit"),
        ("keys", ["quit"]),
        ("download_dir", ""),
        ("download_dir", 3.5),
        ("download_dir", "a\x00b"),
        ("download_dir", "~no-such-user-here/x"),
        ("no_such_setting", 1),
    ],
)
def test_limits(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        build_settings(**{name: value})


@pytest.mark.parametrize("name", Settings.model_fields)
def test_true_is_for_switches_alone(name: str) -> None:
    if name in ("durable", "show_log", "server_time", "origin"):
        assert getattr(build_settings(**{name: True}), name) is True
    else:
        with pytest.raises(ValidationError, match="should not be true or false"):
            build_settings(**{name: True})


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_any_speed_limit_is_bytes_or_none_or_refused(value: object) -> None:
    try:
        limit = build_settings(speed_limit=value).speed_limit
    except ValidationError:
        return
    assert limit is None or limit > 0


def test_home_is_expanded(tmp_path: Path) -> None:
    assert build_settings(download_dir="~/x").download_dir == tmp_path / "home" / "x"


def test_overrides_win_and_none_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHEO_MAX_CONCURRENT", "7")
    assert build_settings(max_concurrent=None).max_concurrent == 7
    assert build_settings(max_concurrent=9).max_concurrent == 9


def test_dotenv_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RHEO_MAX_CONCURRENT=9\n")
    monkeypatch.chdir(tmp_path)
    assert build_settings().max_concurrent == 3
