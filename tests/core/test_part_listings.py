"""Listings of folders: a part file is never overlooked for longer than they are believed."""

import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.transfer import PartListings, part_listings

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


@pytest.mark.parametrize("name", ["x.part", "x.part.state", "x.0a1b2c3d.part.state", "y.PART.part"])
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
    await until(lambda: listings.is_free(tmp_path))
    monkeypatch.setattr(part_listings, "_INTERVAL_SECONDS", 60.0)
    listings.forget()
    assert not listings.is_free(tmp_path)
    listings._list(str(tmp_path), time.monotonic() - 1)  # a thread that was slow
    assert not listings.is_free(tmp_path)


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
