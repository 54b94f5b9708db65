"""HeaderLines: draw the lines of a header."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from rheo_tui.summary import Span

_PREFIX = "summary--"


class HeaderLines(Widget):
    """Shows lines of spans, each in the style of its component class, without padding or borders.

    A header changes at each poll. Textual's own way from a text to strips takes four times as long,
    and looks the styles up again after each change, so only a selection with the mouse uses it.
    """

    COMPONENT_CLASSES: ClassVar = {
        "summary--name",
        "summary--badge",
        "summary--plain",
        "summary--strong",
        "summary--quiet",
        "summary--paused",
        "summary--speed",
        "summary--bar",
        "summary--failed",
        "summary--track",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._styles_of_spans: dict[str, Style] = {}

    def lines(self) -> Sequence[Sequence[Span]]:
        """Return the lines that fit."""
        raise NotImplementedError

    def notify_style_update(self) -> None:
        """Look the styles up again after a change of theme."""
        super().notify_style_update()
        self._styles_of_spans.clear()

    def render(self) -> Text:
        """Return the lines as a text, which a selection copies."""
        text = Text(no_wrap=True, end="")
        for at, line in enumerate(self.lines()):
            text.append("\n" if at else "")
            for span in line:
                text.append(span.text, self._style_of(span))
        return text

    def render_lines(self, crop: Region) -> list[Strip]:
        """Render the lines of `crop`."""
        if self.text_selection is not None:
            return super().render_lines(crop)
        filters, (_, background) = self.get_line_filters(), self.background_colors
        base, width = self.rich_style, self.size.width
        strips = []
        for y, line in enumerate(self.lines()[crop.y : crop.bottom], start=crop.y):
            segments = [Segment(span.text, self._style_of(span)) for span in line]
            # With offsets, by which Textual finds the text under the mouse.
            strip = Strip(segments).adjust_cell_length(width, base)
            strip = strip.apply_offsets(0, y)
            for line_filter in filters:
                strip = strip.apply_filter(line_filter, background)
            strips.append(strip.crop(crop.x, crop.right))
        return strips

    def _style_of(self, span: Span) -> Style:
        style = self._styles_of_spans.get(span.style)
        if style is None:
            style = self.get_component_rich_style(_PREFIX + span.style)
            self._styles_of_spans[span.style] = style
        return style
