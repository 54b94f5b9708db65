"""The Typer application behind the `rheo` command."""

import atexit
import os
import sys
from typing import Annotated

import typer

from rheo_core import __version__

from .download import download
from .parameters import DownloadDir, Verbose, Workers
from .settings import CommonOptions

app = typer.Typer(
    name="rheo",
    help="Download files over HTTP: several at a time, resuming where it was interrupted.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _drop_unread_output() -> None:
    """Drop output that nobody reads any more.

    Otherwise the interpreter flushes it at exit, fails, and exits with 120 instead of our code.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None: closed before the start
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _show_version(is_set: bool) -> None:
    if is_set:
        typer.echo(f"rheo {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    download_dir: DownloadDir = None,
    workers: Workers = None,
    verbose: Verbose = False,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
) -> None:
    """Options of every command."""
    atexit.register(_drop_unread_output)
    context.obj = CommonOptions(download_dir, workers, verbose)


app.command()(download)
