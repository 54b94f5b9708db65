"""A real pseudo-terminal with a program in it, read as a person reads the screen."""

import asyncio
import os
import signal
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pexpect
import pyte

from tests.shared_key import share_key

APP = str(Path(sys.executable).with_name("rheo-tui"))


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
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.painted = bytearray()  # all that was sent to the terminal
        self._changed = asyncio.Event()
        self._child: Any = pexpect.spawn(
            command[0],
            list(command[1:]),
            env=environment,
            dimensions=(lines, columns),
            timeout=None,
        )

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._child.child_fd, self._read)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if not self._child.ptyproc.fileobj.closed:  # else its number may be that of another file
            asyncio.get_running_loop().remove_reader(self._child.child_fd)
        self._child.close(force=True)

    def _read(self) -> None:
        try:
            data = os.read(self._child.child_fd, 1 << 16)
            self.painted += data
            self._stream.feed(data)
        except OSError:  # the program has ended
            asyncio.get_running_loop().remove_reader(self._child.child_fd)
        self._changed.set()

    def kill(self) -> None:
        """End the program without a word (SIGKILL)."""
        self._child.kill(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """As `kill` in another terminal does."""
        self._child.kill(number)

    def hang_up(self) -> None:
        """Close the window: the program's terminal is gone."""
        asyncio.get_running_loop().remove_reader(self._child.child_fd)
        self._child.ptyproc.fileobj.close()

    @property
    def is_over(self) -> bool:
        """Return True if the program has ended."""
        return not self._child.isalive()

    @property
    def is_restored(self) -> bool:
        """Return True if the terminal is as before: line mode, echo, cursor, primary screen."""
        modes = termios.tcgetattr(self._child.child_fd)[3]
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

    def type(self, keys: str) -> None:
        """Press keys."""
        self._child.send(keys)

    def paste(self, text: str) -> None:
        """Paste as terminals do (bracketed)."""
        self._child.send(f"\x1b[200~{text}\x1b[201~")

    async def shows(self, *texts: str, timeout: float = 30) -> None:
        """Wait until the screen shows all of these texts."""
        await self.until(lambda: all(text in self.text for text in texts), texts, timeout)

    async def until(self, condition: object, what: object = "", timeout: float = 30) -> None:
        """Wait until a condition holds; looked at whenever the screen changes."""
        deadline = time.monotonic() + timeout
        while not condition():  # type: ignore[operator]
            left = deadline - time.monotonic()
            assert left > 0, f"waited for {what}; the screen shows:\n{self.text}"
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), min(left, 0.2))
            except TimeoutError:
                continue

    async def exit_code(self, timeout: float = 20) -> int | None:
        """Wait until the program has ended."""
        await self.until(lambda: not self._child.isalive(), "the end", timeout)
        code: int | None = self._child.exitstatus
        return code
