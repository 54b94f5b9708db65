"""`rheo download`: from arguments to downloads."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice, starmap
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rheo_core.domain.file_config import FileConfig, normalise_url
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.request_options import NO_OPTIONS, RequestOptions
from rheo_core.domain.schedule import parse_start
from rheo_core.domain.sizes import parse_size

from .options import Bounds, CommonOptions, ExitCode, fail, settings_in_force
from .parameters import (
    AllowDowngrade,
    At,
    Auth,
    Base,
    Bearer,
    CaFile,
    Certificate,
    Checksum,
    Connections,
    Cookies,
    DryRun,
    Exists,
    Filename,
    Glob,
    Headers,
    InputFiles,
    Insecure,
    Interface,
    Ipv4,
    Ipv6,
    JsonEvents,
    Key,
    LimitRate,
    Links,
    Mirrors,
    Netrc,
    OutputDir,
    Proxy,
    Quiet,
    Referer,
    Retries,
    ServerTime,
    Sidecar,
    StopAfter,
    Urls,
    User,
    UserAgent,
    Workers,
)
from .requests import RequestFlags, insecure_hosts

if TYPE_CHECKING:
    from rheo_core.config import Settings
    from rheo_core.inputs import ReadOptions
    from rheo_core.inputs.asked import Item, Placed, Remarks


def download(
    context: typer.Context,
    urls: Urls = None,
    input_files: InputFiles = None,
    output: OutputDir = None,
    filename: Filename = None,
    checksum: Checksum = None,
    mirrors: Mirrors = None,
    sidecar: Sidecar = False,
    glob: Glob = False,
    links: Links = None,
    base: Base = None,
    dry_run: DryRun = False,
    workers: Workers = None,
    connections: Connections = None,
    limit_rate: LimitRate = None,
    at: At = None,
    stop_after: StopAfter = None,
    retries: Retries = None,
    exists: Exists = None,
    server_time: ServerTime = None,
    headers: Headers = None,
    user_agent: UserAgent = None,
    referer: Referer = None,
    cookies: Cookies = None,
    user: User = None,
    auth: Auth = None,
    bearer: Bearer = None,
    netrc: Netrc = False,
    proxy: Proxy = None,
    ca_file: CaFile = None,
    certificate: Certificate = None,
    key: Key = None,
    insecure: Insecure = None,
    ipv4: Ipv4 = False,
    ipv6: Ipv6 = False,
    interface: Interface = None,
    allow_downgrade: AllowDowngrade = False,
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
    if dry_run and json_events:
        fail("--dry-run starts no download; there are no events for --json.", ExitCode.USAGE)
    settings = settings_in_force(
        quiet=quiet,
        download_dir=common.download_dir if output is None else output,
        max_concurrent=common.workers if workers is None else workers,
        connections=connections,
        max_retries=retries,
        speed_limit=limit_rate,
        file_exists_strategy=exists,
        server_time=server_time,
        rules=None if output is None else (),  # whoever names a folder wants this one
    )
    bounds = _bounds(at, stop_after)
    requests = RequestFlags(
        headers=headers,
        user_agent=user_agent,
        referer=referer,
        cookies=cookies,
        user=user,
        auth=auth,
        bearer=bearer,
        netrc=netrc,
        proxy=proxy,
        ca_file=ca_file,
        client_cert=certificate,
        client_key=key,
        ipv4=ipv4,
        ipv6=ipv6,
        interface=interface,
        allow_downgrade=allow_downgrade,
    ).read()
    unchecked = insecure_hosts(insecure or [])
    from rheo_core.inputs.asked import Remarks, entries, judged

    options = _options(glob, links, base, settings, dry_run)
    try:
        found = entries(urls or [], input_files or [], options)
    except ValueError as error:
        fail(f"{error}.", ExitCode.FAILED)
    if dry_run:
        from .preview import preview

        raise typer.Exit(preview(found, settings.download_dir))
    remarks = Remarks(quiet=quiet)
    if filename is not None or checksum is not None or mirrors:
        found = _only_one(found, filename, checksum, mirrors or [])
    wanted: Iterator[Item] = chain.from_iterable(starmap(judged, found))
    first = _first(wanted, remarks)
    if first is None:
        raise typer.Exit(ExitCode.FAILED)
    wanted = chain([first], wanted)
    if sidecar:
        wanted = map(_with_sidecar, wanted)
    if requests is not NO_OPTIONS:
        wanted = (_with_options(item, requests) for item in wanted)
    _make_folder(settings.download_dir)

    from .running import Output, run

    shown = Output(json=json_events, quiet=quiet, verbose=common.verbose)
    code = run(wanted, remarks, settings, shown, bounds, insecure=unchecked)
    if code is ExitCode.DONE and remarks.problems:
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


def _options(
    glob: bool, links: str | None, base: str | None, settings: "Settings", dry_run: bool
) -> "ReadOptions":
    """How the texts are read; ends the command if the base is no URL."""
    from rheo_core.inputs import ReadOptions, problem_of

    try:
        base = None if base is None else normalise_url(base)
    except ValueError as error:
        fail(f"--base: {problem_of(error)}.", ExitCode.USAGE)
    # Without a dry run the engine looks when it comes to it, and says what it skips.
    looks = dry_run and settings.file_exists_strategy.keeps_existing
    folder = settings.download_dir if looks else None
    return ReadOptions(base=base, links=links, patterns=glob, folder=folder)


def _first(wanted: "Iterator[Item]", remarks: "Remarks") -> FileConfig | None:
    """The first download; remarks before it are told."""

    def say(line: str) -> None:
        typer.echo(f"rheo: {line}", err=True)

    for item in wanted:
        if isinstance(item, FileConfig):
            return item
        remarks.tell(item, say)
    remarks.finish(say)
    return None


def _with_options(item: "Item", options: RequestOptions) -> "Item":
    if not isinstance(item, FileConfig):
        return item
    return item.model_copy(update={"request": options.over(item.request)})


def _with_sidecar(item: "Item") -> "Item":
    return item.model_copy(update={"sidecar": True}) if isinstance(item, FileConfig) else item


def _only_one(
    found: "Iterator[Placed]", filename: str | None, checksum: str | None, mirrors: list[str]
) -> "Iterator[Placed]":
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
    from rheo_core.inputs import problem_of

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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        fail(f"cannot make the folder {folder}: {reason}.", ExitCode.DISK)
