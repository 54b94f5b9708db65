"""Links of one name: the n-th link is the n-th name, and a second run changes nothing."""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, FileExistsStrategy
from rheo_core.domain.rules import Rule
from rheo_core.downloads import path_check, path_claim, worker
from rheo_core.downloads.path_check import PathCheck, PathCheckRequest, check_path
from rheo_core.infrastructure.file_metadata import source_at
from rheo_core.infrastructure.files import folds_names
from tests import waiting
from tests.core.engine import Gate, fetch, names_in, quick_retries, serving, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import cut

OVERWRITE = FileExistsStrategy.OVERWRITE
BODY = body_of(3_000_000)
COUNT = 6
NAMES = ["same.txt", *(f"same ({number}).txt" for number in range(1, COUNT))]


def bodies(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def place(server: MisbehavingServer, *, named_by_response: bool = False) -> list[FileConfig]:
    """Put files of one name on the server; the first is the slowest."""

    def response(number: int) -> Callable[[Exchange], Any]:
        async def serve(exchange: Exchange) -> None:
            await asyncio.sleep(0.02 * (COUNT - number))
            told = {"Content_Disposition": "attachment; filename=same.txt"}
            await exchange.serve(f"file {number}".encode(), **(told if named_by_response else {}))

        return serve

    last = "get" if named_by_response else "same.txt"
    return [
        FileConfig(
            url=server.on(
                f"/{number}/{last}{number if named_by_response else ''}", response(number)
            )
        )
        for number in range(COUNT)
    ]


@pytest.fixture(params=["with attributes", "without attributes"])
def attributes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    has_attributes: bool = request.param == "with attributes"
    if not has_attributes:
        monkeypatch.setattr(path_claim, "source_at", lambda _: None)
        monkeypatch.setattr(path_check, "source_at", lambda _: None)
    return has_attributes


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.usefixtures("attributes")
async def test_the_nth_link_is_the_nth_name_and_a_second_run_asks_nothing(
    server: MisbehavingServer, tmp_path: Path, workers: int
) -> None:
    configs = place(server)
    await fetch(tmp_path, configs, max_concurrent=8)
    before = bodies(tmp_path)
    assert before == {name: f"file {number}".encode() for number, name in enumerate(NAMES)}
    asked = len(server.requests)
    manager, _ = await fetch(tmp_path, configs, max_concurrent=workers)
    assert bodies(tmp_path) == before and len(server.requests) == asked
    assert manager.stats.skipped == COUNT


@pytest.mark.parametrize("workers", [1, 8])
async def test_names_from_responses_are_found_again_by_their_links(
    server: MisbehavingServer, tmp_path: Path, workers: int
) -> None:
    configs = place(server, named_by_response=True)
    await fetch(tmp_path, configs, max_concurrent=8)
    before = bodies(tmp_path)
    assert sorted(before) == sorted(NAMES)
    manager, _ = await fetch(tmp_path, configs, max_concurrent=workers)
    assert bodies(tmp_path) == before and manager.stats.skipped == COUNT


@pytest.mark.parametrize("is_one_run", [True, False])
async def test_one_link_that_was_added_twice_is_one_file(
    server: MisbehavingServer, tmp_path: Path, is_one_run: bool
) -> None:
    """With another name of its own it is another download, but its response names the same file."""
    told = {"Content_Disposition": "attachment; filename=same.txt"}
    url = server.on("/get", lambda exchange: exchange.serve(b"the file", **told))
    twice = [FileConfig(url=url, filename="same.txt"), FileConfig(url=url)]
    assert twice[0].id != twice[1].id
    for some in [twice] if is_one_run else [[each] for each in twice]:
        await fetch(tmp_path, some, max_concurrent=1)
    assert bodies(tmp_path) == {"same.txt": b"the file"}


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.usefixtures("attributes")
async def test_the_files_of_links_that_are_not_known_any_more_stand_for_the_same_numbers(
    server: MisbehavingServer, tmp_path: Path, workers: int
) -> None:
    """Their signatures were renewed, or the user has another key than in the first run."""
    paths = [f"/{number}/same.txt" for number in range(40)]

    def links(signature: str) -> list[FileConfig]:
        urls = [f"{path}?X-Amz-Signature={signature}" for path in paths]
        return [FileConfig(url=server.on(url, serving(url.encode()))) for url in urls]

    await fetch(tmp_path, links("old"), max_concurrent=8)
    before = bodies(tmp_path)
    assert len(before) == len(paths)
    asked = len(server.requests)
    manager, _ = await fetch(tmp_path, links("new"), max_concurrent=workers)
    assert manager.stats.skipped == len(paths)
    assert bodies(tmp_path) == before and len(server.requests) == asked


@pytest.mark.parametrize("workers", [1, 8])
async def test_a_link_that_was_never_fetched_is_not_skipped_for_anothers_file(
    server: MisbehavingServer, tmp_path: Path, workers: int
) -> None:
    """The list got a new first line, or the first link failed last time."""
    configs = place(server)
    await fetch(tmp_path, configs[1:], max_concurrent=8)
    if not source_at(tmp_path / "same.txt"):
        pytest.skip("needs extended attributes")
    await fetch(tmp_path, configs, max_concurrent=workers)
    assert sorted(bodies(tmp_path).values()) == [f"file {n}".encode() for n in range(COUNT)]


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.usefixtures("attributes")
async def test_a_run_that_ended_early_is_completed(
    server: MisbehavingServer, tmp_path: Path, workers: int
) -> None:
    configs = place(server)
    await fetch(tmp_path, configs, max_concurrent=8)
    (tmp_path / NAMES[0]).unlink()
    (tmp_path / NAMES[3]).unlink()
    await fetch(tmp_path, configs, max_concurrent=workers)
    assert bodies(tmp_path) == {name: f"file {n}".encode() for n, name in enumerate(NAMES)}


async def test_a_file_of_somebody_else_stands_for_one_link(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    (tmp_path / "same.txt").write_bytes(b"mine")
    await fetch(tmp_path, place(server), max_concurrent=8)
    assert bodies(tmp_path)["same.txt"] == b"mine" and names_in(tmp_path) == sorted(NAMES)


async def test_a_failed_download_does_not_keep_its_name(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    first, second = place(server)[:2]
    failing = FileConfig(url=server.url("/nothing/same.txt"))
    async with DownloadManager(download_dir=tmp_path) as manager:
        for config in (failing, first, second):
            await manager.add([config])
            await manager.wait_until_complete()
    assert names_in(tmp_path) == NAMES[1:2] + NAMES[:1]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("exists", ["skip", "rename", "overwrite"])
@pytest.mark.parametrize("filename", [None, "my (1) file.bin"])
async def test_a_retry_takes_another_number_if_its_own_is_taken(
    server: MisbehavingServer, tmp_path: Path, exists: str, filename: str | None, restarts: bool
) -> None:
    """The new number replaces the former one."""
    folder, session = tmp_path / "files", tmp_path / "session.db"
    name = filename or "same.bin"
    urls = [server.on(f"/{n}/same.bin", serving(BODY + bytes([n]))) for n in range(2)]
    urls.append(server.url("/2/same.bin"))  # 404
    configs = [FileConfig(url=url, filename=filename) for url in urls]

    def opened() -> DownloadManager:
        return DownloadManager(
            download_dir=folder,
            session_path=session,
            file_exists_strategy=FileExistsStrategy(exists),
            max_concurrent=1,
        )

    async def retry(manager: DownloadManager) -> None:
        stem, _, extension = name.rpartition(".")
        server.on("/2/same.bin", serving(BODY + bytes([2])))
        await manager.retry(configs[2].id)
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, configs[2]) is DownloadStatus.COMPLETED
        found = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert found == {
            name: BODY + bytes([0]),
            f"{stem} (1).{extension}": BODY + bytes([1]),
            f"{stem} (2).{extension}": BODY + bytes([3]),
            f"{stem} (3).{extension}": BODY + bytes([2]),
        }

    async with opened() as manager:
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, configs[2]) is DownloadStatus.FAILED
        url = server.on("/3/same.bin", serving(BODY + bytes([3])))
        await manager.add([FileConfig(url=url, filename=filename)])
        await manager.wait_until_complete(timeout=60)
        if not restarts:
            await retry(manager)
    if restarts:
        async with opened() as manager:
            await retry(manager)


@pytest.mark.parametrize("named_by_response", [False, True])
async def test_overwrite_replaces_the_same_files_in_every_run(
    server: MisbehavingServer, tmp_path: Path, named_by_response: bool
) -> None:
    configs = place(server, named_by_response=named_by_response)
    for _ in range(3):
        await fetch(tmp_path, configs, max_concurrent=8, file_exists_strategy=OVERWRITE)
        assert names_in(tmp_path) == sorted(NAMES)


@pytest.mark.parametrize("strategy", ["skip", "overwrite", "rename"])
@pytest.mark.parametrize("names", [0, 40], ids=["new folder", "folder with foreign files"])
@pytest.mark.halved("strategy", "names")
async def test_many_links_that_responses_give_one_name_look_at_few_files_each(
    server: MisbehavingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
    names: int,
) -> None:
    looks: list[Path] = []

    def noted(request: PathCheckRequest) -> PathCheck:
        looks.append(request.part.destination)
        return check_path(request)

    monkeypatch.setattr(worker, "check_path", noted)
    for number in range(names):
        (tmp_path / (f"same ({number}).txt" if number else "same.txt")).write_bytes(b"mine")
    told = {"Content_Disposition": "attachment; filename=same.txt"}
    links = [server.on(f"/get{n}", serving(f"file {n}".encode(), **told)) for n in range(60)]
    configs = [FileConfig(url=link) for link in links]
    for _ in range(2):
        looks.clear()
        await fetch(
            tmp_path, configs, max_concurrent=4, file_exists_strategy=FileExistsStrategy(strategy)
        )
        assert len(looks) < 8 * (len(links) + names)
    found = list(bodies(tmp_path).values())
    assert found.count(b"mine") >= names - (strategy == "overwrite")
    for number in range(len(links)):
        copies = found.count(f"file {number}".encode())
        assert copies == (2 if strategy == "rename" else 1) or (strategy, names) == ("skip", 40)


async def test_overwrite_replaces_no_file_of_a_number_that_a_response_caused(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Nobody asked for that name, only for the one of the response."""
    (tmp_path / "same (1).txt").write_bytes(b"mine")
    for _ in range(2):
        configs = place(server, named_by_response=True)[:2]
        await fetch(tmp_path, configs, max_concurrent=8, file_exists_strategy=OVERWRITE)
        assert bodies(tmp_path).pop("same (1).txt") == b"mine"
        assert names_in(tmp_path) == ["same (1).txt", "same (2).txt", "same.txt"]


@pytest.mark.parametrize(
    "disposition",
    ["attachment; filename=thesis.txt", "inline; filename*=UTF-8''thesis.txt",
     "filename=thesis.txt"],
)  # fmt: skip
async def test_overwrite_replaces_no_file_that_only_a_response_named(
    server: MisbehavingServer, tmp_path: Path, disposition: str
) -> None:
    """Otherwise a server would choose which file of the user is lost."""
    (tmp_path / "thesis.txt").write_bytes(b"mine")
    config = FileConfig(url=server.on("/a.txt", serving(b"x", Content_Disposition=disposition)))
    has_attributes = source_at(tmp_path / "thesis.txt") is not None
    for _ in range(2):
        await fetch(tmp_path, [config], file_exists_strategy=OVERWRITE)
        found = bodies(tmp_path)
        assert (found.pop("thesis.txt"), set(found.values())) == (b"mine", {b"x"})
    assert not has_attributes or names_in(tmp_path) == ["thesis (1).txt", "thesis.txt"]


async def test_overwrite_replaces_no_file_of_a_name_in_a_response_that_appears_meanwhile(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(BODY, 10, Content_Disposition="attachment; filename=thesis.bin")
    config = FileConfig(url=server.on("/a.bin", gate))
    async with DownloadManager(download_dir=tmp_path, file_exists_strategy=OVERWRITE) as manager:
        await manager.add([config])
        await waiting.until(lambda: (tmp_path / "thesis.bin.part").exists())
        (tmp_path / "thesis.bin").write_bytes(b"mine")
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    assert bodies(tmp_path).pop("thesis.bin") == b"mine"


async def test_overwrite_replaces_no_file_in_a_folder_that_only_a_response_chose(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.txt").write_bytes(b"mine")
    url = server.on("/a.txt", serving(b"x", Content_Type="image/png"))
    rules = [Rule(folder="pictures", type="image/*")]
    await fetch(tmp_path, [FileConfig(url=url)], file_exists_strategy=OVERWRITE, rules=rules)
    assert bodies(tmp_path / "pictures") == {"a.txt": b"mine", "a (1).txt": b"x"}


@pytest.mark.parametrize("filename", [None, "thesis.txt"])
async def test_overwrite_replaces_the_file_that_was_asked_for(
    server: MisbehavingServer, tmp_path: Path, filename: str | None
) -> None:
    told = {"Content_Disposition": "attachment; filename=a.txt"}
    config = FileConfig(url=server.on("/a.txt", serving(b"x", **told)), filename=filename)
    (tmp_path / (filename or "a.txt")).write_bytes(b"old")
    await fetch(tmp_path, [config], file_exists_strategy=OVERWRITE)
    assert bodies(tmp_path) == {filename or "a.txt": b"x"}


async def test_overwrite_replaces_no_foreign_file_with_the_name_of_the_nth_link(
    server: MisbehavingServer, tmp_path: Path, attributes: bool
) -> None:
    """Without attributes it may be that of an earlier run."""
    (tmp_path / "same (1).txt").write_bytes(b"mine")
    for _ in range(2):
        await fetch(tmp_path, place(server)[:2], file_exists_strategy=OVERWRITE)
        if attributes and source_at(tmp_path / "same.txt") is None:
            pytest.skip("needs extended attributes")
        expected = {"same.txt": b"file 0", "same (1).txt": b"file 1"}
        if attributes:
            expected |= {"same (1).txt": b"mine", "same (2).txt": b"file 1"}
        assert bodies(tmp_path) == expected


async def test_overwrite_replaces_no_file_of_a_number_while_a_response_holds_the_name(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(BODY, 10, Content_Disposition="attachment; filename=same.txt")
    slow = FileConfig(url=server.on("/slow", gate))
    config = FileConfig(url=server.on("/same.txt", serving(b"asked for")))
    (tmp_path / "same (1).txt").write_bytes(b"mine")
    async with DownloadManager(download_dir=tmp_path, file_exists_strategy=OVERWRITE) as manager:
        await manager.add([slow])
        await waiting.until(lambda: (tmp_path / "same.txt.part").exists())
        await manager.add([config])
        await waiting.until(lambda: status_of(manager, config) is DownloadStatus.COMPLETED)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    assert bodies(tmp_path) == {
        "same.txt": BODY,
        "same (1).txt": b"mine",
        "same (2).txt": b"asked for",
    }


@pytest.mark.parametrize("fails_once", [False, True])
async def test_overwrite_replaces_no_file_of_a_number_that_appears_meanwhile(
    server: MisbehavingServer, tmp_path: Path, fails_once: bool
) -> None:
    begun = FileConfig(url=server.on("/a", cut(BODY, 1_000_000, ETag='"1"')), filename="f.bin")
    await fetch(tmp_path, [begun], retry_handler=quick_retries(0))
    assert (tmp_path / "f.bin.part").exists()
    mine = tmp_path / "f (1).bin"

    async def serve(exchange: Exchange) -> None:
        if not mine.exists():
            mine.write_bytes(b"mine")
            if fails_once:
                return await exchange.head("503 Service Unavailable", Content_Length=0)
        return await exchange.serve(b"theirs")

    config = FileConfig(url=server.on("/b", serve), filename="f.bin")
    await fetch(tmp_path, [config], file_exists_strategy=OVERWRITE, retry_handler=quick_retries(1))
    assert mine.read_bytes() == b"mine"
    assert b"theirs" in bodies(tmp_path).values()


FOLDS: dict[str, Callable[[str], str]] = {
    "case": str.lower,
    "form": lambda name: unicodedata.normalize("NFC", name),
}


@pytest.fixture(params=FOLDS)
def folding_disk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """Make the file system take two spellings for one name, as macOS and exFAT do."""
    fold, root = FOLDS[request.param], f"{tmp_path}/"

    def folded(value: Any) -> Any:
        text = os.fspath(value) if isinstance(value, str | os.PathLike) else value
        if not isinstance(text, str) or not text.startswith(root):
            return value
        return root + fold(text.removeprefix(root))

    def wrap(name: str) -> None:
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, **kw: real(*(folded(each) for each in args), **kw)
        )

    for name in ("open", "lstat", "stat", "link", "rename", "replace", "unlink", "access"):
        wrap(name)
    wrap("getxattr")
    return ("README.md", "readme.md") if request.param == "case" else ("\xe9.txt", "e\u0301.txt")


def test_a_folder_is_asked_whether_it_folds(
    tmp_path: Path, folding_disk: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert folds_names(tmp_path)
    assert not folds_names(tmp_path_factory.mktemp("plain"))
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("size", [1_000, 1_000_000], ids=["small", "large"])
@pytest.mark.parametrize("workers", [1, 2])
async def test_two_spellings_of_one_name_are_two_files(
    server: MisbehavingServer,
    tmp_path: Path,
    folding_disk: tuple[str, str],
    workers: int,
    size: int,
) -> None:
    expected = [name[:1].encode() * size for name in folding_disk]
    if folding_disk[0][0] == folding_disk[1][0]:
        expected[1] = b"x" * size

    def response(body: bytes) -> Callable[[Exchange], Any]:
        return lambda exchange: exchange.serve(body, ETag='"1"')

    configs = [
        FileConfig(url=server.on(f"/{number}", response(body)), filename=name)
        for number, (name, body) in enumerate(zip(folding_disk, expected, strict=True))
    ]
    for _ in range(2):  # the second run finds both
        manager, _ = await fetch(tmp_path, configs, max_concurrent=workers)
        assert manager.stats.failed == 0
        assert sorted(bodies(tmp_path).values()) == sorted(expected)


async def test_two_spellings_stay_two_names_where_the_disk_tells_them_apart(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    configs = [
        FileConfig(url=server.on(f"/{name}", lambda exchange: exchange.serve(b"x")), filename=name)
        for name in ("README.md", "readme.md")
    ]
    await fetch(tmp_path, configs, max_concurrent=2)
    assert names_in(tmp_path) == ["README.md", "readme.md"]
