"""Which redirects are followed."""

import ipaddress
import socket

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from yarl import URL

from rheo_core.domain.exceptions import ProtocolError
from rheo_core.domain.request_headers import Headers, for_any_origin
from rheo_core.domain.text import printable

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class RedirectGuard:
    """Sees every hop of one request (an aiohttp client middleware) and refuses unsafe ones.

    Not from https to http; not from a public address to a private or loopback one, which a user
    may name and a server may not; not where the server names two places at once.

    It also sends `headers` along: past the first origin none that may be secret, and none again
    on the way back, for then a stranger has chosen what is asked for. They are not given to
    aiohttp, which refuses Authorization where a server redirects to a URL with a login.
    """

    def __init__(self, headers: Headers = ()) -> None:
        self._headers = headers
        self._first: URL | None = None

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        url = request.url
        if self._first is None:
            self._first = url
        else:
            _check_hop(self._first, url)
            if not _is_same_origin(self._first, url):
                self._headers = for_any_origin(self._headers)
        _add_headers(request, self._headers)
        reply = await handler(request)
        if reply.status in _REDIRECTS and len(set(reply.headers.getall("Location", ()))) > 1:
            reply.close()
            raise ProtocolError("the server redirects to two places at once")
        return reply


def _check_hop(first: URL, url: URL) -> None:
    if first.scheme == "https" and url.scheme == "http":
        raise ProtocolError(f"refused a redirect from https to http ({printable(url.host or '')})")
    if is_private(url.host or "") and not is_private(first.host or ""):
        raise ProtocolError(
            f"refused a redirect to the private address {printable(url.host or '')}"
        )


def _is_same_origin(first: URL, url: URL) -> bool:
    """Whether it is; going from http to https is no step away (RFC 6797 asks for it)."""
    if first.origin() == url.origin():
        return True
    is_upgrade = (first.scheme, url.scheme) == ("http", "https") and first.host == url.host
    return is_upgrade and first.is_default_port() and url.is_default_port()


def _add_headers(request: ClientRequest, headers: Headers) -> None:
    """Put `headers` in the place of those that are there; a login in the URL goes first."""
    own = [
        (name, value)
        for name, value in headers
        if name.lower() != "authorization" or name not in request.headers
    ]
    for name, _ in own:
        request.headers.popall(name, None)
    request.headers.extend(own)


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
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return not (mapped or address).is_global
