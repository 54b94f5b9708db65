"""The table from actions to handlers."""

import pytest

from rheo_tui.action_handlers import DownloadHandlers
from rheo_tui.actions import ACTIONS, BY_ID, Owner, handler_table
from rheo_tui.screens.command_runner import CommandRunner
from rheo_tui.screens.filter_handlers import FilterHandlers
from rheo_tui.screens.inspector import Inspector
from rheo_tui.screens.main import MainScreen
from rheo_tui.widgets.table import DownloadTable

OWNERS: dict[Owner, type] = {
    "screen": MainScreen,
    "table": DownloadTable,
    "downloads": DownloadHandlers,
    "filters": FilterHandlers,
    "commands": CommandRunner,
    "inspector": Inspector,
}


def test_every_action_has_one_handler_and_every_handler_one_action() -> None:
    handlers = [
        (owner, name)
        for owner, kind in OWNERS.items()
        for name in dir(kind)
        if name.startswith("do_")
    ]
    assert sorted(handlers) == sorted({(action.owner, action.handler) for action in ACTIONS})
    alone = [action for action in ACTIONS if not action.tab]
    assert len(handlers) == len(alone) + 1  # the tabs share theirs
    assert len(BY_ID) == len(ACTIONS)


def test_the_table_holds_the_handler_of_every_action() -> None:
    table = handler_table(OWNERS)
    assert list(table) == [action.id for action in ACTIONS]
    assert table["pause"] is DownloadHandlers.do_pause
    assert table["tab_failed"].args == ("4",)  # type: ignore[attr-defined]


def test_an_action_without_a_handler_stops_the_start() -> None:
    with pytest.raises(AttributeError, match="do_"):
        handler_table({**OWNERS, "table": object()})
