"""Part files: what survives, what is refused, and that nothing is clobbered."""

import errno
import hmac
import json
import os
import stat
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rheo_core.domain.exceptions import (
    DestinationError,
    DiskFullError,
    FileExistsError,
    FileInUseError,
)
from rheo_core.infrastructure.identity import add_name
from rheo_core.infrastructure.user_key import user_key
from rheo_core.transfer import PartFile, PartOwner, commit, part_move, part_state
from rheo_core.transfer.part_names import own_paths, usual_paths
from rheo_core.transfer.part_state import PartState, encode_state, write_state
from rheo_core.transfer.segments import WrittenRange
from rheo_core.transfer.validators import Validator
from tests.core.engine import names_in
from tests.untouched import file_state

STRONG = Validator('"a"', "Sun, 06 Nov 1994 08:49:37 GMT")
DATA = bytes(range(200))


@pytest.fixture
def part(tmp_path: Path) -> Iterator[PartFile]:
    part = PartFile(tmp_path / "a.bin", PartOwner("source"))
    yield part
    part.release(keep=True)


def written(*pieces: tuple[int, int]) -> tuple[WrittenRange, ...]:
    """Return the ranges of DATA as a checkpoint gets them."""
    return tuple(WrittenRange(a, b, zlib.crc32(DATA[a:b])) for a, b in pieces)


FIRST_HALF = written((0, 100))


def begun(part: PartFile) -> None:
    """Leave a part file whose first half a checkpoint has noted."""
    part.open()
    part.expect(200, STRONG)
    part.begin()
    part.write(0, DATA[:100])
    part.checkpoint(FIRST_HALF)
    part.release(keep=True)


def test_names(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "a.bin", PartOwner("source"))
    assert part.path == tmp_path / "a.bin.part"
    assert part.paths.state == tmp_path / "a.bin.part.state"


def test_the_state_survives(part: PartFile) -> None:
    begun(part)
    again = PartFile(part.destination, PartOwner("source"))
    again.open()
    assert again.state == PartState("source", 200, STRONG, FIRST_HALF)
    again.write(100, DATA[100:])
    commit(again, 200, overwrite=False)
    assert part.destination.read_bytes() == DATA
    assert names_in(part.destination.parent) == ["a.bin"]


def test_a_new_one_has_no_state(part: PartFile) -> None:
    part.open()
    assert part.state == PartState("source")


@pytest.mark.parametrize(("umask", "mode"), [(0o777, 0o600), (0o477, 0o600), (0o027, 0o640)])
def test_a_later_run_can_open_it_whatever_the_umask(part: PartFile, umask: int, mode: int) -> None:
    previous = os.umask(umask)
    try:
        part.open()
    finally:
        os.umask(previous)
    assert stat.S_IMODE(part.path.stat().st_mode) == mode


def test_folders_are_made(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "some" / "where" / "a", PartOwner("source"))
    part.open()
    assert part.path.exists()
    part.discard()


def test_bytes_after_the_checkpoint_do_not_count(part: PartFile) -> None:
    begun(part)
    with part.path.open("ab") as file:
        file.write(b"garbage")
    part.open()
    assert part.state.offset == 100
    part.write(100, DATA[100:103])
    commit(part, 103, overwrite=False)
    assert part.destination.read_bytes() == DATA[:103]


def test_a_part_that_is_shorter_than_its_state_is_not_believed(part: PartFile) -> None:
    begun(part)
    os.truncate(part.path, 99)
    part.open()
    assert part.state.offset == 0


@pytest.mark.parametrize("at", [0, 50, 99])
def test_a_part_that_somebody_changed_is_not_believed(part: PartFile, at: int) -> None:
    begun(part)
    with part.path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff")
    part.open()
    assert part.state == PartState("source")


@pytest.mark.parametrize("keep", [True, False])
def test_a_read_back_that_is_stopped_costs_no_byte(part: PartFile, keep: bool) -> None:
    begun(part)
    stop = threading.Event()
    stop.set()
    part.open(stop)
    part.release(keep=keep)
    assert names_in(part.path.parent) == (["a.bin.part", "a.bin.part.state"] if keep else [])
    if keep:
        part.open()
        assert part.state == PartState("source", 200, STRONG, FIRST_HALF)


@pytest.mark.parametrize("keep", [True, False])
def test_a_read_back_that_is_stopped_proves_nothing(part: PartFile, keep: bool) -> None:
    """Another program's file in the place of ours is not taken for it because nobody read it."""
    begun(part)
    part.path.unlink()
    part.path.write_bytes(b"theirs")
    theirs, stop = part.path, threading.Event()
    stop.set()
    part.open(stop)
    part.release(keep=keep)
    PartFile(part.destination, PartOwner("source")).discard()
    assert theirs.read_bytes() == b"theirs"


def test_what_cannot_be_moved_is_let_go(part: PartFile, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(part)
    other = PartFile(part.destination.with_name("b.bin"), PartOwner("source"))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as context, pytest.raises(DiskFullError):
        context.setattr(part_state, "write_atomically", full)
        other.begin_move(part.destination)
    part.open()  # nobody holds its lock
    assert part.state.offset == 100


def interrupted_move(part: PartFile, new: Path) -> None:
    moved = PartFile(new, PartOwner("source")).begin_move(part.destination)
    assert moved is not None
    moved.close()  # as a crash does


def refuse_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "links are not supported")


@pytest.mark.parametrize("has_links", [True, False])
@pytest.mark.parametrize("goes_on_at", ["old", "new"])
@pytest.mark.parametrize("use", ["open", "discard", "move"])
def test_a_move_that_a_crash_ended_leaves_one_name(
    part: PartFile, monkeypatch: pytest.MonkeyPatch, has_links: bool, goes_on_at: str, use: str
) -> None:
    begun(part)
    (new := part.destination.parent / "s\udcffb" / "b.bin").parent.mkdir()
    if not has_links:
        monkeypatch.setattr(os, "link", refuse_links)
    interrupted_move(part, new)
    destination = part.destination if goes_on_at == "old" else new
    match use:
        case "move":
            earlier, destination = destination, part.destination.with_name("c.bin")
            again = PartFile(destination, PartOwner("source"))
            moved = again.begin_move(earlier)
            assert moved is not None
            again.end_move(moved)
        case _:
            again = PartFile(destination, PartOwner("source"))
    if use == "discard":
        again.discard()
    else:
        again.open()
        assert again.state == PartState("source", 200, STRONG, FIRST_HALF)
        again.close()
    kept = {again.path, again.paths.state} if use != "discard" else set()
    assert {path for path in part.path.parent.rglob("*") if path.is_file()} == kept


@pytest.mark.parametrize("looks_at", ["old", "new"])
@pytest.mark.parametrize("moment", ["states", "both names"])
def test_other_programs_wait_for_the_end_of_a_move(
    part: PartFile, monkeypatch: pytest.MonkeyPatch, moment: str, looks_at: str
) -> None:
    begun(part)
    new = part.destination.with_name("b.bin")

    def look() -> None:
        path = part.destination if looks_at == "old" else new
        with pytest.raises(FileInUseError):  # a lock holds within a process too
            PartFile(path, PartOwner("source")).open()

    def look_and_add(*names: Any) -> None:
        look()
        add_name(*names)

    if moment == "states":
        monkeypatch.setattr(part_move, "add_name", look_and_add)
    again = PartFile(new, PartOwner("source"))
    moved = again.begin_move(part.destination)
    assert moved is not None
    look()
    again.end_move(moved)
    assert {path.name for path in new.parent.iterdir()} == {again.path.name, again.paths.state.name}
    again.open()
    assert again.state.offset == 100


@pytest.mark.parametrize("is_link", [True, False])
def test_a_move_removes_no_file_of_another_program(part: PartFile, is_link: bool) -> None:
    begun(part)
    new = part.destination.with_name("b.bin")
    interrupted_move(part, new)
    part.path.unlink()
    theirs = part.path.with_name("theirs")
    theirs.write_bytes(b"theirs")
    if is_link:
        part.path.symlink_to(theirs)
    else:
        theirs.rename(part.path)
    again = PartFile(new, PartOwner("source"))
    again.open()
    assert again.state.offset == 100
    again.close()
    assert part.path.read_bytes() == b"theirs"


def test_a_hard_link_of_another_program_stays_foreign(part: PartFile) -> None:
    """Only a name that our state knows is one of a move."""
    begun(part)
    theirs = part.path.with_name("theirs")
    os.link(part.path, theirs)
    part.open()
    assert part.state.offset == 0 and part.path.name != "a.bin.part"
    part.close()
    assert theirs.stat().st_nlink == 2


def test_several_pieces(part: PartFile) -> None:
    part.open()
    part.expect(200, STRONG)
    part.begin()
    pieces = written((0, 10), (50, 60), (190, 200))
    for piece in pieces:
        crc = part.write(piece.start, DATA[piece.start : piece.end])
        assert crc == piece.crc
    part.checkpoint(pieces)
    part.release(keep=True)
    part.open()
    assert part.state == PartState("source", 200, STRONG, pieces)
    assert part.state.offset == 30


def test_the_checksum_goes_on_from_write_to_write(part: PartFile) -> None:
    part.open()
    crc = part.write(10, DATA[10:50], part.write(0, DATA[:10]))
    assert crc == zlib.crc32(DATA[:50])


def test_a_thread_that_writes_meanwhile_does_not_shorten_the_file(
    part: PartFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(part)
    part.open()
    look = os.fstat

    def look_and_be_late(descriptor: int) -> os.stat_result:
        status = look(descriptor)
        monkeypatch.undo()
        other = threading.Thread(target=part.write, args=(150, DATA[150:]))
        other.start()
        other.join()
        return status

    monkeypatch.setattr(os, "fstat", look_and_be_late)
    part.write(100, DATA[100:150])
    assert part.path.read_bytes() == DATA


@pytest.mark.parametrize("order", [(None, 200), (200, None), (200, 300), (None, None)])
def test_any_state_of_the_download_may_have_the_size(
    part: PartFile, order: tuple[int | None, int | None]
) -> None:
    """A crash while a part file gets another name leaves two states."""
    places = usual_paths(part.destination), own_paths(part.destination, part.owner)[2]
    for paths, total in zip(places, order, strict=True):
        state = PartState(part.owner.source, total, STRONG)
        write_state(paths.state, state, paths.part.name, user_key, durable=False)
    assert part.expected_size() == next(filter(None, order), None)


def test_a_state_of_another_download_has_no_size(part: PartFile) -> None:
    begun(part)
    assert PartFile(part.destination, PartOwner("other")).expected_size() is None


def test_without_a_strong_validator_nothing_is_gone_on_from(part: PartFile) -> None:
    part.open()
    part.expect(200, Validator())
    part.begin()
    part.write(0, DATA[:100])
    part.checkpoint(FIRST_HALF)
    part.release(keep=True)
    assert names_in(part.path.parent) == []


def test_a_part_that_is_gone_is_not_believed(part: PartFile) -> None:
    begun(part)
    part.path.unlink()
    part.open()
    assert part.state.offset == 0


def test_begin_drops_what_was_there(part: PartFile) -> None:
    begun(part)
    part.open()
    part.expect(5, Validator())
    part.begin()
    assert part.path.read_bytes() == b""
    assert part.state == PartState("source", 5, Validator())


# What is not ours


def test_a_part_of_somebody_else_is_left_alone(part: PartFile) -> None:
    theirs = part.path
    theirs.write_bytes(b"theirs")
    part.open()
    assert part.path != theirs
    part.release(keep=False)
    assert theirs.read_bytes() == b"theirs"
    assert names_in(theirs.parent) == ["a.bin.part"]


def test_discarding_what_was_never_opened_leaves_others_alone(part: PartFile) -> None:
    part.path.write_bytes(b"theirs")
    part.discard()
    assert part.path.read_bytes() == b"theirs"


def test_an_empty_part_of_somebody_else_may_be_used(part: PartFile) -> None:
    part.path.touch()
    part.open()
    assert part.state.offset == 0


@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo", "folder", "hard link"])
@pytest.mark.parametrize("which", ["part", "state"])
def test_special_files_stay_and_another_name_is_taken(
    part: PartFile, kind: str, which: str
) -> None:
    victim = part.destination.with_name("victim")
    victim.write_bytes(b"victim")
    usual = part.path, part.paths.state
    path = part.path if which == "part" else part.paths.state
    match kind:
        case "link":
            path.symlink_to(victim)
        case "dangling link":
            path.symlink_to("nowhere")
        case "fifo":
            os.mkfifo(path)
        case "hard link":
            path.hardlink_to(victim)
        case _:
            path.mkdir()
    there = file_state(path)
    begun(part)
    assert (part.path, part.paths.state) != usual
    again = PartFile(part.destination, PartOwner("source"))
    again.open()
    assert again.state.offset == 100  # what was begun under that name is found again
    again.write(100, DATA[100:])
    commit(again, 200, overwrite=False)
    assert part.destination.read_bytes() == DATA
    assert victim.read_bytes() == b"victim"
    assert file_state(path) == there
    assert names_in(path.parent) == sorted(["a.bin", path.name, "victim"])


def test_a_state_that_is_a_link_is_not_written_through(part: PartFile) -> None:
    victim = part.path.with_name("victim")
    victim.write_bytes(b"victim")
    part.paths.state.symlink_to(victim)
    try:
        part.open()
        part.expect(5, STRONG)
        part.begin()
        part.checkpoint(())
    except DestinationError:
        pass
    assert victim.read_bytes() == b"victim"


def test_a_state_that_is_a_fifo_holds_nobody_up(part: PartFile) -> None:
    os.mkfifo(part.paths.state)
    part.path.write_bytes(b"x")
    ended = threading.Event()

    def try_it() -> None:
        try:
            part.open()
        except DestinationError:
            pass
        finally:
            ended.set()

    threading.Thread(target=try_it, daemon=True).start()
    in_time = ended.wait(2)
    if not in_time:  # let the thread go before the verdict
        part.paths.state.open("wb").close()
        ended.wait(20)
    assert in_time


@pytest.mark.parametrize("kind", ["missing", "empty", "garbage", "other version", "flipped byte"])
def test_a_state_that_is_not_ours_is_not_believed(part: PartFile, kind: str) -> None:
    begun(part)
    data = part.paths.state.read_bytes()
    match kind:
        case "missing":
            part.path.write_bytes(b"")
            part.paths.state.unlink()
        case "empty":
            part.paths.state.write_bytes(b"")
        case "garbage":
            part.paths.state.write_bytes(os.urandom(100))
        case "other version":
            part.paths.state.write_bytes(data.replace(b"rheo part state", b"rheo part state 9"))
        case _:
            part.paths.state.write_bytes(data.replace(b"100", b"101", 1))
    part.open()
    assert part.state == PartState("source")


KEY = bytes(range(32))
_VERSION = encode_state(PartState("source"), "b.bin.part", KEY).partition(b"\n")[0]


def _signed(body: object) -> bytes:
    text = json.dumps(body).encode()
    signed = b"\n".join((_VERSION, b"b.bin.part", text))
    return b"\n".join((_VERSION, hmac.digest(KEY, signed, "sha256").hex().encode(), text))


_VALIDATOR = {"etag": '"a"', "last_modified": None}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
)


_pieces = st.fixed_dictionaries({"start": anything, "end": anything, "crc": anything})


def _with(*pieces: dict[str, object], total: object = 9) -> bytes:
    return _signed({"source": "source", "total": total, "validator": _VALIDATOR, "written": pieces})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary()
    | anything.map(lambda value: json.dumps(value).encode())
    | anything.map(_signed)
    | st.binary().map(lambda rest: _VERSION + b"\n" + rest)
    | st.fixed_dictionaries(
        {
            "source": st.just("source") | anything,
            "total": anything,
            "validator": st.just(_VALIDATOR) | anything,
            "written": st.lists(_pieces | anything) | anything,
        }
    ).map(_signed)
)
@example(b"[" * 100_000)
@example(_VERSION)
@example(_with({"start": "0", "end": 5, "crc": 0}))
@example(_with({"start": 0, "end": "5", "crc": 0}))
@example(_with({"start": -5, "end": 0, "crc": 0}))
@example(_with({"start": 5, "end": 3, "crc": 0}))
@example(_with({"start": 0, "end": 0, "crc": 0}, total="9"))
@example(_with({"start": 0, "end": 5.5, "crc": 0}))
@example(_with({"start": 0, "end": 10**30, "crc": 0}))
@example(b"9" * 5000)
def test_any_bytes_as_state(tmp_path: Path, data: bytes) -> None:
    """Signed or not: nothing falls over, and nothing is believed that cannot be."""
    part = PartFile(tmp_path / "b.bin", PartOwner("source"), key=lambda: KEY)
    part.path.write_bytes(b"0123456789")
    part.paths.state.write_bytes(data)
    part.paths.state.chmod(0o600)
    part.open()
    state = part.state
    part.release(keep=True)
    assert 0 <= state.offset <= 10
    assert state.total is None or type(state.total) is int
    assert all(0 <= piece.start <= piece.end <= 10 for piece in state.written)


# Committing


@pytest.mark.parametrize("kind", ["file", "dangling link", "folder"])
def test_commit_never_clobbers(part: PartFile, kind: str) -> None:
    part.open()
    part.expect(3, Validator())
    part.begin()
    part.write(0, b"abc")
    match kind:
        case "file":
            part.destination.write_bytes(b"theirs")
        case "dangling link":
            part.destination.symlink_to("nowhere")
        case _:
            part.destination.mkdir()
    with pytest.raises(FileExistsError) as caught:
        commit(part, 3, overwrite=False)
    assert caught.value.path == part.destination
    assert part.path.read_bytes() == b"abc"
    part.destination = part.destination.with_name("b.bin")  # under a free name it works
    commit(part, 3, overwrite=False)
    assert part.destination.read_bytes() == b"abc"
    assert names_in(part.destination.parent) == ["a.bin", "b.bin"]


def test_commit_overwrites_where_asked(part: PartFile) -> None:
    part.destination.write_bytes(b"old and long")
    part.open()
    part.expect(3, Validator())
    part.begin()
    part.write(0, b"abc")
    commit(part, 3, overwrite=True)
    assert part.destination.read_bytes() == b"abc"
    assert names_in(part.destination.parent) == ["a.bin"]


@pytest.mark.parametrize("kind", ["link", "folder", "fifo"])
def test_commit_overwrites_regular_files_only(part: PartFile, kind: str) -> None:
    victim = part.destination.with_name("victim")
    victim.write_bytes(b"victim")
    part.open()
    part.expect(3, Validator())
    part.begin()
    part.write(0, b"abc")
    match kind:
        case "link":
            part.destination.symlink_to(victim)
        case "folder":
            part.destination.mkdir()
        case _:
            os.mkfifo(part.destination)
    with pytest.raises(DestinationError, match="not a regular file"):
        commit(part, 3, overwrite=True)
    assert victim.read_bytes() == b"victim"
    assert not stat.S_ISREG(part.destination.lstat().st_mode)


def test_commit_cuts_what_is_too_much(part: PartFile) -> None:
    part.open()
    part.expect(None, Validator())
    part.begin()
    part.write(0, b"abcdef")
    commit(part, 3, overwrite=False)
    assert part.destination.read_bytes() == b"abc"


def test_an_empty_file(part: PartFile) -> None:
    part.open()
    part.expect(0, Validator())
    part.begin()
    commit(part, 0, overwrite=False)
    assert part.destination.read_bytes() == b""


def test_the_umask_decides_on_the_mode(part: PartFile) -> None:
    previous = os.umask(0o027)
    try:
        part.open()
        part.expect(0, Validator())
        part.begin()
        commit(part, 0, overwrite=False)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(part.destination.stat().st_mode) == 0o640


# Letting go


def test_release_keeps_what_can_be_gone_on_from(part: PartFile) -> None:
    begun(part)
    assert names_in(part.path.parent) == ["a.bin.part", "a.bin.part.state"]
    part.open()
    part.release(keep=False)
    assert names_in(part.path.parent) == []


def test_release_without_a_checkpoint_keeps_nothing(part: PartFile) -> None:
    part.open()
    part.expect(10, STRONG)
    part.begin()
    part.write(0, b"abc")
    part.release(keep=True)
    assert names_in(part.path.parent) == []
    part.release(keep=True)


@pytest.mark.parametrize("written", [0, 1, 10, None])
def test_discard_removes_a_state_that_a_crash_did_not_rename(
    part: PartFile, written: int | None
) -> None:
    begun(part)
    unfinished = part.paths.state.with_name(f"{part.paths.state.name}.new")
    unfinished.write_bytes(part.paths.state.read_bytes()[:written])
    unfinished.chmod(0o600)
    PartFile(part.destination, PartOwner("source")).discard()
    assert names_in(part.path.parent) == []


def test_discard_of_what_is_not_open(part: PartFile) -> None:
    begun(part)
    PartFile(part.destination, PartOwner("source")).discard()
    assert names_in(part.path.parent) == []
    PartFile(part.destination, PartOwner("source")).discard()


def test_release_after_commit_touches_nothing(part: PartFile) -> None:
    part.open()
    part.expect(1, Validator())
    part.begin()
    part.write(0, b"a")
    commit(part, 1, overwrite=False)
    part.release(keep=False)
    assert part.destination.read_bytes() == b"a"


# Trouble


@pytest.mark.parametrize(
    ("code", "kind"), [(28, DiskFullError), (122, DiskFullError), (5, DestinationError)]
)
def test_errors_of_the_disk_have_the_path(
    part: PartFile, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[DestinationError]
) -> None:
    part.open()
    part.expect(10, STRONG)
    part.begin()

    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(DestinationError) as caught:
        part.write(0, b"abc")
    assert type(caught.value) is kind
    assert caught.value.path == part.path


def test_short_writes_are_continued(part: PartFile, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, bytes(data[:7]), at))
    part.open()
    part.expect(200, STRONG)
    part.begin()
    part.write(0, DATA)
    commit(part, 200, overwrite=False)
    assert part.destination.read_bytes() == DATA


def test_a_checkpoint_that_fails_leaves_the_one_before(
    part: PartFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(part)
    part.open()
    part.write(100, DATA[100:])
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise OSError(28, os.strerror(28))

        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(DiskFullError):
            part.checkpoint(written((0, 200)))
    part.release(keep=True)
    part.open()
    assert part.state.offset == 100


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(DestinationError):
        PartFile(tmp_path / "a" / "b", PartOwner("source")).open()
