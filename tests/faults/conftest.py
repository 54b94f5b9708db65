"""Fixtures of the fault tests."""

from pathlib import Path

import pytest

from tests.faults.oracle import Scene
from tests.faults.program import Home
from tests.servers.misbehaving import MisbehavingServer


@pytest.fixture
def scene(server: MisbehavingServer, tmp_path: Path) -> Scene:
    return Scene(server, tmp_path / "folder")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Writes what comes in small pieces: the smaller, the nearer to the end of what came."""
    return Home(tmp_path / "home", {"chunk_size": 65536})


@pytest.fixture(params=["same run", "next run"])
def broken(request: pytest.FixtureRequest, scene: Scene) -> Scene:
    """A scene whose interrupted downloads go on after a retry, and in another process's stead."""
    scene.next_run = request.param == "next run"
    return scene


@pytest.fixture(autouse=True)
def _no_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the system's certificates takes longer than most downloads here."""
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
