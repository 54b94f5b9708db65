"""Identity of open files: check that a path still leads to the file that is open.

No system call unlinks or replaces a file by its descriptor. So every function here checks the path,
acts, and checks it again. If the path leads to another file, the function reports this and removes
nothing.
"""

import errno
import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path

from rheo_core.domain.text import printable

UNTRUSTED_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags of open(2) for a file that may be foreign: follow no link, and wait for no FIFO."""
NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags of open(2) for a file that must not exist."""

_log = logging.getLogger(__name__)
_NO_ANSWER_FOR_LINKS = {errno.EEXIST, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}
"""Errors of link(2) that a rename would meet too. All others may mean that links are not supported:
each file system, container and phone has its own."""

_link_count_support: dict[int, bool] = {}
"""By device: True if the file system counts the names of an open file."""

Identity = tuple[int, int]
"""Device and inode, which identify a file regardless of its names."""


class ReplacedError(OSError):
    """The name of our file leads to another file, or to none. `filename` is the name."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.ESTALE, _replacement_problem(path), str(path))


def _replacement_problem(path: Path) -> str:
    """Return a phrase on a name that does not lead to our file any more."""
    if os.path.lexists(path):
        return "was replaced by another program"
    if os.path.lexists(path.parent):
        return "was moved or removed by another program"
    return "its folder was moved or removed by another program"


def random_path(folder: Path) -> Path:
    """Return a random path for a temporary file, which `write_atomically` sweeps after a crash."""
    return folder / f".rheo-{secrets.token_hex(8)}.new"


def identity_of(status: os.stat_result) -> Identity:
    """Return the identity of a file from its status."""
    return status.st_dev, status.st_ino


def identity_at(path: Path) -> Identity | None:
    """Return the identity of the file or symbolic link at `path`; None if there is none."""
    with suppress(FileNotFoundError):
        return identity_of(path.lstat())
    return None


def is_at(descriptor: int, path: Path) -> bool:
    """Return True if `path` is a name of the open file."""
    return identity_at(path) == identity_of(os.fstat(descriptor))


def check_at(descriptor: int, path: Path) -> None:
    """Check that `path` is a name of the open file.

    Raises:
        ReplacedError: it is not.
    """
    if not is_at(descriptor, path):
        raise ReplacedError(path)


def unlink_open(path: Path, descriptor: int) -> bool:
    """Remove a name of the open file; return False if it is not a name of this file.

    Raises:
        OSError: the name cannot be removed.
    """
    if not is_at(descriptor, path):
        if os.path.lexists(path):
            _log.warning(
                "%s was replaced by another program, so rheo leaves it alone", _shown(path)
            )
        return False
    before = os.fstat(descriptor).st_nlink
    path.unlink()
    if os.fstat(descriptor).st_nlink >= before and _tracks_link_count(path.parent, descriptor):
        _log.warning("%s was replaced by another program while it was removed", _shown(path))
    return True


def _tracks_link_count(folder: Path, descriptor: int) -> bool:
    """Return True if the file system of an open file counts its remaining names.

    NFS and many FUSE file systems do not. They hide a file that is removed while it is open, or
    count each name on its own. Each file system is tried once, with a file in `folder`.
    """
    device = os.fstat(descriptor).st_dev
    if device not in _link_count_support:
        with suppress(OSError):
            _link_count_support[device] = _probe_link_count(folder)
    return _link_count_support.get(device, True)


def _probe_link_count(folder: Path) -> bool:
    first, second = random_path(folder), random_path(folder)
    descriptor = os.open(first, os.O_RDWR | NEW_FILE, 0o600)
    try:
        is_linked = link_open(descriptor, second)
        before = os.fstat(descriptor).st_nlink
        first.unlink()
        after = os.fstat(descriptor).st_nlink
        if is_linked:
            second.unlink()
        return after < before
    finally:
        os.close(descriptor)


def unlink_same(path: Path, identity: Identity) -> bool:
    """Remove `path` if it is a name of the file with this identity; return True if it was.

    Raises:
        OSError: the name cannot be removed.
    """
    if identity_at(path) != identity:
        return False
    path.unlink()
    return True


def link_open(descriptor: int, path: Path | str) -> bool:
    """Give an open file another name, as open(2) describes; return False if that fails.

    It needs /proc and a file system with hard links. A file opened without `O_TMPFILE` also needs
    to have a name.

    Raises:
        builtins.FileExistsError: the name is taken.
    """
    opened = f"/proc/self/fd/{descriptor}"
    try:
        # `src_dir_fd` makes Python call linkat(2), which follows the symbolic link, instead of
        # link(2), which does not. The kernel ignores the folder of an absolute path.
        os.link(opened, path, src_dir_fd=descriptor, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def give_name(descriptor: int, source: Path, target: Path) -> None:
    """Rename the open file from `source` to `target`, which must not exist.

    Raises:
        builtins.FileExistsError: `target` is taken; nothing has changed.
        ReplacedError: `source` is another file, or `target` has become one since.
        OSError: the file cannot be renamed.
    """
    if add_name(descriptor, source, target):
        with suppress(OSError):  # `target` exists, so the operation has succeeded
            unlink_open(source, descriptor)


def add_name(descriptor: int, source: Path, target: Path) -> bool:
    """Give the open file the name `target` too, or instead of `source` without support for links.

    Return True if it has both names now. The errors are those of `give_name`.
    """
    if link_open(descriptor, target):
        return True
    check_at(descriptor, source)
    has_both = link_or_rename(source, target)
    check_at(descriptor, target)
    return has_both


def take_name(descriptor: int, source: Path, target: Path, spare: Path) -> None:
    """Rename the open file from `source` to `target`, replacing the file there.

    If possible, the open file first gets the name `spare`. Unlike at `source`, no other program
    can have put another file there.

    Raises:
        ReplacedError: `source` is another file, or `target` has become one since.
        OSError: the file cannot be renamed.
    """
    identity = _link_spare(descriptor, spare)
    if identity is not None:
        try:
            spare.replace(target)
        except OSError:
            with suppress(OSError):
                if identity_at(spare) == identity:
                    spare.unlink()
            raise
        if identity_at(target) != identity:
            raise ReplacedError(target)
    else:
        check_at(descriptor, source)
        source.replace(target)
        check_at(descriptor, target)
    with suppress(OSError):
        unlink_open(source, descriptor)


def _link_spare(descriptor: int, name: Path) -> Identity | None:
    """Give an open file a name, which a crash may have left; return the identity at that name.

    Return None if the file cannot get the name. The identity may differ from that of the open
    file, because some FUSE file systems give each name its own inode number.
    """
    try:
        return identity_at(name) if link_open(descriptor, name) else None
    except FileExistsError:
        return identity_of(os.fstat(descriptor)) if is_at(descriptor, name) else None


def link_or_rename(source: Path, target: Path) -> bool:
    """Give `source` the name `target`, which must not exist; return True if it has both now.

    link(2) always fails if the name is taken, unlike rename(2). FAT and some network file systems
    do not support links, so there a check precedes a rename.

    Raises:
        builtins.FileExistsError: the name is taken.
        OSError: the file cannot be renamed.
    """
    try:
        os.link(source, target, follow_symlinks=False)
        return True
    except OSError as error:
        if error.errno in _NO_ANSWER_FOR_LINKS:
            raise
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)
    return False


def _shown(path: Path) -> str:
    return printable(str(path))
