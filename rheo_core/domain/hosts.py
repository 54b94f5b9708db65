"""Host names and host patterns such as `*.example.org`."""

import ipaddress
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, TypeVar

from .text import printable, shorten

T = TypeVar("T")
_MAX_LABEL_LENGTH = 63
_MAX_NAME_LENGTH = 253  # characters, without the dot at the end
_MAX_SHOWN_LENGTH = 80
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?$")
_BRACKETED = re.compile(r"\[[^\[\]]*\](?::.*)?")
_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class HostLimits:
    """Limits of one host; None stands for the general limit."""

    speed_limit_bps: int | None = None  # for all its downloads together
    connections: int | None = None
    max_concurrent: int | None = None  # number of downloads that run at once

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ValueError: one is less than 1.
        """
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and value < 1:
                raise ValueError(f"{each.name} of a host is {value}; it must be at least 1")

    def over(self, base: "HostLimits") -> "HostLimits":
        """Return these limits, with those of `base` where they are None."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        own = {name: value for name, value in values.items() if value is not None}
        return replace(base, **own)


class HostWait(NamedTuple):
    """Reason why the downloads of a host wait."""

    connections: int  # in use or reserved
    allowed: int  # 0: the host requested a pause
    cause: str = ""  # what lowered the limit, such as `HTTP 429`; "": it is the usual one
    lifts_at: float | None = None  # time when one more is allowed, seconds since the epoch


def ascii_host(name: str) -> str:
    """Return a host name in ASCII, as browsers encode it (UTS 46): `xn--fa-hia.de` for `faß.de`.

    Raises:
        ValueError: no host can have this name.
    """
    if name.isascii():
        return name
    import idna  # slow to import because of its tables

    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:  # browsers accept more than IDNA 2008, such as emoji
        try:
            return name.encode("idna").decode("ascii")
        except UnicodeError:
            shown = printable(name[:_MAX_SHOWN_LENGTH])
            raise ValueError(
                f"host {shown!r} has a part that is empty or has over {_MAX_LABEL_LENGTH} "
                "characters"
            ) from None


def dotted_host(host: str) -> str:
    """Return an IPv4 address in any notation as four numbers, and other names unchanged.

    Browsers and curl read `127.1` and `2130706433` as addresses (WHATWG URL, 3.5 Host parsing).

    Raises:
        ValueError: the last part is a number, but the name is not an address.
    """
    if not _ENDS_IN_NUMBER.search(host):
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host.removesuffix(".")))
    except OSError:
        shown = printable(host[:_MAX_SHOWN_LENGTH])
        raise ValueError(f"host {shown!r} ends in a number, but is not an IPv4 address") from None


def check_labels(host: str) -> None:
    """Check the lengths of an ASCII host name (RFC 1035 2.3.4). A trailing dot is allowed.

    Raises:
        ValueError: a label is empty or too long, or the whole name is too long.
    """
    labels = host.removesuffix(".").split(".")
    shown = shorten(host, _MAX_SHOWN_LENGTH)
    if "" in labels:
        raise ValueError(f"host {shown!r} has an empty part; remove the extra dot")
    if max(map(len, labels)) > _MAX_LABEL_LENGTH:
        raise ValueError(f"a part of host {shown!r} is longer than {_MAX_LABEL_LENGTH} characters")
    if len(host.removesuffix(".")) > _MAX_NAME_LENGTH:
        raise ValueError(f"host {shown!r} is longer than {_MAX_NAME_LENGTH} characters")


def check_brackets(place: str) -> None:
    """Check that a host in brackets has no text around it, which `urlsplit` would ignore.

    Args:
        place: host and port of a URL (RFC 3986 3.2.2).

    Raises:
        ValueError: there is other text before or after the brackets.
    """
    if not _BRACKETED.fullmatch(place):
        raise ValueError("there is text outside the brackets of its IPv6 address")


def normalise_host_pattern(text: str) -> str:
    """Return a host or a pattern for the hosts below a name (`*.example.org`), in lower case.

    Raises:
        ValueError: the text is neither.
    """
    pattern = text.strip().lower().removeprefix("[").removesuffix("]").removesuffix(".")
    star = "*." if pattern.startswith("*.") else ""
    try:
        if ":" in pattern:
            return _canonical(str(ipaddress.IPv6Address(pattern)))
        pattern = star + ascii_host(pattern.removeprefix(star))
    except ValueError:
        pattern = ""
    if not _PATTERN.fullmatch(pattern):
        raise ValueError("should be a host such as example.org or *.example.org, without a port")
    return _canonical(pattern)


def normalise_host(text: str) -> str:
    """Return a host as `normalise_host_pattern` does, but refuse patterns.

    Raises:
        ValueError: the text is not one host. The message continues a sentence after the text.
    """
    with suppress(ValueError):
        if not (host := normalise_host_pattern(text)).startswith("*."):
            return host
    raise ValueError("should be one host such as example.org, without a port")


def by_host(tables: Mapping[str, T]) -> dict[str, T]:
    """Return tables by their hosts or patterns, see `normalise_host_pattern`.

    Raises:
        ValueError: a key is neither, or two keys are the same host with different tables.
    """
    found = dict[str, T]()
    for key, table in tables.items():
        try:
            host = normalise_host_pattern(key)
        except ValueError as error:
            raise ValueError(f"the host {printable(key)!r} {error}") from None
        if found.setdefault(host, table) != table:
            raise ValueError(f"the host {printable(key)!r} has two different tables")
    return found


def _canonical(host: str) -> str:
    """Return `host`; if it is an address, in its canonical form.

    `[0::1]` is `::1`; `0x7f.1` and `[::ffff:127.0.0.1]` are `127.0.0.1`. Otherwise a list could
    evade a table by another spelling of an address.
    """
    with suppress(ValueError, OSError):
        if ":" in host:
            address = ipaddress.IPv6Address(host.partition("%")[0])
            return str(address.ipv4_mapped or address)
        if host.rpartition(".")[2][:1].isdigit():
            return socket.inet_ntoa(socket.inet_aton(host))
    return host


def host_key(host: str) -> str:
    """Return one key for all spellings of a host, given without its port.

    Addresses get their canonical form. A trailing dot is dropped: it leads to the same host.
    """
    return _canonical(host.lower().removesuffix("."))


def patterns_for(host: str) -> Iterator[str]:
    """Yield the patterns that match `host`, given without its port; the most specific first."""
    host = host_key(host)
    yield host
    host = host.removeprefix("*.")
    while "." in host:
        host = host.partition(".")[2]
        yield f"*.{host}"


def is_same_host(one: str, other: str) -> bool:
    """Return True if two spellings mean the same host."""
    return one == other or host_key(one) == host_key(other)


def entries_for(table: Mapping[str, T], host: str) -> Iterator[T]:
    """Yield the entries of a table that match a host, the most specific first.

    Args:
        table: entries by host or pattern.
        host: a name without its port, or a pattern.
    """
    for pattern in patterns_for(host):
        if (entry := table.get(pattern)) is not None:
            yield entry


def find_host(table: Mapping[str, T], host: str) -> T | None:
    """Return the most specific entry for a host; None if there is none."""
    return next(entries_for(table, host), None) if table else None
