"""Actions of a watched fleet, with the same ids and keys as in the app."""

from dataclasses import replace

from .actions import BY_ID, Action


def _as(action_id: str, title: str, help: str, label: str = "") -> Action:
    """Return an action of the app with its meaning here; it keeps its key, even a user's key."""
    return replace(BY_ID[action_id], group="Fleet", title=title, help=help, label=label)


FLEET_ACTIONS: tuple[Action, ...] = (
    _as(
        "details", "Show failed URLs",
        "List the failed URLs of the shard with their reasons; filter and copy them.",
        label="failed URLs",
    ),
    _as(
        "failures", "Show or hide the errors",
        "Show failed URLs by kind and by host, from all shards.",
        label="errors",
    ),
    _as(
        "pause", "Stop the run",
        "Let running shards finish and start no new ones; press again to withdraw the request.",
        label="stop",
    ),
    _as(
        "retry", "Try failed URLs again",
        "Plan another pass over temporary errors, such as timeouts.",
        label="retry",
    ),
    _as(
        "sort", "Change the order",
        "Sort shards: running first, by number, or most failures first.",
        label="sort",
    ),
    _as(
        "copy", "Copy",
        "Copy the path of the shard's manifest; among failed URLs, the URL with its secrets.",
        label="copy",
    ),
    _as("filter", "Filter failed URLs", "Show failed URLs with this text in URL, kind or reason."),
    _as("clear", "Close", "Close the errors, or the failed URLs."),
    *(
        replace(BY_ID[each], group="Move")
        for each in ("cursor_up", "cursor_down", "page_up", "page_down", "first", "last")
    ),
    replace(BY_ID["help"], group="App"),
    replace(BY_ID["suspend"], help="Suspend the app, not the fleet; fg resumes the app."),
    replace(BY_ID["quit"], help="Quit the app; the fleet keeps running."),
)  # fmt: skip
SHARD_ACTIONS = tuple(
    action for action in FLEET_ACTIONS if action.group != "Move" and action.id != "filter"
)
"""Actions of the table of shards."""
FAILED_URL_ACTIONS = tuple(
    action for action in FLEET_ACTIONS if action.id in ("filter", "copy", "clear")
)
"""Actions of the list of failed URLs."""
