"""The table of keys in README.md names keys that the app has."""

import re
from pathlib import Path

from textual.keys import format_key

from rheo_tui.actions import ACTIONS

README = Path(__file__).parents[2] / "README.md"


def test_every_key_of_the_table_has_an_action() -> None:
    table = README.read_text("utf-8").partition("## Keys")[2].partition("![")[0]
    named = {key for row in table.splitlines() if row.startswith("| `") for key in _keys(row)}
    keys = [key.strip() for action in ACTIONS for key in action.keys.split(",")]
    known = {"Esc", "F8", *map(format_key, keys), *map(_readable, keys), *keys}
    assert len(named) > 25 and sorted(named - known) == []


def _readable(key: str) -> str:
    """Return a key as people write it: `Ctrl+Home`, `Shift+↑`."""
    return "+".join({"up": "↑", "down": "↓"}.get(part, part.title()) for part in key.split("+"))


def _keys(row: str) -> list[str]:
    cells = row.strip("| ").split(" | ")
    keys = [key for cell in cells[::2] for key in re.findall(r"`([^`]+)`", cell)]
    return [key.replace(r"\|", "|") for key in keys]  # a table escapes the bar
