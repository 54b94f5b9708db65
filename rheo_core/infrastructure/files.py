"""Files that are whole or not there; every function blocks until the disk has it."""

import errno
import os
from contextlib import suppress
from pathlib import Path

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put `data` under `path`, replacing what is there: a crash leaves the old or the new.

    Args:
        path: where to; its folder exists. A symbolic link is replaced, not followed.
        data: the whole content.
        mode: permission bits of the file, whatever the umask.

    Raises:
        OSError: it could not be written; what was at `path` is untouched.
    """
    # A fixed name: what a crash leaves behind is written over by the next try.
    temporary = path.with_name(f"{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with os.fdopen(os.open(temporary, flags | os.O_CLOEXEC, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


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
        source.unlink()


def _rename_where_links_are_missing(source: Path, target: Path) -> None:
    """FAT and some network file systems: a check and a rename, with a moment in between."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` last; some network file systems cannot, and that is no error."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
