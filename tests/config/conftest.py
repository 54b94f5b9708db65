"""Tests of this folder do not see the settings of the user who runs them."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def clean_environment(no_settings: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
