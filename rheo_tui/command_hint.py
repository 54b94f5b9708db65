"""Hints below the command line: the effect of the command, or what is missing."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.filters import Moment

from .command_parser import parse_command
from .command_targets import summary_of
from .commands import COMMANDS, CommandError, split_line

_INTRODUCTION = "Tab completes · ↑ earlier commands · without targets it uses the selection"
_SEPARATOR = "  ·  "


class Hint(NamedTuple):
    """One line of text."""

    text: str
    is_error: bool = False


def hint_for(
    line: str,
    rows: Mapping[str, DownloadSnapshot],
    selection: Sequence[DownloadSnapshot],
    moment: Moment,
) -> Hint:
    """Return a hint on a command that is being typed.

    Args:
        line: the text, without the colon.
        rows: all downloads by their ids.
        selection: the marked downloads, or the current one.
        moment: decides which downloads wait.
    """
    verb, argument = split_line(line)
    if not verb:
        return Hint(_INTRODUCTION)
    spec = COMMANDS.get(verb)
    if spec is None:
        names = [name for name in COMMANDS if name.startswith(verb)]
        return Hint("  ".join(names)) if names else Hint(_unknown(verb), True)
    usage = f"{verb} {spec.usage}".rstrip()
    about = Hint(f"{usage}{_SEPARATOR}{spec.help}")
    if spec.argument and not argument:
        return about
    try:
        command = parse_command(line, rows, moment)
    except CommandError as error:
        return about if error.is_incomplete else Hint(str(error), is_error=True)
    if not spec.takes_targets or command.for_all:
        return about
    targets = selection if command.targets is None else [rows[each] for each in command.targets]
    return Hint(f"{summary_of(targets)}{_SEPARATOR}{spec.help}")


def _unknown(verb: str) -> str:
    similar = ", ".join(get_close_matches(verb, COMMANDS))
    return f"No such command. Similar: {similar}" if similar else "No such command."
