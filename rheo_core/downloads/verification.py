"""Verification: check a complete file against its checksums, and repair bad pieces."""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from rheo_core.domain.exceptions import (
    DestinationError,
    DownloadError,
    FileAccessError,
    HashMismatchError,
    HostFullError,
    ShortageError,
)
from rheo_core.domain.hash_algorithms import HashAlgorithm
from rheo_core.domain.hash_validation import HashConfig, PieceHashes
from rheo_core.domain.media_types import is_page
from rheo_core.domain.text import printable, system_reason
from rheo_core.tracking import DownloadRecord
from rheo_core.transfer import (
    PartFile,
    RangeRefusedError,
    Transfer,
    gaps,
    reject,
    take_out_bad_pieces,
)

from .attempt_context import AttemptContext
from .validation import compare

_log = logging.getLogger(__name__)
_MAX_ROUNDS = 2
"""Times that each source is asked to replace bad pieces."""


def is_hashed(context: AttemptContext, expected: HashConfig | None) -> bool:
    """Return True if all bytes will be compared with the user's checksum.

    A user's validator may accept every file.
    """
    return expected is not None and context.validator is None


async def compute_hash(
    context: AttemptContext, record: DownloadRecord, part: PartFile, algorithm: HashAlgorithm
) -> None:
    """Compute the hash that the user wants to know.

    Raises:
        FileAccessError: the file cannot be read.
    """
    if part.is_buffering:  # hashing it here takes less time than in a thread
        digest = part.digest(algorithm, threading.Event())
    else:
        try:
            digest = await context.reading.run_stoppable(partial(part.digest, algorithm))
        except OSError as error:
            problem = system_reason(error)
            raise FileAccessError(f"cannot read {part.path} to hash it: {problem}") from error
    record.stats.computed_hash = f"{algorithm.value}:{digest}"


class Verification:
    """Checks one part file when all of its bytes are written.

    Args:
        context: parts shared by all attempts.
        record: of the download.
        transfer: fetched the bytes, and may fetch some of them again.
        expected: checksum from the user or a checksum file. It takes precedence over the one that
            the server promises.
    """

    def __init__(
        self,
        context: AttemptContext,
        record: DownloadRecord,
        transfer: Transfer,
        expected: HashConfig | None,
    ) -> None:
        self._context = context
        self._record = record
        self._transfer = transfer
        self._expected = expected
        self._pieces = record.config.pieces

    async def run(self, part: PartFile) -> PartFile:
        """Return a part file that may be committed.

        Pieces are checked if the whole file does not match its checksum, if the user has none, or
        if the user's own validator decides.

        Raises:
            HashMismatchError: the file does not match, even after a repair.
            FileAccessError: it cannot be read.
            DownloadError: bad pieces could not be fetched again.
        """
        is_enough = self._pieces is None or is_hashed(self._context, self._expected)
        if is_enough and await self._is_valid(part):
            return part
        if self._pieces is not None:
            part = await self._repair(part, self._pieces)
        elif self._transfer.is_unasked:
            part = await self._fetch_anew(part, "data from an earlier run does not match the hash")
        elif self._transfer.sources.brought_another(part.state.validator):
            # It is unknown which source sent the bad bytes.
            why = "the mirrors have different files; using only the ones that agree"
            part = await self._fetch_anew(part, why)
        else:
            return await self._fetch_from_others(part)
        return part if await self._is_valid(part) else await self._fetch_from_others(part)

    async def _is_valid(self, part: PartFile) -> bool:
        """Return True if the file matches its checksum, or if none is known."""
        promised = None if self._record.config.ignore_digest else part.state.promised
        expected = self._expected or promised
        if expected is None:
            return True
        # With a checksum file, the download may have a checksum of its own too.
        every = dict.fromkeys((self._record.config.hash_config or expected, expected))
        for each in every:
            if not await self._matches(part, each):
                return False
        return True

    async def _matches(self, part: PartFile, expected: HashConfig) -> bool:
        context = self._context
        context.lifecycle.verifying(self._record, expected.algorithm)
        if context.validator is not None:
            await context.disk.run(part.flush_buffer)
            result = await context.validator.validate(part.path, expected)
            await context.disk.run(
                part.file.check_in_place
            )  # the validator got a name, not the open file
        else:
            work = partial(part.digest, expected.algorithm)
            result = await compare(part.path, expected, work, context.reading)
        self._record.stats.validation = result
        return result.is_valid

    async def _fetch_anew(self, part: PartFile, why: str) -> PartFile:
        _log.warning("%s: starting over: %s", printable(self._record.name), why)
        part = await self._transfer.run_anew(part)
        self._context.reporter.report(self._record, last=True)
        return part

    async def _fetch_from_others(self, part: PartFile) -> PartFile:
        """Return the file of the first source that has the correct one.

        Later attempts do not ask the sources with a wrong file either. If two sources have the same
        wrong file, give up: the checksum belongs to another version.

        Raises:
            HashMismatchError: no source has it, or the user knows no checksum of the whole file.
            DownloadError: the next source failed.
        """
        sources, stats = self._transfer.sources, self._record.stats
        is_known = self._expected is not None and self._pieces is None
        while is_known and (digest := self._digest()) not in stats.wrong_hashes:
            wrong = sources.primary
            if not sources.drop_primary():
                break
            stats.wrong_hashes |= {digest}
            stats.wrong_urls |= {wrong.url}
            stats.best_offset = 0  # of the wrong file
            self._record.resume_from(0)
            why = f"{printable(wrong.name)} sent the wrong file; trying a mirror"
            part = await self._fetch_anew(part, why)
            if await self._is_valid(part):
                return part
        raise await self._rejected(part)

    def _digest(self) -> str:
        """Return the checksum that the file had at its last check."""
        result = self._record.stats.validation
        assert result is not None
        return result.calculated_hash

    async def _repair(self, part: PartFile, pieces: PieceHashes) -> PartFile:
        """Fetch bad pieces again, from one source after the other, until all are good.

        Begin with the source that sent the fewest of them.
        """
        bad = await self._bad_pieces(part, pieces)
        if not bad:
            return part
        failures: list[DownloadError] = []
        was_brought = False
        holes = gaps(part.state.written, part.state.total)
        self._transfer.sources.readmit()
        for source in self._transfer.sources.least_in(holes) * _MAX_ROUNDS:
            if not source.max_connections:  # it failed in its last turn
                continue
            host = printable(source.name)
            self._context.lifecycle.repairing(self._record, len(bad), len(pieces.hashes), host)
            try:
                part = await self._transfer.run_with(source, part)
            except (DestinationError, HostFullError, ShortageError):
                raise
            except DownloadError as error:
                part = self._transfer.part or part  # a response may have given it another name
                if not isinstance(error, RangeRefusedError):
                    failures.append(error)
                continue
            self._context.reporter.report(self._record, last=True)
            bad = await self._bad_pieces(part, pieces)
            if not bad:
                return part
            was_brought = True
        if failures and not was_brought:
            raise failures[0]
        raise await self._spoilt(part, pieces, bad, failures)

    async def _bad_pieces(self, part: PartFile, pieces: PieceHashes) -> dict[int, str]:
        """Remove bad pieces from the part file; return their digests by number."""
        context = self._context
        context.lifecycle.verifying(self._record, pieces.algorithm)
        try:
            return await context.reading.run_stoppable(partial(take_out_bad_pieces, part))
        except OSError as error:
            problem = system_reason(error)
            raise FileAccessError(f"cannot read {part.path} to check it: {problem}") from error

    async def _spoilt(
        self,
        part: PartFile,
        pieces: PieceHashes,
        bad: dict[int, str],
        mirror_errors: Sequence[DownloadError],
    ) -> HashMismatchError:
        """Return the error for pieces that stay bad; keep the good ones for another attempt."""
        if not part.state.written:
            await self._drop(part)
        self._record.resume_from(part.state.offset)
        number, digest = next(iter(bad.items()))
        return HashMismatchError(
            expected_hash=pieces.hashes[number],
            calculated_hash=digest,
            file_path=part.destination,
            bad_pieces=len(bad),
            pieces=len(pieces.hashes),
            mirror_errors=mirror_errors,
        )

    async def _rejected(self, part: PartFile) -> HashMismatchError:
        """Drop the whole file; return the error."""
        came = part.state.media_type
        stats = self._record.stats
        stats.wrong_urls = stats.wrong_hashes = frozenset()  # another attempt would ask them all
        await self._drop(part)
        result = self._record.stats.validation
        assert result is not None
        return HashMismatchError(
            expected_hash=result.expected_hash,
            calculated_hash=result.calculated_hash,
            file_path=part.destination,
            page=came if is_page(came) else None,
            is_promised=self._expected is None,
            algorithm=result.algorithm,
        )

    async def _drop(self, part: PartFile) -> None:
        with suppress(DestinationError):
            work = reject if self._context.keep_unverified else PartFile.discard
            await self._context.disk.run(work, part)
