"""Lists that expand without end: a long list costs time, and no memory."""

import csv
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

from rheo_core.fleet import parquet as parquet_lists
from rheo_core.fleet import parquet_pages, tables
from rheo_core.fleet.columns import TableOptions
from rheo_core.fleet.parquet_pages import MAX_PAGE_BYTES
from rheo_core.fleet.rows import ListError, Row
from rheo_core.fleet.tables import read_rows
from rheo_core.fleet.thrift_compact import (
    BINARY,
    INT_32,
    INT_64,
    LIST,
    STRUCT,
    CompactReader,
    Fields,
)
from rheo_core.inputs import pipeline, reader_api

URL = "https://example.org/last"
LINE_LENGTH = 1 << 16
BOMB_BYTES = 16 << 20
"""Size of an expanded list. In memory, it would take as much again, or more."""


@pytest.fixture(autouse=True)
def short_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lower the limit of a line, and check that no test takes memory for a whole list."""
    for module in (parquet_lists, pipeline, reader_api, tables):
        monkeypatch.setattr(module, "MAX_LINE_LENGTH", LINE_LENGTH)
    length_of_cells = csv.field_size_limit()  # of the whole process; a table of a fleet sets it
    tracemalloc.start()
    yield
    csv.field_size_limit(length_of_cells)
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
    long = pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array(["x" * (LINE_LENGTH - 100)]))
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


REPEATED: list[dict[str, Any]] = [
    {"dictionary_pagesize_limit": 1 << 30},
    {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"},
    {
        "use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY",
        "data_page_version": "2.0",
    },
]  # fmt: skip


@pytest.mark.parametrize("options", REPEATED, ids=str)
def test_longer_values_that_are_repeated_take_the_memory_of_a_few(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 rows would have 64 MiB."""
    monkeypatch.setattr(parquet_pages, "_BATCH_BYTES", 3 << 20)
    long = pyarrow.array(["x" * (1 << 20)]).dictionary_encode()
    path = tmp_path / "l.parquet"
    captions = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 64), long.dictionary)
    if not options.get("use_dictionary", True):
        captions = captions.cast("string")
    parquet.write_table(
        pyarrow.table({"url": [URL] * 64, "caption": captions}), path, compression="zstd",
        store_schema=False, write_statistics=False, **options,
    )  # fmt: skip
    del long, captions
    assert path.stat().st_size < 1 << 20
    before, peak, rows = pyarrow.total_allocated_bytes(), 0, []
    for row in read_rows(str(path), TableOptions(keep=("caption",))):
        rows.append(row)
        peak = max(peak, pyarrow.total_allocated_bytes() - before)
    assert peak < 24 << 20
    assert [row.problem for row in rows] == [
        f"row {number}: it has more than {LINE_LENGTH:,} characters" for number in range(1, 65)
    ]


@pytest.mark.parametrize("rows", [1, 2])
def test_pages_of_one_value_take_the_memory_of_a_few(
    tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a dictionary, each of 64 rows may have a page of its own."""
    monkeypatch.setattr(parquet_pages, "_BATCH_BYTES", 3 << 20)
    path = tmp_path / "l.parquet"
    parquet.write_table(
        pyarrow.table({"url": [URL] * 64, "caption": ["x" * (1 << 20)] * 64}), path,
        compression="zstd", use_dictionary=False, write_statistics=False,
        data_page_size=1, write_batch_size=rows,
    )  # fmt: skip
    assert path.stat().st_size < 1 << 20
    before, peak, count = pyarrow.total_allocated_bytes(), 0, 0
    for row in read_rows(str(path), TableOptions(keep=("caption",))):
        assert f"more than {LINE_LENGTH:,} characters" in str(row.problem)
        peak = max(peak, pyarrow.total_allocated_bytes() - before)
        count += 1
    assert count == 64
    assert peak < 24 << 20


def test_nulls_of_a_fixed_length_take_the_memory_of_a_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 nulls are a page of a few bytes, and 64 MiB in memory."""
    monkeypatch.setattr(parquet_pages, "_BATCH_BYTES", 3 << 20)
    path, width = str(tmp_path / "l.parquet"), 1 << 20
    nulls = pyarrow.array([None] * 64, pyarrow.binary(width))
    table = pyarrow.table({"url": [URL] * 64, "caption": nulls})
    parquet.write_table(table, path, use_dictionary=False, write_statistics=False)
    del table, nulls
    before, peak, urls = pyarrow.total_allocated_bytes(), 0, []
    for row in read_rows(path, TableOptions(keep=("caption",))):
        urls.append(row.url)
        peak = max(peak, pyarrow.total_allocated_bytes() - before)
    assert urls == [URL] * 64
    assert peak < 24 << 20
    monkeypatch.setattr(parquet_pages, "MAX_PAGE_BYTES", width - 1)
    sentence = "a value of the column 'caption' has 1,048,576 bytes, more than 1,048,575$"
    with pytest.raises(ListError, match=sentence):
        list(read_rows(path, TableOptions(keep=("caption",))))


def test_usual_pages_leave_the_batches_as_they_are(tmp_path: Path) -> None:
    urls = [f"https://example.org/{number}" for number in range(6_400)]
    path = tmp_path / "l.parquet"
    parquet.write_table(pyarrow.table({"url": urls, "a": urls, "b": urls}), path)
    with path.open("rb") as file:
        table = parquet_pages.open_parquet(file)
        sizes = {each.num_rows for each in parquet_pages.batches(file, table, 64, ["url", "a"])}
    assert sizes == {64}


HOSTILE_LISTS: dict[str, tuple[list[str], list[int | None], dict[str, Any]]] = {
    "a long value many times": (["x" * 100_000], [0] * 10_000, {}),
    "prefixes": (
        ["x" * 100_000], [0] * 100,
        {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"},
    ),
    "nothing, many times": ([""], [None] * 600_000, {}),
    "nothing, in many pages": ([""], [None] * 600_000, {"data_page_size": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_LISTS)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_list_in_one_row_takes_no_memory(
    tmp_path: Path, name: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_pages, "_MAX_LISTS_BYTES", 8 << 20)
    values, indices, options = HOSTILE_LISTS[name]
    path = tmp_path / "l.parquet"
    items = pyarrow.DictionaryArray.from_arrays(pyarrow.array(indices, "int32"), values)
    if not options.get("use_dictionary", True):
        items = items.cast("string")
    column = pyarrow.ListArray.from_arrays([0, len(items)], items)
    parquet.write_table(
        pyarrow.table({"url": [URL], "tags": column}), path, compression="zstd",
        store_schema=False, write_statistics=False, data_page_version=version, **options,
    )  # fmt: skip
    del items, column
    assert good_urls(read_rows(str(path), TableOptions())) == [URL]  # the lists are not read
    before = pyarrow.total_allocated_bytes()
    sentence = r"the lists of the column 'tags.list.element' may take [\d,]+ bytes in a row group"
    with pytest.raises(ListError, match=sentence):
        list(read_rows(str(path), TableOptions(keep=("tags",))))
    assert pyarrow.total_allocated_bytes() - before < 1 << 20


@pytest.mark.parametrize(
    "options", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}], ids=str
)
def test_usual_lists_are_kept(tmp_path: Path, options: dict[str, Any]) -> None:
    path = str(tmp_path / "l.parquet")
    tags = [[f"tag {each % 7}" for each in range(number % 5)] for number in range(10_000)]
    parquet.write_table(pyarrow.table({"url": [URL] * 10_000, "tags": tags}), path, **options)
    rows = read_rows(path, TableOptions(keep=("tags",)))
    assert [row.extra["tags"] for row in rows] == tags


def test_rows_that_are_too_long_are_bad_wherever_their_text_is(tmp_path: Path) -> None:
    long = "x" * LINE_LENGTH
    path = str(tmp_path / "l.parquet")
    nested = [[{"a": "short"}], [{"a": long[: LINE_LENGTH // 2]}] * 2, [{"a": ""}]]
    urls = [URL, URL, f"https://example.org/{long}"]
    parquet.write_table(pyarrow.table({"url": urls, "caption": nested}), path)
    good, *bad = read_rows(path, TableOptions(keep=("caption",)))
    assert good.url == URL and not good.problem
    assert [(row.url, row.extra) for row in bad] == [("", {})] * 2
    assert all("it has more than 65,536 characters" in str(row.problem) for row in bad)


@pytest.mark.parametrize("reason", ["", "malloc failed"])
def test_memory_that_is_not_there_gets_a_sentence(
    tmp_path: Path, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's own error has no text."""

    def no_memory(_: object) -> int:
        raise MemoryError(*filter(None, [reason]))

    monkeypatch.setattr(parquet_lists, "_length", no_memory)
    path = str(tmp_path / "l.parquet")
    parquet.write_table(pyarrow.table({"url": [URL]}), path)
    sentence = rf"cannot read the list .*: {reason or 'there is not enough memory'}$"
    with pytest.raises(ListError, match=sentence):
        list(read_rows(path, TableOptions()))


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


def number(value: int) -> bytes:
    """Return a number as Thrift's compact protocol has it, of any number of bits."""
    value = value << 1 if value >= 0 else (-value << 1) - 1
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def text(value: bytes) -> bytes:
    return bytes([len(value)]) + value


def items(kind: int, *values: bytes) -> bytes:
    count = len(values)
    length = [count & 0x7F | 0x80, count >> 7 & 0x7F | 0x80, count >> 14]
    return b"".join([bytes([0xF0 | kind, *length]), *values])


def struct(*fields: tuple[int, int, bytes]) -> bytes:
    return b"".join(bytes([kind]) + number(of) + value for of, kind, value in fields) + b"\x00"


def integers(**values: int) -> list[tuple[int, int, bytes]]:
    """Return fields with 32 bits."""
    return [(int(of[1:]), INT_32, number(value)) for of, value in values.items()]


PLAIN = len(URL).to_bytes(4, "little") + URL.encode()
NO_PAGE_SO_LARGE = MAX_PAGE_BYTES + 1


def page(
    *more: tuple[int, int, bytes], kind: int = 0, values: int = 1, size: int = len(PLAIN)
) -> bytes:
    """Return a page with one URL, of any stated size."""
    data = struct(*integers(_1=values, _2=0, _3=3, _4=3))
    fields = [*integers(_1=kind, _2=size, _3=len(PLAIN)), (5, STRUCT, data), *more]
    return struct(*fields) + PLAIN


def row_group(
    place: int, length: int, *more: tuple[int, int, bytes], path: bytes = b"url", values: int = 1
) -> bytes:
    wide = [
        (of, INT_64, number(n)) for of, n in ((5, values), (6, length), (7, length), (9, place))
    ]
    column = struct(
        *integers(_1=6, _4=0), (2, LIST, items(INT_32, number(0))),
        (3, LIST, items(BINARY, text(path))), *wide, *more,
    )  # fmt: skip
    chunk = struct((2, INT_64, number(4)), (3, STRUCT, column))
    count = (3, INT_64, number(values))
    return struct((1, LIST, items(STRUCT, chunk)), (2, INT_64, number(length)), count)


def write(path: Path, pages: bytes, groups: list[bytes], *more: tuple[int, int, bytes]) -> None:
    """Write a Parquet file with one column of URLs."""
    root = struct((4, BINARY, text(b"schema")), *integers(_5=1))
    leaf = struct(*integers(_1=6, _3=0), (4, BINARY, text(b"url")), *integers(_6=0))
    footer = struct(
        *integers(_1=1), (2, LIST, items(STRUCT, root, leaf)), (3, INT_64, number(len(groups))),
        (4, LIST, items(STRUCT, *groups)), *more,
    )  # fmt: skip
    path.write_bytes(b"PAR1" + pages + footer + len(footer).to_bytes(4, "little") + b"PAR1")


SMALL, LARGE = page(), page(size=NO_PAGE_SO_LARGE)
LATE = row_group(4 + len(SMALL), len(LARGE))
EARLY = row_group(4, len(SMALL))


def with_first(first: bytes, values: int = 1) -> tuple[bytes, list[bytes]]:
    """Return pages and row groups of a list whose second page is too large."""
    pages = first + LARGE
    return pages, [row_group(4, len(pages), values=values)]


@pytest.mark.parametrize(
    ("pages", "groups", "more"),
    [
        (*with_first(SMALL), []),
        (*with_first(page((7, STRUCT, struct(*integers(_1=1, _2=0))), kind=2, values=1_000)), []),
        (*with_first(page(kind=1, values=1_000)), []),
        (*with_first(page(values=(1 << 40) + 1), 2), []),
        (*with_first(page((8, STRUCT, struct(*integers(_1=1))), kind=3, values=9), 2), []),
        (LARGE, [row_group(4, len(LARGE), path=b"other")], []),
        (SMALL + LARGE, [EARLY], [(4, LIST, items(STRUCT, LATE))]),
        (SMALL + LARGE, [EARLY], [(65_540, LIST, items(STRUCT, LATE))]),
        (
            SMALL + LARGE,
            [row_group(4 + len(SMALL), len(LARGE), (11, INT_32, number(4)))],
            [],
        ),
    ],
    ids=[
        "values of the column", "head of a dictionary", "index", "number of values",
        "two heads", "name", "second list", "alias of a field", "kind of a field",
    ],
)  # fmt: skip
def test_a_large_page_cannot_be_hidden(
    tmp_path: Path, pages: bytes, groups: list[bytes], more: list[tuple[int, int, bytes]]
) -> None:
    """pyarrow reads the large page in each of these, or may."""
    path = tmp_path / "l.parquet"
    write(path, pages, groups, *more)
    with pytest.raises(ListError, match=r"bytes, more than 134,217,728$|is damaged$"):
        list(read_rows(str(path), TableOptions()))


def test_crafted_lists_are_parquet(tmp_path: Path) -> None:
    """Otherwise, the ones above would be refused for another reason."""
    path = tmp_path / "l.parquet"
    write(path, SMALL * 2, [EARLY, row_group(4 + len(SMALL), len(SMALL), path=b"other")])
    assert list(read_rows(str(path), TableOptions())) == [Row(URL)] * 2


def test_a_list_without_rows_is_read(tmp_path: Path) -> None:
    """Its row group has a dictionary, and a data page at place 0."""
    path = str(tmp_path / "l.parquet")
    parquet.write_table(pyarrow.table({"url": pyarrow.array([], "string")}), path)
    assert list(read_rows(path, TableOptions())) == []


def test_pages_without_values_are_not_read(tmp_path: Path) -> None:
    """They are not measured either; pyarrow finds less than the row that the group promises."""
    path = tmp_path / "l.parquet"
    group = row_group(4, len(LARGE), values=0)
    assert group.endswith(struct((3, INT_64, number(0))))
    write(path, LARGE, [group[:-2] + number(1) + b"\x00"])
    assert list(read_rows(str(path), TableOptions())) == []


def test_pages_are_read_once(tmp_path: Path) -> None:
    """A short list whose row groups share their pages would take hours."""
    path = tmp_path / "l.parquet"
    long = page((100, LIST, items(3, *[b"x"] * 10_000)))
    write(path, long, [row_group(4, len(long))])
    assert list(read_rows(str(path), TableOptions())) == [Row(URL)]
    write(path, long, [row_group(4, len(long))] * 10)
    with pytest.raises(ListError, match=r"its columns overlap$"):
        list(read_rows(str(path), TableOptions()))


def test_the_head_of_a_page_has_few_items(tmp_path: Path) -> None:
    path, head = tmp_path / "l.parquet", page((100, LIST, items(3, *[b"x"] * 10_001)))
    write(path, head, [row_group(4, len(head))])
    with pytest.raises(ListError, match=r"its lists have 10,001 items, more than 10,000$"):
        list(read_rows(str(path), TableOptions()))


def test_unknown_fields_of_a_footer_take_no_memory(tmp_path: Path) -> None:
    """Those of 60,000 structures would, if they were kept; see the fixture."""
    path = tmp_path / "l.parquet"
    lists = items(LIST, items(STRUCT, *[struct((1, 1, b""))] * 60_000))
    write(path, SMALL, [EARLY], (100, LIST, lists))
    assert list(read_rows(str(path), TableOptions())) == [Row(URL)]


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


EVERY_KIND: Fields = {5: INT_32, 6: INT_64, 8: BINARY, 9: [INT_32], 12: {5: INT_32}}


@pytest.mark.parametrize("shapes", [{}, EVERY_KIND], ids=["skipped", "read"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x55",  # a field without its value
        b"\x55" + b"\xff" * 11,  # a number without end
        b"\x55" + b"\xff" * 4 + b"\x1f\x00",  # of 33 bits
        b"\x66" + b"\xff" * 9 + b"\x02\x00",  # of 65 bits
        b"\x88\x7f",  # text beyond the end
        b"\x1c" * 100,  # structures in structures
        b"\x19\x1c" * 100,  # lists of structures
        b"\x99\x11\x01\x00",  # a list of flags
        b"\x99\xf5\xff\xff\xff\xff\x1f\x00",  # a list with a length of 33 bits
        b"\x1d\x00",  # an unknown kind
        b"\x55\x02\x05\x0a\x02\x00",  # a field twice
        b"\x15\x02\x05\x02\x02\x00",
        b"\x05\x8a\x80\x08\x02\x00",  # field 65,541, which is field 5 in 16 bits
        b"\x05\x09\x02\x00",  # field -5
        b"\xf5\x02" * 2_200 + b"\x00",  # steps up to such a field
    ],
)
def test_damaged_structures_of_parquet_are_errors(data: bytes, shapes: Fields) -> None:
    with pytest.raises((IndexError, TypeError)):
        CompactReader(data, 100).struct(shapes)


@pytest.mark.parametrize("data", [b"\x56\x02\x00", b"\x99\x16\x02\x00", b"\x9a\x15\x02\x00"])
def test_a_value_of_another_kind_is_an_error_if_it_is_read(data: bytes) -> None:
    """Other readers pass over such a field, and read such items as what they expect."""
    with pytest.raises(TypeError, match="of another kind"):
        CompactReader(data, 100).struct(EVERY_KIND)
    assert CompactReader(data, 100).struct({}) == {}


@pytest.mark.parametrize("shapes", [{}, {1: [{1: [INT_32]}]}], ids=["skipped", "read"])
def test_items_of_all_lists_are_counted(shapes: Fields) -> None:
    lists = b"\x19\x2c" + (b"\x19\xf5\x32" + bytes(50) + b"\x00") * 2 + b"\x00"
    CompactReader(lists, 102).struct(shapes)
    with pytest.raises(ValueError, match="its lists have 102 items, more than 101"):
        CompactReader(lists, 101).struct(shapes)


def test_structures_of_parquet_are_read() -> None:
    data = b"\x11\x12\x13\x07\x15\x03\x17" + bytes(8) + b"\x18\x01a\x19\x25\x02\x04\x1c\x00"
    whole = data + b"\x1c\x15\x05\x00\x06\xa0\x9c\x01\x01\x00rest"
    reader = CompactReader(whole, 2)
    shapes: Fields = {4: INT_32, 6: BINARY, 7: [INT_32], 8: {}, 9: {1: INT_32}, 10_000: INT_64}
    assert reader.struct(shapes) == {
        4: -2, 6: b"a", 7: [1, 2], 8: {}, 9: {1: -3}, 10_000: -1,
    }  # fmt: skip
    assert whole[reader.place :] == b"rest"
    assert CompactReader(whole, 2).struct({}) == {}


@pytest.mark.parametrize(("before", "blank"), [("", " \t"), ("a", "\t"), ("a,", " "), ("#", " ")])
def test_blanks_at_the_head_are_read_once(before: str, blank: str) -> None:
    """The time for a line of blanks grew with the square of its length."""
    line = f"{before}{blank * 300_000}x\n"
    assert tables._sniff([line]) == ("lines" if before == "#" else None)
