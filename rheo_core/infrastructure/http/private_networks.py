"""Which hosts are this machine or in a local network, by address or by what look-ups told."""

import ipaddress
import math
import socket
import time
from collections.abc import Iterable
from typing import NamedTuple

_EMBEDDED_IPV4_NETWORKS = tuple(
    map(
        ipaddress.IPv6Network,
        # RFC 4291 2.5.5 (two forms), RFC 2765 2.1, RFC 6052 2.1 (NAT64)
        ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"),
    )
)
_LOCAL_NETWORKS = tuple(
    map(ipaddress.IPv6Network, ("fec0::/10", "64:ff9b:1::/48"))
)  # RFC 3879, RFC 8215
_private_names: dict[str, bool] = {}
"""Names that had a private address -> whether all of them were private when last looked up.

Of the whole process, as are the connections to them that may be kept alive.
"""
_public_names: dict[str, float] = {}
"""Names that had public addresses only -> when they were last looked up (seconds, monotonic)."""

_PUBLIC_SECONDS = 300.0
"""A name that was public is no home in the local network for this time: whoever owns it may change
its addresses while a first reply is under way."""
_MAX_PUBLIC_NAMES = 10_000


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
        return _embeds_private_ipv4(address)
    return not address.is_global


def _embeds_private_ipv4(address: ipaddress.IPv6Address) -> bool:
    inner = address.sixtofour
    if any(address in network for network in _EMBEDDED_IPV4_NETWORKS):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return not inner.is_global
    return not address.is_global or any(address in network for network in _LOCAL_NETWORKS)


def note_addresses(name: str, addresses: Iterable[str]) -> None:
    """Remember whether what a look-up found for a name is private."""
    private = list(map(is_private, addresses))
    if private and not any(private):
        _public_names.pop(name, None)
        if len(_public_names) >= _MAX_PUBLIC_NAMES:
            del _public_names[next(iter(_public_names))]
        _public_names[name] = time.monotonic()
    if any(private) or name in _private_names:
        _private_names[name] = all(private)


def may_be_private(host: str) -> bool:
    """Whether it is private, or a name that has been."""
    return is_private(host) or host in _private_names


class OriginHost(NamedTuple):
    """The host that the user named, as it was when it answered first.

    What a later look-up tells of it gives its owner no further rights: the name could lead to
    this machine by then.
    """

    host: str
    is_inside: bool  # all of its addresses were private: it may send us to others of that kind
    was_private: bool  # at least one of them was

    @classmethod
    def now(cls, host: str) -> "OriginHost":
        """Return what is known of a host."""
        if time.monotonic() - _public_names.get(host, -math.inf) < _PUBLIC_SECONDS:
            return cls(host, is_inside=False, was_private=False)
        return cls(host, is_private(host) or _private_names.get(host, False), may_be_private(host))

    def must_not_lead_to(self, host: str) -> bool:
        """Return whether its redirects to `host` are refused.

        A name counts as private for what it was at any time, and as a home in the local network
        only if all of its addresses are there: its owner could list one of them beside his own.
        """
        may_return = host == self.host and self.was_private
        return may_be_private(host) and not self.is_inside and not may_return
