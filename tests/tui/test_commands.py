"""The command line: what it parses, completes, counts, remembers and logs."""

from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from rheo_core.config.settings import build_settings
from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.exceptions import HttpStatusError
from rheo_core.domain.filters import Moment
from rheo_tui.action_reasons import Context
from rheo_tui.actions import ACTIONS
from rheo_tui.command_hint import hint_for
from rheo_tui.command_parser import Command, parse_command
from rheo_tui.commands import COMMANDS, CommandError, equal_command, without_secrets
from rheo_tui.completion import complete_command, complete_filter
from rheo_tui.screen_memory import ScreenMemory
from rheo_tui.widgets.command_line import CommandLine
from tests.tui.driving import Driver, running
from tests.tui.failed import facts_of
from tests.tui.fake_service import FakeService

NOW = Moment(1e9)


def row(download_id: str, host: str, **facts: Any) -> DownloadSnapshot:
    values: dict[str, Any] = {
        "id": download_id, "url": f"https://{host}/a.iso", "name": f"{download_id[:4]}.iso",
        "status": DownloadStatus.QUEUED, "reason": "", "priority": 1, "rank": 1.0,
        "total_bytes": 1_200_000_000,
    }  # fmt: skip
    return DownloadSnapshot(**{**values, **facts})


FAILED = {"status": DownloadStatus.FAILED, **facts_of(HttpStatusError(404, "Not Found"))}
ROWS = {
    each.id: each
    for each in (
        row("3fa9000000000000", "example.org", **FAILED),
        row("3fb0000000000000", "dl.example.org", total_bytes=None),
        row("7c00000000000000", "other.net", **FAILED),
    )
}
FIRST, SECOND, THIRD = ROWS


def test_commands() -> None:
    def parse(line: str) -> Command:
        return parse_command(line, ROWS, NOW)

    assert parse(":cancel 3FA") == Command("cancel", (FIRST,))
    assert parse("limit 2M") == Command("limit", rate=2_000_000)
    assert parse("limit 1.5 MB/s") == Command("limit", rate=1_500_000)
    assert parse("limit 1.5 MB/s 7c 3fb") == Command("limit", (THIRD, SECOND), rate=1_500_000)
    assert parse("limit 2M status:failed") == Command("limit", (FIRST, THIRD), rate=2_000_000)
    assert parse("limit all off") == Command("limit", for_all=True)
    assert parse("at now") == Command("at")
    assert parse("at now host:example.org") == Command("at", (FIRST, SECOND))
    assert parse("stop-after 5 GB") == Command("stop-after", size=5_000_000_000)
    assert parse("add https://example.org/a").text == "https://example.org/a"
    assert parse("retry") == Command("retry")
    assert parse("retry status:failed host:example.org") == Command("retry", (FIRST,))
    assert parse("pause all") == Command("pause", (FIRST, SECOND, THIRD))
    assert parse("priority 5 3fb0") == Command("priority", (SECOND,), number=5)
    assert parse("set max_concurrent 5") == Command("set", text="max_concurrent", value="5")
    assert parse("filter status:failed") == Command("filter", text="status:failed")
    assert parse("move up 3fb0") == Command("move", (SECOND,), text="up")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cancel 3f", "matches 2 downloads"),
        ("pause 00", "No download ID starts with “00”; to search names, type name:00."),
        ("pause zz", "No download matches “zz”."),
        ("retry status:fooo", "not valid at character 8 of “status:fooo”: “fooo” is not valid"),
        ("explode 3f", "Unknown command “explode”"),
        ("limit soon", "bytes per second such as 500K"),
        ("limit some 2M", "bytes per second such as 500K"),
        ("limit all 2M 3fa", "limit all takes only a rate"),
        ("limit 2M 00", "No download ID"),
        ("at noon", "should be a time such as 23:30"),
        ("at 2001-01-01T00:00", "should be in the future"),
        ("stop-after lots", "should be a size such as"),
        ("quit-when-done soon", "takes no argument"),
        ("add", "needs an argument"),
        ("quit now", "takes no argument"),
        ("move away", "“away” is not a place: use up, down"),
        ("priority high", "“high” is not a priority"),
        ("filter size:5", "not valid at character 5"),
        ("link 3fa9", "needs an ID and a URL"),
    ],
)
def test_bad_commands_get_one_sentence(line: str, message: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_command(line, ROWS, NOW)
    assert message in str(caught.value)
    assert str(caught.value).endswith(".")


def test_actions_are_commands() -> None:
    names = {each.id: equal_command(each, Context()).partition(" ")[0] for each in ACTIONS}
    missing = [each for each in ACTIONS if names[each.id] not in COMMANDS]
    moves = ("Move", "Tabs", "List")
    others = [each for each in missing if each.group not in moves and not each.opens_input]
    assert [each.id for each in others] == ["palette"]
    assert {"pause", "cancel", "retry", "undo", "move", "copy", "details"} <= COMMANDS.keys()
    for name, spec in COMMANDS.items():
        assert spec.name == name and spec.help.endswith(".")
        if spec.example and "3fa9" not in spec.example:
            parse_command(spec.example.replace("status:paused", "all"), ROWS | EXAMPLES, NOW)


EXAMPLES = {
    "1" * 16: row("1" * 16, "example.org", status=DownloadStatus.IN_PROGRESS),
}


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("ca", "cancel "),
        ("cancel", "cancel "),
        ("relo", "reload"),
        ("quit-w", "quit-when-done"),
        ("retry sta", "retry status:"),
        ("retry status:fa", "retry status:failed"),
        ("retry status:done,fa", "retry status:done,failed"),
        ("retry !host:dl", "retry !host:dl.example.org"),
        ("retry 7", "retry 7c000000"),
        ("limit 2M sp", "limit 2M speed<"),
        ("limit 3", ""),  # never an id in the place of a number
        ("priority 7", ""),
        ("priority 7 7", "priority 7 7c000000"),
        ("at 7", ""),
        ("set max_c", "set max_concurrent"),
        ("set max_concurrent ", "set max_concurrent 3"),
        ("set theme nor", "set theme nord"),
        ("set notify te", "set notify terminal"),
        ("set show_log ", "set show_log false"),
        ("tab fa", "tab failed"),
        ("tab Bi", "tab Big"),
        ("filter na", "filter name:"),
        ("link 3fb", "link 3fb00000"),
        ("at 23:30 host:o", "at 23:30 host:other.net"),
        ("move u", "move up"),
        ("", ""),
        ("nonsense x", ""),
        ("retry ", ""),
    ],
)
def test_the_likeliest_rest(line: str, completed: str) -> None:
    assert complete_command(line, ROWS, (), build_settings(), ["Big"]) == completed


def test_earlier_commands_are_likely_unless_they_name_ids() -> None:
    history = ("retry host:example.org", "retry 3fa90000", "limit 3M status:active")

    def complete(line: str) -> str:
        return complete_command(line, ROWS, history, build_settings())

    assert complete("retry ") == "retry host:example.org"
    assert complete("limit ") == "limit 3M status:active"
    assert complete("li") == "limit "
    assert complete("re") == "retry "  # not resume, which was never used


def test_filters_are_completed_too() -> None:
    assert complete_filter("size>1g or st", ROWS) == "size>1g or status:"
    assert complete_filter("host:dl", ROWS) == "host:dl.example.org"
    assert complete_filter("a ", ROWS) == ""


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("retry status:failed", "2 downloads, 2 hosts, 2.4 GB  ·  Queue"),
        ("retry host:example.org", "2 downloads, 2 hosts, 1.2 GB + 1 unknown"),
        ("retry 7c", "7c00.iso, 1.2 GB"),
        ("pause", "3fb0.iso"),
        ("limit", "limit [all] RATE [TARGETS]  ·  Limit"),
        ("limit 2M", "3fb0.iso"),
        ("re", "resume  reload  resume-all  retry  retry-failed  replace-links  remove  redo"),
        ("", "Tab completes"),
        ("retry status:fa", "retry [TARGETS]  ·  Queue"),
        ("reload", "reload  ·  Read"),
    ],
)
def test_the_hint_says_what_the_line_would_do(line: str, text: str) -> None:
    hint = hint_for(line, ROWS, [ROWS[SECOND]], NOW)
    assert text in hint.text and not hint.is_error


@pytest.mark.parametrize("line", ["explode", "retry status:x 3", "pause zz", "limit fast"])
def test_the_hint_names_a_mistake(line: str) -> None:
    assert hint_for(line, ROWS, (), NOW).is_error


@pytest.mark.parametrize(
    ("verb", "hint"),
    [("puase", "No such command. Similar: pause, prune"), ("xyzzy", "No such command.")],
)
def test_the_hint_names_commands_like_a_mistyped_one(verb: str, hint: str) -> None:
    assert hint_for(f"{verb} 3f", ROWS, (), NOW).text == hint


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("add https://me:c4nary@example.org/x", "add https://example.org/x"),
        ("add curl -u me:c4nary https://example.org/x", "add …"),
        (" add curl -u me:c4nary https://example.org/x", "add …"),  # as typed after the colon
        (":add curl -u me:c4nary https://example.org/x", "add …"),
        ("add https://example.org/x -H 'X-Api-Key: c4nary'", "add …"),
        (
            "link 3fa9 https://example.org/?token=c4nary9876",
            "link 3fa9 https://example.org/?token=***",
        ),
        ("set on_complete curl -u me:c4nary https://example.org", "set on_complete …"),
        ("set speed_limit 2M", "set speed_limit 2M"),
        ("retry status:failed", "retry status:failed"),
    ],
)
def test_what_is_logged_and_stored_holds_no_secret(line: str, shown: str, tmp_path: Path) -> None:
    assert without_secrets(line) == shown
    memory = ScreenMemory(tmp_path / "screen.json", commands=(line,))
    memory.save()
    stored = ScreenMemory.load(tmp_path / "screen.json").commands
    assert stored == ((line,) if line == shown else ())


# In the app


def hint(app: Driver) -> str:
    return str(app.main.query_one("#command-hint", Static).render())


def logged(app: Driver) -> list[str]:
    return [line.text for line in app.main.event_log.lines if line.text.startswith(":")]


async def test_targets_by_filter() -> None:
    async with running() as app:
        ids = await app.fill(4)
        for download_id in ids[1:3]:
            app.service.fail(download_id, HttpStatusError(404, "Not Found"))
        await app.update()
        await app.press("colon")
        app.main.query_one("#command-text", Input).value = "retry status:failed"
        await app.update()
        await app.until(lambda: "2 downloads, 1 host, 20.0 MB" in hint(app))
        await app.press("enter")
        assert app.called("retry") == [ids[1:3]]
        assert "Queued again: 2 downloads." in app.messages()
        assert not app.main.query_one(CommandLine).display


async def test_without_targets_a_command_means_the_selection() -> None:
    async with running() as app:
        first, second, _ = await app.fill(3)
        await app.command("pause")
        assert app.called("pause") == [[first]]
        await app.press("space", "space")
        await app.command("cancel")
        assert app.called("cancel") == [[first, second]]


async def test_tab_and_right_take_the_suggestion_and_stay_in_the_line() -> None:
    async with running() as app:
        await app.fill(2)
        field = app.main.query_one("#command-text", Input)
        await app.press("colon", *"retr", "tab")
        assert field.value == "retry " and app.app.focused is field
        await app.press(*"sta", "tab", *"fa", "right", "tab", "shift+tab")
        assert field.value == "retry status:failed" and app.app.focused is field


async def test_earlier_commands_come_back_with_the_arrow_and_after_a_restart(
    tmp_path: Path,
) -> None:
    memory = ScreenMemory.load(tmp_path / "screen.json")
    async with running(memory=memory) as app:
        await app.fill(2)
        await app.command("limit all 2M")
        await app.command("limit all off")
        field = app.main.query_one("#command-text", Input)
        await app.press("colon", *"dra", "up", "up", "up")
        assert field.value == "limit all 2M"
        await app.press("down", "down")
        assert field.value == "dra"
    assert ScreenMemory.load(tmp_path / "screen.json").commands == ("limit all 2M", "limit all off")


async def test_the_log_shows_the_command_of_each_action() -> None:
    async with running() as app:
        ids = await app.fill(5)
        await app.press("p", "p", "plus", "down", "space", "c", "asterisk", "t")
        first, second = ids[0][:8], ids[1][:8]
        await app.press("K")
        await app.command(f"limit 3M {second}")
        await app.command("add https://me:c4nary@example.org/x")
        assert logged(app) == [
            f":pause {first}", f":resume {first}", f":priority-up {first}", f":cancel {second}",
            ":slow", ":move up", f":limit 3M {second}", ":add https://example.org/x",
        ]  # fmt: skip
        names = [line.name for line in app.main.event_log.lines if line.text.startswith(":")]
        assert names[:5] == ["file-00000.iso"] * 3 + ["file-00001.iso", ""]
        for line in logged(app)[:6]:
            parse_command(line, app.main.model.rows)


async def test_set_changes_a_setting_at_once() -> None:
    async with running() as app:
        await app.command("set max_concurrent 5")
        await app.until(lambda: app.service.settings.max_concurrent == 5)
        assert "max_concurrent is 5 now." in app.messages()
        for line, message in (
            ("set max_concurrent 9999", "max_concurrent"),
            ("set max_concurent 5", "did you mean max_concurrent?"),
            ("set keys x", "keys is a table"),
            ("set speed_limit", "speed_limit needs a value; the current one is off"),
        ):
            await app.command(line)
            assert message in app.messages()
            assert "?." not in app.messages()
            await app.press("escape")
        assert app.service.settings.max_concurrent == 5


@pytest.mark.parametrize("name", ["schedule", "on_complete"])
async def test_none_empties_a_setting_that_is_shown_as_none(name: str) -> None:
    values = {"schedule": "08:00-18:00 2M", "on_complete": "notify-send done"}
    async with running() as app:
        await app.command(f"set {name} {values[name]}")
        await app.until(lambda: getattr(app.service.settings, name))
        await app.command(f"set {name} none")
        await app.until(lambda: not getattr(app.service.settings, name))
        await app.until(lambda: f"{name} is none now." in app.messages())


async def test_tab_and_filter_by_command() -> None:
    async with running(FakeService(tabs={"Big": "size>5m"})) as app:
        await app.fill(2)
        await app.command("tab big")
        assert app.main.model.tab.title == "Big"
        await app.command("tab nowhere")
        assert "There is no tab “nowhere”. Tabs: all, active" in app.messages()
        await app.press("escape")
        await app.command("filter name:*00001*")
        assert len(app.table.model.shown) == 1
        await app.command("filter")
        assert len(app.table.model.shown) == 2


async def test_the_target_of_a_command_is_named_in_a_tiny_terminal() -> None:
    async with running(size=(40, 10)) as app:
        first, *_ = await app.fill()
        await app.press("colon", *"cancel", "space", *first[:4])
        await app.until(lambda: "file-00000.iso, 10.0 MB" in app.screen_text())
        assert f"cancel {first[:4]}" in app.screen_text()


async def test_tab_on_an_empty_line_lists_the_commands() -> None:
    async with running(size=(80, 24)) as app:
        await app.press("colon")
        assert "Tab completes" in app.screen_text()
        await app.press("tab")
        assert "  pause  resume  priority  limit  at  move" in app.screen_text().split("\n")[-1]
        assert app.main.query_one("#command-text", Input).value == ""
        await app.press("p", "backspace")
        await app.until(lambda: "Tab completes" in app.screen_text())


async def test_the_hint_on_priorities_says_what_a_higher_number_does() -> None:
    async with running(size=(80, 24)) as app:
        await app.fill()
        await app.press("#")
        assert "higher numbers start first." in app.screen_text()
