"""Setting values written as text: sizes, rates and `off`."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from rheo_core.domain.schedule import parse_span
from rheo_core.domain.text import printable
from rheo_core.domain.units import parse_rate, parse_size

TIB = 1 << 40


def size(value: object) -> int:
    """Return bytes from a number or from text such as `500K`, `5M`, `2.5 MB`, `1MiB`."""
    return parse_size(str(value))


def size_limit(value: object) -> int | None:
    """Return bytes like `size`, or None for no limit."""
    value = off_is_none(value)
    try:
        return None if value is None else size(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None


def rate(value: object) -> int | None:
    """Return bytes per second from a number or text, or None for no limit."""
    return None if value is None else parse_rate(str(value))


def off_is_none(value: object) -> object:
    """Return None for `off`, `none` and 0, which mean no limit."""
    if isinstance(value, str):
        value = value.strip().lower()
    return None if value in ("off", "none", "0", 0) else value


def table(example: str) -> BeforeValidator:
    """Return a validator that also reads a JSON object in text from the environment."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        return read_json(value, f"should be a JSON object such as {example}")

    return BeforeValidator(read)


def read_json(text: str, expected: str) -> Any:
    """Return the value of a JSON text; refuse objects with a repeated key.

    If there were two proxies, one would be a guess (RFC 8259 4). TOML refuses this too.

    Raises:
        ValueError: the message is `expected`, or names the repeated key.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except _RepeatedKeyError:
        raise
    except (ValueError, RecursionError):
        raise ValueError(expected) from None


class _RepeatedKeyError(ValueError):
    """An object has a key twice."""


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise _RepeatedKeyError(f"has the key {printable(name[:50])!r} twice")
        values[name] = value
    return values


def lines(value: object) -> object:
    """Return lines; in text from the environment or the app, `;` separates them, or it is `off`."""
    if not isinstance(value, str):
        return value
    return () if off_is_none(value) is None else [line.strip() for line in value.split(";")]


def _span_line(line: str) -> str:
    parse_span(line)
    return line.strip()


def _tab_name(name: str) -> str:
    name = printable(name.strip())
    if not name or len(name) > MAX_TAB_NAME_LENGTH:
        raise ValueError(f"should be a name of 1 to {MAX_TAB_NAME_LENGTH} characters")
    return name


def _filter_text(text: str) -> str:
    from rheo_core.domain.filters import FilterError, parse_filter  # few users keep tabs

    try:
        return str(parse_filter(text))
    except FilterError as error:
        raise ValueError(f"should be a filter ({error})") from None


MAX_TAB_NAME_LENGTH = 20
TabName = Annotated[str, AfterValidator(_tab_name)]
"""Name of a tab of the app."""

FilterText = Annotated[str, AfterValidator(_filter_text)]
"""A filter for `parse_filter`."""

SpanLine = Annotated[str, AfterValidator(_span_line)]
"""A line of the schedule."""

Rate = Annotated[int | None, Field(le=TIB), BeforeValidator(rate)]
"""Bytes per second; None for no limit."""
