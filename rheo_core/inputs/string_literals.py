"""String literals in JSON and program code."""

import re
from functools import cache


def without_strings(code: str, quotes: str) -> str:
    """Remove the strings in a line, in linear time.

    After a quote that does not close, no other of its kind closes either, because all are escaped.

    Args:
        code: the line.
        quotes: the signs that begin and end a string.
    """

    def replaced(string: re.Match[str]) -> str:
        if string.lastindex:  # it has an end
            return ""
        return without_strings(string[0][1:], quotes.replace(string[0][0], ""))

    return _strings(quotes).sub(replaced, code) if quotes else code


@cache
def _strings(quotes: str) -> re.Pattern[str]:
    """Return a pattern for strings; its only group that matches is the end of a string."""
    kinds = (rf"{each}(?>(?:[^\\{each}]+|\\.)*)({each})?" for each in quotes)
    return re.compile("|".join(kinds), re.DOTALL)
