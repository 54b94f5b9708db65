"""Recognise errors caused by a shortage on this machine: open files, memory, ports."""

import errno
import os
import socket
from contextlib import suppress

from rheo_core.domain.exceptions import ShortageError

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

_MAX_DESCRIPTORS = 65_536
"""A higher limit would be useless, and some systems refuse it."""

_PROBLEMS = {
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files on this system",
    errno.ENOBUFS: "no memory for further connections",
    errno.ENOMEM: "out of memory",
    errno.EADDRNOTAVAIL: "no free local port",
}
_OF_FILES = {errno.EMFILE, errno.ENFILE}
_NO_SHORTAGE = ("bind", "Multiple exceptions")
"""Words in an EADDRNOTAVAIL that is not a shortage: the address does not belong to this machine, or
the host has an IPv6 address that this machine cannot reach."""


def shortage_of_files(error: OSError) -> ShortageError | None:
    """Return the shortage behind an error of the file system; None if it concerns the disk."""
    return _named(error.errno) if error.errno in _OF_FILES else None


def shortage_of_sockets(error: OSError) -> ShortageError | None:
    """Return the shortage behind an error of the network; None if it concerns the peer."""
    if isinstance(error, socket.gaierror) or error.errno not in _PROBLEMS:
        return None
    is_about_address = error.errno == errno.EADDRNOTAVAIL
    if is_about_address and any(word in str(error.strerror) for word in _NO_SHORTAGE):
        return None
    return _named(error.errno)


def memory_shortage() -> ShortageError:
    """Return the error for memory that cannot be allocated."""
    return ShortageError(_PROBLEMS[errno.ENOMEM])


def check_descriptors() -> None:
    """Check that this process can open another file.

    Raises:
        OSError: it cannot. A name lookup reports the same shortage as "name not found".
    """
    os.close(os.open(os.devnull, os.O_RDONLY))


def raise_descriptor_limit() -> None:
    """Raise the limit of open files to the hard limit, because shells set a lower one."""
    if resource is None:
        return
    with suppress(ValueError, OSError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        target = _MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MAX_DESCRIPTORS)
        if soft != resource.RLIM_INFINITY and soft < target:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))


def _named(number: int) -> ShortageError:
    advice = ""
    if number == errno.EMFILE and resource is not None:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        advice = f": this process may have {limit:,}; raise the limit with ulimit -n"
    return ShortageError(_PROBLEMS[number], advice)
