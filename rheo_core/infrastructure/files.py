"""Files that are whole or not there; every function blocks until the disk has it."""

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, islice
from pathlib import Path

from .folder_sync import sync_folder
from .identity import (
    give_name,
    identity_of,
    link_open,
    link_or_rename,
    unlink_open,
    unlink_same,
)

_RANDOM_NAME = re.compile(r"\.rheo-[0-9a-f]{16}\.new")
_MAX_SWEPT_NAMES = 10_000
"""Names of a folder that are looked at for leftovers."""
_LEFTOVER_SECONDS = 3600
"""A temporary file is in use for milliseconds; one of that age is of a program that was killed."""


def resolve_links(path: Path, *, strict: bool = False) -> Path:
    """Return the absolute path without links.

    `Path.resolve` alone returns some path for links in a circle since Python 3.13.

    Args:
        path: any path.
        strict: whether it must exist.

    Raises:
        OSError: its links lead in a circle (ELOOP), or it does not exist and must.
    """
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise
    return path.resolve(strict=strict)


def write_atomically(
    path: Path, data: bytes, mode: int = 0o600, *, durable: bool = True, mark: bytes = b""
) -> None:
    """Put `data` under `path`, replacing what is there: a crash leaves the old or the new.

    Args:
        path: where to; its folder exists. A symbolic link is replaced, not followed.
        data: the whole content.
        mode: permission bits of the file, whatever the umask.
        durable: whether it outlives a loss of power once this has returned. Without, such a loss
            may leave anything at `path`.
        mark: what `data` begins with and nobody else's file does. By it the next call knows what
            a crash left, which then has a fixed name.

    Raises:
        OSError: it could not be written; what was at `path` is untouched.
    """
    descriptor, temporary = _create_temporary(path, mode, mark)
    try:
        os.fchmod(descriptor, mode)
        _write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            unlink_open(temporary, descriptor)
        raise
    finally:
        os.close(descriptor)
    if durable:
        sync_folder(path.parent)


def _create_temporary(path: Path, mode: int, mark: bytes) -> tuple[int, Path]:
    """Create a file for what is to be at `path`, open for writing; return its name too.

    Nothing that exists is opened for writing. Without a mark, or if somebody else's file has the
    fixed name, the name is random and its leftovers are swept later.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fixed = unfinished(path)
    for _ in range(2 if mark else 0):
        try:
            return os.open(fixed, flags, mode), fixed
        except FileExistsError:
            if not remove_leftover(fixed, mark):
                break
    _sweep(path.parent)
    temporary = path.with_name(f".rheo-{secrets.token_hex(8)}.new")
    return os.open(temporary, flags, mode), temporary


def remove_leftover(path: Path, mark: bytes) -> bool:
    """Remove what a crash of this program left at `path`; return whether it was that."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        if not is_private(os.fstat(descriptor)):
            return False
        start = os.pread(descriptor, len(mark), 0)
        # Killed before the first byte it is empty, and a loss of power leaves zeros.
        is_ours = mark.startswith(start) or not start.strip(b"\0")
        return is_ours and unlink_open(path, descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what crashes left under random names in `folder`, some of it in a large one."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, _MAX_SWEPT_NAMES):
            if _RANDOM_NAME.fullmatch(entry.name) is None:
                continue
            status = entry.stat(follow_symlinks=False)
            if is_private(status) and time.time() - status.st_mtime > _LEFTOVER_SECONDS:
                with suppress(OSError):
                    unlink_same(Path(entry.path), identity_of(status))


def is_private(status: os.stat_result) -> bool:
    """Tell whether a file is as this program makes its own: regular, private, one name."""
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_nlink == 1
        and status.st_uid == os.geteuid()
        and not status.st_mode & 0o077
    )


def unfinished(path: Path) -> Path:
    """Return the path that `write_atomically` uses before it renames; a crash may leave it."""
    return path.with_name(f"{path.name}.new")


def rename_without_clobbering(source: Path, target: Path) -> None:
    """Give `source` the name `target`, which must not exist.

    Raises:
        builtins.FileExistsError: the name is taken; `source` is where it was.
    """
    if link_or_rename(source, target):
        with suppress(OSError):  # the name is given: nothing that follows can take it back
            source.unlink()


def create_whole(
    path: Path,
    data: bytes,
    *,
    durable: bool = True,
    finish: Callable[[int], None] | None = None,
) -> bool:
    """Create a file with all of its bytes at once: nobody, and no crash, sees it in part.

    It has no name until it is complete (`O_TMPFILE`, then link(2)).

    Args:
        path: where to; missing folders are created.
        data: the whole content.
        durable: whether it outlives a loss of power once this has returned.
        finish: called with the descriptor before the file has its name.

    Returns:
        False where the system has no such files; nothing was done then.

    Raises:
        builtins.FileExistsError: the name is taken.
        OSError: it could not be written.
    """
    descriptor = _open_unnamed(path.parent)
    if descriptor is None:
        return False
    try:
        _write_all(descriptor, data)
        if finish is not None:
            finish(descriptor)
        if durable:
            os.fsync(descriptor)
        return link_open(descriptor, path)
    finally:
        os.close(descriptor)


def _open_unnamed(folder: Path) -> int | None:
    """A new file without a name on the disk of `folder`, which is made where it is missing.

    None where there can be none; whoever tries the ordinary way is told what is wrong.
    """
    if not hasattr(os, "O_TMPFILE"):
        return None
    flags = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
    with suppress(OSError):
        try:
            return os.open(folder, flags, 0o666)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            return os.open(folder, flags, 0o666)
    return None


def _write_all(descriptor: int, data: bytes) -> None:
    with memoryview(data) as rest:
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def rename_to_first_free(descriptor: int, source: Path, name: str) -> Path:
    """Call the open file at `source` `name`, `name.1` and so on; return what it is called now.

    Raises:
        ReplacedError: another file has its name.
        OSError: the name cannot be given.
    """
    for target in suffixed(source.with_name(name)):
        with suppress(FileExistsError):
            give_name(descriptor, source, target)
            return target
    raise AssertionError("there is always another number")


def suffixed(path: Path) -> Iterator[Path]:
    """Yield `path`, then `path.1`, `path.2` and so on."""
    yield path
    for number in count(1):
        yield path.with_name(f"{path.name}.{number}")
