"""Shard lists: every row has one key, and comes back as it was."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from rheo_core.domain.fleet import MAX_LINE_BYTES, MAX_SHARD_BYTES, FleetEntry, ShardPlan
from rheo_core.fleet import shard_files
from rheo_core.fleet.rows import Row, checked_row
from rheo_core.fleet.shard_files import ShardWriter, read_shard
from rheo_core.fleet.targets import Target, open_target

A = "https://example.org/a"


def read_all(target: Target, shards: Sequence[ShardPlan]) -> list[FleetEntry]:
    """Return the entries of all shards."""
    return [
        entry
        for number, shard in enumerate(shards)
        for entry in read_shard(target, number, crc32=shard.crc32)
    ]


def test_rows_come_back_with_their_keys(tmp_path: Path) -> None:
    rows = [
        Row("https://example.org/a"),
        Row("https://example.org/ü", 0, f"md5:{'0' * 32}", "ü.png", {"caption": "süß", "n": [1]}),
        checked_row(3, "ftp://example.org/b", extra=MappingProxyType({"caption": None})),
    ]
    target = open_target(str(tmp_path))
    writer = ShardWriter(target, 2)
    for row in rows:
        writer.add(5, row)
    shards = writer.finish()
    assert [(each.lane, each.entries) for each in shards] == [(5, 2), (5, 1)]
    entries = read_all(target, shards)
    assert [each.key for each in entries] == ["00000000000", "00000000001", "00000100000"]
    fields = [(e.url, e.size_bytes, e.hash, e.name, e.extra, e.problem) for e in entries]
    assert fields == [(*row[:4], dict(row.extra), row.problem) for row in rows]


def test_a_list_is_a_gzip_file_whatever_its_length(tmp_path: Path) -> None:
    writer = ShardWriter(open_target(str(tmp_path)), 1_000)
    for number in range(777):
        writer.add(0, Row(f"https://example.org/{number}"))
    writer.finish()
    (path,) = tmp_path.glob("_rheo/shards/*")
    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert len(lines) == 777
    assert lines[-1] == b'{"key":"00000000776","url":"https://example.org/776"}'


def test_a_list_for_too_many_shards_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_files, "MAX_SHARDS", 2)
    writer = ShardWriter(open_target(str(tmp_path)), 1)
    writer.add(0, Row("https://example.org/0"))
    writer.add(0, Row("https://example.org/1"))
    with pytest.raises(ValueError, match="more than 2 shards of 1 entries; choose a larger"):
        writer.add(0, Row("https://example.org/2"))


@pytest.mark.parametrize("damage", [b"", b"\0" * 9])
def test_a_damaged_list_is_named(tmp_path: Path, damage: bytes) -> None:
    writer = ShardWriter(open_target(str(tmp_path)), 9)
    writer.add(0, Row("https://example.org/0"))
    shards = writer.finish()
    (path,) = tmp_path.glob("_rheo/shards/*")
    path.write_bytes(path.read_bytes()[:-9] + damage)
    with pytest.raises(OSError, match=r"CRC|000000-[0-9a-f]{8}.jsonl.gz is damaged"):
        read_all(open_target(str(tmp_path)), shards)


def test_a_list_with_other_lines_is_named(tmp_path: Path) -> None:
    target = open_target(str(tmp_path))
    writer = ShardWriter(target, 9)
    writer.add(0, Row(A))
    shards = writer.finish()
    (path,) = tmp_path.glob("_rheo/shards/*")
    path.write_bytes(gzip.compress(b'{"key":"00000000000","url":"https://example.org/b"}\n'))
    with pytest.raises(OSError, match="is damaged: its lines do not match their checksum"):
        read_all(target, shards)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"{", "line 2 of _rheo/shards/000000.jsonl.gz is damaged"),
        (b"[1]", "line 2 of .* is damaged"),
        (b'{"key":"00000000001"}', "is damaged"),
        (b'{"key":5,"url":"http://h/"}', "is damaged"),
        (b'{"key":"00000000001","url":"http://h/","extra":5}', "is damaged"),
        (b'{"key":"00000100000","url":"http://h/"}', "'00000100000', which is not of this shard"),
        (b'{"key":"000000/../a","url":"http://h/"}', "which is not of this shard"),
        (b'{"key":"00000000001","url":"file:///etc/passwd"}', "no URL that can be downloaded"),
        (b'{"key":"00000000001","url":"http://h/\\nls"}', "no URL that can be downloaded"),
        (b'{"key":"00000000001","url":"x"}', "no URL that can be downloaded"),
        (b'{"key":"00000000001","url":"http://[::"}', "line 2 of .* no URL that can be downloaded"),
        (b'{"key":"00000000001","url":"http:///x"}', "line 2 of .* no URL that can be downloaded"),
        (b'{"key":"00000000001","url":"http://a:b:c/"}', "no URL that can be downloaded"),
        (b'{"key":"00000000001","url":"http://h/%s"}' % (b"x" * 70_000), "no URL that can be"),
        (b'{"key":"00000000001","url":"http://h/","size_bytes":-5}', "line 2 of .* is damaged"),
        (b'{"key":"00000000001","url":"http://h/","hash":"x:00"}', "line 2 of .* 'x' is unknown"),
        (
            b'{"key":"00000000001","url":"http://h/","hash":"md5:zz"}',
            "line 2 of .* is damaged: md5 .{9,60}$",
        ),
    ],
)
def test_a_line_that_is_no_entry_of_the_shard_is_named(
    tmp_path: Path, line: bytes, sentence: str
) -> None:
    good = b'{"key":"00000000000","url":"http://h/"}\n'
    target = open_target(str(tmp_path))
    target.put("_rheo/shards/000000.jsonl.gz", gzip.compress(good + line + b"\n"))
    with pytest.raises(OSError, match=sentence):
        list(read_shard(target, 0))


def test_a_row_with_a_long_column_to_keep_becomes_unreadable(tmp_path: Path) -> None:
    target = open_target(str(tmp_path))
    writer = ShardWriter(target, 10)
    long = "x" * MAX_LINE_BYTES
    writer.add(0, Row("https://example.org/?token=4fz8kQ1xv9TbW2mP7sLd", extra={"caption": long}))
    writer.add(0, Row(A, extra={"caption": long[:-200]}))
    first, second = read_all(target, writer.finish())
    assert first.problem is not None and first.problem.endswith("to keep, more than 1,048,576")
    assert "4fz8kQ1xv9TbW2mP7sLd" not in first.url and not first.extra
    assert (second.url, second.problem) == (A, None)


def test_a_shard_with_many_bytes_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So every list that a plan stores is one that a worker reads."""
    assert MAX_SHARD_BYTES > 10 * MAX_LINE_BYTES
    monkeypatch.setattr(shard_files, "MAX_SHARD_BYTES", 10_000)
    monkeypatch.setattr(shard_files, "MAX_LINE_BYTES", 1_000)
    target = open_target(str(tmp_path))
    writer = ShardWriter(target, 1_000)
    rows = [Row(f"{A}{number}", extra={"caption": "x" * 500}) for number in range(100)]
    for row in rows:
        writer.add(0, row)
    shards = writer.finish()
    assert len(shards) > 1 and sum(shard.entries for shard in shards) == 100
    found = read_all(target, shards)
    assert [entry.url for entry in found] == [row.url for row in rows]
