"""`rheo download`: from arguments to downloads."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

import typer

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.schedule import parse_start
from rheo_core.domain.sizes import parse_size

from .asked import Item, Remark, Remarks, entries, judged
from .options import Bounds, CommonOptions, ExitCode, fail, settings_in_force
from .parameters import (
    At,
    Checksum,
    Connections,
    Exists,
    Filename,
    InputFiles,
    JsonEvents,
    LimitRate,
    Mirrors,
    OutputDir,
    Quiet,
    Retries,
    Sidecar,
    StopAfter,
    Urls,
    Workers,
)


def download(
    context: typer.Context,
    urls: Urls = None,
    input_files: InputFiles = None,
    output: OutputDir = None,
    filename: Filename = None,
    checksum: Checksum = None,
    mirrors: Mirrors = None,
    sidecar: Sidecar = False,
    workers: Workers = None,
    connections: Connections = None,
    limit_rate: LimitRate = None,
    at: At = None,
    stop_after: StopAfter = None,
    retries: Retries = None,
    exists: Exists = None,
    json_events: JsonEvents = False,
    quiet: Quiet = False,
) -> None:
    """Download files. Interrupted or failed ones go on when the same command is run again.

    Ends with 0 if all went well, 1 if a download failed or some input was bad, 2 for wrong usage,
    3 if stopped by --stop-after, 4 if the disk is full or not writable, 130 if interrupted.
    """
    common: CommonOptions = context.obj
    if not urls and not input_files:
        fail("no URL given; pass one, or a list with --input-file.", ExitCode.USAGE)
    settings = settings_in_force(
        quiet=quiet,
        download_dir=common.download_dir if output is None else output,
        max_concurrent=common.workers if workers is None else workers,
        connections=connections,
        max_retries=retries,
        speed_limit=limit_rate,
        file_exists_strategy=exists,
    )
    bounds = _bounds(at, stop_after)
    remarks = Remarks(quiet=quiet)
    wanted: Iterator[Item] = map(judged, entries(urls or [], input_files or []))
    if filename is not None or checksum is not None or mirrors:
        wanted = _only_one(wanted, filename, checksum, mirrors or [])
    first = _first(wanted, remarks)
    if first is None:
        raise typer.Exit(ExitCode.FAILED)
    wanted = chain([first], wanted)
    if sidecar:
        wanted = map(_with_sidecar, wanted)
    _make_folder(settings.download_dir)

    from .running import Output, run

    shown = Output(json=json_events, quiet=quiet, verbose=common.verbose)
    code = run(wanted, remarks, settings, shown, bounds)
    if code is ExitCode.DONE and remarks.any_problem:
        code = ExitCode.FAILED
    raise typer.Exit(code)


def _bounds(at: str | None, stop_after: str | None) -> Bounds:
    """When to start and to stop; ends the command where that is not right."""
    start_at = size = None
    if at is not None:
        try:
            start_at = parse_start(at, datetime.now())
        except ValueError as error:
            fail(f"--at = {at!r} is not acceptable: it {error}.", ExitCode.USAGE)
    if stop_after is not None:
        try:
            size = parse_size(stop_after)
        except ValueError as error:
            fail(f"--stop-after = {stop_after!r} is not acceptable: it {error}.", ExitCode.USAGE)
        if size == 0:
            fail(f"--stop-after = {stop_after!r} is not acceptable: it is nothing.", ExitCode.USAGE)
    return Bounds(start_at, size)


def _first(wanted: Iterator[Item], remarks: Remarks) -> FileConfig | None:
    """The first download; remarks before it are told."""

    def say(line: str) -> None:
        typer.echo(line, err=True)

    for item in wanted:
        if isinstance(item, FileConfig):
            return item
        remarks.tell(item, say)
    remarks.finish(say)
    return None


def _with_sidecar(item: Item) -> Item:
    return item.model_copy(update={"sidecar": True}) if isinstance(item, FileConfig) else item


def _only_one(
    wanted: Iterator[Item], filename: str | None, checksum: str | None, mirrors: list[str]
) -> Iterator[Item]:
    """The only item with what it alone gets; ends the command if it is not the only one."""
    items = list(islice(wanted, 2))
    if len(items) != 1:
        fail("--filename, --hash and --mirror need exactly one URL.", ExitCode.USAGE)
    return iter([_refined(item, filename, checksum, mirrors) for item in items])


def _refined(item: Item, filename: str | None, checksum: str | None, mirrors: list[str]) -> Item:
    if isinstance(item, Remark):
        return item
    if filename is not None and (not filename.strip() or set(filename) & set("/\\\0")):
        problem = f"--filename {filename!r} is no file name: one without / and \\ is needed."
        fail(problem, ExitCode.FAILED)
    try:
        hash_config = HashConfig.from_checksum_string(checksum) if checksum is not None else None
    except ValueError as error:
        fail(f"--hash: {_reason(error)}.", ExitCode.FAILED)
    try:
        return FileConfig(
            url=item.url, filename=filename, hash_config=hash_config, mirrors=tuple(mirrors)
        )
    except ValueError as error:
        fail(f"--mirror: {_reason(error)}.", ExitCode.FAILED)


def _reason(error: ValueError) -> str:
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
    return str(error)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        fail(f"cannot make the folder {folder}: {reason}.", ExitCode.DISK)
