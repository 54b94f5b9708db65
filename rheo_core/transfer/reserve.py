"""Free space that a body of unknown length leaves alone."""

import os

_LEAST = 1 << 30
_SHARE = 100
"""Of the disk: the reserve is a hundredth of it, where that is more than `_LEAST` bytes."""
_SHARE_OF_SMALL = 10
"""But no more than a tenth: a small disk could hold nothing else."""
_SHARE_OF_FREE = 2
"""Nor than a half of what is free at the start: what little there is must do for little files."""
_LOOK_EVERY = 64 << 20
"""Bytes between two looks at the disk at the most; others may write to it meanwhile."""


def reserve_of(disk: os.statvfs_result) -> int:
    """Bytes that stay free on a disk, whoever fills it without saying how far; 0: unknown size."""
    size = disk.f_blocks * disk.f_frsize
    return min(max(_LEAST, size // _SHARE), size // _SHARE_OF_SMALL)


class Reserve:
    """What one body of unknown length may take of its disk.

    It looks at the disk the more often, the less room is left.
    """

    def __init__(self, descriptor: int) -> None:
        disk = os.fstatvfs(descriptor)
        self.bytes = min(reserve_of(disk), _free(disk) // _SHARE_OF_FREE)
        self._granted = 0  # bytes that may be written before the next look

    def allows(self, count: int, descriptor: int) -> bool:
        """Whether `count` more bytes leave the reserve alone; they are taken then."""
        if count > self._granted and self.bytes:
            left = _free(os.fstatvfs(descriptor)) - self.bytes
            if left < count:
                return False
            self._granted = max(min(left // 2, _LOOK_EVERY), count)
        self._granted -= count
        return True


def _free(disk: os.statvfs_result) -> int:
    return disk.f_bavail * disk.f_frsize
