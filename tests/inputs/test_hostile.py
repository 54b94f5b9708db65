"""Hostile texts: entries or our own error with a line, in bounded memory, without escapes."""

import random
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path, PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheo_core.domain import FileExistsStrategy
from rheo_core.inputs import (
    Entry,
    ReadOptions,
    Verdict,
    bounded_lines,
    checksum_list,
    code_snippets,
    commands,
    json_lines,
    metalink,
    plain_text,
    read_entries,
    table,
    url_list,
    web_page,
)
from rheo_core.inputs.formats import read_candidates, read_markup
from rheo_core.inputs.reader_api import MAX_LINE_LENGTH, Candidate, InputError, Lines
from rheo_core.inputs.string_literals import without_strings
from tests.effort import effort
from tests.inputs.texts import ALL

READERS = {
    "checksums": checksum_list.read,
    "commands": commands.read,
    "json": json_lines.read,
    "markup": read_markup,
    "metalink": metalink.read,
    "page": web_page.read,
    "prose": plain_text.read_line,
    "urls": url_list.read,
    "any": read_candidates,
}
EXAMPLES = effort("EXAMPLES", 150)
TEXT = st.text(st.characters(codec=None))
PIECES = st.sampled_from(
    [
        "curl ", "wget ", "aria2c ", "$ sudo ", "fetch(", "Invoke-WebRequest ", "<\n", "referer: ",
        "#1", "-G -d ", "`\n", "'", '"', "\\", "^", "$'", "-H ", "-o ", "--next ", "http://", "https://x/",
        "[1-9]", "{a,b}", "\n", "\r\n", "\t", "  out=", " dir=", "../", "<a href=", "<metalink>",
        "<file name='", "<url>", "</url>", "</file>", "<!--", "-->", "<!DOCTYPE", "<![CDATA[",
        "<pieces length='9' type='sha-1'>", "</pieces>", "<hash>", "<hash piece='1'>", "</hash>",
        "<?xml", ">", "&#0;", "&amp;", "{", '{"url":"', '"}', '"event_type":"', "a" * 64, "  ",
        "SHA256 (", ") = ", "\ufeff", "\x00", "-----BEGIN PGP SIGNED MESSAGE-----", "#", "=", ":",
        "\ud800", "\u2028", "\x0c", "é", "://", "@", "-x ", "-b ", "-n ", "\n  all-proxy=",
        "//[x].iso", "//[1-9]", "http://x/a b //\u2100/c.iso", '<plist version="1.0">', "<dict>",
        "<key>URL</key>", "<date>x</date>", "<integer>", "<string>", "</dict></plist>", "<Key>",
        "<ListBucketResult>", "</Key>", "<urlset>", "<loc>", "\udc80", '<meta charset="',
        '","request":{"proxy":"', '","destination_subdir":"', '","mirrors":["',
    ]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A real text with something cut, doubled or put into it."""
    text = draw(st.sampled_from(ALL))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(PIECES | TEXT) + text[end if draw(st.booleans()) else start :]
    return text


TEXTS = TEXT | st.lists(PIECES | TEXT).map("".join) | damaged()
OPTIONS = st.builds(
    ReadOptions,
    base=st.none() | st.just("https://base.example.org/x/") | TEXT,
    links=st.none() | st.just("*") | TEXT,
    patterns=st.booleans(),
    folder=st.none() | st.just(Path("/nowhere")),
    finds_files=st.booleans(),
    exists=st.none() | st.sampled_from(FileExistsStrategy),
    list_options=st.booleans(),
)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
@settings(max_examples=EXAMPLES)
@given(text=TEXTS, options=OPTIONS)
def test_readers_raise_nothing_but_our_own(
    reader: Callable[[Lines, ReadOptions], Iterator[Candidate]], text: str, options: ReadOptions
) -> None:
    lines = StringIO(text or "\n", newline=None).readlines()
    try:
        found = list(reader(Lines(lines), options))
    except InputError as error:
        assert 1 <= error.line <= len(lines)
        assert str(error)
    else:
        assert all(1 <= each.line <= len(lines) for each in found)


@settings(max_examples=3 * EXAMPLES)
@given(text=TEXTS, options=OPTIONS)
def test_no_text_raises_or_escapes(text: str, options: ReadOptions) -> None:
    count = len(StringIO(text, newline=None).readlines())
    for entry in read_entries(StringIO(text, newline=None), (), options):
        check(entry, count)


def check(entry: Entry, lines: int) -> None:
    assert 1 <= entry.line <= lines
    assert "a bug in rheo" not in entry.problem
    for shown in (entry.text, entry.problem, entry.form, entry.note, entry.refused, entry.used):
        assert shown.isprintable()
    assert (entry.problem == "") == (entry.verdict is Verdict.OK)
    assert (entry.config is None) == (entry.verdict in (Verdict.INVALID, Verdict.NO_URL))
    if entry.config is not None:
        assert entry.config.id
        assert entry.config.model_dump_json()
        path = entry.config.get_destination_path(Path("base"))
        assert ".." not in PurePath(path).parts
        assert path.is_relative_to("base")


@pytest.mark.parametrize(
    "text",
    [
        "https://e.org/a b //[x].iso",
        "https://e.org/a b //[1-9]",
        "https://e.org/a b //\u2100/x.iso",
        '<plist version="1.0"><dict><key>URL</key><date>x</date></dict></plist>',
        '<plist version="1.0"><dict><key>URL</key><integer>x</integer></dict></plist>',
        '<plist version="1.0"><dict><key>URL</key><data>*</data></dict></plist>',
        '<plist version="1.0"><dict><string>no key</string></dict></plist>',
    ],
)
def test_what_a_library_cannot_take_is_an_entry(text: str) -> None:
    entries = list(read_entries([text]))
    assert entries
    for entry in entries:
        check(entry, 1)


@pytest.mark.parametrize("key", ["a\udc80.iso", "a\ud800.iso"])
def test_half_a_character_in_an_index_is_a_link(key: str) -> None:
    text = f"<ListBucketResult><Contents><Key>{key}</Key></Contents></ListBucketResult>"
    options = ReadOptions(base="https://x/", links="*")
    (entry,) = read_entries([text], (), options)
    check(entry, 1)


def test_a_bug_costs_one_entry(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(text: str) -> str:
        raise TypeError("a bug")

    monkeypatch.setattr("rheo_core.inputs.url_list.with_encoded_blanks", fail)
    first, second = read_entries(["https://x/a", "https://x/b c.iso"])
    assert first.verdict is Verdict.OK
    assert second.problem == "cannot be read: a bug in rheo (TypeError); please report it"
    assert "a bug" in caplog.text


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=3), st.randoms())
def test_a_text_is_read_the_same_in_any_pieces(texts: list[str], source: random.Random) -> None:
    """Lines may come with or without their ends, and one after the other."""
    text = "\n".join(texts)
    lines = StringIO(text, newline=None).readlines()
    bare = [line if source.random() < 0.5 else line.rstrip("\n") for line in lines]
    assert list(read_entries(iter(lines))) == list(read_entries(bare))


def test_an_overlong_url_is_one_line_of_many() -> None:
    text = "https://x/1\n" + "https://x/" + "y" * (3 << 20) + "\nhttps://x/2\n"
    entries = list(read_entries(bounded_lines(StringIO(text))))
    assert [(entry.line, entry.verdict) for entry in entries] == [
        (1, Verdict.OK), (2, Verdict.INVALID), (3, Verdict.OK),
    ]  # fmt: skip
    assert entries[1].problem == "URL is longer than 65,536 characters"


def test_a_long_line_is_read_to_its_end() -> None:
    """Pages and lists of one line: what comes behind a mebibyte is wanted like the rest."""
    urls = [f"https://x/{number:090}" for number in range(11_000)]
    for text in (" ".join(urls), "".join(f"<a href='{url}'>file</a>" for url in ("", *urls))):
        assert len(text) > 1 << 20
        entries = read_entries(bounded_lines(StringIO(text)), (), ReadOptions(links="*/0*"))
        found = [entry.config.url for entry in entries if entry.config]
        assert found == urls


def test_a_line_without_end_ends_the_reading_and_is_told() -> None:
    text = "https://x/1\n" + "https://x/2 " * (MAX_LINE_LENGTH // 12 + 1) + "\nhttps://x/3\n"
    entries = list(read_entries(bounded_lines(StringIO(text))))
    assert [(entry.line, entry.verdict) for entry in entries] == [
        (1, Verdict.OK), (2, Verdict.INVALID),
    ]  # fmt: skip
    told = "a line may have at most 16,777,216 characters; the rest is ignored"
    assert entries[1].problem == told
    assert max(map(len, bounded_lines(StringIO(text)))) == MAX_LINE_LENGTH + 1


COUNT = """
import resource, sys
from rheo_core.inputs import ReadOptions, Verdict, bounded_lines, read_entries

resource.setrlimit(resource.RLIMIT_DATA, ({limit}, {limit}))
count = 0
lines = bounded_lines(open(sys.stdin.fileno(), encoding="utf-8", errors="replace"))
for entry in read_entries(lines, (), ReadOptions(patterns=True)):
    assert entry.verdict is Verdict.OK, entry
    count += 1
print(count)
"""


LINE = f"https://example.org/{'folder/' * 10}file-{{:09}}.iso"
JSON = '{{"url": "https://example.org/{}", "filename": "{}"}}'
CURL = "curl 'https://example.org/{}' -H 'Cookie: a=b'"


@pytest.mark.parametrize(
    ("line", "count", "limit"),
    [
        pytest.param(LINE, 1_000_000, 160 << 20, id="million", marks=pytest.mark.long),
        pytest.param(LINE, 40_000, 34 << 20, id="urls"),
        pytest.param(JSON, 20_000, 31 << 20, id="json"),
        pytest.param(JSON, 100_000, 48 << 20, id="much json", marks=pytest.mark.long),
        pytest.param(CURL, 10_000, 29 << 20, id="curl"),
        pytest.param(CURL, 50_000, 48 << 20, id="much curl", marks=pytest.mark.long),
    ],
)
def test_many_lines_in_bounded_memory(line: str, count: int, limit: int, tmp_path: Path) -> None:
    """Only hashes stay in memory. The interpreter takes 20 MB of the limit; 1 MB is 1 << 20."""
    path = tmp_path / "list.txt"
    with path.open("w") as file:
        file.writelines(f"{line.format(number, number)}\n" for number in range(count))
    with path.open() as file:
        done = subprocess.run(
            [sys.executable, "-c", COUNT.format(limit=limit)],
            stdin=file, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"{count}\n", "")


UNCLOSED = {
    "code": ["fetch('http://x/a'\n"],
    "wide code": ["fetch('http://x/a', " + "a(" * 5_000 + "\n"],
    "strings": ["fetch('http://x/a', \"" + '\\"' * 5_000 + "\n"],
    "json": ['{"url":"http://x/a"}' + '\\"' * 30_000 + "\n"],
    "json in code": ["{\"url\": fetch('http://x/a', " + '"\\' * 30_000 + "\n"],
    "powershell": ["$s = New-Object (\n"],
    "sessions": ["$s = New-Object\n"],
    "double quote": ['curl "http://x/a\n', "z\n"],
    "single quote": ["curl 'http://x/a\n", "z\n"],
    "ansi quote": ["curl $'http://x/a\n", "z\n"],
    "cell": ["url,name\n", '"http://x/a\n'],
    "continued code": ["fetch('http://x/a', ( \\\n"],
}


@pytest.mark.parametrize("lines", UNCLOSED.values(), ids=UNCLOSED.keys())
@pytest.mark.parametrize("count", [1_000, 4_000])
@pytest.mark.halved("lines", "count")
def test_text_is_read_again_only_a_few_times(
    lines: list[str], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open bracket or quote on each line made each read hundreds of lines again."""
    read, take = 0, Lines.__next__

    def counted(lines: Lines) -> str:
        nonlocal read
        line = take(lines)
        read += len(line)
        return line

    monkeypatch.setattr(Lines, "__next__", counted)
    text = lines * min(count, 4_000_000 // len(lines[0]))
    entries = list(read_entries(iter(text)))
    assert entries
    assert len(entries) >= len(text) / 1_001  # so that a reader can yield in between
    assert not any(entry.config for entry in entries)
    assert read < 20 * sum(map(len, text))


def test_statements_are_still_whole_behind_some_that_do_not_close() -> None:
    statement = ["fetch('http://x/a', {\n", "  'b': 'http://x/b',\n", "})\n"]
    text = ["fetch('http://x/open', {\n", "# (\n"] * 4 + statement * 20
    found = [entry.line for entry in read_entries(iter(text)) if entry.line > 8]
    assert found == list(range(9, 69, 3))


@pytest.mark.parametrize(
    "text",
    [
        "a," + "url," * 300_000 + "http://a/b",
        "a b " * 300_000 + ",link/",
        "url_" * 300_000 + ",c",
        "c," * 500_000 + "url:",
    ],
)
def test_a_long_line_is_no_head_of_a_table(text: str) -> None:
    """Its time grew with the square of its length: hours for these."""
    assert not table.sniff(text)


@pytest.mark.parametrize(
    "pieces", ["http_proxy{}x http://x", "export {}x http://x", "for do{}x http://x"]
)
def test_blanks_of_a_line_are_read_once(pieces: str) -> None:
    """The setting of a proxy took hours for these."""
    assert not code_snippets.sniff(pieces.format(" " * 1_000_000))


@pytest.mark.parametrize("tag", ["<a >", "<a href=b>", "<img\n>", "<base >"])
def test_tags_of_a_page_do_not_wait_in_memory(tag: str) -> None:
    """A page of 16 MiB took 840 MB."""
    page = "<html>" + tag * 40_000 + '<a href="a.iso"><base href="http://h/x/">'
    tracemalloc.start()
    try:
        read = read_entries(StringIO(page), options=ReadOptions(links="*.iso"))
        (entry,) = (each for each in read if each.verdict is Verdict.OK)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert entry.config is not None and entry.config.url == "http://h/x/a.iso"
    assert peak < 12 * len(page) + (2 << 20)


@pytest.mark.parametrize("link", ["{}.iso", "/{}.iso", "http://y/{}.iso"])
def test_the_base_of_a_page_is_not_repeated_without_end(
    link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of 1 MB took minutes and gigabytes."""
    monkeypatch.setattr(web_page, "_MAX_LENGTH_OF_LINKS", 4_000_000)
    base = "http://x/" + "a/" * 20_000
    links = "".join(f"<a href={link.format(number)}>file</a>\n" for number in range(40_000))
    page = f"<html><base href='{base}'>\n{links}".splitlines()
    *entries, last = read_entries(page, (), ReadOptions(links="*.iso"))
    assert 95 < len(entries) < 100
    assert last.line == len(entries) + 2
    told = "the links of a page may have at most 4,000,000 characters; the rest is ignored"
    assert last.problem == told


def test_the_base_of_a_feed_is_not_repeated_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_page, "_MAX_LENGTH_OF_LINKS", 4_000_000)
    base = "http://x/" + "a/" * 20_000
    feed = ["<urlset>", *(f"<loc>{number}.iso</loc>" for number in range(40_000))]
    *entries, last = read_entries(feed, (), ReadOptions(links="*.iso", base=base))
    assert 95 < len(entries) < 100
    assert last.line == len(entries) + 2
    assert "at most 4,000,000 characters" in last.problem


@pytest.mark.parametrize("head", ["url," + "c," * 100_000, "url," + "c" * 100_000])
def test_rows_of_a_wide_table_do_not_each_read_its_head(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, names = table._is_known, 0

    def counted(name: str) -> bool:
        nonlocal names
        names += 1
        return known(name)

    monkeypatch.setattr(table, "_is_known", counted)
    entries = list(read_entries([head, *["http://x/a.iso"] * 20_000]))
    assert len(entries) == 20_000
    assert names <= 100_002


@given(st.text("\"'\\\\([{)]}a\n"), st.sampled_from(['"', "\"'"]))
def test_strings_are_removed_as_by_a_plain_pattern(code: str, quotes: str) -> None:
    """The pattern, which takes quadratic time, tries each quote that does not close again."""
    plain = "|".join(rf"{quote}(?:[^{quote}\\]|\\.)*{quote}" for quote in quotes)
    expected = re.sub(plain, "", code, flags=re.DOTALL)
    brackets = [expected.count(each) for each in "([{}])"]
    assert [without_strings(code, quotes).count(each) for each in "([{}])"] == brackets
