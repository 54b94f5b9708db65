"""Parse the options of a pasted command as its program does."""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

_LIKE_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[\w-]+(?:\.[\w-]+)+(?::\d+)?/")


class Syntax(NamedTuple):
    """The options of a program.

    Attributes:
        letters: long names by the letters after a single dash.
        takes_value: checks whether a long option needs a value; None if it is unknown.
        names: all long names. An abbreviation stands for the only one that it begins.
        splits_at_equals: True for a program that reads `--name=value`.
    """

    letters: Mapping[str, str]
    takes_value: Callable[[str], bool | None]
    names: frozenset[str]
    splits_at_equals: bool = True

    def full_name(self, name: str) -> str:
        """Return the long name for an abbreviation; other names unchanged."""
        if self.takes_value(name) is not None:
            return name
        longer = [each for each in self.names if each.startswith(name)]
        return longer[0] if len(longer) == 1 else name


def getopt_syntax(
    letters: Mapping[str, str], with_value: frozenset[str], flags: frozenset[str]
) -> Syntax:
    """Return the syntax of a program that uses `getopt_long`."""

    def takes_value(name: str) -> bool | None:
        if name in with_value:
            return True
        return False if name in flags or name.removeprefix("no-") in flags else None

    return Syntax(letters, takes_value, with_value | flags)


def read_options(words: Sequence[str], syntax: Syntax) -> Iterator[tuple[str, str]]:
    """Yield the options of a command: the long name of each, and its value or "".

    Other words, such as URLs, have the name "". An unknown option may have a value, so the next
    word counts as its value unless it looks like a URL or an option. Otherwise `--frobnicate 5`
    would download from a host `5`.
    """
    rest = deque(words)
    while rest:
        word = rest.popleft()
        if word == "--":
            yield from (("", other) for other in rest)
            return
        if word.startswith("--"):
            yield _long_option(word[2:], rest, syntax)
        elif word.startswith("-") and word != "-":
            yield from _short_options(word[1:], rest, syntax)
        else:
            yield "", word


def _long_option(name: str, rest: deque[str], syntax: Syntax) -> tuple[str, str]:
    equals = value = ""
    if syntax.splits_at_equals:
        name, equals, value = name.partition("=")
    name = syntax.full_name(name)
    return name, value if equals else _value(name, rest, syntax)


def _short_options(letters: str, rest: deque[str], syntax: Syntax) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(letters):
        length = 2 if letters[at : at + 2] in syntax.letters else 1  # wget has `-nc`
        letter = letters[at : at + length]
        at += length
        name = syntax.letters.get(letter, letter)
        if syntax.takes_value(name):
            yield name, letters[at:] or _value(name, rest, syntax)
            return
        yield name, _value(name, rest, syntax) if at == len(letters) else ""


def _value(name: str, rest: deque[str], syntax: Syntax) -> str:
    has_value = syntax.takes_value(name)
    if has_value is None and "=" not in name and rest:
        has_value = not (rest[0].startswith("-") or _LIKE_URL.match(rest[0]))
    return rest.popleft() if has_value and rest else ""
