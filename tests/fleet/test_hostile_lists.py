"""Lists that expand without end: a long list costs time, and no memory."""

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from rheo_core.fleet import parquet_pages, tables
from rheo_core.fleet.columns import TableOptions
from rheo_core.fleet.compact import CompactReader
from rheo_core.fleet.rows import ListError, Row
from rheo_core.fleet.tables import read_rows
from rheo_core.inputs import pipeline, reader_api

URL = "https://example.org/last"
LINE_LENGTH = 1 << 16
BOMB_BYTES = 16 << 20
"""Size of an expanded list. In memory, it would take as much again, or more."""


@pytest.fixture(autouse=True)
def short_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lower the limit of a line, and check that no test takes memory for a whole list."""
    for module in (pipeline, reader_api, tables):
        monkeypatch.setattr(module, "MAX_LINE_LENGTH", LINE_LENGTH)
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < BOMB_BYTES / 2


def bomb(path: Path, block: bytes, head: bytes = b"", tail: bytes = b"") -> str:
    """Write a gzip file that repeats a block; it takes a thousandth of what it expands to."""
    repeated = block * ((1 << 20) // len(block))
    parts = [gzip.compress(head), *[gzip.compress(repeated)] * (BOMB_BYTES >> 20)]
    path.write_bytes(b"".join([*parts, gzip.compress(tail)]))
    assert path.stat().st_size < 1 << 20
    return str(path)


def good_urls(rows: Iterator[Row]) -> list[str]:
    return [row.url for row in rows if not row.problem]


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("l.txt.gz", b"https://example.org/"),
        ("l.jsonl.gz", b'{"url":"https://example.org/'),
        ("l.csv.gz", b"url\nhttps://example.org/"),
        ("l.csv.gz", b'url\n"https://example.org/'),
        ("l.csv.gz", b"url,caption\nhttps://example.org/,"),
    ],
)
def test_a_line_without_end_is_one_bad_row(tmp_path: Path, name: str, head: bytes) -> None:
    tail = json.dumps({"url": URL}) if "jsonl" in name else URL
    source = bomb(tmp_path / name, b"https://example.org/", head, f"\n{tail}".encode())
    bad, good = read_rows(source, TableOptions())
    assert bad.problem and good == Row(URL)


def test_a_line_without_end_in_a_text_says_that_the_rest_is_not_read(tmp_path: Path) -> None:
    source = bomb(tmp_path / "l.gz", b"a", b"some words and https://example.org/ then ")
    *_, last = read_rows(source, TableOptions())
    assert last.problem and "characters; the rest is ignored" in last.problem


def test_a_row_without_end_is_bad(tmp_path: Path) -> None:
    """A quoted cell may hold line ends, so that one row would take the rest of the list."""
    end = f'\n"\n{URL},x\n'.encode()
    source = bomb(tmp_path / "l.csv.gz", b'"%s\n",' % (b"a" * 9_000), b"url,caption\n", end)
    rows = read_rows(source, TableOptions())
    assert next(rows).problem == (
        f"row 2: it is not a row of a table: it has more than {LINE_LENGTH:,} characters"
    )
    assert good_urls(rows) == [URL]


def test_the_names_of_columns_have_an_end(tmp_path: Path) -> None:
    source = bomb(tmp_path / "l.csv.gz", b'"\n",')
    with pytest.raises(ListError, match=r"cannot read the names of the columns of .*65,536"):
        list(read_rows(source, TableOptions(format="csv")))


def test_long_lines_at_the_beginning_are_not_collected(tmp_path: Path) -> None:
    block = b"https://example.org/" + b"a" * LINE_LENGTH + b"\n"
    source = bomb(tmp_path / "l.gz", block, tail=URL.encode())
    assert good_urls(read_rows(source, TableOptions(format="lines"))) == [URL]


def test_a_parquet_list_that_repeats_a_long_value_is_read_in_turns(tmp_path: Path) -> None:
    """Arrow has memory of its own, in which a batch of 4,096 rows would take 256 MiB."""
    indices = pyarrow.array([0] * 10_000, pyarrow.int32())
    long = pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array(["x" * (1 << 16)]))
    path = tmp_path / "l.parquet"
    table = pyarrow.table({"url": [URL] * 10_000, "caption": long})
    parquet.write_table(table, path, compression="zstd", store_schema=False)
    del table, long, indices
    assert path.stat().st_size < 1 << 20
    before = pyarrow.total_allocated_bytes()
    rows = read_rows(str(path), TableOptions(keep=("caption",)))
    for row, _ in zip(rows, range(300), strict=False):
        assert row.url == URL
        assert pyarrow.total_allocated_bytes() - before < 64 << 20


WAYS_TO_WRITE: list[dict[str, Any]] = [
    {},
    {"use_dictionary": False},
    {"data_page_version": "2.0", "compression": "snappy"},
    {"row_group_size": 100, "data_page_size": 500},
    {"compression": "none", "write_page_index": True, "write_page_checksum": True},
    {"column_encoding": {"url": "DELTA_BYTE_ARRAY"}, "use_dictionary": False},
]


@pytest.mark.parametrize("options", WAYS_TO_WRITE, ids=str)
def test_pages_of_usual_parquet_lists_are_measured(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statistics make the heads of pages longer than what is read of them at first."""
    urls = [f"https://example.org/{'x' * 2_000}{number}" for number in range(500)]
    columns = {
        "url": urls,
        "b.c": [*range(500)],
        "n": [{"d": [None, "y"]}] * 500,
        "e": [None] * 500,
    }
    path = str(tmp_path / "l.parquet")
    parquet.write_table(pyarrow.table(columns), path, **options)
    table = TableOptions(keep=("b.c", "n", "e"))
    assert good_urls(read_rows(path, table)) == urls
    monkeypatch.setattr(parquet_pages, "MAX_PAGE_BYTES", 10)
    with pytest.raises(
        ListError, match=r"a page of the column '.*' has [\d,]+ bytes, more than 10$"
    ):
        list(read_rows(path, table))


def test_a_large_page_is_not_decompressed(tmp_path: Path) -> None:
    """A value of 129 MiB takes a few kilobytes of the file."""
    path, size = tmp_path / "l.parquet", 129 << 20
    ends = pyarrow.array([0, size], "int32").buffers()[1]
    zeros = pyarrow.nulls(size, "uint8").buffers()[1]
    caption = pyarrow.StringArray.from_buffers(1, ends, zeros)
    parquet.write_table(
        pyarrow.table({"url": [URL], "caption": caption}),
        path, compression="zstd", use_dictionary=False, write_statistics=False,
    )  # fmt: skip
    del caption, zeros
    assert path.stat().st_size < 1 << 20
    assert good_urls(read_rows(str(path), TableOptions())) == [URL]  # the caption is not read
    before = pyarrow.total_allocated_bytes()
    sentence = r"a page of the column 'caption' has 135,[\d,]+ bytes, more than 134,217,728$"
    with pytest.raises(ListError, match=sentence):
        list(read_rows(str(path), TableOptions(keep=("caption",))))
    assert pyarrow.total_allocated_bytes() - before < 1 << 20


def test_a_damaged_parquet_list_is_named(tmp_path: Path) -> None:
    """Each byte is damaged in turn. Some of them make pyarrow's own objects end the process."""
    path = tmp_path / "l.parquet"
    parquet.write_table(pyarrow.table({"url": [URL, URL]}), path, store_schema=False)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for value in (0, 255, whole[place] ^ 1):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            with suppress(ListError):
                list(read_rows(str(path), TableOptions()))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x15",  # a field without its value
        b"\x15" + b"\xff" * 11,  # a number without end
        b"\x18\x7f",  # text beyond the end
        b"\x1c" * 100,  # structures in structures
        b"\x19\x1c" * 100,  # lists of structures
        b"\x19\x11\x01\x00",  # a list of flags
        b"\x1d\x00",  # an unknown kind
        b"\x15\x02\x05\x02\x02\x00",  # a field twice
    ],
)
def test_damaged_structures_of_parquet_are_errors(data: bytes) -> None:
    with pytest.raises((IndexError, TypeError)):
        CompactReader(data).struct()


def test_structures_of_parquet_are_read() -> None:
    data = b"\x11\x12\x13\x07\x15\x03\x17" + bytes(8) + b"\x18\x01a\x19\x25\x02\x04\x1c\x00"
    whole = CompactReader(data + b"\x06\xa0\x9c\x01\x01\x00rest")
    assert whole.struct() == {
        1: True, 2: False, 3: 7, 4: -2, 5: bytes(8), 6: b"a", 7: [1, 2], 8: {}, 10_000: 0 - 1,
    }  # fmt: skip
