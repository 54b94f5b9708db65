"""Output folders of somebody else.

For any content of a file, memory stays bounded and one sentence names the file.
"""

import errno
import gzip
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from rheo_core.domain.fleet import (
    MAX_SHARD_BYTES,
    PLAN_NAME,
    STATUS_NAME,
    EntryOutcome,
    FleetPass,
    FleetPlan,
    FleetStatus,
    ShardFacts,
    ShardPlan,
    ShardTask,
    facts_name,
    journal_name,
    key_of,
    pass_name,
    shard_list_name,
    to_json,
)
from rheo_core.fleet import passes
from rheo_core.fleet.checking import problems
from rheo_core.fleet.columns import TableOptions
from rheo_core.fleet.failed_entries import failed_entries
from rheo_core.fleet.journal import Journal, ShardBusyError
from rheo_core.fleet.manifest import read_manifest
from rheo_core.fleet.output_files import StoredFileError, read_value
from rheo_core.fleet.passes import read_passes
from rheo_core.fleet.planning import PlanError, read_plan
from rheo_core.fleet.rows import ListError, Row
from rheo_core.fleet.shard import _digest_of_list, run_shard
from rheo_core.fleet.shard_files import read_shard
from rheo_core.fleet.status import read_status
from rheo_core.fleet.tables import read_rows
from rheo_core.fleet.targets import LocalTarget, Target, open_target
from rheo_core.fleet.watching import FleetWatcher
from tests.faults.program import Ended, Home
from tests.fleet import footers
from tests.fleet.runs import FleetRun, planned

_GIB = 1 << 30

pytestmark = pytest.mark.usefixtures("limited_memory")


@pytest.fixture
def run(tmp_path: Path) -> FleetRun:
    return planned(tmp_path / "out", [Row("http://127.0.0.1:1/0"), Row("http://127.0.0.1:1/1")], 1)


def target_of(run: FleetRun) -> Target:
    return open_target(str(run.out))


def make_long(path: Path, size: int = 10 * _GIB) -> None:
    """Make a file of this size that takes no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.truncate(size)


DEEP = b"[" * 200_000
ARRAYS = b'{"x":[' + b"[]," * 1_000_000 + b"1]}"
NUMBERS = b'{"x":[' + b"1," * 4_000_000 + b"1]}"
JSON = [
    b"", b"\0" * 99, b"{", b"null", b"[]", b"{}", DEEP, b'{"a":' * 50_000, ARRAYS, NUMBERS,
    b'{"shard":' + b"9" * 5_000 + b"}", b'{"shard":NaN}', b'{"shard":1e999}', b'{"shard":-1e400}',
    b'{"worker":"\\ud800"}', b'{"worker":"\xed\xa0\x80"}', b"\xff\xfe{}",
]  # fmt: skip


@pytest.mark.parametrize("content", JSON, ids=lambda content: repr(content[:12]))
def test_values_that_are_none_of_ours_are_named(run: FleetRun, content: bytes) -> None:
    target = target_of(run)
    for name, kind in [
        (PLAN_NAME, FleetPlan),
        (pass_name(2), FleetPass),
        (STATUS_NAME, FleetStatus),
        (facts_name(0), ShardFacts),
    ]:
        target.put(name, content)
        with pytest.raises(StoredFileError, match=f"^{name} "):
            read_value(target, name, kind)


@pytest.mark.parametrize(
    ("name", "limit_bytes"),
    [(PLAN_NAME, 64 << 20), (pass_name(2), 64 << 20), (facts_name(0), 128 << 10)],
)
def test_a_file_that_is_too_large_is_named_with_its_size(
    run: FleetRun, name: str, limit_bytes: int
) -> None:
    target = target_of(run)
    make_long(run.out / name)
    sentence = f"{name} has {10 * _GIB:,} bytes; at most {limit_bytes:,} are read; "

    def look() -> None:
        plan = read_plan(target)
        assert plan is not None
        read_status(target, plan)

    with pytest.raises(ValueError, match=re.escape(sentence)):
        look()
    if name == facts_name(0):
        assert FleetWatcher(target).look().problem.startswith(sentence)
    else:
        with pytest.raises(ValueError, match=re.escape(sentence)):
            FleetWatcher(target).look()
    assert (run.out / name).stat().st_size == 10 * _GIB


def test_a_file_of_a_store_that_is_too_large_is_named_with_its_size() -> None:
    target = open_target("memory://hostile/out")
    target.put("a", b"x" * 100)
    target.put("empty", b"")
    assert target.read("a", 100) == b"x" * 100
    assert target.read("empty") == b""
    with pytest.raises(OSError, match=r"^\[Errno 27\] a has 100 bytes; at most 99 are read$") as e:
        target.read("a", 99)
    assert e.value.errno == errno.EFBIG


def test_a_status_that_is_too_large_counts_as_none(run: FleetRun) -> None:
    make_long(run.out / STATUS_NAME)
    target = target_of(run)
    assert read_status(target, run.plan).entries == 2
    assert FleetWatcher(target).look().entries == 2


def test_the_largest_plan_is_read(tmp_path: Path) -> None:
    """A hundred thousand shards of ten thousand URLs are a billion."""
    shards = tuple(ShardPlan(999_999, 10_000, 0xFFFFFFFF) for _ in range(100_000))
    plan = FleetPlan("sha256:0", 10**9, 0, 4096, shards)
    target = open_target(str(tmp_path))
    target.put(PLAN_NAME, to_json(plan).encode())
    assert read_plan(target) == plan


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"concurrency": 2**62}, "concurrency is 4611686018427387904, not from 1 to 4,096"),
        ({"concurrency": -1}, "concurrency is -1"),
        ({"host_connections": 0}, "host_connections is 0"),
        ({"retries": 10**9}, "retries is 1000000000"),
        ({"shard_size": 0}, "shard_size is 0"),
        ({"host_rate": -1.5}, "host_rate is -1.5"),
        ({"max_size": 0}, "max_size is 0"),
        ({"split_sites": {"a.org": 0}}, "a site has no lane"),
        ({"compute_hash": "shake_128"}, "the algorithm 'shake_128' is unknown"),
        ({"contact": "a@b.org\r\nX-Evil: 1"}, "is neither an email address nor"),
        ({"shards": [1] * 100_000}, ""),
        ({"keep": [str(n) for n in range(1_001)]}, ""),
        ({"keep": [str(n) for n in range(90_000)]}, ""),
        ({"keep": ["x" * 401]}, ""),
        ({"split_sites": {str(n): 1 for n in range(2_000)}}, ""),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_plan_with_a_value_of_nobody_is_refused(
    run: FleetRun, change: dict[str, object], phrase: str
) -> None:
    target = target_of(run)
    plan = json.loads(to_json(run.plan)) | change
    target.put(PLAN_NAME, json.dumps(plan).encode())
    with pytest.raises(PlanError, match=f"{PLAN_NAME} is damaged.*{re.escape(phrase)}.*; choose"):
        read_plan(target)


def test_passes_with_more_shards_than_any_run_are_refused(
    run: FleetRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "_MAX_SHARDS", 2_000)
    target = target_of(run)
    for number in (2, 3, 4):
        content = {"number": number, "shards": dict.fromkeys(range(700), 1), "errors": {}}
        target.put(pass_name(number), json.dumps(content).encode())
    with pytest.raises(ValueError, match=r"up to _rheo/pass-4.json have more than 2,000 shards"):
        read_passes(target)
    target.put(f"_rheo/pass-{'9' * 200}.json", b"{}")  # not a number that a pass has
    target.remove(pass_name(4))
    assert len(read_passes(target)) == 2


# Shard lists


def gzip_bomb(size: int) -> bytes:
    """Zeros that take a thousandth of their size."""
    block = gzip.compress(b"\0" * (16 << 20), 6)
    return block * (size >> 24)


@pytest.mark.parametrize(
    ("compress_list", "sentence"),
    [
        (lambda: gzip_bomb(8 * _GIB), "decompress to more than 67,108,864"),
        (
            lambda: gzip.compress(b'{"key":"' + b"a" * (40 << 20)),
            r"line 1 of .* has .* at most 1,048,576",
        ),
        (
            lambda: gzip.compress(b'{"key":"00000000000","url":"http://h/"}\n' * 500_000),
            "line 2 of .*: keys are out of order: '00000000000' follows '00000000000'",
        ),
        (
            lambda: gzip.compress(b'{"key":"00000000000","url":"http://h/","extra":' + DEEP),
            "line 1 of .* is damaged",
        ),
        (
            lambda: gzip.compress(
                b'{"key":"00000000000","url":"http://h/","size_bytes":' + b"9" * 9999
            ),
            "line 1 of .* is damaged",
        ),
    ],
    ids=["bomb", "line", "keys", "deep", "digits"],
)
def test_a_bomb_in_a_shard_list_is_named(
    run: FleetRun, compress_list: Callable[[], bytes], sentence: str
) -> None:
    target = target_of(run)
    plan = replace(run.plan, shards=(ShardPlan(0, 1), ShardPlan(0, 1)))  # without checksums
    target.put(PLAN_NAME, to_json(plan).encode())
    target.put(shard_list_name(0), compress_list())
    with pytest.raises(OSError, match=sentence):
        list(read_shard(target, 0))
    with pytest.raises(OSError, match=sentence):
        run_shard(ShardTask(str(run.out), 0))


def test_a_shard_list_that_is_too_long_is_named(run: FleetRun) -> None:
    make_long(run.out / shard_list_name(0, crc32=run.plan.crc32_of(0)))
    with pytest.raises(OSError, match=f"has {10 * _GIB:,} bytes; at most {MAX_SHARD_BYTES:,} are"):
        run_shard(ShardTask(str(run.out), 0))


# Journals


def head_of(run_id: str = "run") -> bytes:
    return json.dumps({"run": run_id}).encode() + b"\n"


def test_a_line_without_end_in_a_journal_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "j"
    outcome = EntryOutcome("00000000000", "failed", kind="dns")
    path.write_bytes(head_of() + outcome.to_line())
    make_long(path, 10 * _GIB)
    with Journal(path, "run") as journal:
        assert journal.outcomes == {outcome.key: outcome}
        with pytest.raises(
            ShardBusyError, match=rf"^process {os.getpid()} on .* is working on it$"
        ):
            Journal(path, "run")
    assert path.stat().st_size < 1000


def test_a_journal_of_endless_lines_is_believed_in_part(tmp_path: Path) -> None:
    path = tmp_path / "j"
    line = b'{"key":"%011d","outcome":"failed"}\n'
    path.write_bytes(head_of() + b"".join(line % number for number in range(500_000)))
    with Journal(path, "run") as journal:
        assert len(journal.outcomes) == 100_001


@pytest.mark.parametrize(
    "numbers",
    [
        {"status": 99_999},
        {"status": -1},
        {"attempts": 99_999},
        {"attempts": -1},
        {"size": -1},
        {"size": 2**63},
        {"seconds": 1e300},
    ],
    ids=str,
)
def test_a_number_that_no_outcome_has_ends_a_journal(
    run: FleetRun, numbers: dict[str, float]
) -> None:
    """A manifest has no room for it, so the shard could never be stored."""
    keys = [key_of(0, place) for place in range(3)]
    good = EntryOutcome(keys[0], "failed", status=999, attempts=2**15 - 1, kind="dns")
    bad = {"key": keys[1], "outcome": "failed", **numbers}
    path, run_id = (
        run.out / journal_name(0),
        _digest_of_list(target_of(run), run.plan, run.tasks[0]),
    )
    path.parent.mkdir(parents=True)
    lines = [good.to_line(), json.dumps(bad).encode() + b"\n", replace(good, key=keys[2]).to_line()]
    path.write_bytes(head_of(run_id) + b"".join(lines))
    with Journal(path, run_id) as journal:
        assert journal.outcomes == {good.key: good}
    assert run_shard(run.tasks[0]).errors == {"dns": 1}
    (row,) = run.manifest()
    assert row["status"] == 999 and row["attempts"] == 2**15 - 1


def test_a_journal_without_end_is_not_shown(run: FleetRun) -> None:
    path = run.out / journal_name(0)
    path.parent.mkdir(parents=True)
    path.write_bytes(head_of() + EntryOutcome("00000000000", "failed", kind="dns").to_line())
    make_long(path)
    target = target_of(run)
    assert [each.kind for each in failed_entries(target, 0, 1)] == ["dns"]
    assert FleetWatcher(target).look().failed == 1


# Manifests


def write_bomb(path: Path, columns: dict[str, str], rows: int) -> None:
    """Write a manifest that repeats long values; it takes a few kilobytes."""
    indices = pyarrow.array([0] * rows, pyarrow.int32())
    arrays = {
        name: pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array([value]))
        for name, value in columns.items()
    }
    parquet.write_table(pyarrow.table(arrays), path, compression="zstd", store_schema=False)


COLUMNS = ("key", "outcome", "kind")


@pytest.mark.parametrize(("length", "rows"), [(1 << 16, 5_000), (5, 1_000_000)])
def test_a_manifest_that_repeats_values_is_named(run: FleetRun, length: int, rows: int) -> None:
    write_bomb(run.out / "m.parquet", dict.fromkeys(COLUMNS, "x" * length), rows)
    assert (run.out / "m.parquet").stat().st_size < 1 << 20
    with pytest.raises(ValueError, match=r"m.parquet is damaged: it has more than 100,000 rows or"):
        for _ in read_manifest(target_of(run), "m.parquet", COLUMNS):
            pass


def test_a_footer_of_any_length_is_not_read(run: FleetRun) -> None:
    path = run.out / "m.parquet"
    make_long(path, 2 * _GIB)
    with path.open("ab") as file:
        file.write((_GIB).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ValueError, match=r"its footer has 1,073,741,824 bytes, more than"):
        list(read_manifest(target_of(run), "m.parquet", COLUMNS))


@pytest.mark.parametrize(
    ("make", "count", "sentence"),
    [
        (footers.many_columns, 10_001, "it has more than 10,000 columns"),
        (footers.many_columns, 990_000, "its lists have 990,001 items, more than 500,000"),
        (footers.many_chunks, 2_000_000, "its lists have 2,000,003 items, more than 500,000"),
        (footers.many_groups, 500_000, "its lists have 500,002 items, more than 500,000"),
        (footers.many_keys, 2_000_000, "its lists have 2,000,002 items, more than 500,000"),
        (footers.many_names, 2_000_000, "its lists have 2,000,004 items, more than 500,000"),
    ],
    ids=["columns", "all columns", "chunks", "groups", "keys", "names"],
)
def test_a_footer_with_too_many_items_is_not_read(
    run: FleetRun, make: Callable[[int], bytes], count: int, sentence: str
) -> None:
    """pyarrow takes 1.5 KB for a column of seven bytes: gigabytes for these footers."""
    path = run.out / "m.parquet"
    path.write_bytes(make(count))
    with pytest.raises(ValueError, match=f"^m.parquet is damaged: {sentence}$"):
        list(read_manifest(target_of(run), "m.parquet", COLUMNS))
    with pytest.raises(ListError, match=f"^cannot read the list {path}: {sentence}$"):
        list(read_rows(str(path), TableOptions()))


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (footers.many_columns, 9_999),
        (footers.many_chunks, 490_000),
        (footers.many_groups, 49_000),
        (footers.many_keys, 49_000),
        pytest.param(footers.many_groups, 490_000, marks=pytest.mark.long),
        pytest.param(footers.many_keys, 490_000, marks=pytest.mark.long),
    ],
)
def test_a_footer_below_the_limits_is_read(
    run: FleetRun, make: Callable[[int], bytes], count: int
) -> None:
    """Its columns are others than those of a list, as pyarrow finds."""
    path = run.out / "m.parquet"
    path.write_bytes(make(count))
    with pytest.raises(ListError, match=r"has no column 'url'; its columns are a"):
        list(read_rows(str(path), TableOptions()))


@pytest.mark.parametrize("columns", [("key",), ("key", "outcome")])
def test_a_manifest_without_a_column_is_named(run: FleetRun, columns: tuple[str, ...]) -> None:
    write_bomb(run.out / "m.parquet", dict.fromkeys(columns, "x"), 5)
    with pytest.raises(ValueError, match=r"m.parquet is damaged: "):
        list(read_manifest(target_of(run), "m.parquet", COLUMNS))


def test_a_checksum_of_an_unknown_kind_is_named(run: FleetRun) -> None:
    target, name = target_of(run), "part-000000"
    values = {"key": "00000000000", "file": "00000000000", "hash": "shake_128:00", "type": None}
    table = {key: [value] for key, value in values.items()} | {"size": pyarrow.array([1])}
    parquet.write_table(pyarrow.table(table), run.out / f"{name}.parquet")
    (run.out / name).mkdir()
    (run.out / name / "00000000000").write_bytes(b"x")
    facts = ShardFacts(0, entries=1, counts={"completed": 1})
    target.put(facts_name(0), to_json(facts).encode())
    found = "\n".join(problems(target, run.plan, deep=True))
    assert "does not name a manifest" in found
    facts = json.loads(to_json(facts))
    facts["parts"] = {f"{name}.parquet": {"size_bytes": 1, "sha256": ""}}
    target.put(facts_name(0), json.dumps(facts).encode())
    found = "\n".join(problems(target, run.plan, deep=True))
    assert (
        f"{name}/00000000000 has an unknown checksum: the algorithm 'shake_128' is unknown" in found
    )


# Whole commands


async def said_by(home: Home, run: FleetRun, command: list[str]) -> Ended:
    return await home.rheo("fleet", *command, run.out)


@pytest.mark.parametrize(
    ("name", "command", "code"),
    [
        (PLAN_NAME, ["status"], 2),
        (PLAN_NAME, ["run", "-o"], 2),
        (facts_name(0), ["status"], 3),
        (facts_name(0), ["check"], 1),
        (pass_name(2), ["retry"], 1),
    ],
)
async def test_a_command_says_so_in_one_sentence(
    home: Home, run: FleetRun, name: str, command: list[str], code: int
) -> None:
    await check_named(home, run, name, command, code)


async def test_a_command_names_a_list_that_is_too_long(home: Home, run: FleetRun) -> None:
    name = shard_list_name(0, crc32=run.plan.crc32_of(0))
    await check_named(home, run, name, ["work"], 4)


async def check_named(home: Home, run: FleetRun, name: str, command: list[str], code: int) -> None:
    """Check that a command ends with a sentence on a file that is too long."""
    make_long(run.out / name)
    result = await said_by(home, run, command)
    assert result.code == code, result.err
    lines = result.err.splitlines()
    assert f"{name} has {10 * _GIB:,} bytes; at most " in lines[-1], result.err


@pytest.mark.parametrize("command", [["status"], ["work"]])
@pytest.mark.parametrize("name", [PLAN_NAME, facts_name(0)])
async def test_a_folder_in_place_of_a_file_is_named(
    home: Home, run: FleetRun, name: str, command: list[str]
) -> None:
    (run.out / name).unlink(missing_ok=True)
    (run.out / name).mkdir()
    result = await said_by(home, run, command)
    assert result.code == 4
    assert result.err.rstrip().endswith(f"{name}: Is a directory."), result.err


@pytest.mark.parametrize("command", [["check"], ["work"]])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "not a regular file; remove it"),
        (Path.mkdir, "Is a directory"),
        (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    ],
    ids=["fifo", "folder", "loop"],
)
async def test_something_else_than_a_file_is_named(
    home: Home, run: FleetRun, command: list[str], make: Callable[[Path], None], reason: str
) -> None:
    is_check = command == ["check"]
    path = run.out / ("mine" if is_check else journal_name(0))
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    result = await said_by(home, run, command)
    if is_check:  # a foreign name, and the shards are not complete
        assert result.code == 3, result.err
    else:
        assert result.code == 4
        assert result.err.rstrip().endswith(f"{path.name}: {reason}."), result.err


def test_a_status_with_a_long_message_counts_as_none(run: FleetRun) -> None:
    target = target_of(run)
    now = time.time()
    status = FleetStatus("running", now, now, 2, message="x" * 10_000)
    target.put(STATUS_NAME, to_json(status).encode())
    assert read_status(target, run.plan).message == ""


def test_the_class_of_a_local_folder_has_the_same_limit(tmp_path: Path) -> None:
    make_long(tmp_path / "x")
    with pytest.raises(OSError, match="x has 10,737,418,240 bytes; at most 67,108,864 are read"):
        LocalTarget(tmp_path).read("x")
