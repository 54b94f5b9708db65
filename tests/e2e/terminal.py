"""A real pseudo-terminal with a program in it, read as a person reads the screen."""

import asyncio
import os
import signal
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

from tests.programs import APP as APP
from tests.programs import is_resting, start_on_terminal
from tests.shared_key import share_key

_LOOK_SECONDS, _LOOKS = 0.02, 3
"""Between looks at a program, and how many in a row must find it at rest: longer than a frame."""
_RESTLESS_SECONDS = 10.0
"""Longest wait of a key for a program that may never rest, because its screen keeps moving."""
_PATIENCE_SECONDS = 120.0
"""For what must come in the end: the machine may be busy with other things."""


class Terminal:
    """Runs a program and keeps the screen it paints; lives on the running event loop."""

    def __init__(
        self,
        command: Sequence[str],
        home: Path,
        *,
        columns: int = 120,
        lines: int = 36,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        share_key(home / "state")
        environment |= {
            name: value for name, value in os.environ.items() if name.startswith("COVERAGE")
        }
        environment |= {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LC_ALL": "C.UTF-8",
            **(environ or {}),
        }
        self._command, self._environment, self._size = command, environment, (lines, columns)
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.painted = bytearray()  # all that was sent to the terminal
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._master, theirs = os.openpty()
        termios.tcsetwinsize(theirs, self._size)
        self._process = await start_on_terminal(self._command, self._environment, theirs)
        os.close(theirs)
        self._ending = asyncio.create_task(self._process.wait())
        self._ending.add_done_callback(lambda _: self._changed.set())
        self._is_open = self._is_read = True
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._is_open:
            self.hang_up()
        if not self.is_over:
            self.kill()
        await self._ending

    def _read(self) -> None:
        try:
            data = os.read(self._master, 1 << 16)
            self.painted += data
            self._stream.feed(data)
        except OSError:  # the program has ended
            self._stop_reading()
        self._changed.set()

    def _stop_reading(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        self._is_read = False

    @property
    def pid(self) -> int:
        """Id of the program's process."""
        return self._process.pid

    def kill(self) -> None:
        """End the program without a word (SIGKILL)."""
        self._process.kill()

    def send_signal(self, number: signal.Signals) -> None:
        """As `kill` in another terminal does."""
        self._process.send_signal(number)

    def hang_up(self) -> None:
        """Close the window: the program's terminal is gone."""
        self._stop_reading()
        self._is_open = False
        os.close(self._master)

    @property
    def is_over(self) -> bool:
        """Return True if the program has ended."""
        return self._ending.done()

    @property
    def is_restored(self) -> bool:
        """Return True if the terminal is as before: line mode, echo, cursor, primary screen."""
        modes = termios.tcgetattr(self._master)[3]
        is_back = self.painted.rfind(b"\x1b[?1049l") >= self.painted.rfind(b"\x1b[?1049h")
        is_cooked = modes & termios.ICANON and modes & termios.ECHO and modes & termios.ISIG
        return bool(is_cooked) and is_back and not self._screen.cursor.hidden

    @property
    def text(self) -> str:
        """Text on the screen."""
        return "\n".join(self._screen.display)

    def line_with(self, text: str) -> str:
        """The first line of the screen with this text, "" where there is none."""
        return next((line for line in self._screen.display if text in line), "")

    @property
    def cursor_line(self) -> str:
        """The line of the screen that has the cursor: that of the input with the focus."""
        return str(self._screen.display[self._screen.cursor.y])

    async def type(self, keys: str) -> None:
        """Press keys once the program rests: an input is painted before it has the focus."""
        deadline, looks = time.monotonic() + _RESTLESS_SECONDS, 0
        while looks < _LOOKS and time.monotonic() < deadline:
            painted = len(self.painted)
            await asyncio.sleep(_LOOK_SECONDS)
            is_still = len(self.painted) == painted and is_resting(self.pid)
            looks = looks + 1 if is_still else 0
        self.type_ahead(keys)

    def type_ahead(self, keys: str) -> None:
        """Press keys at once, whatever the program does now."""
        os.write(self._master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Give the window another size; the system tells the program (SIGWINCH)."""
        self._screen.resize(lines, columns)
        termios.tcsetwinsize(self._master, (lines, columns))

    async def paste(self, text: str) -> None:
        """Paste as terminals do (bracketed)."""
        await self.type(f"\x1b[200~{text}\x1b[201~")

    async def shows(self, *texts: str, timeout: float = _PATIENCE_SECONDS) -> None:
        """Wait until the screen shows all of these texts."""
        await self.until(lambda: all(text in self.text for text in texts), texts, timeout)

    async def until(
        self, condition: Callable[[], object], what: object = "", timeout: float = _PATIENCE_SECONDS
    ) -> None:
        """Wait until a condition holds; looked at whenever the screen changes."""
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"waited for {what}; the screen shows:\n{self.text}"
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), min(left, 0.2))
            except TimeoutError:
                continue

    async def exit_code(self, timeout: float = _PATIENCE_SECONDS) -> int:
        """Wait until the program has ended and all that it wrote is read."""
        await self.until(lambda: self.is_over and not self._is_read, "the end", timeout)
        return self._ending.result()
