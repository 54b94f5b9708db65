"""Registry of commands: those with arguments, and every action by name."""

from dataclasses import dataclass
from typing import Literal

from rheo_core.domain import DownloadStatus
from rheo_core.domain.text import redact

from .action_reasons import Context, can_pause
from .actions import ACTIONS, Action

Argument = Literal[
    "", "rate", "time", "size", "days", "number", "url", "text", "setting", "filter", "tab", "place"
]
_MAX_NAMED = 3
_TARGETS = "[TARGETS]"


class CommandError(ValueError):
    """A command is not valid; the message is one sentence for the user.

    Attributes:
        is_incomplete: True if more text at the end can correct it.
    """

    def __init__(self, message: str, *, is_incomplete: bool = False) -> None:
        self.is_incomplete = is_incomplete
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A command of the command line.

    Attributes:
        name: the word to type.
        usage: its arguments, as the help shows them.
        help: its effect, one sentence.
        example: a line that uses it, without the colon.
        argument: kind of its argument; "" if it has none.
        takes_targets: True if it acts on downloads.
        action_id: action that it runs; "" if it has its own handler.
    """

    name: str
    usage: str
    help: str
    example: str = ""
    argument: Argument = ""
    takes_targets: bool = False
    action_id: str = ""


def _of_action(action: Action) -> CommandSpec:
    name = action.id.replace("_", "-")
    usage = _TARGETS if action.takes_targets else ""
    return CommandSpec(
        name, usage, action.help, name, takes_targets=action.takes_targets, action_id=action.id
    )


_OWN = (
    CommandSpec(
        "pause", _TARGETS, "Pause downloads and keep their partial data.",
        "pause host:example.org", takes_targets=True,
    ),
    CommandSpec(
        "resume", _TARGETS, "Put paused downloads back into the queue.",
        "resume status:paused", takes_targets=True,
    ),
    CommandSpec(
        "priority", f"NUMBER {_TARGETS}",
        "Set the priority; higher numbers start first.",
        "priority 5 name:*.iso", "number", takes_targets=True,
    ),
    CommandSpec(
        "limit", f"[all] RATE {_TARGETS}",
        "Limit each download, or all together; off removes the limit.",
        "limit 2M status:active", "rate", takes_targets=True,
    ),
    CommandSpec(
        "at", f"TIME {_TARGETS}", "Start downloads at a time; now starts them at once.",
        "at 23:30 size>1g", "time", takes_targets=True,
    ),
    CommandSpec(
        "move", f"PLACE {_TARGETS}", "Move queued downloads: up, down, top or bottom.",
        "move up", "place", takes_targets=True,
    ),
    CommandSpec("link", "ID URL", "Continue a download from another URL.",
                "link 3fa9 https://example.org/file.iso", "url"),
    CommandSpec("add", "TEXT", "Add the links in TEXT.",
                "add https://example.org/file.iso", "text"),
    CommandSpec("stop-after", "SIZE", "Pause all downloads after SIZE of data; off removes this.",
                "stop-after 5G", "size"),
    CommandSpec("set", "NAME VALUE", "Change a setting and save it.",
                "set max_concurrent 5", "setting"),
    CommandSpec("filter", "[FILTER]", "Show downloads that match a filter, or all.",
                "filter status:failed", "filter"),
    CommandSpec("mark", "[FILTER]", "Mark the downloads shown that match a filter, or all.",
                "mark name:*.iso", "filter"),
    CommandSpec("tab", "NAME", "Open a tab by its name.", "tab failed", "tab"),
    CommandSpec("prune", "DAYS", "Delete downloads that ended more than DAYS ago from the history.",
                "prune 30", "days"),
    CommandSpec("reload", "", "Read the settings file again.", "reload"),
    CommandSpec("quit-when-done", "", "Quit when all downloads have ended; repeat to stay open.",
                "quit-when-done"),
)  # fmt: skip
_HIDDEN = frozenset(
    action.id
    for action in ACTIONS
    if action.tab
    or action.opens_input
    or action.group == "Move"
    or action.id.startswith("range_")
    or action.id == "palette"
)
"""Actions that are useless on the command line: cursor moves, and those that open it."""
MOVE_ACTIONS = {
    action.id.removeprefix("move_"): action.id for action in ACTIONS if action.id[:5] == "move_"
}
"""Places of the command `move`, and the actions that it runs."""
COMMANDS: dict[str, CommandSpec] = {spec.name: spec for spec in _OWN} | {
    spec.name: spec
    for spec in map(_of_action, ACTIONS)
    if spec.action_id not in {*_HIDDEN, *MOVE_ACTIONS.values()}
    and spec.name not in {own.name for own in _OWN}
}
"""Commands by their names."""


def equal_command(action: Action, context: Context) -> str:
    """Return the command that does the same as `action` in `context`, without the colon."""
    name = action.id.replace("_", " " if action.id in MOVE_ACTIONS.values() else "-")
    if action.id == "pause" and not any(map(can_pause, context.targets)):
        name = "resume"
    if not action.takes_targets:
        return name
    return f"{name} {targets_text(context)}".rstrip()


def targets_text(context: Context) -> str:
    """Return the targets of a context as text; "" for the selection, if it has no short name."""
    if context.folded:
        done = (DownloadStatus.COMPLETED, DownloadStatus.SKIPPED)
        return f"status:{','.join(status.word for status in done)}"
    if len(context.targets) > _MAX_NAMED:
        return ""
    return " ".join(row.id[:8] for row in context.targets)


def split_line(line: str) -> tuple[str, str]:
    """Return the verb of a line, with or without the colon, and the rest."""
    verb, _, argument = line.strip().removeprefix(":").partition(" ")
    return verb, argument.strip()


def without_secrets(line: str) -> str:
    """Return a command in a form that may be logged and stored.

    A text to add, or the value of a hook, may be a curl command with a login. No rule finds all
    secrets in these, so they are hidden completely.
    """
    name, argument = split_line(line)
    words, kind = argument.split(), COMMANDS[name].argument if name in COMMANDS else ""
    if kind == "text" and not all("://" in word for word in words):
        return f"{name} …"
    if kind == "setting" and words[:1] and words[0].startswith("on_"):
        return f"{name} {words[0]} …"
    return redact(line)
