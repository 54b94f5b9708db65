"""`rheo download`: from arguments to downloads."""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Annotated

import typer

from rheo_core.domain.file_config import FileConfig, FileExistsStrategy
from rheo_core.domain.hash_validation import HashConfig

from .asked import Asked, Item, Remark, Remarks
from .options import CommonOptions, ExitCode, fail, settings_in_force


def download(
    context: typer.Context,
    urls: Annotated[
        list[str] | None, typer.Argument(metavar="URL", help="What to download.")
    ] = None,
    input_files: Annotated[
        list[str] | None,
        typer.Option(
            "-i",
            "--input-file",
            metavar="FILE",
            help="List with one URL a line; - reads it from standard input. May be repeated.",
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")
    ] = None,
    filename: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name to save under; for a single URL."),
    ] = None,
    checksum: Annotated[
        str | None,
        typer.Option(
            "--hash",
            metavar="ALG:HEX",
            help="Expected hash, such as sha256:9f86...; for a single URL.",
        ),
    ] = None,
    mirrors: Annotated[
        list[str] | None,
        typer.Option(
            "--mirror",
            metavar="URL",
            help="Another place of the same file, to fetch from as well; for a single URL. "
            "May be repeated.",
        ),
    ] = None,
    sidecar: Annotated[
        bool,
        typer.Option(
            "--sidecar",
            help="Check each file against URL.sha256 or SHA256SUMS beside it; without one of "
            "these it fails.",
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("-w", "--workers", metavar="N", help="Downloads that run at the same time."),
    ] = None,
    connections: Annotated[
        int | None,
        typer.Option("-x", "--connections", metavar="N", help="Connections for each download."),
    ] = None,
    limit_rate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Limit for all downloads together, in bytes a second, such as "
            "500K or 5M; off for none.",
        ),
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(metavar="N", help="Attempts after the first one fails."),
    ] = None,
    exists: Annotated[
        FileExistsStrategy | None, typer.Option(help="What to do when the file exists.")
    ] = None,
    json_events: Annotated[
        bool,
        typer.Option("--json", help="Write each event as a line of JSON to standard output."),
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show nothing but errors.")] = False,
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
    )
    remarks = Remarks(quiet=quiet)
    wanted = iter(Asked(urls or [], input_files or []))
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
    code = run(wanted, remarks, settings, shown)
    if code is ExitCode.DONE and remarks.any_problem:
        code = ExitCode.FAILED
    raise typer.Exit(code)


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
