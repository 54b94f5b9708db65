"""Destinations: strategies, numbered names and links."""

import os
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, FileExistsStrategy
from rheo_core.domain.exceptions import DestinationError, FileExistsError
from rheo_core.downloads import DestinationResolver
from rheo_core.downloads.destination import check_inside
from rheo_core.downloads.file_naming import numbered
from tests.core.engine import Gate, error_of, names_in, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of

STRATEGIES = list(FileExistsStrategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_free_path_is_taken(tmp_path: Path, strategy: FileExistsStrategy) -> None:
    path = tmp_path / "no" / "such" / "file"
    assert await DestinationResolver(strategy).resolve(path) == path
    assert not path.parent.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
async def test_what_exists(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.txt"
    match kind:
        case "file":
            path.touch()
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to("nowhere")
    resolver = DestinationResolver()
    assert await resolver.resolve(path) is None
    assert await resolver.resolve(path, FileExistsStrategy.OVERWRITE) == path
    assert await resolver.resolve(path, FileExistsStrategy.RENAME) == tmp_path / "a (1).txt"
    with pytest.raises(FileExistsError) as caught:
        await resolver.resolve(path, FileExistsStrategy.ERROR)
    assert caught.value.path == path


async def test_the_default_and_what_overrides_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    resolver = DestinationResolver(FileExistsStrategy.OVERWRITE)
    assert await resolver.resolve(path) == path
    assert await resolver.resolve(path, FileExistsStrategy.SKIP) is None


async def test_rename_takes_the_first_free_number(tmp_path: Path) -> None:
    for name in ("a.txt", "a (1).txt", "a (3).txt"):
        (tmp_path / name).touch()
    resolver = DestinationResolver(FileExistsStrategy.RENAME)
    assert await resolver.resolve(tmp_path / "a.txt") == tmp_path / "a (2).txt"


@pytest.mark.parametrize("name", ["a" * 236 + ".txt", "é" * 118 + ".txt", "a" * 240])
def test_numbered_names_of_a_long_name_differ(name: str) -> None:
    assert len({numbered(Path(name), number).name for number in range(4)}) == 4


async def test_a_name_with_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.txt")
    path.touch()
    assert await DestinationResolver().resolve(path) is None


def test_a_folder_of_links_in_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sub").symlink_to("sub")
    with pytest.raises(DestinationError, match="is a circular link"):
        check_inside(tmp_path / "sub" / "a", "sub")


@pytest.mark.parametrize("size", [100_000, 3_000_000])
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_link_in_place_of_the_folder_of_a_list_leads_no_file_outside(
    server: MisbehavingServer, tmp_path: Path, size: int, strategy: FileExistsStrategy
) -> None:
    """Others may write in a shared folder while the file is fetched."""
    folder, outside = tmp_path / "shared", tmp_path / "outside"
    outside.mkdir()
    if strategy is FileExistsStrategy.OVERWRITE:
        (outside / "f").write_text("of the user")
    before = names_in(outside)
    gate = Gate(body_of(size), size // 2)
    config = FileConfig(
        url=server.on("/f", gate), destination_subdir="sub", file_exists_strategy=strategy
    )
    async with DownloadManager(download_dir=folder) as manager:
        await manager.add([config])
        await gate.reached.wait()
        if (folder / "sub").exists():
            (folder / "sub").rename(folder / "moved")
        folder.mkdir(exist_ok=True)
        (folder / "sub").symlink_to(outside)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    assert status_of(manager, config) is DownloadStatus.FAILED
    assert "cannot write" in error_of(manager, config)
    assert names_in(outside) == before
    if before:
        assert (outside / "f").read_text() == "of the user"
