"""Folders that somebody else has planned: a list that the user names must be what is downloaded."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rheo_core.domain.fleet import (
    PLAN_NAME,
    FleetEntry,
    FleetPass,
    FleetPlan,
    pass_name,
    shard_list_name,
    to_json,
)
from rheo_core.fleet.columns import TableOptions
from rheo_core.fleet.planning import PlanError, PlanRequest, plan_fleet
from rheo_core.fleet.shard_files import read_shard, write_shard
from rheo_core.fleet.targets import Target, open_target

GOOD, EVIL = (f"sha256:{digit * 64}" for digit in "ab")
ROWS: list[dict[str, object]] = [
    {"url": f"http://h{number % 3}.example/{number}", "sha256": "a" * 64, "name": f"n{number}"}
    | {"text": text}
    for number, text in enumerate(["a", "ü\U0001f600", 1.5, 10**20, None, [1, {"b": "c"}], ",", ""])
]
ROWS.append({"url": "ftp://no", "text": "x" * 10})
ROWS.append({"url": "http://h0.example/long", "text": "x" * (2 << 20)})


def planned(tmp_path: Path) -> tuple[Target, PlanRequest, FleetPlan]:
    source = tmp_path / "list.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    target = open_target(str(tmp_path / "out"))
    request = PlanRequest((str(source),), TableOptions(keep=("text",)), shard_size=3)
    return target, request, plan_fleet(target, request, 2)


def entries_of(target: Target, plan: FleetPlan) -> list[FleetEntry]:
    return list(read_shard(target, 0, crc32=plan.crc32_of(0)))


def rewrite(target: Target, plan: FleetPlan, entries: list[FleetEntry]) -> None:
    """Write another list for the first shard, and a plan that agrees with it."""
    crc32 = write_shard(target, 0, 1, entries)
    data = target.read(shard_list_name(0, 1, crc32))
    first = replace(plan.shards[0], crc32=crc32, entries=len(entries))
    target.put(shard_list_name(0, crc32=crc32), data)
    target.put(PLAN_NAME, to_json(replace(plan, shards=(first, *plan.shards[1:]))).encode())


CHANGES: dict[str, Callable[[list[FleetEntry]], list[FleetEntry]]] = {
    "URL": lambda all_: [replace(all_[0], url="http://evil.example/"), *all_[1:]],
    "checksum": lambda all_: [replace(all_[0], hash=EVIL), *all_[1:]],
    "no checksum": lambda all_: [replace(all_[0], hash=None), *all_[1:]],
    "size": lambda all_: [replace(all_[0], size_bytes=1), *all_[1:]],
    "name": lambda all_: [replace(all_[0], name="evil.exe"), *all_[1:]],
    "column": lambda all_: [replace(all_[0], extra={"text": "evil"}), *all_[1:]],
    "not downloaded": lambda all_: [replace(all_[0], problem="no"), *all_[1:]],
    "left out": lambda all_: all_[1:],
    "twice": lambda all_: [*all_[:-1], replace(all_[0], key=all_[-1].key)],
    "repeated": lambda all_: [*all_, all_[-1]],
    "one more": lambda all_: [*all_, replace(all_[0], key="00000000009")],
    "swapped checksums": lambda all_: [
        replace(all_[0], hash=None),
        replace(all_[1], hash=EVIL),
        *all_[2:],
    ],
}


@pytest.mark.parametrize("change", CHANGES)
def test_shards_with_other_entries_than_the_list_are_refused(tmp_path: Path, change: str) -> None:
    target, request, plan = planned(tmp_path)
    rewrite(target, plan, CHANGES[change](entries_of(target, plan)))
    before = target.read(PLAN_NAME)
    with pytest.raises(PlanError, match="the shards in the output folder do not match the list"):
        plan_fleet(target, replace(request, concurrency=7), 2)
    assert target.read(PLAN_NAME) == before


@pytest.mark.parametrize("change", ["URL", "checksum", "no checksum", "one more"])
def test_a_pass_with_other_entries_than_the_list_is_refused(tmp_path: Path, change: str) -> None:
    target, request, plan = planned(tmp_path)
    entries = entries_of(target, plan)

    def add_pass(entries: list[FleetEntry]) -> None:
        crc32 = write_shard(target, 0, 2, entries)
        stored = FleetPass(2, {0: len(entries)}, {}, {0: crc32})
        target.put(pass_name(2), to_json(stored).encode())

    add_pass(entries[1:])
    assert plan_fleet(target, request, 2) == plan
    add_pass(CHANGES[change](entries))
    with pytest.raises(PlanError, match="do not match the list"):
        plan_fleet(target, request, 2)


def test_the_same_list_matches_its_shards_whatever_else_changes(tmp_path: Path) -> None:
    target, request, plan = planned(tmp_path)
    assert plan_fleet(target, request, 7) == plan
    for changes in ({"host_connections": 64}, {"concurrency": 3}, {"contact": "ann@example.org"}):
        plan = replace(plan, **changes)
        assert plan_fleet(target, replace(request, **changes), 7) == plan
    assert plan_fleet(target, request, 7) == plan


@pytest.mark.parametrize("data", [None, b"", b"not gzip"])
def test_a_list_of_the_plan_that_cannot_be_used_is_named(
    tmp_path: Path, data: bytes | None
) -> None:
    target, request, plan = planned(tmp_path)
    name = shard_list_name(0, crc32=plan.crc32_of(0))
    if data is None:
        target.remove(name)
    else:
        target.put(name, data)
    with pytest.raises(PlanError, match="choose another output folder") as caught:
        plan_fleet(target, request, 2)
    assert name in str(caught.value)
