"""Items of the menus, such as the context menu and the speed limit menu."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from rheo_core.domain import DownloadSnapshot

from .action_reasons import Context
from .actions import key_names, menu_actions
from .command_targets import summary_of
from .formatting import limit_text, rate_input
from .speed_steps import SPEED_LIMITS

ALL, OTHER, SLOW = "all", "other", "slow"
"""Items of the limit menu that are not limits."""


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One choice.

    Attributes:
        id: the result.
        keys: Textual's names of keys that choose it, separated by commas.
        shown_keys: the keys as shown to people.
        title: text of the choice.
        reason: reason why it is disabled; "" if it is not.
        takes_digits: True if digits choose it too, and begin what the user types there. They follow
            the id in the result.
    """

    id: str
    keys: str
    shown_keys: str
    title: str
    reason: str = ""
    takes_digits: bool = False


def action_items(context: Context, keymap: Mapping[str, str]) -> list[MenuItem]:
    """Return the actions on the selection; disabled ones come last, with their reason."""
    items = []
    for action in menu_actions():
        keys = keymap.get(action.id, action.keys).split(",")
        own = ",".join(key for key in map(str.strip, keys) if key != "enter")  # chooses an item
        shown = " ".join(key_names(action, keymap))
        items.append(MenuItem(action.id, own, shown, action.title, action.disabled(context)))
    return sorted(items, key=lambda item: bool(item.reason))


def limit_items(present: Set[int | None], *, for_all: bool) -> list[MenuItem]:
    """Return speed limits for the selection, or for all downloads together.

    Args:
        present: their current limits, in bytes/s; None: no limit. If there is only one, it is
            marked.
        for_all: True for all downloads together.
    """
    rates = [rate for rate in SPEED_LIMITS if rate is not None]
    items = [MenuItem("off", "0", "0", _marked("No limit", present, {None}))]
    items += [
        MenuItem(rate_input(rate), "", "", _marked(limit_text(rate), present, {rate}))
        for rate in rates
    ]
    other = "Another limit: type it, such as 300k"
    items.append(MenuItem(OTHER, "colon,:", "1-9", other, takes_digits=True))
    if not for_all:
        items.append(MenuItem(ALL, "a", "a", "All downloads together…"))
    items.append(MenuItem(SLOW, "t", "t", "Slow mode on or off"))
    return items


def _marked(title: str, present: Set[int | None], limit: Set[int | None]) -> str:
    return f"{title} (now)" if present == limit else title


def heading(verb: str, rows: Sequence[DownloadSnapshot]) -> str:
    """Return the title of a menu on downloads."""
    return f"{verb} {summary_of(rows)}".strip()
