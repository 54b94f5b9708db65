"""Disk space: check that files of known size fit, and keep a reserve free from all others.

`part_bytes.py` applies the reserve. `downloads/worker.py` lets downloads wait for room, and
`disk_space_watch.py` beside it resumes them.
"""

import os
from pathlib import Path

from rheo_core.domain.exceptions import DiskFullError
from rheo_core.domain.units import size_text

_MIN_BYTES = 1 << 30
_DISK_PARTS = 100
"""The reserve is the larger of 1 GiB and one hundredth of the disk,"""
_SMALL_DISK_PARTS = 10
"""but at most one tenth, because otherwise a USB stick could not hold such files,"""
_FREE_PARTS = 2
"""and at most half of the free space when the body begins, so that small files still fit."""
_LOOKS = 64
"""Checks while the reserve is written. Even 64 such bodies at once do not use it up between two
checks."""


def reserve_of(disk: os.statvfs_result) -> int:
    """Return the bytes to keep free on a disk; 0 if the disk does not report its size."""
    size = disk.f_blocks * disk.f_frsize
    return min(max(_MIN_BYTES, size // _DISK_PARTS), size // _SMALL_DISK_PARTS)


class Reserve:
    """Limit of one body of unknown length.

    The less space is left, the more often it checks the disk.
    """

    def __init__(self, descriptor: int) -> None:
        disk = _disk_of(descriptor)
        self.bytes = 0 if disk is None else min(reserve_of(disk), _free(disk) // _FREE_PARTS)
        self._granted = 0  # bytes that may be written before the next check

    def allows(self, count: int, descriptor: int) -> bool:
        """Claim `count` more bytes; return False if they would use up the reserve."""
        if count > self._granted and self.bytes:
            disk = _disk_of(descriptor)
            if disk is None:
                return True
            left = _free(disk) - self.bytes
            if left < count:
                return False
            self._granted = max(min(left // 2, self.bytes // _LOOKS), count)
        self._granted -= count
        return True


def check_room(descriptor: int, path: Path, size: int) -> None:
    """Check that the rest of an open file fits on its disk.

    Args:
        descriptor: the file.
        path: name of the file, for the message.
        size: size of the complete file, bytes.

    Raises:
        DiskFullError: the file does not fit, or is larger than the disk.
    """
    disk = _disk_of(descriptor)
    if disk is None:
        return
    written = os.fstat(descriptor).st_blocks * 512
    missing = size - written - _free(disk)
    if missing <= 0 or not disk.f_blocks:  # some file systems do not know their size
        return
    if size > (whole := disk.f_blocks * disk.f_frsize):
        facts = f"the file ({size_text(size)}) is larger than the disk ({size_text(whole)})"
        raise DiskFullError(path, is_too_large=True, disk_facts=facts)
    raise DiskFullError(path, missing)


def _disk_of(descriptor: int) -> os.statvfs_result | None:
    """Return size and free space of a file's disk; None if not permitted, as on some phones."""
    try:
        return os.fstatvfs(descriptor)
    except OSError:
        return None


def _free(disk: os.statvfs_result) -> int:
    return disk.f_bavail * disk.f_frsize
