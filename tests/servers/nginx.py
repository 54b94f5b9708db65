"""A real nginx on a free port of the loopback interface."""

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


class Nginx:
    """Serves the files below `root` while its `with` block runs.

    Args:
        root: what it serves.
        folder: for its own files.
        rate: bytes/s of each connection; 0: unlimited.
    """

    def __init__(self, root: Path, folder: Path, rate: int = 0) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._configuration = folder / "nginx.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(folder=folder, root=root, port=self.port, rate=rate)
        )
        self._log = folder / "access.log"

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def bytes_sent(self) -> int:
        """Of the bodies of all requests that have ended; what was on its way counts as sent."""
        return sum(map(int, self._log.read_text().split()))

    def __enter__(self) -> Self:
        assert PROGRAM is not None
        self._process = subprocess.Popen([PROGRAM, "-c", str(self._configuration), "-e", "stderr"])
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert time.monotonic() < deadline, "nginx does not listen"

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait(10)
