"""Registry of actions: the source of keys, footer, help and command palette.

A disabled action keeps its key and gives the reason (`action_reasons.py`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from textual.binding import Binding
from textual.keys import format_key

from rheo_core.domain import DownloadStatus
from rheo_tui import action_reasons as reasons
from rheo_tui.failure_advice import Cause
from rheo_tui.tabs import OWN_KEYS, TABS

Owner = Literal["screen", "table", "downloads", "filters", "commands", "inspector"]
"""The object that handles an action: `MainScreen`, `DownloadTable`, `DownloadHandlers`,
`FilterHandlers` or `Inspector`."""
Handler = Callable[..., Any]
"""Does the work of an action.

Coroutine functions take the context and run in the background; the text that they return becomes
feedback. Others take nothing, or the key of their tab.
"""


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
    disabled: reasons.Reason = field(default=lambda _: "")
    acts_on: frozenset[DownloadStatus] = frozenset()  # all rows in these states, marked or not
    opens_input: bool = False  # keys typed after its own go to an input
    owner: Owner = "screen"
    takes_targets: bool = False  # as a command, it acts on the named downloads
    in_menu: bool = False  # in the menu of the selection, although it takes no targets
    tab: str = ""  # key of a tab, passed to the handler that all tabs share
    titled: Callable[[reasons.Context], str] | None = None  # the title, if it depends on the state

    def title_in(self, context: reasons.Context) -> str:
        """Return the title, which may say what the action would do now."""
        return self.titled(context) if self.titled else self.title

    @property
    def handler(self) -> str:
        """Name of the method of `owner` that handles the action."""
        return "do_tab" if self.tab else f"do_{self.id}"


_STANDING = frozenset({DownloadStatus.PAUSED, DownloadStatus.COMPLETED})

ACTIONS: tuple[Action, ...] = (
    Action(
        "add", "a", "Add links", "Links",
        "Paste links, curl commands or lists, and check them before you add them.",
        label="add", disabled=reasons.read_only,
    ),
    Action(
        "pause", "p", "Pause or resume", "Downloads",
        "Pause the download and keep its partial data, or resume it.",
        label="pause", disabled=reasons.not_ended, owner="downloads", takes_targets=True,
        titled=lambda context: "Resume" if reasons.resumes(context) else "Pause",
    ),
    Action(
        "pause_all", "P", "Pause all", "Downloads",
        "Pause all active and queued downloads, whether shown or not.",
        label="pause all",
        disabled=reasons.pause_all,
        acts_on=frozenset(DownloadStatus) - reasons.RETRYABLE - _STANDING,
        owner="downloads",
    ),
    Action(
        "resume_all", "S", "Resume all", "Downloads",
        "Resume all paused downloads, whether shown or not.",
        label="resume all",
        disabled=reasons.resume_all,
        acts_on=frozenset({DownloadStatus.PAUSED}),
        owner="downloads",
    ),
    Action(
        "cancel", "c", "Cancel", "Downloads",
        "Stop the download. Its partial data is deleted once it can no longer be undone.",
        label="cancel", disabled=reasons.not_ended, owner="downloads", takes_targets=True,
    ),
    Action(
        "retry", "r", "Retry", "Downloads",
        "Queue the download again.",
        label="retry", disabled=reasons.retry, owner="downloads", takes_targets=True,
    ),
    Action(
        "retry_failed", "R", "Retry all failed", "Downloads",
        "Queue all failed downloads again.",
        disabled=reasons.retry_failed,
        acts_on=frozenset({DownloadStatus.FAILED}),
        owner="downloads",
    ),
    Action(
        "link", "e", "Edit", "Downloads",  # the id is that of earlier versions, for users' keys
        "Change link, name, folder, hash, headers, login or limits, and keep partial data.",
        label="edit", disabled=reasons.edit, in_menu=True,
    ),
    Action(
        "replace_links", "E", "Replace links", "Downloads",
        "Edit the links of failed downloads as one text, then retry these downloads.",
        disabled=reasons.replace_links, takes_targets=True,
    ),
    Action(
        "keep", "w", "Keep unverified data", "Downloads",
        "Save data with a wrong checksum as NAME.unverified, or a web page that the server sent "
        "instead of the file.",
        disabled=reasons.keep, owner="downloads", takes_targets=True,
    ),
    Action(
        "existing", "d", "Resolve existing file", "Downloads",
        "Open the existing file, download again, save under another name, or overwrite it.",
        disabled=reasons.existing,
    ),
    Action(
        "remove", "x", "Remove from the list", "Downloads",
        "Remove the download from the list; completed files stay on the disk.",
        label="remove", disabled=reasons.any_target, owner="downloads", takes_targets=True,
    ),
    Action(
        "again", "A", "Download again", "Downloads",
        "Download a finished file again and keep the existing one.",
        disabled=reasons.again, owner="downloads", takes_targets=True,
    ),
    Action(
        "delete", "delete", "Delete the file too", "Downloads",
        "Move finished files to the trash, and remove their downloads from the list.",
        disabled=reasons.delete, owner="downloads", takes_targets=True,
    ),
    Action(
        "clear_finished", "X", "Remove all finished", "Downloads",
        "Remove completed and skipped downloads from the list; failed ones stay.",
        disabled=reasons.clear_finished,
        acts_on=frozenset({DownloadStatus.COMPLETED, DownloadStatus.SKIPPED}),
        owner="downloads",
    ),
    Action(
        "priority_up", "plus", "Raise the priority", "Queue",
        "Raise the priority; downloads with a higher one start first.",
        disabled=reasons.not_ended, owner="downloads", takes_targets=True,
    ),
    Action(
        "priority_down", "minus", "Lower the priority", "Queue",
        "Lower the priority; the lowest one is 1.",
        disabled=reasons.not_ended, owner="downloads", takes_targets=True,
    ),
    Action(
        "set_priority", "#", "Set the priority", "Queue",
        "Enter a number; downloads with a higher priority start first.",
        disabled=reasons.not_ended, owner="commands", opens_input=True, in_menu=True,
    ),
    Action(
        "move_up", "K", "Move up in the queue", "Queue",
        "Move the download one place up.",
        disabled=reasons.move, owner="downloads", takes_targets=True,
    ),
    Action(
        "move_down", "J", "Move down in the queue", "Queue",
        "Move the download one place down.",
        disabled=reasons.move, owner="downloads", takes_targets=True,
    ),
    Action(
        "move_top", "ctrl+home", "Move to the top", "Queue",
        "Move the download to the top of the queue.",
        disabled=reasons.move, owner="downloads", takes_targets=True,
    ),
    Action(
        "move_bottom", "ctrl+end", "Move to the end", "Queue",
        "Move the download to the end of the queue.",
        disabled=reasons.move, owner="downloads", takes_targets=True,
    ),
    Action(
        "limit_down", "[", "Lower the total limit", "Queue",
        "Lower the total speed limit; the first press sets it just below the current speed.",
        disabled=reasons.limit_down, owner="downloads",
    ),
    Action(
        "limit_menu", "L", "Limit selection or all", "Queue",
        "Choose a limit for the selection; if it has ended, for all downloads together.",
        disabled=reasons.read_only, in_menu=True,
    ),
    Action(
        "slow", "t", "Toggle slow mode", "Queue",
        "Limit all downloads together to the slow_limit setting, or remove this limit.",
        disabled=reasons.read_only, owner="downloads",
    ),
    Action(
        "limit_up", "]", "Raise the total limit", "Queue",
        "Raise the speed limit of all downloads together, or remove it at the highest step.",
        disabled=reasons.limit_up, owner="downloads",
    ),
    Action(
        "lift", "H", "Restore host limits", "Queue",
        "Restore the usual limits of hosts that refused requests (such as HTTP 429).",
        disabled=reasons.lift,
        owner="downloads",
    ),
    *(
        Action(
            f"tab_{tab.id}", tab.key, f"Tab {tab.title}", "Tabs",
            f"Show {'all' if tab.id == 'all' else 'only ' + tab.title.lower()} downloads.",
            owner="filters", tab=tab.key,
        )
        for tab in TABS
    ),
    *(
        Action(
            f"tab_own_{number}", key, f"Your tab {number}", "Tabs",
            f"Show the downloads of your tab {number}; “Save filter as a tab” creates it.",
            disabled=reasons.needs_own_tab(number), owner="filters", tab=key,
        )
        for number, key in enumerate(OWN_KEYS, 1)
    ),
    Action(
        "keep_tab", "F", "Save filter as a tab", "Tabs",
        "Save the filter as a named tab, or rename or remove the open tab.",
        disabled=reasons.keep_tab,
    ),
    Action(
        "filter", "/", "Filter", "List",
        "Show downloads that match words or conditions, such as status:failed size>1g.",
        label="filter", opens_input=True, owner="filters",
    ),
    Action(
        "sort", "s", "Sort", "List",
        "Sort by a column; choose it again to reverse.",
        label="sort", disabled=reasons.needs_rows,
    ),
    Action(
        "columns", "|", "Choose columns", "List",
        "Show, hide, order and size the columns.",
    ),
    Action(
        "mark", "space", "Mark and go down", "List",
        "Mark the download and go to the next; keys act on all marked ones.",
        label="mark", disabled=reasons.needs_current, owner="table",
    ),
    Action(
        "mark_all", "*", "Mark all shown", "List",
        "Mark the downloads shown; if all are marked, unmark them.",
        disabled=reasons.needs_rows, owner="table",
    ),
    Action(
        "invert_marks", "^", "Invert marks", "List",
        "Mark the unmarked downloads shown, and unmark the others.",
        disabled=reasons.needs_rows, owner="table",
    ),
    Action(
        "mark_matching", "&", "Mark by pattern", "List",
        "Mark the downloads shown that match a pattern such as *.iso, or a filter.",
        disabled=reasons.needs_rows, owner="commands", opens_input=True,
    ),
    Action(
        "range", "v", "Mark a range", "List",
        "Mark rows as the cursor moves, like Shift and an arrow key; press again to stop.",
        disabled=reasons.needs_rows, owner="table",
    ),
    *(
        Action(
            f"range_{move}", f"shift+{key}", f"Mark {where}", "List",
            "Move the cursor and mark the rows it passes.",
            disabled=reasons.needs_rows, owner="table",
        )
        for move, key, where in (
            ("up", "up", "upwards"),
            ("down", "down", "downwards"),
            ("page_up", "pageup", "one screen up"),
            ("page_down", "pagedown", "one screen down"),
            ("first", "home", "to the first"),
            ("last", "end", "to the last"),
        )
    ),
    Action(
        "clear", "escape", "Stop, close or clear", "List",
        "Stop a long task, close the details, or clear filter and marks; the tab stays open.",
    ),
    Action(
        "details", "enter", "Show details", "View",
        "Inspect the current download, or show the finished downloads.",
        label="details", disabled=reasons.needs_line, in_menu=True,
    ),
    Action(
        "failures", "!", "Show failures by cause", "View",
        "Show failed downloads in groups, with advice; retry or remove a group.",
        disabled=reasons.has_failed,
    ),
    Action(
        "next_page", "tab", "Next details page", "View",
        "Go to the next page: overview, connections, speed, request, log.",
        disabled=reasons.needs_details, owner="inspector",
    ),
    Action(
        "previous_page", "shift+tab", "Previous details page", "View",
        "Go back one page.",
        disabled=reasons.needs_details, owner="inspector",
    ),
    Action(
        "details_down", "ctrl+d", "Scroll the details down", "View",
        "Scroll by half a page; the log if the details are closed.",
        disabled=reasons.needs_pane, owner="inspector",
    ),
    Action(
        "details_up", "ctrl+u", "Scroll the details up", "View",
        "Scroll by half a page; the log if the details are closed.",
        disabled=reasons.needs_pane, owner="inspector",
    ),
    Action(
        "log", "l", "Show log", "View",
        "Show or hide the latest events.",
        label="log",
    ),
    Action(
        "history", "h", "Show history", "View",
        "Show downloads that have ended, including removed ones.",
        label="history",
    ),
    Action(
        "undo", "u", "Undo", "Downloads",
        "Undo the last change; press it again for earlier ones.",
        label="undo",
        disabled=reasons.undo,
        owner="downloads",
        titled=lambda context: f"Undo {context.undoes}".rstrip(),
    ),
    Action(
        "redo", "ctrl+r", "Redo", "Downloads",
        "Redo the last change that you undid.",
        disabled=reasons.redo,
        owner="downloads",
        titled=lambda context: f"Redo {context.redoes}".rstrip(),
    ),
    Action(
        "load", "o", "Load a list", "Links",
        "Add the links in a file.",
        label="load", disabled=reasons.read_only,
    ),
    Action(
        "menu", "full_stop", "Open the menu", "View",
        "Show all actions for the selection.",
        label="menu", disabled=reasons.needs_line,
    ),
    Action(
        "copy", "y", "Copy", "View",
        "Copy link, name, path, ID, hash, error, a curl command, a JSON line or the open details.",
        disabled=reasons.needs_line, in_menu=True,
    ),
    Action(
        "open", "O", "Open the file", "View",
        "Open the finished file with its default program.",
        label="open", disabled=reasons.open_file, in_menu=True,
    ),
    Action(
        "folder", "f", "Open the folder", "View",
        "Open the folder of the file.",
        label="folder", in_menu=True,
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
        "next_active", "n", "Go to the next active", "Move",
        "Go to the next active download; after the last one, continue with the first.",
        disabled=reasons.is_active,
        owner="table",
    ),
    Action(
        "next_failed", "N", "Go to the next failed", "Move",
        "Go to the next failed download; after the last one, continue with the first.",
        disabled=reasons.has_failed,
        owner="table",
    ),
    Action(
        "follow", "ctrl+f", "Follow", "Move",
        "Keep the cursor on the download as its status changes, until you move it.",
        disabled=reasons.follow, owner="table", in_menu=True,
    ),
    Action(
        "settings", "comma", "Change settings", "App",
        "Change the folder, theme, limits, schedule, retries and more.",
        label="settings", disabled=reasons.read_only,
    ),
    Action(
        "command", ":", "Enter a command", "App",
        "Examples: :cancel 3fa9, :limit 2M, :at 23:30.",
        owner="commands", opens_input=True,
    ),
    Action(
        "palette", "ctrl+p", "Open the palette", "App",
        "Find an action by name.",
    ),
    Action(
        "help", "?,f1", "Show help", "App",
        "Show all keys, those of the open dialog first; F1 works in text inputs too.",
        label="help",
    ),
    Action(
        "suspend", "ctrl+z", "Suspend", "App",
        "Suspend the app and its downloads; fg resumes them.",
    ),
    Action(
        "quit", "q", "Quit", "App",
        "Quit the app and keep partial downloads.",
        label="quit",
    ),
)  # fmt: skip
BY_ID = {action.id: action for action in ACTIONS}

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Mark while moving": tuple(each for each in BY_ID if each.startswith("range_")),
    "Open a tab": tuple(f"tab_{tab.id}" for tab in TABS),
    "Open your own tabs": tuple(f"tab_own_{number}" for number, _ in enumerate(OWN_KEYS, 1)),
    "Change the priority": ("priority_up", "priority_down"),
    "Move in the queue": ("move_up", "move_down"),
    "Move to top or end": ("move_top", "move_bottom"),
    "Change the total limit": ("limit_up", "limit_down"),
    "Switch details page": ("next_page", "previous_page"),
    "Scroll details or log": ("details_down", "details_up"),
    "Go up or down": ("cursor_up", "cursor_down"),
    "Page up or down": ("page_up", "page_down"),
    "Go to first or last": ("first", "last"),
    "Next active or failed": ("next_active", "next_failed"),
}
"""Actions that belong together and share a line of the help, by its title."""


def bindings(actions: Iterable[Action] = ACTIONS) -> list[Binding]:
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
        for action in actions
    ]


_KEY_NAMES = {
    "enter": "Enter",
    "escape": "Esc",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "backspace": "Backspace",
}


def key_names(action: Action, keymap: Mapping[str, str]) -> list[str]:
    """Return the keys of `action` as shown to people."""
    keys = keymap.get(action.id, action.keys).split(",")
    return [key_name(key.strip()) for key in keys]


def first_key(action_id: str, keymap: Mapping[str, str]) -> str:
    """Return the first key of an action as shown to people, for sentences that name it."""
    return key_names(BY_ID[action_id], keymap)[0]


def family_keys(actions: Sequence[Action], keymap: Mapping[str, str], width: int) -> str:
    """Return the keys of actions that belong together: `1-7`, `Ctrl+Home End`, `Shift+↑ …`.

    Args:
        actions: the actions, in the order of their keys.
        keymap: the user's keys by the id of the action.
        width: maximum number of characters; keys that do not fit are omitted.
    """
    keys = [key for action in actions for key in key_names(action, keymap)]
    first, last = keys[0], keys[-1]
    if len(keys) > 2 and "".join(keys) in "123456789":
        return f"{first}-{last}"
    modifier = first[: first.rfind("+", 0, -1) + 1]
    if all(key.startswith(modifier) for key in keys):
        keys[1:] = [key.removeprefix(modifier) for key in keys[1:]]
    shown = " ".join(keys)
    return shown if len(shown) <= width else f"{first} …"


def advice_text(cause: Cause, keymap: Mapping[str, str]) -> str:
    """Return the advice about a failure, with the user's key for it; "" if there is none."""
    return cause.advice.format(key=first_key(cause.action, keymap) if cause.action else "")


def key_name(key: str) -> str:
    """Return a key as shown to people."""
    *modifiers, last = key.split("+") if len(key) > 1 else [key]
    shown = _KEY_NAMES.get(last) or format_key(last)
    if modifiers or len(shown) > 1:
        shown = shown[:1].upper() + shown[1:]
    return "+".join((*map(str.capitalize, modifiers), shown))


def menu_actions() -> list[Action]:
    """Return the actions on the selection, in the order of the registry.

    The details come first, because Enter chooses the first item of a menu, as it does in the list.
    """
    actions = [action for action in ACTIONS if action.takes_targets or action.in_menu]
    return sorted(actions, key=lambda action: action.id != "details")


def handler_table(owners: Mapping[Owner, object]) -> dict[str, Handler]:
    """Return the handler of each action by its id: the method `do_<id>` of its owner.

    Raises:
        AttributeError: an action has no handler.
    """
    return {action.id: _handler(owners[action.owner], action) for action in ACTIONS}


def _handler(owner: object, action: Action) -> Handler:
    handler: Handler = getattr(owner, action.handler)
    return partial(handler, action.tab) if action.tab else handler


def unknown_actions(keymap: Mapping[str, str]) -> list[str]:
    """Return the names in the user's keys that belong to no action."""
    return [name for name in keymap if name not in BY_ID]
