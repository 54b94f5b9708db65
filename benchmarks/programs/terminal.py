"""The app on a terminal that nobody looks at: `python terminal.py FOLDER COUNT COMMAND…`.

Ends the app (SIGTERM) when FOLDER has COUNT finished files, and prints the seconds until then.
"""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable

_LINES, _COLUMNS = 36, 120
_LOOK_SECONDS = 0.01
"""Between two looks, which must not cost what is measured."""


def run_in_terminal(command: list[str], is_enough: Callable[[bytearray], bool]) -> float:
    """Run a program in a terminal until `is_enough` of what it painted, then end it.

    Returns:
        the seconds until then; -1 where it ended by itself.
    """
    begin = time.monotonic()
    process, terminal = pty.fork()
    if not process:
        size = struct.pack("HHHH", _LINES, _COLUMNS, 0, 0)
        fcntl.ioctl(0, termios.TIOCSWINSZ, size)
        os.execvpe(command[0], command, os.environ | {"TERM": "xterm-256color"})
    painted = bytearray()
    seconds, next_look = -1.0, begin
    with contextlib.suppress(OSError):  # EIO: the program has ended
        while True:
            if select.select([terminal], [], [], _LOOK_SECONDS)[0]:
                painted += os.read(terminal, 1 << 16)
            now = time.monotonic()
            if seconds < 0 and now >= next_look:
                next_look = now + _LOOK_SECONDS
                if is_enough(painted):
                    seconds = time.monotonic() - begin
                    os.kill(process, signal.SIGTERM)
    os.waitpid(process, 0)
    return seconds


def _finished(folder: str) -> int:
    return sum(not entry.name.endswith((".part", ".state")) for entry in os.scandir(folder))


if __name__ == "__main__":
    folder, count, *app = sys.argv[1:]
    seconds = run_in_terminal(app, lambda painted: _finished(folder) >= int(count))
    print(json.dumps({"seconds": seconds}))
    sys.exit(seconds < 0)
