"""The tests that docs/RELIABILITY.md names exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "RELIABILITY.md").read_text("utf-8")


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(?:tests/\w+/)?(test_\w+\.py)`", PAGE))
    assert len(named) > 50
    assert sorted(named - {path.name for path in TESTS.rglob("test_*.py")}) == []


def test_every_promise_has_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "promise |" not in line]
    assert len(rows) > 40
    assert [row for row in rows if "test_" not in row.rpartition(" | ")[2]] == []
