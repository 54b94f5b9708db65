"""Following: the cursor stays on one download through all its states."""

from dataclasses import replace

import pytest

from rheo_core.domain import DownloadStatus
from rheo_tui.screens.main import MainScreen
from rheo_tui.table_model import FOLD, TableModel
from rheo_tui.widgets.header import SummaryHeader
from tests.tui.driving import Driver, running
from tests.tui.test_table_model import names, row, snapshot

STATUSES = [status for status in DownloadStatus if status is not DownloadStatus.QUEUED]


def followed() -> TableModel:
    """Return a model of three queued downloads that follows the second one."""
    model = TableModel()
    model.apply(snapshot([row(0), row(1), row(2)]))
    model.follow(row(1).id)
    return model


@pytest.mark.parametrize("status", STATUSES)
def test_it_stays_unfolded_in_every_state(status: DownloadStatus) -> None:
    model = followed()
    model.apply(snapshot([row(1, status=status)], 2))
    assert model.position(row(1).id) is not None
    model.refilter()
    assert sorted(names(model)) == ["file-0", "file-1", "file-2"]
    model.rebuild()
    assert sorted(names(model)) == ["file-0", "file-1", "file-2"]


@pytest.mark.parametrize("keys", [("4",), ("slash", *"00002")])
async def test_a_tab_or_filter_shows_its_own_rows_only(keys: tuple[str, ...]) -> None:
    async with running() as app:
        first, _, third = await app.fill()
        app.service.change(third, status=DownloadStatus.FAILED)
        app.service.change(first, status=DownloadStatus.IN_PROGRESS)
        await app.update()
        app.table.go_to_first([first])
        await app.press("ctrl+f")
        await app.press(*keys)
        assert app.table.model.shown == [third]
        assert app.table.current is not None
        assert app.table.current.id == third
        assert not _badge(app)
        assert "Stopped following file-00000.iso: it is not shown here." in app.messages()
        app.table.focus()
        await app.press("asterisk", "x")
        assert app.called("remove") == [[third]]


async def test_a_row_that_leaves_its_tab_is_followed_no_longer() -> None:
    async with running() as app:
        first, *others = await app.fill()
        await app.press("3", "ctrl+f")
        assert _badge(app)
        await _finish(app, first)
        assert app.table.model.shown == others
        assert not _badge(app)


def test_it_goes_to_its_place_afterwards() -> None:
    model = followed()
    model.apply(snapshot([row(1, status=DownloadStatus.COMPLETED)], 2))
    assert model.finished == 0
    model.follow(None)
    assert names(model) == ["file-0", "file-2"]
    assert model.id_at(2) == FOLD


def test_one_that_is_removed_is_followed_no_longer() -> None:
    model = followed()
    model.apply(replace(snapshot([], 2), removed=(row(1).id,)))
    assert model.followed is None
    model.refilter()
    assert names(model) == ["file-0", "file-2"]


def _badge(app: Driver) -> bool:
    return " following " in app.main.query_one(SummaryHeader).render().plain


async def _finish(app: Driver, download_id: str) -> None:
    app.table.model.held = False  # as two seconds after the last key
    done = app.service.rows[download_id]._replace(status=DownloadStatus.COMPLETED)
    app.service.put(done)
    await app.update()


async def test_the_cursor_stays_on_it_until_it_moves() -> None:
    async with running() as app:
        _, second, third, *_ = await app.fill(40)
        await app.press("down", "ctrl+f")
        assert _badge(app)
        await _finish(app, second)
        assert app.table.current is not None
        assert app.table.current.id == second
        assert app.table.cursor == 39  # behind all that is queued, and in sight
        assert app.table.scroll_offset.y > 0
        await app.press("up")
        assert not _badge(app)
        assert app.table.current.id != second
        assert app.table.model.position(second) is None  # folded
        await app.press("home", "down")
        assert app.table.current.id == third


@pytest.mark.parametrize("key", ["ctrl+f", "escape"])
async def test_a_key_ends_it(key: str) -> None:
    async with running() as app:
        first, second = await app.fill(2)
        await app.press("ctrl+f")
        await _finish(app, first)
        await app.press(key)
        assert not _badge(app)
        assert app.table.model.shown == [second]


async def test_what_is_done_is_not_followed() -> None:
    async with running() as app:
        (only,) = await app.fill(1)
        await _finish(app, only)
        await app.press("ctrl+f")
        assert not _badge(app)
        assert "This download is already done." in app.messages()
        assert isinstance(app.app.screen, MainScreen)
