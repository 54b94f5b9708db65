"""Attempt: one try of a download, from its destination to the file under its final name."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rheo_core.domain.exceptions import FileExistsError, HashMismatchError
from rheo_core.domain.file_config import FileExistsStrategy
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.http import BaseHttpClient
from rheo_core.tracking import DownloadRecord
from rheo_core.transfer import PartFile, TokenBucket, Transfer, TransferOptions

from .destination import DestinationResolver, PathLocks, check_inside, numbered
from .lifecycle import Lifecycle
from .progress import ProgressReporter
from .validation import BaseFileValidator


@dataclass(frozen=True, slots=True)
class Tools:
    """What every attempt works with."""

    client: BaseHttpClient
    disk: DiskThreads
    limit: TokenBucket
    options: TransferOptions
    lifecycle: Lifecycle
    reporter: ProgressReporter
    resolver: DestinationResolver
    locks: PathLocks
    validator: BaseFileValidator
    written: dict[Path, str]  # which download of this run wrote a path


class Attempt:
    """Whatever it takes hold of is let go by `stack`, however it ends."""

    def __init__(self, tools: Tools, record: DownloadRecord, stack: AsyncExitStack) -> None:
        self._tools = tools
        self._record = record
        self._stack = stack
        self._strategy = record.config.file_exists_strategy or tools.resolver.default_strategy

    async def run(self, asked: Path) -> None:
        """Bring the file to `asked`, or to the name that the server gives it.

        Raises:
            DownloadError: the attempt failed; what came is kept where it can be of use.
        """
        record, tools = self._record, self._tools
        try:
            part = await self._transfer(await self._open(asked))
        except _FileIsThereError as there:
            return tools.lifecycle.skipped(record, there.path)
        tools.reporter.report(record, last=True)
        await self._verify(part)
        await self._commit(part)
        tools.written[part.destination] = record.id
        return tools.lifecycle.completed(record)

    async def _transfer(self, part: PartFile) -> PartFile:
        record, tools = self._record, self._tools

        async def place(name: str) -> PartFile:
            """Go by the server's name where the user asked for none."""
            nonlocal part
            if record.config.filename is None and name != part.destination.name:
                await tools.disk.run(part.discard)
                part = await self._open(part.destination.with_name(name))
            return part

        transfer = Transfer(
            tools.client,
            tools.disk,
            (tools.limit,),
            tools.options,
            record,
            place,
            lambda: tools.lifecycle.started(record),
            lambda reason: tools.lifecycle.explain(record, reason),
        )
        return await transfer.run(part)

    async def _open(self, asked: Path) -> PartFile:
        """Claim a path and open its part file.

        Raises:
            _FileIsThereError: there is nothing to do.
        """
        subdir = self._record.config.destination_subdir
        if subdir is not None:
            await self._tools.disk.run(check_inside, asked, subdir)
        path = await self._claim(asked)
        if path is None:
            await self._tools.disk.run(PartFile(asked).discard)  # of no use any more
            raise _FileIsThereError(asked)
        # The name that an earlier attempt began under may be taken since: its bytes go on.
        begun_as = asked if asked == self._record.destination else None
        part = PartFile(path, begun_as)
        self._stack.push_async_callback(self._let_go, part)
        await self._tools.disk.run(part.open)
        record = self._record
        record.destination = path
        record.name = path.name
        record.bytes_downloaded = record.sampled_bytes = part.state.offset
        return part

    async def _claim(self, path: Path) -> Path | None:
        """Lock where the file goes; None where it is there and is to be left alone."""
        if self._strategy is FileExistsStrategy.RENAME:
            return await self._claim_free(path)
        locks, lifecycle = self._tools.locks, self._tools.lifecycle
        if not locks.try_acquire(path):
            if self._strategy is not FileExistsStrategy.ERROR:
                return await self._claim_free(path)  # two links, one name: both files are wanted
            lifecycle.explain(self._record, "another download writes this file")
            await locks.acquire(path)
            lifecycle.explain(self._record, "")
        self._stack.callback(locks.release, path)
        if self._strategy is not FileExistsStrategy.ERROR and self._wrote_another(path):
            return await self._claim_free(path)
        return await self._tools.resolver.resolve(path, self._strategy)

    def _wrote_another(self, path: Path) -> bool:
        """Whether another download of this run brought the file of this name."""
        return self._tools.written.get(path, self._record.id) != self._record.id

    async def _claim_free(self, path: Path) -> Path:
        """Lock the first of `name`, `name (1)`, … that neither exists nor is being written."""
        locks = self._tools.locks
        for candidate in chain((path,), numbered(path)):
            if not locks.try_acquire(candidate):
                continue
            self._stack.callback(locks.release, candidate)
            if await self._tools.resolver.resolve(candidate, FileExistsStrategy.SKIP):
                break
        return candidate

    async def _verify(self, part: PartFile) -> None:
        config = self._record.config.hash_config
        if config is None:
            return
        self._tools.lifecycle.verifying(self._record)
        result = await self._tools.validator.validate(part.path, config)
        self._record.validation = result
        if not result.is_valid:
            await self._tools.disk.run(part.discard)  # proven wrong: nothing can go on from it
            raise HashMismatchError(
                expected_hash=result.expected_hash,
                calculated_hash=result.calculated_hash,
                file_path=part.destination,
            )

    async def _commit(self, part: PartFile) -> None:
        overwrite = self._strategy is FileExistsStrategy.OVERWRITE
        size = self._record.bytes_downloaded
        while True:
            commit = self._tools.disk.submit(part.commit, size, overwrite=overwrite)
            try:
                return await _uninterrupted(commit)
            except FileExistsError:  # another program was quicker
                if self._strategy is not FileExistsStrategy.RENAME:
                    await self._tools.disk.run(part.checkpoint, part.state.written)
                    raise
            part.destination = await self._claim_free(part.destination)
            self._record.destination = part.destination
            self._record.name = part.destination.name

    async def _let_go(self, part: PartFile) -> None:
        await self._tools.disk.run(part.release, keep=self._record.keep_partial)


class _FileIsThereError(Exception):
    """The name is taken and the strategy is SKIP."""

    def __init__(self, path: Path) -> None:
        self.path = path


async def _uninterrupted(work: "asyncio.Future[None]") -> None:
    """Await work that cannot be undone; a cancellation meanwhile comes too late and is dropped."""
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            continue
        except Exception:
            break
    work.result()
