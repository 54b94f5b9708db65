"""Check whether an existing file is the download (SKIP); fail if size or checksum differ.

`path_claim.py` chooses the files that are checked.
"""

import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from io import BufferedReader
from pathlib import Path

from rheo_core.domain.exceptions import (
    FileAccessError,
    FileValidationError,
    HashMismatchError,
)
from rheo_core.domain.hash_validation import HashConfig, PieceHashes
from rheo_core.domain.text import system_reason
from rheo_core.domain.units import count_text
from rheo_core.infrastructure.file_metadata import source_at
from rheo_core.infrastructure.identity import Identity, identity_at, identity_of
from rheo_core.tracking import DownloadRecord
from rheo_core.transfer import (
    PartFile,
    TransferContext,
    WrittenRange,
    check_pieces,
    size_at_server,
)
from rheo_core.user_files import open_regular

from .attempt_context import AttemptContext
from .validation import FileValidator

_CLOCK_SECONDS = 2.0
"""Precision of times on FAT, and of clocks."""


async def find_existing(
    context: AttemptContext,
    record: DownloadRecord,
    paths: Sequence[Path],
    expected: HashConfig | None,
) -> Path:
    """Return the first of `paths` with the expected size and checksums, without any request.

    If none of these is known, return the first path, unless this download began there and the
    server reported another size, because its bytes cost a transfer. For the rest of this run the
    file belongs to this download, so the next link with this name gets the next number.

    Args:
        context: parts shared by all attempts.
        record: the download.
        paths: existing files, one or more.
        expected: checksum from the user, a list or a checksum file.

    Raises:
        FileValidationError: no file matches. The error describes the first one.
    """
    path = await _find(context, record, paths, expected)
    identity = await context.disk.run(identity_at, path)
    if identity is not None:
        context.written[identity] = context.names.source_of(record.config.url)
    return path


def is_checkable(record: DownloadRecord, expected: HashConfig | None) -> bool:
    """Return True if a size or a checksum of the file is known before any request."""
    config = record.config
    return not (expected is None and config.size_bytes is None and config.pieces is None)


async def _find(
    context: AttemptContext,
    record: DownloadRecord,
    paths: Sequence[Path],
    expected: HashConfig | None,
) -> Path:
    if not is_checkable(record, expected):
        await _check_begun(context, record, paths[0])
        return paths[0]
    first: FileValidationError | None = None
    for path in paths:
        try:
            await _check(context, record, path, expected)
        except FileValidationError as error:
            first = first or error
        else:
            return path
    assert first is not None
    raise first


def is_written_by(
    record: DownloadRecord, path: Path, source: str, written: Mapping[Identity, str]
) -> bool:
    """Return True if a file is still the one that a completed download wrote. Blocks.

    The file's attribute decides: every file that rheo wrote has one, if the disk supports it.
    Otherwise, or if the attribute names another source because the history knows no secrets of the
    URL, size, time and, in the same run, identity must be those of the download.

    Args:
        record: the download.
        path: its path.
        source: the source in the attribute of its file.
        written: sources of the files that were written in this run; see `AttemptContext.written`.

    Raises:
        OSError: the file does not exist.
    """
    status = path.lstat()
    if (found := source_at(path)) in (source, ""):
        return found == source
    writer = written.get(identity_of(status))
    # A file of an earlier run has no writer; a new file may reuse its number.
    is_same = source not in written.values() if writer is None else writer == source
    ended = record.finished_at or 0.0
    is_old = status.st_mtime <= ended + _CLOCK_SECONDS
    is_alike = status.st_size == record.total_bytes and is_old
    return stat.S_ISREG(status.st_mode) and is_same and is_alike


def has_size(path: Path, size: int) -> bool:
    """Return True if `path` is a regular file of `size` bytes. Blocks."""
    with suppress(OSError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_size == size
    return False


async def check_at_server(context: AttemptContext, record: DownloadRecord, path: Path) -> None:
    """Compare the size of the file with the size on the server.

    Raises:
        FileValidationError: they differ, or the server does not report the size.
        DownloadError: the request failed.
    """
    size = await context.disk.run(_size_of, path)
    context.lifecycle.explain(record, "asking the server for the size")
    total = await size_at_server(
        TransferContext(
            context.requester,
            context.hosts,
            context.limits,
            context.options,
            record,
            lambda reason: context.lifecycle.explain(record, reason),
            verified_at_end=True,
        ),
        size,
    )
    if total != size:
        known = "an unknown size" if total is None else f"{total:,}"
        raise FileValidationError.of_existing(
            path, f" has {count_text(size, 'byte')}, the file on the server has {known}"
        )


async def _check(
    context: AttemptContext, record: DownloadRecord, path: Path, expected: HashConfig | None
) -> None:
    known, size = record.config.size_bytes, await context.disk.run(_size_of, path)
    if known not in (None, size):
        raise FileValidationError.of_existing(
            path, f" has {count_text(size, 'byte')} instead of {known:,}"
        )
    if expected is None:
        await _check_pieces(context, record, path)
        return
    for each in dict.fromkeys((record.config.hash_config or expected, expected)):
        await _check_hash(context, record, path, each)


async def _check_hash(
    context: AttemptContext, record: DownloadRecord, path: Path, expected: HashConfig
) -> None:
    context.lifecycle.verifying(record, expected.algorithm)
    validator = context.validator or FileValidator(disk=context.reading)
    result = record.stats.validation = await validator.validate(path, expected)
    if not result.is_valid:
        raise HashMismatchError(
            expected_hash=result.expected_hash,
            calculated_hash=result.calculated_hash,
            file_path=path,
            was_there=True,
            algorithm=result.algorithm,
        )


async def _check_begun(context: AttemptContext, record: DownloadRecord, path: Path) -> None:
    """Compare the file with the size in the state of this download, if it began there earlier."""
    part = PartFile(path, context.names.part_owner(record.config), key=context.options.key)
    if context.part_listings.is_free(part.folder):
        return
    known = await context.disk.run(part.expected_size)
    if known is None or await context.disk.run(has_size, path, known):
        return
    raise FileValidationError.of_existing(
        path, f" is not a regular file of {count_text(known, 'byte')}"
    )


async def _check_pieces(context: AttemptContext, record: DownloadRecord, path: Path) -> None:
    """Compare the file with the checksums of its pieces, if they are known."""
    pieces = record.config.pieces
    if pieces is None:
        return
    context.lifecycle.verifying(record, pieces.algorithm)
    bad = await context.reading.run_stoppable(partial(_bad_pieces, path, pieces))
    if bad:
        number, digest = next(iter(bad.items()))
        raise HashMismatchError(
            expected_hash=pieces.hashes[number],
            calculated_hash=digest,
            file_path=path,
            was_there=True,
            algorithm=pieces.algorithm,
        )


def _bad_pieces(path: Path, pieces: PieceHashes, stop: threading.Event) -> dict[int, str]:
    """Return the digests of the bad pieces by their numbers from 0. Blocks."""
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            pieces.check_size(size)
        except ValueError as error:
            raise FileValidationError.of_existing(path, f": {error}") from None
        written = (WrittenRange(0, size, crc=0),)
        return check_pieces(file.fileno(), pieces, size, written, stop).bad


def _size_of(path: Path) -> int:
    with _opened(path) as file:
        return os.fstat(file.fileno()).st_size


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """Open a file to compare it.

    Raises:
        FileAccessError: it cannot be opened or read.
    """
    try:
        with open_regular(path) as file:
            yield file
    except OSError as error:
        problem = system_reason(error)
        raise FileAccessError(f"cannot compare the existing {path}: {problem}") from error
