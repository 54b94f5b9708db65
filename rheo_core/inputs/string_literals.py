"""String literals in JSON and program code."""

import re


def without_strings(code: str, quotes: str) -> str:
    """Remove the strings in a line, in linear time.

    After a quote that does not close, no other of its kind closes either, because all are escaped.

    Args:
        code: the line.
        quotes: the signs that begin and end a string.
    """

    def replaced(string: re.Match[str]) -> str:
        if string["end"]:
            return ""
        return without_strings(string[0][1:], quotes.replace(string["quote"], ""))

    string = rf"(?P<quote>[{quotes}])(?>(?:(?!(?P=quote))[^\\]|\\.)*)(?P<end>(?P=quote)?)"
    return re.sub(string, replaced, code, flags=re.DOTALL) if quotes else code
