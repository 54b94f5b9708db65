"""Where the `rheo` command begins."""

import errno
import gc
import os
import signal
import sys
from contextlib import suppress

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def main() -> None:
    """Run the command; until it has begun to download, Ctrl-C ends it without a word."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # there is nothing to save yet
    take_over()
    gc.disable()  # imports make no garbage, and to look for it costs a tenth of the start
    from .main import app

    try:
        app()
    except OSError as error:  # of files and the network it is handled where it happens
        sys.exit(report_lost_output("rheo", error))


def report_lost_output(program: str, error: OSError) -> int:
    """Say that standard output cannot be written; return the exit status.

    Raises:
        OSError: it is `error`, which tells of something else.
    """
    if error.errno not in {*_NO_ROOM, errno.EPIPE}:
        raise error
    with suppress(OSError):
        if error.errno != errno.EPIPE:  # a reader that has enough knows it
            print(f"{program}: the output cannot be written: {error.strerror}", file=sys.stderr)
    # What is left of it would fail once more at the end of the interpreter.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def take_over() -> None:
    """Mend what a careless parent process leaves to its children.

    Files and sockets would get the numbers of closed standard streams, and Python has no objects
    for these. If SIGCHLD is ignored, the system keeps no exit status of a command.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


if __name__ == "__main__":
    main()
