"""EditScreen: edit link, name, folder and other options of a download.

`rheo_tui/edit_fields.py` converts a download to the texts of the fields, and back.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static, TextArea

from rheo_core.domain import FileConfig
from rheo_core.domain.text import printable
from rheo_tui.edit_fields import FIELDS, problem_of, texts_of
from rheo_tui.typed_ahead import key_work
from rheo_tui.widgets.keys_line import KeysLine
from rheo_tui.widgets.line_input import PlainInput

_LOADING = "…"
Draft = Mapping[str, str]
"""Texts that the user typed and did not save, by field."""


class HeaderArea(TextArea):
    """An area for headers; Tab moves to the next field."""

    def on_paste(self, event: events.Paste) -> None:
        """Keep a paste here, so that the app does not open the box for links."""
        event.stop()


class LinkInput(PlainInput):
    """An input for a link: a pasted one replaces it, but typed text does not."""

    def on_paste(self, event: events.Paste) -> None:
        """Select the present link, which Textual's input then replaces."""
        if "://" in event.text:
            self.select_all()


class EditScreen(ModalScreen[Draft | None]):
    """Edits one download; returns the unsaved texts, or None after saving.

    Args:
        name: name of the download.
        load: returns its options; None if it is gone.
        save: saves the changed texts, by field; raises ValueError if they are not valid together,
            or if it is too late.
        draft: texts that were typed but not saved before.
        fields: names of the fields to show.
        first: name of the field with the cursor; "" for the first of `fields`.
    """

    BINDINGS: ClassVar = [("escape", "close", "Close"), ("ctrl+s", "save", "Save")]

    def __init__(
        self,
        name: str,
        load: Callable[[], Awaitable[FileConfig | None]],
        save: Callable[[Mapping[str, str]], Awaitable[object]],
        draft: Draft,
        fields: Sequence[str] = tuple(FIELDS),
        first: str = "",
    ) -> None:
        super().__init__()
        self._download_name = name
        self._load = load
        self._save = save
        self._draft = draft
        self._fields = {each: FIELDS[each] for each in fields}
        self._first = first
        self._config: FileConfig | None = None  # until the service has sent it

    def compose(self) -> ComposeResult:
        """Create one line for each field, and one for its problem."""
        with Vertical(classes="dialog dialog-form") as dialog:
            dialog.border_title = f"Edit {printable(self._download_name)}".replace("[", r"\[")
            with VerticalScroll(id="edit-fields", can_focus=False):
                for name, field in self._fields.items():
                    with Horizontal(classes="field field-long" if field.is_long else "field"):
                        yield Label(field.label)
                        if field.is_long:
                            yield HeaderArea(id=f"edit-{name}", compact=True)
                        else:
                            is_link = name == "link"
                            yield (LinkInput if is_link else PlainInput)(
                                placeholder=_LOADING,
                                password=field.is_secret,
                                select_on_focus=not is_link,
                                id=f"edit-{name}",
                                compact=True,
                            )
                    yield Static("", id=f"problem-{name}", classes="field-problem", markup=False)
            yield Static("", id="edit-problem", classes="field-problem", markup=False)
            yield KeysLine("Enter save · Tab next · Esc close")

    @key_work  # so that text that is typed at once continues the present values
    async def on_mount(self) -> None:
        """Show the current values in fields where the user has typed nothing yet."""
        if self._first:
            self.query_one(f"#edit-{self._first}").focus()
        try:
            config = await self._load()
        except Exception as error:  # show any error here; the app continues
            self._show_error(error)
            return
        if config is None:
            self._show_problem("", "This download is no longer in the list.")
            return
        self._config = config
        texts = texts_of(config) | dict(self._draft)
        for name, widget in self._widgets():
            if isinstance(widget, Input):
                widget.placeholder = FIELDS[name].example
            if not _text_of(widget):
                _set_text(widget, texts[name])
                if isinstance(widget, Input) and widget.has_focus:
                    widget.select_all()  # scrolls to the end too
                    if not self._first:
                        widget.cursor_position = len(widget.value)

    def _widgets(self) -> Iterator[tuple[str, Input | TextArea]]:
        for name, field in self._fields.items():
            if field.is_long:
                yield name, self.query_one(f"#edit-{name}", TextArea)
            else:
                yield name, self.query_one(f"#edit-{name}", Input)

    def _texts(self) -> dict[str, str]:
        return {name: _text_of(widget) for name, widget in self._widgets()}

    def _show_problem(self, name: str, sentence: str, *, is_note: bool = False) -> None:
        line = self.query_one(f"#problem-{name}" if name else "#edit-problem", Static)
        line.set_class(is_note, "-note")
        line.update(sentence)
        line.display = bool(sentence)

    def _show_error(self, error: Exception) -> None:
        reason = printable(str(error)).rstrip(".") or type(error).__name__
        self._show_problem("", f"{reason}.")

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _changed(self, event: Input.Changed | TextArea.Changed) -> None:
        """Check a field while the user types."""
        widget = event.control
        name = (widget.id or "").removeprefix("edit-")
        if self._config is not None and name in self._fields:
            text = _text_of(widget)
            problem = problem_of(name, text, self._config)
            self._show_problem(
                name, problem or FIELDS[name].note(text.strip()), is_note=not problem
            )

    @on(Input.Submitted)
    @work(exclusive=True, exit_on_error=False)
    async def action_save(self) -> None:
        """Save the fields and close, or show what is not valid."""
        config, texts = self._config, self._texts()
        if config is None:
            return
        for name, text in texts.items():
            if problem_of(name, text, config):
                self.query_one(f"#edit-{name}").focus()
                return
        try:
            await self._save(self._texts_changed(config))
        except Exception as error:  # show any error here; the app continues
            self._show_error(error)
        else:
            self.dismiss(None)

    def action_close(self) -> None:
        """Close; the typed texts come back the next time."""
        if self._config is None:
            self.dismiss(self._draft)
            return
        self.dismiss(self._texts_changed(self._config))

    def _texts_changed(self, config: FileConfig) -> Draft:
        before = texts_of(config)
        return {name: text for name, text in self._texts().items() if text != before[name]}


def _text_of(widget: object) -> str:
    return widget.text if isinstance(widget, TextArea) else str(getattr(widget, "value", ""))


def _set_text(widget: Input | TextArea, text: str) -> None:
    if isinstance(widget, TextArea):
        widget.text = text
    else:
        widget.value = text
