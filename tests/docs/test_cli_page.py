"""docs/CLI.md is that of the commands."""

import re

import pytest

from rheo_core.cli.exit import ExitCode
from scripts.command_docs import LIST_SCHEMA, PAGE, command_page, list_schema
from scripts.generated import replace_part


def test_the_committed_page_is_current() -> None:
    page = PAGE.read_text("utf-8")
    assert command_page(page) == page, "it is stale: make docs"


def test_the_committed_schema_of_the_list_is_current() -> None:
    assert list_schema() == LIST_SCHEMA.read_text("utf-8"), "it is stale: make docs"


def test_every_exit_status_is_on_the_page() -> None:
    stated = re.findall(r"^\| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [int(status) for status in stated] == [code.value for code in ExitCode]


@pytest.mark.parametrize("old", ["old\n", ""])
def test_a_part_is_replaced_and_the_rest_stays(old: str) -> None:
    page = f"a\n<!-- x -->\n{old}<!-- /x -->\nb\n"
    assert replace_part(page, "x", "new\\1") == "a\n<!-- x -->\nnew\\1\n<!-- /x -->\nb\n"


@pytest.mark.parametrize("page", ["", "<!-- x -->\n", "<!-- x -->\n\n<!-- /x -->" * 2])
def test_a_page_without_the_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        replace_part(page, "x", "new")
