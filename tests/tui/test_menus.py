"""The menus: all that can be done with the selection, facts to copy, speed limits."""

import json
import shlex

import pytest
from textual.widgets import OptionList, Static

from rheo_core.domain import DownloadStatus, FileConfig, HashConfig
from rheo_core.domain.exceptions import HttpStatusError
from rheo_core.domain.inspector_details import DownloadDetails, Hop
from rheo_core.domain.request_options import RequestOptions
from rheo_core.tracking import DownloadRecord
from rheo_tui.actions import menu_actions
from rheo_tui.copying import BY_ID
from rheo_tui.screens.menu import MenuScreen
from rheo_tui.widgets.command_line import CommandLine
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService


def options(app: Driver) -> dict[str, bool]:
    """Return the items of the open menu, and whether they are disabled."""
    shown = app.app.screen.query_one(OptionList)
    each = (shown.get_option_at_index(at) for at in range(shown.option_count))
    return {str(option.prompt): option.disabled for option in each}


async def test_the_menu_has_every_action_on_the_selection_dim_with_the_reason() -> None:
    async with running(size=(100, 40)) as app:
        first, *_ = await app.fill(3)
        await app.press("full_stop")
        assert isinstance(app.app.screen, MenuScreen)
        assert len(options(app)) == len(menu_actions())
        disabled = list(options(app).values())
        assert disabled == sorted(disabled) and any(disabled) and not all(disabled)
        retry = next(text for text in options(app) if "Retry" in text)
        assert options(app)[retry] and "this download has not failed; it is queued" in retry
        await app.press("r")
        assert isinstance(app.app.screen, MenuScreen)
        line = app.app.screen.query_one(".dialog-keys", Static)
        assert str(line.content) == "This download has not failed; it is queued."
        await app.press("c")
        assert app.called("cancel") == [[first]]


async def test_the_menu_and_the_palette_name_what_an_action_would_do() -> None:
    async with running(size=(100, 40)) as app:
        await app.fill(3)
        for expected in ("Pause", "Resume"):
            await app.press("full_stop")
            assert [text.split() for text in options(app) if text.startswith("p ")] == [
                ["p", expected]
            ]
            await app.press("p")
        await app.press("p", "ctrl+p", *"undo")
        await app.until(lambda: "Undo the pause of file-00000.iso" in app.screen_text())


@pytest.mark.parametrize("width", [40, 80])
async def test_no_reason_is_cut_in_a_narrow_terminal(width: int) -> None:
    async with running(size=(width, 24)) as app:
        await app.fill(1)
        await app.press("full_stop")
        menu = app.app.screen.query_one(OptionList)
        await app.until(lambda: menu.highlighted is not None)
        for text in options(app):
            assert all(len(line) <= menu.size.width for line in text.splitlines()), text
        delete = next(text for text in options(app) if "Delete" in text)
        assert "there is no file to delete; this download is queued" in " ".join(delete.split())


async def test_enter_chooses_and_escape_leaves() -> None:
    async with running(size=(100, 40)) as app:
        first, *_ = await app.fill(3)
        await app.press("full_stop", "escape")
        assert not app.service.calls
        await app.press("full_stop", "down", "enter")
        assert app.called("pause") == [[first]]


async def test_enter_shows_the_details_in_the_menu_as_in_the_list() -> None:
    async with running(size=(100, 40)) as app:
        await app.fill(3)
        await app.press("full_stop")
        assert next(iter(options(app))).split() == ["Enter", "Show", "details"]
        await app.press("enter")
        assert app.main.query_one("#details").display


async def test_a_right_click_selects_and_opens_the_menu() -> None:
    async with running() as app:
        _, second, _ = await app.fill(3)
        await app.pilot.click(app.table, offset=(20, 2), button=3)
        await app.until(lambda: isinstance(app.app.screen, MenuScreen))
        assert app.table.current is not None and app.table.current.id == second


async def test_facts_are_copied_without_secrets_but_the_link() -> None:
    service = FakeService()
    async with running(service) as app:
        first, *_ = await app.fill(2)
        service.configs[first] = FileConfig(
            url=f"{service.rows[first].url}?token=secret",
            headers={"X-Api-Key": "c4nary"},
            request=RequestOptions(
                user="me:c4nary", auth="any", user_agent="Me/1 (x)", proxy="http://a:c4nary@p:3"
            ),
            hash_config=HashConfig.from_checksum_string(f"sha256:{'ab' * 32}"),
        )
        service.fail(first, HttpStatusError(404, "Not Found"))
        await app.update()

        async def copy(key: str) -> str:
            await app.press("y", key)
            await app.until(lambda: "copied." in app.messages())
            return app.app.clipboard

        name = "file-00000.iso"
        assert await copy("y") == f"https://example.org/files/{name}?token=secret"
        assert await copy("n") == name
        assert (await copy("p")).endswith(f"/{name}")
        assert await copy("h") == f"sha256:{'ab' * 32}"
        assert await copy("e") == "HTTP 404 Not Found"
        assert await copy("i") == first
        assert json.loads(await copy("j"))["download_id"] == first
        command = await copy("c")
        assert "c4nary" not in command and "secret" not in command
        assert shlex.split(command) == [
            "curl", "--location", "--output", name, "--header", "X-Api-Key: ***",
            "--user", "***", "--anyauth", "--user-agent", "Me/1 (x)", "--proxy", "http://p:3",
            f"https://example.org/files/{name}",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (FileConfig(url="http://h/disc[1-3].iso"), ["--globoff", "http://h/disc[1-3].iso"]),
        (FileConfig(url="http://h/{a,b}.iso"), ["--globoff", "http://h/{a,b}.iso"]),
        (
            FileConfig(url="http://h/a", request=RequestOptions(proxy="off")),
            ["--noproxy", "*", "http://h/a"],
        ),
        (
            FileConfig(url="http://h/a", request=RequestOptions(user_agent="x token=c4nary98")),
            ["--user-agent", "x token=***", "http://h/a"],
        ),
        *(
            (FileConfig(url="https://h/a", request=request), [*words, "https://h/a"])
            for request, words in (
                ({"interface": "wg0"}, ["--interface", "wg0"]),
                ({"ca_file": "/ca.pem"}, ["--cacert", "/ca.pem"]),
                (
                    {"client_cert": "/c.pem", "client_key": "/k.pem"},
                    ["--cert", "/c.pem", "--key", "/k.pem"],
                ),
                ({"cookies": "/c.txt", "netrc": True}, ["--cookie", "/c.txt", "--netrc"]),
                ({"ip_version": 6}, ["--ipv6"]),
                ({"allow_downgrade": False}, ["--proto-redir", "=https"]),
                ({"netrc": False, "allow_downgrade": True}, []),
            )
        ),
        (FileConfig(url="http://h/a", request={"allow_downgrade": False}), ["http://h/a"]),
    ],
)
def test_the_curl_command_does_the_same(config: FileConfig, words: list[str]) -> None:
    row = DownloadRecord.of(config, 0.0).snapshot()
    command = shlex.split(BY_ID["curl"].read(row, config))
    assert command[4:] == words


@pytest.mark.parametrize("name", RequestOptions.model_fields)
def test_the_curl_command_leaves_out_no_option(name: str) -> None:
    values = {"headers": {"X-A": "b"}, "auth": "digest", "ip_version": 6, "proxy": "http://p:1"}
    values |= {"netrc": True, "allow_downgrade": False, "user": "me:pw"}
    value = values.get(name, "/file")
    if name == "interface":
        value = "wg0"
    config = FileConfig(url="https://h/a", request=RequestOptions(**{name: value}))
    row = DownloadRecord.of(config, 0.0).snapshot()
    assert len(shlex.split(BY_ID["curl"].read(row, config))) > len(
        shlex.split(BY_ID["curl"].read(row, FileConfig(url="https://h/a")))
    )


def test_a_colon_in_the_name_of_a_certificate_is_not_the_start_of_a_password() -> None:
    request = RequestOptions(client_cert="/c:\\pw.pem")
    config = FileConfig(url="https://h/a", request=request)
    row = DownloadRecord.of(config, 0.0).snapshot()
    command = shlex.split(BY_ID["curl"].read(row, config))
    assert command[4:] == ["--cert", "/c\\:\\\\pw.pem", "https://h/a"]


async def test_a_fact_that_nothing_has_is_dim_and_several_rows_are_lines() -> None:
    async with running() as app:
        await app.fill(3)
        await app.press("y")
        assert options(app)["e     Error  there is none"]
        await app.press("h")
        await app.until(lambda: "Nothing copied: there is no hash." in app.messages())
        await app.press("space", "space", "y", "n")
        await app.until(lambda: "Name copied (2 lines)." in app.messages())
        assert app.app.clipboard == "file-00000.iso\nfile-00001.iso"


async def test_a_limit_for_the_selection_or_for_all() -> None:
    async with running(size=(100, 40)) as app:
        first, *_ = await app.fill(3)
        await app.press("L", *["down"] * 4, "enter")
        await app.until(lambda: app.called("limit_each") == [(1_000_000, [first])])
        assert app.main.event_log.lines[-1].text == f":limit 1M {first[:8]}"
        await app.press("L", "a", *"2M", "enter")
        await app.until(lambda: app.called("set_speed_limit") == [2_000_000])
        await app.press("L", "a", "0")
        await app.until(lambda: app.called("set_speed_limit") == [2_000_000, None])
        await app.press("L", "t")
        await app.until(lambda: app.called("set_slow") == [True])
        await app.press("L", "colon")
        line = app.main.query_one(CommandLine)
        await app.until(lambda: line.display)
        await app.press(*"3M", "enter")
        await app.until(lambda: (3_000_000, [first]) in app.called("limit_each"))
        await app.press("L", *"300k", "enter")
        await app.until(lambda: (300_000, [first]) in app.called("limit_each"))
        await app.until(lambda: "Speed limit is 300 kB/s for file-00000.iso" in app.messages())
        await app.update()
        await app.press("L", "enter")  # the cursor starts at the present limit
        await app.until(lambda: app.called("limit_each")[-2:] == [(300_000, [first])] * 2)
        await app.press("L", "a", "0")
        await app.until(lambda: "Speed limit is off for all downloads." in app.messages())


async def test_the_limit_is_for_all_where_the_selection_has_ended() -> None:
    async with running(size=(100, 40)) as app:
        first, *_ = await app.fill(1)
        app.service.change(first, status=DownloadStatus.FAILED)
        await app.update()
        await app.press("L")
        assert isinstance(app.app.screen, MenuScreen)
        shown = app.app.export_screenshot().replace("&#160;", " ")
        assert "Limit all together (Ended: file-00000.iso" in shown
        await app.press(*"1M", "enter")
        await app.until(lambda: app.called("set_speed_limit") == [1_000_000])
        assert not app.called("limit_each")


async def test_the_open_page_of_the_details_is_copied_whole() -> None:
    service, name = FakeService(), f"{'long-' * 40}name.iso"
    async with running(service, size=(80, 24)) as app:
        await service.add([FileConfig(url=f"https://example.org/{name}", filename=name)])
        await app.update()
        await app.press("y")
        assert not any("page" in text for text in options(app))
        await app.press("escape", "enter", "y")
        assert any("All of the page Overview" in text for text in options(app))
        await app.press("a")
        assert "Overview copied." in app.messages()
        facts = dict(line.split(maxsplit=1) for line in app.app.clipboard.splitlines())
        assert facts["Name"] == name and facts["URL"] == f"https://example.org/{name}"
        assert facts["Status"] == "○ queued"


async def test_a_single_field_of_the_open_page_is_copied() -> None:
    async with running(size=(80, 40)) as app:
        first, *_ = await app.fill(1)
        hop = Hop("https://cdn.example/a", 206, "OK", (), (("ETag", '"v1"'),))
        app.service.known_details[first] = DownloadDetails(first, "/downloads", hops=(hop,))
        await app.press("enter")
        await app.until(lambda: app.main._inspector._details is not None)
        for turns, field, value in ((0, "Resumable", "yes: it has"), (3, "ETag", '"v1"')):
            await app.press(*["tab"] * turns, "y")
            menu = app.app.screen.query_one(OptionList)
            names = [text.strip() for text in options(app)]
            menu.highlighted = next(at for at, text in enumerate(names) if text.startswith(field))
            await app.press("enter")
            await app.until(lambda: f"{field} copied." in app.messages())  # noqa: B023
            assert app.app.clipboard.startswith(value)
        await app.press("tab", "y")  # the log has no fields
        assert list(options(app))[-1].endswith("All of the page Log")
