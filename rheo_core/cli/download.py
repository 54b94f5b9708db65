"""`rheo download`: from arguments to downloads."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.text import at_most, printable

from .options import CommonOptions, ExitCode, fail, settings_in_force
from .parameters import (
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
    ServerTime,
    Sidecar,
    Urls,
    Workers,
)

if TYPE_CHECKING:
    from rheo_core.inputs import Entry

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
    workers: Workers = None,
    connections: Connections = None,
    limit_rate: LimitRate = None,
    retries: Retries = None,
    exists: Exists = None,
    server_time: ServerTime = None,
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
    asked = _collect(urls or [], input_files or [])
    if filename is not None or checksum is not None or mirrors:
        _refine(asked, filename, checksum, mirrors or [])
    if sidecar:
        asked.configs = [config.model_copy(update={"sidecar": True}) for config in asked.configs]
    asked.tell(quiet=quiet)
    if not asked.configs:
        raise typer.Exit(ExitCode.FAILED)
    _make_folder(settings.download_dir)

    from .running import Output, run

    code = run(
        asked.configs, settings, Output(json=json_events, quiet=quiet, verbose=common.verbose)
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
    ids: set[str] = field(default_factory=set)

    def add(self, entry: "Entry", where: str) -> None:
        if entry.problem and entry.config is not None:
            self.notes.append(f"{where}: {entry.problem}, left out: {entry.text}")
        elif entry.config is not None:
            self.configs.append(entry.config)
            self.ids.add(entry.config.id)
        else:
            self.problems.append(f"{where}: {entry.problem}")

    def tell(self, *, quiet: bool) -> None:
        """Say on standard error what is not right, and unless `quiet` what is left out."""
        for lines in (self.problems, [] if quiet else self.notes):
            if lines:
                said = at_most([printable(line) for line in lines], "\nrheo: ", _MOST_LINES)
                typer.echo(f"rheo: {said}", err=True)


def _collect(urls: list[str], list_files: list[str]) -> _Asked:
    from rheo_core.inputs import read_entries

    asked = _Asked()
    for number, url in enumerate(urls, 1):
        entry = next(read_entries([url], asked.ids), None)
        if entry is None:
            asked.problems.append(f"argument {number}: {url!r} is no URL")
        else:
            asked.add(entry, f"argument {number}")
    for list_file in list_files:
        before = len(asked.configs) + len(asked.problems) + len(asked.notes)
        name = "standard input" if list_file == _STANDARD_INPUT else list_file
        # A copy: what the list itself repeats is told with the line.
        known = frozenset(asked.ids)
        with _open_list(list_file) as lines:
            for entry in read_entries(lines, known):
                asked.add(entry, f"{name}, line {entry.line}")
        if before == len(asked.configs) + len(asked.problems) + len(asked.notes):
            asked.problems.append(f"{name}: there is no URL in it")
    return asked


@contextmanager
def _open_list(list_file: str) -> Iterator[Iterable[str]]:
    """The lines of the list; ends the command where it cannot be read."""
    try:
        if list_file == _STANDARD_INPUT:
            yield (line.decode("utf-8", errors="replace") for line in sys.stdin.buffer)
        else:
            with Path(list_file).open(encoding="utf-8", errors="replace") as file:
                yield file
    except (OSError, ValueError) as error:  # ValueError: NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        fail(f"cannot read the list {list_file}: {reason}.", ExitCode.FAILED)


def _refine(asked: _Asked, filename: str | None, checksum: str | None, mirrors: list[str]) -> None:
    """Give the only download what it alone gets; ends the command if it is not the only one."""
    if len(asked.configs) + len(asked.problems) + len(asked.notes) != 1:
        fail("--filename, --hash and --mirror need exactly one URL.", ExitCode.USAGE)
    if not asked.configs:
        return
    if filename is not None and (not filename.strip() or set(filename) & set("/\\\0")):
        problem = f"--filename {filename!r} is no file name: one without / and \\ is needed."
        fail(problem, ExitCode.FAILED)
    try:
        hash_config = HashConfig.from_checksum_string(checksum) if checksum is not None else None
    except ValueError as error:
        fail(f"--hash: {_reason(error)}.", ExitCode.FAILED)
    url = asked.configs[0].url
    try:
        asked.configs[0] = FileConfig(
            url=url, filename=filename, hash_config=hash_config, mirrors=tuple(mirrors)
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
