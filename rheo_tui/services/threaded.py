"""ThreadedService: another service, run on an event loop and thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot, FileConfig, Snapshot
from rheo_core.events import DownloadEvent

from .protocol import DownloadService

if TYPE_CHECKING:
    from rheo_core.inputs import Entry, ReadOptions

T = TypeVar("T")


class ThreadedService:
    """Implements `DownloadService` by another one, which lives on the other loop.

    At full speed one turn of the engine's loop takes 10 ms and more, and a key needs a dozen turns
    of the app's until it is seen. Receiving and writing let go of Python's lock, so two loops get
    on where one made keys wait (docs/PERFORMANCE.md).

    Args:
        service: nobody else may call it.
    """

    def __init__(self, service: DownloadService) -> None:
        self._service = service
        self._thread: threading.Thread | None = None

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the other loop; a cancellation goes there too."""
        if self._thread is None:
            ready = threading.Event()
            self._thread = threading.Thread(
                target=lambda: asyncio.run(self._serve(ready)), name="rheo-engine", daemon=True
            )
            self._thread.start()
            ready.wait()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await self._closing.wait()

    async def _end_thread(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
            await asyncio.to_thread(thread.join)

    async def start(self) -> None:
        """Open the engine; an open one stays open.

        Raises:
            SessionLockedError: another process has the session open.
            RheoError: the session cannot be used.
        """
        try:
            await self._there(self._service.start())
        except BaseException:
            await self._end_thread()
            raise

    async def close(self) -> None:
        """Stop running downloads, keep their bytes, release everything."""
        try:
            await self._there(self._service.close())
        finally:
            await self._end_thread()

    # Reading these needs no other loop: each is one value, or safe between threads.

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._service.settings

    @property
    def keeps_list(self) -> bool:
        """Whether the list is there again at the next start."""
        return self._service.keeps_list

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be changed."""
        return self._service.is_read_only

    def take_problems(self) -> Sequence[str]:
        """Sentences that the user should read, each told once."""
        return self._service.take_problems()

    def take_events(self) -> Sequence[DownloadEvent]:
        """The latest events but progress, each once."""
        return self._service.take_events()

    def free_space(self) -> int | None:
        """Bytes free in the download folder."""
        return self._service.free_space()

    # The rest is done there.

    async def snapshot(self, since: int = 0) -> Snapshot:
        """What changed after revision `since`."""
        return await self._there(self._service.snapshot(since))

    async def url_of(self, download_id: str) -> str | None:
        """The whole URL, secrets included."""
        return await self._there(self._service.url_of(download_id))

    async def history(
        self, text: str = "", limit: int = 100, offset: int = 0
    ) -> list[DownloadSnapshot]:
        """Ended downloads that match `text`, latest first."""
        return await self._there(self._service.history(text, limit, offset))

    async def check(self, text: str, options: "ReadOptions | None" = None) -> "list[Entry]":
        """A verdict on each thing that `text` asks for."""
        return await self._there(self._service.check(text, options))

    async def check_file(self, path: Path, options: "ReadOptions | None" = None) -> "list[Entry]":
        """A verdict on each thing that a list file asks for."""
        return await self._there(self._service.check_file(path, options))

    async def add(self, configs: Sequence[FileConfig]) -> None:
        """Queue downloads."""
        await self._there(self._service.add(configs))

    async def add_again(self, ids: Sequence[str]) -> None:
        """Queue what ended, as it was asked for."""
        await self._there(self._service.add_again(ids))

    async def pause(self, ids: Sequence[str]) -> None:
        """Pause those that have not ended."""
        await self._there(self._service.pause(ids))

    async def resume(self, ids: Sequence[str]) -> None:
        """Put paused ones back into the queue."""
        await self._there(self._service.resume(ids))

    async def cancel(self, ids: Sequence[str]) -> None:
        """Cancel those that have not ended."""
        await self._there(self._service.cancel(ids))

    async def retry(self, ids: Sequence[str]) -> None:
        """Queue failed, cancelled and skipped ones again."""
        await self._there(self._service.retry(ids))

    async def keep(self, download_id: str) -> Path | None:
        """Keep what a failed hash check refused."""
        return await self._there(self._service.keep(download_id))

    async def accept_html(self, download_id: str) -> bool:
        """Queue a failed download again and save a web page; False if it has not failed."""
        return await self._there(self._service.accept_html(download_id))

    async def replace_url(self, download_id: str, url: str) -> bool:
        """Fetch from `url` from now on; False for one that is unknown or completed."""
        return await self._there(self._service.replace_url(download_id, url))

    async def remove(self, ids: Sequence[str]) -> None:
        """Take them off the list."""
        await self._there(self._service.remove(ids))

    async def restore(self, ids: Sequence[str]) -> None:
        """Undo `remove`."""
        await self._there(self._service.restore(ids))

    async def forget(
        self,
        ids: Sequence[str] | None = None,
        *,
        text: str = "",
        older_than_days: float | None = None,
    ) -> int:
        """Take downloads out of the history; returns how many."""
        forgotten = self._service.forget(ids, text=text, older_than_days=older_than_days)
        return await self._there(forgotten)

    async def change_priority(self, ids: Sequence[str], by: int) -> None:
        """Add `by` to the priority of each."""
        await self._there(self._service.change_priority(ids, by))

    async def move(self, download_id: str, where: Literal["up", "down", "top", "bottom"]) -> None:
        """Move a queued one."""
        await self._there(self._service.move(download_id, where))

    async def change_settings(self, settings: Settings) -> None:
        """Put settings in force and keep them."""
        await self._there(self._service.change_settings(settings))

    async def reload_settings(self) -> Sequence[str]:
        """Read the settings file again and put the settings in force."""
        return await self._there(self._service.reload_settings())

    async def set_speed_limit(
        self, bytes_per_second: int | None, ids: Sequence[str] | None = None
    ) -> None:
        """Limit each of these, or all downloads together; None lifts the limit."""
        await self._there(self._service.set_speed_limit(bytes_per_second, ids))

    async def set_slow(self, on: bool) -> None:
        """Switch slow mode."""
        await self._there(self._service.set_slow(on))

    async def set_start(self, ids: Sequence[str], start_at: float | None) -> None:
        """Let them wait until a time; None: they may start at once."""
        await self._there(self._service.set_start(ids, start_at))

    async def stop_after(self, count: int | None) -> None:
        """Pause everything once so many bytes have come; None: never."""
        await self._there(self._service.stop_after(count))
