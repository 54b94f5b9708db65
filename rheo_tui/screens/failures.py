"""FailuresScreen: show failed downloads by cause and host, and act on a whole group.

`rheo_tui/failure_groups.py` groups them, and `failure_advice.py` gives causes and advice.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.widgets.option_list import Option

from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.text import printable
from rheo_tui.actions import BY_ID, advice_text, first_key
from rheo_tui.failure_advice import shared_by_many
from rheo_tui.failure_groups import FailureGroup
from rheo_tui.formatting import at_most_names
from rheo_tui.widgets.choice_list import ChoiceList
from rheo_tui.widgets.keys_line import KeysLine

_SHOWN = {
    "retry": "retry",
    "link": "edit",
    "replace_links": "links",
    "copy": "copy",
    "remove": "remove",
}
"""Actions on a group in the line of keys, with their labels."""
_ONLY_ADVISED = ("keep", "existing")
"""Actions that help against some failures, whose advice names their keys."""
_MAX_NAMES = 4


class GroupAction(NamedTuple):
    """An action on the downloads of a group."""

    action: str  # id of an action, or "mark"
    rows: Sequence[DownloadSnapshot]


class FailuresScreen(ModalScreen[GroupAction | None]):
    """Returns the user's action on a group, or None.

    Args:
        groups: the failures; at least one.
        keymap: the user's keys.
    """

    BINDINGS: ClassVar = [
        ("escape,exclamation_mark,q", "dismiss", "Close"),
        *(
            Binding(BY_ID[action].keys, f"choose('{action}')", BY_ID[action].title, id=action)
            for action in (*_SHOWN, *_ONLY_ADVISED)
        ),
    ]

    def __init__(self, groups: Sequence[FailureGroup], keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._groups = groups
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        """Create the groups, and the advice on the one under the cursor."""
        with Vertical(classes="dialog dialog-failures") as dialog:
            dialog.border_title = "Failures"
            yield ChoiceList(
                *(Option(Text(title, no_wrap=True, end="")) for title in self._titles()),
                id="failures-list",
                compact=True,
            )
            yield Static("", id="failures-names", markup=False)
            yield Static("", id="failures-advice", markup=False)
            keys = (f"{first_key(each, self._keymap)} {label}" for each, label in _SHOWN.items())
            yield KeysLine(" · ".join(("Enter mark", *keys, "Esc close")))

    def _titles(self) -> Iterator[str]:
        """Yield the titles of the groups, with their numbers aligned to the right."""
        largest = max(group.number for group in self._groups)
        for group in self._groups:
            yield " " * (len(f"{largest:,}") - len(f"{group.number:,}")) + group.title

    def on_mount(self) -> None:
        """Begin with the largest group."""
        self.query_one(ChoiceList).highlighted = 0

    @on(ChoiceList.OptionHighlighted)
    def _moved(self, event: ChoiceList.OptionHighlighted) -> None:
        group = self._groups[event.option_index]
        names = [printable(row.name) for row in group.rows]
        self.query_one("#failures-names", Static).update(at_most_names(names, _MAX_NAMES))
        cause = shared_by_many(group.cause) if len(names) > 1 else group.cause
        self.query_one("#failures-advice", Static).update(advice_text(cause, self._keymap))

    @on(ChoiceList.OptionSelected)
    def _chosen(self) -> None:
        self.action_choose("mark")

    def action_choose(self, action: str) -> None:
        """Close with an action for the group under the cursor."""
        at = self.query_one(ChoiceList).highlighted
        if at is not None:
            self.dismiss(GroupAction(action, self._groups[at].rows))
