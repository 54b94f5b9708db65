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

Owner = Literal["screen", "table", "downloads"]
"""The object that handles an action: `MainScreen`, `DownloadTable` or `DownloadHandlers`."""
Reason = Callable[["Context"], str]
"""Returns the reason why an action is disabled, or ""."""


@dataclass(frozen=True, slots=True)
class Context:
    """The state that decides which actions are available."""

    targets: tuple[DownloadSnapshot, ...] = ()  # marked rows shown, else the current row
    current: DownloadSnapshot | None = None
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

    @property
    def handler(self) -> str:
        """Name of the method of `owner` that handles the action."""
        return f"do_{self.id}"


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
"""Steps of the speed limit in bytes/s, slowest first; None is off."""

_RETRYABLE = frozenset({DownloadStatus.FAILED, DownloadStatus.CANCELLED, DownloadStatus.SKIPPED})


def _state(row: DownloadSnapshot) -> str:
    return LOOKS[row.status].label


def _changes(reason: Reason = lambda _: "") -> Reason:
    """Disabled where nothing can be changed, and where `reason` says so."""
    return lambda context: READ_ONLY if context.read_only else reason(context)


def _needs(
    fits: Callable[[DownloadSnapshot], bool], one: Callable[[DownloadSnapshot], str], many: str
) -> Reason:
    """Disabled unless some target fits; `one` words the reason for a single row."""

    def reason(context: Context) -> str:
        if not context.targets:
            return "nothing selected"
        if any(fits(row) for row in context.targets):
            return ""
        return one(context.targets[0]) if len(context.targets) == 1 else many

    return _changes(reason)


def can_pause(row: DownloadSnapshot) -> bool:
    """Whether `pause` would change `row`."""
    return not row.status.is_terminal and row.status is not DownloadStatus.PAUSED


def can_retry(row: DownloadSnapshot) -> bool:
    """Whether `row` ended without a file."""
    return row.status in _RETRYABLE


def can_move(row: DownloadSnapshot) -> bool:
    """Whether `row` has a place in the queue."""
    return row.status is DownloadStatus.QUEUED


def has_wrong_hash(row: DownloadSnapshot) -> bool:
    """True if `row` failed only because of its hash."""
    check = row.validation
    return row.status is DownloadStatus.FAILED and check is not None and not check.is_valid


def can_keep(row: DownloadSnapshot) -> bool:
    """True if `row` failed and the user may accept what the server sent."""
    return has_wrong_hash(row) or row.got_page


def _ended(row: DownloadSnapshot) -> str:
    return f"it has ended already ({_state(row)})"


_not_ended = _needs(
    lambda row: not row.status.is_terminal, _ended, "all marked downloads have ended"
)
_any_target = _needs(lambda _: True, _ended, "")
_retry = _needs(
    can_retry,
    lambda row: f"it has not failed; it is {_state(row)}",
    "no marked download has failed",
)
_queued = _needs(
    can_move,
    lambda row: f"only queued downloads have a place; this one is {_state(row)}",
    "no marked download is queued",
)


_keep = _needs(
    can_keep,
    lambda _: "it has not failed because of its hash or a web page",
    "no marked download has failed because of its hash or a web page",
)


def _replace_link(context: Context) -> str:
    row = context.current
    if row is None:
        return "nothing selected"
    return _ended(row) if row.status is DownloadStatus.COMPLETED else ""


def _in_queue_order(context: Context) -> str:
    if context.targets and not context.by_queue_order:
        return "the list is not in queue order; choose it with the sort key first"
    return _queued(context)


_move = _changes(_in_queue_order)


def _some(context: Context) -> str:
    return "" if context.total else "the list is empty"


def _current(context: Context) -> str:
    return "" if context.current else "nothing selected"


ACTIONS: tuple[Action, ...] = (
    Action(
        "add", "a", "Add links", "Links",
        "Links, curl commands, lists, [001-120]; a verdict on each first.", "add", _changes(),
    ),
    Action(
        "pause", "p", "Pause or resume", "Downloads",
        "Stop and keep the bytes, or go on.", "pause", _not_ended,
        owner="downloads",
    ),
    Action(
        "cancel", "c", "Cancel", "Downloads",
        "Stop and drop the partial file.", "cancel", _not_ended,
        owner="downloads",
    ),
    Action(
        "retry", "r", "Retry", "Downloads",
        "Queue it again.", "retry", _retry, owner="downloads",
    ),
    Action(
        "retry_failed", "R", "Retry all failed", "Downloads", "Queue every failed one again.",
        disabled=_changes(lambda context: "" if context.failed else "nothing has failed"),
        acts_on=frozenset({DownloadStatus.FAILED}),
        owner="downloads",
    ),
    Action(
        "link", "e", "Replace the link", "Downloads",
        "Go on from another address; the bytes stay if they fit.", disabled=_changes(_replace_link),
    ),
    Action(
        "keep", "w", "Keep the data despite the hash", "Downloads",
        "Save it as NAME.unverified. Or download a web page that was sent instead of the file.",
        disabled=_keep,
        owner="downloads",
    ),
    Action(
        "remove", "x", "Remove from the list", "Downloads",
        "Files that are complete stay on the disk.", "remove", _any_target,
        owner="downloads",
    ),
    Action(
        "clear_finished", "X", "Clear the finished", "Downloads",
        "Remove all that are done from the list; the failed stay.",
        disabled=_changes(lambda context: "" if context.finished else "nothing has finished"),
        acts_on=frozenset({DownloadStatus.COMPLETED, DownloadStatus.SKIPPED}),
        owner="downloads",
    ),
    Action(
        "priority_up", "plus", "Raise the priority", "Queue",
        "Higher goes first.", disabled=_not_ended,
        owner="downloads",
    ),
    Action(
        "priority_down", "minus", "Lower the priority", "Queue",
        "1 is the lowest.", disabled=_not_ended,
        owner="downloads",
    ),
    Action(
        "move_up", "K", "Move up in the queue", "Queue",
        "One place earlier.", disabled=_move, owner="downloads",
    ),
    Action(
        "move_down", "J", "Move down in the queue", "Queue",
        "One place later.", disabled=_move, owner="downloads",
    ),
    Action(
        "limit_down", "[", "Lower the speed limit", "Queue",
        "For all downloads together, at once.",
        disabled=_changes(
            lambda context: (
                "already the lowest limit" if context.speed_limit == SPEED_LIMITS[0] else ""
            )
        ),
        owner="downloads",
    ),
    Action(
        "slow", "t", "Slow mode", "Queue",
        "A low limit for all together (slow_limit), and back.", disabled=_changes(),
        owner="downloads",
    ),
    Action(
        "limit_up", "]", "Raise the speed limit", "Queue",
        "Above the highest step there is no limit.",
        disabled=_changes(
            lambda context: "there is no speed limit" if context.speed_limit is None else ""
        ),
        owner="downloads",
    ),
    Action(
        "filter", "/", "Filter", "List", "Show names and links that contain a text.", "filter",
        opens_input=True,
    ),
    Action("sort", "s", "Sort", "List", "By any column; again turns it round.", "sort", _some),
    Action(
        "mark", "space", "Mark", "List", "Keys act on the marked downloads.", "mark", _current
    , owner="table"),
    Action(
        "mark_all", "*", "Mark all shown, or invert", "List", "Marked ones lose the mark.",
        disabled=_some,
        owner="table",
    ),
    Action(
        "clear", "escape", "Clear filter or marks", "List", "The filter first, then the marks."
    ),
    Action(
        "details", "enter", "Details", "View", "All that is known of the current download.",
        "details", _current,
    ),
    Action("log", "l", "Log", "View", "Show or hide what happened.", "log"),
    Action(
        "history", "h", "History", "View", "What ended, also when it is off the list.", "history"
    ),
    Action(
        "undo", "u", "Undo the last remove", "Downloads", "Put removed downloads back.", "undo",
        _changes(lambda context: "" if context.can_undo else "nothing was removed"),
        owner="downloads",
    ),
    Action("load", "o", "Load a list", "Links", "The same from a file.", "load", _changes()),
    Action(
        "copy", "y", "Copy the link", "View", "Through the terminal; secrets are left out.",
        disabled=_current,
    ),
    Action("folder", "f", "Open the folder", "View", "Where the file is or will be."),
    Action("cursor_up", "up,k", "Up", "Move", "One row up.", owner="table"),
    Action("cursor_down", "down,j", "Down", "Move", "One row down.", owner="table"),
    Action("page_up", "pageup", "Page up", "Move", "One screen up.", owner="table"),
    Action("page_down", "pagedown", "Page down", "Move", "One screen down.", owner="table"),
    Action("first", "home,g", "First", "Move", "To the first row.", owner="table"),
    Action("last", "end,G", "Last", "Move", "To the last row.", owner="table"),
    Action(
        "settings", "comma", "Settings", "App", "Folder, limits, schedule, retries.",
        disabled=_changes(),
    ),
    Action(
        "command", ":", "Command line", "App", "Such as :cancel 3fa9, :limit 2M or :at 23:30.",
        opens_input=True,
    ),
    Action("palette", "ctrl+p", "Palette", "App", "Find any of these by name."),
    Action("help", "?", "Help", "App", "These keys.", "help"),
    Action("quit", "q", "Quit", "App", "Bytes that are there are kept.", "quit"),
)  # fmt: skip
BY_ID = {action.id: action for action in ACTIONS}


def bindings() -> list[Binding]:
    """One binding an action; the id lets users choose other keys."""
    return [
        Binding(
            action.keys,
            f"run('{action.id}')",
            action.title,
            show=False,
            id=action.id,
            # Keys typed ahead arrive in one go: only a priority binding acts before the next one.
            priority=action.opens_input,
        )
        for action in ACTIONS
    ]


def key_names(action: Action, keymap: Mapping[str, str]) -> list[str]:
    """The keys of `action` as a person reads them."""
    keys = keymap.get(action.id, action.keys).split(",")
    return [_key_name(key.strip()) for key in keys]


def _key_name(key: str) -> str:
    return {"enter": "Enter", "escape": "Esc", "ctrl+p": "^p"}.get(key, format_key(key))


def unknown_actions(keymap: Mapping[str, str]) -> list[str]:
    """Names in the user's keys that are no action."""
    return [name for name in keymap if name not in BY_ID]


def limit_step(current: int | None, up: bool) -> int | None:
    """The speed limit next to `current`, in bytes/s; None is off."""
    numbers = [step for step in SPEED_LIMITS if step is not None]
    if up:
        higher = [step for step in numbers if current is not None and step > current]
        return higher[0] if higher else None
    lower = [step for step in numbers if current is None or step < current]
    return lower[-1] if lower else numbers[0]
