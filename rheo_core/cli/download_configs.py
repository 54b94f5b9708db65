"""Convert the arguments of `rheo download` to downloads; stop if an argument is not valid."""

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice, starmap

import typer

from rheo_core.config import Settings
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.hash_hints import hashes_in_fragment, join_hashes
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.request_options import NO_OPTIONS, RequestOptions
from rheo_core.domain.urls import normalise_url
from rheo_core.inputs import Entry, ReadOptions, problem_of
from rheo_core.inputs.arguments import Diagnostics, Item, LocatedEntry, diagnose, read_arguments

from .exit import ExitCode, fail

InputLines = dict[str, tuple[str, int]]
"""Input and line of each download, by its id."""


def read_options(
    glob: bool,
    links: str | None,
    base: str | None,
    list_options: bool,
    settings: Settings,
    dry_run: bool,
) -> ReadOptions:
    """Return the options for reading texts; end the command if the base is not a URL."""
    try:
        base = None if base is None else normalise_url(base)
    except ValueError as error:
        fail(f"--base: {problem_of(error)}.", ExitCode.USAGE)
    return ReadOptions(
        base=base,
        links=links,
        patterns=glob,
        folder=settings.download_dir,
        rules=settings.rules,
        # Without a dry run, the engine checks existing files when their download starts.
        finds_files=dry_run,
        exists=settings.file_exists_strategy,
        timeout=settings.timeout,
        list_options=list_options,
    )


def read(urls: list[str], input_files: list[str], options: ReadOptions) -> Iterator[LocatedEntry]:
    """Yield the entries of texts and lists; end the command if a list cannot be opened."""
    if "-" in input_files and os.isatty(0):
        typer.echo(
            "rheo: paste links or a list; press Ctrl+D on an empty line to finish.", err=True
        )
    try:
        return read_arguments(urls, input_files, options)
    except ValueError as error:
        fail(f"{error}.", ExitCode.FAILED)


def downloads(
    located: Iterator[LocatedEntry],
    diagnostics: Diagnostics,
    requests: RequestOptions,
    switches: Mapping[str, object],
    input_lines: InputLines | None = None,
) -> Iterator[Item]:
    """Yield downloads and diagnostics; end the command if there is no download.

    Args:
        located: entries with the place where each was read.
        diagnostics: reports everything before the first download.
        requests: options of requests, for every download.
        switches: fields of `FileConfig` with the values of flags; a false value means unset.
        input_lines: receives input and line of each download; None: nobody needs them.
    """
    if input_lines is not None:
        located = _noted(located, input_lines)
    items: Iterator[Item] = chain.from_iterable(starmap(diagnose, located))
    first = _first(items, diagnostics)
    if first is None:
        raise typer.Exit(ExitCode.FAILED)
    items = chain([first], items)
    if changes := {name: value for name, value in switches.items() if value}:
        items = _map_downloads(lambda config: config.model_copy(update=changes), items)
    if requests is not NO_OPTIONS:
        items = _map_downloads(lambda config: config.with_options(requests), items)
    return items


def _noted(located: Iterator[LocatedEntry], input_lines: InputLines) -> Iterator[LocatedEntry]:
    for where, entry in located:
        if entry.config is not None and not entry.problem:
            input_lines[entry.config.id] = where.removesuffix(f", line {entry.line}"), entry.line
        yield where, entry


def _first(items: Iterator[Item], diagnostics: Diagnostics) -> FileConfig | None:
    def write(line: str) -> None:
        typer.echo(f"rheo: {line}", err=True)

    for item in items:
        if isinstance(item, FileConfig):
            return item
        diagnostics.report(item, write)
    diagnostics.finish(write)
    return None


def _map_downloads(
    change: Callable[[FileConfig], FileConfig], items: Iterator[Item]
) -> Iterator[Item]:
    return (change(item) if isinstance(item, FileConfig) else item for item in items)


def only_one(
    located: Iterator[LocatedEntry],
    filename: str | None,
    checksums: list[str],
    mirrors: list[str],
) -> Iterator[LocatedEntry]:
    """Return the only entry with the values of the flags; end the command if there are more."""
    both = list(islice(located, 2))
    if len(both) != 1:
        fail("-o -, --filename, --hash and --mirror need exactly one URL.", ExitCode.USAGE)
    (where, entry), *_ = both
    if entry.config is not None and not entry.problem:
        entry = _refined(entry, entry.config, filename, checksums, mirrors)
    return iter([(where, entry)])


def _refined(
    entry: Entry,
    config: FileConfig,
    filename: str | None,
    checksums: list[str],
    mirrors: list[str],
) -> Entry:
    if filename is not None and (not filename.strip(". ") or set(filename) & set("/\\\0")):
        rule = "contain / or \\" if filename.strip(". ") else "consist only of dots and spaces"
        fail(f"--filename {filename!r} is not valid: a name cannot {rule}.", ExitCode.USAGE)
    try:
        hashes = list(map(HashConfig.from_checksum_string, checksums))
    except ValueError as error:
        fail(f"--hash: {problem_of(error)}.", ExitCode.FAILED)
    given = filter(None, [config.hash_config])
    try:
        own = hashes or list(chain.from_iterable(map(hashes_in_fragment, mirrors)))
        joined = join_hashes(given, (config.url, *mirrors), own=own)
    except ValueError as error:
        fail(f"{problem_of(error)}.", ExitCode.USAGE)
    if joined.weaker or joined.replaced:
        note = f"ignored: {', '.join(joined.ignored)}"
        entry = entry._replace(note="; ".join(filter(None, (entry.note, note))))
    flags = {
        "filename": filename,
        "hash_config": joined.used,
        "mirrors": tuple(mirrors) or None,
    }
    fields = {name: getattr(config, name) for name in config.model_fields_set}
    fields |= {name: value for name, value in flags.items() if value is not None}
    try:
        return entry._replace(config=FileConfig(**fields))
    except ValueError as error:
        fail(f"--mirror: {problem_of(error)}.", ExitCode.FAILED)
