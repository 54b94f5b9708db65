"""File systems that do not count the names of an open file, or number each name on its own."""

import logging
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.infrastructure import identity
from tests.core.engine import fetch, names_in, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.scenarios import whole

REPLACED = "was replaced by another program"


@pytest.fixture(autouse=True)
def _untried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_link_count_support", {})


@pytest.fixture
def hiding(monkeypatch: pytest.MonkeyPatch) -> None:
    """As NFS does: what is removed while it is open keeps a hidden name until it is closed."""
    number = count()

    def hide(path: Path) -> None:
        path.rename(path.with_name(f".nfs{next(number):08}"))

    monkeypatch.setattr(Path, "unlink", hide)


@pytest.fixture(params=["bindfs", "mergerfs"])
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder of a real file system of FUSE."""
    program = shutil.which(request.param)
    below, folder = tmp_path / "below", tmp_path / "mounted"
    below.mkdir()
    folder.mkdir()
    if program is None or subprocess.run([program, below, folder], check=False).returncode:
        pytest.skip(f"{request.param} cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.usefixtures("hiding")
def test_a_hidden_name_is_no_program_that_replaced_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        assert identity.unlink_open(path, file.fileno())
    assert not path.exists() and caplog.text == ""


def test_a_file_that_was_replaced_while_it_was_removed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, real = tmp_path / "a", Path.unlink

    def slip_in(asked: Path) -> None:
        if asked == path:
            path.rename(tmp_path / "b")
            path.write_bytes(b"theirs")
        real(asked)

    monkeypatch.setattr(Path, "unlink", slip_in)
    with path.open("wb") as file:
        assert identity.unlink_open(path, file.fileno())
    assert f"{path} {REPLACED} while it was removed" in caplog.text
    assert names_in(tmp_path) == ["b"]  # nothing is left of the trial


@pytest.mark.parametrize("size", [900, 600_000])
@pytest.mark.parametrize("strategy", ["skip", "overwrite", "rename"])
async def test_downloads_to_file_systems_of_fuse(
    server: MisbehavingServer,
    mounted: Path,
    caplog: pytest.LogCaptureFixture,
    size: int,
    strategy: str,
) -> None:
    caplog.set_level(logging.WARNING)
    body = body_of(size)
    if strategy != "skip":
        (mounted / "file.bin").write_bytes(b"old")
    url = server.on("/file.bin", whole(body, ETag='"v1"'))
    config = FileConfig(url=url, file_exists_strategy=strategy)
    manager, _ = await fetch(mounted, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    name = "file (1).bin" if strategy == "rename" else "file.bin"
    assert (mounted / name).read_bytes() == body
    assert names_in(mounted) == sorted({"file.bin", name})
    assert REPLACED not in caplog.text


@pytest.mark.parametrize("is_left", [False, True])
def test_a_file_that_cannot_be_replaced_leaves_no_second_name(
    tmp_path: Path, is_left: bool
) -> None:
    """As if it were immutable, here because it is a folder; a crash may have left the name."""
    part, spare, target = tmp_path / "a.part", tmp_path / "a.part.new", tmp_path / "a"
    target.mkdir()
    with part.open("w+b") as file:
        file.write(b"data")
        file.flush()
        if is_left:
            spare.hardlink_to(part)
        with pytest.raises(IsADirectoryError):
            identity.take_name(file.fileno(), part, target, spare)
    assert names_in(tmp_path) == ["a", "a.part"]
    assert part.read_bytes() == b"data"


def test_the_second_name_of_another_file_is_left_alone(tmp_path: Path) -> None:
    part, spare, target = tmp_path / "a.part", tmp_path / "a.part.new", tmp_path / "a"
    target.mkdir()
    spare.write_bytes(b"of another program")
    with part.open("w+b") as file, pytest.raises(IsADirectoryError):
        identity.take_name(file.fileno(), part, target, spare)
    assert spare.read_bytes() == b"of another program"
