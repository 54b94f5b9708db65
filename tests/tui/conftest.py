"""Fixtures that isolate the tests of the app from the user's environment."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove RHEO_* variables, the settings file and animations."""
    import os

    for name in list(os.environ):
        if name.startswith("RHEO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
