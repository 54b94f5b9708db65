"""docs/FILTERS.md is that of the filter language."""

import re

from rheo_core.domain.filters import parse_filter
from scripts.filter_docs import PAGE, filter_page


def test_the_committed_page_is_current() -> None:
    page = PAGE.read_text("utf-8")
    assert filter_page(page) == page, "it is stale: make docs"


def test_every_example_is_a_filter() -> None:
    block = PAGE.read_text("utf-8").partition("```text\n")[2].partition("```")[0]
    examples = [re.split(r"\s{3,}", line)[0] for line in block.splitlines()]
    assert len(examples) == 9
    for text in examples:
        assert parse_filter(text)
