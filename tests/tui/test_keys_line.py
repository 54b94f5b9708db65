"""The keys below a dialog."""

import pytest

from rheo_tui.widgets.keys_line import lines_of


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
