"""Trash: files that the user deletes go to the desktop's trash, or are held until undo is over.

All functions block.
"""

import os
import re
import secrets
import stat
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

from rheo_core.domain.filenames import number_filename
from rheo_core.infrastructure.files import rename_without_clobbering

_HELD = ".rheo-deleted-"
_HELD_NAME = re.compile(rf"{re.escape(_HELD)}[0-9a-f]{{16}}")
_LEFTOVER_SECONDS = 3600
"""A held file is removed after 10 minutes. One of this age comes from a killed program."""


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


def restore_file(held: Path, path: Path) -> Path:
    """Give a held file its name back, or a numbered one if that is taken; return its path.

    Raises:
        OSError: the file is gone, or cannot be renamed.
    """
    restored, numbers = path, count(1)
    while True:
        try:
            rename_without_clobbering(held, restored)
        except FileExistsError:
            restored = path.with_name(number_filename(path.name, next(numbers)))
        else:
            return restored


def remove_leftovers(folder: Path) -> None:
    """Remove files in a folder that a killed program held for an undo."""
    with suppress(OSError), os.scandir(folder) as entries:
        held = [entry for entry in entries if _HELD_NAME.fullmatch(entry.name)]
        oldest = time.time() - _LEFTOVER_SECONDS
        for entry in held:
            status = entry.stat(follow_symlinks=False)
            is_ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
            if is_ours and status.st_ctime < oldest:  # the time of its rename
                Path(entry.path).unlink()
