"""One GET: counted at its host, its reply judged, its errors in our words."""

from types import TracebackType
from typing import Self

import aiohttp

from rheo_core.domain.exceptions import (
    ConnectionFailedError,
    HttpStatusError,
    ProtocolError,
)
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.text import printable
from rheo_core.infrastructure.http import Exchange, Requester

from .body import Body, body_of
from .errors import translation
from .hosts import Connection, Hosts
from .plan import Plan, Validator, check_version, read_plan
from .segments import Segment
from .sources import Source
from .state import PartState

_REFUSALS = {429, 503}  # RFC 6585 4, RFC 9110 15.6.4: too many requests, overload
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}


class Request:
    """Asks for what a segment lacks, or for the whole file where nothing is known of it.

    To be used as `async with await request.open():`; `plan` and `body` are those of the reply.

    Args:
        requester: sends it.
        hosts: counts its connection.
        connection: the place for it, not taken yet; None where it is counted already.
        source: where it goes to.
        segment: what is asked for.
        state: what is known of the file.
        version: what the reply must agree with; None: with none, as all is checked in the end.
        timeouts: limits of patience.
        options: what its download says of requests.
    """

    plan: Plan
    body: Body

    def __init__(
        self,
        requester: Requester,
        hosts: Hosts,
        connection: Connection | None,
        source: Source,
        segment: Segment,
        state: PartState,
        version: Validator | None,
        timeouts: aiohttp.ClientTimeout,
        options: RequestOptions,
    ) -> None:
        self._requester = requester
        self._hosts = hosts
        self._connection = connection
        self._source = source
        self._segment = segment
        self._state = state
        self._version = version
        self._timeouts = timeouts
        self._options = options
        self._exchange: Exchange | None = None
        self._is_answered = False

    async def open(self) -> Self:
        """Send it, and read the head of the reply.

        Raises:
            ChangedError: the reply brings another version than `state` tells of.
            RangeRefusedError: it does not bring the range.
            DownloadError: any other failure.
        """
        if self._connection is not None:
            await self._connection.begin()
        try:
            await self._ask()
        except BaseException as error:
            if self._is_refusal(self._translated(error)):
                self._hosts.refused(self._source.host)
            await self._leave(error)
            raise
        if self._connection is not None:
            self._connection.answered()
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raise what went wrong in the block in our words."""
        await self._leave(error)

    async def _ask(self) -> None:
        asked = _range_headers(self._segment, self._state.total, self._version)
        self._exchange = self._requester.get(
            self._source.url, _HEADERS | asked, self._timeouts, self._options
        )
        reply = await self._exchange.open()
        self.body = body_of(reply, self._timeouts.sock_read)
        self._is_answered = True
        _check_coding(reply)
        offset = self._segment.received if asked else None
        self.plan = read_plan(
            reply.status, reply.reason or "", reply.headers, _length(reply), offset
        )
        if self.plan.partial:
            self.check_version()
            self._source.version = self.plan.validator

    def check_version(self) -> None:
        """See that the reply is of the version begun.

        Raises:
            ChangedError: it is not.
        """
        state = self._state
        check_version(self.plan, state.total, self._version, state.promised)

    async def _leave(self, error: BaseException | None) -> None:
        """Let go of reply and connection; raise what went wrong, if it has another name here."""
        try:
            if self._is_answered:
                self.body.close()
            if self._exchange is not None:
                await self._exchange.close(error)
        finally:
            if self._connection is not None:
                self._connection.end()
        ours = self._translated(error)
        if ours is not None and ours is not error:
            raise ours from error

    def _translated(self, error: BaseException | None) -> BaseException | None:
        if error is None:
            return None
        host = self._exchange.host if self._exchange is not None else ""
        return translation(error, host or self._source.name, self._timeouts) or error

    def _is_refusal(self, error: BaseException | None) -> bool:
        """Whether the host wants fewer connections, as far as that can be told."""
        if isinstance(error, HttpStatusError):
            return error.status in _REFUSALS
        lost = isinstance(error, ConnectionFailedError)
        return lost and self._hosts.bears_others(self._source.host)


def _range_headers(
    segment: Segment, total: int | None, version: Validator | None
) -> dict[str, str]:
    """Ask for a range where a strong validator guards it (RFC 9110 13.1.5), or none has to."""
    if segment.received == 0 and segment.end == total:
        return {}
    last = "" if segment.end in (None, total) else str(segment.end - 1)
    asked = {"Range": f"bytes={segment.received}-{last}"}
    if version is None:
        return asked
    return {} if version.if_range is None else {**asked, "If-Range": version.if_range}


def _check_coding(reply: aiohttp.ClientResponse) -> None:
    """Refuse transfer codings that nobody asked for (RFC 9112 6.1)."""
    codings = ", ".join(reply.headers.getall("Transfer-Encoding", ()))
    if codings and codings.strip(" \t").lower() != "chunked":
        raise ProtocolError(f"transfer coding {printable(codings)!r} is not understood")


def _length(reply: aiohttp.ClientResponse) -> int | None:
    """Bytes of the body, where a header tells (RFC 9112 6.3: chunked coding overrides it)."""
    return None if "Transfer-Encoding" in reply.headers else reply.content_length
