"""Downloads and verbs that get in each other's way."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import (
    CancelResult,
    DestinationError,
    DownloadStatus,
    FileExistsStrategy,
    PendingDownloadsError,
)
from rheo_core.domain.tuning import Tuning
from tests.core.engine import (
    EAGER,
    Gate,
    Journal,
    error_of,
    fetch,
    names_in,
    quick_retries,
    serving,
    status_of,
)
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.waiting import Until

BODY, OTHER = body_of(3_000_000, "one"), body_of(3_000_000, "other")


async def test_a_retry_never_goes_on_with_a_part_that_another_one_writes(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def breaks_once(exchange: Exchange) -> None:
        if exchange.number > 1:
            return await exchange.serve(BODY, ETag='"a"')
        await exchange.head(Content_Length=len(BODY), ETag='"a"')
        await exchange.send(BODY[:1_000_000])
        return await exchange.close()

    first = FileConfig(url=server.on("/a/x.bin", breaks_once))
    second = FileConfig(url=server.on("/b/x.bin", serving(OTHER, ETag='"b"')))
    manager, _ = await fetch(
        tmp_path, [first, second], max_concurrent=1, retry_handler=quick_retries()
    )
    assert manager.stats.completed == 2
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(files) == ["x (1).bin", "x.bin"]
    assert set(files.values()) == {BODY, OTHER}
    info = manager.get_download_info(first.id)
    assert info is not None and Path(str(info.destination_path)).read_bytes() == BODY


async def test_equal_validators_do_not_make_two_urls_one_file(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 2_000_000, ETag='"same"')
    begun = FileConfig(url=server.on("/a/x.bin", gate))
    other = FileConfig(url=server.on("/b/x.bin", serving(OTHER, ETag='"same"')))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([begun])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded >= 2_000_000)
        await manager.pause(begun.id)
    await fetch(tmp_path, [other])
    assert (tmp_path / "x (1).bin").read_bytes() == OTHER
    await fetch(tmp_path, [begun])  # and what was begun is still there to go on from
    assert (tmp_path / "x.bin").read_bytes() == BODY
    assert server.requests[-1].headers["range"] == "bytes=2000000-"
    assert names_in(tmp_path) == ["x (1).bin", "x.bin"]


async def test_the_same_command_goes_on_with_both_files_of_one_name(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(OTHER, 2_000_000, ETag='"b"')
    configs = [
        FileConfig(url=server.on("/a/x.bin", serving(BODY, ETag='"a"'))),
        FileConfig(url=server.on("/b/x.bin", gate)),
    ]
    with pytest.raises(KeyboardInterrupt):
        async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:
            await manager.add(configs)
            second = configs[1].id
            await until(
                lambda: manager.get_download_info(second).bytes_downloaded >= 2_000_000  # type: ignore[union-attr]
            )
            raise KeyboardInterrupt
    assert names_in(tmp_path) == ["x (1).bin.part", "x (1).bin.part.state", "x.bin"]
    manager, _ = await fetch(tmp_path, configs, max_concurrent=1)
    assert (manager.stats.skipped, manager.stats.completed) == (1, 1)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "x.bin": BODY,
        "x (1).bin": OTHER,
    }


async def test_pieces_that_change_hands_do_not_hide_a_stall(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def stalls(exchange: Exchange) -> None:
        start = exchange.request.range_start
        if start is None:
            await exchange.head(Content_Length=len(BODY), ETag='"v"')
            await exchange.send(BODY[:100_000])
        else:
            await exchange.head(
                "206 Partial Content",
                Content_Range=f"bytes {start}-{len(BODY) - 1}/{len(BODY)}",
                Content_Length=len(BODY) - start,
                ETag='"v"',
            )
        await exchange.reader.read()

    config = FileConfig(url=server.on("/f", stalls))
    tuning = Tuning(takeover_seconds=0.05)
    manager, _ = await fetch(tmp_path, [config], connections=3, stall_timeout=1.0, tuning=tuning)
    assert error_of(manager, config) == "no data from 127.0.0.1 for 1 s"
    assert len(server.requests) < 20


async def test_an_early_reset_does_not_doom_the_others(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    body = body_of(12_000_000)

    async def resets_the_second(exchange: Exchange) -> None:
        if exchange.number == 2:
            start = exchange.request.range_start or 0
            await exchange.head(
                "206 Partial Content",
                Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}",
                Content_Length=len(body) - start,
                ETag='"v"',
            )
            await exchange.send(body[start : start + 300_000])
            await exchange.reset()
        elif exchange.number == 1:
            await exchange.head(Content_Length=len(body), ETag='"v"')
            for offset in range(0, len(body), 500_000):
                await exchange.send(body[offset : offset + 500_000])
                await asyncio.sleep(0.01)  # the pace of the line
        else:
            await exchange.serve(body, ETag='"v"')

    config = FileConfig(url=server.on("/f", resets_the_second))
    manager, _ = await fetch(tmp_path, [config], connections=2, tuning=EAGER)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == body


async def test_a_server_with_an_etag_a_machine_is_left_with_one_connection(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def balanced(exchange: Exchange) -> None:
        etag = f'"machine {exchange.number}"'
        await exchange.head(Content_Length=len(BODY), ETag=etag)
        for offset in range(0, len(BODY), 300_000):
            await exchange.send(BODY[offset : offset + 300_000])
            await asyncio.sleep(0.01)  # the pace of the line

    config = FileConfig(url=server.on("/f", balanced))
    manager, _ = await fetch(tmp_path, [config], connections=4, tuning=EAGER)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == BODY


async def test_verbs_on_one_download_take_turns(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    config = FileConfig(url=server.on("/f", Gate(BODY, 2_000_000, ETag='"v"')))
    async with DownloadManager(download_dir=tmp_path) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded)
        await manager.pause(config.id)
        answers = await asyncio.gather(manager.cancel(config.id), manager.resume(config.id))
        assert list(answers) == [CancelResult.CANCELLED, False]
        assert journal.names()[-1] == "cancelled"
        removals = await asyncio.gather(*(manager.remove(config.id) for _ in range(3)))
        assert sorted(removals) == [False, False, True]
        assert journal.names().count("removed") == 1
    assert names_in(tmp_path) == []


async def until_edited(manager: DownloadManager, new: FileConfig) -> None:
    """Wait until an edit of a download to `new` is under way."""
    while not manager._parts.control.is_changing(new.id):
        await asyncio.sleep(0)


async def test_two_cancellations_leave_nobody_at_work_on_the_file(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    config = FileConfig(url=server.on("/f", Gate(BODY, 2_000_000, ETag='"v"')))
    manager = DownloadManager(download_dir=tmp_path)
    await manager.open()
    await manager.add([config])
    await until(lambda: manager.snapshot().downloads[0].bytes_downloaded)
    await asyncio.gather(manager.pause(config.id), manager.close(), manager.close())
    assert names_in(tmp_path) == ["f.part", "f.part.state"]
    server.on("/f", serving(BODY, ETag='"v"'))
    await fetch(tmp_path, [config])
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize("is_paused", [False, True], ids=["running", "paused"])
@pytest.mark.parametrize(
    ("verbs", "has_session"),
    [*product(["edit add", "edit edit", "edit add add"], [False, True]), ("add edit", True)],
)
async def test_a_name_that_an_edit_takes_is_given_to_one_download(
    server: MisbehavingServer, tmp_path: Path, until: Until, verbs: str, is_paused: bool,
    has_session: bool,
) -> None:  # fmt: skip
    files, session = tmp_path / "files", tmp_path / "session.db" if has_session else None
    gate = Gate(BODY, 2_000_000, ETag='"v"')
    first, second, new = (FileConfig(url=server.on("/f", gate), filename=name) for name in "abc")
    async with DownloadManager(download_dir=files, session_path=session) as manager:
        journal = Journal(manager)
        await manager.add([first, second])
        rows = manager.snapshot
        await until(lambda: [row.bytes_downloaded for row in rows().downloads] == [2_000_000] * 2)
        if is_paused:
            await manager.pause_all()
        edits = iter([partial(manager.edit, each.id, new) for each in (first, second)])
        works = []
        for verb in verbs.split():
            work = next(edits) if verb == "edit" else partial(manager.add, [new])
            works.append(asyncio.create_task(work()))
            await (asyncio.sleep(0) if verbs == "add edit" else until_edited(manager, new))
        results = await asyncio.gather(*works, return_exceptions=True)
        errors = [str(result) for result in results if isinstance(result, Exception)]
        assert errors == ["another change uses this URL and name"] * (verbs == "edit edit")
        assert {row.id for row in rows().downloads} == {second.id, new.id}
        gate.opened.set()
        await manager.resume_all()
        await manager.wait_until_complete(timeout=60)
        assert journal.endings() == {second.id: 1, new.id: 1}
    assert names_in(files) == ["b", "c"]
    async with DownloadManager(download_dir=files, session_path=session) as manager:
        statuses = {row.name: row.status for row in manager.snapshot().downloads}
        assert statuses == (dict.fromkeys("bc", DownloadStatus.COMPLETED) if session else {})


async def test_a_download_added_during_an_edit_that_fails_is_queued(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/f", serving(BODY)))
    new = config.model_copy(update={"destination_subdir": "taken"})
    (tmp_path / "taken").write_bytes(b"of the user")
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config], paused=True)
        edit = asyncio.create_task(manager.edit(config.id, new))
        await until_edited(manager, new)
        await manager.add([new])
        with pytest.raises(DestinationError):
            await edit
        assert status_of(manager, config) is DownloadStatus.PAUSED
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, new) is DownloadStatus.FAILED  # for the same reason


@pytest.mark.parametrize("ending", ["completed", "skipped", "failed"])
async def test_asked_for_again_the_moment_it_ended(
    server: MisbehavingServer, tmp_path: Path, until: Until, ending: str
) -> None:
    """The end is reported before the slot is free. A second request works like the first."""
    config = FileConfig(url=server.url("/f"))
    if ending == "skipped":
        (tmp_path / "f").write_bytes(BODY)
    if ending != "failed":
        server.on("/f", serving(BODY))
    async with DownloadManager(download_dir=tmp_path, max_concurrent=2) as manager:
        journal = Journal(manager)

        async def again(_: object) -> None:
            if journal.names().count("queued") == 1:
                await manager.add([config])

        manager.on(f"download.{ending}", again)
        await manager.add([config])
        await until(lambda: journal.endings() == {config.id: 2})
        second = "failed" if ending == "failed" else "skipped"
        assert journal.names()[-2:] == ["queued", second]
        assert manager.stats.in_progress == 0


@pytest.mark.parametrize("turns", range(8))
async def test_left_the_moment_it_was_taken_from_the_queue(tmp_path: Path, turns: int) -> None:
    """Between queue and attempt a download is pending like any other, and goes back."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # nobody accepts, nothing is refused
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        files = [FileConfig(url=f"{url}/{number}") for number in range(2)]
        with pytest.raises(PendingDownloadsError) as caught:
            async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:
                await manager.add(files)
                for _ in range(turns):
                    await asyncio.sleep(0)
    assert caught.value.pending_count == 2
    assert [config.id for config in manager._parts.queue] == [file.id for file in files]


@pytest.mark.parametrize("named", [False, True], ids=["name in URL", "name in response"])
async def test_a_download_that_waits_for_a_name_keeps_no_connection_from_its_owner(
    server: MisbehavingServer, tmp_path: Path, until: Until, named: bool
) -> None:
    """The host accepts one connection, and the owner needs another one for its mirror."""
    broken = asyncio.Event()

    async def breaks(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(BODY))
        await exchange.send(BODY[:1_000_000])
        await broken.wait()
        await exchange.reset()

    owner = FileConfig(
        url=server.on("/a/x.bin", breaks), mirrors=(server.on("/m/x.bin", serving(BODY)),)
    )
    told = {"Content_Disposition": "attachment; filename=x.bin"} if named else {}
    waiting = FileConfig(url=server.on("/b" if named else "/b/x.bin", serving(OTHER, **told)))
    async with DownloadManager(
        download_dir=tmp_path, connections=1, file_exists_strategy=FileExistsStrategy.ERROR
    ) as manager:
        await manager.add([owner])
        await server.wait_for_requests(1)
        await manager.add([waiting])
        reason = "another download is writing this file"
        await until(lambda: reason in [row.reason for row in manager.snapshot().downloads])
        manager.set_limits(connections_per_host=1)
        broken.set()
        await manager.wait_until_complete(timeout=60)
    assert status_of(manager, owner) is DownloadStatus.COMPLETED
    assert (tmp_path / "x.bin").read_bytes() == BODY
    assert "already exists" in error_of(manager, waiting)


@pytest.mark.parametrize("strategy", list(FileExistsStrategy))
async def test_two_links_whose_responses_swap_their_names_get_them(
    server: MisbehavingServer, tmp_path: Path, strategy: FileExistsStrategy
) -> None:
    def named(name: str, body: bytes) -> Callable[[Exchange], Awaitable[None]]:
        async def serve(exchange: Exchange) -> None:
            await server.wait_for_requests(2)
            await exchange.serve(body, Content_Disposition=f"attachment; filename={name}")

        return serve

    configs = [
        FileConfig(url=server.on("/x.bin", named("y.bin", BODY))),
        FileConfig(url=server.on("/y.bin", named("x.bin", OTHER))),
    ]
    manager, _ = await fetch(tmp_path, configs, file_exists_strategy=strategy)
    assert manager.stats.completed == 2
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {BODY, OTHER}
    if strategy is FileExistsStrategy.ERROR:
        assert (tmp_path / "y.bin").read_bytes() == BODY
        assert (tmp_path / "x.bin").read_bytes() == OTHER
