"""ThreadedService: which thread runs a call, how errors return, how the thread ends."""

import asyncio
import inspect
import threading
from pathlib import Path
from typing import Any

import pytest

from rheo_core.config.settings import build_settings
from rheo_core.domain import FileConfig
from rheo_core.inputs import Entry, ReadOptions
from rheo_tui.services.local import LocalService
from rheo_tui.services.protocol import DownloadService, SessionLockedError
from rheo_tui.services.threaded import ThreadedService
from tests.tui.fake_service import FakeService


def engine_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "rheo-engine"]


class WatchedService(FakeService):
    """Records the thread that checks; a check lasts until it is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.checking = threading.Event()
        self.checked_by = ""
        self.cancelled = threading.Event()

    async def check(self, text: str, options: ReadOptions | None = None) -> list[Entry]:
        self.checked_by = threading.current_thread().name
        self.checking.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        return []


async def test_work_is_done_in_a_thread_that_ends_with_the_service() -> None:
    watched = WatchedService()
    service: DownloadService = ThreadedService(watched)
    await service.start()
    await service.add([FileConfig(url="https://example.org/a")])
    assert [row.name for row in (await service.snapshot()).downloads] == ["a"]
    assert [event.event_type for event in service.take_events()] == ["download.queued"]

    check = asyncio.create_task(service.check("https://example.org/b"))
    assert await asyncio.to_thread(watched.checking.wait, 10)
    assert watched.checked_by == "rheo-engine"
    check.cancel()
    assert await asyncio.to_thread(watched.cancelled.wait, 10)

    await service.close()
    assert watched.closed
    assert engine_threads() == []


class ThreadNames:
    """Answers every call of the protocol with the name of the thread that runs it."""

    def __getattr__(self, name: str) -> Any:
        async def answer(*_: object, **__: object) -> str:
            return threading.current_thread().name

        member = inspect.getattr_static(DownloadService, name)
        return answer if inspect.iscoroutinefunction(member) else name

    async def start(self) -> None: ...

    async def close(self) -> None: ...


async def test_every_coroutine_of_the_protocol_runs_in_the_thread() -> None:
    service = ThreadedService(ThreadNames())
    await service.start()
    for name, member in vars(DownloadService).items():
        if name.startswith("_") or name in {"start", "close"}:
            continue
        if inspect.iscoroutinefunction(member):
            assert await getattr(service, name)() == "rheo-engine"
        else:
            assert getattr(service, name) == name
    await service.close()
    with pytest.raises(AttributeError):
        service.unknown  # noqa: B018


async def test_errors_cross_and_leave_no_thread(tmp_path: Path) -> None:
    session = tmp_path / "session.db"
    settings = build_settings(download_dir=tmp_path)
    owner: DownloadService = ThreadedService(LocalService(settings, session_path=session))
    other: DownloadService = ThreadedService(LocalService(settings, session_path=session))
    await owner.start()
    try:
        with pytest.raises(SessionLockedError) as refused:
            await other.start()
        assert refused.value.path == session
        assert len(engine_threads()) == 1
    finally:
        await owner.close()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("\n".join(f"https://example.org/{n}" for n in range(2_000)), 2_000),
        ("A letter without a link.\n" * 20_000, 1),
        ("cookie: a\n" * 20_000, 1),
    ],
    ids=["urls", "prose", "headers"],
)
async def test_a_long_paste_is_checked_in_many_turns(text: str, count: int, tmp_path: Path) -> None:
    """Also one that brings no entry for long, at which the loop could not take turns."""
    service = LocalService(build_settings(download_dir=tmp_path), save=False)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    entries = await service.check(text)
    counting.cancel()
    assert len(entries) == count
    assert turns >= 15
