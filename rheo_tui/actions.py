"""The registry of actions: bindings, footer, help, palette and the dispatch table come from it.

A disabled action stays on its key and gives the reason: see `Action.disabled`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from textual.binding import Binding
from textual.keys import format_key

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_tui.services.protocol import READ_ONLY
from rheo_tui.statuses import LOOKS
from rheo_tui.tabs import TABS, Tab

Owner = Literal["screen", "table", "downloads"]
"""The object that handles an action: `MainScreen`, `DownloadTable` or `DownloadHandlers`."""
Reason = Callable[["Context"], str]
"""Returns the reason why an action is disabled, or ""."""


@dataclass(frozen=True, slots=True)
class Context:
    """The state that decides which actions are available."""

    targets: tuple[DownloadSnapshot, ...] = ()  # the marked rows shown, or the current row
    current: DownloadSnapshot | None = None
    on_fold: bool = False  # the cursor stands for all finished downloads; `targets` has one
    marked: int = 0  # marked rows shown
    total: int = 0
    failed: int = 0
    finished: int = 0  # completed or skipped
    can_undo: bool = False
    by_queue_order: bool = True
    speed_limit: int | None = None  # bytes/s
    is_slow: bool = False
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """Something that the user can do.

    `keys` are Textual's names, separated by commas. `disabled` returns the reason why the action
    is disabled now, or "". The method `handler` of `owner` is its only handler.
    """

    id: str
    keys: str
    title: str
    group: str
    help: str
    label: str = ""  # in the footer; empty: not shown there
    disabled: Reason = field(default=lambda _: "")
    acts_on: frozenset[DownloadStatus] = frozenset()  # every row in these states, marked or not
    opens_input: bool = False  # keys typed after its own go to an input
    owner: Owner = "screen"
    tab: Tab | None = None  # passed to the handler, which all tabs share

    @property
    def handler(self) -> str:
        """Name of the method of `owner` that handles the action."""
        return f"do_{self.id}" if self.tab is None else "do_tab"


SPEED_LIMITS = (
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    None,
)
"""Steps of the speed limit in bytes/s, slowest first; None: no limit."""

_RETRYABLE = frozenset({DownloadStatus.FAILED, DownloadStatus.CANCELLED, DownloadStatus.SKIPPED})


def _state(row: DownloadSnapshot) -> str:
    return LOOKS[row.status].label


def _changes(reason: Reason = lambda _: "") -> Reason:
    """Disable an action in a read-only session, or if `reason` returns one."""
    return lambda context: READ_ONLY if context.read_only else reason(context)


def _needs(
    fits: Callable[[DownloadSnapshot], bool], one: Callable[[DownloadSnapshot], str], many: str
) -> Reason:
    """Disable an action unless a target fits.

    Args:
        fits: returns True for a row that the action can change.
        one: returns the reason if there is a single target.
        many: the reason if there are several.
    """

    def reason(context: Context) -> str:
        if not context.targets:
            return "nothing selected"
        if any(fits(row) for row in context.targets):
            return ""
        return one(context.targets[0]) if len(context.targets) == 1 else many

    return _changes(reason)


def can_pause(row: DownloadSnapshot) -> bool:
    """Return True if `row` can be paused."""
    return not row.status.is_terminal and row.status is not DownloadStatus.PAUSED


def can_retry(row: DownloadSnapshot) -> bool:
    """Return True if `row` ended without a file."""
    return row.status in _RETRYABLE


def can_move(row: DownloadSnapshot) -> bool:
    """Return True if `row` has a place in the queue."""
    return row.status is DownloadStatus.QUEUED


def has_wrong_hash(row: DownloadSnapshot) -> bool:
    """Return True if `row` failed only because of its checksum."""
    check = row.validation
    return row.status is DownloadStatus.FAILED and check is not None and not check.is_valid


def can_keep(row: DownloadSnapshot) -> bool:
    """Return True if `row` failed and the user may accept the data that the server sent."""
    return has_wrong_hash(row) or row.got_page


def _ended(row: DownloadSnapshot) -> str:
    return f"this download has ended ({_state(row)})"


_not_ended = _needs(
    lambda row: not row.status.is_terminal, _ended, "all marked downloads have ended"
)
_any_target = _needs(lambda _: True, _ended, "")
_retry = _needs(
    can_retry,
    lambda row: f"this download has not failed ({_state(row)})",
    "no marked download has failed",
)
_queued = _needs(
    can_move,
    lambda row: f"this download is not queued ({_state(row)})",
    "no marked download is queued",
)


_keep = _needs(
    can_keep,
    lambda _: "this download did not fail on a checksum or a web page",
    "no marked download failed on a checksum or a web page",
)


_existing = _needs(
    lambda row: row.has_file,
    lambda row: f"no file is in the way of this download ({_state(row)})",
    "no file is in the way of the marked downloads",
)


def _replace_url(context: Context) -> str:
    row = context.current
    if row is None:
        return "nothing selected"
    return _ended(row) if row.status is DownloadStatus.COMPLETED else ""


def _in_queue_order(context: Context) -> str:
    if context.targets and not context.by_queue_order:
        return "the list is not sorted by queue order; press the sort key first"
    return _queued(context)


_move = _changes(_in_queue_order)


def _at_lowest_limit(context: Context) -> str:
    return "the limit is already at its lowest" if context.speed_limit == SPEED_LIMITS[0] else ""


def _without_limit(context: Context) -> str:
    return "there is no speed limit" if context.speed_limit is None else ""


def _needs_rows(context: Context) -> str:
    return "" if context.total else "the list is empty"


def _needs_current(context: Context) -> str:
    return "" if context.current else "nothing selected"


def _needs_line(context: Context) -> str:
    return "" if context.current or context.on_fold else "nothing selected"


ACTIONS: tuple[Action, ...] = (
    Action(
        "add", "a", "Add links", "Links",
        "Paste links, curl commands or lists; check them before they are queued.",
        label="add", disabled=_changes(),
    ),
    Action(
        "pause", "p", "Pause or resume", "Downloads",
        "Pause and keep the partial data, or resume.",
        label="pause", disabled=_not_ended, owner="downloads",
    ),
    Action(
        "cancel", "c", "Cancel", "Downloads",
        "Stop and delete the partial data.",
        label="cancel", disabled=_not_ended, owner="downloads",
    ),
    Action(
        "retry", "r", "Retry", "Downloads",
        "Queue the download again.",
        label="retry", disabled=_retry, owner="downloads",
    ),
    Action(
        "retry_failed", "R", "Retry all failed", "Downloads",
        "Queue all failed downloads again.",
        disabled=_changes(lambda context: "" if context.failed else "nothing has failed"),
        acts_on=frozenset({DownloadStatus.FAILED}),
        owner="downloads",
    ),
    Action(
        "link", "e", "Replace the URL", "Downloads",
        "Continue from another URL; partial data is kept if it fits.",
        disabled=_changes(_replace_url),
    ),
    Action(
        "keep", "w", "Keep unverified data", "Downloads",
        "Save data with a wrong checksum as NAME.unverified, or a web page sent instead.",
        disabled=_keep, owner="downloads",
    ),
    Action(
        "existing", "d", "File on the disk", "Downloads",
        "Open it, download again, save under another name, or overwrite it.",
        disabled=_existing,
    ),
    Action(
        "remove", "x", "Remove from the list", "Downloads",
        "Completed files stay on the disk.",
        label="remove", disabled=_any_target, owner="downloads",
    ),
    Action(
        "clear_finished", "X", "Remove all finished", "Downloads",
        "Remove completed and skipped downloads from the list; failed ones stay.",
        disabled=_changes(lambda context: "" if context.finished else "nothing has finished"),
        acts_on=frozenset({DownloadStatus.COMPLETED, DownloadStatus.SKIPPED}),
        owner="downloads",
    ),
    Action(
        "priority_up", "plus", "Raise the priority", "Queue",
        "A higher priority starts first.",
        disabled=_not_ended, owner="downloads",
    ),
    Action(
        "priority_down", "minus", "Lower the priority", "Queue",
        "The lowest priority is 1.",
        disabled=_not_ended, owner="downloads",
    ),
    Action(
        "move_up", "K", "Move up in the queue", "Queue",
        "Start one place earlier.",
        disabled=_move, owner="downloads",
    ),
    Action(
        "move_down", "J", "Move down in the queue", "Queue",
        "Start one place later.",
        disabled=_move, owner="downloads",
    ),
    Action(
        "limit_down", "[", "Lower the speed limit", "Queue",
        "The limit applies to all downloads together.",
        disabled=_changes(_at_lowest_limit), owner="downloads",
    ),
    Action(
        "slow", "t", "Switch slow mode", "Queue",
        "Limit all downloads together to slow_limit, or lift that limit.",
        disabled=_changes(), owner="downloads",
    ),
    Action(
        "limit_up", "]", "Raise the speed limit", "Queue",
        "Above the highest step there is no limit.",
        disabled=_changes(_without_limit), owner="downloads",
    ),
    Action(
        "filter", "/", "Filter", "List",
        "Show downloads whose name or URL contains a text.",
        label="filter", opens_input=True,
    ),
    Action(
        "sort", "s", "Sort", "List",
        "Sort by a column; choose it again to reverse.",
        label="sort", disabled=_needs_rows,
    ),
    Action(
        "mark", "space", "Mark", "List",
        "Mark the download; keys act on all marked ones.",
        label="mark", disabled=_needs_current, owner="table",
    ),
    Action(
        "mark_all", "*", "Mark all, or invert marks", "List",
        "Mark the downloads shown; marked ones lose their mark.",
        disabled=_needs_rows, owner="table",
    ),
    Action(
        "clear", "escape", "Clear filter, marks or tab", "List",
        "Clear the filter first, then the marks, then show all downloads.",
    ),
    *(
        Action(
            f"tab_{tab.id}", tab.key, f"Tab {tab.title}", "Tabs",
            f"Show {'all' if tab.id == 'all' else 'only ' + tab.title.lower()} downloads.",
            tab=tab,
        )
        for tab in TABS
    ),
    Action(
        "details", "enter", "Show details", "View",
        "Show all facts about the current download, or the finished downloads.",
        label="details", disabled=_needs_line,
    ),
    Action(
        "log", "l", "Show log", "View",
        "Show or hide the latest events.",
        label="log",
    ),
    Action(
        "history", "h", "Show history", "View",
        "Show ended downloads, including removed ones.",
        label="history",
    ),
    Action(
        "undo", "u", "Undo the last removal", "Downloads",
        "Put removed downloads back into the list.",
        label="undo",
        disabled=_changes(lambda context: "" if context.can_undo else "nothing has been removed"),
        owner="downloads",
    ),
    Action(
        "load", "o", "Load a list", "Links",
        "Add the links in a file.",
        label="load", disabled=_changes(),
    ),
    Action(
        "copy", "y", "Copy the URL", "View",
        "Copy the whole URL, including secrets.",
        disabled=_needs_current,
    ),
    Action(
        "folder", "f", "Open the folder", "View",
        "Open the folder of the file.",
    ),
    Action(
        "cursor_up", "up,k", "Go up", "Move",
        "Go one row up.",
        owner="table",
    ),
    Action(
        "cursor_down", "down,j", "Go down", "Move",
        "Go one row down.",
        owner="table",
    ),
    Action(
        "page_up", "pageup", "Page up", "Move",
        "Go one screen up.",
        owner="table",
    ),
    Action(
        "page_down", "pagedown", "Page down", "Move",
        "Go one screen down.",
        owner="table",
    ),
    Action(
        "first", "home,g", "Go to the first", "Move",
        "Go to the first row.",
        owner="table",
    ),
    Action(
        "last", "end,G", "Go to the last", "Move",
        "Go to the last row.",
        owner="table",
    ),
    Action(
        "settings", "comma", "Change settings", "App",
        "Change folder, limits, schedule, retries.",
        disabled=_changes(),
    ),
    Action(
        "command", ":", "Enter a command", "App",
        "Examples: :cancel 3fa9, :limit 2M, :at 23:30.",
        opens_input=True,
    ),
    Action(
        "palette", "ctrl+p", "Open the palette", "App",
        "Find an action by name.",
    ),
    Action(
        "help", "?", "Show help", "App",
        "Show this help.",
        label="help",
    ),
    Action(
        "quit", "q", "Quit", "App",
        "Partial downloads are kept.",
        label="quit",
    ),
)  # fmt: skip
BY_ID = {action.id: action for action in ACTIONS}


def bindings() -> list[Binding]:
    """Return one binding for each action; its id lets users choose other keys."""
    return [
        Binding(
            action.keys,
            f"run('{action.id}')",
            action.title,
            show=False,
            id=action.id,
            # Keys typed ahead arrive together; only a priority binding acts before the next key.
            priority=action.opens_input,
        )
        for action in ACTIONS
    ]


def key_names(action: Action, keymap: Mapping[str, str]) -> list[str]:
    """Return the keys of `action` as people read them."""
    keys = keymap.get(action.id, action.keys).split(",")
    return [_key_name(key.strip()) for key in keys]


def _key_name(key: str) -> str:
    return {"enter": "Enter", "escape": "Esc", "ctrl+p": "^p"}.get(key, format_key(key))


def unknown_actions(keymap: Mapping[str, str]) -> list[str]:
    """Return the names in the user's keys that belong to no action."""
    return [name for name in keymap if name not in BY_ID]


def limit_step(current: int | None, up: bool) -> int | None:
    """Return the next step from the speed limit `current`, in bytes/s; None: no limit."""
    numbers = [step for step in SPEED_LIMITS if step is not None]
    if up:
        higher = [step for step in numbers if current is not None and step > current]
        return higher[0] if higher else None
    lower = [step for step in numbers if current is None or step < current]
    return lower[-1] if lower else numbers[0]
