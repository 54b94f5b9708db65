"""ConnectionGroup: decide when another connection is worth it; start and end all of them.

`host_limits.py` limits the connections to one host, and `checkpoints.py` saves their progress.
"""

import asyncio
from contextlib import suppress

from rheo_core.domain.exceptions import (
    DestinationError,
    DiskFullError,
    DownloadError,
    IncompleteError,
)
from rheo_core.domain.inspector_details import ConnectionDetails, TransferDetails
from rheo_core.domain.text import printable, quoted
from rheo_core.infrastructure.disk import DiskThreads

from .body import receive
from .checkpoints import Checkpoints
from .connection_permit import ConnectionPermit
from .context import TransferContext
from .part_file import PartFile
from .request import Request
from .response_head import (
    ChangedError,
    NothingLeftError,
    RangeRefusedError,
    ResponseHead,
)
from .segments import Segment, SegmentMap
from .sources import Source
from .stall import StallWatch

_JOIN_THRESHOLD_TIMES = 4
"""If connections start fast, one joins for less remaining time: this multiple of the time that a
connection takes to start, but at least `Tuning.min_join_threshold_seconds`."""

_SCANTY_BYTES = 4 << 10
_MAX_SCANTY_RESPONSES = 16
"""The attempt fails after this number of responses in a row that each brought less than
`_SCANTY_BYTES` of the requested range. No server gets thousands of requests for one file."""


class ConnectionGroup:
    """Fetches the segments of one file with the number of connections that helps."""

    def __init__(
        self, context: TransferContext, disk: DiskThreads, part: PartFile, segments: SegmentMap
    ) -> None:
        self._context = context
        self._tuning = context.options.tuning
        self._disk = disk
        self._part = part
        self._segments = segments
        self._tasks: dict[asyncio.Task[None], tuple[Segment, Source]] = {}
        self._ranges_work: bool | None = None  # None: unknown yet
        self._last_error: Exception | None = None
        self._idle: ConnectionPermit | None = None  # counted, and not in use
        self._scanty_responses = 0  # in a row
        self._promising: ResponseHead | None = None  # the last 206 with a checksum of the whole
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._had = segments.received
        self._stall = StallWatch(
            context.record,
            context.is_throttled,
            context.options.stall_timeout,
            context.options.stall_speed,
            self._began,
        )

    async def run(self, segment: Segment, request: Request) -> None:
        """Work until all segments are complete. The first one already has its response.

        Afterwards all received bytes are in the part file, even after an error. Its state lists
        them if another attempt can use them.

        Raises:
            RangeRefusedError: only a new start can help.
            DownloadError: the last connection failed.
        """
        if request.head.partial:
            self._ranges_work = True
        primary = self._context.sources.primary
        self._context.record.stats.transfer_details = self.details
        self._start(segment, primary, self._receive_first(segment, request))
        checkpoints = Checkpoints(self._context, self._disk, self._part)
        try:
            while self._tasks:
                await asyncio.wait(
                    self._tasks,
                    timeout=self._tuning.join_after_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                self._reap()
                self._start_more()
                if self._tasks:
                    self._stall.check(self._loop.time(), self._context.sources.primary.name)
                if checkpoints.is_due:
                    await checkpoints.make(self._segments.written())
                    await self._check_room()
            self._check_complete()
            if self._promising is not None:  # no thread changes the state any more
                promised, validator = self._promising.promised, self._promising.validator
                self._part.state = self._part.state.with_promise(promised, validator)
        except DiskFullError:
            await self._stop()
            with suppress(DestinationError):
                await checkpoints.make(self._segments.written(), on_full_disk=True)
            raise
        except DestinationError:
            await self._stop()
            raise  # the bytes are not on the disk, so the last checkpoint stays valid
        except BaseException:
            await self._stop()
            await checkpoints.make(self._segments.written())
            raise
        finally:
            self._context.record.stats.connections = 0
            self._context.record.stats.transfer_details = None

    def details(self) -> TransferDetails:
        """Return the ranges of the file and their connections, as they are now."""
        now = self._loop.time()
        written = tuple((each.start, each.end) for each in self._segments.written())
        connections = tuple(
            ConnectionDetails(
                segment.start,
                segment.end,
                segment.received,
                printable(source.final_host),
                segment.speed(now, 0.0) if now > segment.began_at else 0.0,
                now - segment.began_at,
                now - segment.active_at,
            )
            for segment, source in self._tasks.values()
        )
        return TransferDetails(self._segments.total, written, connections)

    def _start(
        self, segment: Segment, source: Source, work: "asyncio._CoroutineLike[None]"
    ) -> None:
        segment.begin(self._loop.time())
        source.connections += 1
        self._tasks[self._loop.create_task(work)] = segment, source
        self._context.record.stats.connections = len(self._tasks)

    async def _receive_first(self, segment: Segment, request: Request) -> None:
        """Receive the first response; keep its permit for another connection until `run` ends."""
        try:
            await self._receive(segment, request)
        finally:
            self._idle = request.permit

    async def _receive(self, segment: Segment, request: Request) -> None:
        context = self._context
        try:
            is_over = await receive(
                request.body,
                self._part,
                segment,
                context.record,
                disk=self._disk,
                throttle=context.throttle(request.permit.host),
                batch_bytes=context.batch_bytes,
                check_growth=context.checks.growth,
                ends_at=request.head.end,
            )
        finally:
            segment.is_busy = False
        end = request.head.end
        if is_over and end is not None and segment.written < end:
            raise IncompleteError(segment.written, end)
        if end is None:
            segment.end = segment.written
        elif segment.end is None and request.head.total is not None:
            self._segments.note_total(request.head.total)
        self._check_yield(segment)

    def _check_yield(self, segment: Segment) -> None:
        """Handle a response that ended before its segment, which RFC 9110 15.3.7 allows.

        Raises:
            IncompleteError: too many responses were almost empty.
        """
        is_scanty = segment.written - segment.began_with < _SCANTY_BYTES
        if segment.is_complete or not is_scanty:
            self._scanty_responses = 0
            return
        self._scanty_responses += 1
        if self._scanty_responses >= _MAX_SCANTY_RESPONSES:
            raise IncompleteError(segment.written, segment.end)

    async def _fetch_segment(
        self, segment: Segment, source: Source, counted: ConnectionPermit | None
    ) -> None:
        """Fetch a segment over a new connection, or over the permit `counted`."""
        context, state = self._context, self._part.state
        request = context.request(source, segment, state, counted)
        requested_at = self._loop.time()
        try:
            async with await request.open():
                self._segments.note_join(self._loop.time() - requested_at)
                if not request.head.partial:
                    context.checks.page(request.head, state)
                    request.check_version()
                    raise RangeRefusedError(
                        "the server answers a range request with the whole file"
                    )
                if request.head.promised is not None:
                    self._promising = request.head
                if self._ranges_work is None:  # other connections need not wait for the next check
                    self._ranges_work = True
                    self._start_more()
                await self._receive(segment, request)
        finally:
            if counted is not None:
                self._idle = counted

    def _reap(self) -> None:
        """Handle connections that have ended."""
        for task in [task for task in self._tasks if task.done()]:
            segment, source = self._tasks.pop(task)
            self._context.sources.note(source, segment.began_with, segment.written)
            segment.is_busy = False
            source.connections -= 1
            if task.cancelled():  # another connection has its rest; it neither worked nor failed
                continue
            error = task.exception()
            if error is None:
                self._last_error = None
                continue
            if not isinstance(error, DownloadError) or isinstance(error, DestinationError):
                raise error
            self._on_failure(error, source, segment)
            self._segments.give_back(segment)
        self._context.record.stats.connections = len(self._tasks)

    def _on_failure(self, error: DownloadError, source: Source, segment: Segment) -> None:
        """Handle a failed connection: limit or leave out its source."""
        is_primary = source is self._context.sources.primary
        if not is_primary and isinstance(error, RangeRefusedError):
            self._context.explain(f"mirror {printable(source.name)} left out: {quoted(error)}")
            source.max_connections = 0
            return  # the other connections continue
        is_end = isinstance(error, NothingLeftError) and self._segments.total is None
        if is_primary and (is_end or isinstance(error, ChangedError)):
            raise error
        if is_primary and isinstance(error, RangeRefusedError):
            self._ranges_work = False
            self._context.explain("server refuses ranges: 1 connection")
        source.max_connections = source.connections
        # A source that sent bytes works in principle, so its error decides about a retry.
        if self._last_error is None or segment.written > segment.began_with:
            self._last_error = error

    def _start_more(self) -> None:
        """Start more connections if they may help."""
        if not self._part.is_resumable or not self._part.is_begun:
            return  # the file cannot take bytes of several requests
        if not self._tasks and not self._segments.received:
            return  # no bytes yet: the next source may begin with its own version
        if self._tasks and not self._is_worth_more():
            return
        sources = self._context.sources
        allowed = self._context.options.connections
        allowed = allowed if self._ranges_work else min(allowed, 2)
        while len(self._tasks) < allowed and (source := sources.choose(self._idle_host)):
            segment = self._segments.take(self._loop.time(), compare=self._context.is_unlimited)
            if segment is None:
                return
            counted = None
            if source.final_host == self._idle_host:
                counted, self._idle = self._idle, None
            self._start(segment, source, self._fetch_segment(segment, source, counted))
            self._release_overtaken()

    @property
    def _idle_host(self) -> str | None:
        return None if self._idle is None else self._idle.host

    def _release_overtaken(self) -> None:
        """Cancel connections whose rest was given to another one."""
        for task, (segment, _) in self._tasks.items():
            if segment.is_overtaken:
                segment.is_overtaken = False  # cancel once, because received bytes are written then
                task.cancel()

    def _is_worth_more(self) -> bool:
        if (
            self._context.options.connections <= 1
            or self._ranges_work is False
            or self._segments.total is None
        ):
            return False
        now = self._loop.time()
        elapsed = now - self._began
        if elapsed < self._tuning.join_after_seconds:
            return False
        usual = (self._segments.received - self._had) / elapsed / max(len(self._tasks), 1)
        lasts = self._segments.lasts_longer(self._worth_seconds, now, usual)
        return lasts or self._segments.laggard(now, compare=self._context.is_unlimited) is not None

    @property
    def _worth_seconds(self) -> float:
        """Time left for a segment above which another connection is worth it."""
        took, longest = self._segments.join_seconds, self._tuning.join_threshold_seconds
        if took is None:
            return longest
        shortest = self._tuning.min_join_threshold_seconds
        return min(longest, max(took * _JOIN_THRESHOLD_TIMES, shortest))

    def _check_complete(self) -> None:
        if self._segments.is_complete:
            return
        if self._last_error is not None:
            raise self._last_error
        raise IncompleteError(self._segments.received, self._segments.total)

    async def _check_room(self) -> None:
        """Stop before the disk is completely full."""
        if self._segments.total is not None and self._part.is_begun:
            await self._disk.run(self._part.file.check_room, self._segments.total)

    async def _stop(self) -> None:
        """Cancel every connection and wait until each has released the file."""
        for task in self._tasks:
            task.cancel()
        while any(not task.done() for task in self._tasks):
            with suppress(asyncio.CancelledError):  # a second cancellation may follow
                await asyncio.wait(self._tasks)
        for task, (segment, source) in self._tasks.items():
            self._context.sources.note(source, segment.began_with, segment.written)
            source.connections -= 1
            if not task.cancelled():
                task.exception()  # seen
        self._tasks.clear()
