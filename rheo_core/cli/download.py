"""`rheo download`: from arguments to downloads."""

import typer

from .options import CommonOptions, ExitCode, check_protection, fail, settings_in_force
from .parameters import (
    AcceptHtml,
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
    ListOptions,
    MaxSize,
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
    Verbose,
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
    glob: Glob = False,
    links: Links = None,
    base: Base = None,
    allow_list_options: ListOptions = False,
    dry_run: DryRun = False,
    workers: Workers = None,
    connections: Connections = None,
    limit_rate: LimitRate = None,
    at: At = None,
    stop_after: StopAfter = None,
    max_size: MaxSize = None,
    accept_html: AcceptHtml = False,
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
    verbose: Verbose = False,
) -> None:
    """Download files. Interrupted or failed ones go on when the same command is run again.

    Ends with 0 if all went well, 1 if a download failed or some input was bad, 2 if a flag, a
    variable or a setting is wrong, 3 if stopped by --stop-after, 4 if the disk is full or not
    writable, 130 if interrupted.
    """
    # Here, because `--help` does without pydantic and all that needs it.
    from rheo_core.inputs.sources import Diagnostics

    from . import wanted
    from .requests import RequestFlags, insecure_hosts

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
        max_size=max_size,
        file_exists_strategy=exists,
        server_time=server_time,
        rules=None if output is None else (),  # whoever names a folder wants this one
    )
    bounds = wanted.bounds(at, stop_after)
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
    check_protection(settings, requests, quiet=quiet)
    unchecked = insecure_hosts(insecure or [])
    options = wanted.read_options(glob, links, base, allow_list_options, settings, dry_run)
    found = wanted.read(urls or [], input_files or [], options)
    if dry_run:
        from .preview import preview

        raise typer.Exit(preview(found, settings.download_dir))
    if filename is not None or checksum is not None or mirrors:
        found = wanted.only_one(found, filename, checksum, mirrors or [])
    remarks = Diagnostics(quiet=quiet)
    wishes = {"sidecar": sidecar, "accept_html": accept_html}
    items = wanted.downloads(found, remarks, requests, wishes)
    wanted.make_folder(settings.download_dir)

    from .running import Output, run  # the engine: not for what has failed already

    shown = Output(json=json_events, quiet=quiet, verbose=verbose or common.verbose)
    code = run(items, remarks, settings, shown, bounds, insecure=unchecked)
    if code is ExitCode.DONE and remarks.problems:
        code = ExitCode.FAILED
    raise typer.Exit(code)
