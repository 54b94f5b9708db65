"""Make pictures of a terminal look the same in every viewer."""

import re
from html import escape, unescape

from rich.cells import cell_len

_TEXT = re.compile(
    r'<text (class="[^"]*") x="([\d.]+)" (y="[^"]*") textLength="[\d.]+"([^>]*)>(.*?)</text>'
)
_CELL = 12.2
"""Width of a cell in the pictures that Textual exports."""
ODD = re.compile(
    "([\u2800-\u28ff]|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uffe6])"
)
"""Braille and wide characters, which most viewers take from a font with cells of another width."""


def steady(picture: str) -> str:
    """Return an exported picture with every text in its cells, and with its spaces.

    Many viewers ignore `textLength` or apply it to wide characters wrongly, so such characters
    have elements of their own. Some drop the spaces at the start of a text.
    """
    return _TEXT.sub(_placed, picture)


def _placed(found: re.Match[str]) -> str:
    look, x, y, rest, content = found.groups()
    at, placed = float(x), []
    for part in filter(None, ODD.split(unescape(content))):
        width = cell_len(part) * _CELL
        shown = escape(part).replace("\xa0", "&#160;")
        placed.append(
            f'<text xml:space="preserve" {look} x="{at:g}" {y} textLength="{width:g}"{rest}>'
            f"{shown}</text>"
        )
        at += width
    return "".join(placed)
