"""Fixtures of the fleet's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.program import Home
from tests.fleet.s3 import bucket_of_s3


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Home of the workers."""
    return Home(tmp_path / "home")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a server that answers as S3 does."""
    with bucket_of_s3(monkeypatch) as name:
        yield name
