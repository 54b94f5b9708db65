"""Read files that belong to the user or that the user names, after checking their type.

Reading never waits for another program. Without the checks, a FIFO in place of a settings file
would block rheo for ever, and opening a device could have any effect.
"""

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Protocol

import platformdirs

from rheo_core.domain.exceptions import ShortageError
from rheo_core.domain.text import printable

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_MAX_BYTES = 64 << 20
"""Limit for a file that is read whole. The largest useful one, a CA bundle, has a tenth of it."""
_MAX_LIST_BYTES = 1 << 20
"""Limit for the list of the user's folders. A usual one has 1 KB."""
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH
_MAX_LINKS = 40  # as in Linux (path_resolution(7))
_NOWHERE = Path("/nonexistent/rheo")
"""Home folder of users without one (Debian policy 9.2.3)."""


class _OpenFile(Protocol):
    def fileno(self) -> int: ...


def user_folder(find: Callable[[], Path], fallback: Path = _NOWHERE) -> Path:
    """Return a folder of the user.

    Args:
        find: a function of platformdirs. It fails if neither HOME nor an entry for the user
            exists, as in some containers.
        fallback: returned if `find` fails; relative to the current folder.
    """
    try:
        return find()
    except RuntimeError:
        return fallback.absolute()


def downloads_folder() -> Path:
    """Return the user's download folder.

    platformdirs reads the desktop's list of folders whole, so a huge one counts as none.
    """
    folders = user_folder(platformdirs.user_config_path) / "user-dirs.dirs"
    with suppress(OSError):
        if folders.stat().st_size > _MAX_LIST_BYTES:
            return user_folder(lambda: Path.home() / "Downloads", Path("Downloads"))
    return user_folder(platformdirs.user_downloads_path, Path("Downloads"))


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading.

    Raises:
        OSError: it is not a regular file, or cannot be read; `strerror` is a phrase.
    """
    return open(path, "rb", opener=_open_descriptor)


def _open_descriptor(path: str, _: int) -> int:
    _check_kind(Path(path).stat())
    descriptor = os.open(path, _READ)
    try:
        _check_kind(os.fstat(descriptor))  # it may have been replaced in between
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(path: Path, max_bytes: int = _MAX_BYTES) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        OSError: it is not a regular file, has more than `max_bytes` bytes, or cannot be read.
    """
    with open_regular(path) as file:
        return read_bounded(file, max_bytes)


def read_bounded(file: BufferedReader, max_bytes: int = _MAX_BYTES, name: str = "it") -> bytes:
    """Return the bytes of an open file.

    Args:
        file: a regular file.
        max_bytes: limit of its size.
        name: the file in the sentence.

    Raises:
        OSError: it has more bytes (EFBIG, with a sentence that names both sizes), or cannot be
            read.
    """
    return _checked(file.read(max_bytes + 1), file, max_bytes, name)


def read_secret(path: Path) -> bytes:
    """Return the bytes of a regular file that holds secrets.

    Raises:
        OSError: as for `read_regular`, or users other than its owner can read or change it.
    """
    with open_regular(path) as file:
        check_private(file)
        return read_bounded(file)


async def read_secret_async(path: Path) -> bytes:
    """Return the bytes of a regular file that holds secrets without blocking the event loop.

    Raises:
        OSError: as for `read_secret`.
        ShortageError: no thread can be started.
    """
    import aiofiles  # it imports tempfile and more, and few runs have such a file

    try:
        async with aiofiles.open(path, "rb", opener=_open_descriptor) as file:
            check_private(file)
            return _checked(await file.read(_MAX_BYTES + 1), file, _MAX_BYTES, "it")
    except RuntimeError:
        raise ShortageError.of_threads() from None


FileVersion = tuple[int, int, int, int]


def version_of(path: Path | None) -> FileVersion | None:
    """Return numbers that differ after a file was changed or replaced; None if there is none."""
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def check_private(file: _OpenFile) -> None:
    """Check that the user owns an open file, and that no other user can read or change it.

    Raises:
        PermissionError: another user owns it, or can read or change it.
    """
    status = os.fstat(file.fileno())
    if status.st_mode & _OF_OTHERS:
        verb = "read" if status.st_mode & _READABLE_BY_OTHERS else "change"
        raise PermissionError(errno.EPERM, f"other users can {verb} it; run chmod 600 on it")
    _check_owner(status, "it")


def check_control(file: _OpenFile, path: Path) -> None:
    """Check that no other user can change an open file, or put another one in its place.

    OpenSSH has this rule for its configuration file (ssh_config(5), FILES). It also applies
    to the folder, to the one above, and to those of each symbolic link that leads to the file.

    Args:
        file: the file.
        path: its name.

    Raises:
        OSError: another user owns or can change the file or such a folder, or the folder is gone.
    """
    _check_control(os.fstat(file.fileno()), "it")
    for folder in _folders_on_the_way(path):
        status = folder.stat()
        # Kubernetes mounts its ConfigMaps read-only, with a folder of mode 0777.
        if not os.statvfs(folder).f_flag & os.ST_RDONLY:
            _check_control(status, f"its folder {printable(str(folder))}")


def _folders_on_the_way(path: Path) -> Iterator[Path]:
    """Yield the two folders above a name, and those above the names that its links lead to.

    Somebody who can change the upper one can put another folder in place of the lower one. Both may
    be links themselves.
    """
    yield from (path.parent, path.parent.parent)
    for _ in range(_MAX_LINKS):
        folder = Path(os.path.realpath(path.parent))
        yield from (folder, folder.parent)
        if not path.is_symlink():
            break
        path = folder / path.readlink()


def _check_control(status: os.stat_result, name: str) -> None:
    _check_owner(status, name)
    # In a sticky folder such as /tmp, users replace only files of their own.
    is_sticky_folder = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    is_of_others = status.st_mode & stat.S_IWOTH or (
        status.st_mode & stat.S_IWGRP and not _is_private_group(status)
    )
    if is_of_others and not is_sticky_folder:
        what = "the folder" if stat.S_ISDIR(status.st_mode) else "it"
        reason = f"other users can change {name}; run chmod go-w on {what}"
        raise PermissionError(errno.EPERM, reason)


def _check_owner(status: os.stat_result, name: str) -> None:
    if status.st_uid not in (os.geteuid(), 0):  # root can read and change any file
        raise PermissionError(errno.EPERM, f"{name} belongs to another user")


def _is_private_group(status: os.stat_result) -> bool:
    """Check if the owner is the only member of the group.

    Many systems give each user such a group, and create files that it can change (umask 002).
    """
    import grp  # only for such files
    import pwd

    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return group.gr_name == owner.pw_name and {owner.pw_name}.issuperset(group.gr_mem)


def open_list(path: Path) -> BufferedReader:
    """Open a file, a pipe, or a terminal for reading.

    Shells pass a pipe for `<(command)`. This reads a FIFO only if a program has it open for
    writing, because otherwise the first read would block for ever.

    Raises:
        OSError: it cannot be read, or is a FIFO that no program writes to.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        _check_kind(status)
    descriptor = os.open(path, _READ)
    try:
        head = _first_of_pipe(descriptor) if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else b""
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return BufferedReader(_PrefixedFile(descriptor, head)) if head else os.fdopen(descriptor, "rb")


def _first_of_pipe(descriptor: int) -> bytes:
    """Return the bytes that wait in a pipe; b"" if its writer has not written yet."""
    try:
        head = os.read(descriptor, io.DEFAULT_BUFFER_SIZE)
    except BlockingIOError:
        return b""
    if not head:
        raise OSError(errno.EPIPE, "it is a pipe that no program writes to")
    return head


class _PrefixedFile(io.RawIOBase):
    """File whose first bytes have been read already."""

    def __init__(self, descriptor: int, head: bytes) -> None:
        self._file = io.FileIO(descriptor, "rb")
        self._head = head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        if not self._head:
            return self._file.readinto(buffer)
        count = min(len(buffer), len(self._head))
        buffer[:count], self._head = self._head[:count], self._head[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _check_kind(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def _checked(data: bytes, file: _OpenFile, max_bytes: int, name: str) -> bytes:
    if len(data) > max_bytes:
        raise too_large(name, os.fstat(file.fileno()).st_size, max_bytes)
    return data


def too_large(name: str, size: int, max_bytes: int) -> OSError:
    """Return the error for a file of `size` bytes that may have `max_bytes`."""
    return OSError(errno.EFBIG, f"{name} has {size:,} bytes; at most {max_bytes:,} are read")
