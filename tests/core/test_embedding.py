"""Programs that embed the library: their handlers, emitters, numbers and names."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.domain import ManagerNotInitialisedError, QueueError
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.downloads import BaseRetryHandler, PriorityDownloadQueue
from rheo_core.events import BaseEmitter, DownloadEvent, DownloadStartedEvent, EventHandler
from rheo_core.events import stream as stream_module
from rheo_core.infrastructure.http import WireClient
from rheo_core.infrastructure.http.wire.client import WireRequest
from tests.core.engine import Journal, error_of, fetch, quick_retries, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

Until = Callable[..., Awaitable[None]]
BODY = body_of(1_500_000)


class Handler(BaseRetryHandler):
    """A retry handler of a user."""

    def __init__(self, answer: Callable[[], Any], count: Any = 3) -> None:
        self._answer, self._count = answer, count

    @property
    def max_retries(self) -> int:
        if isinstance(self._count, Exception):
            raise self._count
        return self._count  # type: ignore[no-any-return]

    def next_delay(self, error: Exception, failures: int) -> float | None:
        return self._answer()  # type: ignore[no-any-return]


def raising() -> None:
    raise ZeroDivisionError("a bug of the user")


def cancelled() -> None:
    raise asyncio.CancelledError


async def later() -> float:
    return 0.0


@pytest.mark.parametrize(
    "answer",
    [
        raising,
        cancelled,
        later,
        lambda: "soon",
        lambda: math.nan,
        lambda: math.inf,
        lambda: -1,
        lambda: True,
    ],
    ids=["raises", "cancelled", "async", "text", "nan", "endless", "negative", "bool"],
)
async def test_a_retry_handler_with_a_bug_fails_its_download(
    server: MisbehavingServer,
    tmp_path: Path,
    answer: Callable[[], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    busy = FileConfig(url=server.on("/busy", lambda e: e.head("503 Busy", Content_Length=0)))
    good = FileConfig(url=server.on("/good", lambda e: e.serve(b"x")))
    handler = Handler(answer)
    manager, _ = await fetch(tmp_path, [busy, good], retry_handler=handler, max_concurrent=1)
    assert error_of(manager, busy) == "HTTP 503 Busy"
    assert status_of(manager, good) is DownloadStatus.COMPLETED
    assert "the retry handler failed" in caplog.text


@pytest.mark.parametrize("count", [ValueError("x"), None, "many"])
async def test_a_number_of_retries_that_is_none_stops_nothing(
    server: MisbehavingServer, tmp_path: Path, count: Any
) -> None:
    config = FileConfig(url=server.on("/good", lambda e: e.serve(b"x")))
    manager, _ = await fetch(tmp_path, [config], retry_handler=Handler(lambda: None, count))
    assert status_of(manager, config) is DownloadStatus.COMPLETED


@pytest.mark.parametrize(
    "name",
    [
        "max_concurrent", "connections", "connections_per_host", "timeout", "connect_timeout",
        "response_timeout", "stall_timeout", "chunk_size", "history_days", "max_size",
        "slow_limit_bps",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [0, -1, math.nan, "3", True])
def test_numbers_are_checked_by_the_constructor(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} is "):
        DownloadManager(**{name: value})


@pytest.mark.parametrize("name", ["max_concurrent", "connections", "connections_per_host"])
def test_counts_are_whole_numbers(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 1.5; it must be a whole number"):
        DownloadManager(**{name: 1.5})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["stall_speed", "speed_limit_bps", "network_timeout"])
def test_these_may_be_zero(name: str) -> None:
    DownloadManager(**{name: 0})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"{name} is -1; it must be 0 or more"):
        DownloadManager(**{name: -1})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("files", "kind"), [("http://x/", "str"), (["http://x/"], "str"), ([None], "NoneType")]
)
async def test_only_configs_are_added(files: Any, kind: str, tmp_path: Path) -> None:
    async with DownloadManager(download_dir=tmp_path) as manager:
        with pytest.raises(TypeError, match=rf"add\(\) takes a list of FileConfig, not of {kind}$"):
            await manager.add(files)
        assert not manager.snapshot().downloads


async def test_waiting_for_a_manager_that_is_not_open_raises(tmp_path: Path) -> None:
    manager = DownloadManager(download_dir=tmp_path)
    await manager.add([FileConfig(url="http://127.0.0.1:9/x")])
    with pytest.raises(ManagerNotInitialisedError, match="not open"):
        await manager.wait_until_complete(timeout=1)


def test_attributes_of_earlier_versions() -> None:
    queue = PriorityDownloadQueue()
    with pytest.warns(DeprecationWarning, match="logger is ignored"):
        manager = DownloadManager(
            queue=queue,
            timeout=7.0,
            max_concurrent=5,
            download_dir=Path("x"),
            file_exists_strategy=FileExistsStrategy.ERROR,
            logger=logging.getLogger("mine"),
        )
    assert manager.queue is queue and manager.download_dir == Path("x")
    assert (manager.timeout, manager.max_concurrent) == (7.0, 5)
    assert manager.file_exists_strategy is FileExistsStrategy.ERROR


@pytest.mark.parametrize("name", ["hash", "checksum", "sha256", "dest"])
def test_unknown_fields_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        FileConfig(url="http://h/x", **{name: "x"})


def cancelled_future() -> asyncio.Future[None]:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    return future


def raises_at_once(_: DownloadEvent) -> None:
    cancelled_future().result()  # as `result()` of a cancelled task


async def raises_later(_: DownloadEvent) -> None:
    await asyncio.sleep(0)
    raise asyncio.CancelledError


def returns_cancelled(_: DownloadEvent) -> asyncio.Future[None]:
    return cancelled_future()


@pytest.mark.parametrize("handler", [raises_at_once, raises_later, returns_cancelled])
@pytest.mark.parametrize("event_type", ["download.queued", "download.started", "*"])
async def test_a_handler_that_raises_cancelled_error_changes_nothing(
    server: MisbehavingServer,
    tmp_path: Path,
    handler: EventHandler,
    event_type: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    configs = [FileConfig(url=server.on(f"/{n}", lambda e: e.serve(b"x"))) for n in range(4)]
    calls: list[str] = []

    def counting(event: DownloadEvent) -> Any:
        calls.append(event.download_id)
        return handler(event)

    async with DownloadManager(download_dir=tmp_path) as manager:
        manager.on(event_type, counting)
        journal = Journal(manager)
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
    assert manager.stats.completed == 4
    assert journal.endings() == {config.id: 1 for config in configs}
    assert set(calls) == {config.id for config in configs}
    assert "event handler" in caplog.text


class SelfCancelling(WireClient):
    """A client with a bug: one of its requests raises CancelledError."""

    def get(self, url: str, **kwargs: Any) -> WireRequest:
        if url.endswith("/bad"):
            raise asyncio.CancelledError
        return super().get(url, **kwargs)


async def test_an_attempt_that_cancels_itself_fails(
    server: MisbehavingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = FileConfig(url=server.on("/bad", lambda e: e.serve(b"x")))
    good = FileConfig(url=server.on("/good", lambda e: e.serve(b"x")))
    manager, journal = await fetch(tmp_path, [bad, good], client=SelfCancelling(), max_concurrent=1)
    assert error_of(manager, bad) == "the attempt cancelled itself"
    assert status_of(manager, good) is DownloadStatus.COMPLETED
    assert journal.endings() == {bad.id: 1, good.id: 1}
    assert "ended with a bug" in caplog.text


class Bare(BaseEmitter):
    """An emitter without a call of `super().__init__`."""

    def __init__(self, *, is_async: bool = True, error: type[BaseException] | None = None) -> None:
        self.seen: list[str] = []
        self._error = error
        if not is_async:
            self.emit = self._note  # type: ignore[assignment]

    def on(self, event_type: Any, handler: Any) -> None:
        pass

    def off(self, event_type: Any, handler: Any) -> None:
        pass

    async def emit(self, event_type: Any, event_data: Any) -> None:
        self._note(event_type, event_data)

    def _note(self, event_type: Any, event_data: Any) -> None:
        self.seen.append(str(event_type).removeprefix("download."))
        if self._error is not None:
            raise self._error


class Foreign:
    """An emitter that shares nothing with ours but three names."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on(self, event_type: Any, handler: Any) -> None:
        pass

    off = on

    async def emit(self, event_type: Any, event_data: Any) -> None:
        self.seen.append(str(event_type).removeprefix("download."))


class Broken(Bare):
    def publish(self, event: DownloadEvent) -> None:
        self._note(event.event_type, event)


@pytest.mark.parametrize(
    "emitter",
    [
        Bare(),
        Bare(is_async=False),
        Bare(error=ZeroDivisionError),
        Bare(error=asyncio.CancelledError),
        Foreign(),
        Broken(error=ZeroDivisionError),
        Broken(error=asyncio.CancelledError),
    ],
    ids=[
        "bare",
        "not async",
        "emit raises",
        "emit cancelled",
        "foreign",
        "publish raises",
        "publish cancelled",
    ],
)
async def test_emitters_of_users_work_and_break_nothing(
    server: MisbehavingServer, tmp_path: Path, emitter: Any, caplog: pytest.LogCaptureFixture
) -> None:
    config = FileConfig(url=server.on("/good", lambda e: e.serve(b"x")))
    async with DownloadManager(download_dir=tmp_path, emitter=emitter) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert [name for name in emitter.seen if name != "progress"] == [
        "queued",
        "started",
        "completed",
    ]
    error = getattr(emitter, "_error", None)
    assert caplog.text.count(" failed\n") == (0 if error is None else len(emitter.seen))


async def test_a_slow_reader_of_events_loses_progress_only(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    urls = [server.on(f"/{number}", lambda e: e.serve(b"x")) for number in range(100)]
    async with DownloadManager(download_dir=tmp_path) as manager:
        events = manager.events()
        await manager.add([FileConfig(url=url) for url in urls])
        await manager.wait_until_complete()
    names = [event.event_type async for event in events]
    assert names.count("download.completed") == names.count("download.queued") == 100
    assert names.count("download.progress") <= 64


async def test_a_reader_that_never_reads_takes_no_memory_without_end(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "_MAX_WAITING", 20)
    urls = [server.on(f"/{number}", lambda e: e.serve(b"x")) for number in range(30)]
    async with DownloadManager(download_dir=tmp_path) as manager:
        events = manager.events()
        await manager.add([FileConfig(url=url) for url in urls])
        await manager.wait_until_complete()
        assert manager.stats.completed == 30
    seen = 0
    with pytest.raises(QueueError, match="more than 20 events waited"):
        async for _ in events:
            seen += 1
    assert seen == 20


async def test_a_failure_has_its_status_and_is_logged_as_a_warning(
    server: MisbehavingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = FileConfig(
        url=server.on("/gone?token=s3cret", lambda e: e.head("410 Gone", Content_Length=0))
    )
    refused = FileConfig(url="http://127.0.0.1:9/x")
    manager, journal = await fetch(tmp_path, [gone, refused])
    infos = [manager.get_download_info(config.id) for config in (gone, refused)]
    assert [info and info.http_status for info in infos] == [410, None]
    errors = {e.download_id: e.error for e in journal.events if hasattr(e, "error")}
    assert errors[gone.id].http_status == 410 and errors[refused.id].http_status is None
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert any(line.endswith("/gone?token=*** failed: HTTP 410 Gone") for line in warnings)
    assert "s3cret" not in caplog.text


async def test_a_retried_status_is_forgotten_after_success(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def serve(exchange: Exchange) -> None:
        if len(server.requests) == 1:
            return await exchange.head("503 Busy", Content_Length=0)
        return await exchange.serve(b"x")

    config = FileConfig(url=server.on("/f", serve))
    manager, journal = await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert journal.last("retrying").error.http_status == 503
    info = manager.get_download_info(config.id)
    assert info is not None and info.http_status is None


async def test_the_started_event_tells_what_an_earlier_run_left(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def cut(exchange: Exchange) -> None:
        if len(server.requests) > 1:
            return await exchange.serve(BODY, ETag='"1"')
        await exchange.head(Content_Length=len(BODY), ETag='"1"')
        await exchange.send(BODY[:1_000_000])
        return await exchange.close()

    config = FileConfig(url=server.on("/f", cut))
    offsets = []
    for _ in range(2):
        _, journal = await fetch(tmp_path, [config], connections=1)
        started = journal.last("started")
        assert isinstance(started, DownloadStartedEvent)
        offsets.append(started.offset)
    assert offsets == [0, 1_000_000]
