"""Ends of URLs: tables, blanks, comments, relative lines, JSON, feeds, encodings."""

import csv
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rheo_core.inputs import ReadOptions, Verdict, read_entries, read_entries_file
from rheo_core.inputs.url_words import separated
from tests.inputs.texts import SHA256, problems, read, urls


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("http://x/a.iso,http://x/b.iso", ["http://x/a.iso", "http://x/b.iso"]),
        ("http://x/a.iso;https://x/b.iso|http://x/c", ["http://x/a.iso", "https://x/b.iso", "http://x/c"]),
        ("http://x/a.iso, http://x/b.iso;", ["http://x/a.iso", "http://x/b.iso"]),
        ("http://x/a.iso ; http://x/b.iso", ["http://x/a.iso", "http://x/b.iso"]),
        ("http://x/a.iso,1048576", ["http://x/a.iso"]),
        ("2,http://x/a.iso,2097152", ["http://x/a.iso"]),
        ("name=http://x/a.iso", ["http://x/a.iso"]),
        ("a:http://x/a.iso", ["http://x/a.iso"]),
        ("http://x/a.iso\t1048576", ["http://x/a.iso"]),
        ("http://x/tile/12,34", ["http://x/tile/12,34"]),
        ("http://x/a,b;c|d", ["http://x/a,b;c|d"]),
        ("http://p/?url=http://x/a,http://x/b", ["http://p/?url=http://x/a,http://x/b"]),
        ("http://p/http://x/a", ["http://p/http://x/a"]),
        ("http://x/a.iso # latest", ["http://x/a.iso"]),
        ("http://x/a.iso #latest", ["http://x/a.iso"]),
        ("http://x/a.iso#latest", ["http://x/a.iso#latest"]),
        ("\u00a0http://x/a.iso\u00a0", ["http://x/a.iso"]),
        ("<http://x/a.iso>", ["http://x/a.iso"]),
        ("'http://x/a.iso','http://x/b.iso'", ["http://x/a.iso", "http://x/b.iso"]),
        ('"http:\\/\\/x\\/a.iso",', ["http://x/a.iso"]),
        ("http://x/My Files/a b.iso", ["http://x/My%20Files/a%20b.iso"]),
        ("http://x/get?name=a b.iso", ["http://x/get?name=a%20b.iso"]),
        ("http://x/my file (1).iso", ["http://x/my%20file%20(1).iso"]),
        ("http://x/a.iso // latest", ["http://x/a.iso"]),
        ("http://x/a.iso, then http://x/b.iso", ["http://x/a.iso", "http://x/b.iso"]),
        ("http://x/a.iso\uff0chttp://x/b.iso", ["http://x/a.iso", "http://x/b.iso"]),
        ("http://x/a.iso\u2026 http://x/b.iso\u2026", ["http://x/a.iso", "http://x/b.iso"]),
        ("http://x/a.iso\u548chttp://x/b.iso", ["http://x/a.iso", "http://x/b.iso"]),
        ("\u4e0b\u8f7dhttp://x/a.iso\u3002\u770b", ["http://x/a.iso"]),
        ("\u300chttp://x/a\u300d\u300ehttp://x/b.iso\u300f", ["http://x/a", "http://x/b.iso"]),
        ("http://x/\u6771\uff08\u4eac\uff09.iso", ["http://x/\u6771\uff08\u4eac\uff09.iso"]),
        ("http://x/a.jpg\u7684\u526f.jpg", ["http://x/a.jpg\u7684\u526f.jpg"]),
        ("http://x/a.v10\u7248.zip", ["http://x/a.v10\u7248.zip"]),
        ("[url]http://x/a.iso[/url] [url=http://x/b.iso]b[/url]", ["http://x/a.iso", "http://x/b.iso"]),
        ("[[http://x/a.iso][a]] [[http://x/b.iso]]", ["http://x/a.iso", "http://x/b.iso"]),
    ],
)  # fmt: skip
def test_where_urls_end(line: str, expected: list[str]) -> None:
    assert urls(line) == expected
    assert urls(f"http://x/0\n{line}\n") == ["http://x/0", *expected]


@pytest.mark.parametrize(
    "line",
    ["http://x/1 or so", "http://x/1 -O name.iso", "http://x/a.iso The title", "http://x/1 (b.zip)",
     "http://x/a.iso b.iso", "http://x/My File.pdf http://x/b.pdf"],
)  # fmt: skip
def test_words_behind_a_url_are_no_part_of_it(line: str) -> None:
    assert "white space" in problems(f"http://x/0\n{line}")[0][1]


def test_a_cell_behind_a_url_is_named() -> None:
    (entry,) = read("http://x/a.iso,1048576")
    assert entry.note == "ignored: 1048576"


def test_separated_takes_little_time() -> None:
    word = "http://x/,?u=" * 100_000
    assert len(separated(word)) >= len(word)


TABLE = f"""\
name;url;sha256;filename
"A; first";https://x/1;{SHA256};one.iso
second;"https://x/2;y";;
third;;;
"""


def test_urls_of_a_table_may_be_relative_to_its_address() -> None:
    text = "name,url\nx,a b.iso\ny,/b.iso\nz,https://z/c.iso\n"
    assert urls(text, base="https://x/sub/list.csv") == [
        "https://x/sub/a%20b.iso", "https://x/b.iso", "https://z/c.iso",
    ]  # fmt: skip
    assert "has no scheme" in read(text)[1].problem


def test_a_table_with_a_column_of_urls() -> None:
    first, second, third = read(TABLE)
    assert first.config is not None and second.config is not None
    assert (first.config.url, first.config.filename) == ("https://x/1", "one.iso")
    assert first.config.hash_config is not None
    assert first.note == "ignored: column name"
    assert (second.config.url, second.config.hash_config) == ("https://x/2;y", None)
    assert (third.line, third.problem) == (4, "this row has no URL")


@pytest.mark.parametrize(
    "head", ["id,URL", "url\tsize", '"Url","x"', "link|x", "Download URL,x", "file_link;x"]
)
def test_heads_of_tables(head: str) -> None:
    sign = next(sign for sign in ",;|\t" if sign in head)
    row = f"1{sign}http://x/a" if head.startswith("id") else f"http://x/a{sign}1"
    assert urls(f"{head}\n{row}\n") == ["http://x/a"]


@pytest.mark.parametrize(
    "head",
    [
        '"Name, of the file","Download URL",filename',
        '"a ""b"", c","URL",filename',
        '"a;b;c;d","url",filename',
        '"a|b|c|d";"link";filename',
        '"a,b,c,d";link;"filename"',
        '"tab\there"\turl\tfilename',
    ],
)
def test_a_quoted_name_of_a_column_may_have_delimiters(head: str) -> None:
    sign = next(sign for sign in "\t;," if head.endswith((f"{sign}filename", f'{sign}"filename"')))
    (entry,) = read(f"{head}\n{sign.join(('1', 'http://x/a', 'b.iso'))}\n")
    assert entry.config is not None
    assert (entry.config.url, entry.config.filename) == ("http://x/a", "b.iso")


def test_a_column_whose_name_is_too_long_for_a_table_costs_its_head_alone() -> None:
    former = csv.field_size_limit(131_072)  # of the whole process; lists of fleets raise it
    try:
        head, row = read(f"url,{'x' * 200_000}\nhttp://x/a\n")
    finally:
        csv.field_size_limit(former)
    assert (head.line, head.verdict) == (1, Verdict.INVALID)
    assert head.problem.startswith("not a table header: ")
    assert row.config is not None and row.config.url == "http://x/a"


def test_a_table_as_people_name_its_columns() -> None:
    text = f"Name,Download URL,SHA-256 checksum\na,http://x/a.iso,{'a' * 64}\n"
    (entry,) = read(text)
    assert entry.config is not None and entry.config.url == "http://x/a.iso"
    assert entry.config.hash_config is not None and entry.note == "ignored: column name"


def test_a_quoted_cell_ends_at_its_quote() -> None:
    assert urls('"x, y","http://x/a.iso","z"\n"x",\'http://x/b.iso\',1') == [
        "http://x/a.iso",
        "http://x/b.iso",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_quoted_cell_may_go_on_to_the_next_lines(end: str) -> None:
    lines = [
        "url,description,md5", 'http://h/a,"one', "", 'http://no ""more""",' + "0" * 32,
        '"http://h/b","x', 'y",', "http://h/c,z,",
    ]  # fmt: skip
    entries = list(read_entries([line + end for line in lines]))
    assert [(entry.line, entry.config and entry.config.url) for entry in entries] == [
        (2, "http://h/a"),
        (5, "http://h/b"),
        (7, "http://h/c"),
    ]
    assert [bool(entry.config and entry.config.hash_config) for entry in entries] == [1, 0, 0]


@pytest.mark.parametrize("rows", [1, 99, 100, 101, 300])
def test_a_quote_that_never_closes_swallows_no_row(rows: int) -> None:
    lines = ["url,note", 'http://h/a,"one', *[f"http://h/{number}," for number in range(rows)]]
    first, *others = read_entries(lines)
    assert (first.line, first.problem) == (2, "not a row of a table: a quoted cell is not closed")
    assert [entry.verdict for entry in others] == [Verdict.OK] * rows


def test_two_stray_quotes_swallow_no_row() -> None:
    text = 'url,note\nhttp://h/a,"one\nhttp://h/b,two\nhttp://h/c,"three\nhttp://h/d,"four"\n'
    entries = read(text)
    assert [entry.line for entry in entries] == [2, 3, 4, 5]
    assert entries[0].problem.startswith("not a row of a table: ")
    assert [entry.verdict for entry in entries[1:]] == ["ok", "invalid", "ok"]


def test_a_column_of_urls_that_is_not_used_is_named() -> None:
    text = "url,mirror_url,link\nhttp://h/a,http://m/a,http://h/a\nhttp://h/b,,\n,http://m/c,\n"
    entries = read(text)
    assert [entry.config and entry.config.url for entry in entries] == [
        "http://h/a", "http://h/b", "http://m/c",
    ]  # fmt: skip
    assert [entry.note for entry in entries] == ["ignored: column mirror_url", "", ""]


def test_prose_is_no_head_of_a_table() -> None:
    entries = read("See this link, please\nor look: http://x/a.iso, thanks")
    assert [entry.verdict for entry in entries] == [Verdict.OK, Verdict.NO_URL]


def test_relative_lines() -> None:
    text = "#EXTM3U\n#EXTINF:5,x\na.mp3\nsub/b c.mp3\n/d\nhttp://y/e\n?f=1\n"
    base = "http://x/d/list.m3u"
    assert urls(text, base=base) == [
        "http://x/d/a.mp3", "http://x/d/sub/b%20c.mp3", "http://x/d", "http://y/e",
        "http://x/d/list.m3u?f=1",
    ]  # fmt: skip
    assert "has no scheme" in problems("a.mp3")[0][1]
    assert [entry.verdict for entry in read("mailto:a@b", base=base)] == [Verdict.INVALID]


@pytest.mark.parametrize(
    "text",
    [
        '["http://x/1", "http://x/2"]',
        '[\n  "http://x/1",\n  "http:\\/\\/x\\/2"\n]\n',
        '[{"url": "http://x/1"}, "http://x/2"]',
        '{\n  "url": "http://x/1"\n}\n{"url": "http://x/2"}\n',
        '[\n  {\n    "url": "http://x/1"\n  },\n  {"url": "http://x/2"}\n]\n',
    ],
)
def test_json_over_several_lines(text: str) -> None:
    assert urls(text) == ["http://x/1", "http://x/2"]
    assert urls(f"{text}\nhttp://x/3") == ["http://x/1", "http://x/2", "http://x/3"]


@pytest.mark.parametrize("text", ['["http://x/1",\n', '[\n"http://x/1",\n]', '{\n"a": 1\n}'])
def test_json_that_cannot_be_read(text: str) -> None:
    ((line, problem),) = problems(text)
    assert line == 1 and "JSON" in problem


RSS = """\
<?xml version="1.0"?>
<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel>
<item><link>http://x/page</link><enclosure url="http://x/1.mp3?a=1&amp;b=2"/></item>
<item><media:content url="http://x/2.mp3"/></item><!-- <enclosure url="http://x/no.mp3"/> -->
</channel></rss>
"""
ATOM = '<feed><entry><link rel="enclosure" href="3.mp3"/></entry></feed>'
SITEMAP = (
    "<urlset><url><loc>http://x/a.iso</loc></url>\n<url><loc>http://x/b.pdf</loc></url></urlset>"
)
TRACKS = (
    "<?xml version='1.0'?><playlist><track><location>http://x/1.ogg</location></track></playlist>"
)
BUCKET = (
    "<ListBucketResult><Contents><Key>a b/1.iso</Key></Contents>"
    "<Contents><Key>a:2.iso</Key></Contents></ListBucketResult>"
)


def test_feeds() -> None:
    assert urls(RSS, links="*.mp3*") == ["http://x/1.mp3?a=1&b=2", "http://x/2.mp3"]
    assert urls(ATOM, links="*", base="http://x/d/feed") == ["http://x/d/3.mp3"]
    assert urls(SITEMAP, links="*.iso") == ["http://x/a.iso"]
    assert urls(TRACKS, links="*") == ["http://x/1.ogg"]
    assert urls(BUCKET, links="*.iso", base="http://x/bucket?prefix=a") == [
        "http://x/bucket/a%20b/1.iso", "http://x/bucket/a%3A2.iso",
    ]  # fmt: skip
    (entry,) = read(RSS)
    assert (entry.wants, entry.problem[:30]) == ("links", "this is a feed or an index; ch")
    assert read(ATOM, links="*")[0].wants == "base"


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="iso-8859-1">', "windows-1252"),
        ("<META http-equiv=x content='text/html; charset=gbk'>", "gbk"),
        ("", "windows-1252"),
        ("", "utf-8"),
        ('<meta charset="utf-8">', "utf-8"),
        ("<meta charset=rot13>", "windows-1252"),
        ("<meta charset=utf-16>", "utf-8"),
        ("<meta charset=idna>", "utf-8"),
        ("<meta charset=idna>", "windows-1252"),
        ("<meta charset=utf-7>", "utf-8"),
        ("<meta charset=unicode_escape>", "windows-1252"),
        ("<meta charset=cp037>", "utf-8"),
    ],
)
async def test_a_page_is_decoded_as_browsers_do(tmp_path: Path, head: str, encoding: str) -> None:
    name = "中国.iso" if encoding == "gbk" else "Prüfung–1.iso"
    path = tmp_path / "page.html"
    page = f"<!doctype html><html><head>{head}</head><a href='http://x/{name}'>x</a>"
    path.write_bytes(page.encode(encoding))
    (entry,) = await read_entries_file(path, (), ReadOptions(links="*"))
    assert entry.config is not None
    assert entry.config.get_destination_filename() == name


def _seconds(work: Callable[[str], object], text: str, runs: int) -> float:
    """Return the CPU time of one of several runs; the fastest, because others disturb it."""
    times = []
    for _ in range(runs):
        began = time.process_time()
        work(text)
        times.append(time.process_time() - began)
    return min(times)


@pytest.mark.parametrize(
    ("before", "unit", "after"),
    [
        ("http://x/", "://a/", "\u00e9"),
        ("http://x/", "://", "\u00e9"),
        ("http://x/", "a/", ".\u00e9"),
        ("", "http://x/a.iso\u548c", ""),
        ("http://x/", ".iso", "\u00e9"),
        ("http://x/ ", ",", "x"),
        ("http://x/", ",;|", "x"),
        ("http://x/?" + "a" * 500 + "=http://y/", ",http://z/", ""),
    ],
)
def test_the_time_for_a_line_grows_with_its_length(before: str, unit: str, after: str) -> None:
    def line(length: int) -> str:
        return before + unit * (length // len(unit)) + after

    # Eight times the text takes about eight times the time; its square would take 64 times.
    assert _seconds(separated, line(8000), 5) < 24 * _seconds(separated, line(1000), 40)


@pytest.mark.parametrize("unit", ["!https://a.b/\u200b?=", "fetch(https://a.b/", ",", "http://>"])
def test_the_time_for_a_text_grows_with_its_length(unit: str) -> None:
    def text(length: int) -> str:
        return f"http://x/a.iso ({unit * (length // len(unit))}x\n"

    assert _seconds(read, text(64 << 10), 2) < 10 * _seconds(read, text(16 << 10), 4)
