"""ThreadedService: run a service in a separate thread with its own event loop."""

import asyncio
import threading
from collections.abc import Coroutine
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from .protocol import DownloadService

T = TypeVar("T")


class ThreadedService:
    """Forward every call to a service that runs on its own event loop, in its own thread.

    At full speed one turn of the engine's loop takes 10 ms and more, and a key press needs a dozen
    turns of the app's loop until its effect is visible. Receiving and writing release the GIL, so
    both loops make progress. With one loop, keys had to wait (docs/PERFORMANCE.md).

    mypy accepts this proxy as a `DownloadService` because of `__getattr__`. Annotate variables
    that hold it as `DownloadService`, so that their calls are checked.

    Args:
        service: the service to run; nothing else may call it.
    """

    def __init__(self, service: DownloadService) -> None:
        self._service = service
        self._thread: threading.Thread | None = None

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the service; its coroutine functions run on the other loop."""
        attribute = getattr(self._service, name)
        if not iscoroutinefunction(attribute):
            return attribute  # a single value, or a function that is safe between threads

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._run(attribute(*args, **kwargs))

        return call

    async def start(self) -> None:
        """Start the thread and open the engine; an open one stays open.

        Raises:
            SessionLockedError: another process has locked the session.
            RheoError: the session cannot be used.
        """
        try:
            await self._run(self._service.start())
        except BaseException:
            await self._end_thread()
            raise

    async def close(self) -> None:
        """Close the engine, then end the thread."""
        try:
            await self._run(self._service.close())
        finally:
            await self._end_thread()

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the other loop; a cancellation is passed on to it."""
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
