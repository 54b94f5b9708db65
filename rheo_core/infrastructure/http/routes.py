"""Sockets for SOCKS proxies, IP versions and network interfaces."""

import errno
import ipaddress
import socket
import sys
from collections.abc import Callable
from typing import NamedTuple

from aiohappyeyeballs import AddrInfoType

from rheo_core.domain.exceptions import RequestOptionsError

EYEBALLS_SECONDS = 0.25
"""Head start of one address before the next is tried in parallel (RFC 8305 5)."""
_IP_BOUND_IF = 25  # macOS, netinet/in.h
_IPV6_BOUND_IF = 125
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6, None: socket.AF_UNSPEC}


class Route(NamedTuple):
    """Path to servers that needs a separate connector. Without values, it is the usual one."""

    socks: str | None = None  # URL of the proxy
    ip_version: int | None = None
    interface: str | None = None  # an address or a name

    @property
    def is_named(self) -> bool:
        """True if the interface is given by its name."""
        return self.interface is not None and _version(self.interface) is None

    def check(self, host: str) -> None:
        """Check that this route can reach `host`, a name or an address.

        Raises:
            RequestOptionsError: values of the route contradict each other, or `host` is an address
                of the other IP version.
        """
        if self.socks is not None:
            if self != Route(self.socks):
                raise RequestOptionsError(
                    "a SOCKS proxy cannot be combined with ip_version or interface"
                )
            return
        version = self.ip_version or _version(self.interface or "")
        if version and _version(host) not in (None, version):
            raise RequestOptionsError(f"{host} is not an address of IP version {version}")


USUAL_ROUTE = Route()


class SocketOptions(NamedTuple):
    """Choices for the sockets of a route."""

    family: socket.AddressFamily
    local_address: tuple[str, int] | None = None
    factory: Callable[[AddrInfoType], socket.socket] | None = None


def socket_options(route: Route) -> SocketOptions:
    """Return the options of a route without a SOCKS proxy.

    Raises:
        RequestOptionsError: the interface does not exist, or is of another IP version.
    """
    family = _FAMILIES[route.ip_version]
    if route.interface is None:
        return SocketOptions(family)
    version = _version(route.interface)
    if route.is_named:
        return SocketOptions(family, factory=_interface_socket_factory(route.interface))
    if route.ip_version not in (None, version):
        raise RequestOptionsError(
            f"interface {route.interface} is not an address of IP version {route.ip_version}"
        )
    _check_address(route.interface)
    return SocketOptions(_FAMILIES[version], local_address=(route.interface, 0))


def address_info(address: str, port: int) -> AddrInfoType:
    """Return an address as `getaddrinfo` does.

    Raises:
        OSError: the zone of an IPv6 address is not an interface of this machine.
    """
    if family_of(address) == socket.AF_INET6:
        bare, _, zone = address.partition("%")
        scope = int(zone) if zone.isdecimal() else socket.if_nametoindex(zone) if zone else 0
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (bare, port, 0, scope)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


def family_of(host: str) -> socket.AddressFamily | None:
    """Return the family of an address; None for a name."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    return socket.AF_INET6 if version == 6 else socket.AF_INET


def _version(text: str) -> int | None:
    """Return the IP version of an address; None for a name."""
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return None


def _check_address(address: str) -> None:
    """Check that an address belongs to this machine.

    Raises:
        RequestOptionsError: it does not.
    """
    family, _, _, _, place = socket.getaddrinfo(address, 0, flags=socket.AI_NUMERICHOST)[0]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            problem = f"interface {address} is not an address of this computer"
            raise RequestOptionsError(problem) from None


def check_interface(name: str) -> int:
    """Return the index of an interface.

    Raises:
        RequestOptionsError: this machine has no interface of this name.
    """
    try:
        return socket.if_nametoindex(name)
    except OSError:
        raise RequestOptionsError(f"interface {name!r} does not exist on this computer") from None


def _interface_socket_factory(name: str) -> Callable[[AddrInfoType], socket.socket]:
    """Return a factory of sockets that send through the interface `name`."""
    number = check_interface(name)

    def make(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = info
        sock = socket.socket(family=family, type=kind, proto=protocol)
        try:
            if sys.platform == "darwin":
                is_v6 = family == socket.AF_INET6
                level = socket.IPPROTO_IPV6 if is_v6 else socket.IPPROTO_IP
                sock.setsockopt(level, _IPV6_BOUND_IF if is_v6 else _IP_BOUND_IF, number)
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, f"{name}\0".encode())
        except OSError as error:
            sock.close()
            if isinstance(error, PermissionError):
                raise
            # The interface, such as that of a VPN, may be gone. Nothing may take another route.
            raise OSError(error.errno, f"interface {name}: {error.strerror}") from error
        return sock

    return make
