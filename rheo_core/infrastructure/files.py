"""Atomic file operations. Every function blocks until the data is on the disk."""

import errno
import os
import re
import stat
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO

from .folder_sync import sync_folder
from .identity import (
    NEW_FILE,
    UNTRUSTED_FILE,
    Identity,
    give_name,
    identity_of,
    link_open,
    link_or_rename,
    random_path,
    unlink_open,
    unlink_same,
)

_RANDOM_NAME = re.compile(r"\.rheo-[0-9a-f]{16}\.new")
_MAX_SWEPT_NAMES = 10_000
"""Names in a folder that are checked for leftovers."""
_LEFTOVER_SECONDS = 3600
"""A temporary file is in use for milliseconds. One of this age comes from a killed program."""


def resolve_links(path: Path, *, strict: bool = False) -> Path:
    """Return the absolute path without symbolic links.

    Since Python 3.13, `Path.resolve` alone returns some path for a loop of links.

    Args:
        path: any path.
        strict: the path must exist.

    Raises:
        OSError: its links form a loop (ELOOP), or it must exist but does not.
    """
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise
    return path.resolve(strict=strict)


def write_atomically(
    path: Path, data: bytes, mode: int = 0o600, *, durable: bool = True, mark: bytes = b""
) -> os.stat_result:
    """Create or replace a file atomically: a crash leaves the old content or the new one.

    Return the status of the new file under its name.

    Args:
        path: path of the file; its folder exists. A symbolic link is replaced, not followed.
        data: the whole content.
        mode: permission bits of the file, regardless of the umask.
        durable: the file survives a power loss after this has returned. Otherwise, a power loss
            may leave anything at `path`.
        mark: first bytes of `data`, which no other program writes. The temporary file then has a
            fixed name, and the next call recognises one that a crash left.

    Raises:
        OSError: the file could not be written; the old one is untouched.
    """
    descriptor, temporary = _create_temporary(path, mode, mark)
    try:
        set_mode(descriptor, mode)
        _write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
        temporary.replace(path)
        status = os.fstat(descriptor)
    except BaseException:
        with suppress(OSError):
            unlink_open(temporary, descriptor)
        raise
    finally:
        os.close(descriptor)
    if durable:
        sync_folder(path.parent)
    return status


def open_new(path: Path, buffer_bytes: int = -1) -> BinaryIO:
    """Open a new file for writing, in place of any file with this name.

    Opening the old one would follow a link, or write to a file that also has other names.

    Args:
        path: path of the file; its folder exists.
        buffer_bytes: size of the buffer; -1: the usual one.

    Raises:
        OSError: it cannot be created.
    """
    path.unlink(missing_ok=True)
    return path.open("xb", buffer_bytes)


def folder_of(path: str) -> str:
    """Return the folder of a path. `Path.parent` and `os.path.dirname` take five times as long."""
    return path[: path.rfind("/") + 1] or "."


def set_mode(descriptor: int, mode: int) -> None:
    """Set the permission bits of an open file, if its file system has them (FAT has not)."""
    with suppress(OSError):
        os.fchmod(descriptor, mode)


def _create_temporary(path: Path, mode: int, mark: bytes) -> tuple[int, Path]:
    """Create a temporary file for `path`; return it, open for writing, and its name.

    No existing file is opened for writing. Without a mark, or if a foreign file has the fixed
    name, the name is random. A later call sweeps leftovers with random names.
    """
    flags = os.O_WRONLY | NEW_FILE
    fixed = unfinished(path)
    for _ in range(2 if mark else 0):
        try:
            return os.open(fixed, flags, mode), fixed
        except FileExistsError:
            if not remove_leftover(fixed, mark):
                break
    _sweep(path.parent)
    temporary = random_path(path.parent)
    return os.open(temporary, flags, mode), temporary


def remove_leftover(path: Path, mark: bytes) -> bool:
    """Remove a temporary file that a crash left; return True if the name is free now.

    Args:
        path: name of the temporary file.
        mark: first bytes that prove it to be ours; see `write_atomically`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | UNTRUSTED_FILE)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        if not is_private(os.fstat(descriptor)):
            return False
        start = os.pread(descriptor, len(mark), 0)
        # A kill before the first byte leaves an empty file, and a power loss leaves zeros.
        is_ours = mark.startswith(start) or not start.strip(b"\0")
        return is_ours and unlink_open(path, descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove temporary files with random names that crashes left among the first names."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, _MAX_SWEPT_NAMES):
            if _RANDOM_NAME.fullmatch(entry.name) is None:
                continue
            status = entry.stat(follow_symlinks=False)
            if is_private(status) and time.time() - status.st_mtime > _LEFTOVER_SECONDS:
                with suppress(OSError):
                    unlink_same(Path(entry.path), identity_of(status))


def is_private(status: os.stat_result) -> bool:
    """Return True if a file is like those of this program: regular, private, with one name."""
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_nlink == 1
        and status.st_uid == os.geteuid()
        and not status.st_mode & 0o077
    )


def unfinished(path: Path) -> Path:
    """Return the fixed temporary name of `write_atomically`, which a crash may leave."""
    return path.with_name(f"{path.name}.new")


def rename_without_clobbering(source: Path, target: Path) -> None:
    """Rename `source` to `target`, which must not exist.

    Raises:
        builtins.FileExistsError: the name is taken; `source` is unchanged.
        OSError: it cannot be renamed.
    """
    if link_or_rename(source, target):
        with suppress(OSError):  # `target` exists, so the operation has succeeded
            source.unlink()


def create_whole(
    path: Path,
    data: bytes,
    *,
    durable: bool = True,
    finish: Callable[[int], None] | None = None,
) -> Identity | None:
    """Create a file that gets its name when it is complete (`O_TMPFILE`, then link(2)).

    Args:
        path: path of the file; missing folders are created.
        data: the whole content.
        durable: the content survives a power loss after this has returned.
        finish: called with the descriptor before the file gets its name.

    Returns:
        Its identity; None if the system does not support it. Then no file was created.

    Raises:
        builtins.FileExistsError: the name is taken.
        OSError: the file could not be written.
    """
    name = str(path)
    descriptor = _open_unnamed(folder_of(name))
    if descriptor is None:
        return None
    try:
        _write_all(descriptor, data)
        if finish is not None:
            finish(descriptor)
        if durable:
            os.fsync(descriptor)
        return identity_of(os.fstat(descriptor)) if link_open(descriptor, name) else None
    finally:
        os.close(descriptor)


def _open_unnamed(folder: str) -> int | None:
    """Open a new file without a name on the disk of `folder`, which is created if missing.

    Return None if that fails. The usual way of creating a file then reports the error.
    """
    if not hasattr(os, "O_TMPFILE"):
        return None
    flags = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
    try:
        try:
            return os.open(folder, flags, 0o666)
        except FileNotFoundError:
            Path(folder).mkdir(parents=True, exist_ok=True)
            return os.open(folder, flags, 0o666)
    except OSError:
        return None


def _write_all(descriptor: int, data: bytes) -> None:
    with memoryview(data) as rest:
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def rename_to_first_free(descriptor: int, source: Path, name: str) -> Path:
    """Rename an open file to `name`, or to `name.1` and so on; return its new path.

    Args:
        descriptor: the open file.
        source: its current path.
        name: name in the same folder.

    Raises:
        ReplacedError: `source` is another file now.
        OSError: the file cannot be renamed.
    """
    for target in suffixed(source.with_name(name)):
        with suppress(FileExistsError):
            give_name(descriptor, source, target)
            return target
    raise AssertionError("there is always another number")


def folds_names(folder: Path) -> bool:
    """Return True if the file system treats two spellings as one name. Blocks.

    Spellings differ in case (`a`, `A`) or in their Unicode form (NFC, NFD).
    """
    path = random_path(folder)
    path = path.with_name(f"{path.name}\N{LATIN SMALL LETTER E WITH ACUTE}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | NEW_FILE, 0o600)
    except (OSError, UnicodeEncodeError):  # the download will report the reason
        return False
    try:
        others = path.name.upper(), unicodedata.normalize("NFD", path.name)
        return any(os.path.lexists(path.with_name(other)) for other in others)
    finally:
        with suppress(OSError):
            unlink_open(path, descriptor)
        os.close(descriptor)


def suffixed(path: Path) -> Iterator[Path]:
    """Yield `path`, then `path.1`, `path.2` and so on."""
    yield path
    for number in count(1):
        yield path.with_name(f"{path.name}.{number}")


def announce(path: Path) -> None:
    """Let programs that watch a folder know that a file in it is complete (inotify).

    Linking a file to a new name does not cause the event that they wait for. Closing a descriptor
    that was open for writing does.
    """
    if sys.platform != "linux":
        return
    name = str(path)
    try:
        if stat.S_ISREG(os.lstat(name).st_mode):
            os.close(os.open(name, os.O_WRONLY | UNTRUSTED_FILE))
    except OSError:
        return  # the file exists anyway
