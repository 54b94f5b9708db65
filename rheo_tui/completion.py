"""Complete filters and commands while the user types."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.filter_terms import FIELDS, STATUSES, NumberField
from rheo_core.domain.urls import host_of

from .commands import COMMANDS, MOVE_ACTIONS, split_line
from .setting_texts import TABLES, choices_of
from .tabs import TABS
from .themes import ALL_NAMES

_VALUES = frozenset(("number", "rate", "time"))
"""Kinds of arguments before the targets that have no ids."""
_HEXADECIMAL = frozenset("0123456789abcdef")


def complete_filter(text: str, rows: Mapping[str, DownloadSnapshot]) -> str:
    """Return `text` with the likeliest rest of its last term; "" if there is none.

    Args:
        text: a filter that is being typed.
        rows: all downloads by their ids; hosts come from them.
    """
    before, last = _split_last(text)
    sign = "!" * (len(last) - len(last.lstrip("!")))
    word = last[len(sign) :]
    if not word:
        return ""
    return _first(f"{before}{sign}", word, _terms(word, rows))


def complete_command(
    line: str,
    rows: Mapping[str, DownloadSnapshot],
    history: Sequence[str],
    settings: Settings,
    tabs: Iterable[str] = (),
) -> str:
    """Return `line` with its likeliest rest; "" if there is none.

    Args:
        line: a command that is being typed, without the colon.
        rows: all downloads by their ids.
        history: earlier commands, oldest first.
        settings: current settings; their values are offered.
        tabs: names of the user's tabs.
    """
    if not line.strip():
        return ""
    if " " not in line:
        used = (earlier.partition(" ")[0] for earlier in reversed(history))
        recent = (name for name in used if name in COMMANDS)
        return _first("", line, map(_ready, chain(recent, COMMANDS)))
    spec = COMMANDS.get(split_line(line)[0])
    if spec is None:
        return ""
    earlier = _first("", line, (each for each in reversed(history) if not _names_ids(each)))
    if earlier:
        return earlier
    before, last = _split_last(line)
    is_first = before.count(" ") == 1
    if spec.argument == "setting":
        names = [name for name in Settings.model_fields if name not in TABLES]
        return (
            _first(before, last, names) if is_first else _value_of_setting(before, last, settings)
        )
    if spec.argument == "place" and is_first:
        return _first(before, last, MOVE_ACTIONS)
    if spec.argument == "tab":
        return _first(before, last, (*(tab.title.lower() for tab in TABS), *tabs))
    if is_first and spec.argument in _VALUES:
        return ""
    if not last or not (spec.takes_targets or spec.argument in ("filter", "url")):
        return ""
    may_be_id = spec.argument != "filter" and set(last.lower()) <= _HEXADECIMAL
    ids = (row_id[:8] for row_id in rows) if may_be_id else ()
    matching_id = _first(before, last, ids)
    return matching_id or ("" if spec.argument == "url" else complete_filter(line, rows))


def _ready(name: str) -> str:
    """Return the name of a command, with a blank if it takes arguments."""
    return f"{name} " if COMMANDS[name].usage else name


def _split_last(text: str) -> tuple[str, str]:
    at = text.rfind(" ") + 1
    return text[:at], text[at:]


def _first(before: str, word: str, candidates: Iterable[str]) -> str:
    """Return the first candidate that is longer than `word` and begins with it."""
    start = word.casefold()
    for candidate in candidates:
        if len(candidate) > len(word) and candidate.casefold().startswith(start):
            return f"{before}{word}{candidate[len(word) :]}"
    return ""


def _names_ids(line: str) -> bool:
    """Return True if a command names downloads, which may have gone since."""
    words = line.split()[1:]
    return any(len(word) >= 4 and set(word) <= _HEXADECIMAL for word in words)


def _terms(word: str, rows: Mapping[str, DownloadSnapshot]) -> Iterator[str]:
    name, colon, value = word.partition(":")
    if not colon:
        for field, of in FIELDS.items():
            yield f"{field}{of.example[0] if isinstance(of, NumberField) else ':'}"
        return
    listed, comma, _ = value.rpartition(",")
    before = f"{name}:{listed}{comma}"
    if name.lower() == "status":
        yield from (f"{before}{status}" for status in STATUSES)
    elif name.lower() == "host":
        hosts = (host_of(row.url).rpartition(":")[0] for row in rows.values())
        yield from (f"{before}{host}" for host in hosts)


def _value_of_setting(before: str, last: str, settings: Settings) -> str:
    name = before.split()[1]
    value = settings.model_dump(mode="json").get(name, "")
    if isinstance(value, bool):
        return _first(before, last, ("false", "true") if value else ("true", "false"))
    if not isinstance(value, str | int | float | None):
        return ""
    text = "off" if value is None else str(value)
    return _first(before, last, (text, *(ALL_NAMES if name == "theme" else choices_of(name))))
