"""Free disk space on a worker after a download did not fit."""

import os
from pathlib import Path

_MIN_BYTES = 1 << 30
_DISK_PARTS = 10


def remove_partial(folder: Path, key: str) -> None:
    """Remove the files of an entry that has failed. Blocks.

    Args:
        folder: folder of the files.
        key: key of the entry, which begins their names.
    """
    for path in folder.glob(f"{key}*"):
        path.unlink(missing_ok=True)


def is_full(folder: Path) -> bool:
    """Return True if the disk of a folder has less than 1 GiB free. Blocks.

    On a disk of less than 10 GiB, the limit is a tenth. A disk that does not report its size
    counts as full.
    """
    disk = os.statvfs(folder)
    size = disk.f_blocks * disk.f_frsize
    return disk.f_bavail * disk.f_frsize <= min(_MIN_BYTES, size // _DISK_PARTS)
