"""Which hosts a name in a table stands for: `example.org`, or `*.example.org`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:.]*:[0-9a-f:.]*")


@dataclass(frozen=True, slots=True)
class HostLimits:
    """Limits of one host; None leaves one to what holds for all."""

    speed_limit_bps: int | None = None  # for all downloads from it together
    connections: int | None = None
    max_concurrent: int | None = None  # downloads that run at once


def normalise_host_pattern(text: str) -> str:
    """A host's name or address, or `*.` and a name for every host below it, in lower case.

    Raises:
        ValueError: it is neither.
    """
    pattern = text.strip().lower().removeprefix("[").removesuffix("]").removesuffix(".")
    if not pattern.isascii():
        try:
            pattern = pattern.encode("idna").decode("ascii")
        except UnicodeError:
            pattern = ""
    if not _PATTERN.fullmatch(pattern):
        raise ValueError("should be a host such as example.org or *.example.org, without a port")
    return pattern


def find_host(table: Mapping[str, T], host: str) -> T | None:
    """The entry of `host` (a name without its port): its own, else that of the nearest `*.`."""
    if not table:
        return None
    host = host.lower()
    if (own := table.get(host)) is not None:
        return own
    while "." in host:
        host = host.partition(".")[2]
        if (above := table.get(f"*.{host}")) is not None:
            return above
    return None
