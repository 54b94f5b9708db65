"""One GET: counted at its host, its reply judged, its errors in our words."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp

from rheo_core.domain.exceptions import DownloadError, ProtocolError
from rheo_core.domain.file_config import host_of
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.text import printable
from rheo_core.domain.tuning import Tuning
from rheo_core.infrastructure.http import Exchange, Requester

from .body import Body, body_of
from .errors import translation
from .host_limits import Connection
from .response_head import ResponseHead, Validator, check_version, parse_response_head
from .segments import Segment
from .sources import Source, Sources
from .state import PartState

_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}


class Request:
    """Asks for what a segment lacks, or for the whole file where nothing is known of it.

    To be used as `async with await request.open():`; `head` and `body` are those of the reply.

    Args:
        requester: sends it.
        connection: the place for it.
        is_counted: the connection has its place already, and keeps it afterwards.
        sources: those of its download; they know which hosts have refused enough.
        source: where it goes to.
        segment: what is asked for.
        state: what is known of the file.
        version: what the reply must agree with; None: with none, as all is checked in the end.
        timeouts: limits of patience.
        options: what its download says of requests.
        check_page: refuses a web page sent instead of a part of the file.
        tuning: limit of the time between two writes.
    """

    head: ResponseHead
    body: Body

    def __init__(
        self,
        requester: Requester,
        connection: Connection,
        sources: Sources,
        source: Source,
        segment: Segment,
        state: PartState,
        version: Validator | None,
        timeouts: aiohttp.ClientTimeout,
        options: RequestOptions,
        check_page: Callable[[ResponseHead, PartState], None],
        tuning: Tuning,
        *,
        is_counted: bool,
    ) -> None:
        self._requester = requester
        self.connection = connection
        self._host = source.host  # the one that is asked
        self._is_sent_there = True
        self._is_counted = is_counted
        self._sources = sources
        self._source = source
        self._segment = segment
        self._state = state
        self._version = version
        self._timeouts = timeouts
        self._options = options
        self._check_page = check_page
        self._tuning = tuning
        self._exchange: Exchange | None = None
        self._is_answered = False

    async def open(self) -> Self:
        """Send it, and read the head of the reply.

        Raises:
            HostFullError: it was redirected to a host that has no room.
            ChangedError: the reply brings another version than `state` tells of.
            RangeRefusedError: it does not bring the range.
            WebPageError: it brings a web page as the range.
            DownloadError: any other failure.
        """
        if not self._is_counted:
            await self.connection.begin()
        try:
            await self._ask()
            if self._host != self.connection.host:  # one that was counted at another host
                await self.connection.move(self._host)
        except BaseException as error:
            self._source.final_host = self._host
            self._note_refusal(self._translated(error))
            await self._leave(error)
            raise
        self._source.final_host = self._host
        self._sources.answered(self._host)
        self.connection.answered()
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
        range_headers = _range_headers(self._segment, self._state.total, self._version)
        self._exchange = self._requester.get(
            self._source.url, _HEADERS | range_headers, self._timeouts, self._options
        )
        reply = await self._exchange.open(self._go_on_to)
        self.body = body_of(reply, self._timeouts.sock_read, self._tuning.max_batch_seconds)
        self._is_answered = True
        _check_coding(reply)
        offset = self._segment.received if range_headers else None
        self.head = parse_response_head(
            reply.status, reply.reason or "", reply.headers, _length(reply), offset
        )
        if self.head.partial:
            self._check_page(self.head, self._state)
            self.check_version()
            self._source.version = self.head.validator

    async def _go_on_to(self, url: str) -> None:
        """Count the connection at the host that a redirect leads to."""
        self._host = host_of(url)
        self._is_sent_there = False
        self._sources.check_host(self._host)
        await self.connection.move(self._host)
        self._is_sent_there = True

    def check_version(self) -> None:
        """See that the reply is of the version begun.

        Raises:
            ChangedError: it is not.
        """
        state = self._state
        check_version(self.head, state.total, self._version, state.promised)

    async def _leave(self, error: BaseException | None) -> None:
        """Let go of reply and connection; raise what went wrong, if it has another name here."""
        try:
            if self._is_answered:
                self.body.close()
            if self._exchange is not None:
                await self._exchange.close(error)
        finally:
            if not self._is_counted:
                self.connection.end()
        ours = self._translated(error)
        if ours is not None and ours is not error:
            raise ours from error

    def _translated(self, error: BaseException | None) -> BaseException | None:
        if error is None:
            return None
        host = self._exchange.host if self._exchange is not None else ""
        return translation(error, host or self._source.name, self._timeouts) or error

    def _note_refusal(self, error: BaseException | None) -> None:
        if not self._is_sent_there or not self.connection.is_refusal(self._host, error):
            return
        if isinstance(error, DownloadError):
            self._sources.refused(self._host, error)


def _range_headers(
    segment: Segment, total: int | None, version: Validator | None
) -> dict[str, str]:
    """Ask for a range where a strong validator guards it (RFC 9110 13.1.5), or none has to."""
    if segment.received == 0 and segment.end == total:
        return {}
    last = "" if segment.end in (None, total) else str(segment.end - 1)
    headers = {"Range": f"bytes={segment.received}-{last}"}
    if version is None:
        return headers
    return {} if version.if_range is None else {**headers, "If-Range": version.if_range}


def _check_coding(reply: aiohttp.ClientResponse) -> None:
    """Refuse transfer codings that nobody asked for (RFC 9112 6.1)."""
    codings = ", ".join(reply.headers.getall("Transfer-Encoding", ()))
    if codings and codings.strip(" \t").lower() != "chunked":
        raise ProtocolError(f"transfer coding {printable(codings)!r} is not understood")


def _length(reply: aiohttp.ClientResponse) -> int | None:
    """Bytes of the body, where a header tells (RFC 9112 6.3: chunked coding overrides it)."""
    return None if "Transfer-Encoding" in reply.headers else reply.content_length
