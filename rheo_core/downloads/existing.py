"""Existing files that a download leaves alone (SKIP)."""

import os
from collections.abc import Sequence
from pathlib import Path

from rheo_core.domain.exceptions import FileAccessError, FileValidationError, HashMismatchError
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.text import printable
from rheo_core.tracking import DownloadRecord
from rheo_core.user_files import open_regular

from .attempt_context import AttemptContext
from .validation import FileValidator


async def find_existing(
    context: AttemptContext,
    record: DownloadRecord,
    paths: Sequence[Path],
    expected: HashConfig | None,
) -> Path:
    """Return the first of `paths` with the expected size and checksum, without any request.

    If neither is known, return the first path.

    Args:
        context: parts shared by all attempts.
        record: of the download.
        paths: existing files, one or more.
        expected: checksum from the user, a list or a checksum file.

    Raises:
        FileValidationError: no file matches. The error describes the first one.
    """
    if expected is None and record.config.size_bytes is None:
        return paths[0]
    first: FileValidationError | None = None
    for path in paths:
        try:
            await _check(context, record, path, expected)
        except FileValidationError as error:
            first = first or error
        else:
            context.written[str(path)] = record.id  # links of the same name are other files
            return path
    assert first is not None
    raise first


async def _check(
    context: AttemptContext, record: DownloadRecord, path: Path, expected: HashConfig | None
) -> None:
    known, size = record.config.size_bytes, await context.disk.run(_size_of, path)
    if known not in (None, size):
        raise FileValidationError(
            f"the existing {printable(path.name)} has {size:,} bytes, {known:,} were expected; "
            "it is left as it is"
        )
    if expected is None:
        return
    context.lifecycle.verifying(record, expected.algorithm)
    validator = context.validator or FileValidator(disk=context.reading)
    result = record.stats.validation = await validator.validate(path, expected)
    if not result.is_valid:
        raise HashMismatchError(
            expected_hash=result.expected_hash,
            calculated_hash=result.calculated_hash,
            file_path=path,
            was_there=True,
        )


def _size_of(path: Path) -> int:
    try:
        with open_regular(path) as file:
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        problem = printable(error.strerror or str(error)).lower()
        raise FileAccessError(f"cannot compare the existing {path}: {problem}") from error
