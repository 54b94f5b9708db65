"""One download in a folder of other people's files, and what must hold however it ends."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadInfo, DownloadStatus, HashConfig
from tests.core.engine import PATIENT, Journal, quick_retries, sha256
from tests.servers.misbehaving import Behaviour, Headers, MisbehavingServer, Request
from tests.servers.scenarios import Hold, in_turn
from tests.waiting import until

LIMIT = 60.0
"""Seconds after which a download that has not ended counts as hanging."""

MOST_REQUESTS = 12
"""Three attempts with up to four requests each; rows that know better say so."""

BYSTANDERS = ("file.bin.1", "file.bin.part.1", "file.bin.state", "file.part", "file", ".hidden")
"""Names that a careless clean-up takes for its own."""

_ENDINGS = {
    DownloadStatus.COMPLETED: "completed",
    DownloadStatus.FAILED: "failed",
    DownloadStatus.SKIPPED: "skipped",
}


def checksum(body: bytes) -> HashConfig:
    """Return the checksum that a publisher gives for a file."""
    return HashConfig(algorithm="sha256", expected_hash=sha256(body))


@dataclass
class Outcome:
    """Outcome of a download; `completed`, `failed` and `skipped` judge it as a whole."""

    scene: "Scene"
    manager: DownloadManager
    journal: Journal
    config: FileConfig
    versions: tuple[bytes, ...]

    def completed(self, current: bytes, *, requests: int | None = None) -> None:
        """The final name holds `current`, and nothing else is left."""
        self._judge(DownloadStatus.COMPLETED, requests)
        final = self.scene.final
        assert sha256(final.read_bytes()) == sha256(current)
        assert not self.scene.part.exists() and not self.scene.state.exists()
        event = self.journal.last("completed")
        assert event.destination_path == str(final)
        assert event.total_bytes == len(current) == self.manager.stats.completed_bytes
        assert self.error == ""

    def failed(self, reason: str = "", *, requests: int | None = None) -> None:
        """There is nothing under the final name, and the error contains this reason."""
        self._judge(DownloadStatus.FAILED, requests)
        assert not self.scene.final.exists()
        assert self.error and self.error.isprintable()
        assert reason in self.error
        assert self.journal.last("failed").error.message == self.error

    def skipped(self) -> None:
        """Check that the existing file was left alone."""
        self._judge(DownloadStatus.SKIPPED, 0)

    @property
    def status(self) -> DownloadStatus:
        return self._info.status

    @property
    def error(self) -> str:
        return self._info.error or ""

    @property
    def requests(self) -> list[Request]:
        return self.scene.server.requests

    @property
    def _info(self) -> DownloadInfo:
        info = self.manager.get_download_info(self.config.id)
        assert info is not None
        return info

    def _judge(self, expected: DownloadStatus, requests: int | None) -> None:
        assert self.status is expected, (self.status, self.error, self.journal.names())
        assert self.journal.endings() == {self.config.id: 1}
        assert self.journal.names()[-1] == _ENDINGS[expected]
        (row,) = self.manager.snapshot().downloads
        assert (row.status, row.error) == (expected, self._info.error)
        assert row.name.isprintable() and row.reason.isprintable()
        assert self.scene.bystanders() == self.scene.before
        ours = {self.scene.final.name, self.scene.part.name, self.scene.state.name}
        found = {path.name for path in self.scene.folder.iterdir()}
        assert found - set(self.scene.before) <= ours, found
        assert self.scene.part.exists() == self.scene.state.exists()
        for path in (self.scene.final, self.scene.part):
            if path.is_file() and path.name not in self.scene.before:
                assert any(_is_of(path.read_bytes(), body) for body in self.versions), path.name
        if requests is None:
            assert len(self.requests) <= MOST_REQUESTS
        else:
            assert len(self.requests) == requests, [r.headers for r in self.requests]


@dataclass
class Scene:
    """A server, a folder with bystanders and one download between them."""

    server: MisbehavingServer
    folder: Path
    next_run: bool = False  # whether an interrupted download goes on in another manager
    options: dict[str, Any] = field(default_factory=dict)  # of every manager
    path: str = "/file.bin"
    name: str = "file.bin"
    before: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        for name in BYSTANDERS:
            (self.folder / name).write_bytes(f"{name} is mine".encode())
        self.before = self.bystanders()

    @property
    def final(self) -> Path:
        return self.folder / self.name

    @property
    def part(self) -> Path:
        return self.folder / f"{self.name}.part"

    @property
    def state(self) -> Path:
        return self.folder / f"{self.name}.part.state"

    def keep(self) -> None:
        """Count the files that are in the folder now as foreign too."""
        self.before = {path.name: _picture(path) for path in self.folder.iterdir()}

    def bystanders(self) -> dict[str, object]:
        names = self.before or dict.fromkeys(BYSTANDERS)
        return {name: _picture(self.folder / name) for name in names}

    def config(self, **wishes: Any) -> FileConfig:
        return FileConfig(**{"url": self.server.url(self.path), **wishes})

    def manager(self, **options: Any) -> DownloadManager:
        ours: dict[str, Any] = (
            {
                "retry_handler": quick_retries(2),
                "connect_timeout": LIMIT,
                "stall_timeout": LIMIT,
                "tuning": PATIENT,
            }
            | self.options
            | options
        )
        # `bytes_come` waits for what is written.
        ours["tuning"] = replace(ours["tuning"], max_batch_seconds=0.02)
        return DownloadManager(download_dir=self.folder, **ours)

    async def fetch(
        self,
        behaviour: Behaviour | None,
        *versions: bytes,
        config: FileConfig | None = None,
        meanwhile: Callable[[DownloadManager], Awaitable[object]] | None = None,
        **options: Any,
    ) -> Outcome:
        """Run the download to its end; `versions` is all the server ever held."""
        if behaviour is not None:
            self.server.on(self.path, behaviour)
        config = config or self.config()
        async with self.manager(**options) as manager, asyncio.timeout(LIMIT):
            journal = Journal(manager)
            await manager.add([config])
            if meanwhile is not None:
                await meanwhile(manager)
            await manager.wait_until_complete(timeout=LIMIT)
        return Outcome(self, manager, journal, config, versions)

    async def begin(
        self, body: bytes, at: int, *, config: FileConfig | None = None, **headers: Any
    ) -> None:
        """Leave a partial download of `at` bytes behind, as a program that was closed does."""

        def is_there(part: Path) -> bool:
            return part.stat().st_size >= at

        self.server.on(self.path, Hold(body, at, **headers))
        manager = self.manager()
        await manager.open()
        try:
            async with asyncio.timeout(LIMIT):
                await manager.add([config or self.config()])
                await bytes_come(manager, at)
                # Bytes that wait in memory are dropped with the program.
                await until(lambda: any(map(is_there, self.folder.glob("*.part"))))
        finally:
            await manager.close()

    async def resume(
        self,
        old: bytes,
        at: int,
        then: Behaviour,
        *newer: bytes,
        config: FileConfig | None = None,
        headers: Headers | None = None,
        **options: Any,
    ) -> Outcome:
        """Break the connection after `at` bytes of `old`; the next request meets `then`."""
        if self.next_run:
            await self.begin(old, at, **(headers or {}))
            return await self.fetch(then, old, *newer, config=config, **options)
        hold = Hold(old, at, **(headers or {}))

        async def cut(manager: DownloadManager) -> None:
            await bytes_come(manager, at)
            hold.let_go.set()

        behaviour = in_turn(hold, then)
        return await self.fetch(behaviour, old, *newer, config=config, meanwhile=cut, **options)


async def bytes_come(manager: DownloadManager, count: int) -> None:
    """Wait until the only download has received `count` bytes."""
    await until(lambda: manager.snapshot().downloads[0].bytes_downloaded >= count)


def _is_of(data: bytes, body: bytes) -> bool:
    """Return True if all bytes come from `body` at their offsets; holes are ignored."""
    if data == body[: len(data)]:
        return True
    pairs = zip(data, body, strict=False)
    return len(data) <= len(body) and all(there in (byte, 0) for there, byte in pairs)


def _picture(path: Path) -> object:
    """Return a value that changes if another program touches a file."""
    if not path.is_symlink() and path.is_dir():
        return sorted((child.name, _picture(child)) for child in path.iterdir())
    seen = path.lstat()
    content = path.read_bytes() if os.path.isfile(path) else None
    return (seen.st_ino, seen.st_mode, seen.st_mtime_ns, seen.st_nlink, content)
