"""StatusFooter: show the effect of the last key and the most useful keys."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget

from rheo_core.domain.text import printable
from rheo_tui.action_reasons import Context, resumes
from rheo_tui.actions import ACTIONS, BY_ID, Action, key_names

_FIRST = (
    *("help", "quit", "add", "pause", "menu", "filter", "open", "retry"),
    *("pause_all", "cancel", "resume_all", "link", "folder"),
)
"""Actions that stay when space is short, the most important first.

Disabled ones give way first, so that the shown keys are useful now.
"""
_WITH_ADVICE = ("retry", "link", "quit", "menu")
"""Actions that come before those next to an advice, because the download has failed."""
_CHARACTERS_PER_SECOND = 12
"""Reading speed of a person who is not in a hurry."""
_MAX_LINES = 5
_GAP = 2
_MIN_KEYS_WIDTH = 28
"""Cells reserved next to an advice: `r retry  e edit  q quit` and the gaps."""


TypingKeys = Sequence[tuple[str, str]]
"""Keys of an input with their effects in a word, the most important first."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """One sentence about what a key did, or why it did nothing."""

    text: str = ""
    is_error: bool = False
    can_undo: bool = False


class StatusFooter(Widget):
    """Shows feedback and keys from the registry; a click on a key runs its action.

    A long sentence takes as much space as it needs, and the keys give way until it has been read.
    While the user types into a line above, only the keys of that line are shown.
    """

    COMPONENT_CLASSES: ClassVar = {
        "footer--key",
        "footer--label",
        "footer--disabled",
        "footer--feedback",
        "footer--error",
    }

    @dataclass
    class Clicked(Message):
        """The user clicked an action."""

        action_id: str

    def __init__(
        self,
        keymap: Mapping[str, str],
        actions: Iterable[Action] = ACTIONS,
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._keymap = keymap
        self._actions = [action for action in actions if action.label]
        self._disabled: frozenset[str] = frozenset()
        self._feedback = Feedback()
        self._typing_keys: TypingKeys = ()
        self._reading = Timer(self, 0.0, pause=True)  # until the feedback has been read
        self._place = self._advice = ""
        self._is_empty = True  # the list has no rows
        self._resumes = False  # the key of `pause` resumes
        self._count = 1  # downloads that the key of `remove` removes
        self._hits: list[tuple[int, int, str]] = []

    @property
    def said(self) -> str:
        """The feedback shown now; "" for none."""
        return self._feedback.text

    def show(self, context: Context, place: str = "", advice: str = "") -> None:
        """Dim the actions that are disabled in `context`.

        Args:
            context: the state that decides.
            place: the place in the list, shown while there is no feedback.
            advice: advice for the current download, shown instead if there is space for it.
        """
        disabled = frozenset(action.id for action in self._actions if action.disabled(context))
        now = resumes(context), context.count
        if now != (self._resumes, self._count):
            self._resumes, self._count = now
            self.refresh()
        self.show_disabled(disabled, place, advice, is_empty=not context.total)

    def show_disabled(
        self,
        disabled: frozenset[str],
        place: str = "",
        advice: str = "",
        *,
        is_empty: bool = False,
    ) -> None:
        """Dim actions by their ids; in an empty list they give way."""
        now = disabled, place, advice, is_empty
        if now != (self._disabled, self._place, self._advice, self._is_empty):
            self._disabled, self._place, self._advice, self._is_empty = now
            self.refresh()

    def show_typing(self, keys: TypingKeys) -> None:
        """Show the keys of the line in which the user types; none of them: those of the list."""
        if keys != self._typing_keys:
            self._typing_keys = keys
            self.refresh()

    def say(
        self, text: str, *, is_error: bool = False, can_undo: bool = False, stays: bool = False
    ) -> None:
        """Show feedback until it has been read, or until `hush`; "" shows none.

        Feedback that `stays`, because work goes on, is shown until `hush` or the next feedback.
        """
        self._reading.stop()
        if text and not stays:
            seconds = max(self.app.NOTIFICATION_TIMEOUT, len(text) / _CHARACTERS_PER_SECOND)
            self._reading = self.set_timer(seconds, self.hush)
        feedback = Feedback(printable(text), is_error, can_undo)
        if feedback != self._feedback:
            self._feedback = feedback
            self._fit()

    def hush(self) -> None:
        """Remove the feedback, because the user has read it or pressed the next key."""
        self.say("")

    def on_resize(self) -> None:
        """Give a long sentence the lines that it needs."""
        self._fit()

    def _fit(self) -> None:
        width = self.size.width
        lines = len(self._sentence(width)) if width else 1
        self.styles.height = lines
        self.refresh(layout=True)

    def _sentence(self, width: int) -> list[Text]:
        """Return the feedback, or the place in the list, in lines."""
        style = self.get_component_rich_style
        feedback = self._feedback
        if not feedback.text:
            advice = "" if self._typing_keys else self._advice
            has_space = len(advice) + _MIN_KEYS_WIDTH <= width
            words = (advice if has_space else "") or self._place
            return [Text(f" {words}" if words else "", style("footer--label"))]
        text = Text(" ")
        name = "footer--error" if feedback.is_error else "footer--feedback"
        text.append(feedback.text.rstrip(".") if feedback.can_undo else feedback.text, style(name))
        if feedback.can_undo:
            text.append(" · ", style("footer--disabled"))
            text.append_text(self._label(BY_ID["undo"]))
        if text.cell_len <= width:
            return [text]
        return list(text.wrap(self.app.console, width))[:_MAX_LINES]

    def render(self) -> Text:
        """Render the sentence and, if its last line leaves space, the keys after it."""
        width = max(self.size.width, 1)
        *before, line = self._sentence(width)
        self._hits = []
        if self._typing_keys:
            self._append_typing_keys(line, width)
        else:
            self._append_actions(line, width)
        text = Text("\n", no_wrap=True, end="").join([*before, line])
        text.no_wrap, text.end = True, ""
        return text

    def _append_typing_keys(self, line: Text, width: int) -> None:
        """Append the keys of the input at the right; the first ones stay if space is short."""
        style, keys = self.get_component_rich_style, Text()
        for key, words in self._typing_keys:
            item = Text.assemble(
                (f" {key}", style("footer--key")), (f" {words} ", style("footer--label"))
            )
            if line.cell_len + keys.cell_len + item.cell_len <= width:
                keys.append_text(item)
        line.append(" " * (width - line.cell_len - keys.cell_len)).append_text(keys)

    def _append_actions(self, line: Text, width: int) -> None:
        gap = _GAP if line.cell_len else 0
        actions = self._fitting(width - line.cell_len - gap)
        keys = sum(map(self._width, actions))
        line.append(" " * max(0, width - line.cell_len - keys))
        for action in actions:
            start = line.cell_len
            line.append_text(self._key_and_label(action))
            self._hits.append((start, line.cell_len, action.id))

    def _fitting(self, width: int) -> Sequence[Action]:
        """Return the actions that fit, in their order; in an empty list, the available ones."""
        fitting: set[str] = set()
        for action in sorted(self._actions, key=self._rank):
            if self._is_empty and action.id in self._disabled:
                continue
            if (needed := self._width(action)) <= width:
                width -= needed
                fitting.add(action.id)
        return [action for action in self._actions if action.id in fitting]

    def _key_and_label(self, action: Action) -> Text:
        return Text(" ").append_text(self._label(action)).append(" ")

    def _label(self, action: Action) -> Text:
        style = self.get_component_rich_style
        dim = action.id in self._disabled
        key = style("footer--disabled" if dim else "footer--key")
        label = style("footer--disabled" if dim else "footer--label")
        return Text.assemble((self._key(action), key), (f" {self._words(action)}", label))

    def _key(self, action: Action) -> str:
        return key_names(action, self._keymap)[0]

    def _words(self, action: Action) -> str:
        if action.id == "remove" and self._count > 1:
            return f"{action.label} {self._count:,}"
        return "resume" if self._resumes and action.id == "pause" else action.label

    def _rank(self, action: Action) -> tuple[bool, int]:
        name = action.id
        if name == "resume_all" and "pause_all" in self._disabled:
            name = "pause_all"  # takes its place
        first = (*_WITH_ADVICE, *_FIRST) if self._advice else _FIRST
        place = first.index(name) if name in first else len(first)
        return action.id in self._disabled, place

    def _width(self, action: Action) -> int:
        return len(self._key(action)) + len(self._words(action)) + 3

    def on_click(self, event: events.Click) -> None:
        """Run the action under the mouse."""
        if event.y < self.size.height - 1:
            return
        for start, end, action_id in self._hits:
            if start <= event.x < end:
                self.post_message(self.Clicked(action_id))
