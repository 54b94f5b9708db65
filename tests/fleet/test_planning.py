"""Plans: every row in one shard, a site in one lane, the order kept; another list is refused."""

import asyncio
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheo_core.domain.fleet import LISTS, PLAN_NAME, FleetEntry, FleetPlan, shard_list_name
from rheo_core.fleet.columns import TableOptions
from rheo_core.fleet.lanes import HeavySites, Lanes, site_of
from rheo_core.fleet.planning import PlanError, PlanRequest, plan_fleet, read_plan
from rheo_core.fleet.rows import ListError
from rheo_core.fleet.shard_files import read_shard
from rheo_core.fleet.targets import Target, open_target
from tests.faults.program import Home

HOSTS = ["a.example.org", "b.example.org", "example.net", "x.co.uk", "127.0.0.1", "[::1]:80"]
URLS = st.builds("http://{}/{}".format, st.sampled_from(HOSTS), st.integers(0, 99))
ROWS = st.lists(st.one_of(URLS, st.just("ftp://no"), st.just("# a comment")), max_size=60)


def entries_of(target: Target, plan: FleetPlan) -> list[list[FleetEntry]]:
    return [
        list(read_shard(target, number, crc32=shard.crc32))
        for number, shard in enumerate(plan.shards)
    ]


def planned(tmp_path: Path, rows: list[str], **options: Any) -> tuple[Target, FleetPlan]:
    path = tmp_path / "list.txt"
    path.write_text("\n".join(rows))
    target = open_target(str(tmp_path / "out"))
    return target, plan_fleet(target, PlanRequest((str(path),), **options), 2)


@settings(deadline=None)
@given(
    rows=ROWS,
    shard_size=st.integers(1, 20),
    lanes=st.integers(1, 9),
    spread=st.sampled_from(["sites", "order"]),
    host_connections=st.sampled_from([1, 16, 17, 64]),
)
def test_every_row_is_in_one_shard_and_every_site_in_its_lanes(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[str],
    shard_size: int,
    lanes: int,
    spread: Any,
    host_connections: int,
) -> None:
    folder = tmp_path_factory.mktemp("plan")
    expected = [row for row in rows if not row.startswith("#")]
    options: dict[str, Any] = {"shard_size": shard_size, "lanes": lanes, "spread": spread}
    options |= {"host_connections": host_connections, "table": TableOptions("lines")}
    if all(row == "ftp://no" for row in expected):
        with pytest.raises(ListError, match=r"contains no URL|has a usable URL"):
            planned(folder, rows, **options)
        return
    target, plan = planned(folder, rows, **options)
    assert read_plan(target) == plan
    shards = entries_of(target, plan)
    entries = [entry for shard in shards for entry in shard]
    normal = [row.replace(":80/", "/") for row in expected]
    assert Counter(entry.url for entry in entries) == Counter(normal)
    assert plan.entries == len(expected)
    assert plan.unreadable == sum(entry.problem is not None for entry in entries)
    assert [len(shard) for shard in shards] == [shard.entries for shard in plan.shards]
    assert max(map(len, shards)) <= shard_size
    keys = [f"{number:06d}{place:05d}" for number, shard in enumerate(shards)
            for place in range(len(shard))]  # fmt: skip
    assert [entry.key for entry in entries] == keys

    # The order of the list is kept in every lane, or in the whole if it is spread by order.
    by_lane: dict[int, list[str]] = defaultdict(list)
    for shard, planned_shard in zip(shards, plan.shards, strict=True):
        by_lane[planned_shard.lane if spread == "sites" else 0] += [entry.url for entry in shard]
    for urls in by_lane.values():
        rest = iter(normal)
        assert all(url in rest for url in urls)
    if spread == "order":
        assert len({shard.lane for shard in plan.shards}) == min(lanes, len(plan.shards))
        return
    lanes_of: dict[str, set[int]] = defaultdict(set)
    for lane, urls in by_lane.items():
        for url in urls:
            if url.startswith("http://"):
                lanes_of[site_of(url.split("/")[2])].add(lane)
    for site, found in lanes_of.items():
        assert len(found) <= plan.split_sites.get(site, 1) <= -(-host_connections // 16)


def test_a_site_is_the_registrable_domain() -> None:
    hosts = {
        "a.b.example.co.uk": "example.co.uk",
        "Example.org.:8080": "example.org",
        "127.0.0.1:80": "127.0.0.1",
        "[::1]:80": "::1",
        "localhost": "localhost",
        "user.github.io": "user.github.io",
    }
    assert {host: site_of(host) for host in hosts} == hosts


def test_sites_are_balanced_over_the_lanes() -> None:
    """Hashes alone could put 13 of 20 equal sites into one of two lanes."""
    heavy = HeavySites()
    for number in range(2_000):
        heavy.add(f"site{number % 20}")
    lanes = Lanes.balanced(2, heavy, 16)
    counts = Counter(lanes.lane_of(f"http://site{number}/") for number in range(20))
    assert counts == {0: 10, 1: 10}


def test_a_large_site_is_split_as_far_as_its_budget_goes() -> None:
    heavy = HeavySites()
    for number in range(1_000):
        heavy.add("large" if number % 2 else f"small{number}")
    lanes = Lanes.balanced(8, heavy, 40)
    assert lanes.split_sites() == {"large": 3}
    counts = Counter(lanes.lane_of("http://large/") for _ in range(300))
    assert sorted(counts.values()) == [100, 100, 100]
    assert Lanes.balanced(8, heavy, 16).split_sites() == {}


@given(st.lists(st.integers(0, 3_000).map(lambda number: number**2 % 3_001), max_size=4_000))
@settings(deadline=None, max_examples=20)
def test_large_sites_are_found_among_any_number_of_others(numbers: list[int]) -> None:
    heavy, real = HeavySites(), Counter(map(str, numbers))
    for number in numbers:
        heavy.add(str(number))
    counts = heavy.counts()
    assert len(counts) <= 1_000 and heavy.total == len(numbers)
    for site, count in real.items():
        assert count - len(numbers) / 1_000 <= counts.get(site, 0) <= count


def test_the_same_plan_goes_on_and_may_change_its_pace(tmp_path: Path) -> None:
    target, plan = planned(tmp_path, ["http://example.org/"], concurrency=8)
    request = PlanRequest((str(tmp_path / "list.txt"),))
    assert plan_fleet(target, request, 7) == plan
    assert plan_fleet(target, PlanRequest(), 7) == plan
    faster = plan_fleet(target, replace(request, concurrency=64, retries=0), 7)
    assert faster == replace(plan, concurrency=64, retries=0) == read_plan(target)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"shard_size": 5}, "was planned with --shard-size 10000, not 5"),
        ({"spread": "order"}, "was planned with --spread sites, not order"),
        ({"lanes": 3}, "was planned with --lanes 2, not 3"),
        ({"layout": "tar"}, "was planned with --layout files, not tar"),
        ({"table": TableOptions(hash_column="off")}, "a different list or different columns"),
        ({"sources": (__file__,)}, "was planned from a different list"),
    ],
)
def test_another_plan_in_the_same_folder_is_refused(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    target, plan = planned(tmp_path, ["http://example.org/"])
    request = replace(PlanRequest((str(tmp_path / "list.txt"),)), **changes)
    with pytest.raises(PlanError, match=sentence):
        plan_fleet(target, request, 2)
    assert read_plan(target) == plan


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "plan.json is damaged"),
        (b"", "is damaged"),
        (None, "was written by another version of rheo"),
    ],
)
def test_an_unusable_plan_is_named(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    target, _ = planned(tmp_path, ["http://example.org/"])
    older = target.read(PLAN_NAME).replace(b'"version":2', b'"version":1')
    target.put(PLAN_NAME, older if content is None else content)
    with pytest.raises(PlanError, match=sentence):
        plan_fleet(target, PlanRequest(), 2)


@pytest.mark.parametrize(
    ("keep", "sentence"),
    [
        ([str(n) for n in range(1_001)], "--keep names 1,001 columns; at most 1,000 are kept"),
        (["x" * 401], "--keep names the column '.+' of 401 characters; at most 400 are allowed"),
        (["\udcff"], "--keep names the column '.+', which is not UTF-8"),
    ],
)
def test_columns_to_keep_that_no_plan_can_have_are_refused(
    tmp_path: Path, keep: list[str], sentence: str
) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text('{"url":"http://127.0.0.1:1/a"}')
    target = open_target(str(tmp_path / "out"))
    request = PlanRequest((str(path),), TableOptions(keep=tuple(keep)))
    with pytest.raises(PlanError, match=f"^{sentence}$"):
        plan_fleet(target, request, 2)
    most = tuple("x" * (400 - len(str(n))) + str(n) for n in range(1_000))
    plan = plan_fleet(target, replace(request, table=TableOptions(keep=most)), 2)
    assert read_plan(target) == plan and plan.keep == most


def test_a_folder_without_a_plan_needs_a_list(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="has no plan; name a list"):
        plan_fleet(open_target(str(tmp_path)), PlanRequest(), 2)


def test_the_faster_of_two_plans_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, plan = planned(tmp_path, ["http://example.org/"], lanes=4)
    text = target.read(PLAN_NAME)
    target.remove(PLAN_NAME)

    request = PlanRequest((str(tmp_path / "list.txt"),))
    create = type(target).create

    def overtaken(self: Target, name: str, data: bytes) -> bool:
        self.put(name, text)
        return create(self, name, data)

    monkeypatch.setattr(type(target), "create", overtaken)
    assert plan_fleet(target, request, 2) == plan


@pytest.mark.parametrize("lanes", [1, 2, 5, 6, 9])
def test_lanes_limit_shards_in_the_order_of_the_list_too(tmp_path: Path, lanes: int) -> None:
    rows = [f"http://h/{number}" for number in range(12)]
    _, plan = planned(tmp_path, rows, shard_size=2, spread="order", lanes=lanes)
    assert [shard.lane for shard in plan.shards] == [number % lanes for number in range(6)]
    _, again = planned(tmp_path, rows, shard_size=2, spread="order", lanes=lanes)
    assert again == plan
    with pytest.raises(PlanError, match=f"planned with --lanes {lanes}, not {lanes + 1};"):
        planned(tmp_path, rows, shard_size=2, spread="order", lanes=lanes + 1)


def test_shards_in_the_order_of_the_list_wait_for_none_by_default(tmp_path: Path) -> None:
    rows = [f"http://h/{number}" for number in range(12)]
    _, plan = planned(tmp_path, rows, shard_size=2, spread="order")
    assert [shard.lane for shard in plan.shards] == list(range(6))
    with pytest.raises(PlanError, match="was planned without --lanes; leave it out"):
        planned(tmp_path, rows, spread="order", lanes=2)  # the number that it would have been


_SAME_LIST = ["http://a.example/1", "http://b.example/2", "http://a.example/3"]


def _request(tmp_path: Path, name: str, rows: Sequence[str], **options: Any) -> PlanRequest:
    path = tmp_path / name
    path.write_text("\n".join(rows))
    return PlanRequest((str(path),), shard_size=2, **options)


def _lists(target: Target) -> set[str]:
    return {f"{LISTS}/{name}" for name in target.names(LISTS)}


def _named(plan: FleetPlan) -> set[str]:
    return {shard_list_name(at, crc32=shard.crc32) for at, shard in enumerate(plan.shards)}


@pytest.mark.parametrize("out", ["{}/out", "memory://{}/out"])
@pytest.mark.parametrize(
    ("rows", "changes", "sentence"),
    [
        (["http://c.example/4"], {}, "planned from a different list"),
        (
            [f"http://{host}.example/" for host in "abcdefgh"],
            {},
            "was planned from a different list",
        ),
        (_SAME_LIST, {"shard_size": 1}, "planned with --shard-size 1, not 2"),
        (_SAME_LIST, {"spread": "order"}, "planned with --spread order, not sites"),
        (_SAME_LIST, {}, ""),
    ],
)
def test_of_two_planners_the_one_that_loses_changes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    out: str,
    rows: list[str],
    changes: dict[str, Any],
    sentence: str,
) -> None:
    target = open_target(out.format(tmp_path))
    slow = _request(tmp_path, "slow.txt", _SAME_LIST, spread="sites")
    fast = replace(_request(tmp_path, "fast.txt", rows, spread="sites"), **changes)
    if rows is _SAME_LIST:
        fast = replace(fast, sources=slow.sources)
    create = type(target).create

    def overtaken(self: Target, name: str, data: bytes) -> bool:
        monkeypatch.setattr(type(target), "create", create)
        plans.append(plan_fleet(target, fast, 2))
        return create(self, name, data)

    plans: list[FleetPlan] = []
    monkeypatch.setattr(type(target), "create", overtaken)
    if sentence:
        with pytest.raises(PlanError, match=sentence):
            plan_fleet(target, slow, 2)
    else:
        assert plan_fleet(target, slow, 2) == plans[0]
    (plan,) = plans
    assert read_plan(target) == plan
    assert sorted(each.url for shard in entries_of(target, plan) for each in shard) == sorted(rows)
    assert _lists(target) == _named(plan)


@pytest.mark.parametrize("out", ["{}/out", "memory://{}/out"])
@pytest.mark.parametrize("rows", [["http://c.example/4"], _SAME_LIST])
def test_a_killed_planner_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, rows: list[str]
) -> None:
    target = open_target(out.format(tmp_path))

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(target), "create", killed)
        with pytest.raises(KeyboardInterrupt):
            plan_fleet(target, _request(tmp_path, "killed.txt", _SAME_LIST), 2)
    assert len(_lists(target)) == 2
    target.put(f"{LISTS}/notes.txt", b"mine")
    plan = plan_fleet(target, _request(tmp_path, "list.txt", rows), 2)
    assert [len(shard) for shard in entries_of(target, plan)] == [e.entries for e in plan.shards]
    assert _lists(target) == _named(plan) | {f"{LISTS}/notes.txt"}


async def test_of_two_commands_that_plan_one_folder_one_is_refused(
    home: Home, tmp_path: Path
) -> None:
    for name in "ab":
        rows = (f"http://{name}{number % 50}.example/{number}" for number in range(3_000))
        (tmp_path / f"{name}.txt").write_text("\n".join(rows))
    out = tmp_path / "out"
    done = await asyncio.gather(
        *(home.rheo("fleet", "plan", tmp_path / f"{name}.txt", "-o", out, "--shard-size", "50")
          for name in "ab")
    )  # fmt: skip
    assert sorted(each.code for each in done) == [0, 2], done
    refused = max(done, key=lambda each: each.code)
    assert "the output folder was planned from a different list" in refused.err
    target = open_target(str(out))
    plan = read_plan(target)
    assert plan is not None
    urls = [entry.url for shard in entries_of(target, plan) for entry in shard]
    assert len(urls) == 3_000 and len({url[7] for url in urls}) == 1
    assert _lists(target) == _named(plan)


@pytest.mark.parametrize("name", ["part-000000.json", "part-000003.p2.parquet", "part-000001"])
def test_results_without_a_plan_are_not_taken_for_those_of_a_new_one(
    tmp_path: Path, name: str
) -> None:
    target, _ = planned(tmp_path, ["http://example.org/"])
    target.remove(PLAN_NAME)
    target.put(name, b"{}")
    with pytest.raises(PlanError, match=f"results of another run, such as {name}; choose another"):
        plan_fleet(target, PlanRequest((str(tmp_path / "list.txt"),)), 2)


LONG = pytest.mark.long


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("count", [50_000, pytest.param(1_000_000, marks=LONG)])
def test_a_long_list_is_planned_in_little_memory(tmp_path: Path, count: int) -> None:
    source = tmp_path / "list.txt"
    lines = (f"https://host{n % 997}.example{n % 61}.org/data/{n}.jpg" for n in range(count))
    source.write_text("\n".join(lines))
    program = (
        "import sys\n"
        "from rheo_core.fleet.planning import PlanRequest, plan_fleet\n"
        "from rheo_core.fleet.targets import open_target\n"
        "plan_fleet(open_target(sys.argv[2]), PlanRequest((sys.argv[1],), lanes=64), 2)\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    command = [sys.executable, "-c", program, str(source), str(tmp_path / "out")]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(output.split()[1]) < 100 << 10  # KiB; the program alone has 40 MiB
