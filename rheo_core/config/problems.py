"""Values that are not valid, told in one sentence each."""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import PurePath

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.text import printable, redact_unreadable

from .hosts import HostSettings
from .settings import Settings

_LONGEST_VALUE = 60
_DEPTHS = {"keys": 2, "request": 2, "hosts": 3}
"""How many names lead to a value in tables; elsewhere it is one."""
_QUOTES = 'hosts are written in quotes, as in [hosts."example.org"]'
_VERBS = ("should", "names")
"""Messages that begin so speak of the value."""
_SECRET = frozenset({"request", "hosts", "headers", "referer", "user", "bearer", "proxy"})
"""Values that no sentence may hold; tables may hold them."""
_COMMANDS = frozenset({"on_complete", "on_error"})


def explain(
    error: ValidationError, names: Mapping[str, str] | None = None
) -> dict[tuple[str, ...], str]:
    """For each value that is not valid a sentence, without its full stop.

    Args:
        error: What making `Settings` raised.
        names: How the user calls a setting, where that is not its name; such as a flag.

    Returns:
        Sentences by where the value is: `("timeout",)`, `("keys", "quit")` within a table, or
        `("hosts", "example.org", "proxy")`.
    """
    sentences: dict[tuple[str, ...], str] = {}
    for details in error.errors(include_url=False):
        path = _place(tuple(map(str, details["loc"])))
        places = ((names or {}).get(path[0], path[0]), *path[1:]) if path else ()
        shown = ".".join(map(redact_unreadable, places))  # a URL is a likely mistake for a host
        if _is_unquoted(path, details):
            path = path[:2]
            sentences.setdefault(path, f"{shown} is not a setting; {_QUOTES}")
        sentences.setdefault(path, _sentence(shown, path, details))
    return sentences


def _is_unquoted(path: tuple[str, ...], details: ErrorDetails) -> bool:
    """Return whether it looks like `[hosts.example.org]`: TOML reads tables in tables."""
    is_unknown = details["type"] == "extra_forbidden" and isinstance(details["input"], dict)
    return is_unknown and path[0] == "hosts" and len(path) > 2


def _place(location: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a value; what follows in `location` tells of a branch of its type."""
    depth = _DEPTHS.get(location[0], 1) if location else 0
    return tuple(part for part in location[:depth] if part != "[key]")


def _sentence(shown: str, path: tuple[str, ...], details: ErrorDetails) -> str:
    name = path[-1] if path else ""
    table = path[0] if len(path) > 1 else ""
    model = {"request": RequestOptions, "hosts": HostSettings}.get(table, Settings)
    fields = model.model_fields
    if details["type"] == "extra_forbidden":
        return _unknown(shown, name, model)
    message = re.sub(r"^(Value error,|Input|String) |, unable to .*", "", details["msg"])
    message = re.sub(r"valid dictionary( or instance of \w+)?", "table", message)
    value = "…" if _may_be_secret(path, details["input"]) else _shorten(details["input"])
    message = f"{'it ' * message.startswith(_VERBS)}{message}{_limits(fields.get(name), message)}"
    return f"{shown} = {value} is not valid: {message}"


def unknown_setting(name: str) -> str:
    """Return a sentence on a name that is no setting, without its full stop."""
    return _unknown(redact_unreadable(name), name, Settings)


def _unknown(shown: str, name: str, model: type[BaseModel]) -> str:
    if model is Settings and name in RequestOptions.model_fields:
        return f"{shown} is not a setting here; it belongs in the table [request]"
    if model is Settings and name in model.model_fields:
        return f"{shown} is not a setting here; it belongs in front of all tables"
    close = get_close_matches(name.lower(), model.model_fields, n=1)
    return f"{shown} is not a setting" + (f"; did you mean {close[0]}?" if close else "")


def _may_be_secret(path: tuple[str, ...], value: object) -> bool:
    """Whether a value is not to be shown: of requests, a command with a token, tables with either.

    Tables and lists are those of `[[rules]]` and `[keys]`, where options of requests stray.
    """
    if isinstance(value, dict | list | tuple) or (path and path[0] in _COMMANDS):
        return True
    if not path or path[0] not in ("request", "hosts"):
        return False
    of_a_host = path[0] == "hosts" and len(path) == 2  # text in the place of its table, or its name
    return path[-1] in _SECRET or (of_a_host and not isinstance(value, int))


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
    return f" ({low:,} to {high:,})"


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The line of a TOML text where the key `path` is set, counted from 1; None if not found.

    tomllib keeps no positions. This looks at the lines alone, which is enough for a file with
    one key a line.
    """
    *table, key = path
    here: list[str] = []
    wanted = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]")
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            here = _table_of(line)
            if here[: len(path)] == [*table, key]:  # or of a table in it
                return number
        elif here == table and wanted.match(line):
            return number
    return None


def _table_of(header: str) -> list[str]:
    """The names in a table's header line; none where it is no such line."""
    names: list[str] = []
    try:
        inner: object = tomllib.loads(header)
    except tomllib.TOMLDecodeError:
        return names
    while isinstance(inner, list | dict) and inner:
        if isinstance(inner, list):
            inner = inner[0]
        else:
            name, inner = next(iter(inner.items()))
            names.append(name)
    return names
