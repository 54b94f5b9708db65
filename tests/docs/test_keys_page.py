"""docs/KEYS.md and docs/COMMANDS.md are those of the registries."""

from rheo_tui.actions import ACTIONS, unknown_actions
from rheo_tui.commands import COMMANDS
from rheo_tui.fleet_actions import FLEET_ACTIONS
from scripts.action_docs import COMMAND_PAGE, KEYS, commands_page, keys_page


def test_the_committed_keys_are_current() -> None:
    page = KEYS.read_text("utf-8")
    assert keys_page(page) == page, "it is stale: make docs"
    assert all(f"| `{action.id}` |" in page for action in ACTIONS)
    assert all(f"| {action.title} | {action.help} |" in page for action in FLEET_ACTIONS[:8])


def test_the_committed_commands_are_current() -> None:
    page = COMMAND_PAGE.read_text("utf-8")
    assert commands_page(page) == page, "it is stale: make docs"
    assert all(f"| `:{name}" in page for name in COMMANDS)


def test_the_keys_of_the_example_are_names_of_actions() -> None:
    assert unknown_actions({"pause": "space", "mark": "m"}) == []
