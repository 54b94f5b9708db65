"""The `rheo-tui` command: reads the command line, then starts the app."""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rheo_core.cli.__main__ import take_over
from rheo_core.cli.input_flags import BASE, GLOB, INPUT_FILE, LINKS, LIST_OPTIONS, Flag
from rheo_core.domain.text import at_most, printable, redact

if TYPE_CHECKING:
    from rheo_core.config.settings import Settings
    from rheo_core.config.store import LoadedSettings
    from rheo_core.domain.file_exists import FileExistsStrategy
    from rheo_core.inputs.sources import Item

    from .service import DownloadService

_BAD_INPUT = 1
_USAGE = 2


class _Stop(Exception):
    """One sentence on input that is not acceptable."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; the usage is a flag away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app and return the exit status: 0, 1 for bad input, 2 for a usage error."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # there is nothing to save yet
    take_over()
    gc.disable()  # imports make no garbage, and to look for it costs a tenth of the start
    options = _parser().parse_args(arguments)
    if options.version:
        from rheo_core import __version__

        print(f"rheo-tui {__version__}")
        return 0
    try:
        loaded = _load_settings(options.download_dir)
        exists = loaded.settings.file_exists_strategy
        wanted = _wanted(options, exists) if options.urls or options.input_file else ()
        _keep_the_terminal(options.input_file)
    except _Stop as problem:
        print(f"rheo-tui: {problem}", file=sys.stderr)
        return _BAD_INPUT
    if not options.demo and (refusal := _refusal_of(options.session)):
        print(f"rheo-tui: {refusal}", file=sys.stderr)
        return _USAGE
    if not (sys.stdin.isatty() and sys.stderr.isatty()):  # the screen goes to standard error
        print("rheo-tui: a terminal is needed; the rheo command works without", file=sys.stderr)
        return _BAD_INPUT
    if options.demo:
        return _run_demo(loaded.settings, wanted, loaded.problems)
    return _run(options, loaded, wanted)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rheo-tui",
        description="Download files over HTTP and steer them on a full screen.",
        epilog="Press ? in the app for its keys.",
        add_help=False,
    )
    parser.add_argument("urls", nargs="*", metavar="URL", help="Link to download.")
    _add(parser, INPUT_FILE, action="append", default=[])
    _add(parser, GLOB, action="store_true")
    _add(parser, LINKS)
    _add(parser, BASE, type=_address)
    _add(parser, LIST_OPTIONS, action="store_true")
    parser.add_argument(
        "-d", "--download-dir", type=Path, metavar="DIR", help="Folder for downloads."
    )
    parser.add_argument(
        "--session", type=Path, metavar="FILE", help="Where the list is kept, instead of the usual."
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="Show the app with downloads from a server of its own; nothing is kept.",
    )
    parser.add_argument("--version", action="store_true", help="Show the version.")
    parser.add_argument("-h", "--help", action="help", help="Show this message and exit.")
    return parser


def _add(parser: argparse.ArgumentParser, flag: Flag, **how: Any) -> None:
    if flag.metavar is not None:
        how["metavar"] = flag.metavar
    parser.add_argument(*flag.names, help=flag.help, **how)


def _address(text: str) -> str:
    from rheo_core.domain.file_config import normalise_url

    try:
        return normalise_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _wanted(options: argparse.Namespace, exists: "FileExistsStrategy") -> "Iterator[Item]":
    """What to download, read as it is taken; up to the first that can be, it is read at once.

    A bad argument stops the command, and so do lists in which nothing is good.
    """
    from rheo_core.inputs import ReadOptions
    from rheo_core.inputs.sources import Diagnostic, diagnose, read_sources

    how = ReadOptions(
        base=options.base,
        links=options.links,
        patterns=options.glob,
        exists=exists,
        list_options=options.allow_list_options,
    )
    try:
        given = read_sources(options.urls, (), how)
        listed = read_sources((), options.input_file, how)
    except ValueError as error:
        raise _Stop(str(error)) from None
    first: list[Item] = [item for where, entry in given for item in diagnose(where, entry)]
    for item in first:
        if isinstance(item, Diagnostic) and item.is_problem:
            raise _Stop(printable(redact(item.text)))
    rest = chain.from_iterable(starmap(diagnose, listed))
    while not first or isinstance(first[-1], Diagnostic):
        following = next(rest, None)
        if following is None:
            problems = [
                printable(redact(item.text)) for item in first if isinstance(item, Diagnostic)
            ]
            raise _Stop(at_most(problems, "\nrheo-tui: "))
        first.append(following)
    return chain(first, rest)


def _keep_the_terminal(lists: Sequence[str]) -> None:
    """Where standard input is a list, keys come from the terminal all the same."""
    if "-" not in lists:
        return
    if sys.stdin.isatty():
        raise _Stop(
            "standard input is the terminal itself, not a list; links are pasted in the app"
        )
    with suppress(OSError):  # there is none: that is told next
        terminal = os.open("/dev/tty", os.O_RDONLY)
        os.dup2(terminal, sys.stdin.fileno())
        os.close(terminal)


def _load_settings(download_dir: Path | None) -> "LoadedSettings":
    from pydantic import ValidationError

    from rheo_core.config.store import load_settings

    try:
        return load_settings(download_dir=download_dir)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise _Stop(f"--download-dir {str(download_dir)!r}: {reason}") from None


def _refusal_of(session: Path | None) -> str | None:
    """Say why no list can be kept at a path that someone typed, or at the usual one.

    What else is wrong at the usual place is mended once the screen is open.
    """
    if session is None:
        from rheo_core.config.store import session_path
        from rheo_core.infrastructure.session_head import find_newer

        problem = find_newer(path := session_path())
        return problem and f"{printable(str(path))}: {problem}"
    from rheo_core.infrastructure.session_store import SessionStoreError, check_place

    if not os.path.lexists(session.parent):
        return None  # the folder is made
    try:
        check_place(session)
    except SessionStoreError as error:
        return f"--session {printable(str(session))}: {error.problem}"
    return None


def _run(options: argparse.Namespace, loaded: "LoadedSettings", wanted: "Iterable[Item]") -> int:
    from rheo_core.config.store import load_settings, session_path

    from .app import RheoApp
    from .local_service import LocalService
    from .threaded_service import ThreadedService

    settings, load = loaded.settings, partial(load_settings, download_dir=options.download_dir)

    def other_list(path: Path, *, read_only: bool) -> "DownloadService":
        if read_only:
            from .viewer_service import SessionViewer

            return SessionViewer(settings, path)
        return ThreadedService(LocalService(settings, session_path=path, load=load, careful=True))

    path = options.session or session_path()
    service = ThreadedService(LocalService(settings, session_path=path, load=load))
    app = RheoApp(service, wanted, loaded.problems, other_list)
    _begin()
    app.run()
    return app.return_code or 0


def _run_demo(settings: "Settings", wanted: "Iterable[Item]", notices: Sequence[str]) -> int:
    import asyncio
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from rheo_core.config.settings import Notify
    from rheo_core.config.store import LoadedSettings, load_settings

    from .app import RheoApp
    from .demo import DemoServer
    from .local_service import LocalService
    from .threaded_service import ThreadedService

    async def run(folder: str) -> int:
        # One connection each: the server is slow on purpose, and there is something to watch.
        changes = {"download_dir": Path(folder), "connections": 1}
        # Nothing of it is real, so nothing follows it.
        changes |= {"rules": (), "on_complete": (), "on_error": (), "notify": Notify.OFF}
        here = settings.model_copy(update=changes)

        def load() -> LoadedSettings:
            loaded = load_settings()
            return replace(loaded, settings=loaded.settings.model_copy(update=changes))

        async with DemoServer() as server:
            service = ThreadedService(LocalService(here, save=False, load=load))
            app = RheoApp(service, chain(server.configs(), wanted), notices)
            _begin()
            await app.run_async()
            return app.return_code or 0

    with TemporaryDirectory(prefix="rheo-demo-") as folder:
        return asyncio.run(run(folder))


def _begin() -> None:
    """The end of the start: garbage is collected again, and Ctrl-C is the app's."""
    gc.freeze()  # what was imported stays
    gc.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(main())
