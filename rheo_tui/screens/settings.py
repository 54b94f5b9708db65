"""SettingsScreen: change settings. Each change applies at once and is saved.

`rheo_tui/setting_texts.py` converts settings to text, and back.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.widgets.option_list import Option

from rheo_core.config.settings import Settings
from rheo_core.domain.text import printable
from rheo_tui.editor import edit_file
from rheo_tui.formatting import fit
from rheo_tui.setting_texts import TABLES, Setting, all_settings, changed
from rheo_tui.themes import colour_of
from rheo_tui.widgets.choice_list import ChoiceList
from rheo_tui.widgets.keys_line import KeysLine
from rheo_tui.widgets.line_input import PlainInput
from rheo_tui.widgets.search_input import OpenSearch

_TITLE = "Settings"
_LABEL_WIDTH = 20
_KEYS = "↑↓ choose · Enter change · Ctrl+O open the file · Tab list · Esc close"
_LIST_KEYS = "↑↓ choose · Enter change · E open the file · / search · Esc close"
_EDIT_KEYS = "Enter save · empty: the default · Esc leave"
_CHOICE_KEYS = "↑↓ choose · Enter save · Esc leave"


class SettingsScreen(ModalScreen[None]):
    """Lists the settings; the one under the cursor can be changed.

    Args:
        settings: the current ones.
        file: the settings file; None if settings are not saved.
        apply: applies and saves settings; returns False if they could not be saved.
        preview: shows the colours of settings that are not applied yet.
        reload: reads the settings file again; returns the settings.
    """

    BINDINGS: ClassVar = [
        ("escape", "leave", "Close"),
        ("ctrl+o,E", "open_file", "Open the file"),
        ("slash", "search", "Search"),
        ("ctrl+s", "save", "Save"),
    ]

    def __init__(
        self,
        settings: Settings,
        file: Path | None,
        apply: Callable[[Settings], Awaitable[bool]],
        preview: Callable[[Settings], None],
        reload: Callable[[], Awaitable[Settings]],
    ) -> None:
        super().__init__()
        self._settings = settings
        self._file = file
        self._apply = apply
        self._preview = preview
        self._reload = reload
        self._shown: list[Setting | None] = []  # rows of the list; None: title of a group
        self._edited: Setting | None = None
        self._is_from_list = False  # True if the list had the focus before the value
        self._drafts: dict[str, str] = {}  # unsaved values, by name

    def compose(self) -> ComposeResult:
        """Create the search, the list and the place to change a value."""
        with Vertical(classes="dialog dialog-settings") as dialog:
            dialog.border_title = _TITLE
            yield OpenSearch(id="settings-search")
            yield ChoiceList(id="settings-list", compact=True, markup=False)
            yield Static("", id="settings-help", markup=False)
            yield PlainInput(id="settings-value", compact=True)
            yield ChoiceList(id="settings-choices", compact=True, markup=False)
            yield Static("", id="settings-problem", markup=False)
            yield KeysLine(_KEYS, id="settings-keys")

    def on_mount(self) -> None:
        """Show all settings."""
        self._value.display = self._choices.display = False
        self._show()

    @property
    def _dialog(self) -> Vertical:
        return self.query_one(Vertical)

    @property
    def _search(self) -> Input:
        return self.query_one("#settings-search", Input)

    @property
    def _list(self) -> ChoiceList:
        return self.query_one("#settings-list", ChoiceList)

    @property
    def _value(self) -> Input:
        return self.query_one("#settings-value", Input)

    @property
    def _choices(self) -> ChoiceList:
        return self.query_one("#settings-choices", ChoiceList)

    @property
    def _current(self) -> Setting | None:
        at = self._list.highlighted
        return None if at is None else self._shown[at]

    @property
    def _current_name(self) -> str | None:
        return None if self._current is None else self._current.name

    # The list

    def _show(self, name: str | None = None) -> None:
        """Show the settings that match the search, with the cursor on `name` if it matches."""
        words = self._search.value
        self._shown = []
        options: list[Option] = []
        for setting in all_settings(self._settings):
            if not setting.matches(words):
                continue
            if not self._shown or self._group_of(self._shown[-1]) != setting.group:
                self._shown.append(None)
                options.append(Option(Text(setting.group, "bold"), disabled=True))
            self._shown.append(setting)
            options.append(Option(self._row(setting)))
        self._list.set_options(options)
        names = [None if setting is None else setting.name for setting in self._shown]
        first = 1 if names else None  # below the title of its group
        is_shown = name is not None and name in names
        self._list.highlighted = names.index(name) if is_shown else first
        if not options:
            self._moved()  # the list reports no cursor
            self._tell(f"No setting contains “{printable(words)}”.")

    @staticmethod
    def _group_of(setting: Setting | None) -> str:
        return "" if setting is None else setting.group

    def _row(self, setting: Setting) -> Text:
        shown = printable(self._drafts.get(setting.name, setting.shown))
        space = self._list.size.width - _LABEL_WIDTH - 3
        width = max(space, 8) if self._list.size else len(shown)  # all, before the first layout
        row = Text(no_wrap=True, end="")
        row.append("● " if setting.is_changed else "  ", self._style("changed"))
        row.append(fit(setting.label, _LABEL_WIDTH))
        row.append(" ")
        is_draft = setting.name in self._drafts
        row.append(fit(shown, width), self._style("draft" if is_draft else "value"))
        return row

    def _style(self, name: str) -> str:
        variables = self.app.theme_variables
        return {
            "changed": colour_of(variables, "accent"),
            "value": "bold" if self.app.ansi_color else colour_of(variables, "primary"),
            "draft": colour_of(variables, "warning"),
        }[name]

    @on(Input.Changed, "#settings-search")
    def _searched(self) -> None:
        self._tell("")
        self._show(self._current_name)

    @on(ChoiceList.OptionHighlighted, "#settings-list")
    def _moved(self) -> None:
        setting = self._current
        self.query_one("#settings-help", Static).update("" if setting is None else setting.help)

    @on(Input.Submitted, "#settings-search")
    def _entered(self) -> None:
        self._edit()

    @on(ChoiceList.OptionSelected, "#settings-list")
    def _clicked(self) -> None:
        self._edit()

    def on_key(self, event: events.Key) -> None:
        """Move the cursor of the list while the search has the focus."""
        moves: dict[str, Callable[[], None]] = {
            "up": self._list.action_cursor_up,
            "down": self._list.action_cursor_down,
            "pageup": self._list.action_page_up,
            "pagedown": self._list.action_page_down,
            "home": self._list.action_first,
            "end": self._list.action_last,
        }
        if self._edited is None and event.key in moves:
            event.stop()
            moves[event.key]()

    def on_descendant_focus(self) -> None:
        """Show the keys of the search or of the list."""
        if self._edited is None:
            self._show_keys(_LIST_KEYS if self._list.has_focus else _KEYS)

    def action_search(self) -> None:
        """Focus the search."""
        self._search.focus()

    def on_resize(self) -> None:
        """Fit the values to the new width."""
        self._show(self._current_name)

    # One setting

    def _edit(self) -> None:
        setting = self._current
        if setting is None:
            return
        if setting.name == "keys":
            self._edit_keys()
            return
        if setting.name in TABLES:
            self.call_later(self.action_open_file)
            return
        self._edited = setting
        self._dialog.border_title = f"{_TITLE}: {setting.label}"
        self._is_from_list = self._list.has_focus
        if setting.choices:
            self._choices.set_options([Option(choice) for choice in setting.choices])
            self._choices.display = True
            self._choices.highlighted = _index(setting.choices, setting.text)
            self._choices.focus()
        else:
            self._value.value = self._drafts.get(setting.name, setting.text)
            self._value.display = True
            self._value.focus()
            self._value.action_select_all()
        self._tell("")
        self._show_keys(_CHOICE_KEYS if setting.choices else _EDIT_KEYS)

    @on(Input.Changed, "#settings-value")
    def _typed(self, event: Input.Changed) -> None:
        if self._edited is None:
            return
        problem = self._problem_of(self._edited, event.value)
        self._drafts[self._edited.name] = event.value
        self._tell(problem)

    def _problem_of(self, setting: Setting, text: str) -> str:
        try:
            changed(self._settings, setting.name, text)
        except ValueError as problem:
            return str(problem)
        return ""

    @on(ChoiceList.OptionHighlighted, "#settings-choices")
    def _looked_at(self, event: ChoiceList.OptionHighlighted) -> None:
        if self._edited is not None and self._edited.name == "theme":
            text = self._edited.choices[event.option_index]
            self._preview(changed(self._settings, "theme", text))

    @on(ChoiceList.OptionSelected, "#settings-choices")
    async def _chosen(self, event: ChoiceList.OptionSelected) -> None:
        if self._edited is not None:
            await self._save(self._edited, self._edited.choices[event.option_index])

    @on(Input.Submitted, "#settings-value")
    async def action_save(self) -> None:
        """Save the typed value."""
        if self._edited is not None and not self._edited.choices:
            await self._save(self._edited, self._value.value)

    async def _save(self, setting: Setting, text: str) -> None:
        try:
            settings = changed(self._settings, setting.name, text)
            if setting.name == "download_dir":
                _create(settings.download_dir)
        except ValueError as problem:
            self._tell(str(problem))
            return
        self._settings = settings
        self._drafts.pop(setting.name, None)
        is_saved = await self._apply(settings)
        self._end_edit()
        if is_saved:
            self._tell("Saved.", is_good=True)
        else:
            self._tell("The change applies until you quit, because the app could not save it.")

    def _end_edit(self) -> None:
        name = None if self._edited is None else self._edited.name
        self._edited = None
        self._dialog.border_title = _TITLE
        self._value.display = self._choices.display = False
        (self._list if self._is_from_list else self._search).focus()
        self._show(name)

    def action_leave(self) -> None:
        """Leave the value, then the search, then the screen; the typed value stays as a draft."""
        if self._edited is not None:
            if self._drafts.get(self._edited.name) == self._edited.text:
                del self._drafts[self._edited.name]
            self._preview(self._settings)
            self._end_edit()
            self._tell("")
        elif self._search.value:
            self._search.value = ""
        else:
            self.dismiss()

    def _edit_keys(self) -> None:
        from .key_editor import KeyEditorScreen

        async def apply(keys: dict[str, str]) -> bool:
            self._settings = self._settings.model_copy(update={"keys": keys})
            return await self._apply(self._settings)

        def closed(_: None) -> None:
            self._search.value = ""  # so that one Esc closes the settings, too
            self._show("keys")

        self.app.push_screen(KeyEditorScreen(self._settings.keys, apply), closed)

    # The file

    async def action_open_file(self) -> None:
        """Open the settings file in the user's editor, and read it again afterwards."""
        if self._file is None:
            self._tell("This session saves no settings, so there is no file.")
            return
        if problem := edit_file(self.app, self._file):
            self._tell(problem)
            return
        self._settings = await self._reload()
        self._show(self._current_name)
        self._tell("The file was read again.", is_good=True)

    def _tell(self, text: str, *, is_good: bool = False) -> None:
        problem = self.query_one("#settings-problem", Static)
        problem.update(text)
        problem.set_class(is_good, "-good")

    def _show_keys(self, text: str) -> None:
        self.query_one("#settings-keys", KeysLine).show(text)


def _index(choices: tuple[str, ...], text: str) -> int:
    return choices.index(text) if text in choices else 0


def _create(folder: Path) -> None:
    """Create a folder.

    Raises:
        ValueError: the folder cannot be created or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK) else "it is not writable"
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    if reason:
        raise ValueError(f"Cannot use folder “{printable(str(folder))}”: {printable(reason)}.")
