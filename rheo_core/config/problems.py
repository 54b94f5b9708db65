"""Values that are not acceptable, told in one sentence each."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import PurePath

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.text import printable

from .hosts import HostSettings
from .settings import Settings

_LONGEST_VALUE = 60
_SECRET = frozenset({"request", "hosts", "headers", "referer", "user", "bearer", "proxy"})
"""Values that no sentence may hold; tables may hold them."""
_DEPTHS = {"keys": 2, "request": 2, "hosts": 3}
"""How deep the values of a table are; what follows names a branch of the type, not a place."""
_TABLES: dict[str, type[BaseModel]] = {"request": RequestOptions, "hosts": HostSettings}


def explain(
    error: ValidationError, names: Mapping[str, str] | None = None
) -> dict[tuple[str, ...], str]:
    """For each value that is not acceptable a sentence, without its full stop.

    Args:
        error: What making `Settings` raised.
        names: How the user calls a setting, where that is not its name; such as a flag.

    Returns:
        Sentences by where the value is: `("timeout",)`, or `("keys", "quit")` within a table, or
        `("hosts", "example.org", "connections")`.
    """
    sentences: dict[tuple[str, ...], str] = {}
    for details in error.errors(include_url=False):
        path = tuple(str(part) for part in details["loc"])
        path = path[: _DEPTHS.get(path[0], 1)] if path else ()
        if path[2:] == ("[key]",):  # the host's name itself
            path = path[:2]
        shown = ".".join(((names or {}).get(path[0], path[0]), *path[1:])) if path else ""
        sentences.setdefault(path, _sentence(shown, path, details))
    return sentences


def _sentence(shown: str, path: tuple[str, ...], details: ErrorDetails) -> str:
    shown = printable(shown)
    name = path[-1] if path else ""
    fields = _TABLES.get(path[0], Settings).model_fields if len(path) > 1 else Settings.model_fields
    if details["type"] == "extra_forbidden":
        close = get_close_matches(name, fields, n=1)
        return f"{shown} is not a setting" + (f"; did you mean {close[0]}?" if close else "")
    message = re.sub(r"^(Value error,|Input|String) |, unable to .*", "", details["msg"])
    message = re.sub(r"valid dictionary( or instance of \w+)?", "table", message)
    is_secret = name in _SECRET and (len(path) > 1 or isinstance(details["input"], str | dict))
    value = "…" if is_secret else _shorten(details["input"])
    message = f"{'' if message.startswith('header') else 'it '}{message}"
    return f"{shown} = {value} is not acceptable: {message}{_limits(fields.get(name), message)}"


def _shorten(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = printable(repr(str(value) if isinstance(value, PurePath) else value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _limits(field: FieldInfo | None, message: str) -> str:
    """The range of a number, where the message does not tell all of it."""
    low = high = None
    for limit in field.metadata if field else ():
        if isinstance(limit, Ge):
            low = limit.ge
        elif isinstance(limit, Le):
            high = limit.le
        elif isinstance(limit, Gt):
            return "" if "greater" in message else f", above {limit.gt}"
    if low is None or high is None:
        return ""
    return f" ({low} to {high})"


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The line of a TOML text where the key `path` is set, counted from 1; None if not found.

    tomllib keeps no positions. This looks at the lines alone, which is enough for a file with
    one key a line.
    """
    *table, key = path
    here: list[str] = []
    wanted = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]")
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+([^\]]*)\]", line):
            here = [
                name.strip("\"'") for name in re.findall(r"\"[^\"]*\"|'[^']*'|[\w-]+", header[1])
            ]
            if here == [*table, key]:
                return number
        elif here == table and wanted.match(line):
            return number
    return None
