"""Part files whose bytes wait in memory for the commit."""

import errno
import hashlib
import os
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest

from rheo_core.domain.exceptions import DestinationError, DiskFullError, FileExistsError
from rheo_core.domain.hash_validation import HashAlgorithm
from rheo_core.infrastructure import identity
from rheo_core.transfer import (
    Commit,
    PartFile,
    PartOwner,
    commit,
    committing,
    give_final_name,
    keep_unverified,
    make_names_durable,
    part_opening,
    part_state,
    reject,
)
from rheo_core.transfer.part_marks import has_any_mark
from rheo_core.transfer.segments import WrittenRange
from rheo_core.transfer.validators import Validator
from tests.core.engine import names_in, sha256
from tests.faults.disk import state_of
from tests.untouched import file_state

DATA = bytes(range(200))
LARGEST = 256 << 10
WEAK, STRONG = Validator(), Validator('"a"')
ALL = (WrittenRange(0, 200, zlib.crc32(DATA)),)


@pytest.fixture
def part(tmp_path: Path) -> PartFile:
    return holding(tmp_path / "a.bin")


@pytest.fixture(params=["whole", "ordinary"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With files that are created whole, and on a system without."""
    if request.param == "ordinary":
        monkeypatch.setattr(committing, "create_whole", lambda *_, **__: None)
    return str(request.param)


def holding(
    destination: Path, data: bytes | memoryview = DATA, validator: Validator = WEAK
) -> PartFile:
    """A part file as the transfer leaves it where all came at once."""
    part = PartFile(destination, PartOwner("source"))
    part.expect(len(data), validator)
    part.buffer(data)
    return part


def failing(code: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_what_may_wait(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "a.bin", PartOwner("source"))
    assert part.fits_in_memory(1) and part.fits_in_memory(LARGEST)
    assert not part.fits_in_memory(0)
    assert not part.fits_in_memory(LARGEST + 1)
    assert not part.fits_in_memory(None)
    part.open()
    assert not part.fits_in_memory(1)
    part.discard()


def test_nothing_is_on_the_disk_before_the_commit(part: PartFile) -> None:
    assert part.is_buffering and not part.is_open and not part.is_begun
    assert names_in(part.destination.parent) == []


def test_commits_of_one_turn_share_a_sync_of_each_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, either_way: str
) -> None:
    synced, announced = list[str](), list[Path]()
    monkeypatch.setattr(committing, "sync_folder", lambda folder: synced.append(str(folder)))
    monkeypatch.setattr(committing, "announce", announced.append)
    paths = [tmp_path / folder / name for folder in ("x", "y") for name in ("a", "b", "c")]
    requests = [Commit(holding(path), len(DATA), overwrite=False) for path in paths]
    unsafe = PartFile(tmp_path / "z" / "a", PartOwner("source"), durable=False)
    unsafe.expect(1, WEAK)
    unsafe.buffer(b"1")
    requests.append(Commit(unsafe, 1, overwrite=False))
    for request in requests:
        give_final_name(request)
    assert [path.read_bytes() for path in paths] == [DATA] * 6
    make_names_durable(requests)
    assert sorted(map(Path, synced)) == [tmp_path / "x", tmp_path / "y"]
    assert announced == [*paths, unsafe.destination]


def test_what_is_held_is_a_copy(tmp_path: Path) -> None:
    """The buffer that it came in is used again."""
    buffer = bytearray(DATA)
    part = holding(tmp_path / "a.bin", data=memoryview(buffer))
    buffer[:] = bytes(200)
    commit(part, 200, overwrite=False)
    assert part.destination.read_bytes() == DATA


def test_commit(part: PartFile, either_way: str) -> None:
    commit(part, 200, overwrite=False)
    assert part.destination.read_bytes() == DATA
    assert not part.is_buffering and not part.is_open
    assert names_in(part.destination.parent) == ["a.bin"]
    part.release(keep=True)
    part.release(keep=False)
    assert part.destination.read_bytes() == DATA
    assert names_in(part.destination.parent) == ["a.bin"]


def test_commit_makes_no_other_file(part: PartFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """This is what it is for: one file, and one name."""
    monkeypatch.setattr(part_opening, "open_locked", failing(errno.EIO))
    monkeypatch.setattr(part_state, "write_atomically", failing(errno.EIO))
    commit(part, 200, overwrite=False)
    assert part.destination.read_bytes() == DATA


@pytest.mark.parametrize("durable", [True, False])
def test_syncing_is_a_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").is_dir()))
    part = PartFile(tmp_path / "a.bin", PartOwner("source"), durable=durable)
    part.expect(200, WEAK)
    part.buffer(DATA)
    commit(part, 200, overwrite=False)
    assert synced == ([False, True] if durable else [])  # the file, then its folder


@pytest.mark.parametrize("there", [b"old and longer than the new one" * 10, None])
def test_overwriting(part: PartFile, there: bytes | None) -> None:
    if there is not None:
        part.destination.write_bytes(there)
    commit(part, 200, overwrite=True)
    assert part.destination.read_bytes() == DATA
    assert names_in(part.destination.parent) == ["a.bin"]


@pytest.mark.parametrize("kind", ["file", "dangling link", "folder"])
def test_a_taken_name_costs_no_byte(part: PartFile, either_way: str, kind: str) -> None:
    match kind:
        case "file":
            part.destination.write_bytes(b"theirs")
        case "dangling link":
            part.destination.symlink_to("nowhere")
        case _:
            part.destination.mkdir()
    before = file_state(part.destination)
    with pytest.raises(FileExistsError) as caught:
        commit(part, 200, overwrite=False)
    assert caught.value.path == part.destination
    assert file_state(part.destination) == before
    assert part.path.read_bytes() == DATA and part.state.written == ALL
    part.destination = part.destination.with_name("b.bin")  # under a free name it works
    commit(part, 200, overwrite=False)
    assert part.destination.read_bytes() == DATA
    assert names_in(part.destination.parent) == ["a.bin", "b.bin"]


# Put on the disk after all


def test_write_held(part: PartFile) -> None:
    part.flush_buffer()
    assert not part.is_buffering and part.is_begun
    assert part.path.read_bytes() == DATA
    assert part.state.written == ALL
    part.flush_buffer()  # there is nothing to do any more
    commit(part, 200, overwrite=False)
    assert part.destination.read_bytes() == DATA
    assert names_in(part.destination.parent) == ["a.bin"]


def test_the_state_never_speaks_of_bytes_in_memory(
    part: PartFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transfer notes them in `state` once they came; the disk does not have them yet."""
    part.state = part.state._replace(written=(WrittenRange(0, 200, 0),))
    monkeypatch.setattr(os, "pwrite", failing(errno.EIO))
    with pytest.raises(DestinationError):
        part.flush_buffer()
    assert state_of(part.path).written == ()
    part.release(keep=True)
    assert names_in(part.destination.parent) == []


@pytest.mark.parametrize("validator", [WEAK, STRONG])
def test_what_is_kept_needs_no_other_request(tmp_path: Path, validator: Validator) -> None:
    """The file is whole: even without a validator, nothing more has to be requested."""
    part = holding(tmp_path / "a.bin", validator=validator)
    part.release(keep=True)
    assert not part.is_buffering and not part.is_open
    assert names_in(tmp_path) == ["a.bin.part", "a.bin.part.state"]
    again = PartFile(tmp_path / "a.bin", PartOwner("source"))
    again.open()
    assert again.state.offset == again.state.total == 200
    commit(again, 200, overwrite=False)
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert names_in(tmp_path) == ["a.bin"]


def test_what_is_not_kept_leaves_nothing(part: PartFile) -> None:
    part.release(keep=False)
    assert not part.is_buffering
    assert names_in(part.destination.parent) == []
    part.release(keep=True)  # nothing comes back
    assert names_in(part.destination.parent) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_what_cannot_be_kept_leaves_nothing(
    part: PartFile, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    monkeypatch.setattr(os, call, failing(code))
    part.release(keep=True)
    assert not part.is_buffering and not part.is_open
    left = PartFile(part.destination, PartOwner("source"))
    left.open()
    assert left.state.written == ()
    left.discard()
    assert names_in(part.destination.parent) == []


def test_a_full_disk_is_told_and_leaves_nothing(
    part: PartFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in ("write", "pwrite"):
        monkeypatch.setattr(os, call, failing(errno.ENOSPC))
    with pytest.raises(DiskFullError) as caught:
        commit(part, 200, overwrite=False)
    assert caught.value.path == part.destination
    part.release(keep=True)
    assert names_in(part.destination.parent) == []


def test_a_new_version_drops_what_is_held(part: PartFile) -> None:
    """A second response, which comes in pieces, must not end as the first one."""
    part.expect(3, WEAK)
    part.begin()
    part.write(0, b"new")
    commit(part, 3, overwrite=False)
    assert part.destination.read_bytes() == b"new"


# Checksums


@pytest.mark.parametrize("algorithm", HashAlgorithm)
def test_digest(part: PartFile, algorithm: HashAlgorithm) -> None:
    part.hashing.use(HashAlgorithm.MD5)  # whatever was asked for before
    expected = hashlib.new(algorithm, DATA).hexdigest()
    assert part.digest(algorithm, threading.Event()) == expected
    part.flush_buffer()
    assert part.digest(algorithm, threading.Event()) == expected


def test_rejected_data_is_for_the_user_only(part: PartFile) -> None:
    reject(part)
    part.release(keep=True)
    names = ["a.bin.part", "a.bin.part.state"]
    assert names_in(part.destination.parent) == names
    again = PartFile(part.destination, PartOwner("source"))
    again.open()
    assert again.state.is_rejected and again.state.offset == 0
    again.release(keep=True)
    kept = keep_unverified(PartFile(part.destination, PartOwner("source")))
    assert kept == part.destination.with_name("a.bin.unverified")
    assert sha256(kept.read_bytes()) == sha256(DATA)
    assert names_in(part.destination.parent) == ["a.bin.unverified"]


class Killed(BaseException):
    """Stands for the end of the program."""


@pytest.mark.parametrize("taken", [0, 2])
@pytest.mark.parametrize("following", ["keep", "resume", "discard"])
def test_data_whose_keeping_was_interrupted_has_one_name(
    part: PartFile, monkeypatch: pytest.MonkeyPatch, taken: int, following: str
) -> None:
    reject(part)
    part.release(keep=True)
    folder = part.destination.parent
    names = [f"a.bin.unverified{end}" for end in ("", ".1", ".2")[: taken + 1]]
    for name in names[:taken]:
        (folder / name).write_bytes(b"of the user")
    again = PartFile(part.destination, PartOwner("source"))

    def killed(*_: object) -> bool:
        raise Killed

    with monkeypatch.context() as context, pytest.raises(Killed):
        context.setattr(identity, "unlink_open", killed)
        keep_unverified(again)
    if following == "keep":
        assert keep_unverified(again) is None
    elif following == "discard":
        again.discard()
    else:
        again.open()
        assert again.path == part.path and not again.state.is_rejected
        again.release(keep=False)
    assert names_in(folder) == names
    assert (folder / names[-1]).read_bytes() == DATA
    assert not has_any_mark(folder / names[-1])


def test_a_part_file_that_the_user_linked_is_left_alone(part: PartFile) -> None:
    part.release(keep=True)
    link = part.destination.with_name("a.bin.unverified")
    link.hardlink_to(part.path)
    PartFile(part.destination, PartOwner("source")).open_existing()
    assert names_in(link.parent) == ["a.bin.part", "a.bin.part.state", "a.bin.unverified"]


def test_rejected_data_that_cannot_be_kept_goes(
    part: PartFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context, pytest.raises(DiskFullError):
        context.setattr(os, "pwrite", failing(errno.ENOSPC))
        reject(part)
    part.release(keep=True)  # there is room again, but nobody wants it
    assert names_in(part.destination.parent) == []


def test_discarded_data_does_not_come_back(part: PartFile) -> None:
    part.discard()
    assert not part.is_buffering
    part.release(keep=True)
    assert names_in(part.destination.parent) == []


def test_what_another_one_left_meanwhile_is_written_over(part: PartFile) -> None:
    """The file appeared after this one began, or else nothing would be held."""
    holding(part.destination, b"x" * 150, STRONG).release(keep=True)
    part.flush_buffer()
    assert part.path.read_bytes() == DATA
    reject(part)  # it came in one piece, whatever was there before
    part.release(keep=True)
    assert keep_unverified(PartFile(part.destination, PartOwner("source"))) is not None
