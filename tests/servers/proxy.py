"""A real proxy (pproxy) in a process of its own: HTTP, CONNECT and SOCKS5 on one port."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.programs import start_program

PPROXY = """
import runpy, sys
sys.stdout = sys.stderr = open(sys.argv.pop(1), "w", buffering=1)
runpy.run_module("pproxy", run_name="__main__")
"""


class ProxyProcess:
    """`log` is what it says of the connections it makes."""

    def __init__(self, port: int, log_file: Path) -> None:
        self.port = port
        self._log_file = log_file

    @property
    def log(self) -> str:
        return self._log_file.read_text(errors="replace")


@asynccontextmanager
async def proxy(folder: Path, login: str = "") -> AsyncIterator[ProxyProcess]:
    """Run one; `login` is `name:password` where it wants that."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log_file = folder / f"proxy-{port}.log"
    place = f"http+socks5://127.0.0.1:{port}" + (f"#{login}" if login else "")
    process = await start_program(PPROXY, [log_file, "-v", "-l", place], os.environ)
    try:
        await _until_it_listens(port)
        yield ProxyProcess(port, log_file)
    finally:
        process.kill()
        await process.wait()


async def _until_it_listens(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return
