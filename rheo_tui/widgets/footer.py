"""KeyFooter: the most useful keys on one line; disabled ones are dim."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget

from rheo_tui.actions import ACTIONS, Action, Context, key_names

_LAST = ("help", "quit")


class KeyFooter(Widget):
    """Shows keys and labels from the registry; a click runs the action."""

    COMPONENT_CLASSES: ClassVar = {"footer--key", "footer--label", "footer--disabled"}

    @dataclass
    class Clicked(Message):
        """The user clicked an action."""

        action_id: str

    def __init__(self, keymap: Mapping[str, str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keymap = keymap
        self._disabled: frozenset[str] = frozenset()
        self._hits: list[tuple[int, int, str]] = []

    def show(self, context: Context) -> None:
        """Dim the actions that are disabled in `context`."""
        disabled = frozenset(action.id for action in _shown() if action.disabled(context))
        if disabled != self._disabled:
            self._disabled = disabled
            self.refresh()

    def render(self) -> Text:
        """Render as many actions as fit; always help and quit."""
        last = [action for action in _shown() if action.id in _LAST]
        available = self.size.width - sum(self._width(action) for action in last)
        others = [action for action in _shown() if action.id not in _LAST]
        used = accumulate(map(self._width, others))
        actions = [action for action, width in zip(others, used, strict=True) if width <= available]
        text = Text(no_wrap=True, end="")
        self._hits = []
        for action in actions + last:
            start = text.cell_len
            self._append(text, action)
            self._hits.append((start, text.cell_len, action.id))
        return text

    def _append(self, text: Text, action: Action) -> None:
        style = self.get_component_rich_style
        dim = action.id in self._disabled
        key = style("footer--disabled" if dim else "footer--key")
        label = style("footer--disabled" if dim else "footer--label")
        text.append(f" {self._key(action)}", key)
        text.append(f" {action.label} ", label)

    def _key(self, action: Action) -> str:
        return key_names(action, self._keymap)[0]

    def _width(self, action: Action) -> int:
        return len(self._key(action)) + len(action.label) + 3

    def on_click(self, event: events.Click) -> None:
        """Run the action under the mouse."""
        for start, end, action_id in self._hits:
            if start <= event.x < end:
                self.post_message(self.Clicked(action_id))


def _shown() -> list[Action]:
    return [action for action in ACTIONS if action.label]
