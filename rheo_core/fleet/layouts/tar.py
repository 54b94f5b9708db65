"""Tar layout for WebDataset: `part-000123.tar`, with files in the order of their keys.

The same files always give the same tar, because times, owners and modes are constants.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rheo_core.domain.fleet import EntryOutcome, PartFacts
from rheo_core.domain.units import count_text
from rheo_core.fleet.file_names import name_in_tar
from rheo_core.fleet.targets import Target, file_errors
from rheo_core.infrastructure.files import open_new

from .expected_file import ExpectedFile

_MODE = 0o644
_BUFFER_BYTES = 1 << 20


def store_tar(
    folder: Path, part: str, outcomes: Sequence[EntryOutcome], target: Target
) -> dict[str, PartFacts]:
    """Write the tar next to the files, then move or upload it."""
    name, path = f"{part}.tar", folder / "shard.tar"
    with file_errors(path):
        facts = write_tar(path, folder, outcomes)
    target.put_file(name, path)
    return {name: facts}


def write_tar(path: Path, folder: Path, outcomes: Sequence[EntryOutcome]) -> PartFacts:
    """Write a tar; return its size and checksum.

    Raises:
        OSError: a file cannot be read or has another size, or the tar cannot be written.
    """
    with open_new(path, _BUFFER_BYTES) as file:
        hashing = _HashingFile(file)
        # Not as a stream ("w|"): that copies its whole buffer for each file.
        with tarfile.open(fileobj=hashing, mode="w") as tar:  # type: ignore[call-overload]
            for outcome in outcomes:
                _add(tar, folder, outcome)
    return PartFacts(hashing.size, hashing.digest.hexdigest())


def _add(tar: tarfile.TarFile, folder: Path, outcome: EntryOutcome) -> None:
    assert outcome.file is not None and outcome.size is not None
    info = _member(outcome.file, outcome.type, outcome.size)
    with (folder / outcome.file).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size != outcome.size:
            raise OSError(
                f"{outcome.file} has {count_text(size, 'byte')} instead of {outcome.size:,}"
            )
        tar.addfile(info, file)


def check_tar(target: Target, part: str, expected: Iterator[ExpectedFile]) -> Iterator[str]:
    """Yield a sentence about each file that the tar lacks, or that is different.

    It must be a tar of rheo. A library that reads any tar would allocate memory for long headers.
    """
    tar, place = f"{part}.tar", 0
    with target.open(tar) as file:
        length = file.seek(0, os.SEEK_END)
        for each in expected:
            size = max(each.size or 0, 0)
            head = head_of_member(each.name, each.media_type, size)
            file.seek(place)
            if file.read(len(head)) != head or place + len(head) + size > length:
                yield f"{tar} does not have {each.name} at byte {place:,}"
                return
            yield from each.compared(file, size, f"{each.name} in {tar}")
            place += len(head) + size + _padding_of_member(size)


def head_of_member(file: str, media_type: str | None, size: int) -> bytes:
    """Return the bytes that `write_tar` writes before a file of `size` bytes."""
    return _member(file, media_type, size).tobuf()


def _padding_of_member(size: int) -> int:
    """Return the number of padding bytes after a file of `size` bytes."""
    return -size % tarfile.BLOCKSIZE


def _member(file: str, media_type: str | None, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name_in_tar(file, media_type))
    info.size, info.mode = size, _MODE
    return info


class _HashingFile:
    """Counts and hashes the written bytes."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.size = 0
        self.digest = hashlib.sha256()

    def tell(self) -> int:
        return self.size

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        self._file.write(data)
        return len(data)
