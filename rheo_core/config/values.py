"""Types of settings that people write as text: sizes, rates, `off`."""

import json
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from rheo_core.domain.schedule import parse_span
from rheo_core.domain.sizes import parse_rate, parse_size

TIB = 1 << 40


def size(value: object) -> int:
    """Bytes from a number or from text such as `500K`, `5M`, `2.5 MB`, `1MiB`."""
    return parse_size(str(value))


def size_limit(value: object) -> int | None:
    """Read a number of bytes as `size` does; None stands for no limit."""
    value = off_is_none(value)
    try:
        return None if value is None else size(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None


def rate(value: object) -> int | None:
    """Bytes a second from a number or text; None for the ways to say that there is no limit."""
    return None if value is None else parse_rate(str(value))


def off_is_none(value: object) -> object:
    """None for the ways to say that there is no limit: `off`, `none`, 0."""
    if isinstance(value, str):
        value = value.strip().lower()
    return None if value in ("off", "none", "0", 0) else value


def table(example: str) -> BeforeValidator:
    """The environment gives a table as a JSON object in text."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"should be a JSON object such as {example}") from None

    return BeforeValidator(read)


def lines(value: object) -> object:
    """In the environment and in the app a `;` stands between lines; `off` is none."""
    if not isinstance(value, str):
        return value
    return () if off_is_none(value) is None else [line.strip() for line in value.split(";")]


def _span_line(line: str) -> str:
    parse_span(line)
    return line.strip()


SpanLine = Annotated[str, AfterValidator(_span_line)]
"""A line of the schedule."""

Rate = Annotated[int | None, Field(le=TIB), BeforeValidator(rate)]
"""Bytes a second; None is no limit."""
