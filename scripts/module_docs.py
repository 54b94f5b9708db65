"""Fill the list of modules in docs/ARCHITECTURE.md: `python -m scripts.module_docs`.

The captions are the first paragraphs of the docstrings of packages and modules.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from .generated import replace_part

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "ARCHITECTURE.md"
PACKAGES = ("rheo_core", "rheo_tui")


def architecture_page(page: str) -> str:
    """Return `page` with the current list of modules."""
    return replace_part(page, "modules", "\n".join(_lines()))


def _lines() -> Iterator[str]:
    for package in PACKAGES:
        folders = [ROOT / package, *(ROOT / package).rglob("*/")]
        for folder in sorted(each for each in folders if (each / "__init__.py").is_file()):
            yield f"\n**`{folder.relative_to(ROOT)}/`** {_caption(folder / '__init__.py')}\n"
            for module in sorted(folder.glob("*.py")):
                if module.name != "__init__.py":
                    yield f"- `{module.name}`: {_caption(module)}"
    yield ""


def _caption(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text("utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


if __name__ == "__main__":
    PAGE.write_text(architecture_page(PAGE.read_text("utf-8")), "utf-8")
