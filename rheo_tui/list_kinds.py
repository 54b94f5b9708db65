"""Name the kind of a list file by the formats of its entries."""

from collections.abc import Sequence

from rheo_core.inputs import Entry
from rheo_tui.formatting import count_text

_KINDS = {  # beginnings of `Entry.form`
    "aria2 entry": "aria2 list",
    "aria2c command": "aria2c commands",
    "checksum list": "checksum list",
    "IDM entry": "IDM list",
    "link of a feed": "feed",
    "JSON": "JSON lines",
    "Metalink": "Metalink",
    "row of a table": "table",
    "shortcut": "shortcut",
    "link of a page": "web page",
    "text": "text with links",
}
_PLAIN = "list of URLs"
_MIXED = "mixed list"
_COMMAND = " command"


def kind_of(entries: Sequence[Entry]) -> str:
    """Return a description of a list, such as `aria2 list, 208 entries`; "" for no entries."""
    if not entries:
        return ""
    kinds = {_kind(entry.form) for entry in entries if entry.form or entry.config}
    kinds = kinds - {_PLAIN} or {_PLAIN}  # other lists may contain plain URLs
    kind = kinds.pop() if len(kinds) == 1 else _MIXED
    return f"{kind}, {count_text(len(entries), 'entry', 'entries')}"


def _kind(form: str) -> str:
    for beginning, kind in _KINDS.items():
        if form.startswith(beginning):
            return kind
    first = form.partition(",")[0]
    return f"{first}s" if first.endswith(_COMMAND) else _PLAIN
