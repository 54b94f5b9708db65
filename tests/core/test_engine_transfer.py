"""Whole downloads against a real server: bytes, names, files, events."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, FileExistsStrategy, HashConfig
from rheo_core.transfer.aiohttp_body import SocketBody
from tests import waiting
from tests.core.engine import (
    Gate,
    error_of,
    fetch,
    names_in,
    quick_retries,
    serving,
    sha256,
    status_of,
)
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import cut, in_turn

BODY = body_of(3_000_000)


async def test_a_file_arrives_whole_and_alone(server: MisbehavingServer, tmp_path: Path) -> None:
    config = FileConfig(url=server.on("/a/file.bin", serving(BODY)))
    manager, journal = await fetch(tmp_path, [config])
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert names_in(tmp_path) == ["file.bin"]
    assert journal.names() == ["queued", "started", "completed"]
    assert "progress" in journal.names(progress=True)
    completed = journal.last("completed")
    assert completed.destination_path == str(tmp_path / "file.bin")
    assert completed.total_bytes == len(BODY)
    assert status_of(manager, config) is DownloadStatus.COMPLETED


async def test_the_request_asks_for_the_bytes_as_they_are(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    target = "/x%2Fy/a%7Cb?sig=%2B%2f=&e=1~'()"
    await fetch(tmp_path, [FileConfig(url=server.on(target, serving(b"signed")))])
    (request,) = server.requests
    assert request.target == target
    assert request.headers["accept-encoding"] == "identity"
    assert "range" not in request.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"\udce9"'},
        {"ETag": 'W/"\udce9"', "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT \udce9"},
        {"Content-Encoding": "\udcff"},
        {"Content-Type": "application/\udcff"},
        {"Repr-Digest": "sha-256=:\udcff:"},
        {"Content-Disposition": "attachment; x=\udcff"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_fields_that_are_not_utf8_fail_no_download(
    server: MisbehavingServer, tmp_path: Path, headers: dict[str, str]
) -> None:
    headers = {"Date": "Sun, 29 Nov 2026 10:00:00 GMT"} | headers
    config = FileConfig(url=server.on("/f", serving(BODY, **headers)))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_048_577])
async def test_every_size(server: MisbehavingServer, tmp_path: Path, size: int) -> None:
    body = body_of(size)
    manager, journal = await fetch(tmp_path, [FileConfig(url=server.on("/f", serving(body)))])
    assert (tmp_path / "f").read_bytes() == body
    assert journal.names()[-1] == "completed"
    assert manager.stats.completed_bytes == size


async def test_a_chunked_body_without_a_length(server: MisbehavingServer, tmp_path: Path) -> None:
    async def chunked(exchange: Exchange) -> None:
        await exchange.head(Transfer_Encoding="chunked")
        for start in range(0, len(BODY), 70_000):
            piece = BODY[start : start + 70_000]
            await exchange.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await exchange.send(b"0\r\n\r\n")

    manager, journal = await fetch(tmp_path, [FileConfig(url=server.on("/f", chunked))])
    assert (tmp_path / "f").read_bytes() == BODY
    assert journal.events[1].total_bytes is None  # type: ignore[attr-defined]
    assert manager.stats.completed == 1


async def test_right_and_wrong_hash(server: MisbehavingServer, tmp_path: Path) -> None:
    def config(name: str, digest: str) -> FileConfig:
        return FileConfig(
            url=server.on(f"/{name}", serving(BODY)),
            hash_config=HashConfig(algorithm="sha256", expected_hash=digest),
        )

    good, bad = config("good", sha256(BODY)), config("bad", "0" * 64)
    manager, journal = await fetch(tmp_path, [good, bad])
    assert journal.names(good.id) == ["queued", "started", "validating", "completed"]
    assert journal.names(bad.id) == ["queued", "started", "validating", "failed"]
    assert names_in(tmp_path) == ["good"]
    assert "wrong SHA-256" in error_of(manager, bad)
    validation = journal.last("failed").validation
    assert validation.calculated_hash == sha256(BODY) and not validation.is_valid


async def test_a_body_cut_short_is_never_a_file(server: MisbehavingServer, tmp_path: Path) -> None:
    async def cut(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(BODY))
        await exchange.send(BODY[:1_000_000])
        await exchange.close()

    config = FileConfig(url=server.on("/f", cut))
    manager, journal = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.FAILED
    assert error_of(manager, config) == "connection closed after 1,000,000 of 3,000,000 bytes"
    assert names_in(tmp_path) == []  # no validator: nothing could go on from it
    assert journal.last("failed").error.exc_type.endswith("IncompleteError")


async def test_retry_goes_on_where_the_connection_broke(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def cut_once(exchange: Exchange) -> None:
        if exchange.number > 1:
            return await exchange.serve(BODY, ETag='"v1"')
        await exchange.head(Content_Length=len(BODY), ETag='"v1"')
        await exchange.send(BODY[:1_000_000])
        return await exchange.close()

    config = FileConfig(url=server.on("/f", cut_once))
    _, journal = await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert (tmp_path / "f").read_bytes() == BODY
    assert names_in(tmp_path) == ["f"]
    assert journal.names() == ["queued", "started", "retrying", "completed"]
    second = server.requests[1].headers
    assert second["range"] == "bytes=1000000-"
    assert second["if-range"] == '"v1"'


async def test_a_changed_file_is_begun_again(server: MisbehavingServer, tmp_path: Path) -> None:
    newer = body_of(len(BODY), "newer")

    async def changes(exchange: Exchange) -> None:
        if exchange.number > 1:
            return await exchange.serve(newer, ETag='"v2"')
        await exchange.head(Content_Length=len(BODY), ETag='"v1"')
        await exchange.send(BODY[:1_000_000])
        return await exchange.close()

    config = FileConfig(url=server.on("/f", changes))
    await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert (tmp_path / "f").read_bytes() == newer
    assert len(server.requests) == 2


async def test_what_one_process_began_the_next_one_ends(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(BODY, 2_000_000, ETag='"v1"')
    config = FileConfig(url=server.on("/f", gate))
    with pytest.raises(RuntimeError, match="crash"):
        async with DownloadManager(download_dir=tmp_path) as manager:
            await manager.add([config])
            await waiting.until(
                lambda: manager.snapshot().downloads[0].bytes_downloaded >= 2_000_000
            )
            raise RuntimeError("crash")
    assert names_in(tmp_path) == ["f.part", "f.part.state"]
    await fetch(tmp_path, [config])
    assert (tmp_path / "f").read_bytes() == BODY
    assert names_in(tmp_path) == ["f"]
    assert server.requests[1].headers["range"] == "bytes=2000000-"


async def test_names_come_from_the_response(server: MisbehavingServer, tmp_path: Path) -> None:
    header = "attachment; filename=\"plain.pdf\"; filename*=UTF-8''%e2%82%ac%20rates.pdf"
    url = server.on("/get?id=1", serving(b"x", Content_Disposition=header))
    manager, _ = await fetch(tmp_path, [FileConfig(url=url)])
    assert names_in(tmp_path) == ["€ rates.pdf"]
    assert manager.snapshot().downloads[0].name == "€ rates.pdf"


async def test_the_name_is_the_servers_as_soon_as_its_head_is_known(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(BODY, 1000, Content_Disposition='attachment; filename="book.epub"')
    config = FileConfig(url=server.on("/get?id=1", gate))
    names: list[str] = []
    async with DownloadManager(download_dir=tmp_path) as manager:
        manager.on("*", lambda _: names.append(manager.snapshot().downloads[0].name))
        await manager.add([config])
        await waiting.until((tmp_path / "book.epub.part").exists)
        assert manager.snapshot().downloads[0].name == "book.epub"
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    assert names[0] == "get"
    assert set(names[1:]) == {"book.epub"}  # from the started event on
    assert names_in(tmp_path) == ["book.epub"]


async def test_a_name_asked_for_wins(server: MisbehavingServer, tmp_path: Path) -> None:
    url = server.on("/get", serving(b"x", Content_Disposition='attachment; filename="b.txt"'))
    await fetch(tmp_path, [FileConfig(url=url, filename="mine.txt", destination_subdir="a/b")])
    assert names_in(tmp_path) == ["a", "a/b", "a/b/mine.txt"]


HOSTILE = [
    "../../escape.txt",
    "..\\..\\escape.txt",
    "/etc/passwd",
    ".bashrc",
    "[/b][bold]name.txt",
    "\x1b[31mred\x1b[0m.txt",
    "evil\u202etxt.exe",
    "a\x00b.txt",
    "con.txt",
    "..",
    "x" * 400 + ".tar.gz",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_names_stay_in_the_folder(
    server: MisbehavingServer, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "inside"

    async def hostile(exchange: Exchange) -> None:
        # Raw control characters in a header end the exchange, rightly; encoded they come through.
        plain = f'filename="{name}"' if name.isprintable() else ""
        encoded = f"filename*=UTF-8''{quote(name, safe='')}"
        await exchange.head(Content_Disposition=f"attachment; {plain or encoded}", Content_Length=4)
        await exchange.send(b"data")

    config = FileConfig(url=server.on("/download", hostile), filename=None)
    manager, journal = await fetch(folder, [config, FileConfig(url=config.url, filename=name)])
    files = list(folder.rglob("*"))
    assert files, journal.names()
    for path in files:
        assert path.parent == folder
        assert path.is_file() and not path.name.startswith(".")
        assert path.name.isprintable() and len(path.name.encode()) <= 255
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    for row in manager.snapshot().downloads:
        assert row.name.isprintable() and row.destination.isprintable()
        assert row.error is None or row.error.isprintable()


async def test_strategies(server: MisbehavingServer, tmp_path: Path) -> None:
    expected = {
        FileExistsStrategy.SKIP: ("skipped", {"f.txt": b"old"}),
        FileExistsStrategy.ERROR: ("failed", {"f.txt": b"old"}),
        FileExistsStrategy.OVERWRITE: ("completed", {"f.txt": b"new"}),
        FileExistsStrategy.RENAME: ("completed", {"f.txt": b"old", "f (1).txt": b"new"}),
    }
    url = server.on("/f.txt", serving(b"new"))
    for strategy, (ending, files) in expected.items():
        folder = tmp_path / strategy
        folder.mkdir()
        (folder / "f.txt").write_bytes(b"old")
        requests = len(server.requests)
        _, journal = await fetch(folder, [FileConfig(url=url)], file_exists_strategy=strategy)
        assert journal.names()[-1] == ending, strategy
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
        asks = strategy in (FileExistsStrategy.OVERWRITE, FileExistsStrategy.RENAME)
        assert len(server.requests) - requests == asks


async def test_the_strategy_of_the_download_wins(server: MisbehavingServer, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    config = FileConfig(url=server.on("/f", serving(b"new")), file_exists_strategy="overwrite")
    await fetch(tmp_path, [config], file_exists_strategy=FileExistsStrategy.ERROR)
    assert (tmp_path / "f").read_bytes() == b"new"


async def test_two_links_of_one_name_are_two_files(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(BODY, 1_000_000)
    first = FileConfig(url=server.on("/1/same.bin", gate))
    second = FileConfig(url=server.on("/2/same.bin", serving(b"second")))
    strict = FileConfig(
        url=server.on("/3/same.bin", serving(b"third")), file_exists_strategy="error"
    )
    late = FileConfig(
        url=server.on("/4/same.bin", serving(b"fourth")), file_exists_strategy="overwrite"
    )
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([first])
        await asyncio.wait_for(gate.reached.wait(), 60)
        await manager.add([second, strict])
        await waiting.until(lambda: status_of(manager, second) is DownloadStatus.COMPLETED)
        row = next(r for r in manager.snapshot().downloads if r.id == strict.id)
        assert row.reason == "another download is writing this file"
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
        await manager.add([late])
        await manager.wait_until_complete(timeout=60)
    assert error_of(manager, strict) == f"file already exists: {tmp_path / 'same.bin'}"
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "same.bin": BODY,
        "same (1).bin": b"second",
        "same (2).bin": b"fourth",
    }


async def test_overwrite_replaces_no_number_because_another_download_began_the_name(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    begun = FileConfig(url=server.on("/a", cut(BODY, 1_000_000, ETag='"1"')), filename="f.bin")
    await fetch(tmp_path, [begun], retry_handler=quick_retries(0))
    assert (tmp_path / "f.bin.part").exists()
    (tmp_path / "f (1).bin").write_bytes(b"mine")
    config = FileConfig(url=server.on("/b", serving(b"b")), filename="f.bin")
    await fetch(tmp_path, [config], file_exists_strategy=FileExistsStrategy.OVERWRITE)
    assert (tmp_path / "f (1).bin").read_bytes() == b"mine"
    assert (tmp_path / "f (2).bin").read_bytes() == b"b"
    assert (tmp_path / "f.bin.part").exists()


async def test_a_file_that_appears_meanwhile_is_not_overwritten(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(BODY, 10)
    configs = [
        FileConfig(url=server.on("/f", gate)),
        FileConfig(url=server.on("/g", gate), file_exists_strategy="rename"),
        FileConfig(url=server.on("/h", gate)),
    ]
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add(configs)
        await server.wait_for_requests(3)
        (tmp_path / "f").write_bytes(b"theirs")
        (tmp_path / "h").write_bytes(BODY)  # as another process that downloads it writes it
        (tmp_path / "g").write_bytes(b"theirs")
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    assert status_of(manager, configs[0]) is DownloadStatus.FAILED
    assert error_of(manager, configs[0]) == f"file already exists: {tmp_path / 'f'}"
    assert (tmp_path / "f").read_bytes() == b"theirs"
    assert (tmp_path / "g").read_bytes() == b"theirs"
    assert (tmp_path / "g (1)").read_bytes() == BODY
    assert status_of(manager, configs[2]) is DownloadStatus.SKIPPED
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"f", "f.part", "f.part.state", "g", "g (1)", "h"}


async def test_somebody_elses_part_file_is_left_alone(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Browsers and other programs use that ending too. It costs the download nothing."""
    (tmp_path / "f.part").write_bytes(b"mine")
    config = FileConfig(url=server.on("/f", serving(b"data")))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    left = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert left == {"f.part": b"mine", "f": b"data"}


async def test_a_folder_that_cannot_be_written(server: MisbehavingServer, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    config = FileConfig(url=server.on("/f", serving(b"data")))
    manager, journal = await fetch(blocked, [config], retry_handler=quick_retries())
    assert error_of(manager, config).startswith(f"cannot write {blocked / 'f.part'}: ")
    assert journal.names() == ["queued", "failed"]


async def test_progress_regains_the_attempts(server: MisbehavingServer, tmp_path: Path) -> None:
    async def a_tenth_at_a_time(exchange: Exchange) -> None:
        start = exchange.request.range_start or 0
        if start:
            await exchange.head(
                "206 Partial Content",
                Content_Range=f"bytes {start}-{len(BODY) - 1}/{len(BODY)}",
                Content_Length=len(BODY) - start,
                ETag='"v"',
            )
        else:
            await exchange.head(Content_Length=len(BODY), ETag='"v"')
        await exchange.send(BODY[start : start + len(BODY) // 10])
        await exchange.close()

    config = FileConfig(url=server.on("/f", a_tenth_at_a_time))
    await fetch(tmp_path, [config], retry_handler=quick_retries(2))
    assert (tmp_path / "f").read_bytes() == BODY
    assert len(server.requests) == 10


async def test_attempts_without_progress_end(server: MisbehavingServer, tmp_path: Path) -> None:
    async def always_the_same_bit(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(BODY))  # no validator: begins again each time
        await exchange.send(BODY[:1_000_000])
        await exchange.close()

    config = FileConfig(url=server.on("/f", always_the_same_bit))
    await fetch(tmp_path, [config], retry_handler=quick_retries(2))
    assert len(server.requests) == 3


async def test_no_room_is_told_before_the_first_byte(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def enormous(exchange: Exchange) -> None:
        await exchange.head(Content_Length=1 << 50)
        await exchange.reader.read()

    config = FileConfig(url=server.on("/f", enormous))
    manager, _ = await fetch(tmp_path, [config], retry_handler=quick_retries(2))
    assert "disk full: the file (1.1 PB)" in error_of(manager, config)
    assert names_in(tmp_path) == []


async def test_reading_that_somebody_resumed_loses_no_byte(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = SocketBody.__init__

    def take_and_resume(self: SocketBody, *arguments: Any) -> None:
        take(self, *arguments)
        self._transport.resume_reading()

    monkeypatch.setattr(SocketBody, "__init__", take_and_resume)
    urls = [server.on(f"/{size}", serving(BODY[:size])) for size in (20_000, 300_001, 3_000_000)]
    manager, _ = await fetch(tmp_path, [FileConfig(url=url) for url in urls])
    assert manager.stats.completed == 3
    for size in (20_000, 300_001, 3_000_000):
        assert (tmp_path / str(size)).read_bytes() == BODY[:size]
        assert manager.stats.completed_bytes == 3_320_001


async def test_what_a_proxy_changed_is_saved(server: MisbehavingServer, tmp_path: Path) -> None:
    async def changed(exchange: Exchange) -> None:
        await exchange.head(
            "203 Non-Authoritative Information", Content_Length=len(BODY), ETag='"of-the-server"'
        )
        await exchange.send(BODY[: 100_000 if exchange.number == 1 else None])
        await exchange.close()

    config = FileConfig(url=server.on("/f", changed))
    await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert (tmp_path / "f").read_bytes() == BODY
    assert "if-range" not in server.requests[1].headers


@pytest.mark.parametrize("exists", FileExistsStrategy)
@pytest.mark.parametrize("size", [100_000, 3_000_000])
@pytest.mark.parametrize("is_retried_by", ["itself", "the user"])
async def test_a_name_that_changes_between_attempts_leaves_nothing(
    server: MisbehavingServer, tmp_path: Path, exists: str, size: int, is_retried_by: str
) -> None:
    before: dict[str, Any] = {"ETag": '"1"', "Content_Disposition": 'attachment; filename="a.bin"'}
    after: dict[str, Any] = {"ETag": '"2"', "Content_Disposition": 'attachment; filename="b.bin"'}
    begin, body = cut(body_of(size, "old"), size // 2, **before), body_of(size)
    config = FileConfig(url=server.on("/f", in_turn(begin, serving(body, **after))))
    retries = quick_retries(1 if is_retried_by == "itself" else 0)
    options: dict[str, Any] = {"retry_handler": retries, "file_exists_strategy": exists}
    async with DownloadManager(download_dir=tmp_path, **options) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        if is_retried_by == "the user":
            assert names_in(tmp_path) == ["a.bin.part", "a.bin.part.state"]
            await manager.retry(config.id)
            await manager.wait_until_complete(timeout=60)
    assert names_in(tmp_path) == ["b.bin"]
    assert (tmp_path / "b.bin").read_bytes() == body


async def test_the_log_of_a_failure_cannot_turn_the_text_of_a_terminal(
    server: MisbehavingServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([FileConfig(url=server.url("/\u202egnp.exe"))])
        await manager.wait_until_complete()
    assert "gnp.exe failed: HTTP 404" in caplog.text
    assert "\u202e" not in caplog.text
