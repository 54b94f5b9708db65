"""Programs that run beside this one: their CPU time, their memory, what they paint and when."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

LINES, COLUMNS = 36, 120
_APP = str(Path(sys.executable).with_name("rheo-tui"))
_ENGINE = str(Path(__file__).parents[1] / "programs" / "engine.py")
_END_SECONDS = 20.0


class _Watched:
    """A process that a `with` block ends."""

    pid: int

    @property
    def cpu_seconds(self) -> float:
        """Of all its threads, user and system."""
        # The number of a process's CPU clock, as clock_getcpuclockid(3) makes it on Linux.
        return time.clock_gettime((~self.pid << 3) | 2)

    @property
    def peak(self) -> int:
        """The most memory that it ever had, bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) * 1024 if found else 0

    def __enter__(self) -> Self:
        return self


class Engine(_Watched):
    """The engine alone, on a list of URLs."""

    def __init__(self, list_file: Path, folder: Path, environ: Mapping[str, str]) -> None:
        at_once = environ["RHEO_MAX_CONCURRENT"]
        connections = environ["RHEO_CONNECTIONS"]
        options = ["-w", at_once, "-x", connections]
        self._process = subprocess.Popen(
            [sys.executable, _ENGINE, str(list_file), str(folder), *options],
            env=environ,
            stdout=subprocess.DEVNULL,
        )
        self.pid = self._process.pid

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()


class App(_Watched):
    """The app on a terminal without a viewer.

    Its output is only kept, so that drawing it does not affect a measurement.
    """

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        self.painted: list[tuple[float, bytes]] = []  # monotonic seconds, what came
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream, self._replayed = pyte.ByteStream(self._screen), 0
        self.pid, self._terminal = pty.fork()
        if not self.pid:
            size = struct.pack("HHHH", LINES, COLUMNS, 0, 0)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            os.execve(_APP, [_APP, *arguments], dict(environ))

    def watch(self, seconds: float) -> None:
        """Keep what it paints for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                data = os.read(self._terminal, 1 << 16)
                self.painted.append((time.monotonic(), data))

    def screen(self) -> pyte.Screen:
        """Return its screen as it is now; `painted` must not have been cleared."""
        for _, data in self.painted[self._replayed :]:
            self._stream.feed(data)
        self._replayed = len(self.painted)
        return self._screen

    def shows(self, text: str) -> bool:
        """Return True if a text is on its screen now; `painted` must not have been cleared."""
        return any(text in line for line in self.screen().display)

    def press(self, key: str) -> float:
        """Press a key; when, in monotonic seconds."""
        now = time.monotonic()
        os.write(self._terminal, key.encode())
        return now

    def __exit__(self, *exc: object) -> None:
        """As a plain `kill` does, so that it takes its leave."""
        os.kill(self.pid, signal.SIGTERM)
        with contextlib.suppress(OSError):  # EIO: it has ended
            self.watch(_END_SECONDS)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)
