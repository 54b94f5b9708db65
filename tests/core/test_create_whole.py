"""Files that are created with all of their bytes at once, and systems that cannot do it."""

import builtins
import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from rheo_core.infrastructure.files import create_whole
from tests.core.engine import names_in
from tests.untouched import file_state

DATA = bytes(range(256)) * 40


def failing(code: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("data", [b"", b"a", DATA])
def test_it_is_there_whole(tmp_path: Path, data: bytes) -> None:
    before = open_descriptors()
    assert create_whole(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == data
    assert (tmp_path / "a").stat().st_nlink == 1
    assert names_in(tmp_path) == ["a"]
    assert open_descriptors() == before


def test_it_has_no_name_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at in each of the calls that make it."""
    seen: list[list[str]] = []

    def looking(call: Any) -> Any:
        def look(*arguments: Any, **options: Any) -> Any:
            seen.append(names_in(tmp_path))
            return call(*arguments, **options)

        return look

    for name in ("write", "fsync", "link"):
        monkeypatch.setattr(os, name, looking(getattr(os, name)))
    assert create_whole(tmp_path / "a", DATA)
    assert seen == [[], [], []]


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling link"])
def test_a_taken_name_stays_what_it_is(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "a", tmp_path / "other"
    other.write_bytes(b"other")
    match kind:
        case "file":
            path.write_bytes(b"theirs")
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(other)
        case _:
            path.symlink_to("nowhere")
    before, descriptors = file_state(path), open_descriptors()
    with pytest.raises(builtins.FileExistsError):
        create_whole(path, DATA)
    assert file_state(path) == before
    assert other.read_bytes() == b"other"
    assert names_in(tmp_path) == ["a", "other"]
    assert open_descriptors() == descriptors


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "some" / "where" / "a"
    assert create_whole(path, DATA)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("durable", [True, False])
def test_syncing_is_a_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    """All bytes are there before the sync, and the name comes after it."""
    calls: list[tuple[str, int]] = []
    fsync, link = os.fsync, os.link

    def sync(descriptor: int) -> None:
        calls.append(("fsync", os.fstat(descriptor).st_size))
        fsync(descriptor)

    def name(source: str, target: Path, **options: Any) -> None:
        calls.append(("link", Path(source).stat().st_size))
        link(source, target, **options)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "link", name)
    assert create_whole(tmp_path / "a", DATA, durable=durable)
    synced = [("fsync", len(DATA))] if durable else []
    assert calls == [*synced, ("link", len(DATA))]


@pytest.mark.parametrize("share", [1, 999, len(DATA) - 1])
def test_writes_that_take_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:share]))
    assert create_whole(tmp_path / "a", DATA)
    assert (tmp_path / "a").read_bytes() == DATA


def test_the_umask_decides_on_the_mode(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        assert create_whole(tmp_path / "a", b"data")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


# Where it cannot be


@pytest.mark.parametrize("folder", [".", "new"])
@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.EACCES])
def test_a_file_system_without_such_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, folder: str
) -> None:
    """FAT says the first, an old kernel the second; in a folder that is there, and a new one."""
    real = os.open

    def refuse(path: Any, flags: int, *more: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE and Path(path).exists():
            raise OSError(code, os.strerror(code))
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", refuse)
    assert not create_whole(tmp_path / folder / "a", DATA)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_system_without_such_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    assert not create_whole(tmp_path / "a", DATA)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EXDEV, errno.EPERM])
def test_a_system_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    before = open_descriptors()
    with monkeypatch.context() as context:
        context.setattr(os, "link", failing(code))
        assert not create_whole(tmp_path / "a", DATA)
    assert names_in(tmp_path) == []
    assert open_descriptors() == before


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"theirs")
    assert not create_whole(tmp_path / "file" / "a", DATA)
    assert not create_whole(tmp_path / "file" / "deeper" / "a", DATA)
    assert (tmp_path / "file").read_bytes() == b"theirs"


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    before = open_descriptors()
    with monkeypatch.context() as context, pytest.raises(OSError) as caught:
        context.setattr(os, call, failing(code))
        create_whole(tmp_path / "a", DATA)
    assert caught.value.errno == code
    assert names_in(tmp_path) == []
    assert open_descriptors() == before
