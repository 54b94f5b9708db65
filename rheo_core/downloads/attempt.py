"""Attempt: try a download once: claim its path, transfer, verify and commit."""

import asyncio
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from rheo_core.domain.exceptions import (
    DownloadError,
    FileExistsError,
    FileInUseError,
    FileValidationError,
)
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.urls import host_of
from rheo_core.infrastructure.disk import DiskFuture
from rheo_core.infrastructure.file_metadata import FileMetadata
from rheo_core.infrastructure.identity import Identity
from rheo_core.tracking import DownloadRecord
from rheo_core.transfer import (
    Commit,
    ConnectionPermit,
    PartFile,
    ResponseHead,
    Transfer,
    fetch_checksum,
)

from .attempt_context import AttemptContext
from .destination import check_inside
from .existing_file_check import has_size
from .file_naming import fitted, is_surely_short
from .path_check import Occupant
from .path_claim import PathClaim, ResponseIsOpenError, special_problem
from .verification import Verification, compute_hash, is_hashed

T = TypeVar("T")


class Attempt:
    """One try of a download. It holds its paths and part files until `close`.

    Args:
        context: parts that all attempts share.
        record: the download.
        expected: path of its file from facts known before any response.
    """

    def __init__(self, context: AttemptContext, record: DownloadRecord, expected: Path) -> None:
        self._context = context
        self._record = record
        self._expected = expected
        self._parts: list[PartFile] = []
        self._claim = PathClaim(context, record)

    async def run(self, requested: Path) -> None:
        """Download the file to `requested`, or to the name that the server gives it.

        Raises:
            DownloadError: the attempt failed. Its bytes are kept if they can be used again.
        """
        record, context, config = self._record, self._context, self._record.config
        self._claim.checksum = config.hash_config
        if config.sidecar:
            self._claim.checksum = await self._look_up_checksum()
        try:
            part = await self._fetch_named(requested)
            if config.compute_hash is not None:
                await compute_hash(context, record, part, config.compute_hash)
            context.written[await self._commit(part)] = self._claim.source
        except _FileIsThereError as error:
            return context.lifecycle.skipped(record, error.path)
        return context.lifecycle.completed(record)

    async def close(self) -> None:
        """Release paths and part files. Bytes that another attempt can use stay."""
        cancellation: asyncio.CancelledError | None = None
        try:
            for part in self._parts:
                if part.is_open or part.is_buffering:
                    try:
                        await self._context.disk.run(part.release, keep=self._record.keep_partial)
                    except asyncio.CancelledError as error:  # still close the next one
                        cancellation = error
                    finally:
                        self._context.part_listings.forget()
        finally:
            self._claim.release()
        if cancellation is not None:
            raise cancellation

    async def _look_up_checksum(self) -> HashConfig:
        """Return the checksum of the download from its checksum file.

        Raises:
            FileValidationError: no checksum file names the download, or its checksum differs from
                that of the download.
        """
        config = self._record.config
        for url in dict.fromkeys((config.source, config.url)):
            checksum = await self._fetch_checksum(url)
            if checksum is None:
                continue
            other = config.hash_config
            if other is not None and other.algorithm is checksum.algorithm and other != checksum:
                raise FileValidationError(
                    f"the checksum file on the server has the {checksum.algorithm} hash "
                    f"{checksum.expected_hash}, but the download asks for {other.expected_hash}"
                )
            return checksum
        raise FileValidationError(
            "no checksum found: no .sha256 or .sha512 file, SHA256SUMS or SHA512SUMS on the "
            "server lists the file"
        )

    async def _fetch_checksum(self, url: str) -> HashConfig | None:
        context, record = self._context, self._record
        permit: ConnectionPermit | None = None

        def explain(reason: str) -> None:
            context.lifecycle.explain(record, reason or "looking for a checksum file")

        def connect(host: str) -> ConnectionPermit:
            nonlocal permit
            permit = ConnectionPermit(
                context.hosts, host, explain, record.id, keeps_reservation=True
            )
            return permit

        explain("")
        try:
            return await fetch_checksum(
                context.requester,
                url,
                context.options.timeouts,
                connect,
                context.options.tuning.sidecar_seconds,
                record.config.options_for(url),
            )
        except DownloadError:
            if permit is not None and permit.host != host_of(record.config.source):
                record.stats.redirect_host = permit.host
            raise

    async def _fetch_named(self, path: Path) -> PartFile:
        """Fetch all bytes; close the response first if its name needs a wait or a request."""
        while True:
            self._claim.has_response = False
            try:
                return await self._fetch(await self._open(path))
            except ResponseIsOpenError as error:
                path = error.path

    async def _fetch(self, part: PartFile) -> PartFile:
        """Fetch all bytes and verify them; return the part file to commit."""
        record, context, claim = self._record, self._context, self._claim

        async def place(head: ResponseHead) -> PartFile:
            nonlocal part
            claim.name_in_response, claim.has_response = head.name, True
            path = self._path_by(head, part.destination)
            if path is not None:
                part = await self._open_instead_of(part, path)
            elif claim.occupant is Occupant.SPECIAL:
                raise special_problem(part.destination)
            if part.is_borrowed:
                if part.state.is_beginning_of(head):  # the server knows no ranges
                    part.take_over()
                else:
                    claim.may_borrow = False
                    path = self._path_by(head, self._expected) or self._expected
                    part = await self._open_instead_of(part, path)
            return part

        transfer = Transfer(
            context.requester,
            context.disk,
            context.hosts,
            context.limits,
            context.options,
            record,
            place,
            lambda: context.lifecycle.started(record),
            lambda reason: context.lifecycle.explain(record, reason),
            verified_at_end=record.config.pieces is not None or is_hashed(context, claim.checksum),
        )
        part = await transfer.run(part)
        context.reporter.report(record, last=True)
        return await Verification(context, record, transfer, claim.checksum).run(part)

    def _path_by(self, head: ResponseHead, path: Path) -> Path | None:
        """Return the path of the file after a response; None if it does not change."""
        folders, config = self._context.folders, self._record.config
        return folders.path_by_response(config, path, head.name, head.type)

    async def _open_instead_of(self, part: PartFile, path: Path) -> PartFile:
        """Claim another path after a response, and open its part file."""
        if part.is_open:
            await self._context.disk.run(part.discard)
        # Otherwise two downloads that get each other's name would wait for each other.
        self._claim.unlock(part.destination)
        return await self._open(path)

    async def _open(self, requested: Path) -> PartFile:
        """Claim a path and open its part file.

        Raises:
            _FileIsThereError: there is nothing to download.
        """
        context, record, claim = self._context, self._record, self._claim
        disk = context.disk
        is_expected = requested is self._expected or requested == self._expected
        if not is_surely_short(requested.name):
            requested = await disk.run(fitted, requested)
        claim.expected_path = requested if is_expected else None
        part = self._part(requested)
        if record.config.destination_subdir is not None:
            await disk.run(part.check_folder)
        path = await claim.claim(requested, part)
        if path is None:
            await self._discard(part)
        is_other = path is not requested and path != requested
        if is_other or claim.lender:
            part = self._part(path, claim.lender)
        if is_other:
            await self._adopt(part, requested)
        if claim.occupant is Occupant.SPECIAL and (
            claim.name_in_response or record.config.filename
        ):
            raise special_problem(path)  # otherwise the server may still choose another name
        if not part.is_open and (is_other or claim.occupant is not Occupant.NOTHING):
            context.lifecycle.explain(record, "checking the bytes on the disk")
            try:
                await context.reading.run_stoppable(part.open)
            except FileInUseError:
                if not claim.lender:
                    raise
            if claim.lender and not part.is_borrowed:
                # Another program still downloads the other link, or its bytes are damaged.
                claim.may_borrow = False
                return await self._open_instead_of(part, requested)
        record.destination = path
        record.final_name = path.name
        record.resume_from(part.state.offset)
        context.lifecycle.explain(record, "")
        return part

    async def _adopt(self, part: PartFile, requested: Path) -> None:
        """Continue with the bytes of an earlier attempt, although their name is now taken."""
        was_locked = self._claim.holds(requested)
        async with self._context.locks.turn(requested):
            if await self._claim.try_lock(requested):
                await self._context.disk.run(part.adopt, requested)
                self._context.part_listings.forget()
                if not was_locked:
                    self._claim.unlock(requested)

    def _part(self, path: Path, lender: str = "") -> PartFile:
        options, config = self._context.options, self._record.config
        subdir = config.destination_subdir
        owner = self._context.names.part_owner(config, self._claim.checksum)
        if lender:
            owner = owner._replace(lender=lender)
        part = PartFile(
            path,
            owner,
            durable=options.durable,
            pieces=config.pieces,
            key=options.key,
            is_read_back=self._claim.checksum is not None,
            check_folder=None if subdir is None else partial(check_inside, subdir=subdir),
        )
        if config.compute_hash is not None:
            part.hashing.use(config.compute_hash)
        self._parts.append(part)
        return part

    async def _commit(self, part: PartFile) -> Identity:
        """Give the whole file its final name; return its identity.

        Raises:
            FileExistsError: another program took the name first.
            _FileIsThereError: the same, but SKIP accepts its file.
        """
        assert part.state.total is not None
        size = part.state.total
        while True:
            overwrite = await self._claim.may_overwrite(part.destination)
            disk = self._context.disk
            request = Commit(part, size, overwrite, self._metadata(part))
            if part.is_buffering:
                work = disk.submit_to(self._context.commits, request)
            else:
                work = disk.submit(self._context.commits.run_alone, request)
            try:
                return await _uninterrupted(work)
            except FileExistsError:  # another program took the name first
                if overwrite or not await self._accepts_file(part.destination, size):
                    await self._context.disk.run(part.checkpoint, part.state.written)
                    raise
            self._claim.has_response = False
            path = await self._claim.claim(part.destination)
            if path is None:
                await self._discard(part)
            part.destination = path
            self._record.destination = path
            self._record.final_name = path.name

    async def _accepts_file(self, path: Path, size: int) -> bool:
        """Return True if the strategy can handle a file that appeared meanwhile.

        SKIP accepts only a file of the same size, because the transfer is already done.
        """
        match self._claim.strategy:
            case FileExistsStrategy.ERROR:
                return False
            case FileExistsStrategy.SKIP:
                return await self._context.disk.run(has_size, path, size)
        return True

    async def _discard(self, part: PartFile) -> NoReturn:
        """Remove the part file, because an existing file counts as the download's file."""
        assert self._claim.existing is not None
        await self._context.disk.run(part.discard)
        raise _FileIsThereError(self._claim.existing)

    def _metadata(self, part: PartFile) -> FileMetadata:
        options = self._context.options
        return FileMetadata(
            modified=part.state.modified if options.server_time else None,
            origin=self._record.config.url if options.origin else None,
            source=self._claim.source,
        )


class _FileIsThereError(Exception):
    """An existing file counts as the download's file, because the strategy is SKIP."""

    def __init__(self, path: Path) -> None:
        self.path = path


async def _uninterrupted(work: DiskFuture[T]) -> T:
    """Await work that cannot be undone, and ignore cancellations, which arrive after its end."""
    try:
        return await work
    except asyncio.CancelledError:
        return work.result()
