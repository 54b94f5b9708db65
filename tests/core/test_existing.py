"""Existing files under `skip`: a known size or checksum is compared, and no server is asked."""

import os
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, FileExistsStrategy, HashAlgorithm, HashConfig
from rheo_core.domain.hash_validation import PieceHashes
from rheo_core.domain.rules import read_rules
from rheo_core.domain.units import count_text
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
from tests.servers.misbehaving import Exchange, MisbehavingServer

BODY = b"what was asked for"
WRONG = b"what was ASKED for"


def known(body: bytes = BODY) -> HashConfig:
    return HashConfig(algorithm=HashAlgorithm.SHA256, expected_hash=sha256(body))


PIECES = PieceHashes(
    algorithm=HashAlgorithm.SHA256, length=10, hashes=(sha256(BODY[:10]), sha256(BODY[10:]))
)


@pytest.mark.parametrize(
    "wishes",
    [{"hash_config": known()}, {"size_bytes": len(BODY)}, {"pieces": PIECES}],
    ids=["hash", "size", "pieces"],
)
async def test_the_right_file_is_skipped(
    server: MisbehavingServer, tmp_path: Path, wishes: dict[str, Any]
) -> None:
    (tmp_path / "a").write_bytes(BODY)
    config = FileConfig(url=server.on("/a", serving(BODY)), **wishes)
    manager, journal = await fetch(tmp_path, [config])
    assert manager.stats.skipped == 1
    validation = journal.last("skipped").validation
    assert bool(validation and validation.is_valid) == ("hash_config" in wishes)
    assert server.requests == []


@pytest.mark.parametrize(
    ("there", "wishes", "problem"),
    [
        (WRONG, {"hash_config": known()}, "the existing a has a wrong "),
        (b"", {"hash_config": known()}, "the existing a has a wrong "),
        (b"short", {"size_bytes": 18}, "the existing a has 5 bytes instead of 18; "),
        (WRONG, {"size_bytes": 18, "hash_config": known()}, "the existing a has a wrong "),
        (WRONG, {"size_bytes": 18, "pieces": PIECES}, "the existing a has a wrong "),
        (BODY[:10], {"pieces": PIECES}, "the existing a: a file of 10 bytes has 1 piece of"),
        (BODY + b"and", {"pieces": PIECES}, "the existing a: a file of 21 bytes has 3 pieces of"),
        (BODY + b"!", {"pieces": PIECES}, "the existing a has a wrong "),
    ],
    ids=["hash", "empty", "size", "both", "piece", "a piece less", "a piece more", "a byte more"],
)
async def test_a_wrong_file_fails_and_stays(
    server: MisbehavingServer,
    tmp_path: Path,
    there: bytes,
    wishes: dict[str, Any],
    problem: str,
) -> None:
    (tmp_path / "a").write_bytes(there)
    config = FileConfig(url=server.on("/a", serving(BODY)), **wishes)
    manager, _ = await fetch(tmp_path, [config])
    assert error_of(manager, config).startswith(problem)
    assert error_of(manager, config).endswith("; the file was not changed")
    assert names_in(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == there
    assert server.requests == []


async def test_a_checksum_file_counts_too(server: MisbehavingServer, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(WRONG)
    server.on("/a.sha256", serving(f"{sha256(BODY)}  a\n".encode()))
    config = FileConfig(url=server.on("/a", serving(BODY)), sidecar=True)
    manager, _ = await fetch(tmp_path, [config])
    assert error_of(manager, config).startswith("the existing a has a wrong ")


async def test_a_name_that_the_server_tells(server: MisbehavingServer, tmp_path: Path) -> None:
    (tmp_path / "told").write_bytes(WRONG)
    url = server.on("/a", serving(BODY, Content_Disposition='attachment; filename="told"'))
    config = FileConfig(url=url, hash_config=known())
    manager, _ = await fetch(tmp_path, [config])
    assert error_of(manager, config).startswith("the existing told has a wrong ")
    assert names_in(tmp_path) == ["told"]


@pytest.mark.parametrize("workers", [1, 3])
async def test_links_of_one_name_find_their_files_again(
    server: MisbehavingServer, tmp_path: Path, workers: int
) -> None:
    bodies = [f"file {number}".encode() for number in range(3)]
    configs = [
        FileConfig(url=server.on(f"/{body[-1]}/same", serving(body)), hash_config=known(body))
        for body in bodies
    ]
    await fetch(tmp_path, configs, max_concurrent=workers)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before.values()) == bodies
    if workers == 1:
        (tmp_path / "same (2)").unlink()  # a gap is filled
    manager, _ = await fetch(tmp_path, configs, max_concurrent=workers)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    ended = {status_of(manager, config) for config in configs}
    assert ended <= {DownloadStatus.SKIPPED, DownloadStatus.COMPLETED}


@pytest.mark.parametrize(
    ("workers", "told"), [(1, False), (3, False), (1, True)], ids=["one", "three", "told"]
)
async def test_one_of_several_links_that_came_before_stands_for_no_other(
    server: MisbehavingServer, tmp_path: Path, workers: int, told: bool
) -> None:
    bodies = [f"file {number}".encode() for number in range(3)]
    name: dict[str, Any] = {"Content_Disposition": 'attachment; filename="same"'} if told else {}
    configs = [
        FileConfig(url=server.on(f"/{body[-1]}/{'' if told else 'same'}", serving(body, **name)))
        for body in bodies
    ]
    await fetch(tmp_path, configs[:1])
    for _ in range(2):
        await fetch(tmp_path, configs, max_concurrent=workers)
        contents = sorted(path.read_bytes() for path in tmp_path.iterdir())
        assert contents == bodies


async def test_the_order_of_a_list_does_not_matter_if_hashes_are_known(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    bodies = [b"file 0", b"file 1" * 100_000]
    configs = [
        FileConfig(url=server.on(f"/{number}/same", serving(body)), hash_config=known(body))
        for number, body in enumerate(bodies)
    ]
    await fetch(tmp_path, configs)
    before = names_in(tmp_path)
    manager, _ = await fetch(tmp_path, configs[::-1])
    assert {status_of(manager, config) for config in configs} == {DownloadStatus.SKIPPED}
    assert names_in(tmp_path) == before


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
@pytest.mark.parametrize("there", [0, 1, 17, 18, 19, 400], ids="{} bytes".format)
async def test_the_server_is_asked_for_the_size_if_the_user_wants_to_continue(
    server: MisbehavingServer, tmp_path: Path, there: int, ranges: bool
) -> None:
    (tmp_path / "a").write_bytes(b"x" * there)

    async def serve(exchange: Exchange) -> None:
        start = exchange.request.range_start
        if not ranges or start is None:
            return await exchange.head(Content_Length=len(BODY))
        if start < len(BODY):
            return await exchange.serve(BODY, ETag='"1"')
        size = f"bytes */{len(BODY)}"
        return await exchange.head("416 No", Content_Range=size, Content_Length=0)

    config = FileConfig(url=server.on("/a", serve), check_existing=True)
    manager, _ = await fetch(tmp_path, [config])
    is_whole = there == len(BODY)
    assert manager.stats.skipped == is_whole and manager.stats.failed == (not is_whole)
    assert (tmp_path / "a").read_bytes() == b"x" * there
    assert len(server.requests) == (1 if ranges or not there else 2)  # without one, to be sure
    if not is_whole:
        assert f"the existing a has {count_text(there, 'byte')}," in error_of(manager, config)


@pytest.mark.parametrize("there", [len(BODY) // 2, len(BODY) // 2 - 1, len(BODY)])
async def test_a_part_that_calls_itself_the_whole_is_not_the_size_of_the_file(
    server: MisbehavingServer, tmp_path: Path, there: int
) -> None:
    (tmp_path / "a").write_bytes(BODY[:there])

    async def serve(exchange: Exchange) -> None:
        rest = BODY[exchange.request.range_start or 0 :]
        await exchange.head(Content_Length=len(rest))
        await exchange.send(rest)

    config = FileConfig(url=server.on("/a", serve), check_existing=True)
    manager, _ = await fetch(tmp_path, [config])
    assert manager.stats.skipped == (there == len(BODY))
    if there < len(BODY):
        assert f"the file on the server has {len(BODY):,}" in error_of(manager, config)


async def test_a_server_that_does_not_tell_its_size_proves_nothing(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(BODY)

    async def serve(exchange: Exchange) -> None:
        await exchange.head(Connection="close")
        await exchange.close()

    config = FileConfig(url=server.on("/a", serve), check_existing=True)
    manager, _ = await fetch(tmp_path, [config])
    assert "the file on the server has an unknown size" in error_of(manager, config)


def put_special(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link that is too long":  # as for one that leads into a closed folder
        path.symlink_to("n" * 300)
    else:
        path.symlink_to("nowhere")


@pytest.mark.parametrize("kind", ["folder", "fifo", "link to nothing", "link that is too long"])
@pytest.mark.parametrize("strategy", ["skip", "overwrite"])
@pytest.mark.parametrize("named", [False, True], ids=["name in URL", "name in response"])
@pytest.mark.parametrize("size", [100, 1_000_000])
@pytest.mark.parametrize("wishes", [{}, {"hash_config": known()}], ids=["", "hash"])
async def test_what_is_not_a_file_fails_before_any_byte_is_written(
    server: MisbehavingServer,
    tmp_path: Path,
    kind: str,
    strategy: str,
    named: bool,
    size: int,
    wishes: dict[str, Any],
) -> None:
    put_special(tmp_path / "a.bin", kind)
    told = {"Content_Disposition": "attachment; filename=a.bin"} if named else {}
    url = server.on("/get" if named else "/a.bin", serving(b"x" * size, **told))
    config = FileConfig(url=url, file_exists_strategy=FileExistsStrategy(strategy), **wishes)
    manager, journal = await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert error_of(manager, config) == (
        f"cannot write {tmp_path / 'a.bin'}: exists and is not a regular file"
    )
    assert names_in(tmp_path) == ["a.bin"] and len(server.requests) == 1
    assert not journal.names(progress=True).count("progress")


@pytest.mark.parametrize("named", ["in the URL", "by the user", "by the response"])
@pytest.mark.parametrize("size", [100, 1_000_000])
@pytest.mark.parametrize("strategy", ["skip", "overwrite"])
async def test_a_link_to_a_file_is_not_overwritten(
    server: MisbehavingServer, tmp_path: Path, named: str, size: int, strategy: str
) -> None:
    """Nothing is fetched only to be refused at the end."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "a.bin").symlink_to(victim)
    told = (
        {"Content_Disposition": "attachment; filename=a.bin"} if named == "by the response" else {}
    )
    config = FileConfig(
        url=server.on("/a.bin" if named == "in the URL" else "/get", serving(b"x" * size, **told)),
        filename="a.bin" if named == "by the user" else None,
        file_exists_strategy=FileExistsStrategy(strategy),
    )
    manager, journal = await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert victim.read_bytes() == b"mine" and (tmp_path / "a.bin").readlink() == victim
    if strategy == "skip":
        assert status_of(manager, config) is DownloadStatus.SKIPPED
    elif named == "by the response":  # a name that nobody asked for: it gets a number
        assert (tmp_path / "a (1).bin").read_bytes() == b"x" * size
    else:
        assert "a.bin: exists and is not a regular file" in error_of(manager, config)
        assert not journal.names(progress=True).count("progress")
        assert names_in(tmp_path) == ["a.bin", "victim"]


async def reopened(session: Path, folder: Path, **options: Any) -> None:
    """Run the downloads of a session to their end, with their part files in `folder`."""
    async with DownloadManager(download_dir=folder, session_path=session, **options) as manager:
        await manager.resume_many([row.id for row in manager.snapshot().downloads])
        await manager.wait_until_complete(timeout=30)


@pytest.mark.parametrize("named", [False, True], ids=["name in URL", "name in response"])
@pytest.mark.parametrize("size", [100, 1_000_000])
@pytest.mark.parametrize(
    "wishes", [{"file_exists_strategy": "error"}, {"hash_config": known()}], ids=["error", "hash"]
)
async def test_a_file_in_the_way_is_named_and_binds_no_later_attempt(
    server: MisbehavingServer, tmp_path: Path, named: bool, size: int, wishes: dict[str, Any]
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "a").write_bytes(WRONG)
    fields = {"Content_Disposition": "attachment; filename=a"} if named else {}
    url = server.on("/get" if named else "/a", serving(b"x" * size, **fields))
    config = FileConfig(url=url, **wishes)
    async with DownloadManager(download_dir=old, retry_handler=quick_retries(1)) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=30)
        (row,) = manager.snapshot().downloads
        assert (row.status, row.destination) == (DownloadStatus.FAILED, str(old / "a"))
        assert row.name == "a" and row.has_file
        manager.set_defaults(download_dir=new)
        await manager.retry(config.id)
        await manager.wait_until_complete(timeout=30)
    assert names_in(old) == ["a"] and (old / "a").read_bytes() == WRONG
    assert names_in(new) == (["a"] if "hash_config" not in wishes else [])


@pytest.mark.parametrize("change", ["", "folder", "name", "subfolder", "rule", "response"])
@pytest.mark.parametrize("subdir", [None, "isos"])
async def test_an_overwrite_of_one_file_is_none_of_another(
    server: MisbehavingServer, tmp_path: Path, change: str, subdir: str | None
) -> None:
    """A restart comes between, with another folder or rule, or an edit."""
    old, new = tmp_path / "old", tmp_path / "new"
    asked = old / (subdir or "") / "a"
    others = [
        *(folder / name for folder in (old, new, new / "isos", old / "isos") for name in "ab"),
        old / "c" / "a",
    ]
    for path in (*others, asked):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"the user's")
    named = {"Content_Disposition": "attachment; filename=b"} if change == "response" else {}
    config = FileConfig(
        url=server.on("/a", serving(BODY, **named)),
        destination_subdir=subdir,
        file_exists_strategy=FileExistsStrategy.OVERWRITE,
        overwrite_only=asked,
    )
    session = tmp_path / "session.db"
    async with DownloadManager(download_dir=old, session_path=session) as manager:
        await manager.add([config], paused=True)
        if change == "name":
            await manager.edit(config.id, config.model_copy(update={"filename": "b"}))
        elif change == "subfolder":
            await manager.edit(config.id, config.model_copy(update={"destination_subdir": "c"}))
    rules = read_rules([{"folder": "c", "host": "127.0.0.1"}] if change == "rule" else [])
    await reopened(session, new if change == "folder" else old, rules=rules)
    replaced = [path for path in (*others, asked) if path.read_bytes() != b"the user's"]
    is_asked = not change or (change == "rule" and subdir)  # a requested folder precedes a rule
    assert set(replaced) == ({asked} if is_asked else set())


@pytest.mark.parametrize("strategy", ["skip", "overwrite"])
async def test_a_folder_named_like_the_url_stops_no_file_that_the_response_names(
    server: MisbehavingServer, tmp_path: Path, strategy: str
) -> None:
    (tmp_path / "download").mkdir()
    told = {"Content_Disposition": "attachment; filename=a.bin"}
    config = FileConfig(
        url=server.on("/a.bin/download", serving(BODY, **told)),
        file_exists_strategy=FileExistsStrategy(strategy),
    )
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert (tmp_path / "a.bin").read_bytes() == BODY


async def test_a_link_to_a_file_is_skipped_as_the_file(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    (tmp_path / "real").write_bytes(b"mine")
    (tmp_path / "a").symlink_to("real")
    manager, _ = await fetch(tmp_path, [FileConfig(url=server.on("/a", serving(BODY)))])
    assert manager.stats.skipped == 1 and not server.requests


LARGE = bytes(range(250)) * 4_000
"""A body of 1 MB: with aiohttp, a few bytes wait in memory for the next ones."""
HALF = len(LARGE) // 2


def put_in_the_way(path: Path, kind: str) -> None:
    if kind == "short file":
        path.write_bytes(b"x\n")
    elif kind == "link to a short file":
        (path.parent / "other").write_bytes(b"x\n")
        path.symlink_to("other")
    elif kind == "link to the right file":
        (path.parent / "other").write_bytes(LARGE)
        path.symlink_to("other")
    else:
        put_special(path, kind)


@pytest.mark.parametrize(
    "kind", ["short file", "link to a short file", "link to the right file", "fifo"]
)
@pytest.mark.parametrize("named", [False, True], ids=["name in URL", "name in response"])
async def test_a_file_that_took_the_name_is_refused_again_and_costs_no_byte(
    server: MisbehavingServer, tmp_path: Path, kind: str, named: bool
) -> None:
    told = {"Content_Disposition": "attachment; filename=a"} if named else {}
    gate = Gate(LARGE, HALF, ETag='"v"', **told)
    config = FileConfig(url=server.on("/get" if named else "/a", gate))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await waiting.until((tmp_path / "a.part").exists)  # the name is claimed
        put_in_the_way(tmp_path / "a", kind)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    assert error_of(manager, config) == f"file already exists: {tmp_path / 'a'}"
    for _ in range(2):
        manager, _ = await fetch(tmp_path, [FileConfig(url=config.url)])
        assert status_of(manager, config) is DownloadStatus.FAILED
        assert (tmp_path / "a.part").read_bytes() == LARGE
    (tmp_path / "a").unlink()
    manager, _ = await fetch(tmp_path, [FileConfig(url=config.url)])
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert (tmp_path / "a").read_bytes() == LARGE


async def begin_and_stop(folder: Path, config: FileConfig, gate: Gate) -> None:
    """Leave the first bytes of a download in its part file."""
    async with DownloadManager(download_dir=folder) as manager:
        await manager.add([config])
        await gate.reached.wait()
        part = folder / "a.part"
        await waiting.until(lambda: part.exists() and part.stat().st_size > 0)
        await manager.close()
    gate.opened.set()


@pytest.mark.parametrize(
    ("there", "wishes", "status"),
    [
        (b"x\n", {}, DownloadStatus.FAILED),
        (bytes(len(LARGE)), {}, DownloadStatus.SKIPPED),  # of the right size
        (LARGE[:2], {"size_bytes": 2}, DownloadStatus.SKIPPED),  # the user knows better
        (LARGE[:2], {"hash_config": known(LARGE[:2])}, DownloadStatus.SKIPPED),
        (b"x\n", {"file_exists_strategy": "overwrite"}, DownloadStatus.COMPLETED),
    ],
    ids=["another size", "right size", "size of the user", "hash of the user", "overwrite"],
)
async def test_the_size_in_the_state_of_the_download_is_a_known_size(
    server: MisbehavingServer,
    tmp_path: Path,
    there: bytes,
    wishes: dict[str, Any],
    status: DownloadStatus,
) -> None:
    gate = Gate(LARGE, HALF, ETag='"v"')
    url = server.on("/a", gate)
    await begin_and_stop(tmp_path, FileConfig(url=url), gate)
    (tmp_path / "a").write_bytes(there)
    config = FileConfig(url=url, **wishes)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) is status
    if status is DownloadStatus.FAILED:
        assert error_of(manager, config) == (
            "the existing a is not a regular file of 1,000,000 bytes; the file was not changed"
        )
        assert names_in(tmp_path) == ["a", "a.part", "a.part.state"]
    else:
        assert names_in(tmp_path) == ["a"]


async def test_the_size_in_the_state_of_another_download_says_nothing(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(LARGE, HALF, ETag='"v"')
    await begin_and_stop(tmp_path, FileConfig(url=server.on("/a", gate)), gate)
    (tmp_path / "a").write_bytes(b"x\n")
    config = FileConfig(url=server.on("/b", serving(BODY)), filename="a")
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) is DownloadStatus.SKIPPED


async def test_one_connection_is_enough_to_ask_for_the_size_of_a_file_that_a_response_names(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(BODY)
    (tmp_path / "b").write_bytes(b"short")
    configs = []
    for name in "ab":
        told = {"Content_Disposition": f"attachment; filename={name}"}
        url = server.on(f"/get{name}", serving(BODY, **told))
        configs.append(FileConfig(url=url, check_existing=True))
    manager, _ = await fetch(tmp_path, configs, connections_per_host=1)
    assert status_of(manager, configs[0]) is DownloadStatus.SKIPPED
    assert "the existing b has 5 bytes" in error_of(manager, configs[1])
    assert names_in(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("named", [False, True], ids=["name in URL", "name in response"])
async def test_links_of_one_name_wait_for_no_answer_of_the_server(
    server: MisbehavingServer, tmp_path: Path, named: bool
) -> None:
    """The host accepts one connection, which the first one needs to ask for the size."""
    (tmp_path / "a").write_bytes(BODY)
    told = {"Content_Disposition": "attachment; filename=a"} if named else {}
    configs = [
        FileConfig(
            url=server.on(f"/{number}{'' if named else '/a'}", serving(BODY, **told)),
            check_existing=True,
        )
        for number in range(4)
    ]
    async with DownloadManager(download_dir=tmp_path, max_concurrent=4) as manager:
        await manager.add(configs)
        await server.wait_for_requests(1)
        manager.set_limits(connections_per_host=1)
        await manager.wait_until_complete(timeout=60)
    assert names_in(tmp_path) == ["a", "a (1)", "a (2)", "a (3)"]
    assert manager.stats.skipped == 1 and manager.stats.completed == 3
