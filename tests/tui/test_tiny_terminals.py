"""Terminals that are too small to show anything, for a moment or longer: nothing ends the app."""

from collections.abc import Sequence

import pytest
from textual.app import App, ComposeResult

from rheo_tui.widgets.choice_list import ChoiceList
from tests.tui.driving import running
from tests.tui.gallery import SCENES, Scene, lines_of, on_stage

Size = tuple[int, int]
_SIZES = ((1, 1), (2, 2), (5, 3), (1, 40), (100, 3))
"""Columns and lines."""
_USUAL = (100, 30)
_KEYS = ("pagedown", "pageup", "end", "home")


_ONE_SIZE = [(scene, _SIZES[at % 5]) for at, scene in enumerate(SCENES)]


def _name(value: object) -> str:
    return value.name if isinstance(value, Scene) else ""


@pytest.mark.parametrize(("scene", "size"), _ONE_SIZE, ids=_name)
@pytest.mark.halved("scene")
async def test_every_screen_survives_a_size(scene: Scene, size: Size) -> None:
    await _check_survival(scene, [size])


@pytest.mark.long
@pytest.mark.parametrize("scene", SCENES, ids=_name)
async def test_every_screen_survives_every_size(scene: Scene) -> None:
    await _check_survival(scene, _SIZES)


async def _check_survival(scene: Scene, sizes: Sequence[Size]) -> None:
    async with on_stage(scene, _USUAL) as app:
        for size in (*sizes, _USUAL):
            await app.pilot.resize_terminal(*size)
            await app.pilot.press(*_KEYS)
        await app.update()
        assert len(lines_of(app)) == _USUAL[1]


@pytest.mark.parametrize("size", _SIZES, ids=lambda size: "{}x{}".format(*size))
@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.halved("size", "count")
async def test_the_app_starts_in_every_size(size: tuple[int, int], count: int) -> None:
    async with running(size=size) as app:
        await app.fill(count)
        await app.press(*_KEYS)
        await app.pilot.resize_terminal(*_USUAL)
        await app.until(lambda: "quit" in lines_of(app)[-1])


@pytest.mark.parametrize("size", _SIZES, ids=lambda size: "{}x{}".format(*size))
async def test_a_filter_without_a_match_survives_every_size(size: tuple[int, int]) -> None:
    async with running() as app:
        await app.fill()
        await app.press("slash", *"zzz", "enter")
        await app.pilot.resize_terminal(*size)
        app.service.advance(1)
        await app.update()
        await app.pilot.resize_terminal(*_USUAL)
        await app.until(lambda: any("No download matches" in line for line in lines_of(app)))


@pytest.mark.parametrize("first", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize("keys", [["ctrl+p"], ["full_stop"], ["s"], ["comma"]])
async def test_a_list_of_choices_survives_every_width(keys: list[str], first: int) -> None:
    async with running() as app:
        await app.press(*keys)
        for width in range(first, 16, 2):
            await app.pilot.resize_terminal(width, 30)
        await app.pilot.resize_terminal(*_USUAL)
        await app.update()
        assert len(lines_of(app)) == _USUAL[1]


class _Chooser(App[None]):
    def compose(self) -> ComposeResult:
        yield ChoiceList("one", "two", "three", compact=True)

    def on_mount(self) -> None:
        choices = self.query_one(ChoiceList)
        choices.highlighted = 0
        choices.action_page_down()  # before the first layout
        choices.action_page_up()


_ROOMS = {
    "height: 0": 0,
    "height: 2; border: solid white": 0,
    "display: none": 0,
    "width: 3": 2,
    "height: 1": 1,
    "": 2,
}
"""Styles of a list, and the option on which it is after PageDown."""


@pytest.mark.parametrize("style", _ROOMS)
async def test_page_keys_of_a_list_without_room_do_nothing(style: str) -> None:
    class Styled(_Chooser):
        CSS = f"ChoiceList {{ {style} }}"

    app = Styled()
    async with app.run_test() as pilot:
        choices = app.query_one(ChoiceList)
        choices.focus()
        await pilot.press("pagedown")
        assert choices.highlighted == _ROOMS[style]
        await pilot.press("pageup")
        assert choices.highlighted == 0
