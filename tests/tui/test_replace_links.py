"""Replace the links of failed downloads together."""

import asyncio

import pytest
from textual.widgets import Static, TextArea

from rheo_core.domain import DownloadError, DownloadStatus, FileConfig
from rheo_core.domain.exceptions import HttpStatusError
from rheo_tui.screens.links import Link, LinksScreen, read_links
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService
from tests.tui.test_typed_ahead import type_at_once

NEW = "https://cdn.example/file?sig=new"


class SlowService(FakeService):
    """Sends the options of downloads when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def config_of(self, download_id: str) -> FileConfig | None:
        await self.may_answer.wait()
        return await super().config_of(download_id)


async def failed(app: Driver, count: int = 3) -> list[str]:
    ids = await app.fill(count)
    for each in ids[1:]:
        app.service.fail(each, HttpStatusError(403, "Forbidden"))
    await app.update()
    return ids[1:]


async def area(app: Driver) -> TextArea:
    await app.until(lambda: isinstance(app.app.screen, LinksScreen))
    await app.until(lambda: app.app.screen.query(TextArea))
    return app.app.screen.query_one(TextArea)


def problem(app: Driver) -> str:
    return str(app.app.screen.query_one("#links-problem", Static).render())


async def test_a_group_gets_new_links_that_can_be_taken_back() -> None:
    async with running() as app:
        first, second = await failed(app)
        before = [await app.service.config_of(each) for each in (first, second)]
        await app.press("!", "E")
        box = await area(app)
        assert box.text.splitlines() == [each.source for each in before if each]
        box.text = f"{NEW}1\n{NEW}2\n"
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        saved = dict(app.called("edit"))
        assert [saved[each].source for each in (first, second)] == [f"{NEW}1", f"{NEW}2"]
        await app.until(lambda: "Replaced 2 links. Queued again: 2 downloads." in app.messages())
        app.service.calls.clear()
        await app.press("u")
        await app.until(lambda: len(app.called("edit")) == 2)
        assert dict(app.called("edit")) == dict(zip((first, second), before, strict=True))


async def test_a_wrong_line_is_named_and_nothing_typed_is_lost() -> None:
    async with running() as app:
        await failed(app)
        await app.press("!", "E")
        box = await area(app)
        box.text = f"{NEW}\nnonsense\n"
        await app.until(lambda: "Line 2, file-00002.iso: " in problem(app))
        assert "'nonsense' has no scheme" in problem(app)
        await app.press("enter")
        assert box.cursor_location == (1, 0) and not app.called("edit")
        await app.press("escape", "!", "E")
        box = await area(app)
        assert box.text == f"{NEW}\nnonsense\n"
        box.text = NEW
        await app.until(lambda: "one line for each of the 2 links, not 1 line" in problem(app))
        await app.press("enter")
        assert box.text == NEW and not app.called("edit")
        box.text = f"{NEW}\n{NEW}2"
        await app.until(lambda: not problem(app))
        app.service.fail_with = DownloadError("the disk is full")
        await app.press("enter")
        await app.until(lambda: problem(app) == "the disk is full.")
        assert box.text == f"{NEW}\n{NEW}2"


async def test_only_changed_links_of_failed_downloads_are_replaced() -> None:
    async with running() as app:
        first, second = await failed(app)
        await app.press("*", ".", "E")  # the first of the three has not failed
        box = await area(app)
        assert len(box.text.splitlines()) == 2
        await app.press("enter")
        assert problem(app) == "No link has changed."
        box.text = "\n".join((NEW, *box.text.splitlines()[1:]))
        await app.press("ctrl+s")
        await app.until(lambda: app.app.screen is app.main)
        assert [each for each, _ in app.called("edit")] == [first]
        for each in (first, second):
            app.service.change(each, status=DownloadStatus.QUEUED)
        await app.update()
        await app.press("E")
        assert "No marked download has failed." in app.messages()


async def test_links_are_replaced_from_the_command_line() -> None:
    async with running() as app:
        _, second = await failed(app)
        await app.command(f"replace-links {second[:6]}")
        assert len((await area(app)).text.splitlines()) == 1


@pytest.mark.usefixtures("patient_keys")
async def test_text_for_the_links_may_be_typed_before_they_are_there() -> None:
    async with running(service := SlowService()) as app:
        await failed(app)
        await app.press("*")
        type_at_once(app, "E", "x")  # x would remove downloads
        await app.pilot.pause()
        service.may_answer.set()
        box = await area(app)
        await app.until(lambda: box.text.startswith("x"))
        assert not app.called("remove")


@pytest.mark.parametrize("text", ["", "\n", "http://x/\n\nhttp://y/", "http://x/\nhttp://y/\nz"])
def test_each_download_needs_a_line(text: str) -> None:
    links = [Link(each, each, FileConfig(url=f"http://x/{each}")) for each in "ab"]
    changed, mistakes = read_links(text, links)
    assert not changed and list(mistakes) == [0]
