"""Trash: files that the user deletes go to the desktop's trash, or are held until it is too late.

All functions block.
"""

import errno
import secrets
import stat
from pathlib import Path

from rheo_core.infrastructure.files import rename_without_clobbering

_HELD = ".rheo-deleted-"


def delete_file(path: Path) -> Path | None:
    """Move a file to the trash; where there is none, rename it to a hidden name beside it.

    Returns:
        The hidden path, which the caller removes later; None if the file is in the trash.

    Raises:
        OSError: there is no such file, it is not a regular file, or it cannot be moved.
    """
    if not stat.S_ISREG(path.lstat().st_mode):  # nobody downloads links and folders
        raise OSError(f"{path.name} is not a file")
    try:
        # Imported late, because it looks for GLib.
        from send2trash import send2trash

        send2trash(path)
    except Exception:  # each desktop has errors of its own
        held = path.with_name(f"{_HELD}{secrets.token_hex(8)}")
        path.rename(held)
        return held
    return None


def restore_file(held: Path, path: Path) -> None:
    """Give a held file its name back.

    Raises:
        OSError: the name is taken meanwhile, or the file is gone.
    """
    try:
        rename_without_clobbering(held, path)
    except FileExistsError as error:
        raise FileExistsError(errno.EEXIST, "another file has its name now") from error
