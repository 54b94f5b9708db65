"""KeysLine: show the keys of a dialog, on several lines if necessary."""

import re
from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

_DOT = " · "
_KEY_STYLE = "bold $footer-key-foreground"
_KEY = re.compile(r"(?:\S+\+)?(?:\S|\W+|\d-\d|F\d+|Enter|Esc|Tab|Space|Del|Backspace|PgUp|PgDn)")


class KeysLine(Static):
    """Shows keys with a dot between them; a line never begins or ends with the dot.

    The last key, which closes the dialog, stays even if others have no space.

    Args:
        keys: such as `Enter save · Esc close`.
    """

    def __init__(self, keys: str, *, id: str | None = None) -> None:
        super().__init__(keys_text(keys), classes="dialog-keys", id=id)
        self._keys = keys

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Keys with their effects, including those without a place on the screen."""
        return [_divided(item) for item in self._keys.split(_DOT)]

    def show(self, keys: str) -> None:
        """Show other keys."""
        self._keys = keys
        self._fit()

    def on_resize(self) -> None:
        """Fit the keys to the new width."""
        self._fit()

    def _fit(self) -> None:
        lines = lines_of(self._keys.split(_DOT), self.size.width, self._most_lines)
        self.update(Content("\n").join(map(keys_text, lines)))

    @property
    def _most_lines(self) -> int | None:
        if self.styles.text_wrap == "nowrap":
            return 1
        most = self.styles.max_height
        return None if most is None else most.cells


def _divided(item: str) -> tuple[str, str]:
    """Return the keys of an item such as `K J move`, and their effect."""
    words = item.split()
    count = next((at for at, word in enumerate(words) if not _KEY.fullmatch(word)), len(words))
    return " ".join(words[:count]), " ".join(words[count:])


def keys_text(line: str) -> Content:
    """Return keys with their effects as a text in which the keys stand out, as in the footer."""
    return Content(_DOT).join(map(_item_text, line.split(_DOT)))


def _item_text(item: str) -> Content:
    keys, effect = _divided(item)
    if not keys:
        return Content(item)
    return Content.assemble((keys, _KEY_STYLE), f" {effect}" if effect else "")


def lines_of(items: Sequence[str], width: int, most: int | None = None) -> list[str]:
    """Return items with dots between them, in lines of at most `width` cells if possible.

    Args:
        items: at least one.
        width: cells of a line.
        most: maximum number of lines; items before the last give way. None: no maximum.
    """
    lines = _broken(items, width)
    while most is not None and len(lines) > most and len(items) > 1:
        items = [*items[:-2], items[-1]]
        lines = _broken(items, width)
    return lines


def _broken(items: Sequence[str], width: int) -> list[str]:
    lines = list(items[:1])
    for item in items[1:]:
        longer = f"{lines[-1]}{_DOT}{item}"
        if cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(item)
    return lines
