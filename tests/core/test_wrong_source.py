"""A source with a wrong file: the one that replaces it gets retries, waits and resumption."""

from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, HashConfig
from rheo_core.downloads.network_watch import NetworkWatch
from tests.core.engine import (
    EAGER,
    PROMPT,
    error_of,
    fetch,
    names_in,
    quick_retries,
    serving,
    sha256,
    status_of,
)
from tests.core.test_engine_checksums import repr_digest
from tests.core.test_engine_pieces import pieces_of
from tests.faults.disk import state_of
from tests.servers.misbehaving import Behaviour, Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import Hold, answer, cut, in_turn
from tests.waiting import Until

BODY = body_of(1_000_000)
OTHER = body_of(1_000_000, "other")
HALF = len(BODY) // 2
RIGHT = serving(BODY, ETag='"right"')
WRONG = serving(OTHER, ETag='"wrong"')
HASH = HashConfig(algorithm="sha256", expected_hash=sha256(BODY))

BUSY = {
    "503": answer("503 Busy"),
    "503 with a wait": answer("503 Busy", Retry_After="0"),
    "429": answer("429 Slow Down", Retry_After="0"),
}
FAULTS = {
    "broken": cut(BODY, HALF, ETag='"right"'),
    "reset": cut(BODY, HALF, reset=True, ETag='"right"'),
    "refused": cut(BODY, 0, reset=True),
    **BUSY,
}


async def closing(exchange: Exchange) -> None:
    await exchange.close()


def asking(server: MisbehavingServer, *behaviours: Behaviour, **fields: Any) -> FileConfig:
    """Return a download with a source for each behaviour: `/0/f`, `/1/f` and so on."""
    urls = [server.on(f"/{number}/f", each) for number, each in enumerate(behaviours)]
    return FileConfig(url=urls[0], mirrors=tuple(urls[1:]), **{"hash_config": HASH, **fields})


def starts(server: MisbehavingServer, number: int) -> list[int | None]:
    """Return the first bytes of the ranges that a source was asked for; None: the whole file."""
    return [request.range_start for request in server.requests_for(f"/{number}/f")]


def assert_is_right(folder: Path) -> None:
    assert names_in(folder) == ["f"]
    assert sha256((folder / "f").read_bytes()) == sha256(BODY)


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_passing_fault_of_the_mirror_is_retried(
    server: MisbehavingServer, tmp_path: Path, fault: str, connections: int
) -> None:
    config = asking(server, WRONG, in_turn(FAULTS[fault], RIGHT))
    options = {"connections": connections, "retry_handler": quick_retries(1)}
    manager, _ = await fetch(tmp_path, [config], **options)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert_is_right(tmp_path)
    assert starts(server, 0) == [None]
    assert starts(server, 1) == [None, HALF if fault == "broken" else None] or fault == "reset"


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_further_source_needs_no_retry(
    server: MisbehavingServer, tmp_path: Path, fault: str
) -> None:
    config = asking(server, WRONG, FAULTS[fault], RIGHT)
    await fetch(tmp_path, [config], connections=1)
    assert_is_right(tmp_path)
    assert [len(starts(server, number)) for number in range(2)] == [1, 1]


async def test_two_wrong_sources_are_asked_once(server: MisbehavingServer, tmp_path: Path) -> None:
    third = serving(OTHER[::-1], ETag='"third"')
    config = asking(server, WRONG, third, in_turn(FAULTS["503"], FAULTS["broken"], RIGHT))
    await fetch(tmp_path, [config], connections=1, retry_handler=quick_retries(2))
    assert_is_right(tmp_path)
    assert [starts(server, n) for n in range(3)] == [[None], [None], [None, None, HALF]]


async def test_a_source_that_proves_wrong_after_a_fault_is_dropped_too(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    third = in_turn(FAULTS["503"], serving(OTHER[::-1], ETag='"third"'))
    config = asking(server, WRONG, third, in_turn(FAULTS["503"], RIGHT))
    await fetch(tmp_path, [config], connections=1, retry_handler=quick_retries(2))
    assert_is_right(tmp_path)
    assert starts(server, 0) == [None]


async def test_the_same_wrong_file_after_a_fault_ends_the_download(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = asking(server, WRONG, in_turn(FAULTS["503"], WRONG))
    manager, _ = await fetch(tmp_path, [config], retry_handler=quick_retries(5))
    assert error_of(manager, config).startswith("wrong SHA-256: expected ")
    assert [len(starts(server, number)) for number in range(2)] == [1, 2]
    assert names_in(tmp_path) == []


async def test_progress_of_the_mirror_gives_new_retries(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """The wrong file was longer than what the mirror has sent, which is still progress."""

    async def yielding(exchange: Exchange) -> None:
        start = exchange.request.range_start or 0
        end = min(start + 100_000, len(BODY))
        status = {"status": "206 Partial Content"} if start else {}
        place = {"Content_Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"} if start else {}
        length = len(BODY) - start
        await exchange.head(*status.values(), Content_Length=length, ETag='"right"', **place)
        await exchange.send(BODY[start:end])
        await exchange.close()

    config = asking(server, WRONG, yielding)
    await fetch(tmp_path, [config], connections=1, retry_handler=quick_retries(2))
    assert_is_right(tmp_path)
    assert starts(server, 1) == [None, *range(100_000, len(BODY), 100_000)]


@pytest.mark.parametrize("fault", ["503", "broken"])
async def test_the_fault_that_lasts_is_named(
    server: MisbehavingServer, tmp_path: Path, fault: str
) -> None:
    problem = {"503": "HTTP 503 Busy", "broken": "HTTP 500 No"}[fault]
    config = asking(server, WRONG, in_turn(FAULTS[fault], answer(problem.removeprefix("HTTP "))))
    manager, _ = await fetch(tmp_path, [config], retry_handler=quick_retries(2))
    assert error_of(manager, config).startswith("wrong SHA-256: expected ")
    assert error_of(manager, config).endswith(f"; the mirror failed: {problem}")
    assert len(starts(server, 0)) == 1
    kept = names_in(tmp_path)
    assert kept == (["f.part", "f.part.state"] if fault == "broken" else [])


async def test_the_mirror_is_asked_again_after_a_fault_during_the_wrong_file(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """A connection that joined and failed left the mirror out, for the wrong file only."""

    async def wrong(exchange: Exchange) -> None:
        if exchange.request.range_start is not None:
            await exchange.serve(OTHER, ETag='"wrong"')
            return
        await exchange.head(Content_Length=len(OTHER), ETag='"wrong"')
        await exchange.send(OTHER[:HALF])
        await server.wait_for_requests(2)
        await exchange.send(OTHER[HALF:])

    config = asking(server, wrong, in_turn(FAULTS["503"], RIGHT))
    await fetch(tmp_path, [config], connections=2, tuning=PROMPT)
    assert_is_right(tmp_path)


async def test_a_retry_by_the_user_asks_all_sources_again(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = asking(server, in_turn(WRONG, RIGHT), answer("404 Not Found"))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert error_of(manager, config).endswith("; the mirror failed: HTTP 404 Not Found")
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
    assert_is_right(tmp_path)
    assert len(starts(server, 0)) == 2


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("damaged", [OTHER, BODY[:-1] + b"!"], ids=["wholly", "at the end"])
@pytest.mark.parametrize("fault", [*BUSY, "no response"])
async def test_a_passing_fault_of_the_mirror_that_has_good_pieces_is_retried(
    server: MisbehavingServer, tmp_path: Path, fault: str, damaged: bytes, connections: int
) -> None:
    """Although the first source has sent the same bad pieces in both of its turns."""
    own = serving(damaged, ETag='"wrong"')
    mirrors = in_turn(*[BUSY.get(fault, closing)] * 3, RIGHT), answer("404 Not Found")
    config = asking(server, own, *mirrors, hash_config=None, pieces=pieces_of(BODY))
    options = {"connections": connections, "retry_handler": quick_retries(3)}
    manager, _ = await fetch(tmp_path, [config], **options)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert_is_right(tmp_path)


@pytest.mark.parametrize("fault", ["404 Not Found", "503 Busy"])
async def test_a_mirror_that_cannot_repair_the_pieces_is_named(
    server: MisbehavingServer, tmp_path: Path, fault: str
) -> None:
    own = serving(BODY[:-1] + b"!", ETag='"wrong"')
    config = asking(server, own, answer(fault), hash_config=None, pieces=pieces_of(BODY))
    manager, journal = await fetch(tmp_path, [config], retry_handler=quick_retries(2))
    assert journal.names().count("retrying") == (2 if fault.startswith("503") else 0)
    assert error_of(manager, config) == (
        "1 of 10 pieces are damaged at every source that sent them; "
        f"another source failed: HTTP {fault}"
    )


async def test_the_network_of_the_mirror_is_waited_for(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its host is the one that the download waits for, not that of the wrong file."""
    asked: list[str] = []
    original = NetworkWatch.is_lost

    def is_lost(self: NetworkWatch, error: Exception, host: str, began: float) -> bool:
        asked.append(host)
        return original(self, error, host, began)

    monkeypatch.setattr(NetworkWatch, "is_lost", is_lost)
    mirror = server.on("/1/f", in_turn(FAULTS["refused"], RIGHT)).replace("127.0.0.1", "localhost")
    config = FileConfig(url=server.on("/0/f", WRONG), mirrors=(mirror,), hash_config=HASH)
    await fetch(tmp_path, [config], retry_handler=quick_retries(1), network_timeout=30)
    assert_is_right(tmp_path)
    assert [host.partition(":")[0] for host in asked] == ["localhost"]


async def test_bytes_of_the_mirror_outlive_a_pause(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    hold = Hold(BODY, HALF, ETag='"right"')
    config = asking(server, WRONG, in_turn(hold, RIGHT))
    async with DownloadManager(download_dir=tmp_path, connections=1) as manager:
        await pause_in(server, manager, config, until)
        hold.let_go.set()
        await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
    assert_is_right(tmp_path)
    assert [starts(server, number) for number in range(2)] == [[None], [None, HALF]]


async def test_without_a_validator_the_mirror_begins_again(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    mirror = in_turn(cut(BODY, HALF), serving(BODY))
    config = asking(server, serving(OTHER), mirror)
    await fetch(tmp_path, [config], connections=1, retry_handler=quick_retries(1))
    assert_is_right(tmp_path)
    assert [starts(server, number) for number in range(2)] == [[None], [None, None]]


async def test_a_checksum_of_the_server_replaces_no_source(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    own = serving(OTHER, ETag='"wrong"', **repr_digest(BODY))
    config = asking(server, own, RIGHT, hash_config=None)
    manager, _ = await fetch(tmp_path, [config], connections=1, retry_handler=quick_retries(1))
    assert "the expected hash is from the server's headers" in error_of(manager, config)
    assert [starts(server, number) for number in range(2)] == [[None], []]


async def test_a_checksum_file_replaces_a_source(server: MisbehavingServer, tmp_path: Path) -> None:
    server.on("/0/f.sha256", serving(sha256(BODY).encode()))
    mirror = in_turn(FAULTS["503"], FAULTS["broken"], RIGHT)
    config = asking(server, WRONG, mirror, hash_config=None, sidecar=True)
    await fetch(tmp_path, [config], connections=1, retry_handler=quick_retries(2))
    assert_is_right(tmp_path)
    assert [starts(server, number) for number in range(2)] == [[None], [None, None, HALF]]


async def pause_in(
    server: MisbehavingServer,
    manager: DownloadManager,
    config: FileConfig,
    until: Until,
    at: int = 1,
) -> None:
    """Pause a download when half of the file of source number `at` is there."""
    await manager.add([config])
    await until(lambda: bool(starts(server, at)))
    await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == HALF)
    await manager.pause(config.id)


async def partly(
    folder: Path, server: MisbehavingServer, until: Until, *behaviours: Behaviour, at: int = 1
) -> FileConfig:
    """End a program while source number `at` brings the file, after half of it."""
    hold = Hold(BODY, HALF, ETag='"right"')
    before, after = behaviours[:at], behaviours[at + 1 :]
    config = asking(server, *before, in_turn(hold, behaviours[at]), *after)
    async with DownloadManager(download_dir=folder, connections=1) as manager:
        await pause_in(server, manager, config, until, at)
        hold.let_go.set()
    assert state_of(folder / "f.part").fetched is not None
    return config


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("connections", [1, 4])
async def test_a_new_run_begins_with_the_source_of_the_bytes(
    server: MisbehavingServer, tmp_path: Path, until: Until, at: int, connections: int
) -> None:
    sources = [WRONG, RIGHT] if at == 1 else [WRONG, serving(OTHER[::-1], ETag='"3"'), RIGHT]
    config = await partly(tmp_path, server, until, *sources, at=at)
    await fetch(tmp_path, [config], connections=connections, tuning=EAGER)
    assert_is_right(tmp_path)
    assert [starts(server, number) for number in range(at)] == [[None]] * at
    assert starts(server, at)[:2] == [None, HALF]


async def test_a_new_run_keeps_the_bytes_through_faults(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    mirror = in_turn(FAULTS["503"], FAULTS["429"], RIGHT)

    async def later(exchange: Exchange) -> None:
        exchange.number -= 1  # the first one got the bytes
        await mirror(exchange)

    config = await partly(tmp_path, server, until, WRONG, later)
    await fetch(tmp_path, [config], connections=1, retry_handler=quick_retries(2))
    assert_is_right(tmp_path)
    assert [starts(server, number) for number in range(2)] == [[None], [None, HALF, HALF, HALF]]


async def test_a_new_run_with_another_file_at_the_mirror_replaces_the_bytes(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    config = await partly(
        tmp_path, server, until, WRONG, serving(OTHER, ETag='"new"'), serving(BODY, ETag='"third"')
    )
    await fetch(tmp_path, [config], connections=1)
    assert_is_right(tmp_path)
    assert len(starts(server, 0)) == 1


async def test_without_the_mirror_in_the_list_all_sources_are_asked(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    config = await partly(tmp_path, server, until, in_turn(WRONG, RIGHT), RIGHT)
    alone = config.model_copy(update={"mirrors": ()})
    await fetch(tmp_path, [alone], connections=1)
    assert_is_right(tmp_path)
    assert len(starts(server, 1)) == 1


async def test_without_the_hash_the_bytes_are_not_trusted(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    config = await partly(tmp_path, server, until, WRONG, serving(BODY, ETag='"right"'))
    bare = config.model_copy(update={"hash_config": None})
    await fetch(tmp_path, [bare], connections=1)
    got = sha256((tmp_path / "f").read_bytes())
    assert got in (sha256(BODY), sha256(OTHER))  # no mixture


async def test_a_name_from_the_server_finds_the_bytes_of_the_mirror(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    named = {"Content_Disposition": 'attachment; filename="named.bin"'}
    hold = Hold(BODY, HALF, ETag='"right"', **named)
    right = serving(BODY, ETag='"right"', **named)
    config = asking(server, serving(OTHER, ETag='"wrong"', **named), in_turn(hold, right))
    async with DownloadManager(download_dir=tmp_path, connections=1) as manager:
        await pause_in(server, manager, config, until)
        hold.let_go.set()
    await fetch(tmp_path, [config], connections=1)
    assert names_in(tmp_path) == ["named.bin"]
    assert sha256((tmp_path / "named.bin").read_bytes()) == sha256(BODY)
    assert starts(server, 1) == [None, HALF]
    assert len(starts(server, 0)) == 2  # only its response has the name
