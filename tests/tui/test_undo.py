"""Undo and redo: every change goes back step by step, and the feedback tells the truth."""

from pathlib import Path

import pytest

from rheo_core.config.settings import build_settings
from rheo_core.domain import DownloadStatus, FileConfig
from rheo_tui.action_handlers import DownloadHandlers
from rheo_tui.action_reasons import Context
from rheo_tui.services.local import LocalService
from rheo_tui.undo import UndoStack
from rheo_tui.widgets.footer import StatusFooter
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService


def state_of(app: Driver) -> object:
    """Return what undo must bring back."""
    rows = app.service.rows.values()
    return (
        {(row.id, row.status, row.priority, row.order, row.speed_limit_bps) for row in rows},
        app.service._limit,
        app.service._is_slow,
    )


KEYS = [
    ("p",), ("c",), ("x",), ("J",), ("+",), ("[",), ("t",), ("ctrl+end",),
    ("*", "p"), ("*", "c"), ("*", "x"), ("*", "+"),
]  # fmt: skip


@pytest.mark.parametrize("keys", KEYS, ids="-".join)
async def test_each_change_can_be_undone_and_redone(keys: tuple[str, ...]) -> None:
    async with running() as app:
        await app.fill(4)
        before = state_of(app)
        await app.press(*keys)
        after = state_of(app)
        assert after != before
        assert "u undo" in app.main.query_one(StatusFooter).render().plain
        await app.press("u")
        assert state_of(app) == before
        await app.press("ctrl+r")
        assert state_of(app) == after
        await app.press("u")
        assert state_of(app) == before


@pytest.mark.parametrize(("keys", "at"), [(["x"], 0), (["j", "space", "space", "x"], 1)])
async def test_the_cursor_returns_to_what_undo_brought_back(keys: list[str], at: int) -> None:
    async with running() as app:
        ids = await app.fill(5)
        first = ids[at]
        await app.press(*keys)
        await app.until(lambda: first not in app.main.model.rows)
        await app.press("G")
        assert app.main.table.current and app.main.table.current.id == ids[4]
        await app.press("u")
        await app.until(lambda: app.main.table.current and app.main.table.current.id == first)


async def test_the_cursor_stays_when_undo_brings_nothing_back() -> None:
    async with running() as app:
        ids = await app.fill(5)
        await app.press("p", "G", "u")
        assert app.main.table.current and app.main.table.current.id == ids[4]


async def test_steps_go_back_in_their_order() -> None:
    async with running() as app:
        await app.fill(4)
        states = [state_of(app)]
        for key in ("J", "plus", "p", "x", "c", "["):
            await app.press(key)
            states.append(state_of(app))
        for state in reversed(states[:-1]):
            await app.press("u")
            assert state_of(app) == state
        await app.press("u")
        assert "There is nothing to undo." in app.messages()
        for state in states[1:]:
            await app.press("ctrl+r")
            assert state_of(app) == state
        await app.press("ctrl+r")
        assert "There is nothing to redo." in app.messages()


async def test_a_new_change_ends_redo() -> None:
    async with running() as app:
        await app.fill()
        await app.press("p", "u", "c", "ctrl+r")
        assert "There is nothing to redo." in app.messages()


async def test_it_says_what_could_not_be_restored() -> None:
    async with running() as app:
        first, *_ = await app.fill(4)
        await app.press("*", "x")
        del app.service.past[first]
        await app.press("u")
        assert (
            "Undid the removal of 3 downloads; skipped 1 that has changed or is gone."
            in app.messages()
        )
        assert len(app.service.rows) == 3


async def test_it_says_that_nothing_could_be_restored() -> None:
    async with running() as app:
        first, *_ = await app.fill(1)
        await app.press("x")
        del app.service.past[first]
        await app.press("u")
        sentence = "The removal of file-00000.iso can no longer be undone."
        assert sentence in app.messages()


async def test_a_step_that_cannot_be_undone_is_skipped_with_a_sentence() -> None:
    async with running() as app:
        first, second, *_ = await app.fill(4)
        await app.press("p", "x", "x")
        assert app.main.context().undoes == "the removal of file-00001.iso"
        del app.service.past[second]
        await app.press("u")
        gone = "The removal of file-00001.iso can no longer be undone."
        assert f"{gone} Undid the removal of file-00000.iso." in app.messages()
        assert first in app.service.rows
        assert app.main.context().undoes == "the pause of file-00000.iso"
        assert app.main.context().redoes == "the removal of file-00000.iso"
        await app.press("u")
        assert "Undid the pause of file-00000.iso." in app.messages()


async def test_several_steps_that_cannot_be_undone_are_counted() -> None:
    async with running() as app:
        await app.fill(4)
        await app.press("x", "x", "x")
        app.service.past.clear()
        await app.press("u")
        assert "3 changes can no longer be undone." in app.messages()
        assert not app.main.context().undoes


async def test_commands_can_be_undone_too() -> None:
    async with running() as app:
        first, *_ = await app.fill()
        before = state_of(app)
        for command in (f"cancel {first}", f"pause {first}", "limit 1M", "limit all 2M"):
            await app.command(command)
            assert state_of(app) != before
            await app.press("u")
            assert state_of(app) == before


async def test_a_replaced_url_returns_with_its_secrets() -> None:
    service = FakeService()
    async with running(service) as app:
        first, *_ = await app.fill()
        await app.command(f"link {first[:6]} https://example.org/other.iso")
        await app.press("u")
        ((edited, config),) = app.called("edit")
        assert edited == first
        assert config.source == "https://example.org/files/file-00000.iso?token=secret"
        assert "Undid the new link of file-00000.iso." in app.messages()


async def test_nothing_changed_is_no_step() -> None:
    async with running() as app:
        await app.fill()
        await app.press("K")
        assert "Already at the top of the queue." in app.messages()
        await app.press("u")
        assert "There is nothing to undo." in app.messages()


async def test_steps_end_after_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    undo = UndoStack()
    handlers = DownloadHandlers(FakeService(), undo)
    now = 1000.0
    monkeypatch.setattr("rheo_tui.undo.time.monotonic", lambda: now)
    await handlers.do_slow(Context(is_slow=False))
    now += 300.0
    await handlers.do_slow(Context(is_slow=True))
    now += 301.0
    assert await undo.undo() == "Undid the end of slow mode."
    assert await undo.undo() == ""


async def test_a_block_of_marks_moves_together() -> None:
    async with running() as app:
        first, second, third, fourth = await app.fill(4)
        await app.press("space", "space", "J")
        assert app.table.model.shown == [third, first, second, fourth]
        await app.press("K", "K", "K")
        assert app.table.model.shown == [first, second, third, fourth]
        await app.press("ctrl+end")
        assert app.table.model.shown == [third, fourth, first, second]
        await app.press("ctrl+home")
        assert app.table.model.shown == [first, second, third, fourth]


async def test_cancelled_rows_return_on_a_real_engine(tmp_path: Path) -> None:
    from rheo_core.config.settings import build_settings
    from rheo_core.domain import FileConfig
    from rheo_tui.services.local import LocalService

    settings = build_settings(download_dir=tmp_path, max_concurrent=1)
    service = LocalService(settings, save=False, session_path=tmp_path / "session.db")
    await service.start()
    configs = [FileConfig(url=f"http://127.0.0.1:9/{at}") for at in range(50)]
    await service.add(configs)
    ids = [config.id for config in configs[1:]]
    await service.pause(ids[:10])
    undo = UndoStack()
    handlers = DownloadHandlers(service, undo)
    for change in (handlers.cancel, handlers.remove):
        assert await change(ids) == len(ids)
        words = "cancellation" if change == handlers.cancel else "removal"
        assert await undo.undo() == f"Undid the {words} of 49 downloads."
        rows = {row.id: row.status for row in (await service.snapshot()).downloads}
        assert [rows[each] for each in ids[:10]] == [DownloadStatus.PAUSED] * 10
        assert all(not rows[each].is_terminal for each in ids[10:])
    await service.close()


async def test_undo_of_a_long_list_tells_the_truth(tmp_path: Path) -> None:
    """One step for all of them; it names those that were added again or went on."""
    configs = [FileConfig(url=f"http://127.0.0.1:9/{number}") for number in range(12_000)]
    ids = [config.id for config in configs]
    service = LocalService(build_settings(download_dir=tmp_path, max_concurrent=1), save=False)
    await service._manager.open(paused=True)
    await service.add(configs)
    undo = UndoStack()
    handlers = DownloadHandlers(service, undo)
    assert await handlers.pause(ids) == 12_000
    assert await handlers.remove(ids) == 12_000
    await service.add(configs[:2_000])
    assert await undo.undo() == (
        "Undid the removal of 10,000 downloads; skipped 2,000 that have changed or are gone."
    )
    assert await undo.undo() == (
        "Undid the pause of 10,000 downloads; skipped 2,000 that have changed or are gone."
    )
    stats = (await service.snapshot()).stats
    assert (stats.total, stats.queued) == (12_000, 12_000)
    await service.close()
