"""One attempt at moving a file: ask, judge the reply, set connections to work."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from rheo_core.domain.exceptions import (
    DestinationError,
    DownloadError,
    DownloadTimeoutError,
    HostFullError,
    ProtocolError,
    ShortageError,
    WebPageError,
)
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.http import Requester
from rheo_core.tracking.record import DownloadRecord

from .connection_group import ConnectionGroup
from .context import TransferContext, TransferOptions
from .host_limits import HostLimiter
from .part_file import PartFile
from .rate_limits import RateLimits
from .request import Request
from .response_head import (
    ChangedError,
    NothingLeftError,
    RangeRefusedError,
    ResponseHead,
    Validator,
)
from .segments import Segment, SegmentMap, WrittenRange
from .sources import Source
from .state import PartState

_MAX_ROUNDS = 4
"""In one attempt: with a range, without, under the name the server gives, and once more."""

Place = Callable[[ResponseHead], Awaitable[PartFile]]
"""Say where the file of this reply goes, by its name and type; returns its part file."""


class Transfer:
    """Moves the bytes of one download into its part file."""

    def __init__(
        self,
        requester: Requester,
        disk: DiskThreads,
        hosts: HostLimiter,
        limits: RateLimits,
        options: TransferOptions,
        record: DownloadRecord,
        place: Place,
        announce: Callable[[], None],
        explain: Callable[[str], None],
        *,
        verified_at_end: bool,
    ) -> None:
        self._disk = disk
        self._record = record
        self._place = place
        self._announce = announce  # called once the reply's head is known to be good
        self._context = TransferContext(
            requester, hosts, limits, options, record, explain, verified_at_end=verified_at_end
        )
        self.sources = self._context.sources
        self.is_unasked = False  # all bytes are of an earlier run, and no server was asked
        self._limit = record.config.timeout or options.timeout
        now = asyncio.get_running_loop().time()
        self._ends_at = None if self._limit is None else now + self._limit
        self._is_anew = False  # the whole is asked for; what is there stays until it comes

    async def run(self, part: PartFile) -> PartFile:
        """Fetch what `part` lacks; return the part file that is whole then.

        It is another one than `part` where the server named the file. The first reply
        brings data at once: nothing is probed and thrown away.

        Raises:
            DownloadError: what came is kept for the next attempt.
        """
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await self._rounds(part)
        except TimeoutError as error:
            raise DownloadTimeoutError("download not complete", self._limit) from error
        finally:
            original = self.sources.original
            has_moved = original.final_host != original.host
            self._record.stats.redirect_host = original.final_host if has_moved else None

    async def run_with(self, source: Source, part: PartFile) -> PartFile:
        """As `run`, from one source alone. Where it has another version by now, it fails."""
        self.sources.only = self.sources.primary = source
        try:
            return await self.run(part)
        finally:
            self.sources.only = None

    async def run_anew(self, part: PartFile) -> PartFile:
        """As `run`, from the first byte, and with sources of one version only.

        What an earlier run left stays until a reply replaces it.
        """
        was_unasked, self._context.verified_at_end, self.is_unasked = self.is_unasked, False, False
        if was_unasked and self._record.config.fetch_url is None:
            # Without its validator, here and not on the disk, no reply passes it off as the file.
            part.state = replace(part.state, validator=Validator())
            self._is_anew = True
        else:
            await self._begin_again(part)
        return await self.run(part)

    async def _rounds(self, part: PartFile) -> PartFile:
        broken: DownloadError | None = None  # of the last source that brought bytes
        for _ in range(_MAX_ROUNDS + len(self.sources)):
            before = self._record.stats.transferred
            if part.state.is_whole and self._needs_no_reply(part.state):
                self.is_unasked = not self._came_now(part.state)
                return self._whole(part)
            try:
                is_whole, part = await self._round(part)
            except RangeRefusedError as refused:
                if _is_all_there(refused, part.state):
                    part.state = replace(part.state, total=part.state.offset)
                    return self._whole(part)
                if self.sources.only is not None:
                    raise
                self._check_replaced(part.state)
                # Some servers have an ETag a machine, others one and no ranges.
                self._context.options = replace(self._context.options, connections=1)
                self.sources.primary.max_connections = 1
                self._is_anew = True
                continue
            except (DestinationError, ShortageError):
                raise
            except DownloadError as error:
                if self._record.stats.transferred > before:
                    broken = error
                self.sources.primary.max_connections = 0
                if next(self.sources.usable(), None) is None:
                    last = broken or error  # a retry may help a source that works in principle
                    raise last from last.__cause__
                continue
            if is_whole:
                return part
        raise ProtocolError("the server keeps changing its answer")

    def _needs_no_reply(self, state: PartState) -> bool:
        """Tell whether bytes that are all on the disk may be taken for the file unasked.

        Either a hash or pieces will verify them, or this very run received them. Otherwise the
        server says once whether they still are its file.
        """
        return self._context.verified_at_end or self._came_now(state)

    def _came_now(self, state: PartState) -> bool:
        """Tell whether this very run received all bytes."""
        return (
            self._record.stats_or_none is not None
            and self._record.stats_or_none.received == state.total
        )

    def _whole(self, part: PartFile) -> PartFile:
        self._record.total_bytes = self._record.bytes_downloaded = part.state.offset
        self._announce()
        return part

    async def _round(self, part: PartFile) -> tuple[bool, PartFile]:
        """Ask once and work on the answer; returns whether the file is whole, and its part.

        Raises:
            RangeRefusedError: only a fresh start can help.
        """
        was_whole = part.state.is_whole
        segment = _whole_of(part.state) if self._is_anew else _to_ask_for(part.state)
        async with await self._ask(segment, part.state) as reply:
            head = reply.head
            if not head.partial:
                await self._check_page(reply, part)
            # Before anything can fail: who waits for room wants to know how much.
            expected = self._record.config.size_bytes
            self._record.total_bytes = expected if head.total is None else head.total
            if head.total is not None:
                self._context.check_size(head.total)
            if head.partial:
                part.hear_promise(head.promised, head.validator)
            if was_whole and (head.partial or _continues(head, part.state)):
                self._whole(part)
                return True, part
            if not head.partial:
                if self._goes_on(part, head):
                    return False, part
                self._check_replaced(part.state)
                before, part = part, await self._place(head)
                self._is_anew = False
                if part is not before and _continues(head, part.state):
                    return False, part
                part.expect(head.total, head.validator, head.promised, head.modified, head.type)
                self._record.stats.media_type = head.type or self._record.stats.media_type
                self.sources.primary.version = head.validator
                if not part.fits_in_memory(head.total):
                    await self._disk.run(part.begin)
            elif part.state.total is None:  # the first reply did not tell it, this one does
                part.state = replace(part.state, total=head.total)
            if head.partial and head.total is not None:
                await self._disk.run(part.check_room, head.total)
            if part.state.promised is not None:  # of use unless somebody knows a better one
                part.hash_with(part.state.promised.algorithm, instead=False)
            written = await self._receive(reply, part)
        size = sum(each.end - each.start for each in written)
        self._record.total_bytes = self._record.bytes_downloaded = size
        self._record.stats.received = size
        part.state = replace(part.state, total=size, written=written)
        if head.total is None:
            await self._check_whole(part, size)
        return True, part

    async def _receive(self, reply: Request, part: PartFile) -> tuple[WrittenRange, ...]:
        """Bring all that is missing; return what there is then."""
        state, record = part.state, self._record
        record.resume_from(state.offset)
        self._announce()
        if part.fits_in_memory(state.total) and not self._context.may_be_limited:
            data = reply.body.all_here()
            if data is not None:  # there is nobody to set to work
                part.buffer(data)
                self.sources.note(self.sources.primary, 0, len(data))
                record.stats.transferred += len(data)
                return (WrittenRange(0, len(data), crc=0),)  # the CRC is taken with the write
        segments = SegmentMap(state.total, state.written, self._context.options.tuning)
        await ConnectionGroup(self._context, self._disk, part, segments).run(
            segments.first(), reply
        )
        return segments.written()

    async def _check_whole(self, part: PartFile, size: int) -> None:
        """Only now the size of a body without a length is known."""
        try:
            self._context.check_size(size)
        except ProtocolError:
            await self._begin_again(part)
            raise

    async def _begin_again(self, part: PartFile) -> None:
        part.expect(None, Validator())
        await self._disk.run(part.begin)

    async def _check_page(self, reply: Request, part: PartFile) -> None:
        """Refuse a web page that is sent instead of the file."""
        head, context = reply.head, self._context
        try:
            context.check_page(head, part.state)
            if context.is_in_danger(head, part.state):
                on_disk = await self._disk.run(part.beginning)
                context.check_beginning(head, await reply.body.peek(), on_disk)
        except WebPageError:
            self._check_replaced(part.state)  # its message explains more if the link is new
            raise

    def _check_replaced(self, state: PartState) -> None:
        """A link that the user put in the place of an expired one must not cost the bytes."""
        if self._record.config.fetch_url is not None and state.can_resume:
            raise ProtocolError(
                f"the new link offers another file; the {state.offset:,} bytes of the old one "
                "are kept; to fetch the new one, add its link"
            )

    def _goes_on(self, part: PartFile, head: ResponseHead) -> bool:
        """Whether what is there stays, although a source sends the whole instead of the rest.

        Where pieces will tell which bytes are bad it does, as far as the first such reply of a
        source goes: it may have another version, and is asked again with its own validator.

        Raises:
            ChangedError: in a repair, its version is another one than before.
        """
        source, state = self.sources.primary, part.state
        is_other = self._is_anew or head.total not in (None, state.total)
        if part.pieces is None or not state.written or is_other:
            return False
        if source.version is None:
            source.version = head.validator
            part.state = replace(state, validator=head.validator)
            return True
        if self.sources.only is not None and source.version != head.validator:
            raise ChangedError("the file on the server is another one than before")
        return False

    async def _ask(self, segment: Segment, state: PartState) -> Request:
        """The first one with a reply of use, of the sources in turn.

        Raises:
            HostFullError: one of them leads to a host that has no room.
            DownloadError: what was wrong with the first of them, if none is of use.
        """
        first: DownloadError | None = None
        for source in self.sources.usable():
            try:
                request = await self._context.request(source, segment, state).open()
                may_replace = self._is_anew or not state.can_resume
                if source is self.sources.original or request.head.partial or may_replace:
                    self.sources.primary = source
                    return request
                async with request:
                    raise RangeRefusedError("the mirror has another version")
            except DownloadError as error:
                is_ours = isinstance(error, ShortageError)
                if is_ours or len(self.sources) == 1:
                    raise
                if source is self.sources.original and isinstance(error, RangeRefusedError):
                    raise
                source.max_connections = 0
                if first is None or isinstance(error, HostFullError):
                    first = error
        raise first or ProtocolError("no mirror is left")


def _to_ask_for(state: PartState) -> Segment:
    """The first range that is missing; of a whole file its last byte, to hear whether it is it."""
    if state.is_whole and state.total:
        return Segment(state.total - 1, state.total, state.total - 1, state.total - 1)
    return SegmentMap(state.total, state.written).first()


def _whole_of(state: PartState) -> Segment:
    return Segment(0, state.total, 0, 0)


def _is_all_there(refused: RangeRefusedError, state: PartState) -> bool:
    """Whether a 416 says that this very version ends where ours does."""
    return (
        isinstance(refused, NothingLeftError)
        and refused.size == state.offset
        and state.total in (None, refused.size)
        and refused.validator.etag is not None
        and refused.validator.etag == state.validator.etag
    )


def _continues(head: ResponseHead, state: PartState) -> bool:
    """Whether what is on disk under the new name is a beginning of what the server offers."""
    return (
        state.offset > 0
        and state.validator.if_range is not None
        and state.validator.if_range == head.validator.if_range
        and state.total == head.total
    )
