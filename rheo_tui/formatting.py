"""Format sizes, speeds, times and bars for the screen; widths are in terminal cells."""

import math
from datetime import datetime

from rich.cells import cell_len, set_cell_size

from rheo_core.domain.sizes import duration_text as duration_text  # for the screens, from here
from rheo_core.domain.sizes import limit_text as limit_text
from rheo_core.domain.sizes import size_text as size_text
from rheo_core.domain.sizes import speed_text as speed_text

_ELLIPSIS = "…"
_SPARKS = "▁▂▃▄▅▆▇█"
_MAX_EXTENSION_WIDTH = 10


def clock_text(timestamp: float | None) -> str:
    """Format seconds since the epoch as local date and time; "" for None."""
    if timestamp is None:
        return ""
    return datetime.fromtimestamp(timestamp).strftime("%Y-%m-%d %H:%M:%S")


def fraction_done(done: int, total: int | None) -> float | None:
    """Return the progress from 0.0 to 1.0, or None if the size is unknown."""
    if total is None:
        return None
    return 1.0 if total <= 0 else min(done / total, 1.0)


def percent_text(fraction: float) -> str:
    """Format a fraction in four cells; `100%` only for a complete file."""
    return f"{math.floor(fraction * 100):3d}%"


def bar_text(fraction: float, width: int) -> tuple[str, str]:
    """Return a bar of `width` cells in half-cell steps, as its filled part and the rest."""
    full, half = divmod(round(max(0.0, min(fraction, 1.0)) * width * 2), 2)
    filled = "━" * full + "╸" * half
    return filled, "━" * (width - len(filled))


def sparkline_text(values: list[float], width: int) -> str:
    """Return the last `width` values as small columns; the highest has full height."""
    shown = values[-width:]
    top = max(shown, default=0.0)
    if top <= 0:
        return " " * width
    steps = len(_SPARKS) - 1
    line = "".join(_SPARKS[round(value / top * steps)] for value in shown)
    return line.rjust(width)


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


def _last_cells(text: str, width: int) -> str:
    start = len(text)
    used = 0
    while start > 0:
        used += cell_len(text[start - 1])
        if used > width:
            break
        start -= 1
    return text[start:]


def count_text(count: int, noun: str = "download") -> str:
    """Format a number with its noun: `1 download`, `10,000 downloads`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def rate_input(bytes_per_second: int) -> str:
    """Format an exact rate as users type it: `500K`, `2M`, `1234`."""
    for unit, factor in (("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if bytes_per_second % factor == 0:
            return f"{bytes_per_second // factor}{unit}"
    return str(bytes_per_second)
