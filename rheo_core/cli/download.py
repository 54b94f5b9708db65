"""`rheo download`: download links and lists."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .effective_settings import CommonOptions, check_protection, settings_in_force
from .exit import ExitCode, fail
from .flags import (
    AcceptHtml,
    AllowDowngrade,
    At,
    Auth,
    Base,
    Bearer,
    CaFile,
    Certificate,
    Checksums,
    ComputeHash,
    Connections,
    Continue,
    Cookies,
    DryRun,
    Exists,
    Filename,
    Glob,
    Headers,
    IgnoreDigest,
    InputFiles,
    Insecure,
    Interface,
    Ipv4,
    Ipv6,
    JsonEvents,
    Key,
    LimitRate,
    Links,
    ListOptions,
    MaxSize,
    Mirrors,
    Netrc,
    NetworkTimeout,
    OutputDir,
    Proxy,
    Quiet,
    Referer,
    ResponseTimeout,
    Retries,
    ServerTime,
    Sidecar,
    StopAfter,
    Urls,
    User,
    UserAgent,
    Verbose,
    Workers,
)
from .standard_output import STANDARD_OUTPUT, copy_to_output, temporary_folder

if TYPE_CHECKING:
    from rheo_core.config import Settings

_SWITCHES = "sidecar", "check_existing", "accept_html", "ignore_digest", "compute_hash"
"""Flags that are fields of every download."""


def download(
    context: typer.Context,
    urls: Urls = None,
    input_files: InputFiles = None,
    output: OutputDir = None,
    filename: Filename = None,
    checksums: Checksums = None,
    compute_hash: ComputeHash = None,
    mirrors: Mirrors = None,
    sidecar: Sidecar = False,
    glob: Glob = False,
    links: Links = None,
    base: Base = None,
    allow_list_options: ListOptions = False,
    dry_run: DryRun = False,
    check_existing: Continue = False,
    workers: Workers = None,
    connections: Connections = None,
    limit_rate: LimitRate = None,
    at: At = None,
    stop_after: StopAfter = None,
    max_size: MaxSize = None,
    accept_html: AcceptHtml = False,
    ignore_digest: IgnoreDigest = False,
    retries: Retries = None,
    response_timeout: ResponseTimeout = None,
    network_timeout: NetworkTimeout = None,
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
    client_cert: Certificate = None,
    client_key: Key = None,
    insecure: Insecure = None,
    ipv4: Ipv4 = False,
    ipv6: Ipv6 = False,
    interface: Interface = None,
    allow_downgrade: AllowDowngrade = False,
    json_events: JsonEvents = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Download files. Run the same command again to resume interrupted or failed downloads.

    Exit status: 0 if everything was downloaded, 1 if a download failed or a URL, list or hash is
    not valid, 2 if another flag, a variable or a setting is not valid, 3 if --stop-after ended the
    run, 4 if the disk is full or not writable, or if events of --json were lost. If a signal ends
    it, the status is 128 plus the signal number: 130 for Ctrl+C, 143 for SIGTERM, 129 if the
    terminal was closed.
    """
    # Imported here, because `--help` needs neither pydantic nor anything built on it.
    from rheo_core.inputs.arguments import Diagnostics

    from . import download_configs
    from .request_flags import RequestFlags, insecure_hosts
    from .run_limits import read_run_limits

    common: CommonOptions = context.obj
    _check_usage(
        bool(urls or input_files), output, stop_after, dry_run=dry_run, json_events=json_events
    )
    to_output = output == STANDARD_OUTPUT
    if to_output:
        output = context.with_resource(temporary_folder())
    settings = _settings(context.params, common, output)
    limits = read_run_limits(at, stop_after, settings.file_exists_strategy)
    requests = RequestFlags.of(context.params).read()
    check_protection(settings, requests, quiet=quiet)
    unchecked = insecure_hosts(insecure or [])
    options = download_configs.read_options(
        glob, links, base, allow_list_options, settings, dry_run
    )
    located = download_configs.read(urls or [], input_files or [], options)
    if to_output or filename is not None or checksums or mirrors:
        located = download_configs.only_one(located, filename, checksums or [], mirrors or [])
    if dry_run:
        from .dry_run import show_entries

        raise typer.Exit(show_entries(located, None if to_output else settings.download_dir))
    diagnostics = Diagnostics(quiet=quiet)
    switches = {name: context.params[name] for name in _SWITCHES}
    if checksums:
        switches["sidecar"] = False  # the user knows the checksum
    input_lines: download_configs.InputLines | None = {} if json_events else None
    items = download_configs.downloads(located, diagnostics, requests, switches, input_lines)
    _make_folder(settings.download_dir)

    from .running import Output, run  # the engine, which commands that failed above do not need

    is_verbose = verbose or common.verbose
    shown = Output(input_lines=input_lines, quiet=quiet, verbose=is_verbose, to_output=to_output)
    code = run(items, diagnostics, settings, shown, limits, insecure=unchecked)
    if to_output and code is ExitCode.DONE:
        copy_to_output(settings.download_dir)
    raise typer.Exit(code)


def _check_usage(
    has_input: bool, output: str | None, stop_after: str | None, *, dry_run: bool, json_events: bool
) -> None:
    if not has_input:
        fail("no URL given; pass one, or a list with --input-file.", ExitCode.USAGE)
    if output == STANDARD_OUTPUT and json_events:
        fail("-o - and --json both write to standard output.", ExitCode.USAGE)
    if output == STANDARD_OUTPUT and sys.__stdout__ is None:  # closed when Python started
        fail("-o - writes to standard output, which is closed.", ExitCode.USAGE)
    if dry_run and json_events:
        fail("--dry-run downloads nothing, so --json has no events to print.", ExitCode.USAGE)
    if output == STANDARD_OUTPUT and stop_after is not None:
        fail("-o - cannot resume after --stop-after; use --max-size.", ExitCode.USAGE)


def _settings(flags: Mapping[str, Any], common: CommonOptions, output: str | None) -> "Settings":
    """Return the settings in force, where `output` is the folder of --output."""
    workers = flags["workers"]
    return settings_in_force(
        quiet=flags["quiet"],
        download_dir=common.download_dir if output is None else output,
        max_concurrent=common.workers if workers is None else workers,
        connections=flags["connections"],
        max_retries=flags["retries"],
        response_timeout=flags["response_timeout"],
        network_timeout=flags["network_timeout"],
        speed_limit=flags["limit_rate"],
        max_size=flags["max_size"],
        file_exists_strategy=flags["exists"],
        server_time=flags["server_time"],
        rules=None if output is None else (),  # a folder on the command line replaces the rules
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        taken = Path(error.filename)  # the folder, or one above it
        subject = "it" if taken == folder else taken
        fail(f"cannot create the folder {folder}: {subject} is {_kind(taken)}.", ExitCode.DISK)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        fail(f"cannot create the folder {folder}: {reason}.", ExitCode.DISK)


def _kind(path: Path) -> str:
    """Describe the object that exists instead of a folder."""
    if not path.is_symlink():
        return "a file"
    try:
        path.resolve(strict=True)
    except FileNotFoundError:
        return f"a symbolic link to {path.readlink()}, which does not exist"
    except (OSError, RuntimeError):  # Python before 3.13 raises RuntimeError
        return "a symbolic link that leads back to itself"
    return "a symbolic link to a file"
