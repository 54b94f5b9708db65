"""File locks in an output folder, with the process that holds each."""

import errno
import json
import os
import platform
import stat
import time
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from rheo_core.domain.exceptions import RheoError
from rheo_core.infrastructure.identity import UNTRUSTED_FILE, is_at
from rheo_core.infrastructure.locks import HELD_ERRORS, lock

from .output_files import journal_lines

MACHINE = b'{"host":'
"""Beginning of a holder's line."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class HeldError(RheoError):
    """Another process has locked the file.

    Attributes:
        idle: seconds since it last wrote to or touched the file.
    """

    def __init__(self, holder: str, idle: float) -> None:
        super().__init__(f"{holder} is working on it")
        self.idle = idle


def open_locked(path: Path) -> int:
    """Open or create a file for appending, and lock it; the descriptor holds the lock.

    Raises:
        HeldError: another process has it.
        OSError: it cannot be opened or locked, or is not a regular file.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | UNTRUSTED_FILE
    while True:
        descriptor = os.open(path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file; remove it", str(path))
            _lock(descriptor, path)
            if is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its last owner removed it between the two calls


def check_alone(descriptor: int, path: Path) -> None:
    """Check that the file has only one name, so that nobody else's file is truncated.

    Raises:
        OSError: the file has another name.
    """
    if os.fstat(descriptor).st_nlink > 1:
        raise OSError(errno.EMLINK, "is a link to another file; remove it", str(path))


def reader_of(descriptor: int) -> BufferedReader:
    """Return a reader from the start of a file. Closing it leaves the descriptor open."""
    os.lseek(descriptor, 0, os.SEEK_SET)  # writes append anyway
    return open(descriptor, "rb", closefd=False)


def this_machine() -> tuple[str, str]:
    """Return the name of this machine, and the id of its current boot ("": unknown)."""
    with suppress(OSError):
        return platform.node(), _BOOT_ID.read_text().strip()
    return platform.node(), ""


def line_of_this_process() -> bytes:
    """Return the line that names this process as the holder."""
    host, boot = this_machine()
    machine = {"host": host, "boot": boot, "pid": os.getpid()}
    return json.dumps(machine, separators=(",", ":")).encode() + b"\n"


def holder_in(file: BufferedReader) -> str:
    """Return the process that the last line of a holder names."""
    line = b""
    for each in journal_lines(file):
        line = each if each.startswith(MACHINE) else line
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        machine = json.loads(line)
        return f"process {machine['pid']:d} on {machine['host']}"
    return "another process"


def _lock(descriptor: int, path: Path) -> None:
    try:
        lock(descriptor)
    except OSError as error:
        if error.errno in HELD_ERRORS:
            with reader_of(descriptor) as file:
                holder = holder_in(file)
            raise HeldError(holder, time.time() - os.fstat(descriptor).st_mtime) from None
        reason = "the file system does not support locks"
        raise OSError(error.errno, reason, str(path)) from error
