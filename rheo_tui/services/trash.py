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
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from rheo_core.domain.filenames import number_filename
from rheo_core.domain.text import printable
from rheo_core.domain.tuning import DEFAULT_TUNING
from rheo_core.infrastructure.files import rename_without_clobbering
from rheo_core.user_files import user_folder

_HELD = ".rheo-deleted-"
_HELD_NAME = re.compile(rf"{re.escape(_HELD)}[0-9a-f]{{16}}")
_LEFTOVER_SECONDS = 3600
"""A held file is removed after 10 minutes. One of this age comes from a killed program."""


@dataclass(frozen=True, slots=True)
class DeletedFile:
    """A deleted file, which undo gives back.

    Attributes:
        former: its path before.
        now: its path now; None if it is in an unknown place of the trash.
        in_trash: True if it is in the trash; otherwise it is removed after the undo.
        status: its status, by which it is recognised.
    """

    former: Path
    now: Path | None
    in_trash: bool
    status: os.stat_result


def delete_file(path: Path) -> DeletedFile:
    """Move a file to the trash; without a trash, rename it to a hidden name next to it.

    Raises:
        OSError: the file does not exist, is not a regular file, or cannot be moved.
    """
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):  # downloads are neither links nor folders
        raise OSError(f"{path.name} is not a file")
    try:
        # Imported late, because it looks for GLib.
        from send2trash import send2trash

        send2trash(path)
    except Exception:  # each desktop has its own errors
        held = path.with_name(f"{_HELD}{secrets.token_hex(8)}")
        path.rename(held)
        return DeletedFile(path, held, False, status)
    return DeletedFile(path, _find_in_trash(path, status), True, status)


def _find_in_trash(path: Path, status: os.stat_result) -> Path | None:
    """Return the path in the trash of a file that was at `path`; None if it is unknown."""
    stem = path.name.partition(".")[0]  # a number may follow it
    for folder in _trash_folders(path):
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(stem) and _is_same(
                    entry.stat(follow_symlinks=False), status
                ):
                    return Path(entry.path)
    return None


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    """Return True for the same file; a new one may have got the number of a removed one."""
    unchanged = (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
    return unchanged and os.path.samestat(one, other)


def _trash_folders(path: Path) -> tuple[Path, ...]:
    """Return the folders of trashed files for `path` (freedesktop.org Trash specification)."""
    data = os.environ.get("XDG_DATA_HOME") or user_folder(Path.home) / ".local" / "share"
    top, user = path.parent.resolve(), os.geteuid()
    while not top.is_mount():
        top = top.parent
    trashes = Path(data) / "Trash", top / ".Trash" / str(user), top / f".Trash-{user}"
    return tuple(trash / "files" for trash in trashes)


def restore_file(deleted: DeletedFile) -> Path:
    """Give a deleted file its name back, or a numbered one if that is taken; return its path.

    Raises:
        FileNotFoundError: the file is gone, or its place in the trash is unknown.
        OSError: the file cannot be renamed.
    """
    path, now = deleted.former, deleted.now
    if now is None or not _is_same(now.lstat(), deleted.status):
        raise FileNotFoundError
    restored, numbers = path, count(1)
    while True:
        try:
            rename_without_clobbering(now, restored)
        except FileExistsError:
            restored = path.with_name(number_filename(path.name, next(numbers)))
        else:
            break
    if deleted.in_trash:
        (now.parent.parent / "info" / f"{now.name}.trashinfo").unlink(missing_ok=True)
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
    """Deleted files by download, while undo is possible."""

    def __init__(self) -> None:
        self._files: dict[str, DeletedFile] = {}

    def add(self, download_id: str, deleted: DeletedFile) -> None:
        """Hold the file of a download."""
        self._files[download_id] = deleted
        loop = asyncio.get_running_loop()
        loop.call_later(DEFAULT_TUNING.undo_seconds, self._delete, download_id, deleted)

    def _delete(self, download_id: str, deleted: DeletedFile) -> None:
        if self._files.get(download_id) is deleted:
            del self._files[download_id]
            asyncio.get_running_loop().run_in_executor(None, _remove, deleted)

    async def give_back(self, ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Give the files of downloads their names back.

        Returns:
            The ids of the downloads with a file again, and sentences on problems.
        """
        returned, problems = [], []
        for download_id in ids:
            deleted = self._files.pop(download_id, None)
            if deleted is None:
                continue
            name = printable(deleted.former.name)
            try:
                restored = await asyncio.to_thread(restore_file, deleted)
            except FileNotFoundError:
                place = "the trash" if deleted.in_trash else "its folder"
                problems.append(f"Cannot restore {name}: it was not found in {place}.")
            except OSError as error:
                reason = error.strerror or error
                problems.append(f"{name} is kept as {deleted.now}: {reason}.")
            else:
                returned.append(download_id)
                if restored != deleted.former:
                    now = printable(restored.name)
                    problems.append(f"{name} is kept as {now}: another file has its name now.")
        return returned, problems

    async def delete_all(self) -> None:
        """Delete all files that are not in the trash, because no undo follows."""
        files, self._files = self._files, {}
        for deleted in files.values():
            await asyncio.to_thread(_remove, deleted)


def _remove(deleted: DeletedFile) -> None:
    if deleted.now is not None and not deleted.in_trash:
        deleted.now.unlink(missing_ok=True)
