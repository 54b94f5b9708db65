"""What the settings say of single hosts: the tables `[hosts."example.org"]`."""

from typing import Annotated

from pydantic import AfterValidator, Field

from rheo_core.domain.hosts import normalise_host_pattern
from rheo_core.domain.request_options import RequestOptions

from .values import Rate

HostPattern = Annotated[str, AfterValidator(normalise_host_pattern)]
"""`example.org`, or `*.example.org` for every host below it; `find_host` looks it up."""


class HostSettings(RequestOptions):
    """What holds for one host, or for each one that a `*.` stands for. Immutable."""

    speed_limit: Rate = Field(
        default=None,
        description="Limit for all downloads from it together, in bytes a second, such as 500K",
    )
    connections: int | None = Field(
        default=None,
        ge=1,
        le=256,
        strict=True,
        description="Connections to it, for all downloads from it",
    )
    max_concurrent: int | None = Field(
        default=None,
        ge=1,
        le=64,
        strict=True,
        description="Downloads from it that run at the same time",
    )

    @property
    def requests(self) -> RequestOptions:
        """What is said of requests alone."""
        return RequestOptions.model_construct(
            **{name: getattr(self, name) for name in RequestOptions.model_fields}
        )
