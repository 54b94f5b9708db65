"""Words in place of a list without rows: why there are none, and what to do."""

from collections.abc import Mapping

from rheo_core.domain.text import printable

from .actions import first_key
from .table_model import TableModel
from .tabs import ALL

_READING = "Reading your list…"
_EMPTY_READ_ONLY = ("No downloads yet", "", "Downloads that the other process adds appear here.")


def list_hint(
    model: TableModel, keymap: Mapping[str, str], *, is_loading: bool, read_only: bool
) -> tuple[str, ...]:
    """Return the lines to show while `model` shows no rows.

    Args:
        model: the downloads, with the filter and the open tab.
        keymap: the user's keys.
        is_loading: True while the list is read.
        read_only: True if another process changes the list.
    """
    if is_loading:
        return (f"{_READING} {len(model.rows):,}" if model.rows else _READING,)
    if not model.rows:
        return _EMPTY_READ_ONLY if read_only else _empty(keymap)
    tab = "" if model.tab is ALL else f" in the tab “{model.tab.title}”"
    if not model.filter:
        key = first_key("tab_all", keymap)
        return (f"Nothing{tab}", "", f"Press {key} to show all downloads.")
    clear = f"Press {first_key('clear', keymap)} to clear the filter."
    return (f"No download{tab} matches “{printable(str(model.filter))}”", "", clear)


def _empty(keymap: Mapping[str, str]) -> tuple[str, ...]:
    add, load = first_key("add", keymap), first_key("load", keymap)
    return (
        "Nothing to download yet",
        "",
        "Paste links anywhere,",
        f"press {add} to type them,",
        f"or press {load} to load a list.",
    )
