"""Fixtures of the fleet's tests."""

from pathlib import Path

import pytest

from tests.faults.program import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Home of the workers."""
    return Home(tmp_path / "home")
