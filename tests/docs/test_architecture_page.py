"""docs/ARCHITECTURE.md lists the modules as they are."""

import ast

from scripts.module_docs import PACKAGES, PAGE, ROOT, architecture_page


def test_the_committed_list_is_current() -> None:
    page = PAGE.read_text("utf-8")
    assert architecture_page(page) == page, "it is stale: make docs"


def test_every_module_has_a_caption() -> None:
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(modules) > 150
    silent = [path for path in modules if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert silent == []
