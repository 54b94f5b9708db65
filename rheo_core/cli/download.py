"""`rheo download`: from arguments to downloads."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rheo_core.domain.file_config import FileConfig, normalise_url
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.request_options import NO_OPTIONS
from rheo_core.domain.text import at_most, printable, redact

from .options import CommonOptions, ExitCode, fail, settings_in_force
from .parameters import (
    AllowDowngrade,
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
    Sidecar,
    Urls,
    User,
    UserAgent,
    Workers,
)
from .preview import explained, preview
from .requests import RequestFlags, insecure_hosts

if TYPE_CHECKING:
    from rheo_core.config import Settings
    from rheo_core.inputs import Entry, ReadOptions

_STANDARD_INPUT = "-"
_MOST_LINES = 50


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
    retries: Retries = None,
    exists: Exists = None,
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
    4 if the disk is full or not writable, 130 if interrupted.
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
    )
    options = RequestFlags(
        headers,
        user_agent,
        referer,
        cookies,
        user,
        auth,
        bearer,
        netrc,
        proxy,
        ca_file,
        certificate,
        key,
        ipv4,
        ipv6,
        interface,
        allow_downgrade,
    ).read()
    hosts = insecure_hosts(insecure or [])
    entries = _entries(
        urls or [], input_files or [], _options(glob, links, base, settings, dry_run)
    )
    if dry_run:
        raise typer.Exit(preview(entries, settings.download_dir))
    asked = _Asked()
    for where, entry in entries:
        asked.add(entry, where)
    if filename is not None or checksum is not None or mirrors:
        _refine(asked, filename, checksum, mirrors or [])
    if options is not NO_OPTIONS:
        asked.configs = [
            config.model_copy(update={"request": options.over(config.request)})
            for config in asked.configs
        ]
    if sidecar:
        asked.configs = [config.model_copy(update={"sidecar": True}) for config in asked.configs]
    asked.tell(quiet=quiet)
    if not asked.configs:
        raise typer.Exit(ExitCode.FAILED)
    _make_folder(settings.download_dir)

    from .running import Output, run

    code = run(
        asked.configs,
        settings,
        Output(json=json_events, quiet=quiet, verbose=common.verbose),
        insecure=hosts,
    )
    if code is ExitCode.DONE and asked.problems:
        code = ExitCode.FAILED
    raise typer.Exit(code)


@dataclass(slots=True)
class _Asked:
    """What the arguments and the list ask for."""

    configs: list[FileConfig] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    entries: int = 0

    def add(self, entry: "Entry", where: str) -> None:
        self.entries += 1
        if entry.problem and entry.config is not None:
            self.notes.append(f"{where}: {entry.problem}, left out: {entry.text}")
        elif entry.config is not None:
            self.configs.append(entry.config)
            if entry.note:
                self.notes.append(f"{where}: {entry.note}")
        else:
            self.problems.append(f"{where}: {explained(entry)}")

    def tell(self, *, quiet: bool) -> None:
        """Say on standard error what is not right, and unless `quiet` what is left out."""
        for lines in (self.problems, [] if quiet else self.notes):
            if lines:
                said = at_most([printable(redact(line)) for line in lines], "\nrheo: ", _MOST_LINES)
                typer.echo(f"rheo: {said}", err=True)


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


def _entries(
    urls: list[str], list_files: list[str], options: "ReadOptions"
) -> Iterator[tuple[str, "Entry"]]:
    """What is asked for, as it is read, each with the place where it is."""
    from rheo_core.inputs import Entry, Verdict, read_entries

    ids: set[str] = set()
    for number, url in enumerate(urls, 1):
        where, is_empty = f"argument {number}", True
        for entry in read_entries(url.splitlines(), ids, options):
            is_empty = False
            yield where, entry
            _note_id(ids, entry)
        if is_empty:
            yield where, Entry(1, url, Verdict.INVALID, problem=f"{url!r} is no URL")
    for list_file in list_files:
        name, is_empty = "standard input" if list_file == _STANDARD_INPUT else list_file, True
        # A copy: what the list itself repeats is told with the line.
        known = frozenset(ids)
        with _open_list(list_file) as lines:
            for entry in read_entries(lines, known, options):
                is_empty = False
                yield f"{name}, line {entry.line}", entry
                _note_id(ids, entry)
        if is_empty:
            yield name, Entry(1, "", Verdict.INVALID, problem="there is no URL in it")


def _note_id(ids: set[str], entry: "Entry") -> None:
    if entry.config is not None and not entry.problem:
        ids.add(entry.config.id)


@contextmanager
def _open_list(list_file: str) -> Iterator[Iterable[str]]:
    """The lines of the list; ends the command where it cannot be read."""
    from rheo_core.inputs import bounded_lines

    try:
        if list_file == _STANDARD_INPUT:
            yield bounded_lines(TextIOWrapper(sys.stdin.buffer, "utf-8", errors="replace"))
        else:
            with Path(list_file).open(encoding="utf-8", errors="replace") as file:
                yield bounded_lines(file)
    except (OSError, ValueError) as error:  # ValueError: NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        fail(f"cannot read the list {list_file}: {reason}.", ExitCode.FAILED)


def _refine(asked: _Asked, filename: str | None, checksum: str | None, mirrors: list[str]) -> None:
    """Give the only download what it alone gets; ends the command if it is not the only one."""
    from rheo_core.inputs import problem_of

    if asked.entries != 1:
        fail("--filename, --hash and --mirror need exactly one URL.", ExitCode.USAGE)
    if not asked.configs:
        return
    if filename is not None and (not filename.strip() or set(filename) & set("/\\\0")):
        problem = f"--filename {filename!r} is no file name: one without / and \\ is needed."
        fail(problem, ExitCode.FAILED)
    try:
        hash_config = HashConfig.from_checksum_string(checksum) if checksum is not None else None
    except ValueError as error:
        fail(f"--hash: {problem_of(error)}.", ExitCode.FAILED)
    given = {"filename": filename, "hash_config": hash_config, "mirrors": tuple(mirrors) or None}
    config = asked.configs[0]
    try:
        asked.configs[0] = FileConfig(
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
