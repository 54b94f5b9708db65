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
        is_present: True for the present state, at which the cursor starts.
        takes_digits: True if digits choose it too, and begin what the user types there. They follow
            the id in the result.
    """

    id: str
    keys: str
    shown_keys: str
    title: str
    reason: str = ""
    is_present: bool = False
    takes_digits: bool = False


def action_items(context: Context, keymap: Mapping[str, str]) -> list[MenuItem]:
    """Return the actions on the selection; disabled ones come last, with their reason."""
    items = []
    for action in menu_actions():
        keys = keymap.get(action.id, action.keys).split(",")
        own = ",".join(key for key in map(str.strip, keys) if key != "enter")  # chooses an item
        shown = " ".join(key_names(action, keymap))
        title, reason = action.title_in(context), action.disabled(context)
        items.append(MenuItem(action.id, own, shown, title, reason))
    return sorted(items, key=lambda item: bool(item.reason))


def limit_items(present: Set[int | None], slow: int, *, for_all: bool) -> list[MenuItem]:
    """Return speed limits for the selection, or for all downloads together.

    Args:
        present: their current limits, in bytes/s; None: no limit. They are among the choices; if
            there is only one, it is marked.
        slow: limit of the slow mode, in bytes/s.
        for_all: True for all downloads together.
    """
    rates = sorted(rate for rate in {*SPEED_LIMITS, *present} if rate is not None)
    items = [_limit_item("off", "0", "No limit", present == {None})]
    items += [
        _limit_item(rate_input(rate), "", limit_text(rate), present == {rate}) for rate in rates
    ]
    other = "Another limit: type it, such as 300k"
    items.append(MenuItem(OTHER, "colon,:", "1-9", other, takes_digits=True))
    if not for_all:
        items.append(MenuItem(ALL, "a", "a", "All downloads together…"))
    items.append(MenuItem(SLOW, "t", "t", f"Slow mode on or off ({limit_text(slow)})"))
    return items


def _limit_item(id: str, key: str, title: str, is_present: bool) -> MenuItem:
    return MenuItem(id, key, key, f"{title} (now)" if is_present else title, is_present=is_present)


def heading(verb: str, rows: Sequence[DownloadSnapshot]) -> str:
    """Return the title of a menu on downloads."""
    return f"{verb} {summary_of(rows)}".strip()
