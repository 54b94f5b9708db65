"""Lists of every format become rows; a list without its column is refused with its columns."""

import gzip
import io
import os
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from rheo_core.fleet import parquet as parquet_lists
from rheo_core.fleet.columns import TableOptions
from rheo_core.fleet.list_files import digest_of, found_sources
from rheo_core.fleet.rows import ListError, Row
from rheo_core.fleet.tables import read_rows

A, B = "https://example.org/a", "https://example.org/b"
SHA = "a" * 64
Write = Callable[[str, str | bytes], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a list and returns its path."""

    def write_list(name: str, content: str | bytes) -> str:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write_list


def rows(source: str, **options: object) -> list[Row]:
    return list(read_rows(source, TableOptions(**options)))  # type: ignore[arg-type]


def parquet_of(**columns: list[object]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file, row_group_size=2)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.txt", f"# mirror\n{A}\n\n{B}\n"),
        ("list", f"\ufeff{A}\r\n{B}\r\n"),
        ("list.txt.gz", gzip.compress(f"{A}\n{B}".encode(), mtime=0)),
        ("list.txt", f"{A}\n{B}\n".encode("utf-16")),
        ("list.csv", f'caption,URL\n"two\nlines, and a ""comma""",{A}\nx,{B}\n'),
        ("list.txt", f"url;caption\n{A};x\n{B};y\n"),
        ("list.tsv", f"caption\turl\nx\t{A}\n\ny\t{B}\n"),
        ("list.jsonl", f'{{"url": "{A}"}}\n\n{{"url": "{B}", "n": 1}}\n'),
        ("list.parquet", parquet_of(Link=[A, B])),
        ("list", parquet_of(url=[A, B])),
        ("list.html", f'<html><a href="{A}">a</a>'),
        ("SHA256SUMS", f"curl -O {A}\ncurl -O {B}\n"),
    ],
)
def test_a_list_is_known_by_name_and_content(write: Write, name: str, content: str | bytes) -> None:
    found = rows(write(name, content))
    if name == "list.html":  # links of a page are taken only if asked for
        assert [row.url for row in found if not row.problem] == []
    else:
        assert [row.url for row in found] == [A, B]
        assert [row.problem for row in found] == [None, None]


def test_columns_are_found_by_their_usual_names(write: Write) -> None:
    (row,) = rows(write("list.csv", f"uri,SHA256,caption\n{A},{SHA},x\n"), keep=("caption",))
    assert row == Row(A, hash=f"sha256:{SHA}", extra={"caption": "x"})


def test_columns_are_found_by_the_names_given(write: Write) -> None:
    source = write("list.csv", f"url,best,digest,file\nx,{A},{SHA},a.png\n")
    columns = {"url_column": "best", "hash_column": "digest", "name_column": "file"}
    assert rows(source, **columns) == [Row(A, hash=f"sha256:{SHA}", name="a.png")]


def test_a_column_of_hashes_can_be_left_alone(write: Write) -> None:
    assert rows(write("list.csv", f"url,md5\n{A},?\n"), hash_column="off") == [Row(A)]


@pytest.mark.parametrize(
    ("name", "content", "options", "sentence"),
    [
        ("list.csv", "a,b\n1,2\n", {}, "no column 'url'; its columns are a, b; pass the column"),
        ("list.csv", "url\nx\n", {"keep": ("text",)}, "no column 'text'; its columns are url$"),
        ("list.jsonl", '{"a": 1}', {}, "no column 'url'; its columns are a"),
        ("list.parquet", parquet_of(a=[1]), {"url_column": "u"}, "no column 'u'"),
        ("list.csv", "", {}, "its columns are none"),
        ("list.csv", f"url,md5,md5\n{A},1,2\n", {}, "has several columns 'md5'$"),
        ("list.csv", f"url,url\n{A},{B}\n", {}, "has several columns 'url'$"),
        ("list.txt", A, {"keep": ("text",)}, "has no columns; it is a list of lines"),
        ("list.parquet", b"PAR1", {}, "cannot read the list .*list.parquet"),
        ("list.txt", b"\x7fELF\0\0", {}, "it is binary data, not text"),
        ("list.txt.gz", b"no gzip", {}, "cannot read the list .*gz: .*gzip"),
        ("list.txt.gz", gzip.compress(b"x", mtime=0)[:-9], {}, "gz: its compression is damaged"),
        ("list.txt.gz", gzip.compress(b"x", mtime=0)[:10] + b"\xff" * 20, {}, "is damaged"),
    ],
)
def test_an_unusable_list_is_named_with_its_columns(
    write: Write, name: str, content: str | bytes, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ListError, match=sentence):
        rows(write(name, content), **options)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(ListError, match=r"cannot read the list .*nothing: No such file"):
        rows(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("name", "content", "problems"),
    [
        ("list.txt", f"{A}\nhttps://\nftp://x/\n", [None, "row 2: ", "row 3: "]),
        ("list.csv", f"n,url\n1,{A}\n2\n3,\n", [None, "row 3: ", "row 4: "]),
        ("list.jsonl", f'{{"url":"{A}"}}\n{{\n[]\n', [None, "row 2: ", "row 3: "]),
        ("list.parquet", parquet_of(url=[A, None, ""]), [None, "row 2: ", "row 3: "]),
        ("list.txt", A.encode() + b"\n" + B.encode() + b"\xff\n", [None, "row 2: this line is"]),
        ("list.sh", f"curl {A}\ncurl -H 'Authorization: s3cret' {B}\n", [None, "row 2: it has"]),
    ],
)
def test_unreadable_rows_stay_with_their_number(
    write: Write, name: str, content: str | bytes, problems: list[str | None]
) -> None:
    found = rows(write(name, content))
    assert len(found) == len(problems) and "s3cret" not in str(found)
    for row, problem in zip(found, problems, strict=True):
        assert (row.problem or "").startswith(problem or "") and bool(row.problem) == bool(problem)


def test_values_of_parquet_become_values_of_json(write: Write) -> None:
    values = [1, 0.5, float("nan"), b"x", [1, None], {"a": Decimal("1.5")}, datetime(2026, 1, 2)]
    names = tuple(f"c{number}" for number in range(len(values)))
    content = parquet_of(url=[A], **{n: [v] for n, v in zip(names, values, strict=True)})
    (row,) = rows(write("list.parquet", content), keep=names)
    expected = [1, 0.5, None, "x", [1, None], {"a": "1.5"}, "2026-01-02 00:00:00"]
    assert list(row.extra.values()) == expected


def test_text_of_parquet_that_is_not_utf_8_costs_its_row(write: Write) -> None:
    """Parquet promises UTF-8, but not every writer keeps that."""
    text = pyarrow.array([A.encode(), B.encode() + b"\xff", A.encode()])
    notes = pyarrow.array([b"\xe9", b"y", None])
    file = io.BytesIO()
    columns = {"url": text.view(pyarrow.string()), "note": notes.view(pyarrow.string())}
    parquet.write_table(pyarrow.table(columns), file)
    first, second, third = rows(write("list.parquet", file.getvalue()), keep=("note",))
    assert (first.url, first.problem, third.url) == (A, None, A)
    assert "row 2: this line is not" in (second.problem or "")


FAR = 2**62
"""Seconds or microseconds that no time of Python has."""
INVALID = pyarrow.array([b"\xff"]).view(pyarrow.string())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pyarrow.array([FAR], pyarrow.timestamp("us")), f"<value out of range: {FAR}>"),
        (pyarrow.array([2**30], pyarrow.date32()), f"<value out of range: {2**30}>"),
        (pyarrow.array([FAR], pyarrow.duration("s")), f"{FAR}"),
        (pyarrow.array([1], pyarrow.timestamp("ns")), "1970-01-01 00:00:00.000000001"),
        (pyarrow.array([1], pyarrow.time64("ns")), "00:00:00.000000001"),
        (pyarrow.array([0], pyarrow.timestamp("us", "No/Where")), "1970-01-01 00:00:00.000000"),
        (pyarrow.array([0], pyarrow.timestamp("us", "+99:99")), "1970-01-01 00:00:00.000000"),
        (pyarrow.array([[FAR]], pyarrow.list_(pyarrow.duration("s"))), [f"{FAR}"]),
        (
            pyarrow.array(
                [{"a": FAR, "b": 1}],
                pyarrow.struct([("a", pyarrow.duration("s")), ("b", pyarrow.int8())]),
            ),
            {"a": f"{FAR}", "b": 1},
        ),
        (
            pyarrow.array([FAR], pyarrow.timestamp("us")).dictionary_encode(),
            f"<value out of range: {FAR}>",
        ),
        (pyarrow.ListArray.from_arrays([0, 1], INVALID), ["\ufffd"]),
        (pyarrow.StructArray.from_arrays([INVALID], ["a"]), {"a": "\ufffd"}),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_a_value_that_python_has_no_room_for_costs_no_list(
    write: Write, values: pyarrow.Array, expected: object
) -> None:
    """In the column of URLs it costs its row."""
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"url": [A], "x": values}), file)
    source = write("list.parquet", file.getvalue())
    (row,) = rows(source, keep=("x",))
    assert (row.url, row.problem, row.extra) == (A, None, {"x": expected})
    for url_column in ("x", "url"):
        (row,) = rows(source, url_column=url_column, hash_column="x")
        assert row.problem


def test_a_time_beside_one_that_python_has_no_room_for_is_text_as_ever(write: Write) -> None:
    values = pyarrow.array([FAR, 1_000_000, None], pyarrow.timestamp("us"))
    _, second, third = rows(write("list.parquet", parquet_of(url=[A] * 3, x=values)), keep=("x",))
    assert (second.extra, third.extra) == ({"x": "1970-01-01 00:00:01"}, {"x": None})


def test_parquet_without_pyarrow_says_what_to_install(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write("list.parquet", parquet_of(url=[A]))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ListError, match=r"pip install 'rheo-tui\[fleet\]'"):
        rows(source)


def test_parquet_is_read_in_batches(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_lists, "_BATCH_ROWS", 3)
    urls: list[object] = [f"{A}/{number}" for number in range(10)]
    assert [row.url for row in rows(write("list.parquet", parquet_of(url=urls)))] == urls


def test_sources_in_a_store_are_found_by_a_pattern() -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    for name in ("a", "b"):
        files.pipe_file(f"/lists/{name}.txt", f"https://example.org/{name}\n".encode())
    with found_sources(["memory://lists/*.txt"]) as sources:
        assert [row.url for source in sources for row in rows(source)] == [A, B]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("https://example.org/list", "save it to a file first"),
        ("memory://none/*.txt", "no list matches"),
        (".", "it is a folder"),
        ("nowhere://x/*", "cannot read the list"),
    ],
)
def test_a_source_that_cannot_be_used_is_named(name: str, sentence: str) -> None:
    with pytest.raises(ListError, match=sentence), found_sources([name]):
        pass


def test_standard_input_is_copied_and_can_be_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    read, written = os.pipe()
    os.write(written, f"{A}\n".encode())
    os.close(written)
    monkeypatch.setattr(os, "dup", lambda descriptor: read)
    with found_sources(["-"]) as (source,):
        assert rows(source) == rows(source) == [Row(A)]
    assert not Path(source).exists()


def test_a_pipe_is_copied_and_can_be_read_twice(tmp_path: Path) -> None:
    """As `<(command)` of a shell."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(f"{A}\n",))
    writer.start()
    with found_sources([str(pipe)]) as (source,):
        assert rows(source) == rows(source) == [Row(A)]
    writer.join()


def test_the_digest_is_that_of_the_bytes_in_their_order(write: Write) -> None:
    a, b, c = write("a", "1"), write("b", "2"), write("c", "1")
    assert digest_of([a, b]) == digest_of([c, b]) != digest_of([b, a])
    assert digest_of([a]) != digest_of([a, a])
