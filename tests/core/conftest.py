"""Fixtures of the engine's tests."""

import pytest

from rheo_core.transfer import connection_group


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """More connections join almost at once, whatever they may gain."""
    monkeypatch.setattr(connection_group, "_JOIN_AFTER", 0.01)
    monkeypatch.setattr(connection_group, "_WORTH_SECONDS", 0.0)
