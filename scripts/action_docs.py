"""Write docs/KEYS.md and docs/COMMANDS.md from the registries: `python -m scripts.action_docs`."""

from collections.abc import Iterable
from pathlib import Path

from rheo_tui.actions import ACTIONS, Action, key_names
from rheo_tui.commands import COMMANDS
from rheo_tui.fleet_actions import FLEET_ACTIONS

from .generated import replace_part

_DOCS = Path(__file__).parents[1] / "docs"
KEYS = _DOCS / "KEYS.md"
COMMAND_PAGE = _DOCS / "COMMANDS.md"


def keys_page(page: str) -> str:
    """Return `page` with current tables of the actions, by their groups."""
    groups = dict.fromkeys(action.group for action in ACTIONS)
    tables = [_table(group, (each for each in ACTIONS if each.group == group)) for group in groups]
    page = replace_part(page, "keys", "\n\n".join(tables))
    fleet = (each for each in FLEET_ACTIONS if each.group == "Fleet")
    return replace_part(page, "fleet keys", _table("Fleet", fleet))


def _table(title: str, actions: Iterable[Action]) -> str:
    lines = [f"## {title}", "", "| key | action | effect | name |", "|---|---|---|---|"]
    for action in actions:
        keys = " ".join(f"`{_cell(key)}`" for key in key_names(action, {}))
        lines.append(f"| {keys} | {_cell(action.title)} | {_cell(action.help)} | `{action.id}` |")
    return "\n".join(lines)


def commands_page(page: str) -> str:
    """Return `page` with a current table of the commands."""
    lines = ["| command | effect | example |", "|---|---|---|"]
    for spec in COMMANDS.values():
        usage = f"`:{spec.name} {spec.usage}".rstrip() + "`"
        lines.append(f"| {_cell(usage)} | {_cell(spec.help)} | `:{_cell(spec.example)}` |")
    return replace_part(page, "commands", "\n".join(lines))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*") if "`" not in text else text


if __name__ == "__main__":
    KEYS.write_text(keys_page(KEYS.read_text("utf-8")), "utf-8")
    COMMAND_PAGE.write_text(commands_page(COMMAND_PAGE.read_text("utf-8")), "utf-8")
