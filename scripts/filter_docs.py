"""Fill the tables of docs/FILTERS.md from the filter language: `python -m scripts.filter_docs`."""

from pathlib import Path

from rheo_core.domain.filter_terms import FIELDS, NumberField
from rheo_core.domain.filters import example

from .generated import replace_part

PAGE = Path(__file__).parents[1] / "docs" / "FILTERS.md"


def filter_page(page: str) -> str:
    """Return `page` with a current table of the fields."""
    lines = ["| field | value | operators | example |", "|---|---|---|---|"]
    for name, field in FIELDS.items():
        signs = field.operators if isinstance(field, NumberField) else (":",)
        operators = " ".join(f"`{sign}`" for sign in signs)
        text = field.help.replace("*", "\\*")
        lines.append(f"| `{name}` | {text} | {operators} | `{example(name)}` |")
    return replace_part(page, "fields", "\n".join(lines))


if __name__ == "__main__":
    PAGE.write_text(filter_page(PAGE.read_text("utf-8")), "utf-8")
