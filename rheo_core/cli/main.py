"""The Typer application behind the `rheo` command."""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from rheo_core import __version__
from rheo_core.domain.text import printable

from .download import download
from .effective_settings import CommonOptions
from .flags import DownloadDir, Verbose, Workers
from .fleet import fleet
from .list_downloads import list_downloads

_LISTS = ("-i", "--input-file")


@contextmanager
def _printable_errors() -> Iterator[None]:
    """Make parser messages printable; the parser escapes only control characters."""
    try:
        yield
    except TyperException as error:
        error.message = printable(error.message)
        raise


class DownloadByDefault(TyperGroup):
    """Group of commands in which a URL instead of a command means `download`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert `download` if there are URLs or lists and no command, so that its flags work."""
        has_input = any("://" in arg or arg.startswith(_LISTS) for arg in args)
        is_first = has_input and (args[0].startswith("-") or "://" in args[0])
        if is_first and not self._names_command(args):
            args = ["download", *args]
        with _printable_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and make arguments in messages of its parser safe to show."""
        with _printable_errors():
            return super().invoke(ctx)

    def _names_command(self, args: list[str]) -> bool:
        """Return True if a command follows the options of the group, ignoring their values."""
        takes_value = {
            name: not getattr(flag, "is_flag", True) for flag in self.params for name in flag.opts
        }
        rest = iter(args)
        for arg in rest:
            if not arg.startswith("-"):
                return arg in self.commands
            if arg not in takes_value:  # an option of `download`
                return False
            if takes_value[arg]:
                next(rest, None)
        return False


app = typer.Typer(
    name="rheo",
    cls=DownloadByDefault,
    help="Download files over HTTP, several at a time, and resume after interruptions.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _drop_unread_output() -> None:
    """Drop output without a reader.

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
app.command("list")(list_downloads)
app.add_typer(fleet)
