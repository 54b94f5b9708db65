"""Entry point of the `rheo` command."""

import errno
import io
import os
import signal
import sys
from contextlib import suppress

from .start import begin_imports

_LOST_OUTPUT = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EBADF,  # it is open for reading
    errno.EAGAIN,  # a pipe that another program made non-blocking
}


class _StandardError(io.TextIOWrapper):
    """Stream that may have no reader, or no room. Lost text does not change the exit status."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def main() -> None:
    """Run the command. Until downloads begin, Ctrl+C ends it silently."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # there is nothing to save yet
    take_over()
    begin_imports()
    from .main import app

    try:
        app()
    except OSError as error:  # errors of files and the network are handled elsewhere
        sys.exit(report_lost_output("rheo", error))


def report_lost_output(program: str, error: OSError) -> int:
    """Report that standard output cannot be written; return the exit status.

    Raises:
        OSError: `error` has another cause.
    """
    if error.errno not in {*_LOST_OUTPUT, errno.EPIPE}:
        raise error
    from .exit import ExitCode

    is_wanted = error.errno != errno.EPIPE  # a reader that has stopped reading knows it
    with suppress(OSError):
        if is_wanted:
            print(f"{program}: cannot write to standard output: {error.strerror}", file=sys.stderr)
    # The rest of it would fail again when the interpreter exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.DISK if is_wanted else ExitCode.FAILED


def take_over() -> None:
    """Repair the environment that a careless parent process leaves.

    If standard streams are closed, files and sockets would get their numbers, and Python has no
    objects for them. If standard output has no buffer, Python drops text that does not fit on a
    full disk. If the encoding of standard output lacks a character of a name, Python writes an
    escape, as on standard error. Textual paints through `sys.__stderr__`, so that stays unchanged.
    If SIGCHLD is ignored, the system does not keep the exit status of a child.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout.buffer, io.RawIOBase):  # PYTHONUNBUFFERED: drops what does not fit
        sys.stdout = open(1, "w", 1, sys.stdout.encoding, closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # A caller's stream, as in a test, is the caller's business.
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        buffer, encoding = open(2, "wb", closefd=False), sys.stderr.encoding  # noqa: SIM115
        sys.stderr = _StandardError(buffer, encoding, "backslashreplace", line_buffering=True)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


if __name__ == "__main__":
    main()
