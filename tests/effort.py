"""Effort of the tests: `make test-all` tries more than a usual run has time for."""

import os


def effort(name: str, usual: int) -> int:
    """Return the number in TEST_<name>: of kills, errors, signals or examples to try."""
    return int(os.environ.get(f"TEST_{name}", usual))
