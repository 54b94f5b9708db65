"""A warm process that has imported the engine and forks for each program of a test.

Starting Python and importing the engine takes about 0.4 CPU seconds; a fork takes some
milliseconds. The program then runs as `python -c PROGRAM` would, from its first line to the
interpreter's own end. strace attaches to the fork before that first line: what the imports do is
not in its log, and the calls it counts are the program's.

Where a program must start with limits of its own (`preexec_fn`) or under coverage, start Python.
"""

import asyncio
import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_MAX_DESCRIPTORS = 6  # request, gate, status, and the three standard streams


@dataclass
class Forked:
    """A program that runs; a part of `asyncio.subprocess.Process`."""

    pid: int
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader
    _status: asyncio.StreamReader
    _transports: Sequence[asyncio.ReadTransport]
    _gate: int | None  # closed to let the program begin
    _tracer: asyncio.subprocess.Process | None = None
    returncode: int | None = None
    _ending: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def attach(self, *strace: str) -> None:
        """Put the program under this strace command, before its first line."""
        self._tracer = await asyncio.create_subprocess_exec(
            *strace, "-p", str(self.pid), stderr=asyncio.subprocess.PIPE
        )
        assert self._tracer.stderr is not None
        line = await self._tracer.stderr.readline()
        assert b"attached" in line, line.decode()

    def begin(self) -> None:
        """Let the program run."""
        if self._gate is not None:
            os.close(self._gate)
            self._gate = None

    async def wait(self) -> int:
        """Return its exit code, or the negative number of the signal that killed it."""
        async with self._ending:
            if self.returncode is None:
                self.returncode = int(await self._status.readline())
                if self._tracer is not None:
                    await self._tracer.communicate()  # its log is complete now
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        """Return what it wrote to both streams until its end."""
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        for transport in self._transports:
            transport.close()
        return out, err

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The side of the tests: one server for a process that runs tests."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server", str(other.fileno())],
                pass_fds=[other.fileno()],
                cwd=ROOT,
                start_new_session=True,  # Ctrl+C ends the tests, and with them the socket
            )
        atexit.register(self._close)

    def _close(self) -> None:
        self._socket.close()
        self._process.wait()

    async def start(
        self,
        program: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        strace: Sequence[str] = (),
    ) -> Forked:
        """Start a Python program given as text; its standard input is empty."""
        pipes = {name: os.pipe() for name in ("gate", "status", "stdout", "stderr")}
        gate, (status, stdout, stderr) = pipes["gate"][1], [pipes[n][0] for n in _READ]
        with tempfile.TemporaryFile() as request, open(os.devnull, "rb") as nothing:
            text = {"program": program, "arguments": arguments, "environment": dict(environment)}
            request.write(json.dumps(text).encode())
            request.seek(0)
            theirs = [pipes["gate"][0], *(pipes[name][1] for name in _READ)]
            given = [request.fileno(), theirs[0], theirs[1], nothing.fileno(), *theirs[2:]]
            socket.send_fds(self._socket, [b"fork"], given)
        for descriptor in theirs:
            os.close(descriptor)
        opened = [await _reader(descriptor) for descriptor in (stdout, stderr, status)]
        readers, transports = zip(*opened, strict=True)
        forked = Forked(int(await readers[2].readline()), *readers, transports, gate)
        if strace:
            await forked.attach(*strace)
        forked.begin()
        return forked


_READ = ("status", "stdout", "stderr")

can_fork = sys.platform == "linux" and "COVERAGE_PROCESS_CONFIG" not in os.environ
"""Elsewhere each program starts a Python; coverage counts what it sees from the start."""


@functools.cache
def fork_server() -> ForkServer:
    """The one of this process; it ends with it."""
    return ForkServer()


async def _reader(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    return reader, transport


def serve(connection: socket.socket) -> dict[str, Any]:
    """Fork for each request until the tests close their end; return one only in a fork."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the watchers
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, 16, _MAX_DESCRIPTORS)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            connection.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _fork_and_watch(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _fork_and_watch(descriptors: list[int]) -> dict[str, Any]:
    """Report the child's number and how it ended; return in the child alone, when it may begin."""
    request, gate, status, *streams = descriptors
    child = os.fork()
    if child:
        for descriptor in (request, gate, *streams):
            os.close(descriptor)
        os.write(status, f"{child}\n".encode())
        _, how = os.waitpid(child, 0)
        with suppress(BrokenPipeError):  # the test that wanted to know was cancelled
            os.write(status, f"{os.waitstatus_to_exitcode(how)}\n".encode())
        os._exit(0)
    os.close(status)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    with open(request, "rb") as text:
        asked: dict[str, Any] = json.load(text)
    os.read(gate, 1)  # nothing ever comes: it is closed
    os.close(gate)
    return asked


def main() -> types.CodeType:
    """Serve; what is returned is to be run, in a fork."""
    import rheo_core.cli.main
    import rheo_core.downloads.manager
    import rheo_core.engine  # noqa: F401

    import gc

    gc.freeze()
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["-c", *asked["arguments"]]
    return compile(asked["program"], "<string>", "exec")


if __name__ == "__main__":
    _code = main()
    _names = {"__name__": "__main__", "__builtins__": __builtins__}
    exec(_code, _names)
