"""The `rheo-tui` command: reads the command line, then starts the app."""

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rheo_core.domain.text import at_most

if TYPE_CHECKING:
    from rheo_core.config.settings import Settings
    from rheo_core.config.store import LoadedSettings
    from rheo_core.domain import FileConfig

    from .service import DownloadService

_BAD_INPUT = 1


class _Stop(Exception):
    """One sentence on input that is not acceptable."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; the usage is a flag away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app; gives the exit code (0, 1 for bad input; usage errors exit with 2)."""
    gc.disable()  # imports make no garbage, and to look for it costs a tenth of the start
    options = _parser().parse_args(arguments)
    if options.version:
        from rheo_core import __version__

        print(f"rheo-tui {__version__}")
        return 0
    try:
        configs, problems = _read_inputs(options.urls, options.input_file)
        if problems and not configs:
            raise _Stop(at_most(problems, "\nrheo-tui: "))
        loaded = _load_settings(options.download_dir)
    except _Stop as problem:
        print(f"rheo-tui: {problem}", file=sys.stderr)
        return _BAD_INPUT
    if not (sys.stdin.isatty() and sys.stderr.isatty()):  # the screen goes to standard error
        print("rheo-tui: a terminal is needed; the rheo command works without", file=sys.stderr)
        return _BAD_INPUT
    notices = [*loaded.problems, *([at_most(problems, "\n")] if problems else [])]
    if options.demo:
        return _run_demo(loaded.settings, configs, notices)
    return _run(loaded.settings, configs, notices, options.session)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rheo-tui",
        description="Download files over HTTP and steer them on a full screen.",
        epilog="Press ? in the app for its keys.",
    )
    parser.add_argument("urls", nargs="*", metavar="URL", help="link to download")
    parser.add_argument(
        "-i", "--input-file", type=Path, metavar="FILE", help="text file with links, one a line"
    )
    parser.add_argument(
        "-d", "--download-dir", type=Path, metavar="DIR", help="folder for downloads"
    )
    parser.add_argument(
        "--session", type=Path, metavar="FILE", help="where the list is kept, instead of the usual"
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="show the app with downloads from a server of its own; nothing is kept",
    )
    parser.add_argument("--version", action="store_true", help="show the version")
    return parser


def _read_inputs(
    urls: Sequence[str], list_file: Path | None
) -> "tuple[list[FileConfig], list[str]]":
    """What to download, in the order given, and a sentence on each bad line of the list.

    A thing named twice is downloaded once. A bad argument stops the command.
    """
    from rheo_core.inputs import read_entries

    configs: dict[str, FileConfig] = {}
    problems: list[str] = []
    sources = [("argument", urls)] if urls else []
    if list_file is not None:
        sources.append((f"{list_file}, line", _read_lines(list_file)))
    for where, lines in sources:
        entries = list(read_entries(lines))
        if not entries:
            problems.append(f"{where.removesuffix(', line')}: there is no link in it")
        for entry in entries:
            if entry.config is not None:
                configs.setdefault(entry.config.id, entry.config)
            elif lines is urls:
                raise _Stop(f"{where} {entry.line}: {entry.problem}")
            else:
                problems.append(f"{where} {entry.line}: {entry.problem}")
    return list(configs.values()), problems


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise _Stop(f"{path} cannot be read: {error.strerror or error}") from None


def _load_settings(download_dir: Path | None) -> "LoadedSettings":
    from pydantic import ValidationError

    from rheo_core.config.store import load_settings

    try:
        return load_settings(download_dir=download_dir)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise _Stop(f"--download-dir {str(download_dir)!r}: {reason}") from None


def _run(
    settings: "Settings",
    configs: "Sequence[FileConfig]",
    notices: Sequence[str],
    session: Path | None,
) -> int:
    from rheo_core.config.store import session_path

    from .app import RheoApp
    from .local_service import LocalService
    from .threaded_service import ThreadedService

    def other_list(path: Path, *, read_only: bool) -> "DownloadService":
        if read_only:
            from .viewer_service import SessionViewer

            return SessionViewer(settings, path)
        return ThreadedService(LocalService(settings, session_path=path, careful=True))

    service = ThreadedService(LocalService(settings, session_path=session or session_path()))
    app = RheoApp(service, configs, notices, other_list)
    _collect_garbage_again()
    app.run()
    return app.return_code or 0


def _run_demo(settings: "Settings", configs: "Sequence[FileConfig]", notices: Sequence[str]) -> int:
    import asyncio
    from tempfile import TemporaryDirectory

    from rheo_core.config.settings import Notify

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
        async with DemoServer() as server:
            service = ThreadedService(LocalService(here, save=False))
            app = RheoApp(service, [*server.configs(), *configs], notices)
            _collect_garbage_again()
            await app.run_async()
            return app.return_code or 0

    with TemporaryDirectory(prefix="rheo-demo-") as folder:
        return asyncio.run(run(folder))


def _collect_garbage_again() -> None:
    gc.freeze()  # what was imported stays
    gc.enable()


if __name__ == "__main__":
    sys.exit(main())
