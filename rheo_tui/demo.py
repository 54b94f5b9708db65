"""DemoServer: the built-in web server of `rheo-tui --demo`.

The demo shows the app without a network: files of several sizes and speeds, and one example of
each common failure. Bodies are computed from path and offset, so that nothing is stored and tests
know every byte.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from aiohttp import web

from rheo_core.domain import FileConfig, HashAlgorithm, HashConfig, Snapshot

from .services.poller import EngineClient

KB = 1000
MB = 1000 * KB

_BLOCK_SIZE = 256 * 1024
_PIECE_SIZE = 64 * 1024  # bytes given to the socket at once
_PIECES_PER_SECOND = 10  # of a throttled response; more would only cost CPU
_CLOSE_SECONDS = 0.1
_LOOK_SECONDS = 1.0  # between checks whether all downloads have ended
REST_SECONDS = 20.0
"""Time for a person to look at the ended downloads before they begin again."""


@dataclass(frozen=True, slots=True)
class DemoFile:
    """A file of the server, and its behaviour."""

    path: str  # decoded, with the leading slash
    size: int  # bytes
    speed: int | None = None  # bytes/s of one connection; None: unlimited
    priority: int = 1
    checksum: Literal["right", "wrong"] | None = None  # the checksum in `configs`
    failures: int = 0  # requests that get 503 before it works
    has_length: bool = True  # False: chunked, without ranges
    missing: bool = False  # 404
    offered_name: str | None = None  # in Content-Disposition

    @property
    def etag(self) -> str:
        """Strong validator of the file."""
        return f'"{hashlib.sha256(f"{self.path}:{self.size}".encode()).hexdigest()[:16]}"'


DEMO_FILES = (
    DemoFile("/iso/debian-13.2.0-amd64-netinst.iso", 60 * MB, 3 * MB, priority=5),
    DemoFile("/data/sentinel-2-tiles.parquet", 8 * MB, 2 * MB, priority=5, failures=2),
    DemoFile("/apps/blender-5.0-linux-x64.tar.xz", 24 * MB, 1200 * KB, 4, checksum="right"),
    DemoFile("/notes/README.md", 42 * KB, priority=4),
    DemoFile("/media/lecture-07-graph-algorithms.mp4", 18 * MB, 900 * KB, priority=3),
    DemoFile("/archive/report-2019.pdf", 0, missing=True, priority=3),
    DemoFile("/export/measurements.csv", 6 * MB, 600 * KB, priority=3, has_length=False),
    DemoFile("/firmware/router-1.9.2.bin", 3 * MB, 1500 * KB, priority=2, checksum="wrong"),
    DemoFile("/get/4711", 2400 * KB, 800 * KB, 2, offered_name="annual-report-2025.pdf"),
    DemoFile("/maps/東京-地下鉄路線図.zip", 5 * MB, 1 * MB, priority=2),
    DemoFile("/src/linux-6.18.tar.xz", 16 * MB, priority=1),
    DemoFile("/podcast/112-how-disks-lie.mp3", 9 * MB, 400 * KB, priority=1),
    DemoFile("/photos/IMG_2041.jpg", 4200 * KB, 2 * MB, priority=1),
)


class DemoServer:
    """Serves `files` on the loopback interface inside its `async with` block.

    Args:
        files: The files; the default takes about 40 seconds with three downloads at a time.
        throttled: False ignores the speeds of the files, for tests.
    """

    def __init__(self, files: Sequence[DemoFile] = DEMO_FILES, *, throttled: bool = True) -> None:
        self._files = {file.path: file for file in files}
        self._throttled = throttled
        self._blocks: dict[str, bytes] = {}
        self._requests: Counter[str] = Counter()
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def url(self, path: str) -> str:
        """Return the percent-encoded URL of a file; valid inside the block only."""
        file = self._files.get(path)
        # A host that answers 503 gets one connection for a while, so other files use another host.
        host = "localhost" if file is not None and file.failures else "127.0.0.1"
        return f"http://{host}:{self._port}{quote(path)}"

    def configs(self) -> list[FileConfig]:
        """Return the configs that download every file."""
        return [
            FileConfig(
                url=self.url(file.path),
                priority=file.priority,
                hash_config=self._hash_config(file),
            )
            for file in self._files.values()
        ]

    def forget_requests(self) -> None:
        """Fail the first requests again, as after the start."""
        self._requests.clear()

    def sha256(self, path: str) -> str:
        """Return the hexadecimal SHA-256 of the file `path`."""
        digest = hashlib.sha256()
        file = self._files[path]
        for piece in self._body(file, 0, file.size):
            digest.update(piece)
        return digest.hexdigest()

    def _hash_config(self, file: DemoFile) -> HashConfig | None:
        if file.checksum is None:
            return None
        digest = self.sha256(file.path)
        if file.checksum == "wrong":
            digest = digest[::-1]
        return HashConfig(algorithm=HashAlgorithm.SHA256, expected_hash=digest)

    def _body(self, file: DemoFile, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to before `stop` in pieces.

        One block is repeated for each file. Its first bytes are the number of the repetition, so
        that bytes saved at a wrong offset change the hash.
        """
        block = self._blocks.get(file.path)
        if block is None:
            block = hashlib.shake_128(file.path.encode()).digest(_BLOCK_SIZE)
            self._blocks[file.path] = block
        while start < stop:
            number, offset = divmod(start, _BLOCK_SIZE)
            end = min(offset + _PIECE_SIZE, _BLOCK_SIZE, offset + stop - start)
            head = number.to_bytes(8, "big")[offset:end]
            yield head + block[offset + len(head) : end]
            start += end - offset

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        file = self._files.get(request.path)
        if file is None or file.missing:
            return web.Response(status=404, text="File not found.\n")
        if request.method == "GET":
            self._requests[file.path] += 1
            if self._requests[file.path] <= file.failures:
                return web.Response(status=503, text="Too busy, try again soon.\n")
        part = _requested_part(request, file)
        if part is not None and not part:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{file.size}"})
        response = _head(file, part)
        with suppress(ConnectionError):  # the client closed the connection: a cancelled download
            await response.prepare(request)
            if request.method == "GET":
                await self._send(response, file, part)
        if self._closing.is_set() and request.transport is not None:
            # Abort, because a truncated chunked body must not look complete.
            request.transport.abort()
        return response

    async def _send(self, response: web.StreamResponse, file: DemoFile, part: range | None) -> None:
        """Send the body, or a part of it if the server is closing."""
        start, stop = (part.start, part.stop) if part else (0, file.size)
        loop = asyncio.get_running_loop()
        began, sent, due = loop.time(), 0, 0
        speed = file.speed if self._throttled else None
        for piece in self._body(file, start, stop):
            await response.write(piece)
            sent += len(piece)
            if self._closing.is_set():
                return
            if speed is not None and sent >= due:
                due = sent + speed // _PIECES_PER_SECOND
                await self._pause(began + sent / speed - loop.time())

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not longer than the server runs."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._closing.wait()
            except TimeoutError:
                return


async def repeat(
    client: EngineClient,
    server: DemoServer,
    folder: Path,
    say: Callable[[str], None],
    rest: float = REST_SECONDS,
) -> None:
    """Begin the demo again whenever all downloads have ended; until cancelled.

    Args:
        client: has the downloads; those that the user added stay.
        server: serves them.
        folder: has the files, which are removed.
        say: shows a sentence.
        rest: time before the next beginning, seconds.
    """
    while True:
        await asyncio.sleep(min(_LOOK_SECONDS, rest))
        if not _has_ended(client.latest):
            continue
        await asyncio.sleep(rest)
        if not _has_ended(client.latest):
            continue
        configs = server.configs()
        await client.service.remove([config.id for config in configs])
        await asyncio.to_thread(_empty, folder)
        server.forget_requests()
        await client.service.add(configs)
        say("The demo starts again.")


def _has_ended(snapshot: Snapshot | None) -> bool:
    if snapshot is None:
        return False
    stats = snapshot.stats
    return stats.total > 0 and not (stats.queued or stats.in_progress or stats.paused)


def _empty(folder: Path) -> None:
    for file in folder.iterdir():
        with suppress(OSError):
            file.unlink()


def _requested_part(request: web.Request, file: DemoFile) -> range | None:
    """Return the range of a valid Range header; None for the whole file."""
    if "Range" not in request.headers or not file.has_length:
        return None
    if request.headers.get("If-Range", file.etag) != file.etag:
        return None
    try:
        return range(*request.http_range.indices(file.size))
    except ValueError:
        return None  # ignore a malformed Range (RFC 9110, section 14.2)


def _head(file: DemoFile, part: range | None) -> web.StreamResponse:
    """Return a response with its status and headers."""
    response = web.StreamResponse()
    response.content_type = "application/octet-stream"
    if file.offered_name:
        name = quote(file.offered_name)
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    if not file.has_length:
        response.enable_chunked_encoding()
        return response
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = file.etag
    response.content_length = file.size
    if part:
        response.set_status(206)
        response.content_length = len(part)
        response.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{file.size}"
    return response
