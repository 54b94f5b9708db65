"""Bytes that another link of one object began: who may go on with them, and who leaves them."""

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.hash_validation import PieceHashes
from rheo_core.downloads import path_check, worker
from rheo_core.downloads.path_check import PathCheckRequest
from rheo_core.transfer import PartOwner
from rheo_core.transfer.part_state import PartState
from rheo_core.transfer.validators import Validator
from tests.core.engine import Gate, error_of, fetch, names_in, serving, sha256, status_of
from tests.servers.misbehaving import Behaviour, Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import answer
from tests.waiting import Until

BODY, OTHER = body_of(1_500_000), body_of(1_500_000, "other")
CUT = 1_000_000
ETAG, DIFFERENT = {"ETag": '"v1"'}, {"ETag": '"v2"'}
DATED = {
    "Last_Modified": "Mon, 02 Nov 2020 08:00:00 GMT",
    "Date": "Mon, 30 Nov 2026 08:00:00 GMT",
}
HASH = {"hash_config": {"algorithm": "sha256", "expected_hash": sha256(BODY)}}
PIECES = {
    "pieces": PieceHashes(
        algorithm="sha1",
        length=500_000,
        hashes=[hashlib.sha1(BODY[at : at + 500_000]).hexdigest() for at in (0, 500_000, CUT)],
    )
}
A, B = "/get?token=a", "/get?token=b"
EXISTS = list(FileExistsStrategy)


def breaking(body: bytes, **headers: Any) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(body), Accept_Ranges="bytes", **headers)
        await exchange.send(body[:CUT])
        await exchange.close()

    return behave


async def begun_by_a(server: MisbehavingServer, folder: Path, **headers: Any) -> FileConfig:
    """Leave the bytes of a link that broke in an earlier run; from now on it serves all."""
    config = FileConfig(url=server.on(A, breaking(BODY, **headers)))
    await fetch(folder, [config], connections=1, retry_handler=None)
    server.on(A, serving(BODY, **headers))
    return config


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the finished files."""
    names = [name for name in names_in(folder) if ".part" not in name]
    return {name: sha256((folder / name).read_bytes()) for name in names}


def bytes_of_a(folder: Path, name: str = "get.part") -> bool:
    """Return True if the bytes of the first link are as they were left."""
    return (folder / name).read_bytes() == BODY[:CUT]


@pytest.mark.parametrize("exists", EXISTS)
@pytest.mark.parametrize(
    ("headers", "proof"),
    [(ETAG, {}), (DATED, HASH), (DATED, PIECES)],
    ids=["etag", "hash", "pieces"],
)
async def test_proven_bytes_go_on_with_another_link(
    server: MisbehavingServer,
    tmp_path: Path,
    headers: dict[str, Any],
    proof: dict[str, Any],
    exists: FileExistsStrategy,
) -> None:
    await begun_by_a(server, tmp_path, **headers)
    b = FileConfig(url=server.on(B, serving(BODY, **headers)), **proof)
    await fetch(tmp_path, [b], connections=1, file_exists_strategy=exists)
    assert server.requests_for(B)[0].range_start == CUT
    assert names_in(tmp_path) == ["get"]
    assert digests(tmp_path) == {"get": sha256(BODY)}


async def test_bytes_that_a_checksum_proved_are_fetched_anew_without_it(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    await begun_by_a(server, tmp_path, **DATED)

    async def rest_breaking(exchange: Exchange) -> None:
        await exchange.head(
            "206 Partial Content",
            Content_Length=len(BODY) - CUT,
            Content_Range=f"bytes {CUT}-{len(BODY) - 1}/{len(BODY)}",
            **DATED,
        )
        await exchange.send(BODY[CUT : CUT + 250_000])
        await exchange.close()

    url = server.on(B, rest_breaking)
    await fetch(tmp_path, [FileConfig(url=url, **HASH)], connections=1, retry_handler=None)
    assert server.requests_for(B)[0].range_start == CUT
    server.on(B, serving(OTHER, **DATED))
    await fetch(tmp_path, [FileConfig(url=url)], connections=1)
    assert server.requests[-1].range_start is None
    assert names_in(tmp_path) == ["get"]
    assert digests(tmp_path) == {"get": sha256(OTHER)}


UNPROVEN = {
    "date": (DATED, serving(OTHER, **DATED), OTHER),
    "date, one object": (DATED, serving(BODY, **DATED), BODY),
    "none": (ETAG, serving(OTHER), OTHER),
    "another etag": (ETAG, serving(OTHER, **DIFFERENT), OTHER),
    "page": (ETAG, answer("200 OK", b"<html>Sign in", Content_Type="text/html"), b"<html>Sign in"),
    "dated page": (DATED, answer("200 OK", b"<html>Sign in", Content_Type="text/html"), None),
}


@pytest.mark.parametrize("exists", EXISTS)
@pytest.mark.parametrize("case", UNPROVEN)
async def test_bytes_of_another_file_stay_under_their_name(
    server: MisbehavingServer, tmp_path: Path, case: str, exists: FileExistsStrategy
) -> None:
    """Otherwise the plain name would be taken when the first link goes on, and its bytes lost."""
    headers, behaviour, body = UNPROVEN[case]
    expected = sha256(b"<html>Sign in" if body is None else body)
    a = await begun_by_a(server, tmp_path, **headers)
    b = FileConfig(url=server.on(B, behaviour), accept_html=True)
    await fetch(tmp_path, [b], connections=1, file_exists_strategy=exists)
    assert bytes_of_a(tmp_path)
    if exists is FileExistsStrategy.ERROR:  # takes no number, as for any other URL
        assert digests(tmp_path) == {"get": expected}
        return
    assert digests(tmp_path) == {"get (1)": expected}
    for _ in range(2):
        await fetch(tmp_path, [a], connections=1, file_exists_strategy=FileExistsStrategy.SKIP)
        assert server.requests[-1].range_start == CUT
        assert names_in(tmp_path) == ["get", "get (1)"]
        assert digests(tmp_path) == {"get": sha256(BODY), "get (1)": expected}


@pytest.mark.parametrize("headers", [ETAG, DATED], ids=["etag", "date"])
async def test_a_name_in_a_response_takes_the_next_number_too(
    server: MisbehavingServer, tmp_path: Path, headers: dict[str, Any]
) -> None:
    named = {"Content_Disposition": "attachment; filename=real.bin"}
    a = await begun_by_a(server, tmp_path, **headers, **named)
    theirs = DIFFERENT if headers is ETAG else DATED
    b = FileConfig(url=server.on(B, serving(OTHER, **theirs, **named)))
    await fetch(tmp_path, [b], connections=1)
    assert bytes_of_a(tmp_path, "real.bin.part")
    await fetch(tmp_path, [a], connections=1)
    assert server.requests[-1].range_start == CUT
    assert digests(tmp_path) == {"real.bin": sha256(BODY), "real (1).bin": sha256(OTHER)}
    assert len(names_in(tmp_path)) == 2


@pytest.mark.parametrize("theirs", [ETAG, DIFFERENT], ids=["one object", "another"])
async def test_a_mirror_changes_nothing_about_it(
    server: MisbehavingServer, tmp_path: Path, theirs: dict[str, Any]
) -> None:
    await begun_by_a(server, tmp_path, **ETAG)
    body = BODY if theirs is ETAG else OTHER
    b = FileConfig(
        url=server.on(B, answer("503 Busy")), mirrors=[server.on("/m", serving(body, **theirs))]
    )
    await fetch(tmp_path, [b], connections=1, retry_handler=None)
    if theirs is ETAG:
        assert names_in(tmp_path) == ["get"] and digests(tmp_path) == {"get": sha256(BODY)}
    else:
        assert bytes_of_a(tmp_path) and sha256(BODY) not in digests(tmp_path).values()


async def test_a_server_without_ranges_replaces_bytes_of_its_own_version(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    await begun_by_a(server, tmp_path, **ETAG)

    async def whole(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(BODY), **ETAG)
        await exchange.send(BODY)

    await fetch(tmp_path, [FileConfig(url=server.on(B, whole))], connections=1)
    assert names_in(tmp_path) == ["get"] and digests(tmp_path) == {"get": sha256(BODY)}


@pytest.mark.parametrize("headers", [ETAG, DATED], ids=["etag", "date"])
async def test_a_second_program_spoils_nothing_that_the_first_one_writes(
    server: MisbehavingServer, tmp_path: Path, until: Until, headers: dict[str, Any]
) -> None:
    gate = Gate(BODY, CUT, **headers)
    a = FileConfig(url=server.on(A, gate))
    b = FileConfig(url=server.on(B, serving(OTHER, **headers)))
    async with DownloadManager(download_dir=tmp_path, connections=1) as manager:
        await manager.add([a])
        await until(lambda: (tmp_path / "get.part.state").exists())
        await fetch(tmp_path, [b], connections=1, retry_handler=None)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, a) is DownloadStatus.COMPLETED
    assert digests(tmp_path) == {"get": sha256(BODY), "get (1)": sha256(OTHER)}


WRONG = {"hash_config": {"algorithm": "sha256", "expected_hash": "0" * 64}}


async def test_data_with_a_wrong_checksum_belongs_to_its_link(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    a = FileConfig(url=server.on(A, serving(BODY, **ETAG)), **WRONG)
    b = FileConfig(url=server.on(B, serving(OTHER, **DIFFERENT)), **WRONG)
    session = tmp_path / "session.db"
    async with DownloadManager(download_dir=folder, session_path=session) as manager:
        for config in (a, b):
            await manager.add([config])
            await manager.wait_until_complete(timeout=60)
        kept = [await manager.keep(config.id) for config in (a, b)]
    assert [path and path.read_bytes() for path in kept] == [BODY, OTHER]


async def test_a_link_that_is_cancelled_leaves_rejected_data_of_another_one(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    a = FileConfig(url=server.on(A, serving(BODY, **ETAG)), **WRONG)
    b = FileConfig(url=server.on(B, serving(OTHER, **DIFFERENT)))
    session = tmp_path / "session.db"
    async with DownloadManager(download_dir=tmp_path / "files", session_path=session) as manager:
        await manager.add([a])
        await manager.wait_until_complete(timeout=60)
        await manager.add([b], paused=True)
        await manager.cancel(b.id)
        kept = await manager.keep(a.id)
    assert kept is not None and kept.read_bytes() == BODY


@pytest.mark.parametrize("headers", [ETAG, DATED], ids=["etag", "date"])
async def test_pieces_of_another_link_leave_a_whole_part_file_alone(
    server: MisbehavingServer, tmp_path: Path, headers: dict[str, Any]
) -> None:
    """The server refuses the second link, so nothing shows that the bytes are those of its file."""
    gate = Gate(BODY, CUT, **headers)
    a = FileConfig(url=server.on(A, gate))
    async with DownloadManager(
        download_dir=tmp_path,
        connections=1,
        retry_handler=None,
        file_exists_strategy=FileExistsStrategy.ERROR,
    ) as manager:
        await manager.add([a])
        await gate.reached.wait()
        (tmp_path / "get").write_bytes(b"in the way")
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    (tmp_path / "get").unlink()
    before = {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}
    wrong = PieceHashes(algorithm="sha1", length=500_000, hashes=["0" * 40] * 3)
    b = FileConfig(url=server.on(B, answer("403 Forbidden", b"")), pieces=wrong)
    await fetch(tmp_path, [b], connections=1, retry_handler=None)
    assert {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)} == before


@pytest.mark.parametrize("response", ["refusal", "other"])
async def test_damaged_bytes_of_another_link_are_left_alone(
    server: MisbehavingServer, tmp_path: Path, response: str
) -> None:
    await begun_by_a(server, tmp_path, **ETAG)
    part = tmp_path / "get.part"
    part.write_bytes(b"x" + BODY[1:CUT])
    before = {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}
    other = serving(OTHER, **DIFFERENT)
    b = FileConfig(url=server.on(B, answer("403 No", b"") if response == "refusal" else other))
    await fetch(tmp_path, [b], connections=1, retry_handler=None)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert digests(tmp_path) == ({} if response == "refusal" else {"get (1)": sha256(OTHER)})


NUMBERED = {"token": "/get?token=", "id": "/get?id="}
"""Links of one object, and of several."""


def links_of(server: MisbehavingServer, kind: str, count: int) -> list[FileConfig]:
    return [FileConfig(url=server.url(f"{NUMBERED[kind]}{number}")) for number in range(count)]


@pytest.mark.parametrize("exists", EXISTS)
@pytest.mark.parametrize("validator", [ETAG, DATED], ids=["etag", "date"])
@pytest.mark.parametrize("kind", NUMBERED)
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("is_taken", [False, True])
@pytest.mark.halved("exists", "kind", "number")
async def test_a_link_first_looks_for_its_bytes_under_all_numbers(
    server: MisbehavingServer,
    tmp_path: Path,
    exists: FileExistsStrategy,
    validator: dict[str, str],
    kind: str,
    number: int,
    is_taken: bool,
) -> None:
    """The links before it failed and gave their names back."""
    folder, links = tmp_path / "files", links_of(server, kind, number + 1)
    server.on(f"{NUMBERED[kind]}{number}", breaking(BODY, **validator))
    options = {"connections": 1, "retry_handler": None, "file_exists_strategy": exists}
    await fetch(folder, links, max_concurrent=1, **options)
    server.on(f"{NUMBERED[kind]}{number}", serving(BODY, **validator))
    (part, _), asked = names_in(folder), len(server.requests)
    name = part.removesuffix(".part")
    theirs = {"get": sha256(b"theirs")} if is_taken and name != "get" else {}
    if theirs:
        (folder / "get").write_bytes(b"theirs")
    await fetch(folder, links[-1:], **options)
    assert [request.range_start for request in server.requests[asked:]] == [CUT]
    assert digests(folder) == {name: sha256(BODY)} | theirs
    assert names_in(folder) == sorted(digests(folder))


async def test_the_session_knows_the_new_name_when_an_edit_returns(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Otherwise a crash would leave a part file that belongs to no row."""
    gate = Gate(BODY, CUT, **ETAG)
    a, session = FileConfig(url=server.on(A, gate)), tmp_path / "session.db"
    async with DownloadManager(
        download_dir=tmp_path / "files", session_path=session, connections=1
    ) as manager:
        await manager.add([a])
        await gate.reached.wait()
        await manager.pause(a.id)
        gate.opened.set()
        edited = await manager.edit(a.id, a.model_copy(update={"filename": "other"}))
        with closing(sqlite3.connect(session)) as database:
            ids = [row[0] for row in database.execute("SELECT id FROM downloads")]
    assert ids == [edited]


@pytest.mark.parametrize("validator", [ETAG, DATED, {}], ids=["etag", "date", "none"])
@pytest.mark.parametrize("end", ["cancel", "cancel and keep", "skip"])
async def test_a_restart_forgets_no_link_that_a_retry_needs(
    server: MisbehavingServer, tmp_path: Path, end: str, validator: dict[str, str]
) -> None:
    """The first link has expired."""
    folder, session = tmp_path / "files", tmp_path / "session.db"
    a, new = FileConfig(url=server.url(A)), server.on(B, serving(BODY, **validator))
    async with DownloadManager(download_dir=folder, session_path=session) as manager:
        await manager.add([a], paused=True)
        assert await manager.edit(a.id, FileConfig(url=new)) == a.id
        if end == "skip":
            folder.mkdir()
            (folder / "get").write_bytes(b"theirs")
            await manager.resume(a.id)
            await manager.wait_until_complete(timeout=60)
        else:
            await manager.cancel(a.id, keep_partial=end != "cancel")
    (folder / "get").unlink(missing_ok=True)
    async with DownloadManager(download_dir=folder, session_path=session) as manager:
        assert await manager.retry(a.id)
        await manager.wait_until_complete(timeout=60)
    assert [request.target for request in server.requests] == [B]
    assert digests(folder) == {"get": sha256(BODY)}


async def test_a_link_is_edited_twice(server: MisbehavingServer, tmp_path: Path) -> None:
    a = FileConfig(url=server.url(A))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([a], paused=True)
        for token in "bc":
            url = server.url(f"/get?token={token}")
            config = await manager.find_config(a.id)
            assert config is not None
            assert await manager.edit(a.id, config.model_copy(update={"url": url})) == a.id
            edited = await manager.find_config(a.id)
            assert edited is not None and (edited.url, edited.fetch_url) == (a.url, url)


@pytest.mark.parametrize("restarts", ["session", "second run"])
@pytest.mark.parametrize(
    ("validator", "start"), [(ETAG, CUT), (DATED, None), ({}, None)], ids=["etag", "date", "none"]
)
async def test_a_link_may_be_signed_anew_in_each_run(
    server: MisbehavingServer,
    tmp_path: Path,
    restarts: str,
    validator: dict[str, str],
    start: int | None,
) -> None:
    folder = tmp_path / "files"
    session = tmp_path / "session.db" if restarts == "session" else None
    url = server.url("/get")
    for token, behaviour in (("b", breaking), ("c", serving)):
        link = server.on(f"/get?token={token}", behaviour(BODY, **validator))
        config = FileConfig(url=url, fetch_url=link)
        async with DownloadManager(
            download_dir=folder, session_path=session, connections=1, retry_handler=None
        ) as manager:
            if manager.get_download_info(config.id) is None:
                await manager.add([config])
            else:
                await manager.edit(config.id, config)
            await manager.wait_until_complete(timeout=60)
    assert [request.range_start for request in server.requests] == [None, start]
    assert names_in(folder) == ["get"] and digests(folder) == {"get": sha256(BODY)}


@pytest.mark.parametrize("with_session", [True, False])
@pytest.mark.parametrize("verb", ["remove", "remove_many", "restore"])
@pytest.mark.parametrize("validator", [ETAG, DATED], ids=["etag", "date"])
async def test_bytes_that_only_a_replaced_link_can_continue_go_with_the_failed_download(
    server: MisbehavingServer,
    tmp_path: Path,
    validator: dict[str, str],
    verb: str,
    with_session: bool,
) -> None:
    folder, session = tmp_path / "files", tmp_path / "session.db" if with_session else None
    a = FileConfig(url=server.on(A, breaking(BODY, **validator)))
    async with DownloadManager(
        download_dir=folder, session_path=session, connections=1, retry_handler=None
    ) as manager:
        await manager.add([a])
        await manager.wait_until_complete(timeout=60)
        await manager.edit(a.id, FileConfig(url=server.url(B)))  # 404
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, a) is DownloadStatus.FAILED
        await (manager.remove_many([a.id]) if verb == "remove_many" else manager.remove(a.id))
        assert bytes_of_a(folder)
        if verb == "restore":
            assert await manager.restore(a.id)
    stay = validator is ETAG or verb == "restore"  # the new link may be added separately
    assert names_in(folder) == (["get.part", "get.part.state"] if stay else [])


@pytest.mark.parametrize("verb", ["remove", "remove_many", "restore"])
@pytest.mark.parametrize("validator", [ETAG, DATED], ids=["etag", "date"])
async def test_such_bytes_go_at_the_next_start_if_the_program_is_killed(
    server: MisbehavingServer,
    tmp_path: Path,
    validator: dict[str, str],
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, session = tmp_path / "files", tmp_path / "session.db"
    a = FileConfig(url=server.on(A, breaking(BODY, **validator)))

    def open_one() -> DownloadManager:
        return DownloadManager(
            download_dir=folder, session_path=session, connections=1, retry_handler=None
        )

    async with open_one() as manager:
        await manager.add([a])
        await manager.wait_until_complete(timeout=60)
        await manager.edit(a.id, FileConfig(url=server.url(B)))  # 404
        await manager.wait_until_complete(timeout=60)
        await (manager.remove_many([a.id]) if verb == "remove_many" else manager.remove(a.id))
        if verb == "restore":
            assert await manager.restore(a.id)
        monkeypatch.setattr(manager._parts.control.kept, "_kept", {})  # as if it were killed
    assert bytes_of_a(folder)
    async with open_one() as manager:
        await next(task for task in manager._watchers if "discard_left" in repr(task))
    stay = validator is ETAG or verb == "restore"
    assert names_in(folder) == (["get.part", "get.part.state"] if stay else [])
    assert (b"token=a" in session.read_bytes()) == (verb == "restore")


EDITS: dict[str, Callable[[str], str]] = {
    "token": lambda url: url.replace("token=a", "token=b"),
    "login": lambda url: url.replace("://", "://me:x@"),
}


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("then", ["resume", "cancel", "remove", "back", "other"])
@pytest.mark.parametrize("change", EDITS.values(), ids=EDITS)
async def test_an_edited_link_never_loses_sight_of_its_bytes(
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    change: Callable[[str], str],
    then: str,
    restarts: bool,
) -> None:
    """A date proves nothing for the new link, so the bytes wait for the old one, or for the end."""
    folder, session = tmp_path / "files", tmp_path / "session.db"
    gate = Gate(BODY, CUT, **DATED)
    a = FileConfig(url=server.on(A, gate))
    server.on(B, serving(OTHER, **DATED))

    def opened() -> DownloadManager:
        return DownloadManager(
            download_dir=folder, session_path=session, connections=1, retry_handler=None
        )

    async def finish(manager: DownloadManager) -> None:
        asked = len(server.requests)
        match then:
            case "cancel":
                await manager.cancel(a.id)
                assert names_in(folder) == []
            case "remove":
                await manager.remove(a.id)
                assert names_in(folder) == []
            case "back":
                assert await manager.edit(a.id, a) == a.id
                await manager.resume(a.id)
                await manager.wait_until_complete(timeout=60)
                assert server.requests[-1].range_start == CUT
                assert names_in(folder) == ["get"] and digests(folder) == {"get": sha256(BODY)}
            case _:
                if then == "other":  # a third link
                    url = server.url("/get?token=c")
                    assert await manager.edit(a.id, a.model_copy(update={"url": url})) == a.id
                await manager.resume(a.id)
                await manager.wait_until_complete(timeout=60)
                assert error_of(manager, a) == (
                    "no ETag shows that the new link leads to the same file; the 1,000,000 bytes "
                    "from the old link stay. To download the new file, add its link separately"
                )
                assert len(server.requests) == asked and bytes_of_a(folder)
                await manager.edit(a.id, a)
                await manager.wait_until_complete(timeout=60)
                assert server.requests[-1].range_start == CUT
                assert names_in(folder) == ["get"] and digests(folder) == {"get": sha256(BODY)}

    async with opened() as manager:
        await manager.add([a])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == CUT)
        await manager.pause(a.id)
        gate.opened.set()
        server.on(A, serving(BODY, **DATED))
        assert await manager.edit(a.id, FileConfig(url=change(a.url))) == a.id
        assert names_in(folder) == ["get.part", "get.part.state"]
        if not restarts:
            await finish(manager)
    if restarts:
        async with opened() as manager:
            await finish(manager)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("first", [0, 20])
async def test_links_of_one_name_look_at_each_part_file_about_once(
    server: MisbehavingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    order: int,
    first: int,
) -> None:
    """The list of the second run is in another order, or only a part of the first one."""
    count, body = 40, body_of(400_000)

    async def cut(exchange: Exchange) -> None:
        await exchange.head(
            Content_Length=len(body), Accept_Ranges="bytes", ETag=f'"{exchange.request.target}"'
        )
        await exchange.send(body[:300_000])
        await exchange.close()

    async def whole(exchange: Exchange) -> None:
        await exchange.serve(body, ETag=f'"{exchange.request.target}"')

    paths = [f"/get?token={number:03}" for number in range(count)]
    configs = [FileConfig(url=server.on(path, cut)) for path in paths]
    await fetch(tmp_path, configs, connections=1, retry_handler=None)
    for path in paths:
        server.on(path, whole)
    looks = 0

    def counted(request: PathCheckRequest) -> path_check.PathCheck:
        nonlocal looks
        looks += 1
        return path_check.check_path(request)

    monkeypatch.setattr(worker, "check_path", counted)
    begun = len(server.requests)
    await fetch(tmp_path, configs[first:][::order], connections=1)
    assert {each.range_start for each in server.requests[begun:]} == {300_000}
    assert len(digests(tmp_path)) == count - first
    assert looks < 8 * count


async def test_a_cancelled_link_gives_its_name_back(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    rename = FileExistsStrategy.RENAME  # the others go by the n-th name of the n-th link
    a, b, c, d = (FileConfig(url=server.url(f"/get?token={name}")) for name in "abcd")
    async with DownloadManager(
        download_dir=tmp_path, connections=1, file_exists_strategy=rename
    ) as manager:
        for begun in (a, b):
            gate = Gate(BODY, CUT, **DATED)
            server.on(begun.url.removeprefix(server.url("")), gate)
            await manager.add([begun])
            await until(lambda: manager.snapshot().downloads[-1].bytes_downloaded == CUT)
            await manager.pause(begun.id)
            gate.opened.set()
        for whole in (c, d):
            server.on(whole.url.removeprefix(server.url("")), serving(OTHER, **DATED))
            await manager.add([whole])
            await manager.wait_until_complete(timeout=60)
            await manager.cancel(b.id)
        assert names_in(tmp_path) == ["get (1)", "get (2)", "get.part", "get.part.state"]


STRONG, WEAK = Validator(etag='"1"'), Validator(last_modified=DATED["Last_Modified"])


@pytest.mark.parametrize(
    ("owner", "state", "expected"),
    [
        (PartOwner("s", "b"), PartState("s", validator=STRONG, link="a"), True),
        (PartOwner("s", "b"), PartState("s", validator=WEAK, link="a"), False),
        (PartOwner("s", "b", is_verified=True), PartState("s", validator=WEAK, link="a"), True),
        (PartOwner("s", "b"), PartState("s", validator=STRONG, link="b"), False),  # its own
        (PartOwner("s", "b"), PartState("s", validator=STRONG, link=""), False),  # its own
        (PartOwner("s", "b"), PartState("t", validator=STRONG, link="a"), False),
        (PartOwner("s", "b", "a"), PartState("s", validator=WEAK, link="a"), True),
        (PartOwner("s", "b"), PartState("s", validator=WEAK, link="a", fetched="b"), True),
        (PartOwner("s", "b", "c"), PartState("s", validator=WEAK, link="a", fetched="b"), False),
    ],
)
def test_whose_bytes_may_be_borrowed(owner: PartOwner, state: PartState, expected: bool) -> None:
    assert owner.may_borrow(state) is expected


def test_bytes_that_were_taken_over_remember_their_link() -> None:
    """Another run without the checksum must not join them with those of its own link."""
    lent = PartState("s", validator=WEAK, link="a")
    borrower = PartOwner("s", "b", is_verified=True, lender="a")
    taken = borrower.taking_over(lent)
    assert borrower.borrows(lent) and not borrower.borrows(taken)
    later = PartOwner("s", "b")
    assert later.has_begun(taken) and not later.may_continue(taken)
    assert not later.has_begun(lent)
