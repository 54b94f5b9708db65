"""Keeps the user's own environment out of the tests of the app."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No RHEO_* variables, no settings file, no animation."""
    import os

    for name in list(os.environ):
        if name.startswith("RHEO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
