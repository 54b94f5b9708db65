"""A warm process that has imported the engine and the app, and forks for each program of a test.

Starting Python and importing the engine takes about 0.4 CPU seconds, the app 0.8; a fork takes
some milliseconds. The program then runs as `python -c PROGRAM` would, from its first line to the
interpreter's own end. strace attaches to the fork before that first line: what the imports do is
not in its log, and the calls it counts are the program's.

Limits apply from its first line on, too: `within` sets them from outside. Where memory counts,
start Python: a fork shares most of it with the warm process.
"""

import asyncio
import atexit
import fcntl
import functools
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_COVERAGE = "COVERAGE_PROCESS_CONFIG"  # in the environment of programs to measure
_WARM = (
    "rheo_core.cli.json_lines",
    "rheo_core.cli.main",
    "rheo_core.cli.progress_display",
    "rheo_core.cli.request_flags",
    "rheo_core.cli.running",
    "rheo_core.downloads.manager",
    "rheo_core.downloads.session",
    "rheo_core.engine",
    "rheo_core.infrastructure.http.socks",
    "rheo_core.infrastructure.session_store",
    "rheo_tui.__main__",
    "rheo_tui.app",
    "rheo_tui.screens.add",
    "rheo_tui.services.local",
    "rheo_tui.services.threaded",
    "textual.drivers.linux_driver",
    "textual.layouts.factory",
)
_DESCRIPTORS = 6  # request, gate, status, standard input, standard output, standard error


@dataclass
class Forked:
    """A program that runs; a part of `asyncio.subprocess.Process`."""

    pid: int
    _status: asyncio.StreamReader
    _gate: int | None  # closed to let the program begin
    transports: Sequence[asyncio.ReadTransport]  # status, standard output, standard error
    stdin: asyncio.StreamWriter | None = None
    stdout: asyncio.StreamReader | None = None
    stderr: asyncio.StreamReader | None = None
    _tracer: asyncio.subprocess.Process | None = None
    returncode: int | None = None

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
        """Return its exit code, or the negative number of the signal that killed it.

        After that nothing can be read from it.
        """
        if self.returncode is None:
            self.returncode = int(await self._status.readline())
            if self._tracer is not None:
                await self._tracer.communicate()  # its log is complete now
        for transport in self.transports:
            transport.close()
        if self.stdin is not None:
            self.stdin.close()
        return self.returncode

    async def communicate(self, text: bytes = b"") -> tuple[bytes, bytes]:
        """Send this to its standard input; return what it wrote until its end."""
        assert self.stdin and self.stdout and self.stderr
        self.stdin.write(text)
        self.stdin.close()
        out, err = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await self.wait()
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
        environment = {name: value for name, value in os.environ.items() if name != _COVERAGE}
        warm = ["coverage"] if _COVERAGE in os.environ else []
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server", str(other.fileno()), *warm],
                pass_fds=[other.fileno()],
                cwd=ROOT,
                env=environment,  # each program starts a measurement of its own
                stdin=subprocess.DEVNULL,
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
        cwd: Path | None = None,
        strace: Sequence[str] = (),
        within: Callable[[int], None] | None = None,
    ) -> Forked:
        """Start a Python program given as text, in the folder `cwd` or in that of the server.

        `within` is called with its process id, before its first line.
        """
        stdin, *outputs = [os.pipe() for _ in range(3)]
        theirs = [stdin[0], *(writing for _, writing in outputs)]
        forked = await self._fork(theirs, program, arguments, environment, cwd)
        for descriptor in theirs:
            os.close(descriptor)
        (forked.stdout, out), (forked.stderr, err) = [await _reader(ours) for ours, _ in outputs]
        forked.stdin = await _writer(stdin[1])
        forked.transports = (*forked.transports, out, err)
        if strace:
            await forked.attach(*strace)
        if within:
            within(forked.pid)
        forked.begin()
        return forked

    async def start_on(
        self,
        terminal: int,
        program: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        cwd: Path,
    ) -> Forked:
        """Start a Python program given as text, on a terminal that becomes its own."""
        forked = await self._fork([terminal] * 3, program, arguments, environment, cwd)
        forked.begin()
        return forked

    async def _fork(
        self,
        streams: Sequence[int],
        program: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        cwd: Path | None,
    ) -> Forked:
        """Fork a program that waits at its gate, with these standard streams."""
        their_gate, gate = os.pipe()
        ours, their_status = os.pipe()
        with tempfile.TemporaryFile() as request:
            text = {
                "program": program,
                "arguments": arguments,
                "environment": dict(environment),
                "cwd": str(cwd or ROOT),
            }
            request.write(json.dumps(text).encode())
            request.seek(0)
            theirs = [request.fileno(), their_gate, their_status, *streams]
            socket.send_fds(self._socket, [b"fork"], theirs)
        os.close(their_gate)
        os.close(their_status)
        status, transport = await _reader(ours)
        return Forked(int(await status.readline()), status, gate, [transport])


def stop_reading(process: Forked | asyncio.subprocess.Process, stream: int) -> None:
    """Close our end of standard output (1) or standard error (2)."""
    if isinstance(process, Forked):
        process.transports[stream].close()
    else:
        process._transport.get_pipe_transport(stream).close()  # type: ignore[attr-defined]


can_fork = sys.platform == "linux"
"""Elsewhere each program starts a Python."""


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


async def _writer(descriptor: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop), os.fdopen(descriptor, "wb")
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


def serve(connection: socket.socket) -> dict[str, Any]:
    """Fork for each request until the tests close their end; return one only in a fork."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the watchers
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, 16, _DESCRIPTORS)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            connection.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # Tests that run in the background of a script have it ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
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
    if os.isatty(streams[0]):
        os.setsid()
        fcntl.ioctl(streams[0], termios.TIOCSCTTY)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    _open_output()
    with os.fdopen(request, "rb") as text:
        asked: dict[str, Any] = json.load(text)
    os.read(gate, 1)  # nothing ever comes: it is closed
    os.close(gate)
    return asked


def _open_output() -> None:
    """Open the standard streams anew: those of the server may remember that a file was there."""
    for name, number, buffering in (("stdout", 1, -1), ("stderr", 2, 1)):
        old = getattr(sys, name)
        stream = open(  # noqa: SIM115 - it is open until the end
            number, "w", buffering, encoding=old.encoding, errors=old.errors, closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def main() -> types.CodeType:
    """Serve; what is returned is to be run, in a fork."""
    atexit.register(_keep_modules)  # runs last
    for name in (*_WARM, *sys.argv[2:]):
        importlib.import_module(name)
    _kept.update(sys.modules, _kept=_kept)  # a circle: it has an end of its own in no fork
    gc.freeze()
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["cwd"])
    sys.argv = ["-c", *asked["arguments"]]
    if _COVERAGE in os.environ:
        from coverage import process_startup

        process_startup()
    return compile(asked["program"], "<string>", "exec")


_kept: dict[str, Any] = {}


def _keep_modules() -> None:
    """Spare the modules of the server from the interpreter's end.

    Clearing them copies most of the server's memory, which takes longer than most programs.
    """
    for name in _kept.keys() - {"sys", "builtins", "__main__"}:
        sys.modules.pop(name, None)


if __name__ == "__main__":
    _code = main()
    _names = {"__name__": "__main__", "__builtins__": __builtins__}
    exec(_code, _names)
