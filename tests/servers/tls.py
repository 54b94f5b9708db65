"""Certificates of a private authority, good and bad, and a server that fails the handshake."""

import asyncio
import datetime
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme

_DAY = datetime.timedelta(days=1)


class Authority:
    """Issues certificates; `trusting()` is a client's context that accepts them."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    def trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self._ca.configure_trust(context)
        return context

    def file(self, folder: Path) -> Path:
        """Its own certificate, for those who are to trust it."""
        file = folder / "authority.pem"
        file.write_bytes(self._ca.cert_pem.bytes())
        return file

    def client(self, folder: Path, name: str = "client@example.org") -> tuple[Path, Path]:
        """Files with a client's certificate, and with its key."""
        issued = self._ca.issue_cert(name)
        certificate, key = folder / "client.pem", folder / "client.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        key.chmod(0o600)
        return certificate, key

    def asking(self, *names: str, strictly: bool = True) -> ssl.SSLContext:
        """A server's context that asks clients for a certificate, and with `strictly` insists."""
        context = self.serving(*names)
        self._ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED if strictly else ssl.CERT_OPTIONAL
        return context

    def serving(self, *names: str, expired: bool = False, **details: Any) -> ssl.SSLContext:
        """A server's context with a certificate for these names."""
        now = datetime.datetime.now(datetime.UTC)
        times: dict[str, Any] = (
            {"not_before": now - 20 * _DAY, "not_after": now - _DAY} if expired else {}
        )
        certificate = self._ca.issue_cert(*names, **times, **details)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    def serving_itself(self, folder: Path) -> ssl.SSLContext:
        """A server's context with the authority's own certificate, which it signed itself."""
        file = folder / "self-signed.pem"
        file.write_bytes(self._ca.private_key_pem.bytes() + self._ca.cert_pem.bytes())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def only_tls_1_0(context: ssl.SSLContext) -> ssl.SSLContext:
    """Restrict a context to TLS 1.0, as very old servers do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


class PlainListener:
    """Counts connections and bytes on a port where TLS is expected."""

    def __init__(self, port: int) -> None:
        self.url = f"https://127.0.0.1:{port}/file.bin"
        self.connections = 0


@asynccontextmanager
async def plain_listener(say: bytes, *, wait: bool = True) -> AsyncIterator[PlainListener]:
    """Send something before (or instead of waiting for) the handshake, then hang up."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        listener.connections += 1
        try:
            if wait:
                await reader.read(1)
            writer.write(say)
            await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    listener = PlainListener(server.sockets[0].getsockname()[1])
    try:
        yield listener
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
