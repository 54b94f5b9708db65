"""KeyEditorScreen: change the keys of actions.

`rheo_tui/key_choices.py` checks the keys.
"""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.widgets.option_list import Option

from rheo_tui.actions import ACTIONS, Action
from rheo_tui.formatting import fit
from rheo_tui.key_choices import PRESETS, Keymap, keys_of, preset_of, shown, with_keys
from rheo_tui.screens.confirm import ConfirmScreen
from rheo_tui.themes import colour_of
from rheo_tui.widgets.choice_list import ChoiceList
from rheo_tui.widgets.keys_line import KeysLine

_MIN_KEY_WIDTH, _MAX_KEY_WIDTH = 10, 20
_PRESET_KEYS = {str(at): name for at, name in enumerate(PRESETS, 1)}
_KEYS = " · ".join(
    (
        "Enter new",
        "+ add",
        "Backspace reset",
        *(f"{key} {name}" for key, name in _PRESET_KEYS.items()),
        "Esc close",
    )
)
_WAITING = "Press the new key for “{}” (Esc keeps the old one)."


class KeyEditorScreen(ModalScreen[None]):
    """Lists all actions with their keys; the keys of the one under the cursor can be changed.

    Args:
        keymap: the user's keys.
        apply: applies and saves keys; returns False if they could not be saved.
    """

    BINDINGS: ClassVar = [
        ("escape", "dismiss", "Close"),
        ("plus", "add_key", "Add a key"),
        ("backspace,delete", "reset", "Reset"),
        *((key, f"preset('{name}')", f"Preset {name}") for key, name in _PRESET_KEYS.items()),
    ]

    def __init__(self, keymap: Keymap, apply: Callable[[dict[str, str]], Awaitable[bool]]) -> None:
        super().__init__()
        self._keymap = dict(keymap)
        self._apply = apply
        self._rows: list[Action | None] = []  # None: title of a group
        self._waits_for: Action | None = None  # the action that gets the next key
        self._keeps_keys = False  # the next key is added to the others

    def compose(self) -> ComposeResult:
        """Create the list, and a line for messages."""
        with Vertical(classes="dialog dialog-settings") as dialog:
            dialog.border_title = "Keys"
            yield ChoiceList(id="keys-list", compact=True, markup=False)
            yield Static("", id="keys-problem", markup=False)
            yield KeysLine(_KEYS)

    def on_mount(self) -> None:
        """Show all actions."""
        self._show(1)

    @property
    def _list(self) -> ChoiceList:
        return self.query_one(ChoiceList)

    @property
    def _current(self) -> Action | None:
        at = self._list.highlighted
        return None if at is None else self._rows[at]

    def _show(self, at: int | None = None) -> None:
        at = self._list.highlighted if at is None else at
        self._rows = []
        options: list[Option] = []
        group = ""
        for action in ACTIONS:
            if action.group != group:
                group = action.group
                self._rows.append(None)
                options.append(Option(Text(group, "bold"), disabled=True))
            self._rows.append(action)
            options.append(Option(self._row(action)))
        self._list.set_options(options)
        self._list.highlighted = at
        self.query_one(Vertical).border_subtitle = preset_of(self._keymap)

    @property
    def _key_width(self) -> int:
        return max(_MIN_KEY_WIDTH, min(self._list.size.width // 3, _MAX_KEY_WIDTH))

    def on_resize(self) -> None:
        """Fit the keys to the new width."""
        self._show()

    def _row(self, action: Action) -> Text:
        keys = "  ".join(map(shown, keys_of(action, self._keymap)))
        is_changed = action.id in self._keymap
        return Text.assemble(
            ("● " if is_changed else "  ", colour_of(self.app.theme_variables, "accent")),
            (fit(keys, self._key_width), "bold"),
            f" {action.title}",
            no_wrap=True,
            end="",
        )

    @on(ChoiceList.OptionSelected)
    def _chosen(self) -> None:
        self._wait(keeps_keys=False)

    def action_add_key(self) -> None:
        """Wait for another key of the current action."""
        self._wait(keeps_keys=True)

    def _wait(self, *, keeps_keys: bool) -> None:
        if self._current is not None:
            self._waits_for, self._keeps_keys = self._current, keeps_keys
            self._tell(_WAITING.format(self._current.title))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return False while a key is awaited, because it is a choice, not a command."""
        return self._waits_for is None

    async def on_event(self, event: events.Event) -> None:
        """Take the awaited key before the list sees it."""
        if isinstance(event, events.Key) and self._waits_for is not None:
            event.stop()
            action, self._waits_for = self._waits_for, None
            if event.key == "escape":
                self._tell("")
                return
            kept = keys_of(action, self._keymap) if self._keeps_keys else []
            self._change(action, list(dict.fromkeys((*kept, event.key))))
            return
        await super().on_event(event)

    def action_reset(self) -> None:
        """Give the current action its usual keys."""
        if self._current is not None:
            self._change(self._current, keys_of(self._current, {}))

    def action_preset(self, name: str) -> None:
        """Use the keys of a preset for all actions; ask before the user's own keys are lost."""

        def answered(is_sure: bool | None) -> None:
            if is_sure:
                self._save(dict(PRESETS[name]), f"Keys set to “{name}”.")

        if preset_of(self._keymap) in PRESETS:
            answered(True)
            return
        text = f"“{name}” replaces the keys that you have chosen."
        question = ConfirmScreen("Replace your keys?", text, yes="replace", no="keep")
        self.app.push_screen(question, answered)

    def _change(self, action: Action, keys: list[str]) -> None:
        try:
            keymap = with_keys(self._keymap, action, keys)
        except ValueError as problem:
            self._tell(str(problem))
            return
        self._save(keymap, "Saved.")

    @work(exclusive=True, exit_on_error=False)
    async def _save(self, keymap: dict[str, str], done: str) -> None:
        self._keymap = keymap
        is_saved = await self._apply(keymap)
        self._show()
        self._tell(
            done
            if is_saved
            else "The change applies until you quit, because the app could not save it.",
            is_good=is_saved,
        )

    def _tell(self, text: str, *, is_good: bool = False) -> None:
        problem = self.query_one("#keys-problem", Static)
        problem.update(text)
        problem.set_class(is_good, "-good")
