"""Fixtures that every test may use."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from rheo_core.infrastructure.http import private
from tests.servers.misbehaving import MisbehavingServer

settings.register_profile("untimed", deadline=None)  # the machine may be busy with other things
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The key of whoever runs the tests is neither used nor made."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as context:
        context.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was learned of names holds for a process; tests give them other addresses each."""
    monkeypatch.setattr(private, "_found", {})


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
