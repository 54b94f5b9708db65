"""Idle aiohttp connections: never reuse one with unread bytes (RFC 9112 9.3).

The client of this project manages its idle connections in `wire/client.py`.
"""

import asyncio
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.client_reqrep import ConnectionKey


def drop_unfit(connector: "aiohttp.BaseConnector", key: "ConnectionKey") -> None:
    """Close idle connections of aiohttp that have unread bytes (RFC 9112 9.3).

    No request asked for these bytes. aiohttp would read them as the response to the next one.
    """
    for protocol, _ in connector._conns.get(key, ()):  # there is no public API
        if protocol.should_close or has_bytes(protocol.transport):
            protocol.close()


def has_bytes(transport: asyncio.BaseTransport | None) -> bool:
    """Check whether bytes or the end of the stream wait on the socket of an idle connection."""
    if transport is None or transport.is_closing():
        return True
    poll = select.poll()
    poll.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(poll.poll(0))
