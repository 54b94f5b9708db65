"""Commit: give a complete part file its final name, durably."""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.exceptions import DestinationError, FileExistsError, ShortageError
from rheo_core.infrastructure.file_metadata import FileMetadata
from rheo_core.infrastructure.files import announce, create_whole, unfinished
from rheo_core.infrastructure.folder_sync import sync_folder
from rheo_core.infrastructure.identity import (
    Identity,
    give_name,
    identity_of,
    is_at,
    take_name,
)

from .errors import named_errors
from .part_file import PartFile
from .part_marks import remove_mark

_NO_METADATA = FileMetadata()


class Commit(NamedTuple):
    """Request to give a finished file its final name.

    Attributes:
        part: the complete file, in memory or on the disk.
        size: size of the file, bytes.
        overwrite: replace a regular file with that name.
        metadata: modification time, origin and source of the file.
    """

    part: PartFile
    size: int
    overwrite: bool
    metadata: FileMetadata = _NO_METADATA


def commit(
    part: PartFile, size: int, *, overwrite: bool, metadata: FileMetadata = _NO_METADATA
) -> Identity:
    """Give a finished file its final name, durably; see `Commit` and `give_final_name`."""
    request = Commit(part, size, overwrite, metadata)
    identity = give_final_name(request)
    make_names_durable((request,))
    return identity


def give_final_name(request: Commit) -> Identity:
    """Write the metadata of the finished file, then give it its name. Blocks.

    Return the identity of the file. Call `make_names_durable` afterwards.

    Raises:
        FileExistsError: a file with this name exists now. The part file stays.
        DestinationError: the disk reports an error, or another program replaced the part file.
        FileValidationError: another program truncated the file, or changed it after the check.
    """
    part, size, overwrite, metadata = request
    part.check_folder()
    with named_errors(part.destination):
        try:
            identity = None if overwrite else _commit_buffer(part, metadata)
            if identity is None:
                part.flush_buffer()
                identity = _commit_written(part, size, metadata, overwrite=overwrite)
        except OSError as error:
            if error.errno == errno.EEXIST:
                part.flush_buffer()
                raise FileExistsError(part.destination) from None
            raise
    return identity


def make_names_durable(requests: Sequence[Commit]) -> None:
    """Sync the folders of files that have their names now, each once, and announce the files."""
    for folder in {request.part.folder for request in requests if request.part.durable}:
        sync_folder(folder)
    for request in requests:
        announce(request.part.destination)


def _commit_buffer(part: PartFile, metadata: FileMetadata) -> Identity | None:
    """Create the file from memory; None if it is on the disk, or the system cannot do this."""
    if part.buffered is None:
        return None
    identity = create_whole(
        part.destination, part.buffered, durable=part.durable, finish=metadata.apply
    )
    if identity is not None:
        part.buffered = None
    return identity


def _commit_written(
    part: PartFile, size: int, metadata: FileMetadata, *, overwrite: bool
) -> Identity:
    """Give the open file its name, even if its old name leads to another file."""
    part.file.check_unchanged(part.destination.name)
    part.file.check_reach()
    os.ftruncate(part.descriptor, size)
    metadata.apply(part.descriptor)
    part.file.note_commit()
    if part.durable:
        os.fsync(part.descriptor)
        part.file.check_unchanged(part.destination.name)
    if overwrite:
        _refuse_special(part.destination)
        take_name(part.descriptor, part.path, part.destination, spare=unfinished(part.path))
    else:
        give_name(part.descriptor, part.path, part.destination)
    remove_mark(part.descriptor)
    identity = identity_of(os.fstat(part.descriptor))
    with suppress(OSError, ShortageError):  # the file has its name, which cannot be undone
        if not is_at(part.descriptor, part.path):  # else the state still belongs to that name
            part.remove_state()
    part.close()
    return identity


def _refuse_special(path: Path) -> None:
    """Refuse to overwrite a folder, a device, or the target of a link."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise DestinationError(path, "exists and is not a regular file")
