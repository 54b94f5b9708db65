"""Piece hashes: damage is found, fetched again from who has it whole, and never committed."""

import hashlib
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, HashConfig, PieceHashes
from rheo_core.downloads import DownloadWorker, NullFileValidator
from rheo_core.infrastructure.http import AiohttpClient
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
from tests.core.test_engine_checksums import repr_digest
from tests.servers import nginx
from tests.servers.misbehaving import Behaviour, Exchange, Headers, MisbehavingServer, body_of
from tests.servers.scenarios import (
    Hold,
    answer,
    cut,
    damaged,
    in_turn,
    without_ranges,
)
from tests.waiting import Until

LENGTH = 100_000
BODY = body_of(3_050_000)  # 31 pieces, the last one shorter
OTHER = body_of(3_050_000, "other")
SPOILT = damaged(BODY, (450_000, 450_010), (1_230_000, 1_420_000), (3_049_999, 3_050_000))
"""Bad are the pieces 4, 12, 13, 14 and 30."""


def pieces_of(body: bytes, length: int = LENGTH, algorithm: str = "sha1") -> PieceHashes:
    hashes = [
        hashlib.new(algorithm, body[start : start + length]).hexdigest()
        for start in range(0, len(body), length)
    ]
    return PieceHashes(algorithm=algorithm, length=length, hashes=hashes)


def asking(url: str, *mirrors: str, **fields: Any) -> FileConfig:
    return FileConfig(url=url, mirrors=mirrors, **{"pieces": pieces_of(BODY), **fields})


def wanted(body: bytes) -> HashConfig:
    return HashConfig(algorithm="sha256", expected_hash=sha256(body))


def ranges_of(server: MisbehavingServer, path: str) -> list[tuple[int | None, int | None]]:
    return [(r.range_start, r.range_end) for r in server.requests_for(path)]


def options(folder: Path) -> dict[str, Any]:
    return {"download_dir": folder / "files", "session_path": folder / "session.db"}


# Repair


@pytest.mark.parametrize("with_hash", [True, False])
async def test_a_mirror_mends_what_the_first_source_damages(
    server: MisbehavingServer, tmp_path: Path, with_hash: bool
) -> None:
    config = asking(
        server.on("/f", serving(SPOILT, ETag='"v1"')),
        server.on("/m/f", serving(BODY, ETag='"m1"')),
        hash_config=wanted(BODY) if with_hash else None,
    )
    manager, journal = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY)
    assert names_in(tmp_path) == ["f"]
    told = journal.last("repairing")
    assert (told.bad_pieces, told.pieces, told.host) == (5, 31, "127.0.0.1")
    assert sorted(ranges_of(server, "/m/f")) == [
        (400_000, 500_000), (1_200_000, 1_500_000), (3_000_000, None),
    ]  # fmt: skip
    told_of = [request.headers.get("if-range") for request in server.requests_for("/m/f")]
    assert told_of == [None, '"m1"', '"m1"']  # its own, once it is known
    assert len(server.requests_for("/f")) == 1
    checks = 2 if with_hash else 1  # of the whole, and of the pieces
    assert journal.names() == [
        *("queued", "started", *["validating"] * checks),
        *("repairing", *["validating"] * checks, "completed"),
    ]
    validation = journal.last("completed").validation
    assert (validation is not None and validation.is_valid) == with_hash


async def test_a_source_that_was_damaged_and_is_no_more(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    behaviour = in_turn(serving(SPOILT, ETag='"v1"'), serving(BODY, ETag='"v1"'))
    config = asking(server.on("/f", behaviour))
    manager, journal = await fetch(tmp_path, [config])
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY)
    assert journal.names().count("repairing") == 1
    assert all(r.headers["if-range"] == '"v1"' for r in server.requests[1:])
    assert manager.stats.completed_bytes == len(BODY)


@pytest.mark.parametrize("has_session", [True, False])
async def test_a_source_that_stays_bad(
    server: MisbehavingServer, tmp_path: Path, has_session: bool
) -> None:
    """The file is not committed, and another attempt fetches the bad pieces only."""
    server.on("/f", serving(SPOILT, ETag='"v1"'))
    config = asking(server.url("/f"))
    told = options(tmp_path) if has_session else {"download_dir": tmp_path / "files"}
    async with DownloadManager(**told) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert error_of(manager, config) == ("5 of 31 pieces are damaged at every source")
        assert journal.names().count("repairing") == 2
        info = manager.get_download_info(config.id)
        assert info is not None and info.bytes_downloaded == 2_600_000
        assert names_in(tmp_path / "files") == ["f.part", "f.part.state"]
        server.on("/f", serving(BODY, ETag='"v1"'))
        before = len(server.requests)
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert sha256((tmp_path / "files" / "f").read_bytes()) == sha256(BODY)
    assert names_in(tmp_path / "files") == ["f"]
    assert {r.range_start for r in server.requests[before:]} == {400_000, 1_200_000, 3_000_000}


async def test_the_user_may_keep_it_as_it_is(server: MisbehavingServer, tmp_path: Path) -> None:
    config = asking(server.on("/f", serving(SPOILT, ETag='"v1"')))
    async with DownloadManager(**options(tmp_path)) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        kept = await manager.keep(config.id)
    assert kept == tmp_path / "files" / "f.unverified"
    assert sha256(kept.read_bytes()) == sha256(SPOILT)
    assert names_in(tmp_path / "files") == ["f.unverified"]


@pytest.mark.parametrize("has_session", [True, False])
async def test_nothing_of_it_is_good(
    server: MisbehavingServer, tmp_path: Path, has_session: bool
) -> None:
    """As where the whole fails its check: kept for the user, or removed."""
    config = asking(server.on("/f", serving(OTHER, ETag='"v1"')))
    told = options(tmp_path) if has_session else {"download_dir": tmp_path / "files"}
    async with DownloadManager(**told) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert "31 of 31 pieces are damaged" in error_of(manager, config)
        left = ["f.part", "f.part.state"] if has_session else []
        assert names_in(tmp_path / "files") == left
        server.on("/f", serving(BODY, ETag='"v1"'))
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
    assert sha256((tmp_path / "files" / "f").read_bytes()) == sha256(BODY)


async def test_each_source_has_damage_of_its_own(server: MisbehavingServer, tmp_path: Path) -> None:
    mirror = damaged(BODY, (450_000, 450_001), (2_000_000, 2_000_001))
    config = asking(
        server.on("/f", serving(SPOILT, ETag='"v1"')),
        server.on("/m/f", serving(mirror, ETag='"of the mirror"')),
        server.on("/n/f", serving(damaged(BODY, (3_000_000, 3_050_000)), ETag='"n"')),
    )
    manager, journal = await fetch(tmp_path, [config])
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)
    counts = [event.bad_pieces for event in journal.events if "repair" in event.event_type]  # type: ignore[attr-defined]
    assert counts == [5, 1]


@pytest.mark.parametrize(
    "mirror",
    [
        pytest.param(answer("404 Not Found"), id="missing"),
        pytest.param(serving(BODY + b"more", ETag='"v1"'), id="another length"),
        pytest.param(serving(SPOILT, ETag='"v2"'), id="damaged as well"),
    ],
)
async def test_a_mirror_that_is_no_help(
    server: MisbehavingServer, tmp_path: Path, mirror: Behaviour
) -> None:
    """Then it is the turn of the first one again."""
    own = in_turn(serving(SPOILT, ETag='"v1"'), serving(BODY, ETag='"v1"'))
    config = asking(server.on("/f", own), server.on("/m/f", mirror))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY)


async def test_what_cannot_be_fetched_again_is_fetched_by_another_attempt(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """The server is busy when it should mend: that passes, and no good piece is lost."""
    behave = in_turn(serving(SPOILT, ETag='"v1"'), answer("503 Busy"), serving(BODY, ETag='"v1"'))
    config = asking(server.on("/f", behave))
    manager, journal = await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)
    assert journal.names().count("retrying") == journal.names().count("repairing") == 1
    starts = [request.range_start for request in server.requests]
    assert sorted(set(starts[1:]), key=str) == [1_200_000, 3_000_000, 400_000]


@pytest.mark.parametrize("size", [1, 1000, 200_000])
@pytest.mark.parametrize("has_etag", [True, False])
async def test_a_small_file_that_waits_in_memory(
    server: MisbehavingServer, tmp_path: Path, size: int, has_etag: bool
) -> None:
    body, headers = body_of(size), {"ETag": '"v1"'} if has_etag else {}
    bad = damaged(body, (size - 1, size))
    behave = in_turn(serving(bad, **headers), serving(body, **headers))
    config = FileConfig(url=server.on("/f", behave), pieces=pieces_of(body, 64))
    manager, _ = await fetch(tmp_path, [config])
    assert sha256((tmp_path / "f").read_bytes()) == sha256(body), error_of(manager, config)
    assert names_in(tmp_path) == ["f"]


async def test_a_small_file_is_mended_by_who_did_not_damage_it(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    body = body_of(1000)
    own = serving(damaged(body, (0, 1)), ETag='"v1"')
    config = FileConfig(
        url=server.on("/f", own),
        mirrors=(server.on("/m/f", serving(body, ETag='"v1"')),),
        pieces=pieces_of(body, 64),
    )
    await fetch(tmp_path, [config])
    assert sha256((tmp_path / "f").read_bytes()) == sha256(body)
    assert ranges_of(server, "/f") == [(None, None)]
    assert ranges_of(server, "/m/f") == [(0, 64)]


async def test_an_empty_file(server: MisbehavingServer, tmp_path: Path) -> None:
    pieces = PieceHashes(algorithm="md5", length=10, hashes=[hashlib.md5(b"").hexdigest()])
    config = FileConfig(url=server.on("/f", serving(b"")), pieces=pieces, size_bytes=0)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)


async def test_a_server_without_ranges_sends_all_again(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    def rangeless(body: bytes) -> Behaviour:
        return without_ranges(answer("200 OK", body, ETag='"v1"'), answer("200 OK", body))

    bad = answer("200 OK", SPOILT, ETag='"v1"')
    config = asking(server.on("/f", in_turn(bad, rangeless(BODY))))
    manager, _ = await fetch(tmp_path, [config])
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)
    assert names_in(tmp_path) == ["f"]


async def test_the_file_changes_on_the_server_before_the_repair(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Good pieces are not given up for another version."""
    own = in_turn(serving(SPOILT, ETag='"v1"'), serving(OTHER, ETag='"v2"'))
    config = asking(server.on("/f", own))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert "5 of 31 pieces are damaged" in error_of(manager, config)
        asked = [(r.range_start, r.headers.get("if-range")) for r in server.requests]
        assert asked == [(None, None), (400_000, '"v1"'), (400_000, '"v1"')]  # two turns
        server.on("/f", serving(BODY, ETag='"v3"'))
        before = len(server.requests)
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY)
    fetched = [(r.range_start, r.headers["if-range"]) for r in server.requests[before + 1 :]]
    assert sorted(set(fetched)) == [(400_000, '"v3"'), (1_200_000, '"v3"'), (3_000_000, '"v3"')]


async def test_a_list_that_contradicts_itself(server: MisbehavingServer, tmp_path: Path) -> None:
    config = asking(server.on("/f", serving(BODY, ETag='"v1"')), hash_config=wanted(OTHER))
    manager, journal = await fetch(tmp_path, [config])
    assert error_of(manager, config).startswith("wrong SHA-256: expected ")
    assert "repairing" not in journal.names()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("framing", ["Content_Length", "Transfer_Encoding"])
async def test_another_size_is_refused(
    server: MisbehavingServer, tmp_path: Path, framing: str
) -> None:
    from tests.servers.scenarios import chunked

    page = b"<html>Sign in"
    behave = serving(page) if framing == "Content_Length" else chunked(page)
    config = asking(server.on("/f", behave))
    manager, _ = await fetch(tmp_path, [config])
    assert error_of(manager, config) == (
        "the server offers a different file: a file of 13 bytes has 1 piece of 100,000 bytes, "
        "but the list has 31 piece hashes"
    )
    assert names_in(tmp_path) == []


async def test_a_promise_of_the_server_is_checked_too(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    good = asking(server.on("/good", serving(BODY, **repr_digest(BODY))))
    bad = asking(server.on("/bad", serving(BODY, **repr_digest(OTHER))))
    manager, journal = await fetch(tmp_path, [good, bad])
    assert journal.last("completed").validation.is_valid
    assert "wrong SHA-256: expected" in error_of(manager, bad)


# Resuming


@pytest.mark.parametrize("etag", [{"ETag": '"v1"'}, {}], ids=["validator", "no validator"])
async def test_a_broken_download_goes_on(
    server: MisbehavingServer, tmp_path: Path, etag: Headers
) -> None:
    """With pieces even without a validator: they will tell."""
    behave = in_turn(cut(BODY, 2_000_000, **etag), serving(BODY, **etag))
    config = asking(server.on("/f", behave))
    manager, journal = await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)
    assert server.requests[1].range_start == 2_000_000
    assert "repairing" not in journal.names()


async def test_another_validator_does_not_cost_the_bytes(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """The same file copied anew has another ETag."""
    behave = in_turn(cut(BODY, 2_000_000, ETag='"v1"'), serving(BODY, ETag='"v2"'))
    config = asking(server.on("/f", behave))
    manager, _ = await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)
    asked = [(r.range_start, r.headers.get("if-range")) for r in server.requests]
    assert asked == [(None, None), (2_000_000, '"v1"'), (2_000_000, '"v2"')]


async def test_the_other_version_was_another_file(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Bytes of the old version are found out and fetched anew."""
    old = BODY[:800_000] + OTHER[800_000:]
    behave = in_turn(cut(old, 2_000_000, ETag='"v1"'), serving(BODY, ETag='"v2"'))
    config = asking(server.on("/f", behave))
    manager, journal = await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)
    assert journal.last("repairing").bad_pieces == 12
    assert server.requests[-1].range_start == 800_000


async def test_a_part_file_that_was_damaged_since(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Its good pieces are still good."""
    server.on("/f", cut(BODY, 2_050_000, ETag='"v1"'))
    config = asking(server.url("/f"))
    await fetch(tmp_path, [config])
    with (tmp_path / "f.part").open("r+b") as file:
        file.seek(600_000)
        file.write(b"damage")
    server.on("/f", serving(BODY, ETag='"v1"'))
    await fetch(tmp_path, [config], connections=1)
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY)
    assert set(ranges_of(server, "/f")[1:]) == {(600_000, 700_000), (2_000_000, None)}


# Mirrors of other versions


class Two:
    """A first link that waits for the mirror to be asked, so that both bring something."""

    def __init__(self, server: MisbehavingServer, body: bytes, etag: str | None = '"v1"') -> None:
        self._server, self._body = server, body
        self._headers = {} if etag is None else {"ETag": etag}

    async def __call__(self, exchange: Any) -> None:
        if exchange.request.range_start is not None:
            await exchange.serve(self._body, **self._headers)
            return
        await exchange.head(Content_Length=len(self._body), **self._headers)
        await exchange.send(self._body[:100_000])
        await self._server.wait_for_requests(2)
        await exchange.send(self._body[100_000:])


@pytest.mark.parametrize("own", ['"v1"', None])
@pytest.mark.parametrize("theirs", ['"m1"', None])
async def test_mirrors_of_other_versions_share_the_segments(
    server: MisbehavingServer, tmp_path: Path, own: str | None, theirs: str | None
) -> None:
    headers = {} if theirs is None else {"ETag": theirs}
    config = asking(
        server.on("/f", Two(server, BODY, own)), server.on("/m/f", serving(BODY, **headers))
    )
    manager, journal = await fetch(tmp_path, [config], connections=2, tuning=EAGER)
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)
    asked = [request.headers.get("if-range") for request in server.requests_for("/m/f")]
    assert asked[0] is None  # nothing is known of it
    assert set(asked[1:]) <= {theirs}
    assert "repairing" not in journal.names()


@pytest.mark.parametrize("is_good", [True, False])
async def test_a_checksum_of_the_whole_is_enough(
    server: MisbehavingServer, tmp_path: Path, is_good: bool
) -> None:
    """If it is wrong, either server may be bad. The download restarts with those that agree."""
    theirs = BODY if is_good else OTHER
    config = FileConfig(
        url=server.on("/f", Two(server, BODY)),
        mirrors=(server.on("/m/f", serving(theirs, ETag='"m1"')),),
        hash_config=wanted(BODY),
    )
    manager, _ = await fetch(tmp_path, [config], connections=2, tuning=EAGER)
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)
    assert server.requests_for("/m/f")[0].headers.get("if-range") is None
    wholes = [request.range_start for request in server.requests_for("/f")].count(None)
    assert wholes == (1 if is_good else 2)


async def test_who_believes_every_file_gets_one_version(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """A validator of the user's own vouches for nothing; pieces do, whatever it says."""
    own = cut(SPOILT, 2_000_000, ETag='"v1"')
    mirror = server.on("/m/f", serving(BODY, ETag='"m1"'))
    async with AiohttpClient() as client:
        worker = DownloadWorker(client, download_dir=tmp_path, validator=NullFileValidator())
        plain = FileConfig(
            url=server.on("/plain", own), mirrors=(mirror,), hash_config=wanted(BODY)
        )
        await worker.attempt(plain)
        assert not (tmp_path / "plain").exists()
        pieced = asking(server.on("/pieced", own), mirror, hash_config=wanted(BODY))
        await worker.attempt(pieced)
        worker.close()
    assert sha256((tmp_path / "pieced").read_bytes()) == sha256(BODY)


@pytest.mark.parametrize(
    ("bodies", "requests"),
    [((OTHER, BODY), 2), ((OTHER, SPOILT, BODY), 3), ((OTHER, OTHER, BODY), 2), ((OTHER,), 1)],
    ids=["the second is right", "the third is right", "two agree", "no mirror"],
)
async def test_a_mirror_is_asked_if_the_first_source_has_a_wrong_file(
    server: MisbehavingServer, tmp_path: Path, bodies: tuple[bytes, ...], requests: int
) -> None:
    url, *mirrors = (
        server.on(f"/{number}/f", serving(body, ETag=f'"v{number}"'))
        for number, body in enumerate(bodies)
    )
    config = FileConfig(url=url, mirrors=tuple(mirrors), hash_config=wanted(BODY))
    manager, _ = await fetch(tmp_path, [config], connections=1)
    assert len(server.requests) == requests
    if bodies[requests - 1] is BODY:
        assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY)
    else:
        assert "wrong SHA-256" in error_of(manager, config)
        assert names_in(tmp_path) == []


async def test_a_mirror_that_fails_does_not_hide_a_wrong_file(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(
        url=server.on("/f", serving(OTHER)), mirrors=(server.url("/m/f"),), hash_config=wanted(BODY)
    )
    manager, _ = await fetch(tmp_path, [config])
    assert "wrong SHA-256" in error_of(manager, config)


@pytest.mark.parametrize(
    ("fault", "ranges"),
    [
        (cut(BODY, len(BODY) // 2, ETag='"m1"'), [None, len(BODY) // 2]),
        (answer("503 Busy"), [None, None]),
        (answer("429 Too Many Requests", Retry_After=0), [None, None]),
    ],
    ids=["break", "503", "429"],
)
async def test_a_passing_fault_of_the_right_mirror_is_retried(
    server: MisbehavingServer, tmp_path: Path, fault: Behaviour, ranges: list[int | None]
) -> None:
    """The wrong source is not asked again, and the bytes of the right one are kept."""
    mirror = in_turn(fault, serving(BODY, ETag='"m1"'))
    config = FileConfig(
        url=server.on("/f", serving(OTHER, ETag='"other"')),
        mirrors=(server.on("/m/f", mirror),),
        hash_config=wanted(BODY),
    )
    options: dict[str, Any] = {"connections": 1, "retry_handler": quick_retries(1)}
    manager, journal = await fetch(tmp_path, [config], **options)
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)
    assert journal.names().count("retrying") == 1
    assert len(server.requests_for("/f")) == 1
    assert [request.range_start for request in server.requests_for("/m/f")] == ranges


async def test_after_a_failure_every_source_is_asked_again(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(
        url=server.on("/f", in_turn(serving(OTHER), serving(BODY))),
        mirrors=(server.on("/m/f", answer("503 Busy")),),
        hash_config=wanted(BODY),
    )
    async with DownloadManager(download_dir=tmp_path, connections=1) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert "HTTP 503" in error_of(manager, config)
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)


@pytest.mark.parametrize(
    "mirror",
    [
        pytest.param(serving(BODY + b"more", ETag='"v1"'), id="another length"),
        pytest.param(answer("200 OK", BODY, ETag='"v1"'), id="no ranges"),
        pytest.param(serving(BODY, ETag='"v1"', **repr_digest(OTHER)), id="another checksum"),
    ],
)
async def test_a_mirror_that_is_refused_all_the_same(
    server: MisbehavingServer, tmp_path: Path, mirror: Behaviour
) -> None:
    async def own(exchange: Any) -> None:
        headers = {"ETag": '"v1"', **repr_digest(BODY)}
        if exchange.request.range_start is not None:
            await exchange.serve(BODY, **headers)
            return
        await exchange.head(Content_Length=len(BODY), **headers)
        await exchange.send(BODY[:100_000])
        await server.wait_for_requests(2)
        await exchange.send(BODY[100_000:])

    config = asking(server.on("/f", own), server.on("/m/f", mirror))
    manager, _ = await fetch(tmp_path, [config], connections=2, tuning=EAGER)
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)
    assert len(server.requests_for("/m/f")) == 1


async def test_a_mirror_that_changes_is_held_against_itself(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Its second response has another validator than its first: it is left out."""
    mirror = in_turn(
        cut_range(BODY, 50_000, ETag='"m1"'), serving(OTHER, ETag='"m2"'), answer("500 No")
    )
    config = asking(server.on("/f", Two(server, BODY)), server.on("/m/f", mirror))
    manager, journal = await fetch(tmp_path, [config], connections=3, tuning=EAGER)
    assert sha256((tmp_path / "f").read_bytes()) == sha256(BODY), error_of(manager, config)
    assert "repairing" not in journal.names()


def cut_range(body: bytes, at: int, **headers: Any) -> Behaviour:
    """Send `at` bytes of the range that is asked for and hang up."""

    async def behave(exchange: Any) -> None:
        start, end = exchange.request.range_start, exchange.request.range_end or len(body)
        place = f"bytes {start}-{end - 1}/{len(body)}"
        await exchange.head(
            "206 Partial Content", Content_Range=place, Content_Length=end - start, **headers
        )
        await exchange.send(body[start : min(start + at, end)])
        await exchange.close()

    return behave


@pytest.mark.skipif(nginx.PROGRAM is None, reason="nginx is not installed")
@pytest.mark.parametrize("connections", [1, 4])
async def test_two_copies_on_real_servers(tmp_path: Path, connections: int) -> None:
    """Their dates, and so their ETags, differ; the first one is damaged in two places."""
    body = body_of(20_000_000)
    spoilt = damaged(body, (3_999_999, 4_000_001), (17_000_000, 17_300_000))
    urls = []
    with ExitStack() as stack:
        servers = []
        for number, content in enumerate((spoilt, body)):
            root = tmp_path / f"root{number}"
            root.mkdir()
            (root / "f").write_bytes(content)
            os.utime(root / "f", (1_600_000_000 + number, 1_600_000_000 + number))
            own = tmp_path / f"nginx{number}"
            own.mkdir()
            servers.append(stack.enter_context(nginx.Nginx(root, own, rate=40_000_000)))
            urls.append(servers[-1].url("f"))
        config = FileConfig(url=urls[0], mirrors=urls[1:], pieces=pieces_of(body, 1_000_000))
        manager, _ = await fetch(tmp_path / "out", [config], connections=connections, tuning=EAGER)
        assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
        assert sha256((tmp_path / "out" / "f").read_bytes()) == sha256(body)
    sent = [server.bytes_sent() for server in servers]
    if connections == 1:
        assert sent == [20_000_000, 3_000_000]  # the pieces 3, 4 and 17
    else:
        assert sent[1] > 0


# What outlives the process


async def test_pieces_outlive_the_process(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    config = asking(server.on("/f", Hold(SPOILT, 2_000_000, ETag='"v1"')))
    async with DownloadManager(**options(tmp_path)) as manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == 2_000_000)
        await manager.pause(config.id)
        await manager.wait_until_complete(timeout=60)
    server.on("/f", serving(BODY, ETag='"v1"'))
    async with DownloadManager(**options(tmp_path)) as manager:
        journal = Journal(manager)
        await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
        assert journal.last("repairing").bad_pieces == 4
    assert sha256((tmp_path / "files" / "f").read_bytes()) == sha256(BODY)


async def test_a_repair_goes_on_with_the_part_file_that_a_broken_response_named(
    server: MisbehavingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The original has the damage, and then gives the file another name and breaks off."""

    async def original(exchange: Exchange) -> None:
        if exchange.number == 1:
            return await exchange.serve(SPOILT, ETag='"v"')
        name = "attachment; filename=b"
        await exchange.head(Content_Length=len(BODY), ETag='"v"', Content_Disposition=name)
        await exchange.send(BODY[:1_000_000])
        return await exchange.reset()

    async def mirror(exchange: Exchange) -> None:
        await exchange.serve(SPOILT if exchange.number == 1 else BODY, ETag='"v"')

    config = asking(server.on("/a", original), server.on("/m", mirror))
    manager, _ = await fetch(tmp_path, [config], connections=1)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert names_in(tmp_path) == ["b"] and (tmp_path / "b").read_bytes() == BODY
    assert "bug" not in caplog.text
