"""Reserve of free disk space for bodies of unknown length, which may never end."""

import os

_MIN_BYTES = 1 << 30
_DISK_PARTS = 100
"""The reserve is the larger of 1 GiB and a hundredth of the disk,"""
_SMALL_DISK_PARTS = 10
"""but at most a tenth, or a USB stick could not hold such files at all,"""
_FREE_PARTS = 2
"""and at most half of the space that is free when the body begins: small files still fit."""
_LOOKS = 64
"""Per reserve that is written: even 64 such bodies at a time do not use it up between two looks."""


def reserve_of(disk: os.statvfs_result) -> int:
    """Return the bytes to keep free on a disk; 0 if the disk does not report its size."""
    size = disk.f_blocks * disk.f_frsize
    return min(max(_MIN_BYTES, size // _DISK_PARTS), size // _SMALL_DISK_PARTS)


class Reserve:
    """Limit of one body of unknown length.

    The less space is left, the more often it looks at the disk.
    """

    def __init__(self, descriptor: int) -> None:
        disk = os.fstatvfs(descriptor)
        self.bytes = min(reserve_of(disk), _free(disk) // _FREE_PARTS)
        self._granted = 0  # bytes that may be written before the next look

    def allows(self, count: int, descriptor: int) -> bool:
        """Claim `count` more bytes; return False if they would use up the reserve."""
        if count > self._granted and self.bytes:
            left = _free(os.fstatvfs(descriptor)) - self.bytes
            if left < count:
                return False
            self._granted = max(min(left // 2, self.bytes // _LOOKS), count)
        self._granted -= count
        return True


def _free(disk: os.statvfs_result) -> int:
    return disk.f_bavail * disk.f_frsize
