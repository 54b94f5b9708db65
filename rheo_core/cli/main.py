"""The Typer application behind the `rheo` command."""

from typing import Annotated

import typer

from rheo_core import __version__

from .download import download
from .options import CommonOptions

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
    download_dir: Annotated[
        str | None,
        typer.Option("-d", "--download-dir", metavar="DIR", help="Folder for downloads."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("-w", "--workers", metavar="N", help="Downloads that run at the same time."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Log what is done, to standard error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
) -> None:
    """Options of every command."""
    context.obj = CommonOptions(download_dir, workers, verbose)


app.command()(download)
