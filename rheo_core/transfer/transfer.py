"""Transfer: fetch one file in rounds of requests; start over if the server cannot continue it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NoReturn

from rheo_core.domain.exceptions import (
    DestinationError,
    DownloadError,
    DownloadTimeoutError,
    HostFullError,
    IncompleteError,
    ProtocolError,
    ShortageError,
    WebPageError,
)
from rheo_core.domain.text import shorten
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.http import Requester
from rheo_core.tracking.record import DownloadRecord

from .connection_group import ConnectionGroup
from .context import TransferContext, TransferOptions
from .host_limits import HostLimiter
from .part_file import PartFile
from .part_owner import exact_source_of
from .part_state import PartState
from .rate_limits import RateLimits
from .request import Request
from .response_head import (
    ChangedError,
    NothingLeftError,
    RangeRefusedError,
    ResponseHead,
    UnprovenWholeError,
)
from .segments import Segment, SegmentMap
from .sources import Source
from .validators import NO_VALIDATOR

_MAX_ROUNDS = 4
"""Requests in one attempt: with a range, without one, under the server's name, and once more."""
_MAX_URL_LENGTH = 8 << 10
"""Maximum length of the final URL in a record, in characters. A redirect may have 100 kB."""

ChoosePart = Callable[[ResponseHead], Awaitable[PartFile]]
"""Choose the path for a response by its name and type. Return its part file."""


class Transfer:
    """Fetch the bytes of one download into its part file."""

    def __init__(
        self,
        requester: Requester,
        disk: DiskThreads,
        hosts: HostLimiter,
        limits: RateLimits,
        options: TransferOptions,
        record: DownloadRecord,
        choose_part: ChoosePart,
        announce: Callable[[], None],
        explain: Callable[[str], None],
        *,
        verified_at_end: bool,
    ) -> None:
        self._requester = requester
        self._disk = disk
        self._record = record
        self._stats = record.stats
        self._choose_part = choose_part
        self._announce = announce  # called when the head of the response is accepted
        self._context = TransferContext(
            requester, hosts, limits, options, record, explain, verified_at_end=verified_at_end
        )
        self.sources = self._context.sources
        self.is_unasked = False  # all bytes come from an earlier run, without any request
        self._limit = record.config.timeout or options.timeout
        self._ends_at: float | None = None  # the loop's clock
        if self._limit is not None:
            self._ends_at = asyncio.get_running_loop().time() + self._limit
        self.part: PartFile | None = None  # the one in use, even after a failure
        self._is_anew = False  # request the whole file; old bytes stay until it arrives

    async def run(self, part: PartFile) -> PartFile:
        """Fetch the missing bytes. Return the complete part file.

        If the server names the file, the result is another part file. rheo sends no probe
        requests: even the first response delivers data.

        Raises:
            DownloadError: the attempt fails. rheo keeps the received bytes for the next one.
        """
        try:
            if self._ends_at is None:
                return await self._rounds(part)
            async with asyncio.timeout_at(self._ends_at):
                return await self._rounds(part)
        except TimeoutError as error:
            raise DownloadTimeoutError("download not complete", self._limit) from error
        finally:
            original = self.sources.original
            has_moved = self.sources.has_replaced or original.final_host != original.host
            self._stats.redirect_host = original.final_host if has_moved else None

    async def run_with(self, source: Source, part: PartFile) -> PartFile:
        """Run with one source. Fail if it has another version now."""
        self.sources.only = self.sources.primary = source
        try:
            return await self.run(part)
        finally:
            self.sources.only = None

    async def run_anew(self, part: PartFile) -> PartFile:
        """Run from the first byte, with sources of one version only.

        Bytes of an earlier run stay until a response replaces them.
        """
        was_unasked, self.is_unasked = self.is_unasked, False
        self._context.checks.verified_at_end = False
        if was_unasked and (self._record.config.fetch_url is None or part.is_borrowed):
            # Without the validator in memory, no response can confirm the old bytes.
            part.state = part.state._replace(validator=NO_VALIDATOR)
            self._is_anew = True
        else:
            await self._empty(part)
        return await self.run(part)

    async def _rounds(self, part: PartFile) -> PartFile:
        broken: DownloadError | None = None  # of the last source that sent bytes
        self.part = part
        for _ in range(_MAX_ROUNDS + self.sources.count):
            before, part = self._stats.transferred, self.part
            self._drop_wrong_sources(part.state)
            if part.state.is_whole and self._needs_no_response(part):
                self.is_unasked = not self._came_now(part.state)
                return self._whole(part)
            try:
                is_whole, part = await self._round(part)
            except RangeRefusedError as refused:
                part = self.part
                if _is_all_there(refused, part.state):
                    part.take_over()
                    if part.state.total is None:
                        await self._check_whole(part, part.state.offset)
                    part.state = part.state._replace(total=part.state.offset)
                    return self._whole(part)
                if self.sources.only is not None:
                    raise
                self._check_replaced(part)
                if not isinstance(refused, UnprovenWholeError):
                    # Some servers have one ETag for each machine, others have ETags but no ranges.
                    self._context.options = replace(self._context.options, connections=1)
                    self.sources.primary.max_connections = 1
                self._is_anew = True
                continue
            except (DestinationError, ShortageError):
                raise
            except DownloadError as error:
                if self._stats.transferred > before:
                    broken = error
                self.sources.primary.max_connections = 0
                if next(self.sources.usable(), None) is None:
                    last = broken or error  # a retry may help a source that works in principle
                    raise last from last.__cause__
                continue
            if is_whole:
                return part
        raise ProtocolError("the server keeps sending different responses")

    def _needs_no_response(self, part: PartFile) -> bool:
        """Return True if a complete part file needs no confirmation by the server.

        In this case a hash or pieces will verify it, or this run received it. Otherwise rheo asks
        the server once whether the file is still the same, as for all bytes of another link.
        """
        is_verified = self._context.checks.verified_at_end and not part.is_borrowed
        return is_verified or self._came_now(part.state)

    def _came_now(self, state: PartState) -> bool:
        """Return True if this run received all bytes."""
        return self._stats.received is not None and self._stats.received == state.total

    def _whole(self, part: PartFile) -> PartFile:
        self._record.total_bytes = self._record.bytes_downloaded = part.state.offset
        self._announce()
        return part

    async def _round(self, part: PartFile) -> tuple[bool, PartFile]:
        """Send one request and handle the response. Return True if complete, and the part file.

        Raises:
            RangeRefusedError: the download must start over.
        """
        was_whole, known = part.state.is_whole, None
        is_anew = self._is_anew or not part.state.written
        segment = _whole_of(part.state) if is_anew else _next_segment(part.state)
        async with await self._open_first(segment, part.state) as request:
            head = request.head
            self._check_response(request)
            if not head.partial:
                await self._check_page(request, part)
                request.check_whole()
            self._note_size(head)
            if head.partial:
                part.take_over()
                part.state = part.state.with_promise(head.promised, head.validator)
            if was_whole and (head.partial or part.state.is_beginning_of(head)):
                self._whole(part)
                return True, part
            if not head.partial:
                if self._goes_on(part, head):
                    return False, part
                self._check_replaced(part)
                known = _known_size(head, part.state, self._stats.known_size)
                before, part = part, await self._choose_part(head)
                self.part = part
                self._is_anew = False
                if part is not before and (
                    part.state.is_beginning_of(head) or self._drop_wrong_sources(part.state)
                ):
                    return False, part
                self._expect(part, head)
                if not part.fits_in_memory(head.total):
                    await self._disk.run(part.begin)
            elif part.state.total is None:  # the first response did not have the size
                part.state = part.state._replace(total=head.total)
            if head.partial and head.total is not None:
                await self._disk.run(part.file.check_room, head.total)
            if part.state.promised is not None:  # used unless a better one is known
                part.hashing.use(part.state.promised.algorithm, instead=False)
            await self._receive(request, part)
        size = part.size
        if known is not None and size < known:
            await self._drop_short(part, size, known)
        if part.state.total is None:  # received bytes never replace a total from a head
            part.state = part.state._replace(total=size)
        self._record.total_bytes = self._record.bytes_downloaded = size
        self._stats.received = size
        if head.total is None:
            await self._check_whole(part, size)
        return True, part

    def _check_response(self, request: Request) -> None:
        """Record status and URL of a response, and check its X-Robots-Tag."""
        hop, stats = request.last_hop, self._stats
        stats.response_status = hop.status
        stats.final_url = shorten(hop.url, _MAX_URL_LENGTH)
        self._context.checks.robots_tag(request.head)

    def _note_size(self, head: ResponseHead) -> None:
        """Record the size of the file, and check it."""
        # Set it before anything can fail, because a download that waits for room needs it.
        expected = self._record.config.size_bytes
        self._record.total_bytes = expected if head.total is None else head.total
        if head.total is not None:
            self._context.checks.size(head.total)

    def _expect(self, part: PartFile, head: ResponseHead) -> None:
        """Start a part file over, for the whole file that a response offers."""
        part.expect(head.total, head.validator, head.promised, head.modified, head.type)
        if head.type is not None:
            self._stats.media_type = head.type
        self.sources.primary.version = head.validator
        if self.sources.has_replaced:
            part.state = part.state._replace(fetched=self._link_of(self.sources.primary))

    def _drop_wrong_sources(self, state: PartState) -> bool:
        """Drop the sources that had a wrong file before the one that the bytes came from.

        An earlier run found that out. If the user has replaced the link since, the new one is
        asked first. Return True if there were any.
        """
        brought = state.fetched
        if not state.written or brought is None or self._record.config.fetch_url is not None:
            return False
        usable = self.sources.usable()
        source = next((each for each in usable if self._link_of(each) == brought), None)
        return source is not None and self.sources.begin_with(source)

    def _link_of(self, source: Source) -> str:
        return exact_source_of(source.url, self._context.options.key())

    async def _drop_short(self, part: PartFile, size: int, known: int) -> NoReturn:
        """Drop a body that is shorter than an earlier response said, because one of them is wrong.

        Args:
            part: the file with the body.
            size: bytes received.
            known: size of this version in an earlier response, bytes.

        Raises:
            IncompleteError: always.
        """
        self._stats.known_size = (part.state.validator.if_range or "", known)
        part.expect(None, part.state.validator)
        await self._disk.run(part.begin)
        raise IncompleteError(size, known)

    async def _receive(self, request: Request, part: PartFile) -> None:
        """Fetch the missing ranges."""
        state, record = part.state, self._record
        record.resume_from(state.offset)
        self._announce()
        total = state.total
        if total is not None and part.fits_in_memory(total) and not self._context.may_be_limited:
            data = await request.body.whole(total)
            if data is not None:  # no further connection is needed
                part.buffer(data)
                self.sources.note(self.sources.primary, 0, len(data))
                self._stats.transferred += len(data)
                return
        segments = SegmentMap(total, state.written, self._context.options.tuning)
        await ConnectionGroup(self._context, self._disk, part, segments).run(
            segments.first(), request
        )
        if not part.is_buffering:
            part.state = part.state.with_written(segments.written())

    async def _check_whole(self, part: PartFile, size: int) -> None:
        """Check the size of a body without a length, which only its end shows."""
        try:
            self._context.checks.size(size)
        except ProtocolError:
            await self._empty(part)
            raise

    async def _empty(self, part: PartFile) -> None:
        """Remove all bytes of a part file, and what is known about its version."""
        part.expect(None, NO_VALIDATOR)
        await self._disk.run(part.begin)

    async def _check_page(self, request: Request, part: PartFile) -> None:
        """Refuse a web page sent instead of the file."""
        head, checks = request.head, self._context.checks
        try:
            checks.page(head, part.state)
            if checks.is_in_danger(head, part.state):
                on_disk = await self._disk.run(part.beginning)
                checks.beginning(head, await request.body.peek(), on_disk)
        except WebPageError:
            self._check_replaced(part)  # its message explains more if the link is new
            raise

    def _check_replaced(self, part: PartFile) -> None:
        """Refuse to replace bytes after a change of the link, which may lead to another file."""
        is_new_link, state = self._record.config.fetch_url is not None, part.state
        if is_new_link and state.can_resume and not part.is_borrowed:
            raise ProtocolError(
                f"the new link leads to a different file; the {state.offset:,} bytes from the old "
                "link stay. To download the new file, add its link separately"
            )

    def _goes_on(self, part: PartFile, head: ResponseHead) -> bool:
        """Return True if written bytes stay although a source sends the whole file, not the rest.

        They stay if pieces will find bad bytes, after the first such response of a source. The
        source may have another version, so the next request uses its validator.

        Raises:
            ChangedError: during a repair, the source has another version than before.
        """
        source, state = self.sources.primary, part.state
        is_other = self._is_anew or head.total not in (None, state.total)
        if part.pieces is None or not state.written or is_other:
            return False
        if source.version is None:
            source.version = head.validator
            part.state = state._replace(validator=head.validator)
            return True
        if self.sources.only is not None and source.version != head.validator:
            raise ChangedError("the file on the server has changed")
        return False

    async def _open_first(self, segment: Segment, state: PartState) -> Request:
        """Send the request to one source after another. Return the first with a usable response.

        Raises:
            HostFullError: a source is at a full host, or redirects to one.
            DownloadError: no response is usable. This is the error of the first source.
        """
        first: DownloadError | None = None
        for source in self.sources.usable():
            try:
                request = await self._opened(self._context.request(source, segment, state))
                may_replace = self._is_anew or not state.can_resume
                if source is self.sources.original or request.head.partial or may_replace:
                    self.sources.primary = source
                    return request
                async with request:
                    raise RangeRefusedError("the mirror has another version")
            except DownloadError as error:
                is_ours = isinstance(error, ShortageError)
                if is_ours or self.sources.count == 1:
                    raise
                if source is self.sources.original and isinstance(error, RangeRefusedError):
                    raise
                source.max_connections = 0
                if first is None or isinstance(error, HostFullError):
                    first = error
        raise first or ProtocolError("no mirror is left")

    async def _opened(self, request: Request) -> Request:
        """Send a request. Report a response that takes long."""
        patience = self._requester.patience
        patience.start(self._explain_wait)
        try:
            return await request.open()
        finally:
            if not patience.stop(self._explain_wait):
                self._context.explain("")

    def _explain_wait(self) -> None:
        if self._record.reason:  # it waits for something else, such as room at the host
            return
        seconds = self._context.options.response_timeout
        limit = "" if seconds is None else f" (up to {seconds:g} s)"
        self._context.explain(f"waiting for the server's response{limit}")


def _next_segment(state: PartState) -> Segment:
    """Return the first missing range; the last byte of a complete file confirms its version."""
    if state.is_whole and state.total:
        return Segment(state.total - 1, state.total, state.total - 1, state.total - 1)
    return SegmentMap(state.total, state.written).first()


def _whole_of(state: PartState) -> Segment:
    return Segment(0, state.total, 0, 0)


def _is_all_there(refused: RangeRefusedError, state: PartState) -> bool:
    """Return True if a 416 confirms that this version ends where the part file does.

    Servers often use one ETag for all codings. While the size is unknown, the part file may hold
    the beginning of an encoded file that is longer than the plain file.
    """
    if not isinstance(refused, NothingLeftError) or refused.size != state.offset:
        return False
    if state.total is None:
        is_same = refused.validator.coding == state.validator.coding
    else:
        is_same = state.total == refused.size
    etag = state.validator.etag
    return is_same and etag is not None and etag == refused.validator.etag


def _known_size(
    head: ResponseHead, state: PartState, contradicted: tuple[str, int] | None
) -> int | None:
    """Return the size from an earlier response, if nothing proves the end of this body.

    Some proxies leave out the length, and end a body early as if it were complete. One short body
    (`contradicted`) does not make the next one complete.
    """
    if not head.ends_with_connection:
        return None
    if contradicted is not None and contradicted[0] == head.validator.if_range:
        return contradicted[1]
    of_state = state.validator
    is_same = of_state.if_range is not None and of_state.may_be(head.validator)
    return state.total if is_same and of_state.coding == head.validator.coding else None
