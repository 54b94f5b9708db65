"""Messages about unknown settings and values that are not valid."""

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
from rheo_core.domain.text import printable, redact_unreadable, shorten

from .host_settings import HostSettings
from .settings import Settings

_MAX_VALUE_LENGTH = 60
_DEPTHS = {"keys": 2, "request": 2, "hosts": 3}
"""Number of names that lead to a value, for tables; elsewhere it is one."""
_QUOTES = 'write hosts in quotes, as in [hosts."example.org"]'
_VERBS = ("contains", "ends", "has", "names", "should")
"""First words of messages whose subject is the value."""
_OF_NUMBERS = ("int", "float", "less_than", "greater_than")
"""Beginnings of the types of pydantic's errors about numbers."""
_SECRET = frozenset({"request", "hosts", "headers", "referer", "user", "bearer", "proxy"})
"""Names of values that a message must not show, and of tables that may contain them."""
_COMMANDS = frozenset({"on_complete", "on_error"})


def explain(
    error: ValidationError, names: Mapping[str, str] | None = None
) -> dict[tuple[str, ...], str]:
    """Return a sentence about each invalid value, without its full stop.

    Args:
        error: The error that creating `Settings` raised.
        names: Other names of settings, such as flags.

    Returns:
        Sentences by the place of the value: `("timeout",)`, `("keys", "quit")` within a table, or
        `("hosts", "example.org", "proxy")`.
    """
    sentences: dict[tuple[str, ...], str] = {}
    for details in error.errors(include_url=False):
        path = _place(tuple(map(str, details["loc"])))
        places = ((names or {}).get(path[0], path[0]), *path[1:]) if path else ()
        shown = ".".join(map(redact_unreadable, places))  # people write URLs instead of hosts
        if _is_unquoted(path, details):
            path = path[:2]
            sentences.setdefault(path, f"{shown} is not a setting; {_QUOTES}")
        sentences.setdefault(path, _sentence(shown, path, details))
    return sentences


def _is_unquoted(path: tuple[str, ...], details: ErrorDetails) -> bool:
    """Check for `[hosts.example.org]`, which TOML reads as tables in tables."""
    is_unknown = details["type"] == "extra_forbidden" and isinstance(details["input"], dict)
    return is_unknown and path[0] == "hosts" and len(path) > 2


def _place(location: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that lead to a value, without the branches of its type."""
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
    limits = _range(fields.get(name))
    if limits and details["type"].startswith(_OF_NUMBERS):
        message = f"should be a {'whole ' * details['type'].startswith('int')}number{limits}"
    value = "…" if _may_be_secret(path, details["input"]) else _value_text(details["input"])
    message = f"{'it ' * message.startswith(_VERBS)}{message}"
    return f"{shown} = {value} is not valid: {message}"


def with_full_stop(sentence: str) -> str:
    """Return a sentence with its full stop, unless it is a question."""
    return sentence if sentence.endswith("?") else f"{sentence}."


def unknown_setting(name: str) -> str:
    """Return a sentence about an unknown name, without its full stop."""
    return _unknown(redact_unreadable(name), name, Settings)


def _unknown(shown: str, name: str, model: type[BaseModel]) -> str:
    if model is Settings and name in RequestOptions.model_fields:
        return f"{shown} is not a setting here; write it in the table [request]"
    if model is Settings and name in model.model_fields:
        return f"{shown} is not a setting here; write it before all tables"
    close = get_close_matches(name.lower(), model.model_fields, n=1)
    return f"{shown} is not a setting" + (f"; did you mean {close[0]}?" if close else "")


def _may_be_secret(path: tuple[str, ...], value: object) -> bool:
    """Check whether a value may be secret, such as a request option or a command with a token.

    Tables and lists belong to `[[rules]]` and `[keys]`, and may contain misplaced request options.
    """
    if isinstance(value, dict | list | tuple) or (path and path[0] in _COMMANDS):
        return True
    if not path or path[0] not in ("request", "hosts"):
        return False
    of_a_host = path[0] == "hosts" and len(path) == 2  # text instead of its table, or its name
    return path[-1] in _SECRET or (of_a_host and not isinstance(value, int))


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = printable(repr(str(value) if isinstance(value, PurePath) else value))
    return shorten(text, _MAX_VALUE_LENGTH)


def _range(field: FieldInfo | None) -> str:
    """Return the range of a number as text that follows its kind; "" if it has none."""
    low = high = None
    for limit in field.metadata if field else ():
        if isinstance(limit, Ge):
            low = limit.ge
        elif isinstance(limit, Le):
            high = limit.le
        elif isinstance(limit, Gt):
            return f" above {limit.gt}"
    return "" if low is None or high is None else f" from {low:,} to {high:,}"


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """Return the line of a TOML text that sets the key `path`, counted from 1; None if not found.

    tomllib keeps no positions. Searching line by line suffices for files with one key per line.
    """
    *table, key = path
    table_here: list[str] = []
    assignment = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]")
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            table_here = _table_of(line)
            if table_here[: len(path)] == [*table, key]:  # or of a table in it
                return number
        elif table_here == table and assignment.match(line):
            return number
    return None


def _table_of(header: str) -> list[str]:
    """Return the names in the header line of a table; none for other lines."""
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
