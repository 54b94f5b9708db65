"""Where a redirect leads, and whether it is followed."""

from urllib.parse import quote, urlsplit

from aiohttp import ClientResponse

from rheo_core.domain.exceptions import ProtocolError
from rheo_core.domain.file_config import normalise_url
from rheo_core.domain.references import resolve
from rheo_core.domain.text import printable

from .private_networks import OriginHost

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEPT = "\t" + "".join(map(chr, range(0x21, 0x7F)))  # tabs are removed


def next_url(url: str, reply: ClientResponse) -> str | None:
    """Where the reply to a request for `url` sends us; None where it is the last one.

    Raises:
        ProtocolError: to two places at once, or to what is no http(s) URL.
    """
    if reply.status not in _REDIRECTS:
        return None
    locations = set(reply.headers.getall("Location", ()))
    if len(locations) > 1:
        raise ProtocolError("the server redirects to two places at once")
    location = locations.pop() if locations else ""
    if not location:
        return None
    # Servers send what no URL may hold; browsers encode it too.
    location = quote(location.encode(errors="surrogateescape"), safe=_KEPT)
    try:
        return normalise_url(resolve(url, location)).partition("#")[0]
    except ValueError as error:
        raise ProtocolError(f"redirect to an unusable address: {error}") from None


def check_hop(origin_host: OriginHost, before: str, url: str, *, allow_downgrade: bool) -> None:
    """Refuse what a user may ask for and a server may not.

    Args:
        origin_host: the host of the user's URL.
        before: the one that leads to `url`.

    Raises:
        ProtocolError: from https to http, or from a public address to one of this machine or a
            local network.
    """
    target = urlsplit(url)
    if target.scheme == "http" and urlsplit(before).scheme == "https" and not allow_downgrade:
        raise ProtocolError(
            f"refused a redirect from https to http ({printable(target.hostname or '')}); "
            "allow_downgrade permits it"
        )
    if origin_host.must_not_lead_to(target.hostname or ""):
        raise ProtocolError(
            f"refused a redirect to the private address {printable(target.hostname or '')}"
        )
