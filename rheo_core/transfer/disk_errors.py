"""What the system says of the disk -> our own errors, with the path and the reason."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rheo_core.domain.exceptions import DestinationError, DiskFullError
from rheo_core.domain.text import printable
from rheo_core.infrastructure.identity import ReplacedError
from rheo_core.infrastructure.shortage import shortage_of_files

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn OSError into DestinationError with the path and the reason, or into ShortageError."""
    try:
        yield
    except ReplacedError as error:
        raise DestinationError(Path(error.filename), str(error.strerror)) from error
    except OSError as error:
        if (shortage := shortage_of_files(error)) is not None:
            raise shortage from error
        if error.errno in _DISK_FULL:
            raise DiskFullError(path, is_too_large=error.errno == errno.EFBIG) from error
        if error.errno == errno.ELOOP:
            raise DestinationError(path, "is a symbolic link") from error
        raise DestinationError(path, printable(error.strerror or str(error)).lower()) from error
