"""A limit of memory for tests with hostile input."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = 3 << 30
"""Bytes of address space that a test may take over what it has when it begins. Arrow reserves a GiB
at its first allocation; every bomb has more than the rest."""


@pytest.fixture
def limited_memory() -> Iterator[None]:
    """Make more memory an error, so that a test that needs it fails and the machine goes on."""
    pages = Path("/proc/self/statm")
    if not pages.exists():
        pytest.skip("needs /proc")
    used = int(pages.read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
