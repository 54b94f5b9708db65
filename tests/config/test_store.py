"""The settings file: nothing bad in it is lost, hidden or obeyed."""

import os
import stat
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st
from pydantic import ValidationError

from rheo_core.config import Settings, build_settings, load_settings, save_settings, settings_path
from rheo_core.config.problems import line_of
from rheo_core.domain.request_rules import Unclear
from rheo_core.infrastructure.files import write_atomically


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def copies(path: Path) -> list[Path]:
    return sorted(path.parent.glob("settings.toml.bad-*"))


def test_place(tmp_path: Path) -> None:
    assert settings_path() == tmp_path / "config" / "rheo" / "settings.toml"


def test_no_file_is_no_problem(path: Path) -> None:
    loaded = load_settings(path)
    assert loaded.settings == Settings()
    assert loaded.problems == ()
    assert list(path.parent.glob("settings*")) == []


def test_precedence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("max_concurrent = 4\nmax_retries = 4\ntheme = 'four'\n")
    monkeypatch.setenv("RHEO_MAX_RETRIES", "5")
    monkeypatch.setenv("RHEO_MAX_CONCURRENT", "5")
    settings = load_settings(path, max_concurrent=6, theme=None).settings
    assert (settings.max_concurrent, settings.max_retries, settings.theme) == (6, 5, "four")


def test_bad_override_raises(path: Path) -> None:
    with pytest.raises(ValidationError):
        load_settings(path, max_concurrent=0)


def test_saved_is_read_back(path: Path, tmp_path: Path) -> None:
    settings = build_settings(
        download_dir=tmp_path,
        speed_limit="5M",
        keys={"quit": "ctrl+q"},
        show_log=False,
        timeout=9,
        history_days="off",
        on_complete="run 'a b'",
        notify="terminal",
        rules=[{"folder": "~/a", "host": "b"}, {"folder": "c", "extension": ["d", "e"]}],
    )
    save_settings(settings, path)
    loaded = load_settings(path)
    assert loaded.settings == settings
    assert loaded.problems == ()


def test_only_what_differs_is_written(path: Path) -> None:
    save_settings(build_settings(max_concurrent=5, max_retries=5), path)
    assert tomllib.loads(path.read_text()) == {"max_concurrent": 5}


def test_only_the_named_are_written(path: Path) -> None:
    path.write_text("max_concurrent = 5\nmax_retries = 9\n")
    settings = load_settings(path, theme="from-a-flag", max_concurrent=3, max_retries=8).settings
    save_settings(settings, path, only=["max_concurrent"])
    assert tomllib.loads(path.read_text()) == {"max_retries": 9}


def test_saved_for_the_user_alone(tmp_path: Path) -> None:
    save_settings(build_settings(theme="x"))
    path = settings_path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["settings.toml"]


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("")
    path.symlink_to(real)
    save_settings(build_settings(theme="x"), path)
    assert path.is_symlink()
    assert real.read_text() == 'theme = "x"\n'


@pytest.mark.parametrize("circle", ["settings.toml", ""], ids=["file", "folder"])
def test_links_in_a_circle_are_refused_in_a_sentence(tmp_path: Path, circle: str) -> None:
    link = tmp_path / "folder" / circle
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(link.name)
    with pytest.raises(OSError, match="is a broken link"):
        save_settings(build_settings(theme="x"), tmp_path / "folder" / "settings.toml")


def test_nothing_is_saved_where_a_folder_is_a_link_to_nothing(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "linked"
    folder.symlink_to("not mounted")
    with pytest.raises(OSError, match="broken link"):
        save_settings(build_settings(theme="x"), folder / "rheo" / path.name, only=["theme"])
    assert not (tmp_path / "not mounted").exists()


@pytest.mark.parametrize(
    "content",
    [
        'on_complete = "curl -H \'X-Key: c4nary"\n',
        "[[rules]]\nuser = 'me:c4nary'\n",
        "[[rules]]\nrequest.proxy = 'http://me:c4nary@x:1'\n",
        "[keys]\nrequest.proxy = 'http://me:c4nary@x:1'\n",
    ],
)
def test_no_secret_in_another_setting_is_told(path: Path, content: str) -> None:
    path.write_text(content)
    problems = load_settings(path).problems
    assert problems and not any("c4nary" in problem for problem in problems)


@pytest.mark.parametrize(
    ("content", "line", "parts"),
    [
        ("\nmax_concurrent = 9999\n", 2, ("max_concurrent = 9999", "1 to 4,096")),
        ("theme='x'\nmax_retries = true\n", 2, ("max_retries = true",)),
        ("file_exists_strategy = 'maybe'\n", 1, ("'maybe'", "'skip'", "'rename'")),
        ("speed_limit = 'fast'\n", 1, ("'fast'", "500K")),
        ("theme = ''\n", 1, ("theme = ''", "at least 1 character")),
        ("download_dir = '/x'\nmax_concurent = 2\n", 2, ("did you mean max_concurrent?",)),
        ("[keys]\na = 'b'\nquit = 3\n", 3, ("keys.quit = 3",)),
        ("[weather]\na = 'b'\n", 1, ("weather is not a setting.",)),
        ("theme = 'x'\n[[rules]]\nfolder = 'a'\npattern = '('\n", 2, ("pattern = '(' in rule 1",)),
        ("\n[[rules]]\nfolder = 'a'\nhots = 'b'\n", 2, ("'hots' in rule 1", "host, type")),
        ('on_error = "a \'b"\n', 1, ("on_error = … ", "should be a command")),
        ('log_level = "L\\u001b[31m"', 1, ("'CRITICAL'",)),
    ],
)
def test_bad_value_is_told_and_left_out(
    path: Path, content: str, line: int, parts: tuple[str, ...]
) -> None:
    path.write_text(content)
    loaded = load_settings(path)
    problem = loaded.problems[-1]
    assert problem.startswith(f"{path}, line {line}: ")
    assert all(part in problem for part in parts)
    assert problem.isprintable()
    assert not any(each.startswith("Environment") for each in loaded.problems)
    assert path.read_text() == content
    assert [copy.read_text() for copy in copies(path)] == [content]


def test_the_good_rest_is_used(path: Path) -> None:
    path.write_text("max_concurrent = 9999\nmax_retries = 9\n[keys]\nquit = 3\npause = 'p'\n")
    loaded = load_settings(path)
    assert len(loaded.problems) == 2
    assert loaded.settings == build_settings(max_retries=9, keys={"pause": "p"})


@pytest.mark.parametrize(
    "content", [b"a = \n", b"theme = '\xff'\n", b"\x00", b"a = " + b"[" * 100_000]
)
def test_broken_file_closes_everything(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    loaded = load_settings(path)
    assert loaded.settings.model_dump() == Settings().model_dump()
    assert loaded.settings.unclear == (Unclear(loaded.problems[0]),)
    assert len(loaded.problems) == 1
    assert str(path) in loaded.problems[0]
    assert path.read_bytes() == content


def test_copied_aside_once(path: Path) -> None:
    path.write_text("broken")
    for _ in range(3):
        load_settings(path)
    assert len(copies(path)) == 1
    assert stat.S_IMODE(copies(path)[0].stat().st_mode) == 0o600
    save_settings(build_settings(theme="x"), path)
    assert copies(path)[0].read_text() == "broken"
    assert load_settings(path).problems == ()


def test_only_the_last_of_many_broken_edits_is_copied(path: Path) -> None:
    notes = [path.with_name(f"settings.toml.bad-{name}") for name in ("mine", "20260101", "2")]
    for note in notes:
        note.write_text("of the user")
    for number in range(5):
        path.write_text(f"theme = {number}\n")
        load_settings(path)
    (copy,) = set(copies(path)) - set(notes)
    assert copy.read_text() == path.read_text() == "theme = 4\n"
    assert all(note.read_text() == "of the user" for note in notes)


_BROKEN_LINES = [
    'max_size = "20 apples"',
    "timeout = -1",
    "max_concurent = 2",
    "[keys]\nquit = 3",
    '[[rules]]\nfolder = "a"\nhots = "b"',
    "[hosts.\"example.org\"]\nconnections = 0\nspeed_limit = '1M'",
]


@pytest.mark.parametrize("line", _BROKEN_LINES)
def test_saving_another_setting_keeps_what_is_broken(path: Path, line: str) -> None:
    path.write_text(f"max_retries = 9\n{line}\n")
    before = load_settings(path)
    save_settings(before.settings.model_copy(update={"theme": "x"}), path, only=["theme"])
    assert tomllib.loads(path.read_text()) == tomllib.loads(f"theme = 'x'\nmax_retries = 9\n{line}")
    after = load_settings(path)
    assert len(after.faults) == len(before.faults)
    assert len(after.problems) == len(before.problems)


def test_a_broken_bound_closes_everything_unless_a_nearer_place_gives_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text('max_size = "20 apples"\n')
    (unclear,) = load_settings(path).settings.unclear
    assert "max_size" in unclear.sentence and not unclear.host
    assert not load_settings(path, max_size=5).settings.unclear
    monkeypatch.setenv("RHEO_MAX_SIZE", "5")
    assert not load_settings(path).settings.unclear
    monkeypatch.setenv("RHEO_MAX_SIZE", "5 apples")
    assert len(load_settings(path).settings.unclear) == 2


def test_a_broken_setting_is_replaced_by_a_good_one(path: Path) -> None:
    path.write_text('max_size = "20 apples"\n')
    save_settings(build_settings(max_size="20G"), path, only=["max_size"])
    assert load_settings(path).settings.max_size == 20_000_000_000


def test_a_table_with_a_mistake_is_not_written_anew(path: Path) -> None:
    text = "[keys]\npause = 'p'\nquit = 3\n"
    path.write_text(text)
    with pytest.raises(OSError, match=r"keys\.quit = 3 .* Correct the file first"):
        save_settings(build_settings(keys={"pause": "z"}), path, only=["keys"])
    assert path.read_text() == text


def test_unreadable_file(path: Path) -> None:
    path.mkdir()
    loaded = load_settings(path)
    assert loaded.problems == (f"{path} cannot be used (Is a directory).",)
    assert loaded.settings.unclear == (Unclear(loaded.problems[0]),)


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o602, 0o622])
def test_a_file_that_others_can_change_is_not_used(path: Path, mode: int) -> None:
    path.write_text("on_complete = 'run'\n[request]\nproxy = 'off'\n")
    path.chmod(mode)
    loaded = load_settings(path)
    reason = "other users can change it; run chmod go-w on it"
    assert loaded.problems == (f"{path} cannot be used ({reason}).",)
    assert loaded.settings == Settings().closed_by([Unclear(loaded.problems[0])])
    with pytest.raises(OSError, match="other users can change it"):
        save_settings(Settings(), path, only=["theme"])
    path.chmod(0o644)
    assert not load_settings(path).problems
    assert load_settings(path).settings.on_complete


def test_a_file_in_a_folder_that_others_can_change_is_not_used(path: Path) -> None:
    path.write_text("on_complete = 'run'\n")
    path.parent.chmod(0o777)
    (problem,) = load_settings(path).problems
    reason = f"other users can change its folder {path.parent}; run chmod go-w on the folder"
    assert problem == f"{path} cannot be used ({reason})."
    path.parent.chmod(0o1777)  # as /tmp: nobody can replace files of others there
    assert not load_settings(path).problems


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_file_of_another_user_is_not_used(path: Path, is_folder: bool) -> None:
    path.write_text("on_complete = 'run'\n")
    os.chown(path.parent if is_folder else path, 12345, -1)
    loaded, name = load_settings(path), f"its folder {path.parent}" if is_folder else "it"
    assert loaded.problems == (f"{path} cannot be used ({name} belongs to another user).",)
    assert not loaded.settings.on_complete


def test_bad_variable_is_told_and_left_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("max_concurrent = 4\n")
    monkeypatch.setenv("RHEO_MAX_CONCURRENT", "many")
    monkeypatch.setenv("RHEO_TIMEOUT", "-1")
    monkeypatch.setenv("RHEO_KEYS", "{")
    monkeypatch.setenv("RHEO_THEME", "")
    loaded = load_settings(path)
    with_flag = load_settings(path, max_concurrent=2)
    assert loaded.settings == build_settings_without_environment(monkeypatch, max_concurrent=4)
    assert len(loaded.problems) == 3
    of_the_engine, of_the_app = loaded.problems[:2], loaded.problems[2]
    assert loaded.faults == of_the_engine and "RHEO_KEYS" in of_the_app
    assert with_flag.faults == of_the_engine[1:]
    assert "RHEO_MAX_CONCURRENT = 'many'" in loaded.problems[0]
    assert "1 to 4,096" in loaded.problems[0]


def build_settings_without_environment(
    monkeypatch: pytest.MonkeyPatch, **values: object
) -> Settings:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"RHEO_{name.upper()}", raising=False)
    return build_settings(**values)


def test_unwritable_copy_is_no_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("broken")

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("rheo_core.config.store.write_atomically", refuse)
    assert len(load_settings(path).problems) == 1


@options(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_any_file_gives_settings(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    loaded = load_settings(path)
    assert all(problem.isprintable() for problem in loaded.problems)
    for copy in copies(path):
        copy.unlink()


_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
)
_NAMES = st.sampled_from(sorted(Settings.model_fields)) | st.text()


@options(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_any_value_is_taken_or_told_of(path: Path, values: dict[str, object]) -> None:
    """A value that is not valid leaves the default in force, and a word on it."""
    path.write_bytes(tomli_w.dumps(values).encode("utf-8", "surrogatepass"))
    loaded = load_settings(path)
    told = " ".join(loaded.problems)
    assert told.isprintable()
    defaults = Settings()
    for name in Settings.model_fields:
        default = getattr(defaults, name)
        if name in values and getattr(loaded.settings, name) == default:
            is_same = build_or_none(name, values[name]) == default
            assert is_same or f"{name} = " in told or f"{name}." in told or "not a TOML" in told
        elif name not in values:
            assert getattr(loaded.settings, name) == default
    assert all(name in Settings.model_fields for name in values) or loaded.problems
    for copy in copies(path):
        copy.unlink()


def build_or_none(name: str, value: object) -> object:
    """Return the value of a setting; None if it is not valid."""
    try:
        return getattr(build_settings(**{name: value}), name)
    except ValidationError:
        return None


@pytest.mark.parametrize(
    ("place", "line"),
    [(("a",), 1), (("keys",), 2), (("keys", "a"), 3), (("b",), None), (("keys", "b"), None)],
)
def test_line_of(place: tuple[str, ...], line: int | None) -> None:
    assert line_of('"a" = 1\n [keys] # mine\na.b = 2\n[other]\nb = 1', place) == line


def test_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir() if "settings" in file.name] == [path.name]


@pytest.mark.parametrize(
    ("name", "values", "closes"),
    [
        ("request", ('{"proxy": "http://127.0.0.1:9"}', "{}"), True),
        ("max_size", ("5M", "off"), True),
        ("max_retries", ("1", "2"), False),
    ],
)
def test_two_spellings_of_one_variable_are_a_mistake(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    values: tuple[str, str],
    closes: bool,
) -> None:
    upper, lower = f"RHEO_{name.upper()}", f"rheo_{name}"
    monkeypatch.setenv(upper, values[0])
    monkeypatch.setenv(lower, values[0])
    assert not load_settings(tmp_path / "settings.toml").problems  # they agree
    monkeypatch.setenv(lower, values[1])
    loaded = load_settings(tmp_path / "settings.toml")
    sentence = f"Environment: {upper} and {lower} differ, but set the same setting."
    assert loaded.problems == (sentence,)
    assert [each.sentence for each in loaded.settings.unclear] == [sentence] * closes
    assert loaded.faults == (sentence,) * (not closes)
