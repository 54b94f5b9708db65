"""Write docs/KEYS.md and docs/COMMANDS.md from the registries: `python -m scripts.action_docs`."""

from pathlib import Path

from rheo_tui.actions import ACTIONS, key_names
from rheo_tui.commands import COMMANDS

from .generated import replace_part

_DOCS = Path(__file__).parents[1] / "docs"
KEYS = _DOCS / "KEYS.md"
COMMAND_PAGE = _DOCS / "COMMANDS.md"


def keys_page(page: str) -> str:
    """Return `page` with a current table of the actions, by their groups."""
    lines = []
    for group in dict.fromkeys(action.group for action in ACTIONS):
        lines += ["", f"## {group}", "", "| key | action | effect | name |", "|---|---|---|---|"]
        for action in ACTIONS:
            if action.group == group:
                keys = " ".join(f"`{_cell(key)}`" for key in key_names(action, {}))
                lines.append(
                    f"| {keys} | {_cell(action.title)} | {_cell(action.help)} | `{action.id}` |"
                )
    return replace_part(page, "keys", "\n".join(lines[1:]))


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
