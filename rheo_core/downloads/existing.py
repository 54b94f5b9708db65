"""Files that stand at the name of a download and are left alone (SKIP)."""

import os
from collections.abc import Sequence
from pathlib import Path

from rheo_core.domain.exceptions import FileAccessError, FileValidationError, HashMismatchError
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.text import printable
from rheo_core.tracking import DownloadRecord
from rheo_core.user_files import open_regular

from .tools import Tools
from .validation import FileValidator


async def find_existing(
    tools: Tools, record: DownloadRecord, paths: Sequence[Path], expected: HashConfig | None
) -> Path:
    """Return the first of `paths` that is the file asked for, by its known size and checksum.

    If neither is known, it is the first one. No server is asked.

    Args:
        tools: those of the attempt.
        record: of the download.
        paths: at least one; something is there.
        expected: the checksum that the user, a list or a checksum file gives.

    Raises:
        FileValidationError: none is; what is wrong with the first.
    """
    if expected is None and record.config.size_bytes is None:
        return paths[0]
    first: FileValidationError | None = None
    for path in paths:
        try:
            await _check(tools, record, path, expected)
        except FileValidationError as error:
            first = first or error
        else:
            tools.written[str(path)] = record.id  # no other link of this name is compared with it
            return path
    assert first is not None
    raise first


async def _check(
    tools: Tools, record: DownloadRecord, path: Path, expected: HashConfig | None
) -> None:
    wanted, size = record.config.size_bytes, await tools.disk.run(_size_of, path)
    if wanted not in (None, size):
        raise FileValidationError(
            f"the existing {printable(path.name)} has {size:,} bytes, {wanted:,} were expected; "
            "it is left as it is"
        )
    if expected is None:
        return
    tools.lifecycle.verifying(record, expected.algorithm)
    validator = tools.validator or FileValidator(disk=tools.reading)
    result = record.tries.validation = await validator.validate(path, expected)
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
