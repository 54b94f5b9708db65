"""The `rheo-tui` command: parse the arguments, then start the app."""

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rheo_core.cli.__main__ import report_lost_output, take_over
from rheo_core.cli.input_flags import BASE, GLOB, INPUT_FILE, LINKS, LIST_OPTIONS, Flag
from rheo_core.cli.start import begin_imports, end_imports
from rheo_core.domain.text import at_most, printable, redact, system_reason

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    from rheo_core.config.settings import Settings
    from rheo_core.config.store import LoadedSettings
    from rheo_core.inputs.arguments import Item

    from .services.protocol import DownloadService

_BAD_INPUT = 1
_USAGE = 2
_DISK = 4


class _Stop(Exception):
    """Input is not valid; the message is one sentence.

    Args:
        sentence: the message.
        code: exit status.
    """

    def __init__(self, sentence: str, code: int = _BAD_INPUT) -> None:
        super().__init__(sentence)
        self.code = code


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:
        """Print the message; argparse would ignore a full output."""
        (file or sys.stdout).write(self.format_help())
        sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app; return 0, 1 for bad input, 2 for a usage error, 4 for an unreadable folder."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # nothing to save yet
    take_over()
    begin_imports()
    try:
        options = _parser().parse_args(arguments)
        if options.version:
            from rheo_core import __version__

            print(f"rheo-tui {__version__}", flush=True)
            return 0
    except OSError as error:
        return report_lost_output("rheo-tui", error)
    try:
        if options.fleet is not None:
            _check_fleet(options)
        loaded = _load_settings(options.download_dir)
        items = _items(options, loaded.settings) if options.urls or options.input_file else ()
        _keep_the_terminal(options.input_file)
    except _Stop as problem:
        print(f"rheo-tui: {problem}", file=sys.stderr)
        return problem.code
    opens_session = not options.demo and options.fleet is None
    if opens_session and (refusal := _refusal_of(options.session)):
        print(f"rheo-tui: {refusal}", file=sys.stderr)
        return _USAGE
    if not (sys.stdin.isatty() and sys.stderr.isatty()):  # the screen goes to standard error
        print("rheo-tui: needs a terminal; without one, use the rheo command", file=sys.stderr)
        return _BAD_INPUT
    if options.fleet is not None:
        return _run_fleet(options.fleet, loaded)
    if options.demo:
        return _run_demo(loaded.settings, items, loaded.problems)
    return _run(options, loaded, items)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rheo-tui",
        description="Download files over HTTP and manage them in a full-screen app.",
        epilog="Press ? in the app to show its keys.",
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
        "--session", type=Path, metavar="FILE", help="Session file to use instead of the default."
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="Show the app with downloads from a built-in server. The app saves nothing.",
    )
    parser.add_argument(
        "--fleet",
        metavar="OUT",
        help="Watch the fleet run in this output folder, or at its URL, instead of downloads.",
    )
    parser.add_argument("--version", action="store_true", help="Show the version.")
    parser.add_argument("-h", "--help", action="help", help="Show this message and exit.")
    return parser


def _add(parser: argparse.ArgumentParser, flag: Flag, **how: Any) -> None:
    if flag.metavar is not None:
        how["metavar"] = flag.metavar
    parser.add_argument(*flag.names, help=flag.help, **how)


def _address(text: str) -> str:
    from rheo_core.domain.urls import normalise_url

    try:
        return normalise_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _items(options: argparse.Namespace, settings: "Settings") -> "Iterator[Item]":
    """Return the downloads to queue; lists are read while items are taken.

    Everything before the first good download is read at once.

    Raises:
        _Stop: an argument is not valid, or the lists contain nothing valid.
    """
    from rheo_core.inputs import ReadOptions
    from rheo_core.inputs.arguments import Diagnostic, diagnose, read_arguments

    read_options = ReadOptions(
        base=options.base,
        links=options.links,
        patterns=options.glob,
        folder=settings.download_dir,
        exists=settings.file_exists_strategy,
        timeout=settings.timeout,
        list_options=options.allow_list_options,
    )
    known: dict[str, str] = {}
    try:
        arguments = read_arguments(options.urls, (), read_options, known)
        listed = read_arguments((), options.input_file, read_options, known)
    except ValueError as error:
        raise _Stop(str(error)) from None
    first: list[Item] = [item for place, entry in arguments for item in diagnose(place, entry)]
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
    """Read keys from the terminal, even if standard input is a list."""
    if "-" not in lists:
        return
    if sys.stdin.isatty():
        raise _Stop("standard input is the terminal, not a list; paste links in the app instead")
    with suppress(OSError):  # without a terminal, main reports it
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
    """Return the reason why a path is unusable for the session, or None.

    Args:
        session: the path typed by the user; None is the default path, whose other problems are
            repaired when the app starts.
    """
    if session is None:
        from rheo_core.config.store import session_path
        from rheo_core.infrastructure.session_head import find_newer

        problem = find_newer(path := session_path())
        return problem and f"{printable(str(path))}: {problem}"
    from rheo_core.infrastructure.session_store import SessionStoreError, check_session_path

    if not os.path.lexists(session.parent):
        return None  # the folder will be created
    try:
        check_session_path(session)
    except SessionStoreError as error:
        return f"--session {printable(str(session))}: {error.problem}"
    return None


def _run(options: argparse.Namespace, loaded: "LoadedSettings", items: "Iterable[Item]") -> int:
    from rheo_core.config.store import load_settings, session_path

    from .app import RheoApp
    from .screen_memory import ScreenMemory
    from .services.local import LocalService
    from .services.threaded import ThreadedService

    settings, load = loaded.settings, partial(load_settings, download_dir=options.download_dir)

    def make_service(path: Path, *, read_only: bool) -> "DownloadService":
        if read_only:
            from .services.read_only import ReadOnlyService

            return ReadOnlyService(settings, path)
        return ThreadedService(LocalService(settings, session_path=path, load=load, careful=True))

    path = options.session or session_path()
    service = ThreadedService(LocalService(settings, session_path=path, load=load))
    memory = ScreenMemory.load(session_path().with_name("screen.json"))
    app = RheoApp(service, items, loaded.problems, make_service, memory)
    _begin()
    app.run()
    return app.return_code or 0


def _check_fleet(options: argparse.Namespace) -> None:
    """Check the output folder of a fleet, as far as possible without a network.

    Raises:
        _Stop: it is unusable, or other arguments ask for downloads.
    """
    from rheo_core.fleet.planning import PlanError, read_plan
    from rheo_core.fleet.targets import open_target

    if options.urls or options.input_file or options.demo or options.session:
        raise _Stop("--fleet cannot be combined with URL, -i, --demo or --session", _USAGE)
    shown = printable(redact(options.fleet))
    try:
        target = open_target(options.fleet)
        if target.path is not None and read_plan(target) is None:
            raise PlanError("it has no plan")
    except PlanError as error:
        raise _Stop(f"{shown} is not the output folder of a fleet: {error}", _USAGE) from None
    except ValueError as error:
        raise _Stop(printable(str(error)), _USAGE) from None
    except OSError as error:
        raise _Stop(f"cannot read {shown}: {system_reason(error)}", _DISK) from None


def _run_fleet(out: str, loaded: "LoadedSettings") -> int:
    from .fleet_app import FleetApp
    from .services.fleet import FleetService

    app = FleetApp(FleetService(out), loaded.settings, loaded.problems)
    _begin()
    app.run()
    return app.return_code or 0


def _run_demo(settings: "Settings", items: "Iterable[Item]", problems: Sequence[str]) -> int:
    import asyncio
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from rheo_core.config.settings import Notify
    from rheo_core.config.store import LoadedSettings, load_settings

    from .app import RheoApp
    from .demo import DemoServer, repeat
    from .services.local import LocalService
    from .services.threaded import ThreadedService

    async def run(folder: str) -> int:
        # One connection each, because the server is slow on purpose, to give something to watch.
        changes = {"download_dir": Path(folder), "connections": 1}
        # The downloads are not real, so run no hooks and send no notifications.
        changes |= {"rules": (), "on_complete": (), "on_error": (), "notify": Notify.OFF}
        demo_settings = settings.model_copy(update=changes)

        def load() -> LoadedSettings:
            loaded = load_settings()
            return replace(loaded, settings=loaded.settings.model_copy(update=changes))

        async with DemoServer() as server:
            service = ThreadedService(LocalService(demo_settings, save=False, load=load))
            app = RheoApp(service, chain(server.configs(), items), problems, badge="demo")
            repeating = asyncio.create_task(
                repeat(app.main.client, server, Path(folder), app.main.toast)
            )
            _begin()
            try:
                await app.run_async()
            finally:
                repeating.cancel()
            return app.return_code or 0

    with TemporaryDirectory(prefix="rheo-demo-") as folder:
        return asyncio.run(run(folder))


def _begin() -> None:
    """Finish the start, and leave Ctrl+C to the app."""
    end_imports()
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(main())
