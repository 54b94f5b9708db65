"""The keys below a dialog."""

import pytest

from rheo_tui.widgets.keys_line import KeysLine, lines_of
from tests.tui.driving import running


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (40, ["Enter add · Tab next · Esc close"]),
        (32, ["Enter add · Tab next · Esc close"]),
        (31, ["Enter add · Tab next", "Esc close"]),
        (12, ["Enter add", "Tab next", "Esc close"]),
        (4, ["Enter add", "Tab next", "Esc close"]),
    ],
)
def test_no_line_begins_or_ends_with_a_dot(width: int, lines: list[str]) -> None:
    assert lines_of(["Enter add", "Tab next", "Esc close"], width) == lines


@pytest.mark.parametrize(
    ("width", "most", "lines"),
    [
        (32, 1, ["Enter add · Tab next · Esc close"]),
        (31, 1, ["Enter add · Esc close"]),
        (12, 2, ["Enter add", "Esc close"]),
        (12, 1, ["Esc close"]),
        (4, 1, ["Esc close"]),
    ],
)
def test_the_last_key_stays_where_others_have_no_space(
    width: int, most: int, lines: list[str]
) -> None:
    assert lines_of(["Enter add", "Tab next", "Esc close"], width, most) == lines


async def test_keys_stand_out_from_their_effects() -> None:
    async with running() as app:
        await app.fill(1)
        await app.press("s")
        line = app.app.screen.query_one(KeysLine)
        (strip,) = line.render_lines(line.size.region)
        is_bold = {segment.text.strip(): "bold" in str(segment.style) for segment in strip}
        assert is_bold["Enter"] and is_bold["Esc"]
        assert not is_bold["sort ·"] and not is_bold["close"]
