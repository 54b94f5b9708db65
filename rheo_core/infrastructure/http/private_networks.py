"""Recognise private hosts: this machine and local networks.

`resolver.py` refuses redirects to them.
"""

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
"""Names that had a private address -> True if all were private in the last lookup.

Shared by the process, because connections to these names may be kept alive.
"""
_public_names: dict[str, float] = {}
"""Names that had public addresses only -> time of their last lookup (seconds, monotonic)."""

_PUBLIC_SECONDS = 300.0
"""A name that was public does not count as private for this time, because its owner may change the
addresses while the first response is under way (DNS rebinding)."""
_MAX_PUBLIC_NAMES = 10_000


def is_private(host: str) -> bool:
    """Return True if a host name or address means this machine or a local network.

    Args:
        host: a name, or an address in any notation that inet_aton(3) reads.
    """
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
    """Remember if the addresses that a lookup found for a name are private."""
    private = list(map(is_private, addresses))
    if private and not any(private):
        _public_names.pop(name, None)
        if len(_public_names) >= _MAX_PUBLIC_NAMES:
            del _public_names[next(iter(_public_names))]
        _public_names[name] = time.monotonic()
    if any(private) or name in _private_names:
        _private_names[name] = all(private)


def may_be_private(host: str) -> bool:
    """Return True if a host is private, or a name that has had a private address."""
    return is_private(host) or host in _private_names


class OriginHost(NamedTuple):
    """Host of the user's URL, as it was when it first answered.

    Later lookups give its owner no more rights, because the name could then lead to this machine.
    """

    host: str
    is_inside: bool  # all of its addresses were private: it may redirect to other private hosts
    was_private: bool  # at least one of its addresses was private

    @classmethod
    def now(cls, host: str) -> "OriginHost":
        """Return the current knowledge about a host."""
        if time.monotonic() - _public_names.get(host, -math.inf) < _PUBLIC_SECONDS:
            return cls(host, is_inside=False, was_private=False)
        return cls(host, is_private(host) or _private_names.get(host, False), may_be_private(host))

    def must_not_lead_to(self, host: str) -> bool:
        """Return True if its redirects to `host` are refused.

        A target counts as private if it has ever had a private address. The origin counts as
        private only if all of its addresses are, because its owner could list a private one next
        to a public one.
        """
        may_return = host == self.host and self.was_private
        return may_be_private(host) and not self.is_inside and not may_return
