"""A host and a name server in a network of their own, behind the only default route.

`FarAway` makes two network namespaces, as root of a user namespace: one for the servers, one for
the programs under test. Run as a program, this module is the servers.
"""

import asyncio
import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

ADDRESS = "11.0.0.1"  # nobody reaches the real one from these namespaces
NEAR = "11.0.0.2"
TUNNEL, TUNNEL_END = "11.0.1.2", "11.0.1.1"
PORT = 8080
_PIECE = 64 << 10
_PIECE_SECONDS = 0.05
_HELD_AT = 1_000_000
"""Offset from which the server sends nothing while it holds files back."""


def body_of(path: str) -> bytes:
    """Return the bytes of the file with the path `/SIZE/NAME`."""
    size = int(path.split("/")[1])
    return (path.encode() * (size // len(path) + 1))[:size]


class FarAway:
    """The two namespaces, and the faults of the network between them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._dns = folder / "dns"
        self._log = folder / "requests"
        self._held = folder / "held"
        self._processes: list[subprocess.Popen[bytes]] = []

    @staticmethod
    def is_possible() -> bool:
        """Return True if this system lets its users make network namespaces."""
        if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
            return False
        made = subprocess.run(["unshare", "-rnm", "ip", "link"], capture_output=True, check=False)
        return made.returncode == 0

    def __enter__(self) -> Self:
        self.answer_names()
        self._log.touch()
        resolv_conf = self._folder / "resolv.conf"
        resolv_conf.write_text(f"nameserver {ADDRESS}\noptions timeout:1 attempts:1\n")
        self._far = self._hold(["unshare", "-rnm"])
        # One shell holds the near side; it sees another resolv.conf.
        self._near = self._hold([*self._enter(self._far), "unshare", "-nm"])
        self.near(f"mount --bind {resolv_conf} /etc/resolv.conf; ip link set lo up")
        self._run(self._far, f"ip link add far type veth peer name near netns {self._near}")
        self._run(self._far, f"ip addr add {ADDRESS}/24 dev far; ip link set far up")
        self.near(f"ip addr add {NEAR}/24 dev near")
        self.connect()
        servers = [sys.executable, __file__, *map(str, (self._dns, self._log, self._held))]
        server = subprocess.Popen([*self._enter(self._far), *servers], stdout=subprocess.PIPE)
        self._processes.append(server)
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.communicate()

    def disconnect(self) -> None:
        """Take the network away from the near side, with its routes."""
        self.near("ip link set near down")

    def connect(self) -> None:
        """Bring the network back."""
        self.near(f"ip link set near up; ip route add default via {ADDRESS}")

    def open_tunnel(self) -> None:
        """Give the near side a second interface, `tunnel`, which leads to the server."""
        link = f"ip link add end type veth peer name tunnel netns {self._near}"
        self._run(self._far, f"{link}; ip addr add {TUNNEL_END}/24 dev end; ip link set end up")
        self.near(f"ip addr add {TUNNEL}/24 dev tunnel; ip link set tunnel up")
        self.near(f"ip route add {ADDRESS} via {TUNNEL_END}")

    def close_tunnel(self) -> None:
        """Remove the second interface; the default route stays."""
        self.near("ip link del tunnel")

    def silence_names(self) -> None:
        """Drop all lookups; the route stays, as in a Wi-Fi without Internet."""
        self._dns.write_text("silent")

    def answer_names(self) -> None:
        """Answer lookups: `broken.*` with SERVFAIL, `unknown.*` with NXDOMAIN."""
        self._dns.write_text("answer")

    def hold_back(self) -> None:
        """Let the server send no more than the first megabyte of a file."""
        self._held.touch()

    def go_on(self) -> None:
        """Let the server send the rest too."""
        self._held.unlink()

    @property
    def requests(self) -> list[str]:
        """Paths that were requested."""
        return self._log.read_text().split()

    def near(self, command: str) -> None:
        """Run a shell command on the near side."""
        self._run(self._near, command)

    def start(self, *command: str, env: Mapping[str, str]) -> "subprocess.Popen[str]":
        """Start a program under test on the near side."""
        return subprocess.Popen(
            [*self._enter(self._near), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=env,
        )

    def _hold(self, command: list[str]) -> int:
        """Start a process that holds namespaces; return its number."""
        holder = subprocess.Popen(
            [*command, "sh", "-c", "echo $$; exec sleep 600"], stdout=subprocess.PIPE
        )
        self._processes.append(holder)
        assert holder.stdout is not None
        return int(holder.stdout.readline())

    @staticmethod
    def _enter(pid: int) -> list[str]:
        return ["nsenter", "-t", str(pid), "-U", "-n", "-m", "--preserve-credentials"]

    def _run(self, pid: int, command: str) -> None:
        subprocess.run([*self._enter(pid), "sh", "-ec", command], check=True)


class _Names(asyncio.DatagramProtocol):
    def __init__(self, control: Path) -> None:
        self._control = control

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, client: object) -> None:
        if self._control.read_text() == "silent":
            return
        question = data[12:]
        first = question[1 : 1 + question[0]].decode()
        code = {"broken": 2, "unknown": 3}.get(first, 0)
        is_ipv4 = question[question.index(0) + 1 :][:2] == b"\0\1"
        answer = b""
        if is_ipv4 and not code:
            parts = bytes(map(int, ADDRESS.split(".")))
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x01\0\4" + parts
        question = question[: question.index(0) + 5]
        counts = bytes((0, 1, 0, bool(answer), 0, 0, 0, 0))
        head = data[:2] + bytes((0x81, 0x80 | code)) + counts
        self._transport.sendto(head + question + answer, client)  # type: ignore[attr-defined]


async def _serve_files(
    log: Path, held: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split()[1]
            with log.open("a") as file:
                file.write(f"{path}\n")
            body = body_of(path)
            size = len(body)
            found = re.search(r"(?im)^range: bytes=(\d+)-(\d*)", head)
            start = int(found[1]) if found else 0
            stop = int(found[2]) + 1 if found and found[2] else size
            status = f"206 Part\r\nContent-Range: bytes {start}-{stop - 1}/{size}"
            writer.write(
                f'HTTP/1.1 {status if found else "200 OK"}\r\nETag: "1"\r\n'
                f"Accept-Ranges: bytes\r\nContent-Length: {stop - start}\r\n\r\n".encode()
            )
            for offset in range(start, stop, _PIECE):
                while offset >= _HELD_AT and held.exists():
                    await asyncio.sleep(_PIECE_SECONDS)
                writer.write(body[offset : min(offset + _PIECE, stop)])
                await writer.drain()
                await asyncio.sleep(_PIECE_SECONDS)
    writer.close()


async def _main(control: Path, log: Path, held: Path) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: _Names(control), local_addr=(ADDRESS, 53))
    await asyncio.start_server(lambda r, w: _serve_files(log, held, r, w), ADDRESS, PORT)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*map(Path, sys.argv[1:])))
