"""Signs of a missing network: errors, routes, and name servers that do not answer."""

import errno
import socket

from rheo_core.domain.exceptions import (
    ConnectionFailedError,
    HostNotFoundError,
    NoNetworkError,
)

_NO_NETWORK = {errno.ENETUNREACH, errno.ENETDOWN}
_ANYWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that only a default route leads to (RFC 5737, RFC 3849). No packet is sent to them."""
_ANY_PORT = 9


def is_unreachable(error: OSError) -> bool:
    """Return True if this machine has no route for a packet."""
    return not isinstance(error, socket.gaierror) and error.errno in _NO_NETWORK


def failed_look_up(host: str, error: OSError) -> ConnectionFailedError:
    """Return the error for a name look-up that failed."""
    if _is_silent(error):
        return NoNetworkError(host, "no name server answers", is_look_up=True)
    return HostNotFoundError(host)


def has_route() -> bool:
    """Return True if this machine has a default route. Does not block."""
    return any(_has_route(family, address) for family, address in _ANYWHERE)


def _has_route(family: socket.AddressFamily, address: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, _ANY_PORT))  # of UDP: it only chooses a route
    except OSError as error:
        return error.errno not in _NO_NETWORK | {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
    return True


async def has_name_servers(host: str) -> bool:
    """Return True if a name server answers for `host`, even if the name is unknown."""
    from .http.resolver import SystemResolver  # the modules of HTTP import this one

    try:
        await SystemResolver().resolve(host, family=socket.AF_UNSPEC)
    except OSError as error:
        return not _is_silent(error)
    return True


def _is_silent(error: OSError) -> bool:
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
