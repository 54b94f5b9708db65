"""Every screen as people see it: in all sizes, with all colours, with none, and in ASCII.

`python -m tests.tui.gallery` stores the pictures anew; look at the difference before a commit.
"""

import re
from itertools import product
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.color import Color, ColorType
from rich.segment import Segment
from textual.color import Color as Rgb
from textual.containers import Vertical
from textual.geometry import Region
from textual.screen import ModalScreen

from rheo_tui.ascii import AsciiFilter
from screenshots.svg import ODD, steady
from tests.tui.driving import Driver
from tests.tui.gallery import (
    LOOKS,
    PLAIN,
    SCENES,
    SIXTEEN,
    SIZES,
    Look,
    Scene,
    lines_of,
    on_stage,
    picture,
    stored,
)

pytestmark = pytest.mark.usefixtures("painting")

_SHRINKING = ((160, 50), (120, 36), (100, 30), (80, 24), (60, 14), (40, 10), (30, 8))
_SMALLEST = _SHRINKING[-1]
_MIN_CONTRAST = 3.0
"""WCAG 2.2, 1.4.11: what is not text must have; quiet text is held to it too."""
_DECORATION = frozenset(" ━╾─│╭╮╰╯┌┐└┘▁▂▃▄▅▆▇█▔▏▎▍▌▋▊▉▕▐")
_ASCII_DECORATION = frozenset(" +-|=")
_ANSI = {ColorType.DEFAULT, ColorType.STANDARD}

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"

Size = tuple[int, int]
_ALL = [*product(SCENES, SIZES, LOOKS)]
_SHORT = [(scene, (*SIZES, _SMALLEST)[at % 5], LOOKS[at % 4]) for at, scene in enumerate(SCENES)]
"""Each scene once, with sizes and looks in turn."""


def _name(value: object) -> str:
    return "{}x{}".format(*value) if isinstance(value, tuple) else str(getattr(value, "name", ""))


@pytest.mark.parametrize(("scene", "size", "look"), _SHORT, ids=_name)
async def test_a_picture_of_every_screen(scene: Scene, size: Size, look: Look) -> None:
    async with on_stage(scene, size, look) as app:
        _check_picture(app, scene, size, look)


@pytest.mark.long
@pytest.mark.parametrize(("scene", "size", "look"), [e for e in _ALL if e not in _SHORT], ids=_name)
async def test_every_picture(scene: Scene, size: Size, look: Look) -> None:
    async with on_stage(scene, size, look) as app:
        _check_picture(app, scene, size, look)


@pytest.mark.long
@pytest.mark.parametrize("scene", SCENES, ids=_name)
async def test_every_screen_shrinks_and_grows(scene: Scene) -> None:
    async with on_stage(scene, _SHRINKING[0]) as app:
        for size in (*_SHRINKING, *reversed(_SHRINKING)):
            await _resize(app, size)
            _check_fits(app, size)


async def _resize(app: Driver, size: Size) -> None:
    await app.pilot.resize_terminal(*size)
    await app.until(lambda: len(lines_of(app)) == size[1])
    await app.update()


def _check_picture(app: Driver, scene: Scene, size: Size, look: Look) -> None:
    _check_fits(app, size)
    _check_colours(app, look)
    shown = picture(app)
    if look is PLAIN:
        assert shown.isascii()
    if size in SIZES:
        expected = stored(scene)[_name(size)]
        if look is PLAIN:
            shown, expected = _blanked(shown), _blanked(_ascii(expected))
        assert shown == expected


def _ascii(text: str) -> str:
    return "".join(each.text for each in AsciiFilter().apply([Segment(text)], Rgb(0, 0, 0)))


def _blanked(text: str) -> str:
    """Return a text without what differs: parts of scrollbars, and halves of wide characters."""
    return "\n".join(line.replace("?", " ").rstrip() for line in text.split("\n"))


def _check_fits(app: Driver, size: Size) -> None:
    """Check that nothing is wider than the screen, and that a dialog and its keys are in sight."""
    lines = lines_of(app)
    assert len(lines) == size[1]
    assert {cell_len(line) for line in lines} == {size[0]}
    if isinstance(app.app.screen, ModalScreen):
        whole = Region(0, 0, *size)
        for dialog in app.app.screen.query(".dialog").results(Vertical):
            assert whole.contains_region(dialog.region), size
            for keys in dialog.query(".dialog-keys"):
                inside = dialog.region.shrink(dialog.gutter)
                assert not keys.display or inside.contains_region(keys.region), size
            focused = app.app.focused
            assert focused is None or focused.region.area, size
    else:
        # Next to an advice, the keys for the failed download come first, and then the help. While
        # a line is typed, its own keys are there.
        is_footer = any(keys in lines[-1] for keys in ("quit", "? help", "Esc clear"))
        assert is_footer or ":" in lines[-1] or ":" in lines[-2], size


def _check_colours(app: Driver, look: Look) -> None:
    screen = app.app.screen
    dialogs = [*screen.query(".dialog, #--input")] if isinstance(screen, ModalScreen) else []
    part = dialogs[0].region if dialogs else screen.region  # what a dialog covers is dimmed
    for y, strip in enumerate(screen._compositor.render_strips()):
        if not part.y <= y < part.bottom:
            continue
        for text, style, _ in strip.crop(part.x, part.right):
            if style is None or not set(text) - (
                _ASCII_DECORATION if look is PLAIN else _DECORATION
            ):
                continue
            colours = [each for each in (style.color, style.bgcolor) if each is not None]
            if look is SIXTEEN:
                assert {each.type for each in colours} <= _ANSI, (y, text, style)
                continue
            if look is PLAIN:
                assert all(len({*each.get_truecolor()}) == 1 for each in colours), (y, text, style)
            if len(colours) == 2:
                assert _contrast(*colours) >= _MIN_CONTRAST, (y, text, style)


def _contrast(first: Color, second: Color) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2)."""
    darker, brighter = sorted(map(_luminance, (first, second)))
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color) -> float:
    parts = (each / 255 for each in colour.get_truecolor())
    linear = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_characters_of_another_font_have_places_of_their_own_in_pictures() -> None:
    text = '<text class="r1" x="12.2" y="20" textLength="109.8" clip-path="url(#c)">'
    picture = steady(f"{text}&#160;a&lt;⣿⣤&#160;東.zip</text>")
    shown = re.findall(r'x="([\d.]+)" y="20" textLength="([\d.]+)" clip-[^>]*>([^<]*)<', picture)
    assert shown == [
        ("12.2", "36.6", "&#160;a&lt;"),
        ("48.8", "12.2", "⣿"),
        ("61", "12.2", "⣤"),
        ("73.2", "12.2", "&#160;"),
        ("85.4", "24.4", "東"),
        ("109.8", "48.8", ".zip"),
    ]


@pytest.mark.parametrize("path", sorted(SCREENSHOTS.glob("*.svg")), ids=lambda path: path.stem)
def test_pictures_of_the_readme_are_steady(path: Path) -> None:
    texts = re.findall(">([^<>]+)</text>", path.read_text("utf-8"))
    assert [text for text in texts if ODD.search(text) and len(text) > 1] == []
