"""A real nginx on a free port of the loopback interface."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

PROGRAM = shutil.which("nginx")

_CONFIGURATION = """
worker_processes 1; daemon off; master_process off; error_log {folder}/error.log;
pid {folder}/pid;
events {{ worker_connections 512; }}
http {{
  log_format bytes $body_bytes_sent; access_log {folder}/access.log bytes;
  sendfile on; limit_rate {rate}; default_type application/octet-stream;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""

_ANY_FILE = """
worker_processes 1; daemon off; master_process off; error_log {folder}/error.log;
pid {folder}/pid; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  log_format path $uri; access_log {folder}/access.log path;
  keepalive_requests 1000000; default_type image/jpeg;
  server {{ listen 0.0.0.0:{port}; return 200 "{body}"; }}
}}
"""


_BODY_PATHS = 60  # a body repeats its path, so it is unlike any other


class Nginx:
    """Serves the files below `root` while its `with` block runs.

    Args:
        root: what it serves.
        folder: for its own files.
        rate: bytes/s of each connection; 0: unlimited.
    """

    def __init__(self, root: Path, folder: Path, rate: int = 0) -> None:
        self.port = free_port()
        text = _CONFIGURATION.format(folder=folder, root=root, port=self.port, rate=rate)
        self._running = _Running(text, folder, self.port)
        self._log = folder / "access.log"

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def bytes_sent(self) -> int:
        """Of the bodies of all requests that have ended; what was on its way counts as sent."""
        return sum(map(int, self._log.read_text().split()))

    def __enter__(self) -> Self:
        self._running.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._running.stop()


class AnyFileNginx:
    """Serves a small file at every path, at each address of the loopback interface.

    Args:
        folder: for its own files.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        body = body_at("$uri").decode()
        text = _ANY_FILE.format(folder=folder, port=self.port, body=body)
        self._running = _Running(text, folder, self.port)
        self.log = folder / "access.log"
        """Has the path of each request, one a line."""

    def forget(self) -> None:
        """Empty the log, to which nginx only appends."""
        os.truncate(self.log, 0)

    def __enter__(self) -> Self:
        self._running.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._running.stop()


def body_at(path: str) -> bytes:
    """Return the file that `AnyFileNginx` has at a path."""
    return (path + " ").encode() * _BODY_PATHS


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Running:
    """Process of an nginx."""

    def __init__(self, text: str, folder: Path, port: int) -> None:
        self._configuration = folder / "nginx.conf"
        self._configuration.write_text(text)
        self._port = port

    def start(self) -> None:
        """Start it, and wait until it listens."""
        assert PROGRAM is not None
        self._process = subprocess.Popen([PROGRAM, "-c", str(self._configuration), "-e", "stderr"])
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "nginx does not listen"

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)
