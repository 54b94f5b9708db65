"""Numbered patterns as in curl: `img[001-120].jpg`, `{a,b}`."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from operator import add
from typing import Any

MAX_URLS = 100_000
"""Maximum number of URLs from all patterns of a text."""
MAX_CHARACTERS = 64 << 20
"""Maximum characters of these URLs, and of all URLs of a command after the first, with headers."""

_MAX_DIGITS = 18
_UNREADABLE = 10**40  # Python does not print numbers of more than 4,300 digits
_PIECE = re.compile(
    r"\[(?P<first>\d+)-(?P<last>\d+)(?::(?P<step>\d+))?\]"
    r"|\[(?P<from>[a-z])-(?P<to>[a-z])\]|\[(?P<FROM>[A-Z])-(?P<TO>[A-Z])\]"
    r"|\{(?P<choices>[\w.~%+@/-]*(?:,[\w.~%+@/-]*)+)\}",
    re.ASCII,
)

_NESTED = re.compile(r"\{[^{}]*\{[^{}]*\}[^{}]*\}")

_Choices = tuple[Sequence[Any], Callable[[Any], str]]
"""Values, and the function that formats them."""


class Budget:
    """Limit for repetition in one text, because a few lines could fill all memory."""

    def __init__(self) -> None:
        self._urls = MAX_URLS
        self._characters = MAX_CHARACTERS
        self.is_over = False
        self._is_reported = False

    def take(self, urls: int, characters: int) -> bool:
        """Spend part of the budget; return False if it does not suffice.

        After the first refusal, refuse everything, because a list with gaps is hard to repair.

        Args:
            urls: number of URLs from a pattern; 0 for one more URL of a command.
            characters: total number of characters.
        """
        self.is_over |= urls > self._urls or characters > self._characters
        if not self.is_over:
            self._urls -= urls
            self._characters -= characters
        return not self.is_over

    def take_problem(self) -> str:
        """Return a sentence on the first refusal, once; "" afterwards."""
        is_reported, self._is_reported = self._is_reported, True
        if is_reported:
            return ""
        return (
            f"the patterns in this text expand to more than {MAX_URLS:,} URLs, or with the headers "
            f"of its commands to more than {MAX_CHARACTERS >> 20} MiB; rheo leaves out this "
            "pattern, and all later patterns and command URLs"
        )


def may_be_pattern(url: str) -> bool:
    """Check cheaply whether a URL may contain a pattern."""
    return "[" in url or "{" in url


def expand(url: str) -> tuple[int, Iterator[tuple[str, Sequence[str]]]] | None:
    """Expand a pattern; the last range varies fastest.

    `[001-120]` keeps its zeros, `[0-100:10]` has a step, `[a-f]` counts letters, `{a,b}` lists
    choices. Other brackets and braces stay.

    Returns:
        The number of URLs, and the URLs with the values of their patterns; None if there is no
        pattern in `url`.

    Raises:
        ValueError: a range goes down, or there are too many URLs; one sentence.
    """
    texts: list[str] = []
    choices: list[_Choices] = []
    end = 0
    for match in _PIECE.finditer(url):
        texts.append(url[end : match.start()])
        choices.append(_choices(match))
        end = match.end()
    if not choices:
        return None
    if _NESTED.search(url):
        raise ValueError("braces within braces are not supported; list the choices one by one")
    count = prod(len(values) for values, _ in choices)
    if count > MAX_URLS:
        shown = f"{count:,}" if count < _UNREADABLE else "far too many"
        raise ValueError(f"the pattern expands to {shown} URLs; at most {MAX_URLS:,} are allowed")
    return count, _join(texts, choices, url[end:])


def _choices(match: re.Match[str]) -> _Choices:
    if (listed := match["choices"]) is not None:
        return listed.split(","), str
    if match["first"] is None:
        first, last = match["from"] or match["FROM"], match["to"] or match["TO"]
        values, write = range(ord(first), ord(last) + 1), chr
    else:
        first, last, step = match["first"], match["last"], match["step"] or "1"
        if max(len(first), len(last), len(step)) > _MAX_DIGITS:
            raise ValueError(f"a number in {match[0]:.80} has more than {_MAX_DIGITS} digits")
        if int(step) == 0:
            raise ValueError(f"the step of {match[0]} must be 1 or more")
        width = len(first) if first.startswith("0") else 0
        values, write = range(int(first), int(last) + 1, int(step)), f"{{:0{width}}}".format
    if not values:
        raise ValueError(f"the range {match[0]} is descending; write the smaller number first")
    return values, write


def _join(
    texts: list[str], choices: list[_Choices], rest: str
) -> Iterator[tuple[str, Sequence[str]]]:
    for chosen in product(*(map(write, values) for values, write in choices)):
        yield "".join(map(add, texts, chosen)) + rest, chosen
