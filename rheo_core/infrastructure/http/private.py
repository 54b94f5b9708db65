"""Which hosts are this machine or in a local network, by address or by what look-ups told."""

import ipaddress
import socket
from collections.abc import Iterable

_ENDING_IN_IPV4 = tuple(
    map(
        ipaddress.IPv6Network,
        # RFC 4291 2.5.5 (two forms), RFC 2765 2.1, RFC 6052 2.1 (NAT64)
        ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"),
    )
)
_LOCAL = tuple(map(ipaddress.IPv6Network, ("fec0::/10", "64:ff9b:1::/48")))  # RFC 3879, RFC 8215
_found: dict[str, bool] = {}
"""Names that had a private address -> whether all of them were private when last looked up.

Of the whole process, as are the connections to them that may be kept alive.
"""


def is_private(host: str) -> bool:
    """Whether a host name or address in any notation means this machine or a local network."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:  # 127.1, 0177.1 and 2130706433 are 127.0.0.1 too
            address = ipaddress.ip_address(socket.inet_aton(name))
        except OSError:
            return False
    if isinstance(address, ipaddress.IPv6Address):
        return _leads_inside(address)
    return not address.is_global


def _leads_inside(address: ipaddress.IPv6Address) -> bool:
    inner = address.sixtofour
    if any(address in network for network in _ENDING_IN_IPV4):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return not inner.is_global
    return not address.is_global or any(address in network for network in _LOCAL)


def note_addresses(name: str, addresses: Iterable[str]) -> None:
    """Remember whether what a look-up found for a name is private."""
    private = list(map(is_private, addresses))
    if any(private) or name in _found:
        _found[name] = all(private)


def may_be_private(host: str) -> bool:
    """Whether it is private, or a name that has been."""
    return is_private(host) or host in _found


def leads_inside(home: str, host: str) -> bool:
    """Whether a server at `home`, which the user named, must not send us to `host`.

    A name counts as private for what it was at any time, and as a home in the local network only
    if all of its addresses are there: its owner could list one of them beside his own.
    """
    return host != home and may_be_private(host) and not (is_private(home) or _found.get(home))
