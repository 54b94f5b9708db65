"""The core is headless, and importing it does nothing but define names.

Every module is imported alone, in a fork of an interpreter that has imported nothing of ours but
the packages that the module is in, so that none profits from what another one has imported.
Third-party packages that bring in nothing of what is looked for are imported before the forks.
"""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

_PROBE = """
import asyncio, gc, json, logging, os, sys, threading, warnings

warnings.simplefilter("error")
import aiofiles, aiohttp, httptools, isal.igzip_lib, isal.isal_zlib, platformdirs, pydantic
import pydantic_settings, sortedcontainers, sqlite3, statistics, yarl

OPTIONAL = ("dask", "distributed", "fsspec", "pyarrow", "ray", "s3fs")  # packages of extras
WATCHED = ("textual", "rich", "typer", "rheo_tui", "rheo_core", *OPTIONAL)


def state():
    own = [logging.getLogger(n) for n in logging.root.manager.loggerDict if n.startswith("rheo")]
    return {  # which no import may change
        "logging": [list(logging.root.handlers), logging.root.level]
        + [(log.name, log.handlers, log.level) for log in own if log.handlers or log.level],
        "loop": [asyncio.get_event_loop_policy(), asyncio.get_event_loop_policy()._local._loop],
        "threads": threading.active_count(),
        "environment": [dict(os.environ), sys.excepthook],
    }


def describe(name):
    try:
        __import__(name)
    except BaseException as error:
        return {"error": repr(error)}
    return {
        "packages": sorted({m.partition(".")[0] for m in sys.modules} & set(WATCHED)),
        "modules": sorted(m for m in sys.modules if m.startswith("rheo_core")),
        "changed": [what for what, now in state().items() if now != BEFORE[what]],
    }


def explore(name):
    # Python imports the packages of a module first: a fork of where they are imported saves that.
    if os.fork():
        os.wait()
        return
    print(json.dumps([name, describe(name)]), flush=True)
    for inner in inside.get(name, ()):
        explore(inner)
    os._exit(0)


assert not set(WATCHED) & set(sys.modules)
inside = {}
for name in json.loads(sys.argv[1]):
    inside.setdefault(name.rpartition(".")[0], []).append(name)
BEFORE = state()
gc.freeze()
gc.disable()  # to look for garbage takes a tenth of the time
explore("rheo_core")
"""


def module_names() -> list[str]:
    paths = sorted((ROOT / "rheo_core").rglob("*.py"))
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Effects of importing each module alone."""
    home, here = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("here")
    result = subprocess.run(
        [sys.executable, "-B", "-c", _PROBE, json.dumps(module_names())],
        cwd=here,
        env={"HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    answers = dict(json.loads(line) for line in result.stdout.splitlines())
    files = [str(path) for folder in (home, here) for path in folder.rglob("*")]
    return {name: {**answer, "files": files} for name, answer in answers.items()}


def test_every_module_was_tried(imported: dict[str, dict[str, Any]]) -> None:
    assert list(imported) == module_names()
    assert len(imported) > 40


@pytest.mark.parametrize("name", module_names())
def test_import(imported: dict[str, dict[str, Any]], name: str) -> None:
    answer = imported[name]
    assert "error" not in answer
    command = name.startswith("rheo_core.cli")
    allowed = {"rheo_core", "rich", "typer"} if command else {"rheo_core"}
    assert set(answer["packages"]) <= allowed
    assert name in answer["modules"]
    assert answer["changed"] == []
    assert answer["files"] == [], "files were written"


def test_the_command_can_help_without_the_engine() -> None:
    """`rheo --help` answers while it has imported neither pydantic nor aiohttp."""
    code = "import rheo_core.cli.main, sys; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "typer" in result.stdout.split()
    assert not {"pydantic", "aiohttp", "rheo_core.engine"} & set(result.stdout.split())


def test_the_first_screen_of_the_app_needs_neither_engine_nor_readers_of_lists() -> None:
    code = "import rheo_tui.app, sys; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    late = {"aiohttp", "rheo_core.engine", "rheo_core.inputs", "rheo_tui.screens.add"}
    assert not late & set(result.stdout.split())


def test_modules_of_packages_that_are_imported_late() -> None:
    code = "import rheo_core; print(rheo_core.domain.speed.__name__, rheo_core.events.__name__)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "rheo_core.domain.speed rheo_core.events\n"


def test_names_of_packages_that_are_imported_late() -> None:
    code = (
        "import rheo_core, rheo_core.domain as domain\n"
        "for package in (rheo_core, domain):\n"
        "    assert set(package.__all__) <= set(dir(package))\n"
        "    for name in package.__all__:\n"
        "        assert getattr(package, name) is getattr(package, name), name\n"
        "try:\n"
        "    domain.Nonsense\n"
        "except AttributeError as error:\n"
        "    print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "module 'rheo_core.domain' has no attribute 'Nonsense'\n"


def test_each_module_of_the_app_is_kept_from_the_engine_or_an_exception() -> None:
    """import-linter has no contract for "all but these", so that a new file would escape it."""
    exceptions = {
        "rheo_tui.__init__",
        "rheo_tui.__main__",  # makes the service
        "rheo_tui.screen_memory",  # writes a file safely
        "rheo_tui.services.__init__",
        "rheo_tui.services.fleet",
        "rheo_tui.services.local",
        "rheo_tui.services.read_only",
        "rheo_tui.services.threaded",
        "rheo_tui.services.trash",
    }
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (kept,) = (
        contract["source_modules"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["name"].startswith("Screens and widgets")
    )
    files = (ROOT / "rheo_tui").rglob("*.py")
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    free = {name for name in modules if not any(f"{name}.".startswith(f"{k}.") for k in kept)}
    assert free == exceptions
