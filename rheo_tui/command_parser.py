"""Parse the command line: text -> a command, or one sentence about the mistake."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rheo_core.domain.schedule import parse_start
from rheo_core.domain.sizes import parse_rate, parse_size

ID_VERBS = ("cancel", "pause", "resume", "retry", "remove", "keep")
_PLAIN_VERBS = ("reload", "quit-when-done", "quit")
VERBS = (*ID_VERBS, "link", "add", "limit", "at", "stop-after", "prune", *_PLAIN_VERBS)
_EXAMPLES = {
    "link": "link 3fa9 https://example.org/file.iso",
    "add": "add https://example.org/file.iso",
    "limit": "limit 2M” or “limit all 2M",
    "at": "at 23:30” or “at now",
    "stop-after": "stop-after 5G” or “stop-after off",
    "prune": "prune 30",
}
_DAYS = re.compile(r"(\d{1,5})\s*d?")
_MAX_NAMED_IDS = 3


class CommandError(ValueError):
    """A command is not valid; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Command:
    """A valid command; only the fields that its verb needs are set."""

    verb: str
    download_id: str = ""
    text: str = ""
    rate: int | None = None  # bytes/s; None: no limit
    for_all: bool = False  # for all downloads together, not the marked or current ones
    start_at: float | None = None  # seconds since the epoch; None: now
    size: int | None = None  # bytes; None: no limit
    days: int = 0


def parse_command(line: str, ids: Iterable[str]) -> Command:
    """Parse `line` into a command.

    Args:
        line: the text, with or without the colon.
        ids: the ids of all downloads in the list.

    Raises:
        CommandError: the command is not valid.
    """
    verb, _, argument = line.strip().removeprefix(":").partition(" ")
    argument = argument.strip()
    if verb not in VERBS:
        raise CommandError(f"Unknown command “{verb}”. Commands: {', '.join(VERBS)}.")
    if verb in ID_VERBS:
        return Command(verb, download_id=find_id(verb, argument, ids))
    if verb in _PLAIN_VERBS:
        if argument:
            raise CommandError(f"{verb} takes no argument, not “{argument}”.")
        return Command(verb)
    if not argument:
        raise CommandError(f"{verb} needs an argument, such as “{_EXAMPLES[verb]}”.")
    if verb == "link":
        prefix, _, url = argument.partition(" ")
        if not url.strip():
            raise CommandError(f"link needs an ID and a URL, such as “{_EXAMPLES[verb]}”.")
        return Command(verb, download_id=find_id(verb, prefix, ids), text=url.strip())
    if verb == "add":
        return Command(verb, text=argument)
    if verb == "prune":
        return Command(verb, days=_parse_days(argument))
    try:
        return _with_number(verb, argument)
    except ValueError as error:
        raise CommandError(f"“{argument}” is not valid: it {error}.") from None


def _with_number(verb: str, argument: str) -> Command:
    if verb == "at":
        now = argument.lower() == "now"
        return Command(verb, start_at=None if now else parse_start(argument, datetime.now()))
    if verb == "stop-after":
        off = argument.lower() in ("off", "none", "0")
        return Command(verb, size=None if off else parse_size(argument))
    scope, _, rate = argument.rpartition(" ")
    for_all = scope.strip().lower() == "all"
    return Command(verb, rate=parse_rate(rate if for_all else argument), for_all=for_all)


def _parse_days(text: str) -> int:
    match = _DAYS.fullmatch(text)
    if match is None:
        raise CommandError(f"“{text}” is not a number of days such as 30 (0 to 99999).")
    return int(match[1])


def find_id(verb: str, prefix: str, ids: Iterable[str]) -> str:
    """Return the only id that starts with `prefix`.

    Raises:
        CommandError: no id or several ids start with it.
    """
    if not prefix:
        raise CommandError(f"{verb} needs the start of an ID, such as “{verb} 3fa9”.")
    matches = [download_id for download_id in ids if download_id.startswith(prefix.lower())]
    if not matches:
        raise CommandError(f"No download ID starts with “{prefix}”.")
    if len(matches) > 1:
        named = ", ".join(download_id[:8] for download_id in matches[:_MAX_NAMED_IDS])
        more = ", …" if len(matches) > _MAX_NAMED_IDS else ""
        raise CommandError(
            f"“{prefix}” matches {len(matches):,} downloads ({named}{more}). Type more of the ID."
        )
    return matches[0]
