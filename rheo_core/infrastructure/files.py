"""Files that are whole or not there; every function blocks until the disk has it."""

import errno
import fcntl
import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

from rheo_core.domain.exceptions import FileInUseError

from .folder_sync import sync_folder

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def open_locked(path: Path, creating: int = 0) -> int:
    """Open a file that no other program works on.

    Raises:
        FileInUseError: one does.
        OSError: it cannot be opened, or the file system has no locks: then nobody could tell.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | creating
    while True:
        descriptor = os.open(path, flags, 0o666)
        try:
            lock(descriptor)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            raise FileInUseError(path) from None
        except BaseException:
            os.close(descriptor)
            raise
        if is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # its last owner committed or removed it between the two calls


def lock(descriptor: int, start: int = 0, length: int = 0) -> None:
    """Keep every other process from locking these bytes until `descriptor` is closed.

    The lock is one of POSIX, which network file systems take to their server; flock(2) may hold
    on this machine only, without a word. Where the system has them (Linux), it belongs to the
    descriptor instead of the process: closing another descriptor of the file does not drop it.

    Args:
        descriptor: the file, open for writing.
        start: the first byte; it need not exist.
        length: number of bytes; 0: all that follow.

    Raises:
        BlockingIOError, PermissionError: another one holds it.
        OSError: the file system has no locks.
    """
    if sys.platform == "linux" and hasattr(fcntl, "F_OFD_SETLK"):
        # struct flock, as Linux orders it: type, whence, start, length, pid (0, as the kernel asks)
        what = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, what)
    else:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)


def is_at(descriptor: int, path: Path) -> bool:
    """Check that the open file is still the one with this name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False


def write_atomically(path: Path, data: bytes, mode: int = 0o600, *, durable: bool = True) -> None:
    """Put `data` under `path`, replacing what is there: a crash leaves the old or the new.

    Args:
        path: where to; its folder exists. A symbolic link is replaced, not followed.
        data: the whole content.
        mode: permission bits of the file, whatever the umask.
        durable: whether it outlives a loss of power once this has returned. Without, such a loss
            may leave anything at `path`.

    Raises:
        OSError: it could not be written; what was at `path` is untouched.
    """
    temporary = unfinished(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with os.fdopen(os.open(temporary, flags | os.O_CLOEXEC, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def unfinished(path: Path) -> Path:
    """Where `write_atomically` writes what is to be at `path`, and where a crash leaves it.

    A fixed name: the next try writes over it.
    """
    return path.with_name(f"{path.name}.new")


def rename_without_clobbering(source: Path, target: Path) -> None:
    """Give `source` the name `target`, which must not exist.

    link(2) fails where the name is taken, whoever took it and when; rename(2) would not.

    Raises:
        builtins.FileExistsError: the name is taken; `source` is where it was.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _rename_where_links_are_missing(source, target)
    else:
        with suppress(OSError):  # the name is given: nothing that follows can take it back
            source.unlink()


def _rename_where_links_are_missing(source: Path, target: Path) -> None:
    """FAT and some network file systems: a check and a rename, with a moment in between."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)


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
        with memoryview(data) as rest:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        if finish is not None:
            finish(descriptor)
        if durable:
            os.fsync(descriptor)
        return _link_unnamed(descriptor, path)
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


def _link_unnamed(descriptor: int, path: Path) -> bool:
    """Give a file without a name this one, as open(2) tells; False where that is not possible."""
    unnamed = f"/proc/self/fd/{descriptor}"
    try:
        # The folder of an absolute path is never looked at. Without one Python calls link(2), which
        # does not follow the symbolic link; with one it calls linkat(2), which does.
        os.link(unnamed, path, src_dir_fd=descriptor, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def rename_to_first_free(source: Path, name: str) -> Path:
    """Call it `name`, `name.1` and so on; return what it is called now."""
    for number in count():
        target = source.with_name(f"{name}.{number}" if number else name)
        with suppress(FileExistsError):
            rename_without_clobbering(source, target)
            return target
    raise AssertionError("there is always another number")
