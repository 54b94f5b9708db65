"""Lists of URLs: a verdict on each line, whatever the lines hold."""

import asyncio
import codecs
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rheo_core.domain import FileConfig
from rheo_core.inputs import Entry, ReadOptions, Verdict, read_entries, read_entries_file
from rheo_core.inputs.shortcut import BINARY_MARK

LIST = """\
\ufeff# my list
https://example.org/a.iso

   https://example.org/b.iso\t
HTTPS://EXAMPLE.org:443/a.iso
ftp://example.org/c
example.org/d
http:///nohost
http://example.org/with space
http://example.org:99999/
https://example.org/known
"""


def known() -> set[str]:
    return {FileConfig(url="https://example.org/known").id}


def test_verdicts() -> None:
    entries = list(read_entries(LIST.splitlines(keepends=True), known()))
    assert [(entry.line, entry.verdict) for entry in entries] == [
        (2, Verdict.OK),
        (4, Verdict.OK),
        (5, Verdict.DUPLICATE),
        (6, Verdict.INVALID),
        (7, Verdict.INVALID),
        (8, Verdict.INVALID),
        (9, Verdict.INVALID),
        (10, Verdict.INVALID),
        (11, Verdict.DUPLICATE),
    ]
    problems = {entry.line: entry.problem for entry in entries}
    assert problems[2] == ""
    assert problems[5] == "already in the list, line 2"
    assert "scheme 'ftp'" in problems[6]
    assert "no scheme" in problems[7]
    assert "no host" in problems[8]
    assert "white space" in problems[9]
    assert "not valid" in problems[10]
    assert problems[11] == "already in the list"
    assert not any("Value error" in problem for problem in problems.values())


def test_configs_come_with_all_but_invalid_entries() -> None:
    for entry in read_entries(LIST.splitlines(), known()):
        assert (entry.config is None) == (entry.verdict is Verdict.INVALID)


def test_one_line_at_a_time() -> None:
    def endless() -> Iterator[str]:
        number = 0
        while True:
            number += 1
            yield f"https://example.org/{number}"

    entries = read_entries(endless())
    assert [next(entries).line for _ in range(3)] == [1, 2, 3]


def test_text_is_printable_and_not_endless() -> None:
    (entry,) = read_entries(["http://x/\x1b[31m\u202e" + "y" * 10_000])
    assert entry.text.isprintable()
    assert entry.problem.isprintable()
    assert len(entry.text) < 1000


def test_lone_surrogates() -> None:
    (entry,) = read_entries(["http://x/\ud800"])
    assert entry.verdict is Verdict.INVALID
    assert "Unicode" in entry.problem


LINE = st.one_of(
    st.text(alphabet=st.characters(codec=None)),
    st.text(alphabet=st.characters(codec=None)).map("http://".__add__),
    st.text(alphabet="ab:/@[]%#?.\ud800é ").map("http://".__add__),
    st.from_regex(r"https?://[^/]{0,20}(:[0-9]{0,6})?(/.{0,10}){0,3}"),
)


@given(st.lists(LINE))
def test_no_text_raises(lines: list[str]) -> None:
    for entry in read_entries(lines):
        assert entry.text.isprintable()
        assert (entry.problem == "") == (entry.verdict is Verdict.OK)
        assert entry.problem.isprintable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary()
    | st.lists(st.binary() | st.sampled_from([b"http://x/", b"#", b"\r", b"\xef\xbb\xbf"])).map(
        b"\n".join
    )
)
def test_no_file_raises(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "list.txt"
    assume(not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)))
    assume(not data.startswith(BINARY_MARK))  # of a .webloc, which may be damaged
    path.write_bytes(data)
    if b"\0" in data:
        with pytest.raises(OSError, match="it is binary data, not text"):
            asyncio.run(read_entries_file(path))
        return
    entries = asyncio.run(read_entries_file(path))
    text = data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    assert entries == list(read_entries(text.split("\n")))
    assert all(entry.text.isprintable() for entry in entries)


async def test_file(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(LIST.replace("\n", "\r\n").encode() + b"http://x/\xff\xfe\n")
    entries = await read_entries_file(path, known())
    assert entries[:-1] == list(read_entries(LIST.splitlines(), known()))
    assert entries[-1].line == 12


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
async def test_a_file_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(LIST.removeprefix("\ufeff").encode(encoding))
    assert await read_entries_file(path) == list(read_entries(LIST.splitlines()))


@pytest.mark.parametrize(
    "line",
    [
        "https://x/\u00e9.zip",
        f"{'a' * 64}  \u00e9.zip",
        '{"url": "https://x/a", "filename": "\u00e9.zip"}',
        '{"url": "https://x/a", "destination_subdir": "\u00e9"}',
        "https://x/a\n out=\u00e9.zip",
        "https://x/a\n dir=\u00e9",
        "https://x/a\n header=X: \u00e9",
        "https://x/a\n http-user=\u00e9",
        "curl https://x/a -o '\u00e9.zip'",
        "wget https://x/a --header 'X: \u00e9'",
    ],
)
async def test_a_list_in_another_encoding_is_refused_and_not_guessed(
    tmp_path: Path, line: str
) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(f"{line}\n".encode("latin-1"))
    options = ReadOptions(base="https://x/")
    (entry,) = await read_entries_file(file, options=options)
    assert entry.problem == "this line is not UTF-8; save the list as UTF-8"
    file.write_text(f"{line}\n", encoding="utf-8")
    (entry,) = await read_entries_file(file, options=options)
    assert entry.verdict is Verdict.OK


async def test_a_document_that_declares_its_encoding(tmp_path: Path) -> None:
    text = """<?xml version='1.0' encoding='ISO-8859-1'?>
        <metalink><file name='é.iso'><url>http://x/</url></file></metalink>"""
    path = tmp_path / "x.metalink"
    path.write_bytes(text.encode("latin-1"))
    assert [entry.place for entry in await read_entries_file(path)] == ["é.iso"]


def test_a_start_that_is_to_come_is_noted() -> None:
    soon = int(time.time()) + 100 * 86_400
    lines = [f'{{"url": "https://x/{start}", "start_at": {start}}}' for start in (1, soon)]
    past, coming = read_entries(lines)
    assert past.note == ""
    day = datetime.fromtimestamp(soon).date()
    assert coming.note.startswith(f"waits until {day} ")


def test_a_pattern_that_is_not_read_is_noted() -> None:
    for url in ("http://x/[1-3]", "http://x/[3-1]"):
        (entry,) = read_entries([url])
        assert entry.verdict is Verdict.OK
        assert entry.note == "possible pattern, taken literally"
        assert entry.wants == "patterns"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("https://x/\nnothing to see here", "there is no http or https URL in this line"),
        ('{"url": "http://x/", "priority": "high"}', "priority should be a valid integer"),
        ("curl http://x/ 'a b'", "'a b' in the command is not a URL"),
    ],
)
def test_what_is_wrong_is_named(line: str, problem: str) -> None:
    assert problem in [entry.problem for entry in read_entries(line.split("\n"))]


@pytest.mark.parametrize("text", ["<a href='x'>x</a>", f"{'ab' * 32}  x.iso"])
def test_an_address_that_is_none_is_asked_for_again(text: str) -> None:
    (entry,) = read_entries([text], (), ReadOptions(base="exam", links="*"))
    assert entry.wants == "base"
    assert entry.problem == (
        "base address: URL 'exam' has no scheme; only http and https are supported"
    )


async def test_long_file_lets_the_loop_run(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("".join(f"https://example.org/{number}\n" for number in range(20_000)))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    entries = await read_entries_file(path)
    counting.cancel()
    assert [entry.line for entry in entries] == list(range(1, 20_001))
    assert turns > 5


async def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await read_entries_file(tmp_path / "missing")


def test_entries_are_values() -> None:
    assert Entry(1, "x", Verdict.OK) == Entry(1, "x", Verdict.OK)
