"""Response time to keys: the app's output, replayed on a terminal emulator afterwards."""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte

from .watched import COLUMNS, LINES, App

_BY_NAME, _FIRST, _DOWN = "ss\r", "g", "j"
"""Sorted by name, rows keep their places, and none of them folds away."""
_PAUSES = (0.1, 0.4)
"""Seconds between two keys: at random, so that they meet the app's own rhythm anywhere."""
_ROW = re.compile(r"..(\d{7})\.bin")  # in the table; the log has names too, further right
_SWEEP_SECONDS = 0.1
_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 60.0


def answer_seconds(app: App, count: int) -> list[float]:
    """From each of `count` presses of a key until the cursor is seen one row further down."""
    chance = random.Random(2026)
    app.press(_BY_NAME)
    _watch_until(app, lambda: 0 in dict(_rows(app.screen())))
    app.press(_FIRST)
    _watch_until(app, lambda: _is_on_first_row(app.screen()))
    begin = len(app.painted)
    pressed = []
    for _ in range(count):
        pressed.append(app.press(_DOWN))
        app.watch(chance.uniform(*_PAUSES))
    arrivals: dict[int, float] = {}

    def have_arrived() -> bool:
        arrivals.update(_arrivals(app.painted, begin))
        return len(arrivals) >= count

    _watch_until(app, have_arrived)
    return [arrivals[at] - when for at, when in enumerate(pressed, start=1) if at in arrivals]


def _watch_until(app: App, condition: Callable[[], bool]) -> None:
    """Keep what it paints until a condition holds, or no longer than a busy machine may need."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        app.watch(_LOOK_SECONDS)
        if condition() or time.monotonic() > end:
            return


def _is_on_first_row(screen: pyte.Screen) -> bool:
    """Return True if the first row alone has the colour of the cursor."""
    colours = dict(_rows(screen))
    return 0 in colours and list(colours.values()).count(colours[0]) == 1


def _arrivals(painted: list[tuple[float, bytes]], begin: int) -> dict[int, float]:
    """When the cursor, which is on the first row at `begin`, was seen at or below each row."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    for _, data in painted[:begin]:
        stream.feed(data)
    colour = dict(_rows(screen))[0]
    best_offset = 0
    arrivals: dict[int, float] = {}
    for when, data in painted[begin:]:
        stream.feed(data)
        for row, background in _rows(screen):
            if background == colour and row > best_offset:
                arrivals |= dict.fromkeys(range(best_offset + 1, row + 1), when)
                best_offset = row
    return arrivals


def _rows(screen: pyte.Screen) -> Iterator[tuple[int, str]]:
    """Number and background of each row on the screen."""
    for y, line in enumerate(screen.display):
        if found := _ROW.match(line):
            yield int(found[1]), screen.buffer[y][found.start(1)].bg


class Sweeper:
    """Removes files that are done while its `with` block runs: memory would not hold them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._end.wait(_SWEEP_SECONDS):
            for file in self._folder.glob("*.bin"):
                file.unlink()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()
