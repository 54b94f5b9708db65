"""`-o -`: write a file to standard output when it is complete and verified."""

import errno
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from .exit import ExitCode, code_of_signal, fail

STANDARD_OUTPUT = "-"
_READ_BYTES = 1 << 20


@contextmanager
def temporary_folder() -> Iterator[str]:
    """Create a folder for the file in $TMPDIR, and remove it at the end."""
    try:
        folder = TemporaryDirectory(prefix="rheo-", ignore_cleanup_errors=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problem = f"cannot create a temporary folder: {reason}. Set TMPDIR to another one."
        fail(problem, ExitCode.DISK)
    with folder as name:
        yield name


def copy_to_output(folder: Path) -> None:
    """Write the file in a folder to standard output; end the command if that fails.

    This writes only complete files, so that a retry or a wrong checksum cannot affect data that
    another program has already read.
    """
    _end_on_signals()
    for path in folder.rglob("*"):
        if os.path.isfile(path):
            with path.open("rb") as file:
                while data := file.read(_READ_BYTES):
                    _write(data)


def _end_on_signals() -> None:
    """End the command on Ctrl+C and similar signals, because the reader may never read.

    The handlers of the run have no effect any more. Ignored signals stay ignored, as during the
    run.
    """

    def end(number: int, _: object) -> NoReturn:
        raise SystemExit(code_of_signal(number))  # this also removes the folder of the file

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def _write(data: bytes) -> None:
    try:
        write_all(sys.stdout.fileno(), data)
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader has stopped reading, so no message is needed
            raise
        fail(f"cannot write to standard output: {error.strerror}.", ExitCode.DISK)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, even if another program that shares the pipe made it non-blocking.

    This does not use sys.stdout, which without a buffer (PYTHONUNBUFFERED) drops bytes that do not
    fit.

    Raises:
        OSError: the descriptor is not writable.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            _wait_until_writable(descriptor)


def _wait_until_writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
