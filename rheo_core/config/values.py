"""Types of settings written as text: sizes, rates, `off`."""

import json
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from rheo_core.domain.schedule import parse_span
from rheo_core.domain.sizes import parse_rate, parse_size

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
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"should be a JSON object such as {example}") from None

    return BeforeValidator(read)


def lines(value: object) -> object:
    """Return lines; text from the environment or the app has `;` between them, or is `off`."""
    if not isinstance(value, str):
        return value
    return () if off_is_none(value) is None else [line.strip() for line in value.split(";")]


def _span_line(line: str) -> str:
    parse_span(line)
    return line.strip()


SpanLine = Annotated[str, AfterValidator(_span_line)]
"""A line of the schedule."""

Rate = Annotated[int | None, Field(le=TIB), BeforeValidator(rate)]
"""Bytes per second; None for no limit."""
