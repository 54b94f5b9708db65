"""Run the user's commands without a shell, and end them with the program."""

import asyncio
import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from rheo_core.domain.text import printable, redact_url

from .shared_timer import TimeLimit

_log = logging.getLogger(__name__)
_MAX_OUTPUT_BYTES = 1 << 20
"""Limit for a command's output in the log; the rest is read and dropped."""
_READ_BYTES = 1 << 20
_DROP_SECONDS = 0.01
"""Pause between reads of dropped output, so that a flood does not block the loop."""
_LOG_BATCH_LINES = 200
_SIGNALS = {number.value: number.name for number in signal.Signals}
_GRACE_SECONDS = 2.0
"""Time between SIGTERM and SIGKILL for a command."""
_POLL_SECONDS = 0.02


class ProcessRunner:
    """Runs commands as processes. `close` ends running ones and their background processes."""

    def __init__(self) -> None:
        self._groups: dict[asyncio.subprocess.Process, _Output] = {}
        self._is_closed = False

    async def run(
        self, command: Sequence[str], variables: Mapping[str, str], timeout: float
    ) -> str | None:
        """Run a command to its end, and log its output.

        Its background processes may run until `close`.

        Args:
            command: the program and its arguments; no shell interprets them.
            variables: added to the environment of this process.
            timeout: seconds after which this ends the command and its processes.

        Returns:
            A phrase about the failure; None if the exit code was 0.
        """
        program = printable(command[0])
        output = _Output()
        try:
            process = await _start(command, variables, output.writer)
        except (OSError, ValueError) as error:  # ValueError: NUL in an argument
            output.close()
            return f"{program}: {getattr(error, 'strerror', None) or error}"
        finally:
            os.close(output.writer)
        self._groups[process] = output
        problem: str | None = None
        try:
            if self._is_closed:  # while it was being started
                await _terminate(process)
            with TimeLimit.after(timeout):
                await process.wait()
            problem = _problem(program, process.returncode or 0)
        except TimeoutError:
            problem = f"{program}: timed out after {timeout:g} s"
        finally:
            if process.returncode is None:
                await _terminate(process)
            data = output.take()
            if self._is_closed:
                output.close()
            self._forget_ended()
        await _log_output(program, data, output.dropped)
        return problem

    async def close(self) -> None:
        """End all commands and their background processes. No command runs after this."""
        self._is_closed = True
        groups = tuple(self._groups)
        await asyncio.gather(*map(_terminate, groups))
        for process in groups:
            if (output := self._groups.pop(process, None)) is not None:
                output.close()

    def _forget_ended(self) -> None:
        for process, output in tuple(self._groups.items()):
            if not _has_members(process) and output.is_closed:
                del self._groups[process]


async def _start(
    command: Sequence[str], variables: Mapping[str, str], output: int
) -> asyncio.subprocess.Process:
    """Start a command in a new session, with its output to the descriptor `output`."""
    # A NUL is an error in the environment. File names do not contain one.
    added = {name.encode(): _encoded(text.replace("\0", "")) for name, text in variables.items()}
    return await asyncio.create_subprocess_exec(
        *command,
        env=os.environb | added,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def _encoded(text: str) -> bytes:
    """Return text as bytes of the locale, or of UTF-8 if the locale lacks its letters."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape")


class _Output:
    """Pipe that is always read, so that no writer waits. It keeps the first MiB.

    A background process may hold it open for ever, because nothing waits for its end.
    """

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # the user's limit for pipe memory is reached
                fcntl.fcntl(self._reader, fcntl.F_SETPIPE_SZ, _READ_BYTES)
        self._buffer = bytearray()
        self._buffer_left = _MAX_OUTPUT_BYTES
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reader, self._read)
        self.dropped = 0  # bytes
        self.is_closed = False

    def take(self) -> bytearray:
        """Return the output so far, and drop later output."""
        for _ in range(2):  # one read empties the pipe, the next one finds its end
            if not self.is_closed:
                self._read()
        data, self._buffer, self._buffer_left = self._buffer, bytearray(), 0
        return data

    def close(self) -> None:
        """Stop reading."""
        if not self.is_closed:
            self.is_closed = True
            self._loop.remove_reader(self._reader)
            if self._timer is not None:
                self._timer.cancel()
            os.close(self._reader)

    def _read(self) -> None:
        try:
            data = os.read(self._reader, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        self._buffer += data[: self._buffer_left]
        dropped = max(len(data) - self._buffer_left, 0)
        self._buffer_left -= len(data) - dropped
        self.dropped += dropped
        if dropped and self._timer is None:
            self._loop.remove_reader(self._reader)
            self._timer = self._loop.call_later(_DROP_SECONDS, self._resume_reading)

    def _resume_reading(self) -> None:
        self._timer = None
        self._loop.add_reader(self._reader, self._read)


def _problem(program: str, code: int) -> str | None:
    if code < 0:
        return f"{program}: ended by {_SIGNALS.get(-code, f'signal {-code}')}"
    return f"{program}: exit code {code}" if code else None


async def _terminate(process: asyncio.subprocess.Process) -> None:
    """End a command and its processes, except those in a session they created."""
    deadline = time.monotonic() + _GRACE_SECONDS
    _send(process, signal.SIGTERM)
    # The system does not report the end of a process group.
    while _has_members(process) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)
    _send(process, signal.SIGKILL)
    await process.wait()


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if _has_members(process):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _has_members(process: asyncio.subprocess.Process) -> bool:
    """Return True if a process of the command's group still runs.

    The system does not reuse the number of a group that has processes. So if the command has
    ended and a process of that number exists, the number was reused and the group is foreign.
    """
    if process.returncode is None:
        return True
    return not _exists(os.kill, process.pid) and _exists(os.killpg, process.pid)


def _exists(send: Callable[[int, int], None], number: int) -> bool:
    try:
        send(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _log_output(program: str, output: bytearray, dropped: int) -> None:
    if not _log.isEnabledFor(logging.INFO):
        return
    lines = output.decode(errors="replace").splitlines()
    for number, line in enumerate(lines):
        _log.info("%s: %s", program, redact_url(line))
        if number % _LOG_BATCH_LINES == _LOG_BATCH_LINES - 1:
            await asyncio.sleep(0)  # a flood must not delay downloads
    if dropped:
        _log.info("%s: %d more bytes of output were dropped", program, dropped)
