"""Decide which actions are disabled, and give the reasons."""

from collections.abc import Callable
from dataclasses import dataclass

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_tui.services.protocol import READ_ONLY
from rheo_tui.speed_steps import SPEED_LIMITS
from rheo_tui.status_look import look_of

Reason = Callable[["Context"], str]
"""Returns the reason why an action is disabled, or "".

A reason is a sentence without a capital letter or a full stop.
"""


@dataclass(frozen=True, slots=True)
class Context:
    """The state that decides which actions are available."""

    targets: tuple[DownloadSnapshot, ...] = ()  # the marked rows shown, or the current row
    current: DownloadSnapshot | None = None
    folded: int = 0  # finished downloads for which the cursor stands; `targets` has one of them
    marked: int = 0  # marked rows shown
    total: int = 0
    active: int = 0  # downloads with a slot
    failed: int = 0
    finished: int = 0  # completed or skipped
    running: int = 0  # neither ended nor paused
    paused: int = 0
    lowered_hosts: int = 0  # hosts whose limits are lower because they refused requests
    details_open: bool = False
    log_open: bool = False
    follows: bool = False  # the cursor follows a download
    undoes: str = ""  # the change that undo undoes, in words
    redoes: str = ""
    by_queue_order: bool = True
    speed: float = 0.0  # of all downloads together, bytes/s
    speed_limit: int | None = None  # bytes/s
    speed_limit_reason: str = ""  # see `Snapshot`
    is_slow: bool = False
    has_filter: bool = False  # or one of the user's tabs is open
    own_tabs: int = 0
    read_only: bool = False

    @property
    def count(self) -> int:
        """Number of targets."""
        return self.folded or len(self.targets)


RETRYABLE = frozenset({DownloadStatus.FAILED, DownloadStatus.CANCELLED, DownloadStatus.SKIPPED})


_VERBS = {
    DownloadStatus.FAILED: "has failed",
    DownloadStatus.CANCELLED: "was cancelled",
    DownloadStatus.SKIPPED: "was skipped",
}


def _is_in_state(row: DownloadSnapshot) -> str:
    """Return a predicate for the state, such as `is queued`."""
    return _VERBS.get(row.status) or f"is {look_of(row).label}"


def _changes(reason: Reason = lambda _: "") -> Reason:
    """Disable an action in a read-only session, or if `reason` returns one."""
    return lambda context: READ_ONLY if context.read_only else reason(context)


def _needs(matches: Callable[[Context], object], reason: str) -> Reason:
    """Disable an action for `reason` unless the state matches."""
    return lambda context: "" if matches(context) else reason


def _needs_target(
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
            return "nothing is selected"
        if any(fits(row) for row in context.targets):
            return ""
        return one(context.targets[0]) if len(context.targets) == 1 else many

    return _changes(reason)


def can_pause(row: DownloadSnapshot) -> bool:
    """Return True if `row` can be paused."""
    return not row.status.is_terminal and row.status is not DownloadStatus.PAUSED


def resumes(context: Context) -> bool:
    """Return True if the pause key resumes downloads, because it can pause none."""
    rows = context.targets
    can_resume = any(row.status is DownloadStatus.PAUSED for row in rows)
    return can_resume and not any(can_pause(row) for row in rows)


def can_retry(row: DownloadSnapshot) -> bool:
    """Return True if `row` ended without a file."""
    return row.status in RETRYABLE


def can_move(row: DownloadSnapshot) -> bool:
    """Return True if `row` has a place in the queue."""
    return row.status is DownloadStatus.QUEUED


def is_done(row: DownloadSnapshot) -> bool:
    """Return True if `row` completed, or was skipped because the file exists."""
    return row.status in (DownloadStatus.COMPLETED, DownloadStatus.SKIPPED)


def has_file(row: DownloadSnapshot) -> bool:
    """Return True if `row` completed, so that its file is on the disk."""
    return row.status is DownloadStatus.COMPLETED and bool(row.destination)


def has_wrong_hash(row: DownloadSnapshot) -> bool:
    """Return True if `row` failed only because of its checksum."""
    check = row.validation
    return row.status is DownloadStatus.FAILED and check is not None and not check.is_valid


def can_keep(row: DownloadSnapshot) -> bool:
    """Return True if `row` failed and the user may accept the data that the server sent."""
    return has_wrong_hash(row) or row.got_page


def can_edit(row: DownloadSnapshot) -> bool:
    """Return True if the options of `row` can be changed."""
    return row.status is not DownloadStatus.COMPLETED


def _ended(row: DownloadSnapshot) -> str:
    auxiliary, state = _is_in_state(row).split()
    return f"this download {auxiliary} already {state}"


not_ended = _needs_target(
    lambda row: not row.status.is_terminal, _ended, "all marked downloads have ended"
)
any_target = _needs_target(lambda _: True, _ended, "")


def _has_not_failed(row: DownloadSnapshot) -> str:
    return f"this download has not failed; it {_is_in_state(row)}"


retry = _needs_target(
    can_retry,
    _has_not_failed,
    "no marked download can be retried",
)
_queued = _needs_target(
    can_move,
    lambda _: "only queued downloads can be moved",
    "only queued downloads can be moved",
)


replace_links = _needs_target(
    lambda row: row.status is DownloadStatus.FAILED,
    _has_not_failed,
    "no marked download has failed",
)
keep = _needs_target(
    can_keep,
    lambda _: "there is no unverified data to keep",
    "there is no unverified data to keep",
)


existing = _needs_target(
    lambda row: row.has_file,
    lambda _: "no existing file is in the way",
    "no existing file is in the way",
)
again = _needs_target(
    is_done,
    lambda row: f"this download is not done; it {_is_in_state(row)}",
    "no marked download is done",
)
delete = _needs_target(
    has_file,
    lambda row: f"there is no file to delete; this download {_is_in_state(row)}",
    "no marked download has a finished file",
)


def open_file(context: Context) -> str:
    """Disable an action unless the current download has a finished file."""
    row = context.current
    if row is None:
        return "nothing is selected"
    if is_done(row) and row.destination:
        return ""
    return f"there is no file to open; this download {_is_in_state(row)}"


def follow(context: Context) -> str:
    """Disable an action unless the current download has not ended, or one is followed."""
    if context.follows:
        return ""
    row = context.current
    if row is None:
        return "nothing is selected"
    return _ended(row) if is_done(row) else ""


def _in_queue_order(context: Context) -> str:
    if context.targets and not context.by_queue_order:
        return "the list is not sorted by queue order; sort it by queue order first"
    return _queued(context)


move = _changes(_in_queue_order)
edit = _needs_target(can_edit, _ended, "all marked downloads are done")


def _at_lowest_limit(context: Context) -> str:
    return "the limit is already at the minimum" if context.speed_limit == SPEED_LIMITS[0] else ""


def needs_own_tab(number: int) -> Reason:
    """Disable an action unless the user has a tab of this number."""
    return _needs(lambda context: number <= context.own_tabs, "there is no such tab")


read_only = _changes()
has_failed = _needs(lambda context: context.failed, "no download has failed")
is_active = _needs(lambda context: context.active, "no download is active")
needs_rows = _needs(lambda context: context.total, "the list is empty")
needs_current = _needs(lambda context: context.current, "nothing is selected")
needs_details = _needs(lambda context: context.details_open, "open the details first")
needs_pane = _needs(
    lambda context: context.details_open or context.log_open, "open the details or the log first"
)
needs_line = _needs(lambda context: context.current or context.folded, "nothing is selected")
limit_down = _changes(_at_lowest_limit)
limit_up = _changes(
    _needs(lambda context: context.speed_limit is not None, "there is no speed limit to raise")
)
pause_all = _changes(_needs(lambda context: context.running, "no download is active or queued"))
resume_all = _changes(_needs(lambda context: context.paused, "no download is paused"))
retry_failed = _changes(has_failed)
clear_finished = _changes(_needs(lambda context: context.finished, "no download has finished"))
lift = _changes(_needs(lambda context: context.lowered_hosts, "no host limit has been lowered"))
undo = _changes(_needs(lambda context: context.undoes, "there is nothing to undo"))
redo = _changes(_needs(lambda context: context.redoes, "there is nothing to redo"))
keep_tab = _changes(_needs(lambda context: context.has_filter, "there is no filter to keep"))
