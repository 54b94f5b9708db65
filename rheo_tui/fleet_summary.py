"""Format the header of a watched fleet for any width."""

from dataclasses import dataclass

from rheo_core.domain.fleet_view import FleetView
from rheo_core.domain.text import printable

from .formatting import (
    count_text,
    fit_middle,
    percent_text,
    size_text,
    speed_text,
    time_left_text,
)
from .summary import NAME, Part, Span, bar_line, spread

_MIN_FOLDER = 10
_SHARE_OF_FOLDER = 0.4
_STATE_STYLES = {"running": "speed", "complete": "strong", "stopped": "badge", "failed": "badge"}


@dataclass(frozen=True, slots=True)
class FleetSummary:
    """Content of the header.

    Attributes:
        out: the output folder as the user named it, printable.
        view: the run; None before the first reading.
    """

    out: str
    view: FleetView | None = None


def fleet_lines(shown: FleetSummary, width: int, height: int) -> list[list[Span]]:
    """Return the lines of the header.

    Args:
        shown: what to show.
        width: cells of each line.
        height: 2, or 1 for a low screen.
    """
    view = shown.view
    if view is None:
        opening = [NAME, Part(1, (Span("Reading the fleet…", "paused"),))]
        lines = [spread([*opening, _folder(shown, width)], [], width), bar_line(None, [], width)]
        return lines[:height]
    if height == 1:
        progress = _progress(view)
        return [spread([*_state(view), *progress[:1], *progress[2:3]], _rates(view)[:1], width)]
    left = [NAME, *_state(view), _folder(shown, width)]
    return [
        spread(left, _work(view), width),
        bar_line(_fraction(view), [*_progress(view), *_rates(view)], width),
    ]


def rate_text(per_second: float) -> str:
    """Format entries per second: `1,590/s`, `0.4/s`; "" if nothing moves."""
    if per_second < 0.05:
        return ""
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def _folder(shown: FleetSummary, width: int) -> Part:
    cells = max(_MIN_FOLDER, int(width * _SHARE_OF_FOLDER))
    return Part(5, (Span(fit_middle(shown.out, min(cells, len(shown.out))), "plain"),))


def _state(view: FleetView) -> list[Part]:
    word = "stopping" if view.stop_requested and view.state == "running" else str(view.state)
    style = "badge" if word == "stopping" else _STATE_STYLES[view.state]
    parts = [Part(0, (Span(f" {word} " if style == "badge" else word, style),))]
    if view.read < view.to_read:
        reading = f"reading {view.read:,} of {view.to_read:,}"
        parts.append(Part(1, (Span(reading, "paused"),)))
    return parts


def _work(view: FleetView) -> list[Part]:
    shards = f"{view.shards_done:,} of {count_text(view.shards, 'shard')}"
    parts = [Part(1, (Span(shards, "plain"),))]
    if view.shards_running:
        parts.append(Part(3, (Span(f"{view.shards_running:,} at work", "plain"),)))
    if view.workers:
        parts.append(Part(6, (Span(count_text(view.workers, "worker")),)))
    return parts


def _fraction(view: FleetView) -> float | None:
    return (view.completed + view.failed) / view.entries if view.entries else None


def _progress(view: FleetView) -> list[Part]:
    """Return percent, URLs done of all, failed ones, time left and bytes."""
    fraction = _fraction(view)
    if fraction is None:
        return []
    parts = [
        Part(0, (Span(percent_text(min(fraction, 1.0)).strip(), "strong"),)),
        Part(3, (Span(f"{view.completed:,} of {count_text(view.entries, 'URL')}"),)),
    ]
    if view.failed:
        parts.append(Part(1, (Span(f"{view.failed:,} failed", "paused"),)))
    if view.seconds_left is not None:
        parts.append(Part(2, (Span(f"{time_left_text(view.seconds_left)} left", "plain"),)))
    parts.append(Part(5, (Span(size_text(view.bytes)),)))
    return parts


def _rates(view: FleetView) -> list[Part]:
    if view.state != "running":
        return []
    parts = [Part(0, (Span(rate_text(view.entries_per_second) or "0/s", "speed"),))]
    if speed := speed_text(view.bytes_per_second):
        parts.append(Part(4, (Span(printable(speed), "speed"),)))
    return parts
