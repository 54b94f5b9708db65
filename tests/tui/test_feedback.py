"""The line at the bottom: what a key did, to how many, and what was left out."""

import time
from collections.abc import Sequence

import pytest
from textual.widgets import Input

from rheo_core.domain import DownloadStatus, FileConfig
from rheo_core.domain.exceptions import HttpStatusError
from rheo_core.domain.hosts import HostWait
from rheo_core.domain.urls import host_of
from rheo_tui.app import RheoApp
from rheo_tui.screens.add import AddScreen
from rheo_tui.screens.confirm import ConfirmScreen
from rheo_tui.tabs import ALL, BY_ID
from rheo_tui.widgets.command_line import CommandLine
from rheo_tui.widgets.footer import StatusFooter
from rheo_tui.widgets.header import SummaryHeader
from rheo_tui.widgets.tab_bar import TabBar
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService


def footer(app: Driver) -> str:
    return app.main.query_one(StatusFooter).render().plain


async def test_a_key_says_what_it_did_until_the_next_key() -> None:
    async with running() as app:
        await app.fill()
        await app.press("p")
        assert footer(app).startswith(" Paused file-00000.iso · u undo")
        await app.press("down")
        assert "Paused" not in footer(app)


async def test_feedback_gives_way_to_the_keys_when_it_has_been_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RheoApp, "NOTIFICATION_TIMEOUT", 0.01)
    async with running() as app:
        await app.fill()
        await app.press("p")
        await app.until(lambda: not footer(app).startswith(" Paused"))
        assert "a add" in footer(app)


@pytest.mark.parametrize(("text", "stays"), [("x" * 1200, False), ("Removing: 1 of 2", True)])
async def test_a_long_sentence_and_work_that_goes_on_stay(
    monkeypatch: pytest.MonkeyPatch, text: str, stays: bool
) -> None:
    monkeypatch.setattr(RheoApp, "NOTIFICATION_TIMEOUT", 0.01)
    async with running() as app:
        shown = app.main.query_one(StatusFooter)
        shown.say("short")
        shown.say(text, stays=stays)
        await app.pilot.pause(0.1)
        assert shown.said == text


TYPING = [("slash", "Enter keep  Esc clear  Tab complete"), ("colon", "Enter run  Esc close")]


@pytest.mark.parametrize(("key", "keys"), TYPING)
async def test_an_open_line_names_its_own_keys(key: str, keys: str) -> None:
    async with running(size=(80, 24)) as app:
        await app.fill()
        before = footer(app)
        await app.press(key, "x")
        app.main.toast("A sentence.")
        await app.pilot.pause()
        assert footer(app).startswith(" A sentence. ")
        assert keys in footer(app)
        assert "pause" not in footer(app)
        await app.press("escape")
        app.main.on_key()
        assert footer(app) == before


async def test_it_says_how_many_were_left_out_and_why() -> None:
    async with running() as app:
        first, *_ = await app.fill(4)
        app.service.change(first, status=DownloadStatus.CANCELLED)
        await app.update()
        await app.press("*", "p")
        assert footer(app).startswith(" Paused 3 downloads; 1 already ended · u undo")


HELPFUL = [  # keys that help a row at 80 columns, and keys that do nothing for it
    (DownloadStatus.IN_PROGRESS, "p pause, P pause all, c cancel", "r retry, O open"),
    (DownloadStatus.QUEUED, "p pause, P pause all, c cancel", "r retry, O open"),
    (DownloadStatus.PAUSED, "p resume, S resume all, c cancel", "r retry, P pause all"),
    (DownloadStatus.FAILED, "r retry, e edit, f folder", "p pause, c cancel, O open"),
    (DownloadStatus.COMPLETED, "O open, f folder", "p pause, c cancel, e edit, r retry"),
]


@pytest.mark.parametrize(("status", "helpful", "useless"), HELPFUL)
async def test_a_narrow_screen_names_the_keys_that_help_the_current_row(
    status: DownloadStatus, helpful: str, useless: str
) -> None:
    async with running(size=(80, 24)) as app:
        (only,) = await app.fill(1)
        app.service.change(only, status=status, destination="/downloads/file-00000.iso")
        await app.update()
        await app.press("6" if status is DownloadStatus.COMPLETED else "1")
        always = ["a add", "/ filter", ". menu", "? help", "q quit"]
        assert [key for key in (*helpful.split(", "), *always) if key not in footer(app)] == []
        assert [key for key in useless.split(", ") if key in footer(app)] == []


async def test_the_smallest_screen_names_the_place_and_the_first_keys() -> None:
    async with running(size=(40, 10)) as app:
        await app.fill(26)
        assert footer(app) == " 1/26    a add  p pause  ? help  q quit "


@pytest.mark.parametrize(("keys", "done"), [(("P",), "Paused"), (("*", "c"), "Cancelled")])
async def test_it_does_not_count_what_ended_meanwhile(keys: tuple[str, ...], done: str) -> None:
    async with running() as app:
        first, *_ = await app.fill(4)
        *before, last = keys
        if before:
            await app.press(*before)
        app.service.change(first, status=DownloadStatus.COMPLETED)
        await app.press(last)
        assert footer(app).startswith(f" {done} 3 downloads; 1 already ended · u undo")


async def test_a_retry_does_not_count_what_was_queued_meanwhile() -> None:
    async with running() as app:
        first, *others = await app.fill(4)
        for row in (first, *others):
            app.service.change(row, status=DownloadStatus.FAILED)
        await app.update()
        await app.press("*")
        app.service.change(first, status=DownloadStatus.QUEUED)
        await app.press("r")
        assert footer(app).startswith(" Queued again: 3 downloads; 1 did not fail")


async def test_a_removal_offers_undo_and_the_key_works() -> None:
    async with running() as app:
        await app.fill()
        await app.press("x")
        assert footer(app).startswith(" Removed file-00000.iso · u undo")
        await app.press("u")
        assert footer(app).startswith(" Undid the removal of file-00000.iso.")
        assert len(app.service.rows) == 3


async def test_limits_of_hosts_are_shown_and_lifted() -> None:
    async with running() as app:
        ids = await app.fill(3)
        await app.press("H")
        assert footer(app).startswith(" No host limit has been lowered.")
        host = host_of(app.service.rows[ids[0]].url)
        app.service.host_waits = {host: HostWait(1, 1, "HTTP 429", time.time() + 40)}
        app.service.change(ids[0], priority=2)
        await app.update()
        row = app.service.rows[ids[1]]
        assert "host limit 1 of 1 after HTTP 429 · lifts in" in app.main.table.status_of(row)
        await app.press("H")
        assert footer(app).startswith(f" Lifted the limit of {host.removesuffix(':443')}.")
        assert app.main.table.status_of(row) == "queued"
        app.service.host_waits = {f"{n}.example:80": HostWait(1, 1, "HTTP 429") for n in range(5)}
        app.service.change(ids[0], priority=1)
        await app.update()
        await app.press("H")
        assert footer(app).startswith(
            " Lifted the limit of 0.example, 1.example, 2.example and 2 more."
        )


async def test_what_makes_no_sense_says_why() -> None:
    async with running() as app:
        await app.fill()
        await app.press("r")
        assert footer(app).startswith(" This download has not failed; it is queued.")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
async def test_a_long_sentence_takes_the_lines_that_it_needs(width: int) -> None:
    async with running(size=(width, 24)) as app:
        widget = app.main.query_one(StatusFooter)
        app.main.toast(" ".join(f"word-{at}" for at in range(24)), error=True)
        await app.pilot.pause()
        sentence = footer(app)
        assert all(f"word-{at}" in sentence for at in range(24))
        assert widget.size.height == sentence.count("\n") + 1 > 1
        await app.press("down")
        assert widget.size.height == 1


async def test_a_bad_command_is_explained_below_the_line() -> None:
    async with running() as app:
        await app.command("explode everything")
        assert "Unknown command “explode”" in footer(app)
        assert app.main.query_one(StatusFooter).size.height > 0
        assert app.main.query_one(CommandLine).display


@pytest.mark.parametrize("key", ["tab", "shift+tab"])
async def test_tab_completes_a_command_and_stays_in_the_line(key: str) -> None:
    async with running() as app:
        await app.fill()
        await app.press("colon", *"quit-w", key)
        field = app.main.query_one("#command-text", Input)
        assert field.has_focus
        assert field.value == ("quit-when-done" if key == "tab" else "quit-w")


async def test_toasts_are_for_what_happens_behind_a_dialog() -> None:
    async with running() as app:
        await app.press("a")
        await app.until(lambda: isinstance(app.app.screen, AddScreen))
        app.main.toast("The disk is full.", error=True)
        await app.pilot.pause()
        assert [notice.message for notice in app.app._notifications] == ["The disk is full."]
        await app.press("escape")
        assert "The disk is full." not in footer(app)


async def test_hostile_text_is_shown_as_text() -> None:
    async with running(size=(120, 30)) as app:
        app.main.toast("[red]a\x1b]0;b\x07c[/red]")
        await app.pilot.pause()
        assert "[red]a" in footer(app)
        assert "\x1b" not in footer(app)


async def test_tabs_by_key_and_click_and_back() -> None:
    async with running(size=(120, 30)) as app:
        first, *_ = await app.fill(5)
        app.service.fail(first, HttpStatusError(404, "Not Found"))
        await app.update()
        await app.press("4")
        assert app.table.model.shown == [first]
        assert "4 Failed 1" in app.main.query_one(TabBar).render().plain
        await app.press("2")
        assert app.table.model.shown == []
        assert any("Nothing in the tab “Active”" in line for line in app.lines())
        await app.press("escape")
        assert app.table.model.tab is BY_ID["active"]  # the next key acts in this tab
        assert app.messages() == "Press 1 to show all downloads."
        await app.press("1")
        assert app.table.model.tab is ALL
        place = app.main.query_one(TabBar).render().plain.index("4 Failed")
        await app.pilot.click(TabBar, offset=(place, 0))
        assert app.table.model.tab is BY_ID["failed"]
        await app.press("1")
        assert len(app.table.model.shown) == 5


async def test_the_fold_opens_by_key_and_click_and_stands_for_its_group() -> None:
    async with running(size=(120, 30)) as app:
        first, second, *_ = await app.fill(4)
        for done in (first, second):
            app.service.change(done, status=DownloadStatus.COMPLETED, bytes_downloaded=10_000_000)
        await app.update()
        assert "▸ 2 done   20.0 MB" in app.lines()[3]
        await app.press("G", "enter")
        assert "▾ 2 done" in app.lines()[3]
        assert "file-00000.iso" in "".join(app.lines()[4:])
        await app.pilot.click(app.table, offset=(10, 3))
        assert "▸ 2 done" in app.lines()[3]
        await app.press("p")
        assert "This download is already done." in footer(app)
        await app.press("x")
        assert sorted(app.called("remove")[0]) == sorted([first, second])
        await app.press("u")
        assert app.table.model.finished == 2


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_the_cursor_never_goes_to_the_fold_by_itself(at: int) -> None:
    async with running() as app:
        ids = await app.fill(3)
        await app.press(*["down"] * at)
        app.service.change(ids[at], status=DownloadStatus.COMPLETED)
        await app.update()
        app.table._release()
        app.table._tick()
        assert app.table.model.finished == 1
        assert app.table.current and app.table.current.id == ids[(1, 2, 1)[at]]


@pytest.mark.parametrize(
    ("key", "call", "title"),
    [("x", "remove", "Remove from the list?"), ("A", "add_again", "Download again?")],
)
async def test_a_key_on_the_fold_changes_many_downloads_only_after_a_question(
    key: str, call: str, title: str
) -> None:
    async with running() as app:
        ids = await app.fill(25)
        for done in ids[:20]:
            app.service.change(done, status=DownloadStatus.COMPLETED)
        await app.update()
        await app.press("G", key, "u")
        assert len(app.called(call)) == 1
        app.table._release()
        for done in ids[:21]:
            app.service.change(done, status=DownloadStatus.COMPLETED)
        await app.update()
        for answer in ("n", "escape", "y"):
            app.service.calls.clear()
            app.table.cursor = 4
            await app.press(key)
            await app.until(lambda: isinstance(app.app.screen, ConfirmScreen))
            assert title in (text := app.screen_text())
            assert "This changes all 21" in text
            await app.press(answer)
            if answer == "y":
                await app.until(lambda: app.called(call))
            else:
                await app.until(lambda: app.messages() == "Nothing was changed.")
                assert not app.service.calls


async def test_rows_do_not_jump_under_the_keys() -> None:
    async with running() as app:
        first, second, third = await app.fill()
        await app.press("down")
        app.service.change(third, status=DownloadStatus.IN_PROGRESS)
        await app.update()
        assert app.table.model.shown == [first, second, third]
        assert app.table.current and app.table.current.id == second
        app.table._held_until = 0.0
        app.table._tick()
        assert app.table.model.shown == [third, first, second]
        assert app.table.current and app.table.current.id == second


async def test_marks_that_are_hidden_are_counted() -> None:
    async with running(size=(120, 30)) as app:
        first, *_ = await app.fill()
        app.service.fail(first, HttpStatusError(404, "Not Found"))
        await app.update()
        await app.press("*", "4")
        header = app.main.query_one(SummaryHeader).render().plain
        assert "3 marked, 2 not shown" in header


async def test_the_header_shows_folder_space_and_quitting() -> None:
    async with running(size=(120, 30)) as app:
        header = app.main.query_one(SummaryHeader)
        await app.until(lambda: "50.0 GB free" in header.render().plain)
        await app.command("quit-when-done")
        assert "quits when done" in header.render().plain


async def test_resume_all_takes_the_place_of_pause_all() -> None:
    async with running(size=(80, 24)) as app:
        await app.fill()
        assert "P pause all" in footer(app) and "S resume all" not in footer(app)
        await app.press("P", "down")
        assert "S resume all" in footer(app) and "P pause all" not in footer(app)


@pytest.mark.parametrize(
    ("status", "was_refused"),
    [(401, False), (401, True), (403, False), (404, False), (503, False)],
)
async def test_the_keys_for_a_failed_download_stay_next_to_the_advice(
    status: int, was_refused: bool
) -> None:
    async with running(size=(80, 24)) as app:
        ids = await app.fill(1)
        error = HttpStatusError(status, "Refused", is_login_refused=was_refused)
        app.service.fail(ids[0], error)
        await app.update()
        assert "ress e " in footer(app) or "Press r " in footer(app)
        assert all(key in footer(app) for key in ("r retry", "e edit", "q quit"))


async def test_a_retry_that_fails_again_says_so_until_the_next_key() -> None:
    async with running() as app:
        ids = await app.fill(1)
        app.service.fail(ids[0], HttpStatusError(401, "Unauthorized"))
        await app.update()
        await app.press("r")
        assert footer(app).startswith(" Queued again: file-00000.iso")
        app.service.fail(ids[0], HttpStatusError(401, "Unauthorized"))
        await app.update()
        assert footer(app).startswith(" file-00000.iso failed again: 401 needs a login.")
        await app.press("r", "down")
        app.service.fail(ids[0], HttpStatusError(401, "Unauthorized"))
        await app.update()
        assert "failed again" not in footer(app)


@pytest.mark.parametrize("key", ["r", "e"])
async def test_feedback_says_that_the_download_is_done_meanwhile(key: str) -> None:
    async with running() as app:
        ids = await app.fill(1)
        app.service.fail(ids[0], HttpStatusError(401, "Unauthorized"))
        await app.update()
        await app.press(key)
        if key == "e":
            await app.until(lambda: getattr(app.app.screen, "_config", None) is not None)
            await app.press(*"me:pw", "enter")
            await app.until(lambda: app.app.screen is app.main)
        await app.until(lambda: "ueued again" in footer(app))
        app.service.change(ids[0], status=DownloadStatus.COMPLETED)
        await app.update()
        assert app.messages() == "file-00000.iso is done."


async def test_undo_says_that_a_removed_download_that_ran_waits_for_a_slot() -> None:
    class OneSlot(FakeService):
        async def restore(self, ids: Sequence[str]) -> int:
            count = await super().restore(ids)
            for each in ids:
                self.change(each, status=DownloadStatus.QUEUED)
            return count

    async with running(OneSlot(max_concurrent=1)) as app:
        first, second, third = await app.fill(3)
        app.service.change(first, status=DownloadStatus.IN_PROGRESS, bytes_downloaded=7)
        await app.update()
        await app.press("g", "x", "u")
        assert app.messages() == "Undid the removal of file-00000.iso."  # it starts at once
        await app.press("g", "x")
        app.service.change(second, status=DownloadStatus.IN_PROGRESS, bytes_downloaded=7)
        await app.press("u")
        expected = "Undid the removal of file-00000.iso. It waits for a free slot."
        assert app.messages() == expected
        await app.press("g", "x", "x")
        app.service.change(third, status=DownloadStatus.IN_PROGRESS, bytes_downloaded=7)
        await app.update()
        await app.press("u")
        assert "free slot" in app.messages()


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_a_long_name_leaves_space_for_keys(width: int) -> None:
    name = "long-name-of-a-release-with-many-words-in-it-2026-final.iso"
    config = FileConfig(url=f"https://example.org/{name}")
    async with running(configs=[config], size=(width, 24)) as app:
        await app.until(lambda: app.table.current)
        for keys, words in ((["x"], "Removed"), (["u"], "Undid"), (["plus"], "Priority is 2")):
            await app.press(*keys)
            await app.until(lambda words=words: words in footer(app))
            assert "\n" not in footer(app)
            assert "final.iso" in footer(app)
            if width > 60:
                assert "? help" in footer(app)


async def test_a_retry_that_fails_before_its_feedback_says_so_too() -> None:
    class AtOnce(FakeService):
        async def retry(self, ids: Sequence[str]) -> int:
            count = await super().retry(ids)
            self.fail(ids[0], HttpStatusError(401, "Unauthorized"))
            return count

    async with running(AtOnce()) as app:
        ids = await app.fill(1)
        app.service.fail(ids[0], HttpStatusError(401, "Unauthorized"))
        await app.update()
        await app.press("r")
        await app.until(lambda: "failed again: 401 needs a login." in footer(app))
