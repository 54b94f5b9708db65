"""Settings for one host: limits and request options.

A table `[hosts."example.org"]` accepts every option in `domain/request_options.py`. If the table
omits an option, the host inherits it from the table of a wider pattern (`*.example.org`), or else
from `request`. `RequestRules` combines them.
"""

from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from rheo_core.domain.engine_options import MAX_CONCURRENT
from rheo_core.domain.hosts import normalise_host_pattern
from rheo_core.domain.request_options import RequestOptions

from .values import Rate


def pattern_of(name: str) -> str:
    """Return the host pattern in the name of a table; "" if the name is not valid."""
    try:
        return normalise_host_pattern(name)
    except ValueError:
        return ""


def name_each_once(tables: object) -> object:
    """Refuse two tables for the same host, because one would silently replace the other."""
    names = tables if isinstance(tables, dict) else {}
    for pattern, count in Counter(pattern_of(str(name)) for name in names).items():
        if pattern and count > 1:
            raise ValueError(f"names {pattern} {count} times; use one table")
    return tables


HostPattern = Annotated[str, AfterValidator(normalise_host_pattern)]
"""`example.org`, or `*.example.org` for every host below it; `find_host` looks it up."""


class HostSettings(RequestOptions):
    """Settings for one host, or for all hosts that match a `*.` pattern. Immutable."""

    model_config = ConfigDict(defer_build=True)

    speed_limit: Rate = Field(
        default=None,
        description="Speed limit for all downloads from the host in bytes per second, such as 500K",
    )
    connections: int | None = Field(
        default=None,
        ge=1,
        le=256,
        strict=True,
        description="Maximum number of connections to the host, for all downloads together",
    )
    max_concurrent: int | None = Field(
        default=None,
        ge=1,
        le=MAX_CONCURRENT,
        strict=True,
        description="Maximum number of parallel downloads from the host",
    )

    @property
    def request(self) -> RequestOptions:
        """Options of requests to it."""
        return RequestOptions.model_construct(
            self.model_fields_set & RequestOptions.model_fields.keys(),
            **{name: getattr(self, name) for name in RequestOptions.model_fields},
        )
