"""The Typer application behind the `rheo` command."""

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
    context.obj = CommonOptions(download_dir, workers, verbose)


app.command()(download)
