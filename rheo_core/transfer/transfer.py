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

from .crew import Crew
from .hosts import Hosts
from .limits import Limits
from .part_file import PartFile
from .plan import (
    ChangedError,
    NothingLeftError,
    Plan,
    RangeRefusedError,
    Validator,
)
from .request import Request
from .segments import Segment, SegmentMap, WrittenRange
from .sources import Source
from .state import PartState
from .supply import Supply, TransferOptions

_MOST_ROUNDS = 4
"""In one attempt: with a range, without, under the name the server gives, and once more."""

Place = Callable[[Plan], Awaitable[PartFile]]
"""Say where the file of this reply goes, by its name and type; returns its part file."""


class Transfer:
    """Moves the bytes of one download into its part file."""

    def __init__(
        self,
        requester: Requester,
        disk: DiskThreads,
        hosts: Hosts,
        limits: Limits,
        options: TransferOptions,
        record: DownloadRecord,
        place: Place,
        announce: Callable[[], None],
        explain: Callable[[str], None],
        *,
        is_vouched: bool,
    ) -> None:
        self._disk = disk
        self._record = record
        self._place = place
        self._announce = announce  # called once the reply's head is known to be good
        self._supply = Supply(
            requester, hosts, limits, options, record, explain, is_vouched=is_vouched
        )
        self.sources = self._supply.sources
        self.is_unasked = False  # all bytes are of an earlier run, and no server was asked
        self._limit = record.config.timeout or options.timeout
        now = asyncio.get_running_loop().time()
        self._ends_at = None if self._limit is None else now + self._limit
        self._is_anew = False  # the whole is asked for; what is there stays until it comes

    async def run(self, part: PartFile) -> PartFile:
        """Fetch what `part` lacks; return the part file that is whole then.

        It is another one than `part` where the server named the file. The first reply is plan
        and data at once: nothing is probed and thrown away.

        Raises:
            DownloadError: what came is kept for the next attempt.
        """
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await self._rounds(part)
        except TimeoutError as error:
            raise DownloadTimeoutError("download not complete", self._limit) from error
        finally:
            own = self.sources.own
            self._record.tries.leads_to = None if own.asked == own.host else own.asked

    async def run_with(self, source: Source, part: PartFile) -> PartFile:
        """As `run`, from one source alone. Where it has another version by now, it fails."""
        self.sources.alone = self.sources.main = source
        try:
            return await self.run(part)
        finally:
            self.sources.alone = None

    async def run_anew(self, part: PartFile) -> PartFile:
        """As `run`, from the first byte, and with sources of one version only.

        What an earlier run left stays until a reply replaces it.
        """
        was_unasked, self._supply.is_vouched, self.is_unasked = self.is_unasked, False, False
        if was_unasked and self._record.config.fetch_url is None:
            # Without its validator, here and not on the disk, no reply passes it off as the file.
            part.state = replace(part.state, validator=Validator())
            self._is_anew = True
        else:
            await self._begin_again(part)
        return await self.run(part)

    async def _rounds(self, part: PartFile) -> PartFile:
        broken: DownloadError | None = None  # of the last source that brought bytes
        for _ in range(_MOST_ROUNDS + len(self.sources)):
            before = self._record.tries.transferred
            if part.state.is_whole and self._needs_no_reply(part.state):
                self.is_unasked = not self._came_now(part.state)
                return self._whole(part)
            try:
                is_whole, part = await self._round(part)
            except RangeRefusedError as refused:
                if _is_all_there(refused, part.state):
                    part.state = replace(part.state, total=part.state.offset)
                    return self._whole(part)
                if self.sources.alone is not None:
                    raise
                self._check_replaced(part.state)
                # Some servers have an ETag a machine, others one and no ranges.
                self._supply.options = replace(self._supply.options, connections=1)
                self.sources.main.most = 1
                self._is_anew = True
                continue
            except (DestinationError, ShortageError):
                raise
            except DownloadError as error:
                if self._record.tries.transferred > before:
                    broken = error
                self.sources.main.most = 0
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
        return self._supply.is_vouched or self._came_now(state)

    def _came_now(self, state: PartState) -> bool:
        """Tell whether this very run received all bytes."""
        return self._record.tried is not None and self._record.tried.received == state.total

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
        asked = _whole_of(part.state) if self._is_anew else _to_ask_for(part.state)
        async with await self._ask(asked, part.state) as reply:
            plan = reply.plan
            if not plan.partial:
                await self._check_page(reply, part)
            # Before anything can fail: who waits for room wants to know how much.
            expected = self._record.config.size_bytes
            self._record.total_bytes = expected if plan.total is None else plan.total
            if plan.total is not None:
                self._supply.check_size(plan.total)
            if plan.partial:
                part.hear_promise(plan.promised, plan.validator)
            if was_whole and (plan.partial or _continues(plan, part.state)):
                self._whole(part)
                return True, part
            if not plan.partial:
                if self._goes_on(part, plan):
                    return False, part
                self._check_replaced(part.state)
                before, part = part, await self._place(plan)
                self._is_anew = False
                if part is not before and _continues(plan, part.state):
                    return False, part
                part.expect(plan.total, plan.validator, plan.promised, plan.modified, plan.type)
                self._record.tries.media_type = plan.type or self._record.tries.media_type
                self.sources.main.version = plan.validator
                if not part.can_hold(plan.total):
                    await self._disk.run(part.begin)
            elif part.state.total is None:  # the first reply did not tell it, this one does
                part.state = replace(part.state, total=plan.total)
            if plan.partial and plan.total is not None:
                await self._disk.run(part.check_room, plan.total)
            if part.state.promised is not None:  # of use unless somebody knows a better one
                part.hash_with(part.state.promised.algorithm, instead=False)
            written = await self._receive(reply, part)
        size = sum(there.end - there.start for there in written)
        self._record.total_bytes = self._record.bytes_downloaded = size
        self._record.tries.received = size
        part.state = replace(part.state, total=size, written=written)
        if plan.total is None:
            await self._check_whole(part, size)
        return True, part

    async def _receive(self, reply: Request, part: PartFile) -> tuple[WrittenRange, ...]:
        """Bring all that is missing; return what there is then."""
        state, record = part.state, self._record
        record.go_on_from(state.offset)
        self._announce()
        if part.can_hold(state.total) and not self._supply.may_be_limited:
            data = reply.body.all_here()
            if data is not None:  # there is nobody to set to work
                part.hold(data)
                self.sources.note(self.sources.main, 0, len(data))
                record.tries.transferred += len(data)
                return (WrittenRange(0, len(data), crc=0),)  # the CRC is taken with the write
        segments = SegmentMap(state.total, state.written)
        await Crew(self._supply, self._disk, part, segments).run(segments.first(), reply)
        return segments.written()

    async def _check_whole(self, part: PartFile, size: int) -> None:
        """Only now the size of a body without a length is known."""
        try:
            self._supply.check_size(size)
        except ProtocolError:
            await self._begin_again(part)
            raise

    async def _begin_again(self, part: PartFile) -> None:
        part.expect(None, Validator())
        await self._disk.run(part.begin)

    async def _check_page(self, reply: Request, part: PartFile) -> None:
        """Refuse a web page that is sent instead of the file."""
        plan, supply = reply.plan, self._supply
        try:
            supply.check_page(plan, part.state)
            if supply.is_in_danger(plan, part.state):
                there = await self._disk.run(part.beginning)
                supply.check_beginning(plan, await reply.body.peek(), there)
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

    def _goes_on(self, part: PartFile, plan: Plan) -> bool:
        """Whether what is there stays, although a source sends the whole instead of the rest.

        Where pieces will tell which bytes are bad it does, as far as the first such reply of a
        source goes: it may have another version, and is asked again with its own validator.

        Raises:
            ChangedError: in a repair, its version is another one than before.
        """
        source, state = self.sources.main, part.state
        is_other = self._is_anew or plan.total not in (None, state.total)
        if part.pieces is None or not state.written or is_other:
            return False
        if source.version is None:
            source.version = plan.validator
            part.state = replace(state, validator=plan.validator)
            return True
        if self.sources.alone is not None and source.version != plan.validator:
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
                request = await self._supply.request(source, segment, state).open()
                may_replace = self._is_anew or not state.can_resume
                if source is self.sources.own or request.plan.partial or may_replace:
                    self.sources.main = source
                    return request
                async with request:
                    raise RangeRefusedError("the mirror has another version")
            except DownloadError as error:
                own_refusal = source is self.sources.own and isinstance(error, RangeRefusedError)
                is_ours = isinstance(error, ShortageError)
                if own_refusal or is_ours or len(self.sources) == 1:
                    raise
                source.most = 0
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


def _continues(plan: Plan, state: PartState) -> bool:
    """Whether what is on disk under the new name is a beginning of what the server offers."""
    return (
        state.offset > 0
        and state.validator.if_range is not None
        and state.validator.if_range == plan.validator.if_range
        and state.total == plan.total
    )
