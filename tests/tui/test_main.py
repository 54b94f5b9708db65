"""The command line of `rheo-tui`, and the app over the real engine."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from textual.widgets import Input

from rheo_core import __version__
from rheo_core.config.settings import Settings, build_settings
from rheo_core.domain import DownloadStatus, FileConfig
from rheo_core.inputs.arguments import Diagnostic
from rheo_tui.__main__ import _items, _parser, main
from rheo_tui.app import RheoApp
from rheo_tui.demo import DemoFile, DemoServer, repeat
from rheo_tui.screens.settings import SettingsScreen
from rheo_tui.services.local import LocalService
from rheo_tui.services.threaded import ThreadedService
from rheo_tui.widgets.header import SummaryHeader
from tests.tui.driving import until


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ftp://example.org/x"], "argument 1: URL 'ftp://example.org/x' has scheme 'ftp'"),
        (
            ["-i", "/nowhere/list.txt"],
            "cannot read the list /nowhere/list.txt: No such file or directory",
        ),
        (["http://a/b", "nonsense"], "argument 2: URL 'nonsense'"),
        (["-d", "~nobody-of-this-name/x"], "--download-dir"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_list_without_a_good_line_stops_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    links = tmp_path / "links.txt"
    links.write_text("# mine\n\nnonsense\n" + "ftp://a/b\n" * 20)
    assert main(["-i", str(links)]) == 1
    message = capsys.readouterr().err
    assert f"{links}, line 3: URL 'nonsense'" in message
    assert "and 11 more" in message
    links.write_text("# nothing\n")
    assert main(["-i", str(links)]) == 1
    assert f"{links}: it contains no URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fragment", "problem"),
    [
        ("", "with no checksum instead of sha256:"),
        ("#md5=" + "0" * 32, "with md5:"),
        ("#sha256=" + "0" * 64, "with sha256:"),
    ],
)
def test_a_checksum_in_a_list_for_a_url_of_the_arguments_is_not_dropped_silently(
    tmp_path: Path, fragment: str, problem: str
) -> None:
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{hashlib.sha256(b'good').hexdigest()}  f.bin\n")
    arguments = [f"http://h/f.bin{fragment}", "-i", str(sums), "--base", "http://h/"]
    url, diagnostic = _items(_parser().parse_args(arguments), build_settings())
    assert isinstance(url, FileConfig) and isinstance(diagnostic, Diagnostic)
    assert diagnostic.is_problem and problem in diagnostic.text


def test_usage_errors_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--nonsense"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rheo-tui {__version__}\n"


def test_without_a_terminal_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert "needs a terminal" in capsys.readouterr().err


async def test_downloads_with_the_real_engine(tmp_path: Path) -> None:
    async with DemoServer(throttled=False) as server:
        configs = server.configs()
        settings = build_settings(download_dir=tmp_path / "new", max_retries=0)
        service = ThreadedService(LocalService(settings, save=False))
        app = RheoApp(service, configs)
        async with app.run_test(size=(120, 40)) as pilot:
            rows = app.main.model.rows
            await until(
                pilot,
                lambda: (
                    len(rows) == len(configs)
                    and all(row.status.is_terminal for row in rows.values())
                ),
            )
            done = [row for row in rows.values() if row.status is DownloadStatus.COMPLETED]
            assert done
            assert all(Path(row.destination).stat().st_size == row.total_bytes for row in done)
            await until(
                pilot, lambda: any("done:" in line.text for line in app.main.event_log.lines)
            )
            assert not (await service.check(FileConfig(url="http://a/b").url))[0].problem
            await pilot.press(",")
            assert isinstance(app.screen, SettingsScreen)
            for name, value in (("max_retries", "7"), ("speed_limit", "2M")):
                app.screen.query_one("#settings-search", Input).value = name
                await pilot.pause()
                await pilot.press("enter", *value, "enter")
                await pilot.pause()
            assert service.settings.max_retries == 7
            assert (await service.snapshot()).speed_limit_bps == 2_000_000
            await pilot.press("escape", "escape")
            await pilot.press("[", "]", "x")
            await until(pilot, lambda: len(rows) == len(configs) - 1)
            await pilot.press("u")
            await until(pilot, lambda: len(rows) == len(configs))


async def test_the_demo_says_what_it_is_and_goes_on(tmp_path: Path) -> None:
    files = [DemoFile("/a.bin", 1000), DemoFile("/gone.bin", 0, missing=True)]
    settings = Settings(download_dir=tmp_path, max_retries=0)
    async with DemoServer(files) as server:
        app = RheoApp(LocalService(settings, save=False), server.configs(), badge="demo")
        async with app.run_test(size=(100, 30)) as pilot:
            said: list[str] = []
            work = repeat(app.main.client, server, tmp_path, said.append, rest=0.05)
            repeating = asyncio.create_task(work)
            try:
                await until(pilot, lambda: len(said) >= 2 and len(app.main.model.rows) == 2)
            finally:
                repeating.cancel()
            assert said[:2] == ["The demo starts again."] * 2
            assert " demo " in app.main.query_one(SummaryHeader).render().plain
            assert len(app.main.model.rows) == 2
