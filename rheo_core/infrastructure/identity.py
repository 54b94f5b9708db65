"""Names and the files behind them: a path is only a name, and may lead to another file later.

No system call unlinks or replaces by descriptor. So every function here looks, acts, and looks
again; when a name leads elsewhere it says so and removes nothing.
"""

import errno
import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path

from rheo_core.domain.text import printable

_log = logging.getLogger(__name__)
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}

_link_count_support: dict[int, bool] = {}
"""Whether a file system, by device, counts the names of an open file."""

Identity = tuple[int, int]
"""Device and inode: what tells one file from another, whatever they are called."""


class ReplacedError(OSError):
    """The name of our file leads to another file or to none; `filename` is the name."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.ESTALE, _replacement_problem(path), str(path))


def _replacement_problem(path: Path) -> str:
    """Say what happened to a name that does not lead to our file any more."""
    if os.path.lexists(path):
        return "was replaced by another program"
    if os.path.lexists(path.parent):
        return "was moved or removed by another program"
    return "its folder was moved or removed by another program"


def identity_of(status: os.stat_result) -> Identity:
    """The identity of a file that stat(2) describes."""
    return status.st_dev, status.st_ino


def identity_at(path: Path) -> Identity | None:
    """The identity of what has this name, a symbolic link itself; None if nothing has."""
    with suppress(FileNotFoundError):
        return identity_of(path.lstat())
    return None


def is_at(descriptor: int, path: Path) -> bool:
    """Tell whether `path` is a name of the open file."""
    return identity_at(path) == identity_of(os.fstat(descriptor))


def check_at(descriptor: int, path: Path) -> None:
    """See that `path` is a name of the open file.

    Raises:
        ReplacedError: it is not.
    """
    if not is_at(descriptor, path):
        raise ReplacedError(path)


def unlink_open(path: Path, descriptor: int) -> bool:
    """Remove a name of the open file; return whether it was one.

    Raises:
        OSError: the name cannot be removed.
    """
    if not is_at(descriptor, path):
        if os.path.lexists(path):
            _log.warning("%s was replaced by another program: it is left alone", _shown(path))
        return False
    before = os.fstat(descriptor).st_nlink
    path.unlink()
    if os.fstat(descriptor).st_nlink >= before and _tracks_link_count(path.parent, descriptor):
        _log.warning("%s was replaced by another program while it was removed", _shown(path))
    return True


def _tracks_link_count(folder: Path, descriptor: int) -> bool:
    """Tell whether the file system of an open file says how many names are left of it.

    NFS and many of FUSE do not: what is removed while it is open gets a hidden name, or each name
    counts for itself. Tried once a file system, with a file in `folder`.
    """
    device = os.fstat(descriptor).st_dev
    if device not in _link_count_support:
        with suppress(OSError):
            _link_count_support[device] = _probe_link_count(folder)
    return _link_count_support.get(device, True)


def _probe_link_count(folder: Path) -> bool:
    first, second = (folder / f".rheo-{secrets.token_hex(8)}.new" for _ in range(2))
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(first, flags, 0o600)
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
    """Remove `path` if it is a name of this very file; return whether it was.

    Raises:
        OSError: the name cannot be removed.
    """
    if identity_at(path) != identity:
        return False
    path.unlink()
    return True


def link_open(descriptor: int, path: Path) -> bool:
    """Give an open file one more name, as open(2) describes; False if that is not possible.

    It needs /proc, a file system with hard links, and for a file without `O_TMPFILE` a name that
    it has already.

    Raises:
        builtins.FileExistsError: the name is taken.
    """
    opened = f"/proc/self/fd/{descriptor}"
    try:
        # The folder of an absolute path is never looked at. Without one Python calls link(2), which
        # does not follow the symbolic link; with one it calls linkat(2), which does.
        os.link(opened, path, src_dir_fd=descriptor, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def give_name(descriptor: int, source: Path, target: Path) -> None:
    """Give the open file, which is called `source`, the name `target` instead.

    Raises:
        builtins.FileExistsError: `target` is taken; nothing has changed.
        ReplacedError: `source`, or `target` since then, is another file.
        OSError: the name cannot be given.
    """
    if not link_open(descriptor, target):
        check_at(descriptor, source)
        if not link_or_rename(source, target):
            check_at(descriptor, target)
            return
        check_at(descriptor, target)
    with suppress(OSError):  # the name is given: nothing that follows can take it back
        unlink_open(source, descriptor)


def take_name(descriptor: int, source: Path, target: Path, spare: Path) -> None:
    """Give a name as `give_name` does, and replace the file called `target`.

    The open file gets the name `spare` on the way, if that is possible: unlike `source`, nobody
    else can have put another file there.

    Raises:
        ReplacedError: `source`, or `target` since then, is another file.
        OSError: the name cannot be given.
    """
    identity = _link_spare(descriptor, spare)
    if identity is not None:
        spare.replace(target)
        if identity_at(target) != identity:
            raise ReplacedError(target)
    else:
        check_at(descriptor, source)
        source.replace(target)
        check_at(descriptor, target)
    with suppress(OSError):
        unlink_open(source, descriptor)


def _link_spare(descriptor: int, name: Path) -> Identity | None:
    """Give an open file a name, unless a crash left it; return whose it is, None if not its.

    Some file systems of FUSE number each name of a file on its own.
    """
    try:
        return identity_at(name) if link_open(descriptor, name) else None
    except FileExistsError:
        return identity_of(os.fstat(descriptor)) if is_at(descriptor, name) else None


def link_or_rename(source: Path, target: Path) -> bool:
    """Give `source` the name `target`, which must not exist; return whether it has both now.

    link(2) always fails if the name is taken; rename(2) would not. FAT and some
    network file systems have no links: there a check and a rename follow one another.

    Raises:
        builtins.FileExistsError: the name is taken.
    """
    try:
        os.link(source, target, follow_symlinks=False)
        return True
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)
    return False


def _shown(path: Path) -> str:
    return printable(str(path))
