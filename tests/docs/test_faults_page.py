"""docs/FAULTS.md names the rows that the tests name, and the files that test them."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "FAULTS.md").read_text("utf-8")
ROWS = dict(re.findall(r"^\| ([RBEDTXL]\d\d) \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE))
TESTED = {
    row.upper()
    for path in TESTS.rglob("test_*.py")
    for name in re.findall(r"def test_((?:[rbedtxl]\d\d_)+)", path.read_text("utf-8"))
    for row in name.strip("_").split("_")
}


def test_every_row_that_a_test_names_is_on_the_page() -> None:
    assert len(TESTED) > 60
    assert sorted(set(TESTED) - set(ROWS)) == []


@pytest.mark.parametrize("row", ROWS)
def test_the_files_of_a_row_test_it(row: str) -> None:
    files = [TESTS / name for name in re.findall(r"`([^`]+)`", ROWS[row])]
    assert files and all(path.is_file() for path in files)
    text = "".join(path.read_text("utf-8") for path in files)
    assert row not in TESTED or f"_{row.lower()}_" in text
