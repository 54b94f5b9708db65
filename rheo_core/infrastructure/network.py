"""Detect that this machine is offline: no route, or no name server that answers."""

import errno
import socket

from .http.connection_problems import NO_ROUTE, is_silent
from .http.resolver import SystemResolver

_ANYWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that only a default route reaches (RFC 5737, RFC 3849). rheo sends them no packet."""
_ANY_PORT = 9


def has_route() -> bool:
    """Return True if this machine has a default route. Does not block."""
    return any(_has_route(family, address) for family, address in _ANYWHERE)


def _has_route(family: socket.AddressFamily, address: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, _ANY_PORT))  # of UDP: it only chooses a route
    except OSError as error:
        return error.errno not in NO_ROUTE | {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
    return True


async def has_name_servers(host: str) -> bool:
    """Return True if a name server answers for `host`, even if the name is unknown."""

    try:
        await SystemResolver().resolve(host, family=socket.AF_UNSPEC)
    except OSError as error:
        return not is_silent(error)
    return True
