"""Files that are whole or not there."""

import builtins
import os
import stat
import time
from pathlib import Path

import pytest

from rheo_core.infrastructure.files import rename_without_clobbering, write_atomically
from tests.core.engine import names_in


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("old", [None, b"old and longer"])
def test_write(tmp_path: Path, mode: int, old: bytes | None) -> None:
    path = tmp_path / "a"
    if old is not None:
        path.write_bytes(old)
        path.chmod(0o777)
    previous = os.umask(0o077)
    try:
        write_atomically(path, b"new", mode)
    finally:
        os.umask(previous)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert names_in(tmp_path) == ["a"]


def test_private_unless_told_otherwise(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


MARK = b"marked "


@pytest.mark.parametrize("left", [b"", b"mar", MARK + b"half of something long", bytes(100)])
def test_what_a_crash_left_is_removed(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "a.new").touch(0o600)
    (tmp_path / "a.new").write_bytes(left)
    write_atomically(tmp_path / "a", MARK + b"new", mark=MARK)
    assert (tmp_path / "a").read_bytes() == MARK + b"new"
    assert names_in(tmp_path) == ["a"]


def put(path: Path, kind: str, victim: Path) -> None:
    match kind:
        case "file":
            path.write_bytes(b"theirs")
        case "private file":
            path.touch(0o600)
            path.write_bytes(b"theirs")
        case "empty file":
            path.touch(0o644)
        case "marked file of others":
            path.write_bytes(MARK + b"readable for everybody, as we make none")
        case "hard link":
            path.hardlink_to(victim)
        case "link":
            path.symlink_to(victim)
        case "dangling link":
            path.symlink_to("nowhere")
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()


@pytest.mark.parametrize("mark", [b"", MARK])
@pytest.mark.parametrize(
    "kind",
    [
        *("file", "private file", "empty file", "marked file of others"),
        *("hard link", "link", "dangling link", "fifo", "folder"),
    ],
)
def test_what_others_put_in_the_way_stays(tmp_path: Path, kind: str, mark: bytes) -> None:
    """The obstacle is neither written through nor removed, and the new content arrives."""
    victim = tmp_path / "victim"
    victim.touch(0o600)
    victim.write_bytes(MARK + b"victim")
    put(tmp_path / "a.new", kind, victim)
    before = [(tmp_path / name).lstat() for name in ("a.new", "victim")]
    for data in (b"first", b"second"):
        write_atomically(tmp_path / "a", data, mark=mark)
        assert (tmp_path / "a").read_bytes() == data
    assert [(tmp_path / name).lstat() for name in ("a.new", "victim")] == before
    assert victim.read_bytes() == MARK + b"victim"
    assert names_in(tmp_path) == ["a", "a.new", "victim"]


def test_leftovers_under_random_names_are_swept(tmp_path: Path) -> None:
    """If they are ours and old: a young one may be of a program that runs."""
    ours, young, theirs, linked = (f".rheo-{digit * 16}.new" for digit in "abcd")
    for name in (ours, young, theirs, linked, ".rheo-short.new", ".rheo-aaaaaaaaaaaaaaaa.newer"):
        (tmp_path / name).touch(0o644 if name == theirs else 0o600)
        os.utime(tmp_path / name, (0, time.time() - (60 if name == young else 100_000)))
    (tmp_path / "another name").hardlink_to(tmp_path / linked)
    left = set(names_in(tmp_path)) - {ours}
    write_atomically(tmp_path / "a", b"new")
    assert set(names_in(tmp_path)) == left | {"a"}


def test_a_temporary_file_that_was_replaced_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced(descriptor: int) -> None:
        (name,) = names_in(tmp_path)
        (tmp_path / name).unlink()
        (tmp_path / name).write_bytes(b"theirs")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", replaced)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "a", b"new")
    (name,) = names_in(tmp_path)
    assert (tmp_path / name).read_bytes() == b"theirs"


@pytest.mark.parametrize("step", ["fsync", "write"])
def test_a_failure_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a"]


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "a", b"new")
    assert names_in(tmp_path) == ["a"]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "no" / "a", b"new")


def test_links_are_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"victim")
    path = tmp_path / "a"
    path.symlink_to(victim)
    write_atomically(path, b"new")
    assert victim.read_bytes() == b"victim"
    assert not path.is_symlink()


@pytest.fixture(params=["links", "no links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With hard links and on a file system without."""
    if request.param == "no links":

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("links")
def test_rename(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"a")
    rename_without_clobbering(source, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"a"
    assert names_in(tmp_path) == ["b"]


@pytest.mark.usefixtures("links")
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_rename_never_clobbers(tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"a")
    match kind:
        case "file":
            target.write_bytes(b"b")
        case "folder":
            target.mkdir()
        case _:
            target.symlink_to("nowhere")
    with pytest.raises(builtins.FileExistsError):
        rename_without_clobbering(source, target)
    assert source.read_bytes() == b"a"
    assert names_in(tmp_path) == ["a", "b"]
    assert target.is_symlink() == (kind == "dangling link")
    if kind == "file":
        assert target.read_bytes() == b"b"


def test_rename_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rename_without_clobbering(tmp_path / "a", tmp_path / "b")
