"""`rheo list`: list the downloads of the app's session, even while the app runs."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .exit import ExitCode, fail
from .flags import FilterWords, ListJson, SessionFile

if TYPE_CHECKING:
    from rheo_core.domain import DownloadSnapshot
    from rheo_core.domain.filters import Filter

_ROW = "{:8}  {:11}  {:>9}  {:>9}  {}\n"


def list_downloads(
    words: FilterWords = None, *, json_lines: ListJson = False, session: SessionFile = None
) -> None:
    """List downloads of the app, with a filter or all, in the order of the queue.

    This only reads the list, so the app may be running. Active downloads then appear as queued,
    with progress a few seconds old. If the app is not running, SQLite may leave two files next to
    the session, which end in -wal and -shm; the app removes them. Put the filter into quotes,
    because shells read > and *.
    """
    condition = _filter(" ".join(words or ()))
    rows = _matches(condition, _read(session))
    if json_lines:
        _write_json(rows)
    else:
        _write_table(rows)


def _filter(text: str) -> "Filter":
    from rheo_core.domain.filters import FilterError, parse_filter
    from rheo_core.domain.text import printable, visible

    text = printable(visible(text))  # one cell for each character, for the arrow
    try:
        return parse_filter(text)
    except FilterError as error:
        typer.echo(f"  {text}\n  {' ' * error.column}^", err=True)
        fail(f"invalid filter at character {error.column + 1}: {error}.", ExitCode.USAGE)


def _matches(
    condition: "Filter", rows: "Iterable[DownloadSnapshot]"
) -> "Iterator[DownloadSnapshot]":
    from rheo_core.domain.filters import SlowPatternError

    try:
        for row in rows:
            if condition.matches(row):
                yield row
    except SlowPatternError as error:
        fail(f"{error}.", ExitCode.USAGE)


def _read(session: Path | None) -> "Sequence[DownloadSnapshot]":
    """Return all downloads of a session; end the command if the app has not created its own yet."""
    import asyncio

    from rheo_core.config.store import session_path
    from rheo_core.domain.text import printable
    from rheo_core.downloads.session import Session
    from rheo_core.infrastructure.session_errors import SessionStoreError

    path = session or session_path()
    if not os.path.lexists(path) and session is None:
        missing = f"{printable(str(path))} does not exist"
        typer.echo(f"rheo: the app has no downloads yet ({missing}).", err=True)
        raise typer.Exit

    async def read() -> "list[DownloadSnapshot]":
        opened = Session(path, lambda problem: typer.echo(f"rheo: {problem}", err=True))
        await opened.open(read_only=True)
        try:
            return [record.snapshot() for record in await opened.restore()]
        finally:
            await opened.close()

    try:
        return asyncio.run(read())
    except (SessionStoreError, OSError) as error:
        fail(f"{str(error).rstrip('.')}.", ExitCode.FAILED if session is None else ExitCode.USAGE)


def _write_json(rows: "Iterable[DownloadSnapshot]") -> None:
    from rheo_core.domain.listing import ListedDownload

    for row in rows:
        sys.stdout.buffer.write(f"{ListedDownload.of(row).to_line()}\n".encode())  # RFC 8259 8.1
    sys.stdout.buffer.flush()


def _write_table(rows: "Iterable[DownloadSnapshot]") -> None:
    from rheo_core.domain.text import printable
    from rheo_core.domain.units import size_text

    count = 0
    for count, row in enumerate(rows, 1):
        if count == 1:
            sys.stdout.write(_ROW.format("ID", "STATUS", "DONE", "SIZE", "NAME"))
        reason = row.reason or row.error or ""
        name = f"{row.name}  ({reason})" if reason else row.name
        done, size = size_text(row.bytes_downloaded), size_text(row.total_bytes)
        sys.stdout.write(_ROW.format(row.id[:8], row.status.word, done, size, printable(name)))
    sys.stdout.flush()
    if not count:
        typer.echo("rheo: no download matches.", err=True)
