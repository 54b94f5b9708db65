"""Free space that a body of unknown length leaves alone."""

import os
from types import SimpleNamespace
from typing import Any

import pytest

from rheo_core.transfer.disk_space import Reserve, reserve_of

MIB, GIB = 1 << 20, 1 << 30


class Disk:
    """Disk as `os` describes it, with a count of the calls."""

    def __init__(self, size: int, free: int) -> None:
        self.size, self.free, self.looks = size, free, 0

    def seen(self, _: object = None) -> Any:
        self.looks += 1
        return SimpleNamespace(f_blocks=self.size, f_bavail=self.free, f_frsize=1)

    def take(self, reserve: Reserve, count: int) -> bool:
        is_allowed = reserve.allows(count, 0)
        if is_allowed:
            self.free -= count
        return is_allowed


def disk_of(monkeypatch: pytest.MonkeyPatch, size: int, free: int) -> Disk:
    disk = Disk(size, free)
    monkeypatch.setattr(os, "fstatvfs", disk.seen)
    return disk


@pytest.mark.parametrize(
    ("size", "reserve"),
    [
        (4096 * GIB, 4096 * GIB // 100),
        (250 * GIB, 250 * GIB // 100),
        (50 * GIB, GIB),
        (10 * GIB, GIB),
        (GIB // 2, GIB // 20),
        (0, 0),
    ],
)
def test_a_gibibyte_or_a_hundredth_and_less_of_small_disks(size: int, reserve: int) -> None:
    assert reserve_of(Disk(size, 0).seen()) == reserve


@pytest.mark.parametrize(("free", "reserve"), [(9 * GIB, GIB), (GIB, GIB // 2), (100, 50), (0, 0)])
def test_no_more_than_a_half_of_what_is_free(
    monkeypatch: pytest.MonkeyPatch, free: int, reserve: int
) -> None:
    disk_of(monkeypatch, 50 * GIB, free)
    assert Reserve(0).bytes == reserve


@pytest.mark.parametrize("batch", [64 << 10, 4 * MIB])
def test_it_is_left_alone_and_the_disk_is_seldom_looked_at(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    disk = disk_of(monkeypatch, 50 * GIB, 3 * GIB)
    reserve = Reserve(0)
    while disk.take(reserve, batch):
        pass
    assert GIB <= disk.free < GIB + 2 * batch
    assert disk.looks <= 2 * GIB // (16 * MIB) + 15


def test_what_others_write_meanwhile_is_seen_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = disk_of(monkeypatch, 50 * GIB, 3 * GIB)
    reserve = Reserve(0)
    while disk.take(reserve, MIB):
        disk.free -= 8 * MIB
    assert disk.free > GIB // 3


@pytest.mark.parametrize("batch", [64 << 10, 4 * MIB])
def test_many_endless_bodies_at_a_time_do_not_fill_the_disk(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    disk = disk_of(monkeypatch, 50 * GIB, 3 * GIB)
    running = [Reserve(0) for _ in range(64)]
    while running := [reserve for reserve in running if disk.take(reserve, batch)]:
        pass
    assert disk.free > GIB // 2


def test_a_disk_that_does_not_know_its_size_is_no_reason_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk_of(monkeypatch, 0, 0)
    assert Reserve(0).allows(GIB, 0)
