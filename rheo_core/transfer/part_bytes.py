"""PartBytes: read and write an open part file that no other program may change."""

import os
import threading
from dataclasses import replace
from pathlib import Path

from isal import isal_zlib

from rheo_core.domain.exceptions import DiskFullError, FileValidationError
from rheo_core.domain.text import printable
from rheo_core.infrastructure.identity import check_at

from .disk_space import Reserve, check_room
from .errors import named_errors
from .part_recovery import crc_of
from .running_hash import RunningHash
from .segments import WrittenRange


class PartBytes:
    """Writes the bytes of an open, locked file. All methods block.

    Args:
        descriptor: the file.
        path: its path.
        hashing: checksum of the file, which gets all written bytes.
        reach: offset behind the last byte that is in the file.
    """

    def __init__(self, descriptor: int, path: Path, hashing: RunningHash, reach: int) -> None:
        self.descriptor = descriptor
        self._path = path
        self._hashing = hashing
        self._reach = reach
        self._checked: tuple[int, int] | None = None  # size and time when its bytes were checked
        self._reserve: Reserve | None = None  # for bodies of unknown length

    def write(self, offset: int, data: bytes | memoryview, crc: int, total: int | None) -> int:
        """Write all of `data` at `offset`; return its CRC-32, continued from `crc`.

        Args:
            offset: offset in the file.
            data: the bytes.
            crc: CRC-32 of the preceding bytes.
            total: size of the whole file, bytes; None: unknown.

        Raises:
            DiskFullError: the disk is full, or only the reserve is left.
            DestinationError: it cannot be written.
            FileValidationError: another program shortened the file.
        """
        if total is None or offset + len(data) > total:  # its end is unknown
            self._keep_reserve(len(data))
        with named_errors(self._path):
            self.check_reach()
            view = memoryview(data)
            while view:
                written = os.pwrite(self.descriptor, view, offset)
                self._hashing.feed(offset, view[:written])
                view = view[written:]
                offset += written
        self._reach = max(self._reach, offset)  # a race of threads can only lower it
        return isal_zlib.crc32(data, crc)

    def truncate(self) -> None:
        """Remove all bytes."""
        os.ftruncate(self.descriptor, 0)
        self._reach = 0

    def truncate_range(self, last: WrittenRange, end: int) -> WrittenRange:
        """Truncate the file in its last range, at `end`; return the rest of the range."""
        rest = replace(last, end=end)
        with named_errors(self._path):
            os.ftruncate(self.descriptor, end)
            self._reach = end
            self._hashing.restart()
            crc = crc_of(self.descriptor, rest, self._hashing, threading.Event())
        return replace(rest, crc=crc or 0)

    def note_check(self) -> None:
        """Note size and time of the file before its bytes are checked."""
        self._checked = self._look()

    def note_commit(self) -> None:
        """Note size and time again after the commit changed them."""
        if self._checked is not None:
            self.note_check()

    def forget(self) -> None:
        """Forget checks and reserve, because another version follows."""
        self._checked = self._reserve = None

    def check_unchanged(self, name: str) -> None:
        """Check that the file `name` did not change after its bytes were checked, if they were.

        Raises:
            FileValidationError: another program changed it.
        """
        if self._checked is not None and self._checked != self._look():
            raise FileValidationError(f"another program changed {printable(name)} after its check")

    def check_reach(self) -> None:
        """Check that all written bytes are in the file, because a later write would hide a hole.

        Raises:
            FileValidationError: another program shortened it.
        """
        reach = self._reach  # read first, because other threads write meanwhile
        if os.fstat(self.descriptor).st_size < reach:
            name = printable(self._path.name)
            raise FileValidationError(f"another program shortened {name} during the download")

    def check_in_place(self) -> None:
        """Check that the name of the file still leads to it.

        Raises:
            DestinationError: another program replaced it.
        """
        with named_errors(self._path):
            check_at(self.descriptor, self._path)

    def check_room(self, size: int) -> None:
        """Check that the rest of a file of `size` bytes fits on the disk.

        Raises:
            DiskFullError: it does not.
            DestinationError: it is larger than the whole disk, so waiting is useless.
        """
        with named_errors(self._path):
            check_room(self.descriptor, self._path, size)

    def close(self) -> None:
        """Close the file and leave it unchanged."""
        os.close(self.descriptor)

    def _keep_reserve(self, count: int) -> None:
        """Check the reserve before `count` more bytes of a body of unknown length are written."""
        with named_errors(self._path):
            if self._reserve is None:
                self._reserve = Reserve(self.descriptor)
            is_allowed = self._reserve.allows(count, self.descriptor)
        if not is_allowed:
            raise DiskFullError(self._path, reserve=self._reserve.bytes)

    def _look(self) -> tuple[int, int]:
        status = os.fstat(self.descriptor)
        return status.st_size, status.st_mtime_ns
