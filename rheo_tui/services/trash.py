"""Trash: move deleted files to the desktop's trash, or hold them until undo expires.

The functions block; the methods of `HeldFiles` do not.
"""

import asyncio
import os
import re
import secrets
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from rheo_core.domain.filenames import number_filename
from rheo_core.domain.text import printable
from rheo_core.domain.tuning import DEFAULT_TUNING
from rheo_core.infrastructure.files import rename_without_clobbering

_HELD = ".rheo-deleted-"
_HELD_NAME = re.compile(rf"{re.escape(_HELD)}[0-9a-f]{{16}}")
_LEFTOVER_SECONDS = 3600
"""A held file is removed after 10 minutes. One of this age comes from a killed program."""


def delete_file(path: Path) -> Path | None:
    """Move a file to the trash; without a trash, rename it to a hidden name next to it.

    Returns:
        The hidden path, which the caller removes later; None if the file is in the trash.

    Raises:
        OSError: the file does not exist, is not a regular file, or cannot be moved.
    """
    if not stat.S_ISREG(path.lstat().st_mode):  # downloads are neither links nor folders
        raise OSError(f"{path.name} is not a file")
    try:
        # Imported late, because it looks for GLib.
        from send2trash import send2trash

        send2trash(path)
    except Exception:  # each desktop has its own errors
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


class HeldFiles:
    """Deleted files that are not in the trash, by download, while undo is possible."""

    def __init__(self) -> None:
        self._paths: dict[str, tuple[Path, Path]] = {}  # held files, and their former paths

    def add(self, download_id: str, held: Path, path: Path) -> None:
        """Hold the file of a download that was at `path`."""
        self._paths[download_id] = held, path
        loop = asyncio.get_running_loop()
        loop.call_later(DEFAULT_TUNING.undo_seconds, self._delete, download_id, held)

    def _delete(self, download_id: str, held: Path) -> None:
        if self._paths.get(download_id, (None,))[0] == held:
            del self._paths[download_id]
            asyncio.get_running_loop().run_in_executor(None, held.unlink, True)

    async def give_back(self, ids: Sequence[str]) -> list[str]:
        """Give the held files of downloads their names back; return sentences on problems."""
        problems = []
        for held, path in [self._paths.pop(each) for each in ids if each in self._paths]:
            try:
                restored = await asyncio.to_thread(restore_file, held, path)
            except OSError as error:
                name, reason = printable(path.name), error.strerror or error
                problems.append(f"{name} is kept as {held}: {reason}.")
                continue
            if restored != path:
                was, name = printable(path.name), printable(restored.name)
                problems.append(f"{was} is kept as {name}: another file has its name now.")
        return problems

    async def delete_all(self) -> None:
        """Delete all held files, because no undo follows."""
        paths, self._paths = self._paths, {}
        for held, _ in paths.values():
            await asyncio.to_thread(held.unlink, missing_ok=True)
