"""What the arguments of `rheo download` ask for; ends the command where that is not right."""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain, islice, starmap
from pathlib import Path

import typer

from rheo_core.config import Settings
from rheo_core.domain.file_config import FileConfig, normalise_url
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.request_options import NO_OPTIONS, RequestOptions
from rheo_core.domain.schedule import parse_start
from rheo_core.domain.sizes import parse_size
from rheo_core.inputs import ReadOptions, problem_of
from rheo_core.inputs.sources import Diagnostics, Item, LocatedEntry, diagnose, entries

from .options import Bounds, ExitCode, fail


def bounds(at: str | None, stop_after: str | None) -> Bounds:
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


def read_options(
    glob: bool,
    links: str | None,
    base: str | None,
    list_options: bool,
    settings: Settings,
    dry_run: bool,
) -> ReadOptions:
    """How the texts are read; ends the command if the base is no URL."""
    try:
        base = None if base is None else normalise_url(base)
    except ValueError as error:
        fail(f"--base: {problem_of(error)}.", ExitCode.USAGE)
    # Without a dry run the engine looks when it comes to it, and says what it skips.
    looks = dry_run and settings.file_exists_strategy.keeps_existing
    folder = settings.download_dir if looks else None
    return ReadOptions(
        base=base,
        links=links,
        patterns=glob,
        folder=folder,
        exists=settings.file_exists_strategy,
        list_options=list_options,
    )


def read(urls: list[str], input_files: list[str], options: ReadOptions) -> Iterator[LocatedEntry]:
    """What the texts and lists hold, as it is read; ends the command if one cannot be opened."""
    if "-" in input_files and os.isatty(0):
        typer.echo("rheo: paste what to download; Ctrl-D on an empty line ends it.", err=True)
    try:
        return entries(urls, input_files, options)
    except ValueError as error:
        fail(f"{error}.", ExitCode.FAILED)


def downloads(
    found: Iterator[LocatedEntry],
    remarks: Diagnostics,
    requests: RequestOptions,
    wishes: Mapping[str, bool],
) -> Iterator[Item]:
    """Return downloads and remarks; end the command if there is no download.

    `wishes` names fields of `FileConfig` and whether a flag switches them on.
    """
    items: Iterator[Item] = chain.from_iterable(starmap(diagnose, found))
    first = _first(items, remarks)
    if first is None:
        raise typer.Exit(ExitCode.FAILED)
    items = chain([first], items)
    if any(wishes.values()):
        items = (_with_wishes(item, wishes) for item in items)
    if requests is not NO_OPTIONS:
        items = (_with_options(item, requests) for item in items)
    return items


def _first(wanted: Iterator[Item], remarks: Diagnostics) -> FileConfig | None:
    """The first download; remarks before it are told."""

    def say(line: str) -> None:
        typer.echo(f"rheo: {line}", err=True)

    for item in wanted:
        if isinstance(item, FileConfig):
            return item
        remarks.tell(item, say)
    remarks.finish(say)
    return None


def _with_options(item: Item, options: RequestOptions) -> Item:
    return item.with_options(options) if isinstance(item, FileConfig) else item


def _with_wishes(item: Item, wishes: Mapping[str, bool]) -> Item:
    if not isinstance(item, FileConfig):
        return item
    return item.model_copy(update={name: True for name, on in wishes.items() if on})


def only_one(
    found: Iterator[LocatedEntry], filename: str | None, checksum: str | None, mirrors: list[str]
) -> Iterator[LocatedEntry]:
    """The only entry with what it alone gets; ends the command if it is not the only one."""
    both = list(islice(found, 2))
    if len(both) != 1:
        fail("--filename, --hash and --mirror need exactly one URL.", ExitCode.USAGE)
    (where, entry), *_ = both
    if entry.config is not None and not entry.problem:
        entry = entry._replace(config=_refined(entry.config, filename, checksum, mirrors))
    return iter([(where, entry)])


def _refined(
    config: FileConfig, filename: str | None, checksum: str | None, mirrors: list[str]
) -> FileConfig:
    if filename is not None and (not filename.strip() or set(filename) & set("/\\\0")):
        problem = f"--filename {filename!r} is no file name: one without / and \\ is needed."
        fail(problem, ExitCode.FAILED)
    try:
        hash_config = HashConfig.from_checksum_string(checksum) if checksum is not None else None
    except ValueError as error:
        fail(f"--hash: {problem_of(error)}.", ExitCode.FAILED)
    given = {"filename": filename, "hash_config": hash_config, "mirrors": tuple(mirrors) or None}
    try:
        return FileConfig(
            **{name: getattr(config, name) for name in config.model_fields_set}
            | {name: value for name, value in given.items() if value is not None}
        )
    except ValueError as error:
        fail(f"--mirror: {problem_of(error)}.", ExitCode.FAILED)


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        fail(f"cannot make the folder {folder}: {reason}.", ExitCode.DISK)
