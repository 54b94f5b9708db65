"""One attempt at moving a file: ask, judge the reply, receive."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from rheo_core.domain.exceptions import (
    DestinationError,
    DownloadTimeoutError,
    IncompleteError,
    ProtocolError,
)
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.http import BaseHttpClient
from rheo_core.tracking.record import DownloadRecord

from .body import Body, body_of, receive
from .errors import translated_errors
from .limits import TokenBucket
from .part_file import PartFile, PartState
from .plan import Plan, RangeRefusedError, Validator, read_plan

_MOST_REDIRECTS = 10
_MOST_REQUESTS = 4
"""In one attempt: with a range, without, under the name the server gives, and once more."""

Place = Callable[[str], Awaitable[PartFile]]
"""Say where a file of the name that the server suggests goes; returns its opened part file."""


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """Limits of patience (seconds, None: endless) and the size of writes (bytes)."""

    timeout: float | None = None
    connect_timeout: float | None = 30.0
    stall_timeout: float | None = 60.0
    chunk_size: int = 1 << 20


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
    ) -> None:
        self._client = client
        self._disk = disk
        self._limits = limits
        self._options = options
        self._record = record
        self._place = place
        self._announce = announce  # called once the reply's head is known to be good
        self._timeouts = aiohttp.ClientTimeout(
            total=None,
            sock_connect=options.connect_timeout,
            sock_read=options.stall_timeout,
        )

    async def run(self, part: PartFile) -> PartFile:
        """Fetch what `part` lacks; return the part file that is whole then.

        It is another one than `part` where the server named the file. The first reply is plan
        and data at once: nothing is probed and thrown away.

        Raises:
            DownloadError: what came is kept for the next attempt.
        """
        limit = self._record.config.timeout or self._options.timeout
        try:
            async with asyncio.timeout(limit):
                return await self._run(part)
        except TimeoutError as error:
            raise DownloadTimeoutError("download not complete", limit) from error

    async def _run(self, part: PartFile) -> PartFile:
        for _ in range(_MOST_REQUESTS):
            if part.state.total is not None and part.state.offset == part.state.total:
                self._record.total_bytes = self._record.bytes_downloaded = part.state.total
                self._announce()
                return part
            finished, part = await self._request(part)
            if finished:
                return part
        raise ProtocolError("the server keeps changing its answer")

    async def _request(self, part: PartFile) -> tuple[bool, PartFile]:
        """One request; returns whether the file is whole, and its part file."""
        url = self._record.config.url
        host = urlsplit(url).hostname or url
        asked = _resume_headers(part.state)
        offset = part.state.offset if asked else 0
        with translated_errors(host, self._timeouts):
            async with self._client.get(
                url,
                headers={"Accept": "*/*", "Accept-Encoding": "identity", **asked},
                timeout=self._timeouts,
                max_redirects=_MOST_REDIRECTS,
            ) as reply:
                body = body_of(reply, self._options.stall_timeout)
                try:
                    plan = read_plan(
                        reply.status, reply.reason or "", reply.headers, _length(reply), offset
                    )
                    _check_version(plan, part.state)
                except RangeRefusedError:
                    await self._disk.run(part.begin, None, Validator())
                    return False, part
                if plan.name is not None and not plan.partial:
                    part = await self._place(plan.name)
                    if _continues(plan, part.state):
                        return False, part
                await self._receive(body, plan, part)
                return True, part

    async def _receive(self, body: Body, plan: Plan, part: PartFile) -> None:
        record = self._record
        if not plan.partial:
            await self._disk.run(part.begin, plan.total, plan.validator)
        record.bytes_downloaded = record.sampled_bytes = plan.start
        record.total_bytes = plan.total if plan.total is not None else record.config.size_bytes
        self._announce()
        try:
            reached = await receive(
                body,
                part,
                record,
                offset=plan.start,
                end=plan.total,
                disk=self._disk,
                limits=self._limits,
                batch_bytes=self._options.chunk_size,
            )
        except DestinationError:
            raise  # what came is not on the disk: the last checkpoint stays true
        except aiohttp.ClientPayloadError as error:
            await self._keep(part)
            if plan.total is None:
                raise
            raise IncompleteError(record.bytes_downloaded, plan.total) from error
        except BaseException:
            await self._keep(part)
            raise
        record.total_bytes = reached

    async def _keep(self, part: PartFile) -> None:
        """Note what came, where another attempt can go on from there."""
        if part.state.validator.if_range is not None:
            await self._disk.run(part.checkpoint, self._record.bytes_downloaded)


def _resume_headers(state: PartState) -> dict[str, str]:
    """Ask for the rest only where a strong validator guards it (RFC 9110 13.1.5)."""
    if state.offset == 0 or state.validator.if_range is None:
        return {}
    return {"Range": f"bytes={state.offset}-", "If-Range": state.validator.if_range}


def _length(reply: aiohttp.ClientResponse) -> int | None:
    """Bytes of the body, where a header tells (RFC 9112 6.3: chunked coding overrides it)."""
    return None if "Transfer-Encoding" in reply.headers else reply.content_length


def _check_version(plan: Plan, state: PartState) -> None:
    """Whether a part belongs to what is on disk, whatever the server made of If-Range."""
    if not plan.partial:
        return
    known, told = state.validator, plan.validator
    same = told.etag == known.etag if known.etag else told.last_modified == known.last_modified
    if not same or plan.total != state.total:
        raise RangeRefusedError("the file on the server is another one than before")


def _continues(plan: Plan, state: PartState) -> bool:
    """Whether what is on disk under the new name is a beginning of what the server offers."""
    return (
        state.offset > 0
        and state.validator.if_range is not None
        and state.validator == plan.validator
        and state.total == plan.total
    )
