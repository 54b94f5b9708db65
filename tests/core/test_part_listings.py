"""Listings of folders: a part file is never overlooked for longer than they are believed."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.files import folder_of
from rheo_core.transfer import PartListings, part_listings
from rheo_core.transfer.part_names import stems_of_parts
from tests.core.engine import fetch, quick_retries, serving
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.scenarios import cut, in_turn

Until = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> Iterator[PartListings]:
    monkeypatch.setattr(part_listings, "_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(part_listings, "_MAX_AGE_SECONDS", 60.0)
    disk = DiskThreads(1)
    yield PartListings(disk)
    disk.close()


async def test_a_folder_without_part_files_is_free(
    listings: PartListings, tmp_path: Path, until: Until
) -> None:
    (tmp_path / "file.bin").touch()
    assert not listings.is_free(tmp_path)  # nobody has looked
    await until(lambda: listings.is_free(tmp_path))


@pytest.mark.parametrize(
    "name", ["x.part", "x.part.state", "x.0a1b2c3d.part.state", "Y.PART", "x (1).part"]
)
async def test_a_folder_with_a_part_file_of_anybody_is_not(
    listings: PartListings, tmp_path: Path, until: Until, name: str
) -> None:
    await until(lambda: listings.is_free(tmp_path))
    (tmp_path / name).touch()
    await until(lambda: not listings.is_free(tmp_path))


async def test_a_listing_is_not_believed_for_long(
    listings: PartListings, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until(lambda: listings.is_free(tmp_path))
    monkeypatch.setattr(part_listings, "_INTERVAL_SECONDS", 60.0)
    assert listings.is_free(tmp_path)
    monkeypatch.setattr(part_listings, "_MAX_AGE_SECONDS", 0.0)
    assert not listings.is_free(tmp_path)


async def test_no_listing_that_began_before_a_part_file_is_believed(
    listings: PartListings, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file is left while a thread lists the folder, and another one is slow."""
    began, go_on = threading.Event(), threading.Event()

    def slow_stems(folder: str, max_names: int) -> set[str]:
        began.set()
        go_on.wait(20)
        return set()

    await until(lambda: listings.is_free(tmp_path))
    monkeypatch.setattr(part_listings, "stems_of_parts", slow_stems)
    await until(lambda: listings.is_free(tmp_path) and began.is_set())
    listings.forget()
    for _ in range(3):
        assert not listings.is_free(tmp_path)
    go_on.set()
    await until(lambda: not listings._begun)
    assert not listings.is_free(tmp_path)
    await until(lambda: listings.is_free(tmp_path))


async def test_a_folder_with_very_many_names_is_not_free(
    listings: PartListings, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_listings, "_MAX_NAMES", 2)
    (tmp_path / "1").touch()
    (tmp_path / "2").touch()
    await until(lambda: listings.is_free(tmp_path))
    (tmp_path / "3").touch()
    await until(lambda: not listings.is_free(tmp_path))
    assert not listings.is_free(tmp_path / "missing")


async def test_a_retry_finds_the_part_file_of_the_attempt_before(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_listings, "_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(part_listings, "_MAX_AGE_SECONDS", 60.0)
    body, etag = body_of(1_000_000), '"1"'
    small = [server.on(f"/{number}", serving(b"small")) for number in range(3)]  # listed meanwhile
    large = server.on("/large", in_turn(cut(body, 400_000, ETag=etag), serving(body, ETag=etag)))
    configs = [FileConfig(url=url) for url in (*small, large)]
    await fetch(tmp_path, configs, max_concurrent=1, retry_handler=quick_retries())
    assert (tmp_path / "large").read_bytes() == body
    assert [each.range_start for each in server.requests][-2:] == [None, 400_000]


async def test_a_folder_is_listed_once_for_the_first_downloads_and_their_numbers(
    listings: PartListings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, listed = folder_of(str(tmp_path / "x")), list[Path | str]()

    def counted(folder: Path | str, max_names: int) -> set[str] | None:
        listed.append(folder)
        return stems_of_parts(folder, max_names)

    monkeypatch.setattr(part_listings, "_INTERVAL_SECONDS", 60.0)
    monkeypatch.setattr(part_listings, "stems_of_parts", counted)
    (tmp_path / "x (2).part").touch()
    assert not listings.is_free(folder)  # nobody has looked
    numbers = await asyncio.gather(*(listings.numbers(tmp_path / name) for name in "xxy"))
    assert [set(each) for each in numbers] == [{2}, {2}, set()]
    assert not listings.is_free(folder)
    assert listed == [folder]
