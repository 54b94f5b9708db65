"""Send one GET, counted against its host; check the response and translate errors."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rheo_core.domain.exceptions import DownloadError, ProtocolError
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.text import quoted
from rheo_core.domain.tuning import Tuning
from rheo_core.domain.urls import host_of
from rheo_core.infrastructure.http import Exchange, Requester, Response, SentHop, Timeouts

from .body import Body, body_of
from .connection_permit import ConnectionPermit
from .errors import translation
from .part_state import PartState
from .response_head import (
    ResponseHead,
    check_version,
    check_whole,
    parse_response_head,
)
from .segments import Segment
from .sources import Source, Sources
from .validators import Validator


class Request:
    """Requests the missing range of a segment, or the whole file if it is unknown.

    Use it as `async with await request.open():`. `head` and `body` are those of the response.

    Args:
        requester: sends the request.
        permit: for the connection to the host.
        sources: sources of the download, which know hosts that have refused.
        source: the URL to request.
        segment: the range to request.
        state: known facts about the file.
        version: validator that the response must match; None: any, because all bytes are verified
            at the end.
        timeouts: time limits.
        options: options of the download for its requests.
        check_page: refuses a web page sent instead of a part of the file.
        tuning: limit of the time between two writes.
        is_counted: the permit is already taken, and stays taken afterwards.
    """

    head: ResponseHead
    body: Body

    def __init__(
        self,
        requester: Requester,
        permit: ConnectionPermit,
        sources: Sources,
        source: Source,
        segment: Segment,
        state: PartState,
        version: Validator | None,
        timeouts: Timeouts,
        options: RequestOptions,
        check_page: Callable[[ResponseHead, PartState], None],
        tuning: Tuning,
        *,
        is_counted: bool,
    ) -> None:
        self._requester = requester
        self.permit = permit
        self._host = source.host  # gets the request
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
        self._offset: int | None = None  # of the requested range

    async def open(self) -> Self:
        """Send the request and read the head of the response.

        Raises:
            HostFullError: the host had no room for a while, or a redirect led to a full one.
            ChangedError: the response has another version of the file than `state`.
            RangeRefusedError: the response does not have the range.
            WebPageError: the response has a web page as the range.
            DownloadError: any other failure.
        """
        if not self._is_counted:
            await self.permit.begin()
        try:
            await self._ask()
            if self._host != self.permit.host:  # a permit taken for another host
                await self.permit.move(self._host)
        except BaseException as error:
            self._source.final_host = self._host
            self._note_refusal(self._translated(error))
            await self._leave(error)
            raise
        self._source.final_host = self._host
        self._sources.answered(self._host)
        self.permit.answered()
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the response; raise an error in the block as a DownloadError."""
        await self._leave(error)

    async def _ask(self) -> None:
        range_headers = _range_headers(self._segment, self._state.total, self._version)
        self._exchange = self._requester.get(
            self._source.url, range_headers, self._timeouts, self._options
        )
        self._requester.recent.note(self.permit.download_id, self._exchange.hops)
        response = await self._exchange.open(self._go_on_to)
        self.body = body_of(response, self._timeouts.read, self._tuning.max_batch_seconds)
        self._is_answered = True
        _check_coding(response)
        self._offset = self._segment.received if range_headers else None
        self.head = parse_response_head(
            response.status,
            response.reason or "",
            response.headers,
            _length(response),
            self._offset,
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
        await self.permit.move(self._host)
        self._is_sent_there = True

    @property
    def last_hop(self) -> SentHop:
        """The request that was not redirected, with its response."""
        assert self._exchange is not None, "the request is not open"
        return self._exchange.hops[-1]

    def check_version(self) -> None:
        """Check that the response has the version of the partial file.

        Raises:
            ChangedError: it has another version.
        """
        state = self._state
        check_version(self.head, state.total, self._version, state.promised)

    def check_whole(self) -> None:
        """Check that a response with the whole file does not have the requested range instead.

        Raises:
            UnprovenWholeError: it may have.
        """
        if self._offset is not None:
            check_whole(self.head, self._state.total)

    async def _leave(self, error: BaseException | None) -> None:
        """Close response and connection; raise the translation of `error`, if it has one."""
        try:
            if self._is_answered:
                self.body.close()
            if self._exchange is not None:
                await self._exchange.close(error)
        finally:
            if not self._is_counted:
                self.permit.end()
        ours = self._translated(error) if error is not None else None
        if ours is not None and ours is not error:
            raise ours from error

    def _translated(self, error: BaseException | None) -> BaseException | None:
        if error is None:
            return None
        host = self._exchange.host if self._exchange is not None else ""
        return translation(error, host or self._source.name, self._timeouts) or error

    def _note_refusal(self, error: BaseException | None) -> None:
        if not self._is_sent_there or not self.permit.is_refusal(self._host, error):
            return
        if isinstance(error, DownloadError):
            self._sources.refused(self._host, error)


def _range_headers(
    segment: Segment, total: int | None, version: Validator | None
) -> dict[str, str]:
    """Return headers for a range, which a strong validator guards (RFC 9110 13.1.5) if necessary.

    Return none if the whole file is requested, or if such a validator is missing.
    """
    if segment.received == 0 and segment.end == total:
        return {}
    last = "" if segment.end in (None, total) else str(segment.end - 1)
    headers = {"Range": f"bytes={segment.received}-{last}"}
    if version is None:
        return headers
    return {} if version.if_range is None else {**headers, "If-Range": version.if_range}


def _check_coding(response: Response) -> None:
    """Refuse transfer codings that were not requested (RFC 9112 6.1)."""
    if "Transfer-Encoding" not in response.headers:
        return
    codings = ", ".join(response.headers.getall("Transfer-Encoding"))
    if codings and codings.strip(" \t").lower() != "chunked":
        raise ProtocolError(f"transfer coding {quoted(codings)!r} is not supported")


def _length(response: Response) -> int | None:
    """Return the length of the body from its header (RFC 9112 6.3: chunked coding overrides it)."""
    return None if "Transfer-Encoding" in response.headers else response.content_length
