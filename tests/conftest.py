"""Fixtures that every test may use."""

import gc
import importlib
import itertools
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

from rheo_core.domain.engine_options import EngineOptions
from rheo_core.downloads import manager
from rheo_core.infrastructure.http import AiohttpClient, private_networks
from rheo_tui.demo import DemoServer
from tests import waiting
from tests.clients import IS_AIOHTTP
from tests.core.engine import PATIENT
from tests.limited_memory import limited_memory as limited_memory
from tests.servers.misbehaving import MisbehavingServer
from tests.waiting import Until

settings.register_profile("untimed", deadline=None)  # the machine may be busy with other things
settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In the background of a script, each program that a test starts would ignore Ctrl+C too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


LONG = (
    "test_state_machine.py",
    "test_benchmarks.py",
    "test_hostile.py",
    "test_queue_survives.py",
    "test_many_files.py",
    "test_canaries.py",
    "test_listed_canaries.py",
    "test_kill.py",
    "test_kill_random.py",
    "test_network.py",
    "test_processes.py",
    "test_power_loss.py",
    "test_disk_room.py",
    "test_session_damage.py",
    "test_inputs.py",
    "test_adding.py",
    "test_words.py",
    "test_small_engine.py",
    "test_fleet_kill.py",
    "test_ray.py",
    "test_small_files.py",
    "test_pieces.py",
    "test_disk_errors.py",
    "test_kill_between_states.py",
    "test_kill_edit.py",
    "test_hostile_folders.py",
)
"""Files whose tests take seconds each: the last test of a run should be a short one."""

_ROOT = Path(__file__).parents[1]

SHARED = ("test_imports.py",)
"""Files whose tests share what takes seconds: one worker should run all of them."""


def _workers() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def pytest_xdist_auto_num_workers() -> int:
    """Run three tests for each core: most wait for a server, a delay or a program.

    More take more CPU time, because each process collects all tests, and end later.
    """
    return max(3 * (os.cpu_count() or 1), 2)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every second combination of the parameters that `halved` names as long.

    As on a chessboard: each value of a parameter still meets half of those of each other one.
    """
    if isinstance(item, pytest.Function) and (halved := item.get_closest_marker("halved")):
        places = [_place(item, name) for name in halved.args]
        if sum(places) % 2:
            item.add_marker(pytest.mark.long)


_places: dict[tuple[str, str], dict[int, int]] = {}


def _place(item: pytest.Function, name: str) -> int:
    """Return the place of a parameter's value among its values; pytest counts combinations."""
    places = _places.setdefault((item.nodeid.partition("[")[0], name), {})
    return places.setdefault(id(item.callspec.params[name]), len(places))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long tests first in the portion of each worker, and shared ones near the beginning.

    With `--dist=worksteal` a worker begins with an equal portion of the list, in order, and takes
    from the ends of the others when it has none left.
    """
    workers = _workers()
    long = [item for item in items if item.path.name in LONG]
    short = [item for item in items if item.path.name not in LONG]
    short.sort(key=lambda item: item.path.name not in SHARED)
    items.clear()
    for worker in range(workers):
        begin, end = (len(short) * turn // workers for turn in (worker, worker + 1))
        items += [*long[worker::workers], *short[begin:end]]


def _import_tests(folders: Iterable[Path], worker: int, workers: int) -> None:
    """Import the test modules in `folders`, each worker beginning with other ones.

    The first process that imports a module rewrites its assertions, which takes longer than the
    import, and keeps the bytecode for the others. In one order, each would rewrite every module.
    """
    paths = sorted(path for folder in folders for path in folder.rglob("test_*.py"))
    begin = len(paths) * worker // workers
    for path in paths[begin:] + paths[:begin]:
        name = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        with suppress(Exception, pytest.skip.Exception):  # the collection reports it
            importlib.import_module(name)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Look for no garbage while tests are collected, and never among what stays until the end.

    To search all tests and modules for garbage again and again takes a quarter of the CPU time of
    the collection, and a fifth of that of the tests. Young objects, which most tests make anew,
    take a tenth of that of the app's tests at the usual threshold.
    """
    gc.disable()
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        folders = [path for name in session.config.args if (path := _ROOT / name).is_dir()]
        _import_tests(folders, int(worker.removeprefix("gw")), _workers())
    result = yield
    gc.freeze()
    gc.set_threshold(5_000, gc.get_threshold()[1], 50)
    gc.enable()
    return result


@pytest.fixture(autouse=True, scope="session")
def chosen_client() -> Iterator[None]:
    """Let engines make the client that the run is about."""
    with pytest.MonkeyPatch.context() as patch:
        if IS_AIOHTTP:
            patch.setattr(manager, "WireClient", AiohttpClient)
        yield


@pytest.fixture(autouse=True, scope="session")
def patient_engines() -> Iterator[None]:
    """Let no connection join or take over because the machine is busy.

    Each would be one request more than a test counts. A test of them chooses its own tuning.
    """
    defaults = vars(EngineOptions)["__init__"].__kwdefaults__
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(defaults, "tuning", PATIENT)
        yield


@pytest.fixture(autouse=True)
def unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the addresses of names, which each test changes and a process remembers."""
    monkeypatch.setattr(private_networks, "_private_names", {})
    monkeypatch.setattr(private_networks, "_public_names", {})


_folders: Counter[str] = Counter()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the test, named after it. To number one, pytest lists those of all tests before.

    That took 2 ms after 3,000 tests.
    """
    name = re.sub(r"\W", "_", request.node.name)[:30]
    folder = tmp_path_factory.getbasetemp() / f"{name}-{_folders[name]}"
    _folders[name] += 1
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(scope="session")
def state_homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names for state folders, numbered without a look at those before."""
    parent = tmp_path_factory.mktemp("state-homes")
    return (parent / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def state_home(state_homes: Iterator[Path]) -> Iterator[Path]:
    """A state folder of its own for each test, and for the programs that it starts.

    The key of the user who runs the tests is neither used nor created.
    """
    home = next(state_homes)
    home.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as context:  # a test may undo those of its own
        context.setenv("XDG_STATE_HOME", str(home))
        yield home


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the settings of the user who runs the tests: variables and the settings file."""
    for name in list(os.environ):
        if name.upper().startswith("RHEO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingServer]:
    async with MisbehavingServer() as running:
        yield running


@pytest.fixture
async def demo(request: pytest.FixtureRequest) -> AsyncIterator[DemoServer]:
    """Serve the FILES of the test's module."""
    async with DemoServer(request.module.FILES) as running:
        yield running


@pytest.fixture
def until() -> Until:
    """Wait for a condition that no event announces."""
    return waiting.until
