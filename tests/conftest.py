"""Fixtures that every test may use."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from rheo_core.infrastructure.http import private
from tests.servers.misbehaving import MisbehavingServer

settings.register_profile("untimed", deadline=None)  # the machine may be busy with other things
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was learned of names holds for a process; tests give them other addresses each."""
    monkeypatch.setattr(private, "_found", {})
    monkeypatch.setattr(private, "_public", {})


@pytest.fixture(autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder of its own for each test, and for the programs that it starts.

    The key of whoever runs the tests is neither used nor made.
    """
    home = tmp_path_factory.mktemp("state-home")
    with pytest.MonkeyPatch.context() as context:  # a test may undo those of its own
        context.setenv("XDG_STATE_HOME", str(home))
        yield home


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingServer]:
    async with MisbehavingServer() as running:
        yield running


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Wait for a condition that no event announces."""
    import asyncio

    async def wait(condition: Callable[[], object], timeout: float = 20.0) -> None:
        async with asyncio.timeout(timeout):
            while not condition():
                await asyncio.sleep(0.005)

    return wait
