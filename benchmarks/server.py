"""A local nginx: HTTP, HTTPS, a location limited per connection, two that answer to any name."""

import hashlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import trustme

from .works import LIMIT_BPS, MIB, SLOW_BPS, Work

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

# One worker: the other core is the client's, as if the server were another machine.
_CONFIGURATION = """
worker_processes 1; daemon off; master_process off; error_log {folder}/error.log;
pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
  keepalive_requests 1000000; open_file_cache max=20000;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
  server {{
    listen 127.0.0.1:{http}; listen 127.0.0.1:{https} ssl; root {root};
    location /limited/ {{ limit_rate {rate}; alias {root}/; }}
    location /any/ {{
      rewrite ^/any/([^/]+)/ /$1/0000000.bin break; access_log {first_byte};
    }}
    location /slow/ {{ limit_rate {slow}; rewrite ^/slow/([^/]+)/ /$1/0000000.bin break; }}
  }}
}}
"""


class Server:
    """Serves files of random bytes while its `with` block runs.

    Args:
        folder: for the files and its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "nginx"
        self._root = folder / "served"
        self._folder.mkdir()
        self._root.mkdir()
        self._ports = {"http": _free_port(), "https": _free_port()}
        self.authority = self._folder / "authority.pem"
        self.requests = self._folder / "requests.log"
        """Has a line for each response to a listed work; made new for each run."""

    def url(self, work: Work, name: str) -> str:
        limited = "limited/" if work.limited else ""
        place = "slow/" if work.slow else "any/" if work.listed else limited
        port = self._ports[work.scheme]
        return f"{work.scheme}://127.0.0.1:{port}/{place}{work.material}/{name}"

    def offer(self, work: Work) -> str:
        """Have the files of this work and no others; gives the SHA-256 of the last."""
        folder = self._root / work.material
        for other in self._root.iterdir():
            if other != folder:
                shutil.rmtree(other)
        if not folder.exists():
            folder.mkdir()
            for name in work.names[: 1 if work.listed else None]:
                _fill(folder / name, work.size)
        return sha256_of(folder / work.names[0 if work.listed else -1])

    def forget_requests(self) -> None:
        """Empty the log of requests, which nginx only appends to."""
        os.truncate(self.requests, 0)

    def __enter__(self) -> Self:
        assert PROGRAM is not None
        self._certify()
        configuration = self._folder / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                folder=self._folder,
                root=self._root,
                rate=LIMIT_BPS,
                slow=SLOW_BPS,
                first_byte=self.requests,
                **self._ports,
            )
        )
        self._process = subprocess.Popen([PROGRAM, "-c", configuration, "-e", "stderr"])
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._ports["http"]), 1).close()
                return self
            except OSError:
                assert self._process.poll() is None, "nginx does not start"
                assert time.monotonic() < deadline, "nginx does not listen"
                time.sleep(0.05)

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _certify(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.authority)
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        (self._folder / "server.pem").write_bytes(
            b"".join(part.bytes() for part in certificate.cert_chain_pems)
        )
        certificate.private_key_pem.write_to_path(self._folder / "server.key")


def sha256_of(path: Path) -> str:
    """Of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fill(path: Path, size: int) -> None:
    """Random bytes: pieces in wrong places are found out."""
    with path.open("wb") as file:
        while size:
            file.write(os.urandom(min(size, MIB)))
            size -= min(size, MIB)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
