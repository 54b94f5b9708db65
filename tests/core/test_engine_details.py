"""Details of one download: connections, redirects and heads, without secrets."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import HashConfig
from rheo_core.domain.inspector_details import TransferDetails
from rheo_core.domain.urls import host_of
from rheo_core.infrastructure.http.recent_exchanges import RecentExchanges, SentHop
from tests.clients import IS_AIOHTTP, STRICTER_CLIENT
from tests.core.engine import PATIENT, Gate, Journal, serving, sha256
from tests.servers.misbehaving import Exchange, Headers, MisbehavingServer, body_of
from tests.servers.scenarios import answer
from tests.waiting import Until

BODY = body_of(8_000_000)
HASTE = replace(PATIENT, join_after_seconds=0.01, join_threshold_seconds=0.01)


async def test_connections_of_a_running_download(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 1_000_000, ETag='"v1"')
    config = FileConfig(url=server.on("/f", gate))
    async with DownloadManager(download_dir=tmp_path, connections=4, tuning=HASTE) as manager:
        await manager.add([config])
        await asyncio.wait_for(gate.reached.wait(), 60)

        def transfer() -> TransferDetails | None:
            found = manager.details(config.id)
            return found.transfer if found else None

        def has_bytes() -> bool:
            now = transfer()
            return now is not None and any(each.received > each.start for each in now.connections)

        await until(has_bytes)
        now = transfer()
        assert now is not None and now.total == len(BODY)
        for connection in now.connections:
            assert 0 <= connection.start <= connection.received <= (connection.end or len(BODY))
            assert connection.host == host_of(config.url)
            assert connection.age_seconds >= connection.idle_seconds >= 0
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
        assert transfer() is None


async def test_redirects_and_heads_without_secrets(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def redirect(exchange: Exchange) -> None:
        await exchange.head(
            "302 Found", Location="/f?token=sekret", Set_Cookie="id=sekret", Content_Length=0
        )

    server.on("/f?token=sekret", serving(BODY, ETag='"v1"', X_Note="a\x1b[31m"))
    config = FileConfig(
        url=server.on("/begin?sig=sekret", redirect),
        headers=(
            ("Authorization", "Bearer sekret"),
            ("X-Key", "sekret"),
            ("Referer", "http://a/b"),
        ),
        hash_config=HashConfig.from_checksum_string(f"sha256:{sha256(BODY)}"),
    )
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        details = manager.details(config.id)
    assert details is not None
    first, last = details.hops
    assert (first.status, last.status) == (302, 200)
    assert ("Authorization", "***") in first.request and ("X-Key", "***") in first.request
    assert ("Accept-Encoding", "identity") in first.request
    assert ("Set-Cookie", "***") in first.response
    assert ("Etag" if IS_AIOHTTP else "ETag", '"v1"') in last.response  # aiohttp spells known names
    assert details.expected_hash == f"sha256:{sha256(BODY)}"
    assert details.referer == "http://a/b"
    assert details.folder == str(tmp_path)
    assert "sekret" not in repr(details) and "\x1b" not in repr(details)


async def test_secrets_that_a_response_repeats_are_hidden(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    names = ["X-Auth-Token", "X-Amz-Security-Token", "X-CSRF-Token", "X-Api-Key", "Authorization"]
    names += ["Cookie", "X-Session-Id", "WWW-Authenticate", "Proxy-Authenticate", "Set-Cookie"]
    shown = {"X-Goog-Hash": "crc32c=x", "X-Request-Id": "7"}
    fields = {name.replace("-", "_"): "pw" for name in names}
    fields |= {name.replace("-", "_"): value for name, value in shown.items()}
    config = FileConfig(url=server.on("/f", answer("404 No", b"", **fields)))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        details = manager.details(config.id)
    assert details is not None
    response = {name.lower(): value for name, value in details.hops[0].response}
    assert {response[name.lower()] for name in names} == {"***"}
    assert {name: response[name.lower()] for name in shown} == shown


SHA256 = "4REjxQ4yrqUVicfSKYNO/cF9zNj5ANbzgDZt3/h3Qxo="
SHOWN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Length, ETag",
    "Content-Digest": f"sha-256=:{SHA256}:",
    "Repr-Digest": f"sha-256=:{SHA256}:, md5=:Ojk9c3dhfxgoKVVHYwFbHQ==:",
    "Digest": f"SHA-256={SHA256},md5=Ojk9c3dhfxgoKVVHYwFbHQ==",
    "Content-MD5": "Ojk9c3dhfxgoKVVHYwFbHQ==",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "X-Amz-Checksum-Crc32": "DUoRhQ==",
    "X-Amz-Checksum-Type": "FULL_OBJECT",
    "X-Checksum-Sha256": "e1" * 32,
    "X-Goog-Hash": "crc32c=n03x6A==, md5=Ojk9c3dhfxgoKVVHYwFbHQ==",
}


@pytest.mark.parametrize("name", SHOWN)
def test_fields_without_secrets_are_shown_whole(name: str) -> None:
    assert shown_field(name, SHOWN[name]) == SHOWN[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Repr-Digest", "sha-256=:c4naryc4naryc4nary:"),
        ("Digest", "token=c4nary7xQ9zK2mW8pL4v"),
        ("X-Checksum-Sha256", "https://me:c4nary@h/"),
        ("Content-MD5", "Ojk9c3dhfxgoKVVHYwFbHQ==, token=c4nary7xQ9zK2mW8pL4v"),
        ("Refresh", "5; url=https://h/?token=c4nary7xQ9zK2mW8pL4v"),
        ("Access-Control-Allow-Origin", "https://me:c4nary@h"),
        ("X-Access-Policy-Token", "c4nary"),
        ("Policy", "c4nary"),
    ],
)
def test_a_secret_in_a_field_that_is_shown_is_hidden(name: str, value: str) -> None:
    assert "c4nary" not in shown_field(name, value)


def shown_field(name: str, value: str) -> str:
    """Return the value of a field of a response as the inspector shows it."""
    exchanges = RecentExchanges()
    exchanges.note("id", [SentHop("http://h/", {}, 200, "OK", {name: value})])
    ((_, shown),) = exchanges.of("id")[0].response
    return shown


@STRICTER_CLIENT
@pytest.mark.parametrize(("names", "size"), [(4_000, 1), (110, 1), (150, 1_000), (1, 50_000)])
async def test_a_large_head_is_not_kept_whole(
    server: MisbehavingServer, tmp_path: Path, names: int, size: int
) -> None:
    """A chain of redirects has many heads, and the latest 256 downloads keep theirs."""
    many: Headers = {f"X{number}": "y" * size for number in range(names)}
    last_path = "/last" + "/iso" * 3_000
    end = server.on(last_path, serving(BODY, **many))
    middle = server.on("/middle" + "/iso" * 3_000, answer("302 Found", Location=end, **many))
    config = FileConfig(url=server.on("/f", answer("302 Found", Location=middle, **many)))
    async with DownloadManager(download_dir=tmp_path) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        details = manager.details(config.id)
    assert details is not None and len(details.hops) == 3
    for hop in details.hops:
        assert len(hop.response) <= 101
        assert sum(len(name) + len(value) for name, value in hop.response) < 8_300
        assert re.fullmatch(r"[\d,]+ more", hop.response[-1][1])
    assert len(details.hops[1].url) < 8_300
    final_url = journal.last("completed").final_url
    assert final_url == end[: 8 << 10] + "…"


async def test_a_small_head_is_kept_whole(server: MisbehavingServer, tmp_path: Path) -> None:
    many: Headers = {f"X{number}": "y" * 50 for number in range(90)}
    config = FileConfig(url=server.on("/f", serving(BODY, **many)))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        details = manager.details(config.id)
    assert details is not None
    assert {(name, "y" * 50) for name in many} <= set(details.hops[0].response)
    assert "…" not in dict(details.hops[0].response)


async def test_a_failed_request_is_kept_and_old_ones_are_not(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    configs = [FileConfig(url=server.url(f"/gone-{at}")) for at in range(300)]
    async with DownloadManager(download_dir=tmp_path, max_concurrent=8) as manager:
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
        kept = [details.hops for c in configs if (details := manager.details(c.id))]
    assert sum(map(bool, kept)) == 256
    assert kept[-1][-1].status == 404


async def test_the_place_in_the_queue(tmp_path: Path) -> None:
    configs = [FileConfig(url=f"http://example.org/{at}") for at in range(5)]
    manager = DownloadManager(download_dir=tmp_path)
    await manager.open(paused=True)
    await manager.add(configs)
    await manager.move(configs[4].id, to="top")
    places = [details.place for c in configs if (details := manager.details(c.id))]
    assert places == [2, 3, 4, 5, 1]
    assert manager.details("unknown") is None
    await manager.close()
