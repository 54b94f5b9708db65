"""LogPane: the latest events, newest at the bottom."""

from datetime import datetime
from typing import ClassVar

from rich.text import Text

from rheo_tui.event_log import EventLog, LogLine
from rheo_tui.formatting import fit_middle

from .line_view import LineView

_MIN_NAME_WIDTH, _MAX_NAME_WIDTH = 12, 36


class LogPane(LineView[LogLine], can_focus=True):
    """Shows an `EventLog`; `update_lines` shows its new lines."""

    COMPONENT_CLASSES: ClassVar = {
        "log--time",
        "log--info",
        "log--good",
        "log--warning",
        "log--bad",
        "log--name",
    }

    def __init__(self, event_log: EventLog, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._event_log = event_log
        self._seen = 0
        self.border_title = " Log "

    def update_lines(self) -> None:
        """Show new lines, if there are any and the pane is visible."""
        if self.display and self._seen != self._event_log.written:
            self._seen = self._event_log.written
            self.show(tuple(self._event_log.lines), to_end=True)

    def text_of(self, line: LogLine) -> Text:
        """Return time, name and event."""
        style = self.get_component_rich_style
        text = Text(no_wrap=True, end="")
        clock = datetime.fromtimestamp(line.time).strftime("%H:%M:%S")
        text.append(f"{clock}  ", style("log--time", partial=True))
        if line.name:
            width = max(_MIN_NAME_WIDTH, min(self.size.width * 2 // 7, _MAX_NAME_WIDTH))
            text.append(f"{fit_middle(line.name, width)}  ", style("log--name", partial=True))
        text.append(line.text, style(f"log--{line.level}", partial=True))
        return text
