"""Fixtures of the fault tests."""

from pathlib import Path

import pytest

from tests.faults.oracle import Scene
from tests.servers.misbehaving import MisbehavingServer


@pytest.fixture
def scene(server: MisbehavingServer, tmp_path: Path) -> Scene:
    return Scene(server, tmp_path / "folder")


@pytest.fixture(params=["same run", "next run"])
def broken(request: pytest.FixtureRequest, scene: Scene) -> Scene:
    """A scene whose interrupted downloads go on after a retry, and in another process's stead."""
    scene.next_run = request.param == "next run"
    return scene
