"""Draw with ASCII characters on terminals whose locale is not UTF-8.

One filter translates every line of every screen, so that no widget needs a second set of glyphs.
"""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_GLYPHS = {
    "●": "*", "○": "o", "↻": "@", "‖": "=", "✓": "+", "✗": "x", "⊘": "/", "◆": "#",
    "▌": ">", "▸": ">", "▾": "v", "▲": "^", "▼": "v", "▶": ">", "▷": ">",
    "━": "=", "╾": "-", "─": "-", "┈": "-", "│": "|", "┃": "|", "█": "#", "▐": "|",
    "…": "~", "·": "-", "•": "*", "×": "x", "–": "-", "—": "-", "→": ">", "←": "<",
    "■": "#", "▪": "+", "↑": "^", "↓": "v", "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip
_BRAILLE, _BRAILLE_END = 0x2800, 0x2900
_LEVELS = " .:|#"  # by the height of the higher of the two columns of a braille cell
_COLUMNS = (0x47, 0xB8)  # the dots of each column
_BOX, _BOX_END = 0x2500, 0x2580
_BLOCKS_END = 0x25A0


def needs_ascii(environ: Mapping[str, str]) -> bool:
    """Return True if the locale names an encoding other than UTF-8; a missing locale names none."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "UTF-8"
    plain = environ.get("LANG", "") in ("C", "POSIX") and not environ.get("LC_ALL")
    # Python replaces LC_CTYPE in the C locale (PEP 538), which says nothing about the terminal.
    if plain and locale.upper() in ("C.UTF-8", "C.UTF8", "UTF-8"):
        return True
    return not locale.upper().replace("-", "").partition("@")[0].endswith("UTF8")


class AsciiFilter(LineFilter):
    """Replaces every character that is not ASCII by one of the same width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments in ASCII."""
        return [
            segment
            if segment.text.isascii()
            else Segment("".join(map(_replacement, segment.text)), segment.style, segment.control)
            for segment in segments
        ]


@lru_cache(maxsize=4096)
def _replacement(character: str) -> str:
    if character.isascii():
        return character
    if (glyph := _GLYPHS.get(character)) is not None:
        return glyph
    code = ord(character)
    if _BRAILLE <= code < _BRAILLE_END:
        return _LEVELS[max(((code - _BRAILLE) & dots).bit_count() for dots in _COLUMNS)]
    if _BOX <= code < _BOX_END:
        return "+"  # a corner or a crossing
    if _BOX_END <= code < _BLOCKS_END:
        return " "  # a part of a scrollbar, which has a background
    base = unicodedata.normalize("NFKD", character)[0]
    width = cell_len(character)
    return base if base.isascii() and width == 1 else "?" * width
