"""Fixtures that isolate the tests of the app from the user's environment.

`driving.py` starts the app over the simulated service of `fake_service.py`.
"""

import os
import time
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import pytest
import textual.app
import textual.pilot
import textual.strip
from textual._compositor import Compositor
from textual._context import visible_screen_stack
from textual._styles_cache import StylesCache
from textual.app import App
from textual.css import stylesheet
from textual.css.model import RuleSet
from textual.css.parse import parse
from textual.screen import Screen

from rheo_tui import table_model, typed_ahead
from rheo_tui.app import RheoApp
from rheo_tui.widgets import table
from tests.waiting import until_idle


@pytest.fixture(autouse=True, scope="session")
def parsed_css() -> Iterator[None]:
    """Parse each style sheet once, not once for each app: that takes a sixth of the CPU time."""
    parsed: dict[tuple[Any, ...], list[RuleSet]] = {}

    def parse_once(*arguments: Any, **options: Any) -> list[RuleSet]:
        variables = ((name, *tokens) for name, tokens in options["variable_tokens"].items())
        key = (*arguments, *variables, options["is_default_rules"], options["tie_breaker"])
        if key not in parsed:
            parsed[key] = list(parse(*arguments, **options))
        return parsed[key]

    with pytest.MonkeyPatch.context() as context:
        context.setattr(stylesheet, "parse", parse_once)
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_rules() -> Iterator[None]:
    """Let rules be looked up by their identity without a call of Python.

    For each style of each widget Textual looks for all 330 rules in a set. Their own `__hash__`
    returns their identity too, but takes a twelfth of the CPU time of an app.
    """
    with pytest.MonkeyPatch.context() as context:
        context.setattr(RuleSet, "__hash__", object.__hash__)
        yield


@pytest.fixture(autouse=True, scope="session")
def light_lines() -> Iterator[None]:
    """Let lines keep what was made of them in plain dictionaries, and end with their app.

    Each line has seven caches, most of which stay empty: they take a twentieth of the CPU time of
    an app. Another cache, of styles for two colours, keeps the lines of 1,024 widgets.
    """
    cached: Any = StylesCache.get_inner_outer
    styles_of = lru_cache(1024)(partial(cached.__wrapped__, None))  # it looks at no widget
    with pytest.MonkeyPatch.context() as context:
        context.setattr(textual.strip, "FIFOCache", lambda maxsize: {})
        context.setattr(StylesCache, "get_inner_outer", lambda _, *colours: styles_of(*colours))
        yield


_PAINT = Compositor.render_update


def _paint_whole_screens(
    compositor: Compositor,
    full: bool = False,
    screen_stack: list[Screen[Any]] | None = None,
    simplify: bool = False,
) -> object:
    """Paint a screen for a picture; otherwise only forget what changed."""
    if full:
        return _PAINT(compositor, full, screen_stack, simplify)
    visible_screen_stack.set(screen_stack or [])
    compositor._dirty_regions.clear()
    return None


@pytest.fixture(autouse=True, scope="session")
def painted_when_asked() -> Iterator[None]:
    """Paint what a test looks at, and the last screen of each app, but not each change.

    No terminal shows them, and they take a third of the CPU time of an app. Tests with `painting`
    and the long run (TEST_PAINT=all) paint each.
    """
    shut_down = App._shutdown

    async def paint_and_shut_down(app: App[Any]) -> None:
        if app._screen_stack and app.is_headless:
            app.screen._compositor.render_strips()
        await shut_down(app)

    with pytest.MonkeyPatch.context() as context:
        if os.environ.get("TEST_PAINT") != "all":
            context.setattr(App, "_shutdown", paint_and_shut_down)
            context.setattr(Compositor, "render_update", _paint_whole_screens)
        yield


@pytest.fixture
def painting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paint each change."""
    monkeypatch.setattr(Compositor, "render_update", _PAINT)


@pytest.fixture(autouse=True, scope="session")
def idle_event_loop() -> Iterator[None]:
    """Let the pilot wait until the event loop is idle.

    Textual waits for 20 ms that cost little CPU time. That is long on a machine with nothing else
    to do. On a busy one a process with work to do gets little CPU time too.
    """
    with pytest.MonkeyPatch.context() as context:
        context.setattr(textual.app, "wait_for_idle", until_idle)
        context.setattr(textual.pilot, "wait_for_idle", until_idle)
        context.setattr(RheoApp, "NOTIFICATION_TIMEOUT", 600)  # a busy machine shows them longer
        yield


@pytest.fixture(autouse=True)
def quiet_environment(no_settings: None) -> None:
    """Start every app with the default settings."""


@pytest.fixture(autouse=True)
def seen_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let keys act on rows where they are now, however little time has passed since they moved."""
    monkeypatch.setattr(table_model, "_UNSEEN_SECONDS", -1.0)


@pytest.fixture(autouse=True)
def held_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep rows in their places after a key, however long a busy machine takes for the next."""
    monkeypatch.setattr(table, "_HOLD_SECONDS", 600.0)


@pytest.fixture
def unseen_rows(seen_rows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let keys act on rows where they were, however busy the machine is."""
    monkeypatch.setattr(table_model, "_UNSEEN_SECONDS", 60.0)


@pytest.fixture
def patient_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each key wait for the effect of the one before, however busy the machine is."""
    monkeypatch.setattr(typed_ahead, "_PATIENCE_SECONDS", 30.0)


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> float:
    """Stop the clock: a busy machine may take a second to draw how many seconds are left."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    return now
