"""Format the header lines of the app for any width."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len

from .formatting import (
    bar_text,
    count_text,
    fit_middle,
    graph_text,
    limit_in_sight,
    limit_text,
    percent_text,
    size_text,
    speed_text,
    time_left_text,
)
from .totals import fraction_of


class Span(NamedTuple):
    """A text in one style, a component class of the header without its prefix."""

    text: str
    style: str = "quiet"


@dataclass(frozen=True, slots=True)
class Part:
    """Spans that are shown together; those with the highest `rank` are left out first."""

    rank: int
    spans: tuple[Span, ...]

    @property
    def width(self) -> int:
        """Width in cells."""
        return sum(cell_len(span.text) for span in self.spans)


@dataclass(frozen=True, slots=True)
class Summary:
    """Numbers and names in the header. Sizes are in bytes, speeds in bytes/s."""

    folder: str = ""
    free: int | None = None
    badge: str = ""  # the kind of session in a word, such as "read-only"
    busy: int = 0
    slots: int = 0
    connections: int = 0
    limit: int | None = None
    limit_reason: str = ""
    stop_after: int | None = None  # bytes until everything pauses
    is_offline: bool = False  # downloads wait for the network
    quits_when_done: bool = False
    reading: int = 0  # downloads read so far, while the session is read
    marked: int = 0
    hidden_marks: int = 0
    marks_range: bool = False  # the cursor marks rows as it moves
    follows: bool = False  # the cursor follows a download
    done: int = 0
    total: int = 0
    guessed: int | None = 0  # bytes that downloads of unknown size may add
    left: int = 0
    guessed_left: int | None = 0  # bytes of `guessed` that will arrive
    slowest: float = 0.0  # seconds until the slowest active download completes
    unknown: int = 0
    failed: int = 0
    speed: float = 0.0
    mean_speed: float = 0.0  # of the last seconds, for the time left
    samples: tuple[float, ...] = ()  # one a second, oldest first

    @property
    def fraction(self) -> float | None:
        """See `fraction_of`."""
        return fraction_of(self.done, self.total, self.guessed)

    @property
    def time_left(self) -> str:
        """Time until all bytes have arrived: `34 min`, `~34 min` with a guess; "" if unknown."""
        if self.guessed_left is None:
            return ""
        left = self.left + self.guessed_left
        # The mean has seconds from before a limit was lowered.
        speed = self.mean_speed if self.limit is None else min(self.mean_speed, self.limit)
        if not left or speed < 1:
            return ""
        about = "~" if self.guessed_left else ""
        return about + time_left_text(max(left / speed, self.slowest))


NAME = Part(0, (Span(" rheo ", "name"),))
_GAP, _DOT = "  ", " · "
_MIN_BAR, _MIN_FOLDER = 10, 10
_GRAPH = 12
_MIN_GRAPH_WIDTH = 100


def header_lines(summary: Summary, width: int, height: int) -> list[list[Span]]:
    """Return the lines of the header.

    Args:
        summary: what to show.
        width: cells of each line.
        height: 2, or 1 for a low screen.
    """
    if height == 1:
        return [_one_line(summary, width)]
    return [_state_line(summary, width), _progress_line(summary, width)]


def _state_line(summary: Summary, width: int) -> list[Span]:
    """Return name, folder and marks on the left; slots, connections and limits on the right."""
    left = [NAME, *_badges(summary)]
    right = [*_work(summary), *_limits(summary)]
    used = sum(part.width + len(_GAP) for part in left) + _joined_width(right)
    free = "" if summary.free is None else f"{size_text(summary.free)} free"
    room = width - used - len(free) - len(_DOT) - 6
    if summary.folder and room >= _MIN_FOLDER:
        folder = fit_middle(summary.folder, min(room, cell_len(summary.folder)))
        left.append(Part(4, (Span(folder, "plain"), Span(f"{_DOT}{free}" if free else ""))))
    elif free:
        left.append(Part(4, (Span(free),)))
    return spread(left, right, width)


def _badges(summary: Summary) -> list[Part]:
    parts = []
    if summary.badge:
        parts.append(Part(0, (Span(f" {summary.badge} ", "badge"),)))
    if summary.is_offline:
        parts.append(Part(0, (Span(" network down ", "badge"),)))
    if summary.reading:
        parts.append(Part(1, (Span(f"Reading your list… {summary.reading:,}", "paused"),)))
    if summary.marks_range:
        parts.append(Part(1, (Span(" marking ", "badge"),)))
    if summary.follows:
        parts.append(Part(1, (Span(" following ", "badge"),)))
    if summary.marked:
        hidden = f", {summary.hidden_marks:,} not shown" if summary.hidden_marks else ""
        parts.append(Part(1, (Span(f"◆ {summary.marked:,} marked{hidden}", "paused"),)))
    return parts


def _work(summary: Summary) -> list[Part]:
    parts = []
    if summary.slots:
        style = "plain" if summary.busy else "quiet"
        parts.append(Part(2, (Span(f"{summary.busy} of {summary.slots} slots", style),)))
    if summary.connections:
        parts.append(Part(5, (Span(count_text(summary.connections, "connection"), "plain"),)))
    return parts


def _limits(summary: Summary) -> list[Part]:
    """Return the conditions that delay the downloads, or will stop them."""
    parts = []
    if summary.limit is not None or summary.limit_reason:
        rate = "no limit" if summary.limit is None else f"limit {limit_text(summary.limit)}"
        why = summary.limit_reason
        why = f" (schedule, {why})" if why.startswith("until") else f" ({why})" if why else ""
        parts.append(Part(1, (Span(rate, "paused"), Span(why, "quiet"))))
    if summary.stop_after is not None:
        parts.append(Part(1, (Span(f"stops after {size_text(summary.stop_after)}", "paused"),)))
    if summary.quits_when_done:
        parts.append(Part(1, (Span("quits when done", "paused"),)))
    return parts


def _progress_line(summary: Summary, width: int) -> list[Span]:
    """Return a bar of all bytes, what is left, and the speed with its graph."""
    parts = [*_progress_parts(summary), *_speed_parts(summary, width)]
    return bar_line(summary.fraction, parts, width)


def bar_line(fraction: float | None, parts: Sequence[Part], width: int) -> list[Span]:
    """Return a bar, followed by the parts that fit.

    Args:
        fraction: part that is done, from 0.0 to 1.0; None if there is nothing to do.
        parts: the parts, in their order.
        width: cells of the line.
    """
    shown = list(parts)
    while len(shown) > 1 and _gapped_width(shown) + _MIN_BAR + 2 > width:
        shown.remove(max(shown, key=lambda part: part.rank))
    spans = [Span(" "), *_bar(fraction, max(0, width - 2 - _gapped_width(shown)))]
    for part in shown:
        spans += [Span(_GAP), *part.spans]
    return _cut([*spans, Span(" ")], width)


def _bar(fraction: float | None, width: int) -> list[Span]:
    if fraction is None:
        return [Span("─" * width, "track")]
    filled, track = bar_text(fraction, width)
    return [Span(filled, "bar"), Span(track, "track")]


def _progress_parts(summary: Summary) -> list[Part]:
    fraction = summary.fraction
    if fraction is None:
        done = [Part(3, (Span(size_text(summary.done)),))] if summary.done else []
        return [*done, *_failed_parts(summary), *_unknown_parts(summary)]
    about = "~" if summary.guessed else ""
    parts = [Part(0, (Span(about + percent_text(fraction).strip(), "strong"),))]
    parts += _failed_parts(summary)
    whole = summary.total + (summary.guessed or 0)
    parts.append(Part(3, (Span(_of_text(summary.done, whole, about)),)))
    if summary.time_left:
        parts.append(Part(1, (Span(f"{summary.time_left} left", "plain"),)))
    return parts + _unknown_parts(summary)


def _unknown_parts(summary: Summary) -> list[Part]:
    if not summary.unknown:
        return []
    return [Part(6, (Span(f"{count_text(summary.unknown, 'size')} unknown"),))]


def _failed_parts(summary: Summary) -> list[Part]:
    """Return the number of failures once everything else is done, because 100% hides them."""
    if not summary.failed or summary.busy or summary.fraction not in (None, 1.0):
        return []
    return [Part(1, (Span(f"{summary.failed:,} failed", "failed"),))]


def _of_text(done: int, total: int, about: str) -> str:
    """Return the bytes done of all, with one unit if they share it: `4.9 of ~12.0 GB`."""
    number, _, unit = size_text(done).partition(" ")
    whole = size_text(total)
    return f"{number if whole.endswith(f' {unit}') else size_text(done)} of {about}{whole}"


def _speed_parts(summary: Summary, width: int) -> list[Part]:
    speed = Span(speed_text(summary.speed) or "0 B/s", "speed" if summary.speed >= 1 else "quiet")
    if width < _MIN_GRAPH_WIDTH or not any(summary.samples):
        return [Part(0, (speed,))]
    peak = max(*summary.samples, summary.speed)  # which may be above the last sample
    limit = limit_in_sight(summary.limit, peak)  # a line at the top; its number is above it
    graph = graph_text(summary.samples, _GRAPH, limit or peak, has_line=limit is not None)
    parts = [Part(4, (Span(graph, "speed"),)), Part(0, (speed,))]
    return parts if limit else [*parts, Part(5, (Span(f"peak {speed_text(peak)}"),))]


def _one_line(summary: Summary, width: int) -> list[Span]:
    """Return progress and speed for a screen that has one line for them."""
    left = _badges(summary) + _progress_parts(summary)
    right = [Part(4, part.spans[:1]) for part in _limits(summary)]
    right.append(Part(0, _speed_parts(summary, 0)[-1].spans))
    return spread(left or [NAME], right, width)


def spread(left: Sequence[Part], right: Sequence[Part], width: int) -> list[Span]:
    """Return parts at both edges; leave out the least important ones until they fit."""
    left, right = list(left), list(right)
    while _gapped_width(left) + _joined_width(right) + 3 > width and len(left) + len(right) > 1:
        worst = max([*right, *left], key=lambda part: part.rank)
        (left if worst in left else right).remove(worst)
    start: list[Span] = [Span(" ")] if left and left[0] is not NAME else []
    for at, part in enumerate(left):
        start += [*([Span(_GAP)] if at else []), *part.spans]
    end: list[Span] = []
    for at, part in enumerate(right):
        end += [*([Span(_DOT)] if at else []), *part.spans]
    end.append(Span(" "))
    blank = width - _width(start) - _width(end)
    return _cut([*start, Span(" " * max(1, blank)), *end], width)


def _gapped_width(parts: Sequence[Part]) -> int:
    return sum(part.width + len(_GAP) for part in parts)


def _joined_width(parts: Sequence[Part]) -> int:
    return sum(part.width + len(_DOT) for part in parts)


def _width(spans: Sequence[Span]) -> int:
    return sum(cell_len(span.text) for span in spans)


def _cut(spans: Sequence[Span], width: int) -> list[Span]:
    """Return the spans that fit into `width` cells; the last one may be cut."""
    shown = []
    for span in spans:
        text = span.text if cell_len(span.text) <= width else fit_middle(span.text, width)
        shown.append(Span(text, span.style))
        width -= cell_len(text)
    return [span for span in shown if span.text]
