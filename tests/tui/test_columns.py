"""The user's choice of columns: shown, ordered, sized by key and by mouse, and kept."""

from pathlib import Path

import pytest
from textual import events
from textual.geometry import Offset

from rheo_tui.columns import AUTOMATIC, CHOOSABLE, ColumnChoice, layout, name_key
from rheo_tui.screen_memory import ScreenMemory
from rheo_tui.screens.columns import ColumnsScreen
from tests.tui.driving import Driver, running


def ids(choice: ColumnChoice, width: int = 120) -> list[str]:
    return [place.column.id for place in layout(width, choice=choice).places[1:]]


def titles(app: Driver) -> list[str]:
    return app.lines()[0].split()


async def opened(app: Driver) -> None:
    await app.press("|")
    assert isinstance(app.app.screen, ColumnsScreen)


async def test_columns_are_hidden_shown_moved_and_reset_at_once() -> None:
    async with running(size=(120, 30)) as app:
        await app.fill()
        usual = titles(app)
        assert usual == ["Name", "Size", "Progress", "Speed", "Left", "Status"]
        await opened(app)
        await app.press("down", "space")  # the host, which this width has no space for
        assert titles(app) == ["Name", "Host", "Size", "Progress", "Speed", "Left", "Status"]
        await app.press("K")
        assert titles(app)[:2] == ["Host", "Name"]
        await app.press("space", "space", "end", "space")
        assert titles(app) == [*usual, "ID"]
        await app.press("R")
        assert titles(app) == usual
        await app.press("escape")
        assert app.app.screen is app.main


@pytest.mark.parametrize(("width", "room"), [(60, False), (120, True)])
async def test_a_column_without_room_says_so(width: int, room: bool) -> None:
    async with running(size=(width, 30)) as app:
        await opened(app)
        (speed,) = (line for line in app.screen_text().splitlines() if " Speed " in line[4:])
        assert ("no room now" in speed) is not room


def test_what_the_user_wants_to_see_is_dropped_last() -> None:
    assert "id" in ids(AUTOMATIC.toggled("id"), 78)
    assert "speed" not in ids(AUTOMATIC.toggled("id"), 78)


async def test_name_and_status_are_always_there() -> None:
    choice = AUTOMATIC
    for column_id in CHOOSABLE:
        while choice.shows(column_id) and column_id not in ("name", "status"):
            choice = choice.toggled(column_id)
    assert ids(choice) == ["name", "status"]


async def test_a_choice_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "screen.json"
    async with running(size=(120, 30), memory=ScreenMemory(file)) as app:
        await app.fill()
        await opened(app)
        await app.press("down", "down", "J", "right", "right", "end", "space", "escape")
        kept, shown = app.table.columns, titles(app)
        assert kept.width("size") == 15
    async with running(size=(120, 30), memory=ScreenMemory.load(file)) as app:
        await app.fill()
        assert app.table.columns == kept
        assert titles(app) == shown


@pytest.mark.parametrize(
    "stored",
    [
        {"order": ["id", "id", "mark", "x", 3], "shown": "id", "hidden": ["name", "status", "y"]},
        {"widths": {"size": 10_000, "x": 3, "name": 5, "left": "3", "speed": -1}},
        {"order": None, "shown": None, "hidden": None, "widths": []},
    ],
)
def test_a_damaged_choice_is_read_as_far_as_it_makes_sense(stored: dict[str, object]) -> None:
    choice = ColumnChoice.of(stored)
    assert {"name", "status"} <= set(ids(choice))
    assert sorted(choice.ids) == sorted(CHOOSABLE)
    assert ColumnChoice.of(choice.stored()) == choice


@pytest.mark.parametrize("width", [1, 20, 38, 60, 78, 118, 198])
def test_any_choice_fits_any_width(width: int) -> None:
    choice = AUTOMATIC
    for column_id in CHOOSABLE:
        choice = choice.sized(column_id, 50)
        if not choice.shows(column_id):
            choice = choice.toggled(column_id)
    places = layout(width, choice=choice).places
    assert all(place.width > 0 for place in places)
    if width >= 60:
        assert places[-1].x + places[-1].width <= width


def test_a_size_changes_only_the_name() -> None:
    before = {place.column.id: place.width for place in layout(118).places}
    sized = layout(118, choice=AUTOMATIC.sized("speed", 14))
    after = {place.column.id: place.width for place in sized.places}
    assert after == {**before, "speed": 14, "name": before["name"] + before["speed"] - 14}


async def drag(app: Driver, start: int, end: int) -> None:
    """Drag from one cell of the titles to another."""
    table = app.table
    where = table.region.offset

    def event(kind: type[events.MouseEvent], x: int) -> events.MouseEvent:
        button = 0 if kind is events.MouseMove and x == start else 1
        screen = Offset(where.x + x, where.y)
        return kind(
            table, x, 0, 0, 0, button, False, False, False, screen_x=screen.x, screen_y=screen.y
        )

    for each in (
        event(events.MouseDown, start),
        event(events.MouseMove, (start + end) // 2),
        event(events.MouseMove, end),
        event(events.MouseUp, end),
    ):
        table.post_message(each)
        await app.pilot.pause()


async def test_a_drag_of_an_edge_sizes_a_column_and_sorts_nothing(tmp_path: Path) -> None:
    memory = ScreenMemory(tmp_path / "screen.json")
    async with running(size=(120, 30), memory=memory) as app:
        await app.fill()
        before = layout(118)
        places = {place.column.id: place for place in before.places}
        edge = places["size"].x - 1  # between name and size
        await drag(app, edge, edge - 5)
        assert app.table.columns.width("size") == places["size"].width + 5
        now = {place.column.id: place for place in layout(118, choice=app.table.columns).places}
        assert now["size"].x == places["size"].x - 5  # the edge has followed the mouse
        assert now["status"] == places["status"]
        assert memory.columns == app.table.columns
        assert app.table.model.sort.column.id == "queue"
        await drag(app, places["progress"].x - 1, 0)  # too far
        assert min(place.width for place in layout(118, choice=app.table.columns).places) >= 1


def test_names_sort_as_people_count() -> None:
    names = ["", "a", "a 2", "A1", "a01b", "a2", "a10", "a10.1", "a10.9", "a10.11", "b0", "b00a"]
    names += ["IMG_2.jpg", "img_19.jpg", "IMG_100.jpg", "img_20261130_1.jpg"]
    assert sorted(set(names), key=name_key) == names
