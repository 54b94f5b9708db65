"""Format sizes, speeds, times and bars for the screen. Widths are in terminal cells."""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate, takewhile
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from rheo_core.domain.text import printable
from rheo_core.domain.units import count_text as count_text  # for the screens, from here
from rheo_core.domain.units import duration_text as duration_text
from rheo_core.domain.units import limit_text as limit_text
from rheo_core.domain.units import size_text as size_text
from rheo_core.domain.units import speed_text as speed_text
from rheo_core.user_files import user_folder

_ELLIPSIS = "…"
_MAX_EXTENSION_WIDTH = 10
_MAX_NAME_WIDTH = 28
"""Cells of a name in a line of feedback."""
_BRAILLE = 0x2800
_LEFT_DOTS = (0x00, 0x40, 0x44, 0x46, 0x47)
_RIGHT_DOTS = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
_HIGHEST_DOTS = 0x09
_LIMIT_IN_SIGHT = 2.0
"""Multiple of the peak above which a limit is not drawn, because it would flatten the graph."""


def clock_text(timestamp: float | None) -> str:
    """Format seconds since the epoch as local date and time; "" for None."""
    if timestamp is None:
        return ""
    return datetime.fromtimestamp(timestamp).strftime("%Y-%m-%d %H:%M:%S")


def with_tilde(text: str) -> str:
    """Return a text with `~` in place of the user's home folder."""
    return text.replace(str(user_folder(Path.home)), "~")


def sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def short_path(path: Path) -> str:
    """Return a path with `~` in place of the user's home folder."""
    home = user_folder(Path.home)
    return str(Path("~") / path.relative_to(home)) if path.is_relative_to(home) else str(path)


def fraction_done(done: int, total: int | None) -> float | None:
    """Return the progress from 0.0 to 1.0, or None if the size is unknown."""
    if total is None:
        return None
    return 1.0 if total <= 0 else min(done / total, 1.0)


def percent_text(fraction: float) -> str:
    """Format a fraction in four cells; `100%` only for a complete file."""
    return f"{math.floor(fraction * 100):3d}%"


def bar_text(fraction: float, width: int) -> tuple[str, str]:
    """Return a bar of `width` cells in half-cell steps, as its filled part and the rest.

    The rest is a thinner line, so that the bar can be read without colours.
    """
    full, half = divmod(round(max(0.0, min(fraction, 1.0)) * width * 2), 2)
    filled = "━" * full + "╾" * half
    return filled, "─" * (width - len(filled))


def moving_bar_text(phase: int, width: int) -> tuple[str, str, str]:
    """Return a bar for an unknown size: a piece at the place `phase`, and the parts around it."""
    piece = max(width // 4, 1)
    turn = max(width - piece, 1)
    at = phase % (2 * turn)
    at = min(at, 2 * turn - at, width - piece)  # to the end and back
    return "─" * at, "━" * piece, "─" * (width - at - piece)


def limit_in_sight(limit: int | None, peak: float) -> int | None:
    """Return a speed limit if a graph that rises to `peak` has space for it as a line."""
    return limit if limit is not None and limit <= _LIMIT_IN_SIGHT * peak else None


def graph_text(values: Sequence[float], width: int, top: float, *, has_line: bool = False) -> str:
    """Return the last values as a graph of `width` cells, two values in each (braille).

    Args:
        values: the samples, oldest first.
        width: cells of the graph.
        top: the value of full height.
        has_line: True to draw a line at the top, which values of full height touch from below.
    """
    heights = _heights(values, width, top, 3 if has_line else 4)
    return _graph_row(heights, 0, _HIGHEST_DOTS if has_line else 0)


def graph_lines(values: Sequence[float], width: int, rows: int, top: float) -> list[str]:
    """Return a graph like that of `graph_text` on several rows, the highest first."""
    heights = _heights(values, width, top, 4 * rows)
    return [_graph_row(heights, 4 * row) for row in range(rows - 1, -1, -1)]


def _heights(values: Sequence[float], width: int, top: float, most: int) -> list[int]:
    """Return the heights of the last values in dots, two for each cell of `width`."""
    samples = [0.0] * max(0, 2 * width - len(values)) + list(values[-2 * width :])
    return [_dots(value, top, most) for value in samples] if width > 0 else []


def _graph_row(heights: Sequence[int], below: int, line: int = 0) -> str:
    """Return the dots from the height `below` on, four high, and those of `line` in each cell."""
    inside = [max(0, min(height - below, 4)) for height in heights]
    pairs = zip(inside[::2], inside[1::2], strict=True)
    dots = (_LEFT_DOTS[left] | _RIGHT_DOTS[right] | line for left, right in pairs)
    return "".join(chr(_BRAILLE + each) for each in dots)


def _dots(value: float, top: float, most: int) -> int:
    """Return a height of 0 to `most` dots; a positive value has at least one."""
    if value <= 0 or top <= 0:
        return 0
    return max(1, min(most, round(value / top * most)))


def size_pair_text(done: int, total: int | None) -> str:
    """Return the bytes done of all in one unit: `5.3 / 8.0 MB`.

    Only the size is shown before the first and after the last byte.
    """
    number, _, unit = size_text(done if total is None else total).partition(" ")
    if total is None or done >= total or done == 0:
        return f"{_short(number, 3)} {unit}" if done or total is not None else ""
    factor = total / float(number.replace(",", ""))
    part = f"{done:,}" if unit == "B" else f"{done / factor:.1f}"
    return f"{_short(part, 4)} / {_short(number, 3)} {unit}"


def _short(number: str, digits: int) -> str:
    """Return a number without its fraction if it is longer than `digits`."""
    return f"{float(number.replace(',', '')):,.0f}" if len(number) > digits else number


def time_left_text(seconds: float) -> str:
    """Return a rough duration in words: `42 s`, `34 min`, `2 h 10 min`, `3 days`.

    For the header, where an estimate for a whole run must not flicker. Columns and facts of one
    download use the exact and narrow `duration_text`.
    """
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minute = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minute} min" if minute else f"{hours} h"
    days = round(hours / 24)
    return f"{days:,} days" if days > 1 else "1 day"


def facts_that_fit(facts: Sequence[str], width: int) -> str:
    """Return the first facts that fit into a line of `width` cells, and at least one."""
    lines = accumulate(facts, lambda line, fact: f"{line} · {fact}")
    return max(takewhile(lambda line: cell_len(line) <= width, lines), key=len, default=facts[0])


def fit(text: str, width: int) -> str:
    """Fit `text` into exactly `width` cells: cut its end, or pad it with spaces."""
    if text.isascii():
        if len(text) <= width:
            return text.ljust(width)
    elif cell_len(text) <= width:
        return set_cell_size(text, width)
    if width <= 1:
        return _ELLIPSIS[:width]
    return set_cell_size(set_cell_size(text, width - 1).rstrip() + _ELLIPSIS, width)


def fit_right(text: str, width: int) -> str:
    """Fit `text` like `fit`, aligned to the right."""
    return " " * (width - cell_len(text)) + text if cell_len(text) <= width else fit(text, width)


def fit_middle(text: str, width: int) -> str:
    """Fit `text` into exactly `width` cells; cut its middle, so that the extension stays."""
    if (len(text) if text.isascii() else cell_len(text)) <= width or width < 8:
        return fit(text, width)
    extension = text[text.rfind(".") :] if "." in text else ""
    tail_width = (width - 1) // 3
    if len(extension) <= _MAX_EXTENSION_WIDTH:
        tail_width = max(tail_width, cell_len(extension))
    tail = _last_cells(text, min(tail_width, width - 3))
    # Half of a wide character at the cut becomes a blank; move the blank to the end.
    head = set_cell_size(text, width - 1 - cell_len(tail)).rstrip()
    return set_cell_size(head + _ELLIPSIS + tail, width)


def short_name(name: str) -> str:
    """Return a name for a line of feedback, cut so that the keys beside it stay in sight."""
    return fit_middle(printable(name), min(cell_len(printable(name)), _MAX_NAME_WIDTH))


def _last_cells(text: str, width: int) -> str:
    start = len(text)
    used = 0
    while start > 0:
        used += cell_len(text[start - 1])
        if used > width:
            break
        start -= 1
    return text[start:]


def rate_input(bytes_per_second: int) -> str:
    """Format an exact rate as users type it: `500K`, `2M`, `1234`."""
    for unit, factor in (("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if bytes_per_second % factor == 0:
            return f"{bytes_per_second // factor}{unit}"
    return str(bytes_per_second)


def at_most_names(names: Sequence[str], count: int) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more:,} more" if more > 0 else "")
