"""The `rheo-tui` command: reads the command line, then starts the app."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rheo_core.config.store import LoadedSettings
    from rheo_core.domain import FileConfig

_BAD_INPUT = 1


class _Stop(Exception):
    """One sentence on input that is not acceptable."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; the usage is a flag away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app; gives the exit code (0, 1 for bad input; usage errors exit with 2)."""
    options = _parser().parse_args(arguments)
    if options.version:
        from rheo_core import __version__

        print(f"rheo-tui {__version__}")
        return 0
    try:
        configs = _read_inputs(options.urls, options.input_file)
        loaded = _load_settings(options.download_dir)
    except _Stop as problem:
        print(f"rheo-tui: {problem}", file=sys.stderr)
        return _BAD_INPUT
    if not (sys.stdin.isatty() and sys.stderr.isatty()):  # the screen goes to standard error
        print("rheo-tui: a terminal is needed; the rheo command works without", file=sys.stderr)
        return _BAD_INPUT
    if options.demo:
        return _run_demo(loaded, configs)
    return _run(loaded, configs, options.session)


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


def _read_inputs(urls: Sequence[str], list_file: Path | None) -> "list[FileConfig]":
    """What to download, in the order given; a thing named twice is downloaded once."""
    from rheo_core.inputs import Verdict, read_entries

    configs: dict[str, FileConfig] = {}
    sources = [("argument", urls)] if urls else []
    if list_file is not None:
        sources.append((f"{list_file}, line", _read_lines(list_file)))
    for where, lines in sources:
        for entry in read_entries(lines):
            if entry.verdict is Verdict.INVALID:
                raise _Stop(f"{where} {entry.line}: {entry.problem}")
            if entry.config is not None:
                configs.setdefault(entry.config.id, entry.config)
    return list(configs.values())


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


def _run(loaded: "LoadedSettings", configs: "Sequence[FileConfig]", session: Path | None) -> int:
    from rheo_core.config.store import session_path

    from .app import RheoApp
    from .local_service import LocalService

    service = LocalService(loaded.settings, session_path=session or session_path())
    app = RheoApp(service, configs, loaded.problems)
    app.run()
    return app.return_code or 0


def _run_demo(loaded: "LoadedSettings", configs: "Sequence[FileConfig]") -> int:
    import asyncio
    from tempfile import TemporaryDirectory

    from .app import RheoApp
    from .demo import DemoServer
    from .local_service import LocalService

    async def run(folder: str) -> int:
        settings = loaded.settings.model_copy(update={"download_dir": Path(folder)})
        async with DemoServer() as server:
            service = LocalService(settings, save=False)
            app = RheoApp(service, [*server.configs(), *configs], loaded.problems)
            await app.run_async()
            return app.return_code or 0

    with TemporaryDirectory(prefix="rheo-demo-") as folder:
        return asyncio.run(run(folder))


if __name__ == "__main__":
    sys.exit(main())
