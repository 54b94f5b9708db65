"""Fixtures of the engine's tests."""

import pytest

from rheo_core.transfer import crew


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """More connections join almost at once, whatever they may gain."""
    monkeypatch.setattr(crew, "_JOIN_AFTER", 0.01)
    monkeypatch.setattr(crew, "_WORTH_SECONDS", 0.0)
