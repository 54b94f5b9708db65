"""The Typer application behind the `rheo` command."""

import atexit
import os
import sys
from typing import Annotated

import typer

from rheo_core import __version__

from .download import download
from .options import CommonOptions
from .parameters import DownloadDir, Verbose, Workers

app = typer.Typer(
    name="rheo",
    help="Download files over HTTP, several at a time, and go on where it was interrupted.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _give_up_unread_output() -> None:
    """Drop what a reader that went away left unread.

    The interpreter would flush it once more at its end, and exit with 120 in place of our status.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None: closed before the start
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _show_version(wanted: bool) -> None:
    if wanted:
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
    atexit.register(_give_up_unread_output)
    context.obj = CommonOptions(download_dir, workers, verbose)


app.command()(download)
