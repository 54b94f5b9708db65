"""Write the pages of the inspector as Rich renderables."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, dropwhile, pairwise
from pathlib import Path
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.inspector_details import (
    ConnectionDetails,
    DownloadDetails,
    Hop,
    TransferDetails,
)
from rheo_core.domain.text import printable

from .actions import advice_text, first_key
from .failure_advice import cause_of
from .formatting import (
    clock_text,
    count_text,
    duration_text,
    facts_that_fit,
    fraction_done,
    graph_lines,
    limit_in_sight,
    limit_text,
    percent_text,
    short_path,
    size_pair_text,
    size_text,
    speed_text,
)
from .services.event_log import LogLine
from .speed_history import Sample
from .status_look import look_of
from .status_text import retries_text

_LABEL_WIDTH = 10
_TWO_COLUMNS_FROM = 90
_BESIDE_WIDTH, _BESIDE_GAP = 110, 3
"""Width from which the speed is next to the connections, and the cells between them."""
_STALLED_SECONDS = 3.0
GRAPH_ROWS = 5
"""Lines of a graph in a low pane."""
_CONNECTION_COLUMNS = {"": 0, "Range": 0, "Source": 66, "Speed": 50, "Age": 66, "State": 0}
"""Columns of the connections, and the width from which each is shown."""
_NO_DOTS, _LIMIT = "\u2800", "┈"
_DONE, _MOVING, _MISSING = "■", "▪", "·"
_PARTS = _REQUEST, _RESPONSE = "GET", "Response"
Fact = tuple[str, Text]
StyleOf = Callable[[str], Style]
"""Returns the style of a name: label, title, bad, good, active, warning."""


class Inspected(NamedTuple):
    """Facts about one download, for the inspector."""

    row: DownloadSnapshot
    status: str  # status and reason in words
    details: DownloadDetails | None  # None until the service has answered
    samples: tuple[Sample, ...] = ()
    lines: tuple[LogLine, ...] = ()  # of the event log, oldest first
    is_missing: bool = False  # the finished file is not on the disk
    keymap: Mapping[str, str] = {}
    graph_rows: int = GRAPH_ROWS
    total_limit: int | None = None  # of all downloads together, bytes/s


def _no_facts(seen: Inspected, style: StyleOf) -> Iterator[Fact]:
    return iter(())


class Page(NamedTuple):
    """One page of the inspector.

    Attributes:
        facts: returns the fields of the page, each of which can be copied.
    """

    id: str
    title: str
    render: Callable[[Inspected, StyleOf, int], RenderableType]
    facts: Callable[[Inspected, StyleOf], Iterator[Fact]] = _no_facts


# Overview


def overview(seen: Inspected, style: StyleOf, width: int) -> RenderableType:
    """Return all facts about a download, in two columns if there is space."""
    state, origin = list(_state_facts(seen, style)), list(_origin_facts(seen, style))
    if width < _TWO_COLUMNS_FROM:
        return _facts_table([*state, *origin], style)
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    table.add_row(_facts_table(state, style), _facts_table(origin, style))
    return table


def _overview_facts(seen: Inspected, style: StyleOf) -> Iterator[Fact]:
    return chain(_state_facts(seen, style), _origin_facts(seen, style))


def _facts_table(facts: Iterable[Fact], style: StyleOf) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=_LABEL_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name, style("label")), value)
    return table


def _state_facts(seen: Inspected, style: StyleOf) -> Iterator[Fact]:
    row, details = seen.row, seen.details
    yield "Name", Text(printable(row.name), style("title"))
    yield "Status", Text(f"{look_of(row).glyph} {printable(seen.status)}")
    yield from _failure(seen, style)
    yield "Size", Text(_size(row))
    if speed := _speed(row):
        yield "Speed", Text(speed)
    if row.speed_limit_bps is not None:
        yield "Limit", Text(limit_text(row.speed_limit_bps))
    if row.start_at is not None and not row.status.is_terminal:
        yield "Starts", Text(clock_text(row.start_at))
    place = ""
    if details is not None and details.place is not None:
        place = f", place {details.place:,} of {details.waiting:,} in the queue"
    yield "Priority", Text(f"{row.priority}{place}")
    if row.attempt:
        yield "Retries", Text(retries_text(row))
    for name, moment in (
        ("Added", row.added_at or None),
        ("Started", row.started_at),
        ("Finished", row.finished_at),
    ):
        if moment is not None:
            yield name, Text(clock_text(moment))


def _origin_facts(seen: Inspected, style: StyleOf) -> Iterator[Fact]:
    row, details = seen.row, seen.details
    yield "URL", Text(printable(row.url))
    hops = details.hops if details else ()
    if len(hops) > 1:
        yield "Final URL", Text(hops[-1].url)
    if details is not None and details.referer:
        yield "From page", Text(details.referer)
    if row.destination:
        yield "File", Text(printable(short_path(Path(row.destination))))
    elif details is not None:
        yield "Folder", Text(short_path(Path(details.folder)))
    if details is not None and details.media_type:
        yield "Type", Text(details.media_type)
    yield from _server_facts(hops)
    yield from _hashes(seen, style)
    for at, mirror in enumerate(details.mirrors if details else ()):
        yield "" if at else "Mirrors", Text(mirror)
    yield "ID", Text(row.id)


def _server_facts(hops: tuple[Hop, ...]) -> Iterator[Fact]:
    if not hops or not hops[-1].status:
        return
    response = {name.lower(): value for name, value in hops[-1].response}
    if server := response.get("server"):
        yield "Server", Text(server)
    if hops[-1].status in (200, 206):
        yield "Resumable", Text(_resumable(hops[-1].status, response))
    if validator := response.get("etag") or response.get("last-modified"):
        yield "Version", Text(validator)


def _resumable(status: int, response: Mapping[str, str]) -> str:
    etag = response.get("etag", "")
    if response.get("accept-ranges", "").lower() == "none" and status != 206:
        return "no: the server does not support ranges"
    if etag and not etag.startswith("W/"):
        return "yes: it has a strong ETag"
    if "last-modified" in response:
        return "yes, if its date identifies the version"
    return "no: the ETag is weak" if etag else "no: the server sends neither ETag nor date"


def _failure(seen: Inspected, style: StyleOf) -> Iterator[Fact]:
    row, cause = seen.row, cause_of(seen.row)
    if seen.is_missing:
        key = first_key("again", seen.keymap)
        advice = f"The file is no longer on the disk. Press {key} to download it again."
        yield "Advice", Text(advice, style("warning"))
    if row.error and row.error != seen.status and not row.status.is_active:
        yield "Error", Text(printable(row.error), style("bad"))
    if cause.advice and row.status in (DownloadStatus.FAILED, DownloadStatus.SKIPPED):
        yield "Advice", Text(advice_text(cause, seen.keymap))


def _hashes(seen: Inspected, style: StyleOf) -> Iterator[Fact]:
    check = seen.row.validation
    if check is not None:
        look = style("good" if check.is_valid else "bad")
        verdict = "matches" if check.is_valid else "does not match"
        yield "Hash", Text(f"{check.algorithm.usual_name} {verdict}", look)
        yield "Expected", Text(printable(check.expected_hash))
        yield "Actual", Text(printable(check.calculated_hash), look)
    elif seen.details is not None and seen.details.expected_hash:
        yield "Expected", Text(printable(seen.details.expected_hash))


def _size(row: DownloadSnapshot) -> str:
    done = size_text(row.bytes_downloaded)
    if row.total_bytes is None:
        return f"{done} of unknown size" if row.bytes_downloaded else "unknown"
    fraction = fraction_done(row.bytes_downloaded, row.total_bytes) or 0.0
    exact = count_text(row.total_bytes, "byte")
    return f"{done} of {size_text(row.total_bytes)} ({exact}), {percent_text(fraction).strip()}"


def _speed(row: DownloadSnapshot) -> str:
    if row.status.is_active:
        left = duration_text(row.eta_seconds)
        return speed_text(row.speed_bps) + (f", {left} left" if left else "")
    if row.average_speed_bps:
        return f"{speed_text(row.average_speed_bps)} on average"
    return ""


# Connections


def connections(seen: Inspected, style: StyleOf, width: int) -> RenderableType:
    """Return the segment map, a line for each connection, and the speed next to them or below."""
    row = seen.row
    transfer = seen.details.transfer if seen.details else None
    lines: list[RenderableType] = [_title(seen, style), Text()]
    total = transfer.total if transfer else row.total_bytes
    if total:
        lines += [segment_map(row, transfer, total, width, style), _scale(total, width, style)]
        lines.append(Text())
    if transfer is None or not transfer.connections:
        lines.append(Text("No connection now.", style("label")))
        return Group(*lines)
    if width < _BESIDE_WIDTH:
        lines += [_connection_table(transfer, style, width), Text(), *_speeds(seen, style, width)]
        return Group(*lines)
    left = width * 3 // 5
    right = width - left - _BESIDE_GAP
    table = Table.grid(padding=(0, _BESIDE_GAP, 0, 0))
    table.add_column(width=left)
    table.add_column(width=right)
    graph = Group(*_speeds(seen, style, right))
    table.add_row(_connection_table(transfer, style, left), graph)
    return Group(*lines, table)


def _title(seen: Inspected, style: StyleOf) -> Text:
    row = seen.row
    facts = [size_pair_text(row.bytes_downloaded, row.total_bytes)]
    fraction = fraction_done(row.bytes_downloaded, row.total_bytes)
    if fraction is not None:
        facts.append(percent_text(fraction).strip())
    if row.status.is_active:
        facts += [speed_text(row.speed_bps), _left(row)]
    text = Text(no_wrap=True, overflow="ellipsis").append(printable(row.name), style("title"))
    return text.append(f"   {' · '.join(filter(None, facts))}", style("label"))


def _left(row: DownloadSnapshot) -> str:
    return f"{duration_text(row.eta_seconds)} left" if row.eta_seconds is not None else ""


def segment_map(
    row: DownloadSnapshot,
    transfer: TransferDetails | None,
    total: int,
    width: int,
    style: StyleOf,
) -> Text:
    """Return the file as a line of cells: done, moving, stalled or missing."""
    written = transfer.written if transfer else ((0, min(row.bytes_downloaded, total)),)
    received = [(each.start, each.received) for each in transfer.connections] if transfer else []
    done = _cells([*written, *received], total, width)
    text = Text(no_wrap=True)
    at_work = {_cell(each, total, width): each for each in transfer.connections} if transfer else {}
    for cell in range(width):
        connection = at_work.get(cell)
        if connection is not None:
            is_stalled = connection.idle_seconds >= _STALLED_SECONDS
            text.append(_MOVING, style("warning" if is_stalled else "good"))
        elif done[cell] > 0.5:
            text.append(_DONE, style("active"))
        else:
            text.append(_MISSING, style("label"))
    return text


def _cells(ranges: Iterable[tuple[int, int]], total: int, width: int) -> list[float]:
    """Return the part of each cell that ranges cover, 0.0 to 1.0."""
    cells = [0.0] * width
    size = total / width
    for start, end in ranges:
        first, last = int(start / size), min(math.ceil(end / size), width)
        for cell in range(first, last):
            covered = min(end, (cell + 1) * size) - max(start, cell * size)
            cells[cell] = min(cells[cell] + max(covered, 0.0) / size, 1.0)
    return cells


def _cell(connection: ConnectionDetails, total: int, width: int) -> int:
    return min(connection.received * width // total, width - 1)


def _scale(total: int, width: int, style: StyleOf) -> Text:
    end = size_text(total)
    return Text(f"0{end.rjust(width - 1)}", style("label"), no_wrap=True)


def _connection_table(transfer: TransferDetails, style: StyleOf, width: int) -> Table:
    """Return a line for each connection; a narrow one has only its range and state."""
    columns = [name for name, needed in _CONNECTION_COLUMNS.items() if width >= needed]
    table = Table.grid(padding=(0, 2))
    for name in columns:
        is_number = name in ("Speed", "Age")
        table.add_column(justify="right" if is_number else "left", no_wrap=True)
    table.add_row(*(Text(name, style("label")) for name in columns))
    for each in sorted(transfer.connections):
        word, look = _connection_state(each)
        cells = {
            "": Text("●", style(look)),
            "Range": Text(_range_text(each, transfer.total)),
            "Source": Text(each.host.removesuffix(":443").removesuffix(":80")),
            "Speed": Text(speed_text(each.speed_bps) or "0 B/s"),
            "Age": Text(duration_text(each.age_seconds), style("label")),
            "State": Text(word, style(look)),
        }
        table.add_row(*(cells[name] for name in columns))
    return table


def _connection_state(connection: ConnectionDetails) -> tuple[str, str]:
    if connection.idle_seconds >= _STALLED_SECONDS:
        return f"stalled {duration_text(connection.idle_seconds)}", "warning"
    if connection.received == connection.start and not connection.speed_bps:
        return "connecting", "label"
    return "receiving", "active"


def _range_text(connection: ConnectionDetails, total: int | None) -> str:
    end = total if connection.end is None else connection.end
    return f"{size_text(connection.start)} – {size_text(end) if end is not None else 'end'}"


# Speed


def speed(seen: Inspected, style: StyleOf, width: int) -> RenderableType:
    """Return a graph of the speed, with its mean, the limit and the attempts."""
    return Group(_title(seen, style), *_speeds(seen, style, width))


def _speeds(seen: Inspected, style: StyleOf, width: int) -> list[Text]:
    """Return the lines of the graph and the facts above it."""
    samples = seen.samples
    if not samples:
        return [Text(), Text("No samples yet.", style("label"))]
    shown = samples[-2 * width :]
    values = [sample.speed_bps for sample in shown]
    top = max(values)
    mean = sum(values) / len(values)
    stalls = sum(not value for value in dropwhile(lambda value: not value, values))
    own, total = seen.row.speed_limit_bps, seen.total_limit
    facts = [f"mean {speed_text(mean)}", f"peak {speed_text(top)}"]
    facts += [f"limit {limit_text(own)}"] if own is not None else []
    facts += [f"idle for {stalls} s"] if stalls else []
    marks, count = _attempt_marks(shown)
    facts += [f"▲ attempt {shown[-1].attempt}"] if count else []
    facts += [f"limit {limit_text(total)} (all)"] if total is not None else []
    limit = limit_in_sight(min(filter(None, (own, total)), default=None), top) or 0
    # It grows from the left, so that a young download does not leave the pane empty.
    padded = values + [0.0] * (2 * width - len(values))
    lines = _graph(padded, (width, seen.graph_rows), max(top, limit, 1.0), limit, style)
    body = [Text(facts_that_fit(facts, width), style("label")), *lines]
    if count:
        body.append(Text(marks, style("warning"), no_wrap=True))
    end = "now" if seen.row.status.is_active else "end"
    return [*body, Text(_axis(shown, end), style("label"), no_wrap=True)]


def _graph_cells(samples: Sequence[Sample]) -> int:
    """Return the width of the graph of some samples, two in each cell."""
    return (len(samples) + 1) // 2


def _graph(
    values: list[float], size: tuple[int, int], top: float, limit: int, style: StyleOf
) -> list[Text]:
    """Return the graph in cells and lines, with the limit as a line behind it unless it is 0."""
    width, rows = size
    texts = []
    at = int((1 - limit / top) * rows) if 0 < limit <= top else -1
    for row, line in enumerate(graph_lines(values, width, rows, top)):
        text = Text(no_wrap=True)
        for cell in line:
            is_limit = row == at and cell == _NO_DOTS
            text.append(_LIMIT if is_limit else cell, style("warning" if is_limit else "good"))
        texts.append(text)
    return texts


def _axis(samples: Sequence[Sample], end: str) -> str:
    """Return the line below the graph: when its samples begin, and when they `end`."""
    began = f"-{duration_text(float(len(samples)))}"
    return f"{began} {end.rjust(_graph_cells(samples) - len(began) - 1)}"


def _attempt_marks(samples: Sequence[Sample]) -> tuple[str, int]:
    """Return a line with a mark below each new attempt, and the number of marks."""
    cells = [" "] * _graph_cells(samples)
    count = 0
    for at, (before, sample) in enumerate(pairwise(samples), start=1):
        if sample.attempt != before.attempt:
            cells[at // 2] = "▲"
            count += 1
    return "".join(cells), count


# Request


def request(seen: Inspected, style: StyleOf, width: int) -> RenderableType:
    """Return the latest request: redirects, and the heads of requests and responses."""
    facts = list(_request_facts(seen, style))
    if not facts:
        return Text("No recent request.", style("label"))
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, max_width=24)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name, style("title" if name in _PARTS else "label")), value)
    return table


def _request_facts(seen: Inspected, style: StyleOf) -> Iterator[Fact]:
    """Yield requests and responses with their fields, a blank one between redirects."""
    for number, hop in enumerate(seen.details.hops if seen.details else ()):
        if number:
            yield "", Text()
        yield _REQUEST, Text(hop.url)
        yield from ((name, Text(value)) for name, value in hop.request)
        look = "bad" if hop.status >= 400 or not hop.status else "good"
        answer = f"{hop.status} {hop.reason}".strip() if hop.status else "no response"
        yield _RESPONSE, Text(answer, style(look))
        yield from ((name, Text(value)) for name, value in hop.response)


# Log


def log(seen: Inspected, style: StyleOf, width: int) -> RenderableType:
    """Return the log of the download, newest last."""
    if not seen.lines:
        return Text("No events yet.", style("label"))
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in seen.lines:
        clock = datetime.fromtimestamp(line.time).strftime("%H:%M:%S")
        level = {"good": "good", "bad": "bad", "warning": "warning"}.get(line.level, "")
        table.add_row(Text(clock, style("label")), Text(line.text, style(level) if level else ""))
    return table


PAGES = (
    Page("overview", "Overview", overview, _overview_facts),
    Page("connections", "Connections", connections),
    Page("speed", "Speed", speed),
    Page("request", "Request", request, _request_facts),
    Page("log", "Log", log),
)
