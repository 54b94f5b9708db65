"""One attempt at moving a file: ask, judge the reply, set connections to work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import aiohttp

from rheo_core.domain.exceptions import DownloadTimeoutError, ProtocolError
from rheo_core.domain.text import printable
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.http import BaseHttpClient, RedirectGuard
from rheo_core.tracking.record import DownloadRecord

from .body import Body, body_of
from .crew import Crew
from .errors import translated_errors
from .limits import TokenBucket
from .part_file import PartFile
from .plan import (
    ChangedError,
    NothingLeftError,
    Plan,
    RangeRefusedError,
    Validator,
    check_version,
    read_plan,
)
from .segments import Segment, SegmentMap
from .state import PartState

_MOST_REDIRECTS = 10
_MOST_ROUNDS = 4
"""In one attempt: with a range, without, under the name the server gives, and once more."""

Place = Callable[[str], Awaitable[PartFile]]
"""Say where a file of the name that the server suggests goes; returns its opened part file."""


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """Limits of patience (seconds, None: endless), size of writes (bytes), connections."""

    timeout: float | None = None
    connect_timeout: float | None = 30.0
    stall_timeout: float | None = 60.0
    chunk_size: int = 1 << 20
    connections: int = 1


class Transfer:
    """Moves the bytes of one download into its part file."""

    def __init__(
        self,
        client: BaseHttpClient,
        disk: DiskThreads,
        limits: Sequence[TokenBucket],
        options: TransferOptions,
        record: DownloadRecord,
        place: Place,
        announce: Callable[[], None],
        explain: Callable[[str], None],
    ) -> None:
        self.disk = disk
        self.limits = limits
        self.options = options
        self.record = record
        self._client = client
        self._place = place
        self.explain = explain  # told why it goes as it goes
        self._announce = announce  # called once the reply's head is known to be good
        self._url = record.config.url
        self.host = urlsplit(self._url).hostname or self._url
        self._timeouts = aiohttp.ClientTimeout(
            total=None, sock_connect=options.connect_timeout, sock_read=options.stall_timeout
        )

    async def run(self, part: PartFile) -> PartFile:
        """Fetch what `part` lacks; return the part file that is whole then.

        It is another one than `part` where the server named the file. The first reply is plan
        and data at once: nothing is probed and thrown away.

        Raises:
            DownloadError: what came is kept for the next attempt.
        """
        limit = self.record.config.timeout or self.options.timeout
        try:
            async with asyncio.timeout(limit):
                return await self._rounds(part)
        except TimeoutError as error:
            raise DownloadTimeoutError("download not complete", limit) from error

    async def _rounds(self, part: PartFile) -> PartFile:
        for _ in range(_MOST_ROUNDS):
            state = part.state
            if state.total is not None and state.offset == state.total:
                self.record.total_bytes = self.record.bytes_downloaded = state.total
                self._announce()
                return part
            try:
                is_whole, part = await self._round(part)
            except RangeRefusedError as refused:
                if isinstance(refused, ChangedError):  # some servers have an ETag a machine
                    self.options = replace(self.options, connections=1)
                if _is_all_there(refused, part.state):
                    part.state = replace(part.state, total=part.state.offset)
                else:
                    await self.disk.run(part.begin, None, Validator())
                continue
            if is_whole:
                return part
        raise ProtocolError("the server keeps changing its answer")

    async def _round(self, part: PartFile) -> tuple[bool, PartFile]:
        """Ask once and work on the answer; returns whether the file is whole, and its part.

        Raises:
            RangeRefusedError: only a fresh start can help.
        """
        segments = SegmentMap(part.state.total, part.state.written)
        segment = segments.first()
        async with self.request(segment, part.state) as (plan, body):
            if not plan.partial:
                if plan.name is not None:
                    part = await self._place(plan.name)
                    if _continues(plan, part.state):
                        return False, part
                await self.disk.run(part.begin, plan.total, plan.validator)
                segments = SegmentMap(plan.total)
                segment = segments.first()
            elif part.state.total is None:  # the first reply did not tell it, this one does
                part.state = replace(part.state, total=plan.total)
                segments = SegmentMap(plan.total, part.state.written)
                segment = segments.first()
            self._check_size(plan.total)
            if plan.total is not None:
                await self.disk.run(part.check_room, plan.total)
            self._show(plan, segments)
            await Crew(self, part, segments).run(segment, plan, body)
        written = segments.written()
        size = sum(piece.end - piece.start for piece in written)
        self.record.total_bytes = self.record.bytes_downloaded = size
        part.state = replace(part.state, total=size, written=written)
        if plan.total is None:
            await self._check_whole(part, size)
        return True, part

    def _check_size(self, size: int | None) -> None:
        """A page that asks to sign in must not pass for the file."""
        wanted = self.record.config.size_bytes
        if wanted is not None and size is not None and size != wanted:
            raise ProtocolError(f"the server offers {size} bytes, {wanted} were expected")

    async def _check_whole(self, part: PartFile, size: int) -> None:
        """Only now the size of a body without a length is known."""
        try:
            self._check_size(size)
        except ProtocolError:
            await self.disk.run(part.begin, None, Validator())
            raise

    @asynccontextmanager
    async def request(self, segment: Segment, state: PartState) -> AsyncIterator[tuple[Plan, Body]]:
        """Ask for what a segment lacks, or for the whole file where nothing is known of it.

        Raises:
            ChangedError: the reply brings another version than `state` tells of.
            RangeRefusedError: it does not bring the range.
            DownloadError: any other failure.
        """
        asked = _range_headers(segment, state)
        with translated_errors(self.host, self._timeouts):
            async with self._client.get(
                self._url,
                headers={"Accept": "*/*", "Accept-Encoding": "identity", **asked},
                timeout=self._timeouts,
                max_redirects=_MOST_REDIRECTS,
                middlewares=(RedirectGuard(),),
            ) as reply:
                body = body_of(reply, self.options.stall_timeout)
                try:
                    _check_coding(reply)
                    plan = read_plan(
                        reply.status,
                        reply.reason or "",
                        reply.headers,
                        _length(reply),
                        segment.received if asked else None,
                    )
                    if plan.partial:
                        check_version(plan, state.total, state.validator)
                    yield plan, body
                finally:
                    body.close()

    def _show(self, plan: Plan, segments: SegmentMap) -> None:
        record = self.record
        record.bytes_downloaded = record.sampled_bytes = segments.received
        record.total_bytes = plan.total if plan.total is not None else record.config.size_bytes
        self._announce()


def _range_headers(segment: Segment, state: PartState) -> dict[str, str]:
    """Ask for a range only where a strong validator guards it (RFC 9110 13.1.5)."""
    if_range = state.validator.if_range
    if if_range is None or (segment.received == 0 and segment.end == state.total):
        return {}
    last = "" if segment.end in (None, state.total) else str(segment.end - 1)
    return {"Range": f"bytes={segment.received}-{last}", "If-Range": if_range}


def _is_all_there(refused: RangeRefusedError, state: PartState) -> bool:
    """Whether a 416 says that this very version ends where ours does."""
    return (
        isinstance(refused, NothingLeftError)
        and refused.size == state.offset
        and refused.validator.etag is not None
        and refused.validator.etag == state.validator.etag
    )


def _check_coding(reply: aiohttp.ClientResponse) -> None:
    """Refuse transfer codings that nobody asked for (RFC 9112 6.1)."""
    codings = ", ".join(reply.headers.getall("Transfer-Encoding", ()))
    if codings and codings.strip(" \t").lower() != "chunked":
        raise ProtocolError(f"transfer coding {printable(codings)!r} is not understood")


def _length(reply: aiohttp.ClientResponse) -> int | None:
    """Bytes of the body, where a header tells (RFC 9112 6.3: chunked coding overrides it)."""
    return None if "Transfer-Encoding" in reply.headers else reply.content_length


def _continues(plan: Plan, state: PartState) -> bool:
    """Whether what is on disk under the new name is a beginning of what the server offers."""
    return (
        state.offset > 0
        and state.validator.if_range is not None
        and state.validator == plan.validator
        and state.total == plan.total
    )
