"""The core is headless, and importing it does nothing but define names.

Every module is imported alone, in a fork of a fresh interpreter that has imported nothing of
ours, so that no module profits from what another one has imported. Third-party packages that bring
in nothing of what is looked for are imported before the forks: that takes a tenth of the time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

_PROBE = """
import asyncio, gc, json, logging, os, sys, threading, warnings

warnings.simplefilter("error")
import aiohttp, pydantic, pydantic_settings, platformdirs, sortedcontainers, yarl

OPTIONAL = ("dask", "distributed", "fsspec", "pyarrow", "ray", "s3fs")  # packages of extras
WATCHED = ("textual", "rich", "typer", "rheo_tui", "rheo_core", *OPTIONAL)


def describe(name):
    policy = asyncio.get_event_loop_policy()
    handlers, level = list(logging.root.handlers), logging.root.level
    environment, signals = dict(os.environ), sys.excepthook
    __import__(name)
    own = [logging.getLogger(n) for n in logging.root.manager.loggerDict if n.startswith("rheo")]
    return {
        "packages": sorted({m.partition(".")[0] for m in sys.modules} & set(WATCHED)),
        "modules": sorted(m for m in sys.modules if m.startswith("rheo_core")),
        "logging": logging.root.handlers == handlers and logging.root.level == level
        and all(not log.handlers and log.level == logging.NOTSET for log in own),
        "loop": asyncio.get_event_loop_policy() is policy and policy._local._loop is None,
        "threads": threading.active_count(),
        "environment": dict(os.environ) == environment and sys.excepthook is signals,
    }


assert not set(WATCHED) & set(sys.modules)
gc.freeze()
gc.disable()  # to look for garbage takes a tenth of the time
for name in json.loads(sys.argv[1]):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = describe(name)
        except BaseException as error:
            answer = {"error": repr(error)}
        os.write(write, json.dumps(answer).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        print(json.dumps([name, json.loads(pipe.read())]))
    os.waitpid(child, 0)
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
    assert answer["logging"], "logging was configured"
    assert answer["loop"], "an event loop or a policy was set"
    assert answer["threads"] == 1
    assert answer["environment"], "the environment or the excepthook was changed"
    assert answer["files"] == [], "files were written"


def test_the_command_can_help_without_the_engine() -> None:
    """`rheo --help` answers while it has imported neither pydantic nor aiohttp."""
    code = "import rheo_core.cli.main, sys; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "typer" in result.stdout.split()
    assert not {"pydantic", "aiohttp", "rheo_core.engine"} & set(result.stdout.split())


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
