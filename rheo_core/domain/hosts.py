"""Which hosts a name in a table stands for: `example.org`, or `*.example.org`."""

import ipaddress
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from .text import printable

T = TypeVar("T")
_MAX_LABEL_LENGTH = 63
_MAX_NAME_LENGTH = 253  # characters, without the dot at the end
_MAX_SHOWN_LENGTH = 80
_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class HostLimits:
    """Limits of one host; None leaves one to what holds for all."""

    speed_limit_bps: int | None = None  # for all downloads from it together
    connections: int | None = None
    max_concurrent: int | None = None  # downloads that run at once

    def over(self, base: "HostLimits") -> "HostLimits":
        """These, and what they leave open as `base` has it."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        own = {name: value for name, value in values.items() if value is not None}
        return replace(base, **own)


def ascii_host(name: str) -> str:
    """A host name as DNS knows it, in the way of browsers (UTS 46): `faß.de` is `xn--fa-hia.de`.

    Raises:
        ValueError: it can be none.
    """
    if name.isascii():
        return name
    import idna  # its tables take a while to read

    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:  # browsers take more than IDNA 2008: hearts and snowmen
        try:
            return name.encode("idna").decode("ascii")
        except UnicodeError:
            shown = printable(name[:_MAX_SHOWN_LENGTH])
            raise ValueError(
                f"host {shown!r} has a part that is empty or has over {_MAX_LABEL_LENGTH} "
                "characters"
            ) from None


def check_labels(host: str) -> None:
    """Look whether DNS can hold a name in ASCII; one dot at its end is allowed (RFC 1035 2.3.4).

    Raises:
        ValueError: a label is empty or too long, or the whole is.
    """
    labels = host.removesuffix(".").split(".")
    shown = host if len(host) <= _MAX_SHOWN_LENGTH else f"{host[:_MAX_SHOWN_LENGTH]}…"
    if "" in labels:
        raise ValueError(f"host {shown!r} has a dot too many; an empty part is not allowed")
    if max(map(len, labels)) > _MAX_LABEL_LENGTH:
        raise ValueError(f"a part of host {shown!r} is longer than {_MAX_LABEL_LENGTH} characters")
    if len(host.removesuffix(".")) > _MAX_NAME_LENGTH:
        raise ValueError(f"host {shown!r} is longer than {_MAX_NAME_LENGTH} characters")


def normalise_host_pattern(text: str) -> str:
    """A host's name or address, or `*.` and a name for every host below it, in lower case.

    Raises:
        ValueError: it is neither.
    """
    pattern = text.strip().lower().removeprefix("[").removesuffix("]").removesuffix(".")
    star = "*." if pattern.startswith("*.") else ""
    try:
        if ":" in pattern:
            return _usual_form(str(ipaddress.IPv6Address(pattern)))
        pattern = star + ascii_host(pattern.removeprefix(star))
    except ValueError:
        pattern = ""
    if not _PATTERN.fullmatch(pattern):
        raise ValueError("should be a host such as example.org or *.example.org, without a port")
    return _usual_form(pattern)


def _usual_form(host: str) -> str:
    """`host`, if it is an address in the one form of it that tables have.

    `[0::1]` is `::1`; `0x7f.1` and `[::ffff:127.0.0.1]` are `127.0.0.1`. Who writes a list must not
    get round a table by writing the address differently.
    """
    with suppress(ValueError, OSError):
        if ":" in host:
            address = ipaddress.IPv6Address(host.partition("%")[0])
            return str(address.ipv4_mapped or address)
        if host.rpartition(".")[2][:1].isdigit():
            return socket.inet_ntoa(socket.inet_aton(host))
    return host


def host_key(host: str) -> str:
    """Return one text for a host (a name without its port), however it is written.

    A dot at the end leads to the same host, so it is left out; addresses may have any form.
    """
    return _usual_form(host.lower().removesuffix("."))


def patterns_for(host: str) -> Iterator[str]:
    """The patterns that stand for `host` (a name without its port), the nearest first."""
    host = host_key(host)
    yield host
    host = host.removeprefix("*.")
    while "." in host:
        host = host.partition(".")[2]
        yield f"*.{host}"


def is_same_host(one: str, other: str) -> bool:
    """Whether both are one host, whatever the form of an address or a dot at the end."""
    return one == other or host_key(one) == host_key(other)


def entries_for(table: Mapping[str, T], host: str) -> Iterator[T]:
    """The entries of `host` (a name without its port): its own, then that of each `*.` above it.

    For a pattern, which may stand for `host`, those of the hosts that it stands for.
    """
    for pattern in patterns_for(host):
        if (entry := table.get(pattern)) is not None:
            yield entry


def find_host(table: Mapping[str, T], host: str) -> T | None:
    """The first of `entries_for`, the nearest."""
    return next(entries_for(table, host), None) if table else None
