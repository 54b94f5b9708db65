"""LinksScreen: edit the links of failed downloads together, as one text."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from rheo_core.domain import FileConfig
from rheo_core.domain.text import printable
from rheo_tui.edit_fields import edited
from rheo_tui.formatting import count_text
from rheo_tui.widgets.keys_line import KeysLine

from .add import LinksArea

_KEYS = "Enter save, retry · Ctrl+J new line · F7 select all · Esc close"


class Link(NamedTuple):
    """A download whose link may be replaced."""

    id: str
    name: str
    config: FileConfig


class LinksScreen(ModalScreen[str | None]):
    """Edits the links, one per line; returns the text if it was not saved, otherwise None.

    Args:
        links: the downloads, one for each line.
        save: gives downloads new links, by id, and queues them; returns their number.
        text: unsaved text of the last time; "" for the current links.
    """

    BINDINGS: ClassVar = [("escape", "close", "Close"), ("ctrl+s", "save", "Save, retry")]

    def __init__(
        self,
        links: Sequence[Link],
        save: Callable[[Mapping[str, FileConfig]], Awaitable[int]],
        text: str,
    ) -> None:
        super().__init__()
        self._links = links
        self._save = save
        self._present = "\n".join(each.config.source for each in links)
        self._text = text or self._present

    def compose(self) -> ComposeResult:
        """Create the text, and a line for its problem."""
        with Vertical(classes="dialog dialog-wide") as dialog:
            dialog.border_title = f"Replace {count_text(len(self._links), 'link')}"
            yield LinksArea(
                self._text,
                id="links",
                show_line_numbers=True,
                soft_wrap=False,
                tab_behavior="focus",
            )
            yield Static("", id="links-problem", markup=False)
            yield KeysLine(_KEYS)

    @on(TextArea.Changed)
    @on(TextArea.SelectionChanged)
    def _check(self) -> None:
        """Show the mistake in the line of the cursor, or the first one."""
        area = self.query_one(TextArea)
        _, mistakes = read_links(area.text, self._links)
        line = area.cursor_location[0] + 1
        at = line if line in mistakes else next(iter(mistakes), line)
        more = len(mistakes) - 1
        rest = f" {count_text(more, 'other line')} to correct." if more > 0 else ""
        self._show_problem(f"{mistakes[at]}{rest}" if mistakes else "")

    def _show_problem(self, sentence: str) -> None:
        self.query_one("#links-problem", Static).update(sentence)

    @on(LinksArea.Submitted)
    @work(exclusive=True, exit_on_error=False)
    async def action_save(self) -> None:
        """Save the links that have changed, or go to the first mistake."""
        area = self.query_one(TextArea)
        changed, mistakes = read_links(area.text, self._links)
        if mistakes:
            if first := next(iter(mistakes)):
                area.move_cursor((first - 1, 0))
            self._check()
        elif not changed:
            self._show_problem("No link has changed.")
        else:
            try:
                count = await self._save(changed)
            except Exception as error:  # show any error here; the app continues
                reason = printable(str(error)).rstrip(".") or type(error).__name__
                self._show_problem(f"{reason}.")
                return
            if count:
                self.dismiss(None)
            else:
                self._show_problem("These downloads are no longer in the list.")

    def action_close(self) -> None:
        """Close; the typed text comes back the next time."""
        text = self.query_one(TextArea).text
        self.dismiss("" if text == self._present else text)


def read_links(text: str, links: Sequence[Link]) -> tuple[dict[str, FileConfig], dict[int, str]]:
    """Read one link per line.

    Args:
        text: the links, as the user edited them.
        links: the downloads, in the order of the lines.

    Returns:
        Configs with the links that have changed, by id; and sentences on mistakes by line,
        counted from 1. Line 0 means the whole text.
    """
    lines = text.rstrip().splitlines()
    if len(lines) != len(links):
        has = count_text(len(lines), "line")
        return {}, {0: f"There must be one line for each of the {len(links):,} links, not {has}."}
    changed, mistakes = dict[str, FileConfig](), dict[int, str]()
    for number, (line, link) in enumerate(zip(lines, links, strict=True), 1):
        try:
            config = edited(link.config, {"link": line.strip()})
        except ValueError as error:
            mistakes[number] = f"Line {number:,}, {printable(link.name)}: {error}."
        else:
            if config.source != link.config.source:
                changed[link.id] = FileConfig(url=config.source)
    return changed, mistakes
