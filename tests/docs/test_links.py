"""Links of the documents lead to something, and the paths they name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "examples/README.md"])
PATH = re.compile(r"`((?:benchmarks|docs|examples|rheo_core|rheo_tui|scripts|tests)/[\w./]+)`")
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
PRESENT = [name for name in NAMES if "decisions/" not in name and name != "CHANGELOG.md"]


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub makes of the headings of `page`."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each).lower().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("name", PRESENT)
def test_every_path_exists(name: str) -> None:
    named = PATH.findall((ROOT / name).read_text("utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_page_is_reached_from_the_guide_or_the_readme() -> None:
    starts = [ROOT / "README.md", ROOT / "docs" / "README.md"]
    text = "".join(page.read_text("utf-8") for page in starts)
    assert [page.name for page in ROOT.glob("docs/*.md") if page.name not in text] == []
