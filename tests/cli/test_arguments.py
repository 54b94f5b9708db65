"""Wrong arguments end the command with one sentence and the right exit code."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rheo_core import __version__
from rheo_core.cli.main import app

pytestmark = pytest.mark.usefixtures("environment")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_version() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"rheo {__version__}\n")


@pytest.mark.parametrize(
    "command", [(), ("download",), ("list",), ("fleet",), ("fleet", "status")], ids=" ".join
)
@pytest.mark.parametrize("argument", ["--bogus{}", "-o{}", "--output={}", "x{}", "-w{}"])
def test_arguments_put_no_invisible_characters_on_the_terminal(
    command: tuple[str, ...], argument: str
) -> None:
    shown = run(*command, argument.format("\x1b\u202e\u200b\U000e0041"))
    assert shown.exit_code or command == ("list",)
    assert all(line.isprintable() for line in shown.output.splitlines())


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_option(flag: str) -> None:
    text = run("download", flag).stdout
    for option in (
        "--input-file", "--output", "--filename", "--hash", "--workers", "--limit-rate",
        "--retries", "--exists", "--at", "--stop-after", "--json", "--quiet",
    ):  # fmt: skip
        assert option in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "no URL given"),
        (("ftp://x/y",), 1, "argument 1: URL 'ftp://x/y' has scheme 'ftp'"),
        (("",), 1, "argument 1"),
        (("http://x", "-w", "9999"), 2, "--workers = '9999'"),
        (("http://x", "-w", "many"), 2, "--workers = 'many' is not valid: it should be"),
        (("http://x", "--retries", "-1"), 2, "--retries = '-1'"),
        (("http://x", "--limit-rate", "fast"), 2, "500K"),
        (("http://x", "--connections", "0"), 2, "--connections = '0'"),
        (("http://x", "--response-timeout", "nan"), 2, "--response-timeout = 'nan'"),
        (("http://x", "--network-timeout", "inf"), 2, "--network-timeout = 'inf'"),
        (("http://x", "--max-size", "x"), 2, "--max-size = 'x'"),
        (("-i", ""), 1, "the name of a list is empty"),
        (("http://x", "http://y", "-o", "-", "--dry-run"), 2, "exactly one URL"),
        (("http://x", "--at", "soon"), 2, "--at 'soon' is not valid: it should be a time"),
        (("http://x", "--at", "25:00"), 2, "such as 23:30 or 2026-11-24T01:00"),
        (("http://x", "--at", "2020-01-01T00:00"), 2, "it should be in the future"),
        (("http://x", "--stop-after", "lots"), 2, "--stop-after 'lots' is not valid"),
        (("http://x", "--stop-after", "0"), 2, "--stop-after '0' is not valid"),
        (
            ("http://x", "--stop-after", "1G", "--exists", "overwrite"),
            2,
            "--stop-after needs --exists skip or error: with overwrite, each run would download "
            "finished files again.",
        ),
        (("http://x", "--stop-after", "1G", "--exists", "rename", "--dry-run"), 2, "with rename"),
        (("http://x", "--stop-after", "1G", "-o", "-"), 2, "-o - cannot resume after"),
        (("http://x", "--exists", "maybe"), 2, "--exists = 'maybe' is not valid: it should"),
        (("http://x", "http://y", "--filename", "z"), 2, "exactly one URL"),
        (("http://x", "http://y", "--hash", "md5:12"), 2, "exactly one URL"),
        (("http://x", "--filename", "a/b"), 2, "a name cannot contain / or \\"),
        (("http://x", "--filename", " "), 2, "a name cannot consist only of dots and spaces"),
        (("http://x", "--filename", ".."), 2, "a name cannot consist only of dots and spaces"),
        (("http://x", "--hash", "md5:12"), 1, "2 characters instead of 32"),
        (("http://x", "--hash", "nothing"), 1, "ALGORITHM:HEX"),
        (("http://x", "--hash", "crc:12"), 1, "unknown"),
        (
            ("http://x", "--hash", f"md5:{'0' * 32}", "--hash", f"MD5:{'1' * 32}"),
            2,
            f"two md5 hashes of the file differ: {'0' * 32} and {'1' * 32}",
        ),
        (
            (f"http://x/#md5={'0' * 32}", "--hash", f"md5:{'1' * 32}"),
            2,
            f"two md5 hashes of the file differ: {'1' * 32} and {'0' * 32}",
        ),
        (
            (f"http://x/#md5={'0' * 32}", "--mirror", f"http://y/#md5={'1' * 32}"),
            2,
            f"two md5 hashes of the file differ: {'0' * 32} and {'1' * 32}",
        ),
        (("http://x", "--filename", "a/b"), 2, "a name cannot contain /"),
        (("http://x", "http://y", "-o", "-"), 2, "exactly one URL"),
        (("http://x", "-o", "-", "--json"), 2, "both write to standard output"),
        (("http://x", "-b", "sid=s3cret"), 2, "To send a cookie itself, use --header"),
        (("-i", "missing.txt"), 1, "cannot read the list missing.txt: No such file"),
        (
            ("-i", "https://x.org/list"),
            1,
            "https://x.org/list: it is a URL; save it to a file first",
        ),
        (("-i", "/"), 1, "cannot read the list /: Is a directory"),
        (("-i", "a\x00b"), 1, "cannot read the list"),
        (("http://x", "-o", "/dev/null/x"), 4, "cannot create the folder /dev/null/x"),
        (("http://x", "-o", "/dev/null"), 4, "folder /dev/null: it is a file."),
        (("http://x", "--no-such-option"), 2, "--no-such-option"),
    ],
)
def test_one_sentence(arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run("download", *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("links", "folder", "message"),
    [
        ({"a": "a"}, "a", "a: it is a symbolic link that leads back to itself."),
        ({"a": "b", "b": "a"}, "a", "a: it is a symbolic link that leads back to itself."),
        ({"a": "no"}, "a", "a: it is a symbolic link to no, which does not exist."),
        ({"a": "no"}, "a/b", "a/b: a is a symbolic link to no, which does not exist."),
        ({"a": "/dev/null"}, "a", "a: it is a symbolic link to a file."),
    ],
)
def test_a_link_in_place_of_the_folder_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    links: dict[str, str],
    folder: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    result = run("download", "http://x", "-o", folder)
    assert result.exit_code == 4
    assert result.stderr.replace(f"{tmp_path}/", "").endswith(f" {message}\n")


def test_list_without_a_url(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("# nothing\n\n")
    result = run("download", "-i", path)
    assert (result.exit_code, result.stderr) == (1, f"rheo: {path}: it contains no URL\n")


async def test_lines_of_a_bad_list_are_named(rheo: Callable[..., Awaitable[Any]]) -> None:
    text = b"\xef\xbb\xbf# mine\r\nftp://x\r\nhttp://\xff y\n"
    result = await rheo("download", "-i", "-", stdin=text)
    assert result.code == 1
    first, second = result.err.splitlines()
    assert first.startswith("rheo: standard input, line 2: ")
    assert second.startswith("rheo: standard input, line 3: ")


def test_bad_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHEO_TIMEOUT", "soon")
    result = run("download", "http://x")
    assert result.exit_code == 2
    assert "RHEO_TIMEOUT = 'soon'" in result.stderr


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("FILE_EXISTS_STRATEGY", ("--exists", "skip")),
        ("MAX_CONCURRENT", ("-w", "2")),
        ("CONNECTIONS", ("-x", "2")),
        ("SPEED_LIMIT", ("--limit-rate", "5M")),
        ("MAX_SIZE", ("--max-size", "5M")),
        ("MAX_RETRIES", ("--retries", "1")),
        ("RESPONSE_TIMEOUT", ("--response-timeout", "5")),
        ("NETWORK_TIMEOUT", ("--network-timeout", "5")),
        ("SERVER_TIME", ("--server-time",)),
        ("KEYS", ()),
    ],
)
def test_a_bad_variable_that_a_flag_replaces_is_only_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, flags: tuple[str, ...]
) -> None:
    monkeypatch.setenv(f"RHEO_{name}", "oops")
    result = run("download", "http://127.0.0.1:9/a", "-o", tmp_path, "--dry-run", *flags)
    assert result.exit_code == 0, result.stderr
    assert f"rheo: Environment: RHEO_{name} = 'oops' is not valid" in result.stderr
    if flags:
        result = run("download", "http://127.0.0.1:9/a", "-o", tmp_path, "--dry-run")
        assert result.exit_code == 2


def settings_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config" / "rheo" / "settings.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_a_bad_setting_ends_with_2(tmp_path: Path, quiet: tuple[str, ...]) -> None:
    path = settings_file(tmp_path, "max_concurrent = 9999\n")
    result = run("download", *quiet, "ftp://x")
    assert result.stderr.startswith(f"rheo: {path}, line 1: max_concurrent = 9999 is not valid")
    assert len(result.stderr.splitlines()) == 1
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("text", "flags"),
    [("max_concurrent = 9999", ("-w", "3")), ("theme = ''", ()), ("[keys]\nquit = 5", ())],
)
def test_a_bad_setting_that_does_not_count_is_no_obstacle(
    tmp_path: Path, text: str, flags: tuple[str, ...]
) -> None:
    path = settings_file(tmp_path, text)
    result = run("download", "ftp://x", *flags)
    assert f"rheo: {path}, line " in result.stderr
    assert result.exit_code == 1
    assert "settings.toml" not in run("download", "-q", "ftp://x", *flags).stderr


def test_messages_hold_no_terminal_codes() -> None:
    result = run("download", "http://\x1b[31mx/", "-i", "\x1b[2Jmissing")
    assert "\x1b" not in result.stderr
