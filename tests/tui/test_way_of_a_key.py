"""The way of a key press to the engine, as docs/ARCHITECTURE.md draws it."""

import inspect
import time
from collections.abc import Callable
from functools import partial
from operator import contains
from pathlib import Path
from typing import Any

import pytest

import rheo_tui
from rheo_core.config.settings import build_settings
from rheo_core.domain import FileConfig
from rheo_core.downloads import DownloadManager
from rheo_tui.app import RheoApp
from rheo_tui.services.local import LocalService
from tests.tui.driving import until

KEYS = [
    ("plus", "set_priorities"), ("p", "pause_many"), ("c", "cancel_many"), ("r", "retry_many"),
    ("x", "remove_many"), ("u", "restore_many"),
]  # fmt: skip
WAY = ["screens/main.py", "action_handlers.py", "services/local.py"]
"""After `actions.py`, which binds the key, and before `downloads/manager.py`."""
PASSING = {"long_work.py"}
"""Modules that know no key and no verb, and pass every call on."""


def modules_on_the_way() -> list[str]:
    """Return the modules of the app that the present call came through, in its order."""
    home = Path(rheo_tui.__file__).parent
    files = (Path(frame.filename) for frame in reversed(inspect.stack(context=0)))
    names = (str(file.relative_to(home)) for file in files if file.is_relative_to(home))
    return [name for name in dict.fromkeys(names) if name not in PASSING]


async def test_a_key_passes_five_modules_from_its_binding_to_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = dict[str, list[str]]()

    def spied(verb: str) -> Callable[..., Any]:
        original = getattr(DownloadManager, verb)

        def call(*args: Any, **kwargs: Any) -> Any:
            ways[verb] = modules_on_the_way()
            return original(*args, **kwargs)

        return call

    for _, verb in KEYS:
        monkeypatch.setattr(DownloadManager, verb, spied(verb))
    service = LocalService(build_settings(download_dir=tmp_path), save=False)
    later = FileConfig(url="http://127.0.0.1:9/file", start_at=time.time() + 1_000_000)
    app = RheoApp(service)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.main.client.ready)
        await service.add([later])
        await until(pilot, lambda: app.main.model.rows)
        for key, verb in KEYS:
            await pilot.press(key)
            await until(pilot, partial(contains, ways, verb))
            await pilot.pause()
            await app.main.refresh_from_engine()
    undo = ["screens/main.py", "action_handlers.py", "undo.py", "services/local.py"]
    assert ways == {verb: undo if verb == "restore_many" else WAY for _, verb in KEYS}
