"""Protective settings that are not valid: no download starts, and the app shows the reason."""

import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from rheo_core import FileConfig
from rheo_core.config import load_settings, settings_path
from rheo_core.domain import DownloadStatus
from rheo_tui.app import RheoApp
from rheo_tui.services.local import LocalService
from rheo_tui.services.threaded import ThreadedService
from rheo_tui.widgets.closed_bar import ClosedBar
from rheo_tui.widgets.footer import StatusFooter
from tests.core.engine import serving
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.tls import Authority
from tests.tui.driving import running, until
from tests.tui.fake_service import FakeService

BODY = body_of(20_000)


@pytest.fixture
def file() -> Path:
    """Path of the settings file, which does not exist yet."""
    settings_path().parent.mkdir(parents=True)
    return settings_path()


class Real:
    """Run the app over a real engine with a saved session."""

    def __init__(self, app: RheoApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)

    async def command(self, text: str) -> None:
        await self.pilot.press("colon")
        self.app.main.query_one("#command-text", Input).value = text
        await self.pilot.press("enter")

    @property
    def statuses(self) -> list[DownloadStatus]:
        return [row.status for row in self.app.main.model.rows.values()]

    @property
    def feedback(self) -> str:
        return self.app.main.query_one(StatusFooter).said

    @property
    def bar(self) -> str:
        bar = self.app.main.query_one(ClosedBar)
        return str(bar.render()) if bar.display else ""


@asynccontextmanager
async def app_over(
    tmp_path: Path, *configs: FileConfig, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[Real]:
    load = partial(load_settings, download_dir=tmp_path / "out")
    loaded = load()
    session = tmp_path / "state" / "session.db"
    service = ThreadedService(LocalService(loaded.settings, session_path=session, load=load))
    app = RheoApp(service, configs, loaded.problems)
    async with app.run_test(size=size) as pilot:
        real = Real(app, pilot)
        await real.until(lambda: len(real.statuses) >= len(configs) and app.main.client.ready)
        yield real
        await app.main.client.close()


@pytest.mark.parametrize(
    "text",
    [
        '[request]\nproxy = "socks4://me:c4nary@127.0.0.1:9"\n',
        '[request]\nprxoy = "http://me:c4nary@127.0.0.1:9"\n',
        '[hosts."a b"]\nproxy = "http://me:c4nary@127.0.0.1:9"\n',
        "theme = \n",
        '[request]\nca_file = "/nowhere/ca.pem"\n',
        '[request]\ncookies = "/dev/zero"\n',
        '[request]\ninterface = "nope0"\n',
        'max_size = "20 apples"\n',
        'max_sise = "20G"\n',
    ],
)
@pytest.mark.parametrize("mended_by", ["reload", "settings screen"])
@pytest.mark.halved("text", "mended_by")
async def test_nothing_starts_until_it_is_mended(
    tmp_path: Path, file: Path, server: MisbehavingServer, text: str, mended_by: str
) -> None:
    file.write_text(text)
    config = FileConfig(url=server.on("/a", serving(BODY)))
    async with app_over(tmp_path, config) as app:
        await app.until(lambda: app.bar)
        assert app.bar.startswith("No download starts: ") and app.bar.endswith(":reload")
        assert "c4nary" not in app.bar
        if "/nowhere" not in text and "/dev" not in text and "nope0" not in text:
            assert "settings.toml" in app.bar and "line " in app.bar
        assert await app.app.main.client.service.reload_settings()  # still broken
        await app.app.main.refresh_from_engine()  # a started download would be visible
        assert app.statuses == [DownloadStatus.QUEUED] and not server.requests
        file.write_text('[request]\nuser_agent = "Me/1"\n')
        if mended_by == "reload":
            await app.command("reload")
        else:
            await app.pilot.press("comma", *"parallel", "enter", "enter")
        await app.until(lambda: app.statuses == [DownloadStatus.COMPLETED])
        await app.until(lambda: not app.bar)
    assert [request.headers["user-agent"] for request in server.requests] == ["Me/1"]
    assert (tmp_path / "out" / "a").read_bytes() == BODY


async def test_a_corrected_bound_holds_without_a_restart(
    tmp_path: Path, file: Path, server: MisbehavingServer
) -> None:
    file.write_text('max_size = "20 apples"\n')
    config = FileConfig(url=server.on("/a", serving(BODY)))
    async with app_over(tmp_path, config) as app:
        await app.until(lambda: app.bar)
        file.write_text('max_size = "10K"\n')
        await app.command("reload")
        await app.until(lambda: app.statuses == [DownloadStatus.FAILED])
        (row,) = app.app.main.model.rows.values()
        assert "is larger than max_size (10,000 bytes)" in (row.error or "")
        file.write_text('max_size = "20K"\n')
        await app.command("reload")
        service = app.app.main.client.service
        await app.until(lambda: service.settings.max_size == 20_000)
        assert not app.bar
        await service.retry([row.id])
        await app.until(lambda: app.statuses == [DownloadStatus.COMPLETED])


async def test_only_the_host_of_a_table_waits(
    tmp_path: Path, file: Path, server: MisbehavingServer
) -> None:
    file.write_text('[hosts."localhost"]\nproxy = "socks4://127.0.0.1:9"\n')
    url = server.on("/a", serving(BODY))
    closed = FileConfig(url=url.replace("127.0.0.1", "localhost"), filename="b")
    async with app_over(tmp_path, closed, FileConfig(url=url)) as app:
        await app.until(lambda: DownloadStatus.COMPLETED in app.statuses)
        assert app.statuses == [DownloadStatus.QUEUED, DownloadStatus.COMPLETED]
        assert app.bar.startswith("Some downloads wait: ")
        assert not list(app.app._notifications)  # the bar shows the reason and covers nothing
        assert any("localhost.proxy" in line.text for line in app.app.main.event_log.lines)
        file.write_text("")
        await app.command("reload")
        await app.until(lambda: app.statuses == [DownloadStatus.COMPLETED] * 2)


async def test_a_variable_closes_the_app(
    tmp_path: Path, server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks4://me:c4nary@127.0.0.1:9")
    monkeypatch.delenv("all_proxy", raising=False)
    config = FileConfig(url=server.on("/a", serving(BODY)))
    async with app_over(tmp_path, config) as app:
        await app.until(lambda: app.bar)
        assert app.bar.endswith(" Correct it, then start rheo-tui again")
        assert "ALL_PROXY" in app.bar and "c4nary" not in app.bar
        assert app.statuses == [DownloadStatus.QUEUED]
    assert not server.requests


async def test_a_reload_that_would_close_changes_nothing(
    tmp_path: Path, file: Path, server: MisbehavingServer
) -> None:
    file.write_text('[request]\nuser_agent = "Me/1"\n')
    config = FileConfig(url=server.on("/a", serving(BODY)))
    async with app_over(tmp_path) as app:
        file.write_text('[request]\nproxy = "socks4://127.0.0.1:9"\n')
        await app.command("reload")
        await app.until(lambda: "line 2" in app.feedback)
        assert not app.bar
        await app.app.main.client.add([config])
        await app.until(lambda: app.statuses == [DownloadStatus.COMPLETED])
    assert [request.headers["user-agent"] for request in server.requests] == ["Me/1"]


async def test_saving_in_the_app_keeps_the_broken_file(tmp_path: Path, file: Path) -> None:
    text = '[request]\nproxy = "socks4://127.0.0.1:9"\n'
    file.write_text(text)
    async with app_over(tmp_path) as app:
        await app.pilot.press("comma", *"parallel", "enter", "9", "enter")
        line = app.app.screen.query_one("#settings-problem")
        await app.until(lambda: "until you quit" in str(line.render()))
        assert any("cannot be saved" in note.message for note in app.app._notifications)
        assert app.bar
    assert file.read_text() == text


async def test_saving_in_the_app_keeps_a_broken_limit(tmp_path: Path, file: Path) -> None:
    file.write_text('max_size = "20 apples"\n')
    async with app_over(tmp_path) as app:
        await app.pilot.press("comma", *"parallel", "enter", "9", "enter")
        await app.until(lambda: "max_concurrent = 9" in file.read_text())
    assert tomllib.loads(file.read_text()) == {"max_concurrent": 9, "max_size": "20 apples"}


async def test_a_session_of_tls_waits_for_its_authority(tmp_path: Path, file: Path) -> None:
    """Correcting the file is enough; the settings need no change."""
    authority = Authority()
    ca = tmp_path / "ca.pem"
    file.write_text(f'[hosts."localhost"]\nca_file = "{ca}"\n')
    async with MisbehavingServer(ssl=authority.serving("localhost")) as server:
        url = server.on("/a", serving(BODY)).replace("127.0.0.1", "localhost")
        async with app_over(tmp_path, FileConfig(url=url)) as app:
            await app.until(lambda: app.bar)
            assert not server.requests
            authority.file(tmp_path).rename(ca)
            await app.command("reload")
            await app.until(lambda: app.statuses == [DownloadStatus.COMPLETED])


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_bar_fits(size: tuple[int, int]) -> None:
    service = FakeService()
    service.closed_by = (
        f"{Path.home()}/.config/rheo/settings.toml, line 12: request.proxy = … is not valid: "
        "it should be the URL of a proxy (http, https, socks5 or socks5h), which "
        "'socks4://127.0.0.1:9050' is not.",
        "another.",
    )
    async with running(service, size=size) as app:
        await app.fill(3)
        bar = app.main.query_one(ClosedBar)
        await app.until(lambda: bar.display)
        lines = [bar.render_line(y).text.strip() for y in range(bar.size.height)]
        message = " ".join(lines)
        assert message.startswith("No download starts: ~/.config/rheo/settings.toml, line 12: ")
        assert message.endswith("(1 more, see the log.) Correct it, then enter :reload")
        assert app.table.size.height > 10
        await app.command("reload")
        assert app.called("reload_settings")
