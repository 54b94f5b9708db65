"""Commands of the user, run without a shell and never left behind."""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO

from rheo_core.domain.text import printable, redact_url

_log = logging.getLogger(__name__)
_MOST_OUTPUT = 16 << 10
"""Bytes of a command's output that go to the log."""
_SIGNALS = {number.value: number.name for number in signal.Signals}
_GRACE_SECONDS = 2.0
"""Between asking a command to end and ending it."""


class Commands:
    """Runs commands; `close` ends those that still run."""

    def __init__(self) -> None:
        self._running: set[asyncio.subprocess.Process] = set()
        self._is_closed = False

    async def run(
        self, command: Sequence[str], facts: Mapping[str, str], timeout: float
    ) -> str | None:
        """Run a command to its end; its output goes to the log.

        Args:
            command: the program and its arguments, as they are.
            facts: added to the environment that this process has.
            timeout: seconds after which it is ended, with all it started.

        Returns:
            What went wrong, in a few words; None where it ended with 0.
        """
        # A NUL would be an error in the environment; a name of a file has none.
        environment = os.environ | {name: text.replace("\0", "") for name, text in facts.items()}
        program = printable(command[0])
        with TemporaryFile() as output:  # a pipe would stay open with what it leaves behind
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    env=environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:  # ValueError: NUL in an argument
                return f"{program}: {getattr(error, 'strerror', None) or error}"
            self._running.add(process)
            try:
                if self._is_closed:  # while it was being started
                    await _end(process)
                async with asyncio.timeout(timeout):
                    await process.wait()
                return _problem(program, process.returncode or 0)
            except TimeoutError:
                return f"{program}: not done after {timeout:g} s"
            finally:
                await _end(process)
                self._running.discard(process)
                _log_output(program, output)

    async def close(self) -> None:
        """End what runs; whoever awaits it is told so. Nothing runs any more."""
        self._is_closed = True
        await asyncio.gather(*map(_end, tuple(self._running)))


def _problem(program: str, code: int) -> str | None:
    if code < 0:
        return f"{program}: ended by {_SIGNALS.get(-code, f'signal {-code}')}"
    return f"{program}: exit code {code}" if code else None


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a command and what it started in its session; one that has ended may leave things."""
    if process.returncode is not None:
        return
    _send(process, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE_SECONDS):
            await process.wait()
    _send(process, signal.SIGKILL)  # some of its own may not listen, even where it did
    await process.wait()


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _log_output(program: str, output: IO[bytes]) -> None:
    output.seek(0)
    for line in output.read(_MOST_OUTPUT).decode(errors="replace").splitlines():
        _log.info("%s: %s", program, redact_url(line))
