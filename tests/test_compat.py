"""Programs written for rheopy 0.7 run after a change of the import name.

Each is put together as the documentation of that library tells its users to, against a real
local server. tests/core/test_contract.py holds the names, fields and attributes they rely on.
"""

import asyncio
import hashlib
import logging
from datetime import UTC
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rheo_core import (
    DownloadManager,
    DownloadStatus,
    DownloadTracker,
    EventEmitter,
    FileConfig,
    NullTracker,
    PriorityDownloadQueue,
)
from rheo_core.domain import (
    CancelledFrom,
    CancelResult,
    FileExistsStrategy,
    HashAlgorithm,
    HashConfig,
    RetryConfig,
    RetryPolicy,
    exceptions,
)
from rheo_core.domain.exceptions import (
    ClientNotInitialisedError,
    HashMismatchError,
    ManagerNotInitialisedError,
    PendingDownloadsError,
)
from rheo_core.downloads import (
    DestinationResolver,
    DownloadWorker,
    ErrorCategoriser,
    FileValidator,
    NullFileValidator,
    NullRetryHandler,
    RetryHandler,
)
from rheo_core.events import (
    DownloadCancelledEvent,
    DownloadCompletedEvent,
    DownloadEvent,
    DownloadEventType,
    DownloadFailedEvent,
    DownloadProgressEvent,
    DownloadRetryingEvent,
    ErrorInfo,
    NullEmitter,
    Subscription,
)
from rheo_core.infrastructure.http import (
    AiohttpClient,
    BaseHttpClient,
    create_secure_connector,
    create_ssl_context,
)
from rheo_tui.demo import MB, DemoFile, DemoServer

SMALL = DemoFile("/small.bin", 300_001)
OTHER = DemoFile("/other.pdf", 50_000)
BUSY = DemoFile("/busy.bin", 10_000, failures=2)
GONE = DemoFile("/gone.bin", 0, missing=True)
SLOW = DemoFile("/slow.bin", 50 * MB, speed=200_000)
FILES = [SMALL, OTHER, BUSY, GONE, SLOW]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Programs


async def test_quick_start(demo: DemoServer, tmp_path: Path) -> None:
    files = [
        FileConfig(url=demo.url(SMALL.path), priority=1),
        FileConfig(url=demo.url(OTHER.path), priority=2),
    ]
    async with DownloadManager(download_dir=tmp_path / "downloads", max_concurrent=3) as manager:
        await manager.add(files)
        await manager.wait_until_complete()

    for file, offered in zip(files, (SMALL, OTHER), strict=True):
        path = file.get_destination_path(tmp_path / "downloads")
        assert sha256(path) == demo.sha256(offered.path)


async def test_several_batches_one_manager(demo: DemoServer, tmp_path: Path) -> None:
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([FileConfig(url=demo.url(SMALL.path))])
        await manager.wait_until_complete(timeout=60)
        await manager.add([FileConfig(url=demo.url(OTHER.path))])
        await manager.wait_until_complete(timeout=60)
        assert (manager.stats.total, manager.stats.completed) == (2, 2)
        assert manager.stats.completed_bytes == SMALL.size + OTHER.size


async def test_opened_and_closed_by_hand(demo: DemoServer, tmp_path: Path) -> None:
    manager = DownloadManager(download_dir=tmp_path)
    assert not manager.is_active
    await manager.open()
    try:
        assert manager.is_active
        await manager.add([FileConfig(url=demo.url(SMALL.path))])
        await manager.wait_until_complete()
    finally:
        await manager.close(wait_for_current=True)
    assert not manager.is_active
    await manager.close()
    assert sha256(tmp_path / "small.bin") == demo.sha256(SMALL.path)


async def test_client_is_there_only_while_open() -> None:
    manager = DownloadManager()
    with pytest.raises(ManagerNotInitialisedError):
        _ = manager.client
    async with manager:
        assert isinstance(manager.client, BaseHttpClient)
    with pytest.raises(ManagerNotInitialisedError):
        _ = manager.client


async def test_events(demo: DemoServer, tmp_path: Path) -> None:
    completed: list[DownloadCompletedEvent] = []
    every: list[DownloadEvent] = []
    failed: list[DownloadFailedEvent] = []

    def on_completed(event: DownloadCompletedEvent) -> None:
        completed.append(event)

    async def on_any(event: DownloadEvent) -> None:
        every.append(event)

    file = FileConfig(url=demo.url(SMALL.path), priority=7)
    gone = FileConfig(url=demo.url(GONE.path))
    async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:
        subscription = manager.on(DownloadEventType.COMPLETED, on_completed)
        manager.on("*", on_any)
        manager.on("download.failed", failed.append)
        await manager.add([file, gone])
        await manager.wait_until_complete()

        assert isinstance(subscription, Subscription)
        assert subscription.is_active
        subscription.unsubscribe()
        subscription.unsubscribe()
        assert not subscription.is_active
        await manager.add([FileConfig(url=demo.url(OTHER.path))])
        await manager.wait_until_complete()

    assert [event.download_id for event in completed] == [file.id]
    [event] = completed
    assert event.url == file.url
    assert event.destination_path == str(tmp_path / "small.bin")
    assert event.total_bytes == SMALL.size
    assert event.elapsed_seconds > 0
    assert event.average_speed_bps > 0
    assert event.validation is None
    assert event.occurred_at.tzinfo is UTC

    mine = [event.event_type for event in every if event.download_id == file.id]
    assert mine[:2] == ["download.queued", "download.started"]
    assert set(mine[2:-1]) == {"download.progress"}
    assert mine[-1] == "download.completed"
    last = [event for event in every if isinstance(event, DownloadProgressEvent)]
    assert last[-1].progress_percent == 100.0

    assert [event.download_id for event in failed] == [gone.id]
    assert isinstance(failed[0].error, ErrorInfo)
    assert "404" in failed[0].error.message
    theirs = [event.event_type for event in every if event.download_id == gone.id]
    assert theirs == ["download.queued", "download.failed"]


async def test_cancellation(demo: DemoServer, tmp_path: Path) -> None:
    slow = FileConfig(url=demo.url(SLOW.path))
    queued = FileConfig(url=demo.url(SMALL.path))
    cancelled: list[DownloadCancelledEvent] = []
    running = asyncio.Event()
    async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:
        manager.on(DownloadEventType.CANCELLED, cancelled.append)
        manager.on(DownloadEventType.PROGRESS, lambda event: running.set())
        await manager.add([slow, queued])
        await running.wait()

        assert await manager.cancel(queued.id) == CancelResult.CANCELLED
        assert await manager.cancel(slow.id) == CancelResult.CANCELLED
        assert await manager.cancel(slow.id) == CancelResult.ALREADY_TERMINAL
        assert await manager.cancel("0" * 16) == CancelResult.NOT_FOUND
        await manager.wait_until_complete()

        info = manager.get_download_info(slow.id)
        assert info is not None
        assert info.status == DownloadStatus.CANCELLED
        assert manager.stats.cancelled == 2
    assert [(event.download_id, event.cancelled_from) for event in cancelled] == [
        (queued.id, CancelledFrom.QUEUED),
        (slow.id, CancelledFrom.IN_PROGRESS),
    ]
    assert list(tmp_path.iterdir()) == []


async def test_passing_hash(demo: DemoServer, tmp_path: Path) -> None:
    file = FileConfig(
        url=demo.url(SMALL.path),
        hash_config=HashConfig(
            algorithm=HashAlgorithm.SHA256, expected_hash=demo.sha256(SMALL.path).upper()
        ),
    )
    seen: list[str] = []
    async with DownloadManager(download_dir=tmp_path) as manager:
        manager.on(DownloadEventType.VALIDATING, lambda event: seen.append(event.algorithm))
        await manager.add([file])
        await manager.wait_until_complete()
        info = manager.get_download_info(file.id)
    assert seen == [HashAlgorithm.SHA256]
    assert info is not None
    assert info.status is DownloadStatus.COMPLETED
    assert info.validation is not None
    assert info.validation.is_valid
    assert info.validation.calculated_hash == demo.sha256(SMALL.path)


async def test_failing_hash(demo: DemoServer, tmp_path: Path) -> None:
    checksum = HashConfig.from_checksum_string(f"sha256:{'a' * 64}")
    file = FileConfig(url=demo.url(SMALL.path), hash_config=checksum)
    failed: list[DownloadFailedEvent] = []
    async with DownloadManager(download_dir=tmp_path) as manager:
        manager.on(DownloadEventType.FAILED, failed.append)
        await manager.add([file])
        await manager.wait_until_complete()
        info = manager.get_download_info(file.id)
    assert info is not None
    assert info.status is DownloadStatus.FAILED
    assert info.validation is not None
    assert not info.validation.is_valid
    [event] = failed
    assert event.error.exc_type.endswith(HashMismatchError.__name__)
    assert event.validation == info.validation
    assert list(tmp_path.iterdir()) == []


async def test_retries(demo: DemoServer, tmp_path: Path) -> None:
    handler = RetryHandler(RetryConfig(max_retries=3, base_delay=0.01, jitter=False))
    file = FileConfig(url=demo.url(BUSY.path))
    retrying: list[DownloadRetryingEvent] = []
    async with DownloadManager(download_dir=tmp_path, retry_handler=handler) as manager:
        manager.on(DownloadEventType.RETRYING, retrying.append)
        await manager.add([file])
        await manager.wait_until_complete()
    assert [(event.retry, event.max_retries) for event in retrying] == [(1, 3), (2, 3)]
    assert [event.delay_seconds for event in retrying] == [0.01, 0.02]
    assert all("503" in event.error.message for event in retrying)
    assert sha256(tmp_path / "busy.bin") == demo.sha256(BUSY.path)


async def test_no_retries_without_a_handler(demo: DemoServer, tmp_path: Path) -> None:
    file = FileConfig(url=demo.url(BUSY.path))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([file])
        await manager.wait_until_complete()
        info = manager.get_download_info(file.id)
    assert info is not None
    assert info.status is DownloadStatus.FAILED


async def test_custom_retry_policy() -> None:
    policy = RetryPolicy(
        transient_status_codes=frozenset({418}), permanent_status_codes=frozenset()
    )
    handler = RetryHandler(RetryConfig(policy=policy), categoriser=ErrorCategoriser(policy))
    error = exceptions.HttpStatusError(418)
    assert handler.categoriser.is_transient(error)
    assert not handler.categoriser.is_transient(exceptions.HttpStatusError(503))


async def test_execute_with_retry() -> None:
    handler = RetryHandler(RetryConfig(max_retries=2, base_delay=0.001))
    calls: list[int] = []

    async def operation() -> str:
        calls.append(len(calls))
        if len(calls) < 3:
            raise TimeoutError
        return "there"

    assert await handler.execute_with_retry(operation, "http://x/", "0" * 16) == "there"
    assert len(calls) == 3
    calls.clear()
    with pytest.raises(TimeoutError):
        await handler.execute_with_retry(operation, "http://x/", "0" * 16, max_retries=1)
    assert len(calls) == 2
    calls.clear()
    with pytest.raises(TimeoutError):
        await NullRetryHandler().execute_with_retry(operation, "http://x/", "0" * 16)
    assert len(calls) == 1


async def test_tracker_injection(demo: DemoServer, tmp_path: Path) -> None:
    tracker = DownloadTracker()
    file = FileConfig(url=demo.url(SMALL.path))
    async with DownloadManager(download_dir=tmp_path, tracker=tracker) as manager:
        assert manager.tracker is tracker
        await manager.add([file])
        await manager.wait_until_complete()
    info = tracker.get_download_info(file.id)
    assert info is not None
    assert info.is_terminal()
    assert info.get_progress() == 1.0
    assert info.bytes_downloaded == info.total_bytes == SMALL.size
    assert info.average_speed_bps is not None
    assert info.destination_path == str(tmp_path / "small.bin")
    assert list(tracker.get_all_downloads()) == [file.id]
    assert tracker.get_active_downloads() == {}
    assert tracker.get_speed_metrics(file.id) is None
    assert tracker.get_stats().completed == 1


async def test_null_tracker(demo: DemoServer, tmp_path: Path) -> None:
    file = FileConfig(url=demo.url(SMALL.path))
    async with DownloadManager(download_dir=tmp_path, tracker=NullTracker()) as manager:
        await manager.add([file])
        await manager.wait_until_complete()
        assert manager.get_download_info(file.id) is None
        assert manager.stats.total == 0
    assert sha256(tmp_path / "small.bin") == demo.sha256(SMALL.path)


async def test_null_emitter(demo: DemoServer, tmp_path: Path) -> None:
    async with DownloadManager(download_dir=tmp_path, emitter=NullEmitter()) as manager:
        manager.on("*", lambda event: pytest.fail("nothing is sent"))
        await manager.add([FileConfig(url=demo.url(SMALL.path))])
        await manager.wait_until_complete()
        assert manager.stats.completed == 1


async def test_shared_emitter_and_queue(demo: DemoServer, tmp_path: Path) -> None:
    emitter, queue = EventEmitter(), PriorityDownloadQueue()
    seen: list[Any] = []
    emitter.on(DownloadEventType.COMPLETED, seen.append)
    file = FileConfig(url=demo.url(SMALL.path))
    await queue.add([file])
    assert (queue.size(), queue.is_empty(), queue.pending_count) == (1, False, 1)
    async with DownloadManager(download_dir=tmp_path, emitter=emitter, queue=queue) as manager:
        await manager.wait_until_complete()
    assert [event.download_id for event in seen] == [file.id]
    assert (queue.size(), queue.is_empty(), queue.pending_count) == (0, True, 0)


async def test_leaving_with_work_pending(demo: DemoServer, tmp_path: Path) -> None:
    files = [FileConfig(url=demo.url(path)) for path in (SLOW.path, SMALL.path)]
    with pytest.raises(PendingDownloadsError) as caught:
        async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:
            await manager.add(files)
    assert caught.value.pending_count == 2
    assert not manager.is_active


async def test_leaving_with_an_error_of_ones_own(demo: DemoServer, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with DownloadManager(download_dir=tmp_path) as manager:
            await manager.add([FileConfig(url=demo.url(SLOW.path))])
            raise ZeroDivisionError


async def test_closing_on_purpose_is_no_error(demo: DemoServer, tmp_path: Path) -> None:
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([FileConfig(url=demo.url(SLOW.path))])
        await manager.close()


async def test_waiting_may_time_out(demo: DemoServer, tmp_path: Path) -> None:
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([FileConfig(url=demo.url(SLOW.path))])
        with pytest.raises(TimeoutError):
            await manager.wait_until_complete(timeout=0.01)
        await manager.close()


@pytest.mark.parametrize(
    ("strategy", "status", "content"),
    [
        (FileExistsStrategy.SKIP, DownloadStatus.SKIPPED, b"mine"),
        (FileExistsStrategy.ERROR, DownloadStatus.FAILED, b"mine"),
        (FileExistsStrategy.OVERWRITE, DownloadStatus.COMPLETED, None),
    ],
)
@pytest.mark.parametrize("of_the_file", [True, False], ids=["file", "manager"])
async def test_file_exists_strategy(
    demo: DemoServer,
    tmp_path: Path,
    strategy: FileExistsStrategy,
    status: DownloadStatus,
    content: bytes | None,
    of_the_file: bool,
) -> None:
    path = tmp_path / "small.bin"
    path.write_bytes(b"mine")
    other = (
        FileExistsStrategy.ERROR if strategy is FileExistsStrategy.SKIP else FileExistsStrategy.SKIP
    )
    file = FileConfig(
        url=demo.url(SMALL.path), file_exists_strategy=strategy if of_the_file else None
    )
    async with DownloadManager(
        download_dir=tmp_path, file_exists_strategy=other if of_the_file else strategy
    ) as manager:
        await manager.add([file])
        await manager.wait_until_complete()
        info = manager.get_download_info(file.id)
    assert info is not None
    assert info.status is status
    if content is None:
        assert sha256(path) == demo.sha256(SMALL.path)
    else:
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


async def test_strategy_rename(demo: DemoServer, tmp_path: Path) -> None:
    (tmp_path / "small.bin").write_bytes(b"mine")
    strategy = FileExistsStrategy.RENAME
    async with DownloadManager(download_dir=tmp_path, file_exists_strategy=strategy) as manager:
        await manager.add([FileConfig(url=demo.url(SMALL.path))])
        await manager.wait_until_complete()
    assert (tmp_path / "small.bin").read_bytes() == b"mine"
    assert sha256(tmp_path / "small (1).bin") == demo.sha256(SMALL.path)


async def test_custom_client(demo: DemoServer, tmp_path: Path) -> None:
    connector = create_secure_connector(ssl=create_ssl_context(), limit_per_host=2)
    async with AiohttpClient(connector=connector) as client:
        async with DownloadManager(client=client, download_dir=tmp_path) as manager:
            assert manager.client is client
            await manager.add([FileConfig(url=demo.url(SMALL.path))])
            await manager.wait_until_complete()
        assert not client.closed  # its opener closes it
    assert client.closed
    await connector.close()
    assert sha256(tmp_path / "small.bin") == demo.sha256(SMALL.path)


async def test_a_client_of_ones_own_is_told_to_follow_no_redirects(
    demo: DemoServer, tmp_path: Path
) -> None:
    """Written for aiohttp's session, it would follow them, with all headers."""

    class Own(AiohttpClient):
        def get(self, url: str, **kwargs: Any) -> Any:
            told.append(kwargs["allow_redirects"])
            return super().get(url, **kwargs)

    told: list[bool] = []
    async with Own() as client, DownloadManager(client=client, download_dir=tmp_path) as manager:
        await manager.add([FileConfig(url=demo.url(SMALL.path))])
        await manager.wait_until_complete()
    assert told == [False]


async def test_a_client_of_ones_own_gets_what_a_session_of_aiohttp_takes(
    demo: DemoServer, tmp_path: Path
) -> None:
    class Own(BaseHttpClient):
        closed = False

        async def open(self) -> None: ...

        async def close(self) -> None: ...

        def get(self, url: str, **kwargs: Any) -> Any:
            return session.get(url, **kwargs)

    async with (
        aiohttp.ClientSession() as session,
        DownloadManager(client=Own(), download_dir=tmp_path, timeout=5) as manager,
    ):
        await manager.add([FileConfig(url=demo.url(SMALL.path))])
        await manager.wait_until_complete()
    assert sha256(tmp_path / "small.bin") == demo.sha256(SMALL.path)


async def test_client_must_be_open() -> None:
    with pytest.raises(ClientNotInitialisedError):
        AiohttpClient().get("http://127.0.0.1/")


async def test_id_still_pending_is_dropped(
    demo: DemoServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = FileConfig(url=demo.url(SMALL.path))
    with caplog.at_level(logging.WARNING):
        async with DownloadManager(download_dir=tmp_path) as manager:
            await manager.add([file, file])
            await manager.wait_until_complete()
            assert manager.stats.total == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_subfolder_and_name(demo: DemoServer, tmp_path: Path) -> None:
    file = FileConfig(
        url=demo.url(SMALL.path), filename="mine.bin", destination_subdir="some/where"
    )
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([file])
        await manager.wait_until_complete()
    assert file.get_destination_path(tmp_path) == tmp_path / "some" / "where" / "mine.bin"
    assert sha256(tmp_path / "some" / "where" / "mine.bin") == demo.sha256(SMALL.path)


async def test_file_validator(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    good = HashConfig(algorithm=HashAlgorithm.MD5, expected_hash=hashlib.md5(b"abc").hexdigest())
    bad = HashConfig(algorithm=HashAlgorithm.MD5, expected_hash="0" * 32)
    assert (await FileValidator().validate(path, good)).is_valid
    assert not (await FileValidator().validate(path, bad)).is_valid
    assert (await NullFileValidator().validate(path, bad)).is_valid


async def test_destination_resolver(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    resolver = DestinationResolver(default_strategy=FileExistsStrategy.OVERWRITE)
    assert await resolver.resolve(path) == path
    assert await resolver.resolve(path, strategy_override=FileExistsStrategy.SKIP) is None
    with pytest.raises(exceptions.FileExistsError) as caught:
        await resolver.resolve(path, FileExistsStrategy.ERROR)
    assert caught.value.path == path


async def test_worker_needs_only_a_client() -> None:
    async with AiohttpClient() as client:
        assert isinstance(DownloadWorker(client), DownloadWorker)
