"""Each decision has its parts, and the index names all of them in order."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_its_parts(page: Path) -> None:
    text = page.read_text("utf-8")
    assert re.match(rf"# {page.name[:4]} \S.*\n\nStatus: (accepted|proposed|replaced)\b", text)
    assert re.search(r" · Date: 20\d\d-\d\d-\d\d\n", text)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[0] == "## Context" and headings[-1] == "## Consequences"
    middle = {heading.partition(":")[0] for heading in headings[1:-1]}
    assert middle == {"## Decision"}


def test_the_numbers_have_no_gap() -> None:
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


def test_the_index_names_all_in_order() -> None:
    rows = re.findall(
        r"^\| \[(\d{4})\]\((.*)\) \| (.*) \| (.*) \|$",
        (FOLDER / "README.md").read_text("utf-8"),
        re.MULTILINE,
    )
    assert [name for _, name, _, _ in rows] == [page.name for page in PAGES]
    for number, name, title, date in rows:
        text = (FOLDER / name).read_text("utf-8")
        assert text.startswith(f"# {number} {title}\n") and f"Date: {date}\n" in text
