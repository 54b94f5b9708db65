"""Steering running downloads: cancel, pause, resume, retry, remove, priorities, limits."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import (
    CancelledFrom,
    CancelResult,
    DownloadStatus,
    HashConfig,
    PendingDownloadsError,
    ProcessQueueError,
    RetryConfig,
)
from rheo_core.downloads import RetryHandler
from tests.core.engine import (
    PATIENT,
    Gate,
    Journal,
    error_of,
    fetch,
    names_in,
    quick_retries,
    serving,
    sha256,
    silent,
    status_of,
)
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import answer, in_turn
from tests.waiting import Until

BODY = body_of(3_000_000)


async def busy(exchange: Exchange) -> None:
    await exchange.head("503 Service Unavailable", Content_Length=0)


class TestCancel:
    """At once from every state, told exactly once, nothing left behind."""

    async def check(
        self,
        manager: DownloadManager,
        config: FileConfig,
        folder: Path,
        journal: Journal,
        cancelled_from: CancelledFrom,
    ) -> None:
        answers = await asyncio.gather(*(manager.cancel(config.id) for _ in range(3)))
        assert sorted(answers) == ["already_terminal", "already_terminal", "cancelled"]
        assert status_of(manager, config) is DownloadStatus.CANCELLED
        assert journal.names(config.id).count("cancelled") == 1
        assert journal.names(config.id)[-1] == "cancelled"
        assert journal.last("cancelled").cancelled_from is cancelled_from
        assert names_in(folder) == []
        await manager.wait_until_complete(timeout=60)

    async def test_unknown(self, tmp_path: Path) -> None:
        async with DownloadManager(download_dir=tmp_path) as manager:
            assert await manager.cancel("0" * 16) is CancelResult.NOT_FOUND

    async def test_queued(self, server: MisbehavingServer, tmp_path: Path) -> None:
        config = FileConfig(url=server.on("/f", serving(BODY)))
        manager = DownloadManager(download_dir=tmp_path)
        await manager.open(paused=True)
        journal = Journal(manager)
        await manager.add([config])
        await self.check(manager, config, tmp_path, journal, CancelledFrom.QUEUED)
        await manager.close()
        assert server.requests == []

    async def test_connecting(self, server: MisbehavingServer, tmp_path: Path) -> None:
        config = FileConfig(url=server.on("/f", silent))
        async with DownloadManager(download_dir=tmp_path) as manager:
            journal = Journal(manager)
            await manager.add([config])
            await server.wait_for_requests(1)
            await self.check(manager, config, tmp_path, journal, CancelledFrom.IN_PROGRESS)

    async def test_transferring(self, server: MisbehavingServer, tmp_path: Path) -> None:
        gate = Gate(BODY, 2_000_000, ETag='"v1"')
        config = FileConfig(url=server.on("/f", gate))
        async with DownloadManager(download_dir=tmp_path) as manager:
            journal = Journal(manager)
            await manager.add([config])
            await asyncio.wait_for(gate.reached.wait(), 60)
            await self.check(manager, config, tmp_path, journal, CancelledFrom.IN_PROGRESS)

    @pytest.mark.parametrize(("verb", "syncs"), [("cancel", 0), ("pause", 1)])
    async def test_what_goes_is_not_synced(
        self,
        server: MisbehavingServer,
        tmp_path: Path,
        until: Until,
        monkeypatch: pytest.MonkeyPatch,
        verb: str,
        syncs: int,
    ) -> None:
        synced: list[int] = []
        monkeypatch.setattr(os, "fdatasync", synced.append)
        gate = Gate(BODY, 2_000_000, ETag='"v1"')
        config = FileConfig(url=server.on("/f", gate))
        tuning = replace(PATIENT, checkpoint_seconds=3600.0)
        async with DownloadManager(download_dir=tmp_path, tuning=tuning) as manager:
            await manager.add([config])
            await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == 2_000_000)
            await getattr(manager, verb)(config.id)
            assert len(synced) == syncs

    async def test_sleeping_before_a_retry(
        self, server: MisbehavingServer, tmp_path: Path, until: Until
    ) -> None:
        config = FileConfig(url=server.on("/f", busy))
        slow = RetryHandler(RetryConfig(base_delay=60))
        async with DownloadManager(download_dir=tmp_path, retry_handler=slow) as manager:
            journal = Journal(manager)
            await manager.add([config])
            await until(lambda: status_of(manager, config) is DownloadStatus.RETRYING)
            await self.check(manager, config, tmp_path, journal, CancelledFrom.IN_PROGRESS)

    async def test_paused(self, server: MisbehavingServer, tmp_path: Path, until: Until) -> None:
        gate = Gate(BODY, 2_000_000, ETag='"v1"')
        config = FileConfig(url=server.on("/f", gate))
        async with DownloadManager(download_dir=tmp_path) as manager:
            journal = Journal(manager)
            await manager.add([config])
            await until(lambda: manager.snapshot().downloads[0].bytes_downloaded)
            assert await manager.pause(config.id)
            assert names_in(tmp_path) == ["f.part", "f.part.state"]
            await self.check(manager, config, tmp_path, journal, CancelledFrom.QUEUED)

    async def test_verifying(
        self,
        server: MisbehavingServer,
        tmp_path: Path,
        until: Until,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The hashing takes for ever: the file seems to have no end."""
        monkeypatch.setattr(
            "rheo_core.transfer.running_hash.os", SimpleNamespace(pread=lambda *_: bytes(1 << 16))
        )
        config = FileConfig(
            url=server.on("/f", serving(BODY)),
            hash_config=HashConfig(algorithm="sha256", expected_hash=sha256(BODY)),
        )
        async with DownloadManager(download_dir=tmp_path) as manager:
            journal = Journal(manager)
            await manager.add([config])
            await until(lambda: status_of(manager, config) is DownloadStatus.VERIFYING)
            await self.check(manager, config, tmp_path, journal, CancelledFrom.IN_PROGRESS)

    async def test_waiting_for_the_path(
        self, server: MisbehavingServer, tmp_path: Path, until: Until
    ) -> None:
        gate = Gate(BODY, 2_000_000)
        first = FileConfig(url=server.on("/1/f", gate))
        second = FileConfig(url=server.on("/2/f", serving(b"other")), file_exists_strategy="error")
        async with DownloadManager(download_dir=tmp_path) as manager:
            await manager.add([first])
            await asyncio.wait_for(gate.reached.wait(), 60)
            await until(lambda: "f.part" in names_in(tmp_path))  # what was sent may be on its way
            await manager.add([second])
            await until(lambda: status_of(manager, second) is DownloadStatus.PENDING)
            assert await manager.cancel(second.id) is CancelResult.CANCELLED
            assert "f.part" in names_in(tmp_path)  # the first one's
            gate.opened.set()
            await manager.wait_until_complete(timeout=60)
        assert (tmp_path / "f").read_bytes() == BODY

    async def test_ended(self, server: MisbehavingServer, tmp_path: Path) -> None:
        config = FileConfig(url=server.on("/f", serving(b"data")))
        async with DownloadManager(download_dir=tmp_path) as manager:
            await manager.add([config])
            await manager.wait_until_complete(timeout=60)
            assert await manager.cancel(config.id) is CancelResult.ALREADY_TERMINAL
        assert names_in(tmp_path) == ["f"]


async def test_pause_keeps_the_bytes_and_resume_goes_on(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 2_000_000, ETag='"v1"')
    config = FileConfig(url=server.on("/f", gate))
    async with DownloadManager(download_dir=tmp_path) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded >= 2_000_000)
        assert await manager.pause(config.id)
        assert not await manager.pause(config.id)
        await manager.wait_until_complete(timeout=60)  # what is paused is not waited for
        assert (tmp_path / "f.part").stat().st_size == 2_000_000
        assert await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == BODY
    assert server.requests[1].headers["range"] == "bytes=2000000-"
    assert journal.names() == ["queued", "started", "paused", "resumed", "completed"]


async def test_a_queued_download_pauses_and_keeps_its_place(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    configs = [FileConfig(url=server.on(f"/{n}", serving(b"x"))) for n in range(3)]
    manager = DownloadManager(download_dir=tmp_path, max_concurrent=1)
    await manager.add(configs)
    assert await manager.pause(configs[0].id)
    assert manager.stats.paused == 1 and manager.stats.queued == 2
    assert await manager.resume(configs[0].id)
    async with manager:
        await manager.wait_until_complete(timeout=60)
    assert [request.target for request in server.requests] == ["/0", "/1", "/2"]


@pytest.mark.parametrize("session", [None, "session.db"])
async def test_downloads_may_be_added_paused(
    session: str | None, server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/f", serving(BODY)), start_at=1.0)
    path = tmp_path / session if session else None
    async with DownloadManager(download_dir=tmp_path, session_path=path) as manager:
        await manager.add([config], paused=True)
        assert manager.stats.paused == 1
    async with DownloadManager(download_dir=tmp_path, session_path=path) as manager:
        await manager.add([config], paused=True)  # dropped if the session has it
        assert not server.requests
        assert await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == BODY


async def test_a_retry_that_waits_holds_no_slot(server: MisbehavingServer, tmp_path: Path) -> None:
    failing = FileConfig(url=server.on("/busy", busy), priority=9)
    fine = FileConfig(url=server.on("/fine", serving(BODY)))
    slow = RetryHandler(RetryConfig(base_delay=60, max_delay=60))
    async with DownloadManager(
        download_dir=tmp_path, max_concurrent=1, retry_handler=slow
    ) as manager:
        done = asyncio.Event()
        manager.on("download.completed", lambda event: done.set())
        await manager.add([failing, fine])
        await asyncio.wait_for(done.wait(), 60)
        row = next(r for r in manager.snapshot().downloads if r.id == failing.id)
        assert row.status is DownloadStatus.RETRYING
        assert row.retry_at is not None and row.error == "HTTP 503 Service Unavailable"
        assert (row.attempt, row.max_attempts) == (1, 4)
        await manager.cancel(failing.id)


async def test_retries_end(server: MisbehavingServer, tmp_path: Path) -> None:
    config = FileConfig(url=server.on("/f", busy))
    async with DownloadManager(download_dir=tmp_path, retry_handler=quick_retries(2)) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert journal.names() == ["queued", "retrying", "retrying", "failed"]
        assert len(server.requests) == 3
        server.on("/f", serving(BODY))
        assert await manager.retry(config.id)
        assert not await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
        assert not await manager.retry(config.id)
    assert (tmp_path / "f").read_bytes() == BODY
    assert journal.names()[4:] == ["queued", "started", "completed"]


async def test_without_a_handler_there_are_no_retries(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/f", busy))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
    assert error_of(manager, config) == "HTTP 503 Service Unavailable"
    assert len(server.requests) == 1


async def test_permanent_errors_are_not_tried_again(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.url("/nothing-here"))
    async with DownloadManager(download_dir=tmp_path, retry_handler=quick_retries()) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
    assert error_of(manager, config) == "HTTP 404 Not Found"
    assert len(server.requests) == 1


async def test_remove_and_restore(server: MisbehavingServer, tmp_path: Path) -> None:
    done = FileConfig(url=server.on("/done", serving(b"x")))
    gate = Gate(BODY, 1_000_000)
    running = FileConfig(url=server.on("/running", gate))
    async with DownloadManager(download_dir=tmp_path) as manager:
        journal = Journal(manager)
        await manager.add([done])
        await manager.wait_until_complete(timeout=60)
        await manager.add([running])
        await asyncio.wait_for(gate.reached.wait(), 60)
        assert await manager.remove(done.id) and await manager.remove(running.id)
        assert not await manager.remove(done.id)
        assert manager.snapshot().downloads == ()
        assert journal.names(running.id)[-2:] == ["cancelled", "removed"]
        assert journal.endings() == {done.id: 1, running.id: 1}
        assert names_in(tmp_path) == ["done"]
        gate.opened.set()
        assert await manager.restore(done.id) and await manager.restore(running.id)
        assert not await manager.restore(running.id)
        await manager.wait_until_complete(timeout=60)
    assert manager.stats.completed == 2
    assert (tmp_path / "running").read_bytes() == BODY


async def test_priority_and_moves_decide_what_runs_next(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    a, b, c, d = (FileConfig(url=server.on(f"/{n}", serving(b"x"))) for n in "abcd")
    manager = DownloadManager(download_dir=tmp_path, max_concurrent=1)
    journal = Journal(manager)
    await manager.add([a, b, c, d])
    assert await manager.set_priority(d.id, 5)
    assert await manager.move(c.id, before=a.id)
    assert await manager.move(b.id, to="up")
    assert await manager.move(a.id, to="bottom")
    assert not await manager.move(a.id, to="down")
    with pytest.raises(ProcessQueueError, match="priority is 0"):
        await manager.set_priority(a.id, 0)
    by_order = sorted(manager.snapshot().downloads, key=lambda row: row.order)
    assert [row.name for row in by_order] == ["d", "c", "b", "a"]
    assert journal.last("priority_changed").priority == 5
    async with manager:
        await manager.wait_until_complete(timeout=60)
    assert [request.target for request in server.requests] == ["/d", "/c", "/b", "/a"]


async def test_a_wait_that_is_cut_short_is_still_waited_for(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    config = FileConfig(url=server.on("/f", in_turn(answer("503 Busy"), serving(BODY))))
    retries = RetryHandler(RetryConfig(base_delay=60.0))
    async with DownloadManager(download_dir=tmp_path, retry_handler=retries) as manager:
        await manager.add([config])
        await until(lambda: status_of(manager, config) is DownloadStatus.RETRYING)
        waiting = asyncio.create_task(manager.wait_until_complete(timeout=60))
        await asyncio.sleep(0)
        assert await manager.resume(config.id)
        await waiting
        assert status_of(manager, config) is DownloadStatus.COMPLETED


async def test_pause_all_and_resume_all(server: MisbehavingServer, tmp_path: Path) -> None:
    gate = Gate(BODY, 1_500_000, ETag='"v"')
    configs = [FileConfig(url=server.on(f"/{n}", gate)) for n in range(5)]
    async with DownloadManager(download_dir=tmp_path, max_concurrent=2) as manager:
        await manager.add(configs)
        await server.wait_for_requests(2)
        await manager.pause_all()
        assert manager.stats.paused == 5 and manager.stats.in_progress == 0
        gate.opened.set()
        await manager.resume_all()
        await manager.wait_until_complete(timeout=60)
    assert all((tmp_path / str(n)).read_bytes() == BODY for n in range(5))


async def test_slots_change_while_running(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 1)
    configs = [FileConfig(url=server.on(f"/{n}", gate)) for n in range(4)]
    async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:
        await manager.add(configs)
        await until(lambda: manager.stats.in_progress == 1)
        manager.set_limits(max_concurrent=3)
        await until(lambda: manager.stats.in_progress == 3)
        assert manager.snapshot().slots == 3
        with pytest.raises(ValueError, match="max_concurrent is 0"):
            manager.set_limits(max_concurrent=0)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)


async def test_a_duplicate_is_dropped_with_a_warning(
    server: MisbehavingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = FileConfig(url=server.on("/f", serving(b"x")))
    manager = DownloadManager(download_dir=tmp_path)
    journal = Journal(manager)
    await manager.add([config, config])
    await manager.add([config])
    assert journal.names() == ["queued"]
    assert caplog.text.count("already queued; dropped") == 2


async def test_leaving_with_work_pending(server: MisbehavingServer, tmp_path: Path) -> None:
    configs = [FileConfig(url=server.on(f"/{n}", silent)) for n in range(3)]
    with pytest.raises(PendingDownloadsError) as caught:
        async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:
            await manager.add(configs)
            await server.wait_for_requests(1)
    assert caught.value.pending_count == 3
    assert not manager.is_active
    assert all(status_of(manager, config) is DownloadStatus.QUEUED for config in configs)
    with pytest.raises(KeyError):  # another exception is not hidden
        async with DownloadManager(download_dir=tmp_path) as other:
            await other.add(configs)
            raise KeyError


async def test_a_closed_manager_goes_on_when_opened_again(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(BODY, 2_000_000, ETag='"v1"')
    config = FileConfig(url=server.on("/f", gate))
    manager = DownloadManager(download_dir=tmp_path)
    await manager.open()
    await manager.add([config])
    await asyncio.wait_for(gate.reached.wait(), 60)
    await manager.close()
    await manager.close()
    gate.opened.set()
    await manager.open()
    await manager.wait_until_complete(timeout=60)
    await manager.close()
    assert (tmp_path / "f").read_bytes() == BODY


async def test_close_may_wait_for_what_runs(server: MisbehavingServer, tmp_path: Path) -> None:
    gate = Gate(BODY, 1_000_000)
    running = FileConfig(url=server.on("/running", gate))
    queued = FileConfig(url=server.on("/queued", serving(b"x")))
    manager = DownloadManager(download_dir=tmp_path, max_concurrent=1)
    await manager.open()
    await manager.add([running, queued])
    await asyncio.wait_for(gate.reached.wait(), 60)
    closing = asyncio.ensure_future(manager.close(wait_for_current=True))
    gate.opened.set()
    await closing
    assert status_of(manager, running) is DownloadStatus.COMPLETED
    assert status_of(manager, queued) is DownloadStatus.QUEUED


async def test_events_as_a_stream(server: MisbehavingServer, tmp_path: Path) -> None:
    config = FileConfig(url=server.on("/f", serving(b"data")))
    seen: list[str] = []

    async def listen(manager: DownloadManager) -> None:
        async for event in manager.events():
            seen.append(event.event_type)

    async with DownloadManager(download_dir=tmp_path) as manager:
        listener = asyncio.ensure_future(listen(manager))
        await asyncio.sleep(0)
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
    await asyncio.wait_for(listener, 60)
    assert seen[0] == "download.queued" and seen[-1] == "download.completed"


@pytest.mark.parametrize(
    ("limit", "seconds", "error"),
    [
        ("stall_timeout", 0.4, "no data from 127.0.0.1 for 0.4 s"),
        ("response_timeout", 0.3, "no complete response from 127.0.0.1 within 0.3 s"),
        ("timeout", 0.5, "download not complete within 0.5 s"),
    ],
)
async def test_stall_and_total_timeouts(
    server: MisbehavingServer, tmp_path: Path, limit: str, seconds: float, error: str
) -> None:
    """Each has a manager of its own: on a busy machine, the shortest limit comes first."""
    behaviour = silent if limit == "response_timeout" else Gate(BODY, 1_500_000, ETag='"v"')
    config = FileConfig(url=server.on("/f", behaviour))
    manager, _ = await fetch(tmp_path, [config], **{limit: seconds})
    assert error_of(manager, config) == error
    if limit == "stall_timeout":
        assert "f.part" in names_in(tmp_path)  # its bytes are kept


async def test_errors_name_what_is_wrong(tmp_path: Path, unused_tcp_port: int) -> None:
    refused = FileConfig(url=f"http://127.0.0.1:{unused_tcp_port}/f")
    unknown = FileConfig(url="http://no-such-host.invalid/f")
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([refused, unknown])
        await manager.wait_until_complete(timeout=60)
    assert error_of(manager, refused) == "127.0.0.1: connection refused"
    assert error_of(manager, unknown) == "no-such-host.invalid: host name not found"
    assert names_in(tmp_path) == []


async def test_a_broken_or_slow_handler_harms_no_download(
    server: MisbehavingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    release = asyncio.Event()

    def broken(event: object) -> None:
        raise RuntimeError("handler")

    async def slow(event: object) -> None:
        await release.wait()

    config = FileConfig(url=server.on("/f", serving(BODY)))
    async with DownloadManager(download_dir=tmp_path) as manager:
        manager.on("*", broken)
        manager.on("*", slow)
        done = asyncio.Event()
        manager.on("download.completed", lambda event: done.set())
        await manager.add([config])
        await asyncio.wait_for(done.wait(), 60)
        release.set()
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == BODY
    assert "event handler" in caplog.text


async def test_the_speed_limit_is_shared_and_changes_live(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    configs = [FileConfig(url=server.on(f"/{n}", serving(BODY))) for n in range(2)]
    async with DownloadManager(download_dir=tmp_path, speed_limit_bps=200_000) as manager:
        await manager.add(configs)
        await until(lambda: sum(r.bytes_downloaded for r in manager.snapshot().downloads))
        assert manager.snapshot().speed_limit_bps == 200_000
        assert manager.stats.completed == 0
        manager.set_limits(speed_limit_bps=0)
        assert manager.snapshot().speed_limit_bps is None
        await manager.wait_until_complete(timeout=60)  # 30 s at the old rate
    assert manager.stats.completed == 2


async def test_restore_gives_back_the_state(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 1_000_000, ETag='"v"')
    paused, cancelled = (FileConfig(url=server.on(f"/{n}", gate)) for n in "pc")
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([paused, cancelled])
        await until(lambda: manager.stats.in_progress == 2)
        await manager.pause(paused.id)
        await manager.cancel(cancelled.id)
        for config in (paused, cancelled):
            assert await manager.remove(config.id)
            assert await manager.restore(config.id)
        assert status_of(manager, paused) is DownloadStatus.PAUSED
        assert status_of(manager, cancelled) is DownloadStatus.CANCELLED
    assert names_in(tmp_path) == []


async def _edit(manager: DownloadManager, config: FileConfig) -> object:
    return await manager.edit(config.id, config.model_copy(update={"filename": "other"}))


OPERATIONS: dict[str, Callable[[DownloadManager, FileConfig], Awaitable[object]]] = {
    "pause": lambda manager, config: manager.pause(config.id),
    "pause_many": lambda manager, config: manager.pause_many([config.id]),
    "pause_all": lambda manager, config: manager.pause_all(),
    "cancel": lambda manager, config: manager.cancel(config.id),
    "cancel_many": lambda manager, config: manager.cancel_many([config.id]),
    "remove": lambda manager, config: manager.remove(config.id),
    "remove_many": lambda manager, config: manager.remove_many([config.id]),
    "edit": _edit,
    "replace_url": lambda manager, config: manager.replace_url(config.id, f"{config.url}?2"),
    "set_start": lambda manager, config: manager.set_start(config.id, 4_000_000_000),
}


@pytest.mark.parametrize("is_paused", [False, True])
@pytest.mark.parametrize("turns", [1, 2, 4, 7])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_operation_whose_caller_is_cancelled_leaves_no_download_half_done(
    server: MisbehavingServer, tmp_path: Path, operation: str, turns: int, is_paused: bool
) -> None:
    gate = Gate(BODY, 1_000_000, ETag='"v1"')
    config = FileConfig(url=server.on("/f.bin", gate))
    server.on("/f.bin?2", gate)
    async with DownloadManager(download_dir=tmp_path, connections=1) as manager:
        await manager.add([config])
        await gate.reached.wait()
        if is_paused:
            await manager.pause(config.id)
        caller = asyncio.ensure_future(OPERATIONS[operation](manager, config))
        for _ in range(turns):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        gate.opened.set()
        left = [each for each in manager.snapshot().downloads if not each.status.is_terminal]
        for each in left:
            await manager.set_start(each.id, None)
            await manager.resume(each.id)
        await manager.wait_until_complete(timeout=60)
        ended = {each.id: each.status for each in manager.snapshot().downloads}
        assert all(status.is_terminal for status in ended.values())
        assert all(ended[each.id] is DownloadStatus.COMPLETED for each in left)
        assert len(names_in(tmp_path)) == len(left)
