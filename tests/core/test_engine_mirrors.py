"""Several URLs of one file: what they share, and which of them are left out."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, HashConfig
from tests.core.engine import (
    EAGER,
    Journal,
    error_of,
    fetch,
    names_in,
    quick_retries,
    serving,
    sha256,
    status_of,
)
from tests.core.test_engine_segments import Trickle
from tests.servers.misbehaving import Behaviour, Exchange, Headers, MisbehavingServer, body_of
from tests.servers.scenarios import Hold, answer, cut, in_turn, whole
from tests.waiting import Until

BODY = body_of(8_000_000)
OTHER = body_of(8_000_000, "other")


async def fetch_slowly(
    manager: DownloadManager, config: FileConfig, until: Until, *trickles: Trickle
) -> None:
    """Let four connections join before the bytes flow."""
    async with manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].connections == 4)
        for trickle in trickles:
            trickle.go_on.set()
        await manager.wait_until_complete(timeout=60)


async def test_mirrors_share_the_segments(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    own, mirror = Trickle(), Trickle()
    config = FileConfig(url=server.on("/f", own), mirrors=(server.on("/mirror/f", mirror),))
    manager = DownloadManager(download_dir=tmp_path, connections=4, tuning=EAGER)
    await fetch_slowly(manager, config, until, own, mirror)
    assert (tmp_path / "f").read_bytes() == BODY
    assert names_in(tmp_path) == ["f"]
    others = server.requests_for("/mirror/f")
    assert len(others) >= 2
    assert {request.headers["if-range"] for request in others} == {'"v1"'}


@pytest.mark.parametrize(
    "mirror",
    [
        pytest.param(serving(OTHER, ETag='"v2"'), id="another validator"),
        pytest.param(serving(BODY + b"more", ETag='"v1"'), id="another length"),
        pytest.param(serving(OTHER), id="no validator"),
        pytest.param(answer("404 Not Found"), id="missing"),
        pytest.param(cut(OTHER, 0, reset=True), id="reset"),
    ],
)
async def test_a_mirror_that_disagrees_is_left_out(
    server: MisbehavingServer, tmp_path: Path, until: Until, mirror: object
) -> None:
    own = Trickle()
    config = FileConfig(url=server.on("/f", own), mirrors=(server.on("/m/f", mirror),))  # type: ignore[arg-type]
    manager = DownloadManager(download_dir=tmp_path, connections=4, tuning=EAGER)
    await fetch_slowly(manager, config, until, own)
    assert (tmp_path / "f").read_bytes() == BODY
    assert len(server.requests_for("/m/f")) == 1  # asked once, and never again


@pytest.mark.parametrize(
    "own",
    [
        answer("404 Not Found"),
        answer("503 Busy"),
        cut(BODY, 0, reset=True),
        cut(BODY, 0, ETag='"v1"'),
    ],
)
async def test_a_mirror_stands_in_from_the_start(
    server: MisbehavingServer, tmp_path: Path, own: object
) -> None:
    config = FileConfig(
        url=server.on("/f", own),  # type: ignore[arg-type]
        mirrors=(
            server.on("/gone/f", answer("410 Gone")),
            server.on("/m/f", serving(BODY, ETag='"v1"')),
        ),
    )
    manager, journal = await fetch(tmp_path, [config], tuning=EAGER)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == BODY
    assert journal.names() == ["queued", "started", "completed"]


async def test_the_first_problem_is_told_where_nothing_helps(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(
        url=server.on("/f", answer("404 Not Found")),
        mirrors=(server.on("/m/f", answer("403 Forbidden")),),
    )
    manager, _ = await fetch(tmp_path, [config], tuning=EAGER)
    assert error_of(manager, config) == "HTTP 404 Not Found"
    assert names_in(tmp_path) == []


async def test_a_mirror_goes_on_where_the_first_breaks(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """In the same attempt: there is no retry handler."""
    config = FileConfig(
        url=server.on("/f", cut(BODY, 3_000_000, ETag='"v1"')),
        mirrors=(server.on("/m/f", serving(BODY, ETag='"v1"')),),
    )
    manager, journal = await fetch(tmp_path, [config], tuning=EAGER)
    assert journal.names() == ["queued", "started", "completed"]
    assert (tmp_path / "f").read_bytes() == BODY
    assert all(request.range_start for request in server.requests_for("/m/f"))
    assert manager.stats.completed_bytes == len(BODY)


async def test_bytes_are_not_given_up_for_a_mirror_of_another_version(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    config = FileConfig(
        url=server.on("/f", Hold(BODY, 3_000_000, ETag='"v1"')),
        mirrors=(server.on("/m/f", serving(OTHER, ETag='"v2"')),),
    )
    manager = DownloadManager(download_dir=tmp_path, connections=1, tuning=EAGER)
    await manager.open()
    await manager.add([config])
    await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == 3_000_000)
    await manager.close()
    server.on("/f", answer("503 Busy"))
    manager, _ = await fetch(tmp_path, [config], connections=1, tuning=EAGER)
    assert error_of(manager, config) == "HTTP 503 Busy"
    assert (tmp_path / "f.part").read_bytes()[:3_000_000] == BODY[:3_000_000]
    server.on("/f", serving(BODY, ETag='"v1"'))
    await fetch(tmp_path, [config], connections=1, tuning=EAGER)
    assert server.requests[-1].range_start == 3_000_000
    assert (tmp_path / "f").read_bytes() == BODY


class Pair:
    """The first link and a mirror that share a file.

    `mirror` is how the mirror answers, once `go_on` is set.
    """

    def __init__(self, server: MisbehavingServer, mirror: Behaviour) -> None:
        self._server, self._mirror = server, mirror
        self.go_on = asyncio.Event()
        self.config = FileConfig(
            url=server.on("/f", self.own), mirrors=(server.on("/m/f", self.mirror),)
        )

    async def own(self, exchange: Exchange) -> None:
        if exchange.request.range_start is not None:
            await exchange.serve(BODY, ETag='"v1"')
            return
        await exchange.head(Content_Length=len(BODY), ETag='"v1"')
        await exchange.send(BODY[:100_000])
        await self._server.wait_for_requests(2)
        await exchange.send(BODY[100_000:])

    async def mirror(self, exchange: Exchange) -> None:
        await self.go_on.wait()
        await self._mirror(exchange)


@pytest.mark.parametrize(
    "mirror",
    [
        pytest.param(serving(OTHER, ETag='"v2"'), id="another validator"),
        pytest.param(whole(BODY, ETag='"v1"'), id="no ranges"),
        pytest.param(answer("403 Forbidden"), id="forbidden"),
        pytest.param(cut(BODY, 0, reset=True), id="reset"),
    ],
)
async def test_a_mirror_that_fails_last_harms_nobody(
    server: MisbehavingServer, tmp_path: Path, until: Until, mirror: Behaviour
) -> None:
    pair = Pair(server, mirror)
    async with DownloadManager(download_dir=tmp_path, connections=2, tuning=EAGER) as manager:
        await manager.add([pair.config])
        await server.wait_for_requests(2)
        await until(lambda: manager.snapshot().downloads[0].connections == 1)
        pair.go_on.set()
        await manager.wait_until_complete(timeout=60)
    assert status_of(manager, pair.config) is DownloadStatus.COMPLETED, error_of(
        manager, pair.config
    )
    assert (tmp_path / "f").read_bytes() == BODY
    starts = [request.range_start for request in server.requests_for("/f")]
    assert starts.count(None) == 1  # what the first one brought was not fetched again


async def test_one_mirror_twice_is_one(server: MisbehavingServer, tmp_path: Path) -> None:
    url = server.on("/f", answer("404 Not Found"))
    await fetch(tmp_path, [FileConfig(url=url, mirrors=(url, url))], tuning=EAGER)
    assert len(server.requests) == 1


# A link that was replaced

STRONG: Headers = {"ETag": '"v1"'}
DATED: Headers = {
    "Last_Modified": "Mon, 02 Nov 2020 08:00:00 GMT",
    "Date": "Mon, 30 Nov 2026 08:00:00 GMT",
}


async def broken_at(
    server: MisbehavingServer,
    manager: DownloadManager,
    config: FileConfig,
    validators: Headers = STRONG,
) -> None:
    """Three million bytes come, then the link has expired."""

    async def expires(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(BODY), **validators)
        await exchange.send(BODY[:3_000_000])
        server.on("/f?expires=1", answer("403 Forbidden"))
        await exchange.close()

    server.on("/f?expires=1", expires)
    await manager.add([config])
    await manager.wait_until_complete(timeout=60)
    assert status_of(manager, config) is DownloadStatus.FAILED
    await manager.retry(config.id)
    await manager.wait_until_complete(timeout=60)
    assert error_of(manager, config) == "HTTP 403 Forbidden"


async def test_a_fresh_link_goes_on_with_the_bytes(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.url("/f?expires=1"))
    async with DownloadManager(download_dir=tmp_path, tuning=EAGER) as manager:
        await broken_at(server, manager, config)
        fresh = server.on("/f?expires=2", serving(BODY, ETag='"v1"'))
        assert await manager.replace_url(config.id, fresh)
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
        assert manager.snapshot().downloads[0].url == fresh
        assert not await manager.replace_url(config.id, fresh)  # it is there
        assert not await manager.replace_url("unknown", fresh)
    assert (tmp_path / "f").read_bytes() == BODY
    assert server.requests_for("/f?expires=2")[0].range_start == 3_000_000


async def test_a_link_that_is_replaced_is_still_waited_for(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    config = FileConfig(url=server.on("/f", Hold(BODY, 1000, ETag='"v1"')))
    async with DownloadManager(download_dir=tmp_path, tuning=EAGER) as manager:
        await manager.add([config])
        await until(lambda: status_of(manager, config) is DownloadStatus.IN_PROGRESS)
        waiting = asyncio.create_task(manager.wait_until_complete(timeout=60))
        await asyncio.sleep(0)
        fresh = server.on("/fresh", serving(BODY, ETag='"v1"'))
        assert await manager.replace_url(config.id, fresh)
        await waiting
        assert status_of(manager, config) is DownloadStatus.COMPLETED


async def test_a_link_replaced_the_moment_it_fails(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = Hold(BODY, 1000, ETag='"v1"')
    config = FileConfig(url=server.on("/f", hold))
    async with DownloadManager(download_dir=tmp_path, tuning=EAGER) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await server.wait_for_requests(1)
        stop = manager._parts.pool.stop

        async def fail_first(download_id: str) -> bool:
            hold.let_go.set()
            await manager._parts.pool.until_left(download_id)
            return await stop(download_id)

        monkeypatch.setattr(manager._parts.pool, "stop", fail_first)
        fresh = server.on("/fresh", serving(BODY, ETag='"v1"'))
        assert await manager.replace_url(config.id, fresh)
        await manager.wait_until_complete(timeout=60)
        assert journal.names() == ["queued", "started", "failed", "queued", "started", "completed"]


@pytest.mark.parametrize("is_checked", [True, False])
async def test_a_date_does_not_join_the_bytes_of_two_links(
    server: MisbehavingServer, tmp_path: Path, is_checked: bool
) -> None:
    """All files of a deployment have one date."""
    checksum = HashConfig(algorithm="sha256", expected_hash=sha256(BODY)) if is_checked else None
    config = FileConfig(url=server.url("/f?expires=1"), hash_config=checksum)
    async with DownloadManager(download_dir=tmp_path, tuning=EAGER) as manager:
        await broken_at(server, manager, config, DATED)
        other = server.on("/other", serving(BODY if is_checked else OTHER, **DATED))
        assert await manager.replace_url(config.id, other)
        await manager.wait_until_complete(timeout=60)
        if not is_checked:
            assert error_of(manager, config) == (
                "no ETag shows that the new link leads to the same file; the 3,000,000 bytes from "
                "the old link stay. To download the new file, add its link separately"
            )
            assert (tmp_path / "f.part").read_bytes()[:3_000_000] == BODY[:3_000_000]
            server.on("/f?expires=1", serving(BODY, **DATED))
            assert await manager.replace_url(config.id, config.url)  # the old one after all
            await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == BODY
    assert server.requests[-1].range_start is not None


@pytest.mark.parametrize("partial", [True, False])
async def test_a_fresh_link_to_another_file_costs_no_byte(
    server: MisbehavingServer, tmp_path: Path, partial: bool
) -> None:
    config = FileConfig(url=server.url("/f?expires=1"))
    async with DownloadManager(download_dir=tmp_path, tuning=EAGER) as manager:
        await broken_at(server, manager, config)
        page = answer("200 OK", b"<html>Sign in", Content_Type="text/html")

        async def lies(exchange: Exchange) -> None:  # a part, whatever If-Range says
            end = len(OTHER)
            await exchange.head(
                "206 Partial Content",
                Content_Range=f"bytes 3000000-{end - 1}/{end}",
                Content_Length=end - 3_000_000,
                ETag='"v2"',
            )
            await exchange.send(OTHER[3_000_000:])

        url = server.on("/other", lies if partial else page)
        assert await manager.replace_url(config.id, url)
        await manager.wait_until_complete(timeout=60)
        assert error_of(manager, config) == (
            "the new link leads to a different file; the 3,000,000 bytes from the old link stay. "
            "To download the new file, add its link separately"
        )
        assert (tmp_path / "f.part").read_bytes()[:3_000_000] == BODY[:3_000_000]
        server.on("/f?expires=1", serving(BODY, ETag='"v1"'))
        asked = len(server.requests)
        assert await manager.replace_url(config.id, config.url)  # the old one after all
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == BODY
    assert server.requests[asked].range_start == 3_000_000


async def test_a_link_is_replaced_while_it_runs_or_waits(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    running = FileConfig(url=server.on("/a", Hold(BODY, 1_000_000, ETag='"v1"')))
    paused = FileConfig(url=server.on("/b", answer("404 Not Found")))
    async with DownloadManager(download_dir=tmp_path, tuning=EAGER) as manager:
        await manager.add([running, paused])
        await manager.pause(paused.id)
        await until(lambda: status_of(manager, running) is DownloadStatus.IN_PROGRESS)
        fresh = server.on("/fresh", serving(BODY, ETag='"v1"'))
        for config in (running, paused):
            assert await manager.replace_url(config.id, fresh)
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, running) is DownloadStatus.COMPLETED
        assert status_of(manager, paused) is DownloadStatus.PAUSED
        await manager.resume(paused.id)
        await manager.wait_until_complete(timeout=60)
    assert names_in(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == BODY


async def test_a_fresh_link_outlives_the_process(server: MisbehavingServer, tmp_path: Path) -> None:
    config = FileConfig(url=server.url("/f?expires=1"))
    options = {"download_dir": tmp_path / "files", "session_path": tmp_path / "session.db"}
    async with DownloadManager(**options) as manager:  # type: ignore[arg-type]
        await broken_at(server, manager, config)
        server.on("/f?expires=2", answer("503 Busy"))
        await manager.replace_url(config.id, server.url("/f?expires=2"))
        await manager.wait_until_complete(timeout=60)
    server.on("/f?expires=2", serving(BODY, ETag='"v1"'))
    asked = len(server.requests)
    async with DownloadManager(**options) as manager:  # type: ignore[arg-type]
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "files" / "f").read_bytes() == BODY
    assert server.requests[asked].range_start == 3_000_000


async def test_the_history_finds_either_link(server: MisbehavingServer, tmp_path: Path) -> None:
    config = FileConfig(url=server.on("/first-place", answer("403 Forbidden")))
    options = {"download_dir": tmp_path / "files", "session_path": tmp_path / "session.db"}
    async with DownloadManager(**options) as manager:  # type: ignore[arg-type]
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        await manager.replace_url(config.id, server.on("/other-place", serving(BODY)))
        await manager.wait_until_complete(timeout=60)
        for text in ("first-place", "OTHER-place"):
            assert [row.id for row in await manager.history(text)] == [config.id]


async def test_a_bad_link_is_told(tmp_path: Path) -> None:
    async with DownloadManager(download_dir=tmp_path, tuning=EAGER) as manager:
        with pytest.raises(ValueError, match="ftp"):
            await manager.replace_url("any", "ftp://example.org/f")


async def test_a_takeover_does_not_hide_why_connections_failed(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """An interrupted connection may be retried, whatever a mirror without the file says."""
    is_cut, is_over = asyncio.Event(), asyncio.Event()
    sent = 1_000_000

    async def stalled(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.head(Content_Length=len(BODY), ETag='"v1"')
        await exchange.send(BODY[:sent])
        while not is_cut.is_set():
            sent += 100
            await exchange.send(BODY[sent - 100 : sent])
            await asyncio.sleep(0.01)  # the pace of the line, not a wait of the test
        await is_over.wait()

    async def partial(exchange: Exchange, size: int) -> None:
        start, end = exchange.request.range_start or 0, exchange.request.range_end or len(BODY)
        place = f"bytes {start}-{end - 1}/{len(BODY)}"
        await exchange.head(
            "206 Partial Content", Content_Range=place, Content_Length=end - start, ETag='"v1"'
        )
        await exchange.send(BODY[start : start + size])

    async def silent(exchange: Exchange) -> None:
        await partial(exchange, 0)
        await is_over.wait()
        await exchange.reset()

    async def interrupted(exchange: Exchange) -> None:
        await partial(exchange, 10_000)
        is_cut.set()
        await exchange.close()

    async def missing(exchange: Exchange) -> None:
        if exchange.request.range_start == sent:
            is_over.set()  # the rest of the stalled connection
        await is_over.wait()
        await exchange.head("404 Not Found", Content_Length=0)

    own, mirror = in_turn(stalled, interrupted, missing), in_turn(silent, missing)
    config = FileConfig(url=server.on("/f", own), mirrors=(server.on("/m/f", mirror),))
    _, journal = await fetch(
        tmp_path,
        [config],
        connections=8,
        tuning=replace(EAGER, takeover_seconds=0.3, min_segment_bytes=1_500_000),
        retry_handler=quick_retries(0),
    )
    assert journal.last("failed").error.kind == "incomplete"


@pytest.mark.parametrize("weak", ['W/"b"', 'W/"a"'], ids=["changed", "same"])
async def test_a_mirror_does_not_hide_another_weak_etag(
    server: MisbehavingServer, tmp_path: Path, weak: str
) -> None:
    """Of one host, another weak ETag is another version, whatever date builds give to both."""
    body = OTHER if weak == 'W/"b"' else BODY

    async def later(exchange: Exchange) -> None:
        start = exchange.request.range_start
        if start is None:
            return await exchange.serve(body, ETag=weak, **DATED)
        place = f"bytes {start}-{len(body) - 1}/{len(body)}"
        headers = {"Content_Range": place, "Content_Length": len(body) - start, "ETag": weak}
        await exchange.head("206 Partial Content", **headers, **DATED)
        return await exchange.send(body[start:])

    own = in_turn(cut(BODY, 1_000_000, ETag='W/"a"', **DATED), later)
    config = FileConfig(
        url=server.on("/f", own), mirrors=(server.on("/m/f", answer("404 Not Found")),)
    )
    await fetch(tmp_path, [config], retry_handler=quick_retries(), connections=1)
    assert (tmp_path / "f").read_bytes() == body
    requests = server.requests_for("/f")
    assert len(requests) == (3 if weak == 'W/"b"' else 2)
