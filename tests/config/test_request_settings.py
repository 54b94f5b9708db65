"""[request] and [hosts."..."] in the settings file: one sentence for what is wrong in them."""

from pathlib import Path

import pytest

from rheo_core.config import load_settings, save_settings

FILE = """\
[request]
user_agent = "A/1"
proxy = "http://me:c4nary@h:99999"
[hosts."Example.org"]
user = "me:c4nary"
headers = { Range = "c4nary" }
colour = 5
ip_version = 5
[hosts."a b:80"]
netrc = true
[hosts."*.below.org"]
prox = "x"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(FILE)
    path.chmod(0o600)
    return path


def test_each_thing_that_is_wrong_is_told_with_its_line(path: Path) -> None:
    loaded = load_settings(path)
    told = [problem.removeprefix(f"{path}, line ") for problem in loaded.problems]
    assert told == [
        "3: request.proxy = … is not valid: it should be the URL of a proxy (http, https, "
        "socks5 or socks5h); 'http://h:99999' is not valid.",
        "6: hosts.Example.org.headers = … is not valid: header 'Range' is set by the engine.",
        "7: hosts.Example.org.colour is not a setting.",
        "8: hosts.Example.org.ip_version = 5 is not valid: it should be 4 or 6.",
        "9: hosts.a b:80 = … is not valid: it should be a host such as example.org or "
        "*.example.org, without a port.",
        "12: hosts.*.below.org.prox is not a setting; did you mean proxy?",
    ]
    assert loaded.settings.request.user_agent == "A/1"
    user = loaded.settings.hosts["example.org"].user
    assert user is not None and user.get_secret_value() == "me:c4nary"
    assert "c4nary" not in repr(loaded)


def test_a_host_without_quotes_is_explained(path: Path) -> None:
    path.write_text('theme = "x"\n[hosts.files.example.org]\nproxy = "http://h"\n')
    (problem,) = load_settings(path).problems
    assert problem == (
        f"{path}, line 2: hosts.files.example is not a setting; "
        'write hosts in quotes, as in [hosts."example.org"].'
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[hosts]\n"example.org" = "me:c4nary"', "hosts.example.org = … is not valid"),
        ('[hosts]\n"example.org" = ["c4nary"]', "it should be a table."),
        ('[hosts."https://me:c4nary@example.org"]\nnetrc = true', "hosts.https://example.org = …"),
        ('[hosts."me:c4nary@example.org"]\nnetrc = true', "without a port."),
        ('[request.headers]\nX-Key = ["c4nary"]', "the value of header 'X-Key' should be text."),
        (
            '[request]\nheaders = [["X-Key", "c4nary", "x"]]',
            "should be a mapping or pairs of names and values.",
        ),
    ],
)
def test_no_secret_is_told(path: Path, text: str, told: str) -> None:
    path.write_text(text)
    (problem,) = load_settings(path).problems
    assert told in problem
    assert "c4nary" not in problem


def test_it_is_written_as_it_was_read(path: Path) -> None:
    settings = load_settings(path).settings.closed_by(())
    copy = path.with_name("copy.toml")
    save_settings(settings, copy)
    assert load_settings(copy).settings == settings
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_file_with_secrets_is_for_its_owner(path: Path) -> None:
    path.write_text('[hosts."x"]\nuser = "me:c4nary"\n')
    path.chmod(0o644)
    (problem,) = load_settings(path).problems
    assert problem == f"{path} contains secrets, and other users can read it; run chmod 600 on it."
    for harmless in (
        'user_agent = "A"',
        'proxy = "off"',
        'proxy = "socks5://127.0.0.1:1080"',
        'headers = { Accept-Language = "de" }',
    ):
        path.write_text(f'[hosts."x"]\n{harmless}\n')
        assert not load_settings(path).problems
    for secret in ('proxy = "http://me:pw@h"', 'headers = { X = "y" }', 'bearer = "t"'):
        path.write_text(f"[request]\n{secret}\n")
        assert load_settings(path).problems


def test_the_environment_has_them_as_json(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHEO_REQUEST", '{"user_agent": "E/1"}')
    monkeypatch.setenv("RHEO_HOSTS", '{"x": {"netrc": true}}')
    settings = load_settings(path).settings
    assert settings.request.user_agent == "E/1" and settings.hosts["x"].netrc
    monkeypatch.setenv("RHEO_REQUEST", '{"user": "me:c4nary"')
    told = " ".join(load_settings(path).problems)
    assert "RHEO_REQUEST = …" in told and "c4nary" not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RHEO_REQUEST", '{"proxy": "http://c4nary:1", "proxy": "off"}'),
        ("RHEO_REQUEST", '{"headers": {"X": "c4nary", "X": "2"}}'),
        ("RHEO_HOSTS", '{"x": {"netrc": true}, "x": {"user": "me:c4nary"}}'),
        ("RHEO_RULES", '[{"folder": "a", "folder": "b"}]'),
    ],
)
def test_no_key_in_the_environment_is_there_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Of two proxies, the one that counts would be a guess; TOML refuses them too."""
    monkeypatch.setenv(name, value)
    told = " ".join(load_settings(path).problems)
    assert name in told and "twice" in told and "c4nary" not in told
