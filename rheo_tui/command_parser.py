"""Parse the command line: return a command, or one sentence about the mistake."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.filters import FilterError, Moment, parse_filter
from rheo_core.domain.schedule import parse_start
from rheo_core.domain.units import parse_rate, parse_size
from rheo_core.domain.untrusted import MAX_PRIORITY

from .command_targets import find_id, find_targets
from .commands import COMMANDS, MOVE_ACTIONS, CommandError, CommandSpec, split_line

_DAYS = re.compile(r"(\d{1,5})\s*d?")
_RATE = re.compile(r"(\S+(?:\s+[kmgt]?i?b(?:ytes)?(?:/s)?(?=\s|\Z))?)\s*(.*)", re.IGNORECASE)
_OFF = ("off", "none", "0")


@dataclass(frozen=True, slots=True)
class Command:
    """A valid command; only the fields that its verb needs are set."""

    verb: str
    targets: tuple[str, ...] | None = None  # ids; None: the marked downloads or the current one
    text: str = ""
    value: str = ""  # of the setting `text`
    rate: int | None = None  # bytes/s; None: no limit
    for_all: bool = False  # for all downloads together, not for each target
    start_at: float | None = None  # seconds since the epoch; None: now
    size: int | None = None  # bytes; None: no limit
    number: int = 0  # days, or a priority


def parse_command(
    line: str, rows: Mapping[str, DownloadSnapshot], moment: Moment | None = None
) -> Command:
    """Parse `line` into a command.

    Args:
        line: the text, with or without the colon.
        rows: all downloads by their ids.
        moment: decides which downloads wait.

    Raises:
        CommandError: the command is not valid.
    """
    verb, argument = split_line(line)
    spec = COMMANDS.get(verb)
    if spec is None:
        raise CommandError(
            f"Unknown command “{verb}”. Type a letter and press Tab to complete a command."
        )
    if not spec.usage and argument:
        raise CommandError(f"{verb} takes no argument, not “{argument}”.")
    if spec.argument and verb != "filter" and not argument:
        raise CommandError(f"{verb} needs an argument, such as “{spec.example}”.")
    try:
        return _parse(spec, argument, rows, moment)
    except FilterError as error:
        raise CommandError(
            f"The filter is not valid at character {error.column + 1}: {error}.",
            is_incomplete=error.is_incomplete,
        ) from None


def _parse(
    spec: CommandSpec,
    argument: str,
    rows: Mapping[str, DownloadSnapshot],
    moment: Moment | None,
) -> Command:
    verb = spec.name
    match spec.argument:
        case "":
            return Command(verb, find_targets(argument, rows, moment))
        case "url":
            prefix, _, url = argument.partition(" ")
            if not url.strip():
                raise CommandError(f"{verb} needs an ID and a URL, such as “{spec.example}”.")
            return Command(verb, (find_id(prefix, rows),), text=url.strip())
        case "setting":
            name, _, value = argument.partition(" ")
            return Command(verb, text=name, value=value.strip())
        case "text" | "tab":
            return Command(verb, text=argument)
        case "filter":
            return Command(verb, text=str(parse_filter(argument)))
        case "place":
            place, _, targets = argument.partition(" ")
            if place not in MOVE_ACTIONS:
                raise CommandError(f"“{place}” is not a place: use {', '.join(MOVE_ACTIONS)}.")
            return Command(verb, find_targets(targets, rows, moment), text=place)
        case "days":
            return Command(verb, number=_parse_days(argument))
        case "number":
            number, _, targets = argument.partition(" ")
            priority = _parse_priority(number)
            return Command(verb, find_targets(targets, rows, moment), number=priority)
    return _with_number(verb, argument, rows, moment)


def _with_number(
    verb: str, argument: str, rows: Mapping[str, DownloadSnapshot], moment: Moment | None
) -> Command:
    value, targets = argument, ""
    try:
        if verb == "stop-after":
            off = argument.lower() in _OFF
            return Command(verb, size=None if off else parse_size(argument))
        if verb == "at":
            value, _, targets = argument.partition(" ")
            now = value.lower() == "now"
            start_at = None if now else parse_start(value, datetime.now())
            return Command(verb, find_targets(targets, rows, moment), start_at=start_at)
        first, _, rest = argument.partition(" ")
        for_all = first.lower() == "all"
        match = _RATE.fullmatch(rest.strip() if for_all else argument)
        value, targets = match.groups() if match else ("", "")
        rate = parse_rate(value)
    except CommandError:  # of the targets
        raise
    except ValueError as error:
        raise CommandError(f"“{value}” is not valid: it {error}.") from None
    if for_all and targets:
        raise CommandError(f"limit all takes only a rate, not “{targets}” after it.")
    return Command(verb, find_targets(targets, rows, moment), rate=rate, for_all=for_all)


def _parse_days(text: str) -> int:
    match = _DAYS.fullmatch(text)
    if match is None:
        raise CommandError(f"“{text}” is not a number of days such as 30 (0 to 99999).")
    return int(match[1])


def _parse_priority(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_PRIORITY:
        raise CommandError(f"“{text}” is not a priority; use a number from 1 to {MAX_PRIORITY:,}.")
    return int(text)
