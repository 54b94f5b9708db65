"""Part files on full disks, and on disks in a hurry."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rheo_core.domain.exceptions import DiskFullError
from rheo_core.infrastructure.files import write_atomically
from rheo_core.infrastructure.user_key import user_key
from rheo_core.transfer import PartFile, PartOwner, commit, part_file, part_state
from rheo_core.transfer.part_state import STATE_MARK
from rheo_core.transfer.segments import WrittenRange
from rheo_core.transfer.validators import Validator

STRONG = Validator('"a"')


@pytest.fixture
def part(tmp_path: Path) -> Iterator[PartFile]:
    """An open part file that expects a million bytes."""
    part = PartFile(tmp_path / "a.bin", PartOwner("source"))
    part.open()
    part.expect(1_000_000, STRONG)
    part.begin()
    yield part
    part.release(keep=False)


@pytest.fixture
def full_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next state finds no room; later ones do."""
    write = write_atomically
    failures = [OSError(28, "No space left on device")]

    def full(path: Path, data: bytes, **options: Any) -> None:
        if failures:
            raise failures.pop()
        write(path, data, **options)

    monkeypatch.setattr(part_state, "write_atomically", full)


def test_a_state_finds_room_where_the_last_bytes_were(part: PartFile, full_once: None) -> None:
    """The first write of the state fails; the second comes after the file was cut."""
    body = bytes(range(256)) * 1000
    crc = part.write(0, body)
    far = part.write(500_000, body)
    written = (WrittenRange(0, len(body), crc), WrittenRange(500_000, 500_000 + len(body), far))
    part.checkpoint_on_full_disk(written)
    left = 500_000 + len(body) - part_file._STATE_BYTES
    assert part.path.stat().st_size == left
    part.release(keep=True)
    again = PartFile(part.destination, PartOwner("source"))
    again.open()
    assert [(piece.start, piece.end) for piece in again.state.written] == [
        (0, len(body)),
        (500_000, left),
    ]
    again.discard()


def test_a_short_last_piece_goes_whole(part: PartFile, full_once: None) -> None:
    part.checkpoint_on_full_disk((WrittenRange(0, 5, part.write(0, b"short")),))
    assert part.state.written == ()


@pytest.mark.parametrize("more", [0, 1, 5_000, 100_000])
@pytest.mark.parametrize("far", [False, True])
def test_the_last_checkpoint_stays_valid_if_no_attempt_finds_room(
    part: PartFile, monkeypatch: pytest.MonkeyPatch, more: int, far: bool
) -> None:
    saved = WrittenRange(0, 50_000, part.write(0, bytes(50_000)))
    end = WrittenRange(600_000, 650_000, part.write(600_000, bytes(50_000)))
    part.checkpoint((saved, end) if far else (saved,))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(part_state, "write_atomically", full)
        crc = part.write(50_000, bytes(more), saved.crc)
        longer = WrittenRange(0, 50_000 + more, crc)
        with pytest.raises(DiskFullError):
            part.checkpoint_on_full_disk((longer, end) if far else (longer,))
    part.release(keep=True)
    again = PartFile(part.destination, PartOwner("source"))
    again.open()
    assert again.path.stat().st_size >= (650_000 if far else 50_000)
    assert again.state.written == ((saved, end) if far else (saved,))
    again.discard()


def test_nothing_to_give_up(part: PartFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(part_state, "write_atomically", full)
    with pytest.raises(DiskFullError):
        part.checkpoint_on_full_disk(())


@pytest.mark.parametrize("durable", [True, False])
def test_syncing_is_a_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    user_key()  # made before: it is synced in any case
    synced: list[str] = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _, name=name: synced.append(name))
    part = PartFile(tmp_path / "a", PartOwner("source"), durable=durable)
    part.open()
    part.expect(4, STRONG)
    part.begin()
    part.checkpoint((WrittenRange(0, 4, part.write(0, b"data")),))
    commit(part, 4, overwrite=False)
    assert (tmp_path / "a").read_bytes() == b"data"
    assert synced == (["fdatasync", "fsync", "fsync", "fsync", "fsync"] if durable else [])


@pytest.mark.parametrize("left", [b"", b"rheo pa", STATE_MARK + b"5\nhalf", bytes(500)])
def test_what_a_kill_in_a_checkpoint_leaves_is_removed(part: PartFile, left: bytes) -> None:
    part.checkpoint((WrittenRange(0, 4, part.write(0, b"data")),))
    unfinished = part.paths.state.with_name(f"{part.paths.state.name}.new")
    unfinished.touch(0o600)
    unfinished.write_bytes(left)
    part.release(keep=True)
    part.open()
    assert part.state.offset == 4
    assert not unfinished.exists()
