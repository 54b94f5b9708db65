"""Verification: whether a file is what was asked for; what is bad of it is fetched again."""

import logging
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
from rheo_core.domain.hash_validation import HashConfig, PieceHashes
from rheo_core.domain.media_types import is_page
from rheo_core.domain.text import printable
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
_ROUNDS = 2
"""Turns that each source gets to bring good pieces in the place of bad ones."""


def is_hashed(context: AttemptContext, expected: HashConfig | None) -> bool:
    """Whether all bytes will meet the checksum that the user knows.

    A validator that the user brings may believe every file.
    """
    return expected is not None and context.validator is None


class Verification:
    """Checks one part file once all of its bytes are there.

    Args:
        context: parts shared by all attempts.
        record: of the download.
        transfer: what brought the bytes, and may bring some of them again.
        expected: the checksum that the user or a file beside it gives; it counts more than the
            one that the server promises.
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
        """Return the part file that may be committed.

        Pieces are looked at where the checksum of the whole is not right, or the user has none,
        or somebody else's validator judges it.

        Raises:
            HashMismatchError: it is not what was asked for, and nothing helped.
            FileAccessError: it cannot be read.
            DownloadError: what is bad could not be fetched again.
        """
        is_enough = self._pieces is None or is_hashed(self._context, self._expected)
        if is_enough and await self._is_valid(part):
            return part
        if self._pieces is not None:
            part = await self._repair(part, self._pieces)
        elif self._transfer.is_unasked:
            part = await self._fetch_anew(part, "what an earlier run left does not match its hash")
        elif self._transfer.sources.brought_another(part.state.validator):
            # Nobody can tell whose bytes are bad.
            why = "the mirrors do not have the same file; only those that agree are used"
            part = await self._fetch_anew(part, why)
        else:
            return await self._fetch_from_others(part)
        return part if await self._is_valid(part) else await self._fetch_from_others(part)

    async def _is_valid(self, part: PartFile) -> bool:
        """Whether the whole is as expected, where anybody says what to expect."""
        expected = self._expected or part.state.promised
        if expected is None:
            return True
        context = self._context
        context.lifecycle.verifying(self._record, expected.algorithm)
        if context.validator is not None:
            await context.disk.run(part.flush_buffer)
            result = await context.validator.validate(part.path, expected)
            await context.disk.run(part.check_in_place)  # it was given a name, not the open file
        else:
            work = partial(part.digest, expected.algorithm)
            result = await compare(part.path, expected, work, context.reading)
        self._record.stats.validation = result
        return result.is_valid

    async def _fetch_anew(self, part: PartFile, why: str) -> PartFile:
        _log.warning("%s: begun again: %s", printable(self._record.name), why)
        part = await self._transfer.run_anew(part)
        self._context.reporter.report(self._record, last=True)
        return part

    async def _fetch_from_others(self, part: PartFile) -> PartFile:
        """Return the file of the first source that has the right one.

        Two sources with the same wrong file are enough: then the checksum is of another version.

        Raises:
            HashMismatchError: none has it, or the user knows no checksum of the whole.
        """
        wrong: set[str] = set()
        sources = self._transfer.sources
        is_known = self._expected is not None and self._pieces is None
        while is_known and (digest := self._digest()) not in wrong:
            host = printable(sources.main.name)
            if not sources.leave_out_main():
                break
            wrong.add(digest)
            try:
                why = f"{host} does not have the right file; a mirror is asked"
                part = await self._fetch_anew(part, why)
            except (DestinationError, ShortageError):
                raise
            except DownloadError:
                break
            if await self._is_valid(part):
                return part
        raise await self._rejected(part)

    def _digest(self) -> str:
        """Return the checksum that the file had at its last check."""
        result = self._record.stats.validation
        assert result is not None
        return result.calculated_hash

    async def _repair(self, part: PartFile, pieces: PieceHashes) -> PartFile:
        """Have bad pieces fetched again, by one source after the other, until there are none.

        First comes the one that brought the fewest of them.
        """
        bad = await self._bad_pieces(part, pieces)
        if not bad:
            return part
        failure: DownloadError | None = None
        was_brought = False
        holes = gaps(part.state.written, part.state.total)
        for source in self._transfer.sources.least_in(holes) * _ROUNDS:
            if not source.most:  # it failed in its last turn
                continue
            host = printable(source.name)
            self._context.lifecycle.repairing(self._record, len(bad), len(pieces.hashes), host)
            try:
                part = await self._transfer.run_with(source, part)
            except (DestinationError, HostFullError, ShortageError):
                raise
            except DownloadError as error:
                failure = failure or error
                continue
            self._context.reporter.report(self._record, last=True)
            bad = await self._bad_pieces(part, pieces)
            if not bad:
                return part
            was_brought = True
        if failure is not None and not was_brought and not isinstance(failure, RangeRefusedError):
            raise failure  # another attempt may help against it
        raise await self._spoilt(part, pieces, bad)

    async def _bad_pieces(self, part: PartFile, pieces: PieceHashes) -> dict[int, str]:
        """The digests of the bad ones, by number; they are missing from the part file now."""
        context = self._context
        context.lifecycle.verifying(self._record, pieces.algorithm)
        try:
            return await context.reading.run_stoppable(partial(take_out_bad_pieces, part))
        except OSError as error:
            problem = printable(error.strerror or str(error)).lower()
            raise FileAccessError(f"cannot read {part.path} to check it: {problem}") from error

    async def _spoilt(
        self, part: PartFile, pieces: PieceHashes, bad: dict[int, str]
    ) -> HashMismatchError:
        """Some pieces stay bad: the good ones are kept for another attempt."""
        if not part.state.written:
            await self._drop(part)
        self._record.go_on_from(part.state.offset)
        number, digest = next(iter(bad.items()))
        return HashMismatchError(
            expected_hash=pieces.hashes[number],
            calculated_hash=digest,
            file_path=part.destination,
            bad_pieces=len(bad),
            pieces=len(pieces.hashes),
        )

    async def _rejected(self, part: PartFile) -> HashMismatchError:
        """The whole is of no use."""
        came = part.state.media_type
        await self._drop(part)
        result = self._record.stats.validation
        assert result is not None
        return HashMismatchError(
            expected_hash=result.expected_hash,
            calculated_hash=result.calculated_hash,
            file_path=part.destination,
            page=came if is_page(came) else None,
        )

    async def _drop(self, part: PartFile) -> None:
        with suppress(DestinationError):
            work = reject if self._context.keep_unverified else PartFile.discard
            await self._context.disk.run(work, part)
