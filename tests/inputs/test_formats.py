"""Every format but curl's: what is read, what is refused, by line."""

import json
import plistlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core import FileConfig
from rheo_core.domain import FileExistsStrategy, HashAlgorithm, SpeedMetrics
from rheo_core.domain.rules import read_rules
from rheo_core.domain.text import printable
from rheo_core.events import DownloadProgressEvent, DownloadQueuedEvent
from rheo_core.inputs import Entry, ReadOptions, Verdict
from rheo_core.inputs.arguments import read_arguments
from tests.inputs.texts import (
    APACHE_PAGE,
    ARIA2_LIST,
    CHECKSUMS,
    CHROME_BASH,
    METALINK_3,
    METALINK_4,
    OTHER,
    PAGE_ADDRESS,
    PROSE,
    SHA1,
    SHA256,
    SIGNED_CHECKSUMS,
    asked,
    problems,
    read,
    urls,
)


def checksum(digest: str, algorithm: str = "sha256") -> dict[str, str]:
    return {"algorithm": algorithm, "expected_hash": digest}


def only(text: str, **options: object) -> Entry:
    (entry,) = read(text, **options)
    return entry


def urls_of(text: str) -> list[str]:
    return [entry.config.url for entry in read(text) if entry.config is not None]


class TestLists:
    @pytest.mark.parametrize("before", ["\u200b", "\u202a", "\ufeff\ufeff", "\u2060 "])
    @pytest.mark.parametrize("after", ["\u200b", "\u202c", " \u200e"])
    def test_what_nobody_sees_around_a_line_is_left_out(self, before: str, after: str) -> None:
        text = f"{before}https://example.org/x.zip{after}\n{before}{CHROME_BASH}\n"
        first, second = read(text)
        assert first.config is not None
        assert first.config.url == "https://example.org/x.zip"
        assert (second.form, second.verdict) == ("curl command", Verdict.OK)

    def test_aria2(self) -> None:
        first, second = asked(ARIA2_LIST)
        assert first == {
            "url": "http://a.example.org/one.iso",
            "mirrors": ["https://b.example.org/one.iso"],
            "filename": "one.iso",
            "destination_subdir": "linux/isos",
            "hash_config": checksum(SHA256),
            "headers": [["Cookie", "sid=s3cret"], ["User-Agent", "Wget/1.21"]],
        }
        assert second == {"url": "http://a.example.org/two.iso"}
        entries = read(ARIA2_LIST)
        assert [entry.line for entry in entries] == [2, 12]
        assert entries[0].form == "aria2 entry"
        ignored = "split, max-connection-per-server, header Accept-Encoding"
        assert entries[0].note == f"ignored: {ignored}"

    @pytest.mark.parametrize(
        ("option", "problem"),
        [
            ("out=../x", "out '../x' must not contain '..'"),
            ("out=..\\x", "out '..\\\\x' must not contain '..'"),
            ("out=/etc/passwd", "out '/etc/passwd' must be relative"),
            ("out=", "out '' must name a file"),
            ("dir=a/../../b", "must not contain '..'"),
            ("checksum=sha-256=12", "2 characters instead of 64"),
            ("checksum=crc32=12", "hash algorithm 'crc32' is unknown"),
            ("header=no colon", "a header does not have the form 'Name: value'"),
            ("header=X: a\x0bb", "control characters"),
        ],
    )
    def test_bad_options_of_aria2(self, option: str, problem: str) -> None:
        text = f"https://x/1\n {option}\nhttps://x/2\n"
        ((line, told),) = problems(text)
        assert line == 1
        assert problem in told
        assert read(text)[1].verdict is Verdict.OK

    @pytest.mark.parametrize(
        ("value", "folder"),
        [
            ("/home/me/files", ""),
            ("/home/me/files/", ""),
            ("/home/me/files/linux/isos", "linux/isos"),
            ("/home/me//files/./.ssh", "ssh"),
            ("/home/me", None),
            ("/home/me/files/../x", None),
            ("/home/me/filesystem", None),
            ("//home/me/files/x", None),
            ("/", None),
            ("C:\\Users\\me", None),
            ("\\\\server\\share", None),
        ],
    )
    @pytest.mark.parametrize("knows_folder", [True, False])
    def test_an_absolute_folder_of_a_session_file(
        self, value: str, folder: str | None, knows_folder: bool
    ) -> None:
        text = f"https://x/1\n gid=b3c1\n dir={value}\n out=one.iso\n"
        base = Path("/home/me/files") if knows_folder else None
        (entry,) = read(text, folder=base)
        assert entry.config is not None and entry.verdict is Verdict.OK
        folder = folder if knows_folder else None
        assert (entry.config.destination_subdir or "") == (folder or "")
        assert entry.config.filename == "one.iso"
        assert (f"dir {printable(value)}" in entry.note) == (folder is None)

    @pytest.mark.parametrize(
        ("name", "safe"), [("CON", "CON_"), ("a\x1b[2J", "a_[2J"), (".x", "x")]
    )
    def test_names_are_made_safe(self, name: str, safe: str) -> None:
        (fields,) = asked(f"https://x/1\n out={name}/{name}\n")
        assert (fields["destination_subdir"], fields["filename"]) == (safe, safe)

    def test_a_referer_that_is_the_url_itself(self) -> None:
        (one,) = asked("https://me:pw@x/1\n  referer=*\n")
        assert one["headers"] == [["Referer", "https://x/1"]]

    def test_an_option_without_a_url(self) -> None:
        assert "no scheme" in only(" out=x").problem

    def test_several_on_a_line(self) -> None:
        assert urls("https://x/1 https://x/2\n") == ["https://x/1", "https://x/2"]
        assert "white space" in only("https://x/1 or so").problem

    def test_formats_follow_each_other(self) -> None:
        event = json.dumps({"event_type": "download.failed", "url": "https://x/json"})
        text = f"https://x/1\n{CHROME_BASH}\n{event}\n{SHA256}  sum.iso\nhttps://x/2\n- https://x/3"
        entries = read(text, base="https://x/")
        assert [entry.line for entry in entries] == [1, 2, 11, 12, 13, 14]
        assert [entry.form for entry in entries] == [
            "", "curl command", "JSON event", "checksum list", "", "text",
        ]  # fmt: skip


class TestProse:
    def test_urls_in_it(self) -> None:
        names = ["a.iso", "dir/b_(2).iso", "c.iso", "d.iso", "e.iso", "f", "g"]
        assert urls(PROSE) == [f"https://example.org/{name}" for name in names]
        assert [entry.line for entry in read(PROSE)] == [1, 2, 3, 3, 4, 4, 4]

    @pytest.mark.parametrize(
        "written",
        [
            "`{}`", "**{}**", "*{}*,", "_{}_", "~~{}~~", "|{}|iso|", "| {} | iso |", "URL={}",
            'export URL="{}"', "“{}”", "„{}“", "‘{}’", "«{}»", "»{}«", "下载{}", "见：{}。",
            "（{}）", "「{}」、", "{}…", "\U0001f600{}", "${}", "\u200b{}\u200b", "[{}]({})",
            "{}，{}", "-{}", "url:{}.", "<a href={}>",
        ],
    )  # fmt: skip
    def test_what_stands_around_a_url_is_no_part_of_it(self, written: str) -> None:
        url = "https://example.org/b_(2).iso"
        assert set(urls_of(f"get it: {written.format(url, url)}")) == {url}

    @pytest.mark.parametrize(
        "url",
        [
            "http://[::1]:81/z.zip", "https://a_b.example.org/x.zip", "http://nas/x.zip",
            "https://web.archive.org/web/2020/https://example.org/x.zip",
            "https://zh.wikipedia.org/wiki/北京（消歧义）", "https://example.org/《a》.zip",
            "https://example.org/it's.zip", "https://example.org/a|b*c_.zip",
        ],
    )  # fmt: skip
    def test_an_unusual_url_is_read_to_its_end(self, url: str) -> None:
        assert urls_of(f"the file: {url}") == [url]
        assert urls_of(f"the file: ({url}), and") == [url]

    @pytest.mark.parametrize(
        "text", ["clone git+https://example.org/x.git", "from http:// to https://"]
    )
    def test_what_is_no_url_is_passed_over(self, text: str) -> None:
        assert urls_of(text) == []

    def test_none_in_it(self) -> None:
        text = "\n# note\nnothing to see\nhere, or there\n"
        assert problems(text) == [(3, "there is no http or https URL in this text")]


OTHER_HASH = f'<hash type="sha-256">{OTHER}</hash>'


class TestMetalink:
    def test_version_4(self) -> None:
        assert asked(METALINK_4) == [
            {
                "url": "https://mirror.cz.example.org/leap-x86_64.iso",
                "mirrors": [
                    "http://ftp.de.example.org/leap-x86_64.iso",
                    "http://us.example.org/leap-x86_64.iso",
                ],
                "filename": "leap-x86_64.iso",
                "size_bytes": 4702863360,
                "hash_config": checksum(SHA256),
                "pieces": {"algorithm": "sha1", "length": 1 << 32, "hashes": [SHA1, SHA1[::-1]]},
            }
        ]
        entry = only(METALINK_4)
        assert (entry.line, entry.form) == (6, "Metalink, 3 mirrors")
        assert entry.note == (
            "ignored: mirrors that are not http or are repeated (1), "
            "sha1 and md5 hashes (sha256 is used)"
        )

    def test_the_address_of_a_torrent_is_no_mirror(self) -> None:
        torrent = '<url type="BitTorrent" preference="100">https://de/repomd.xml.torrent</url>'
        text = METALINK_3.replace("<resources", f"<resources>{torrent}</resources><resources")
        assert asked(text) == asked(METALINK_3)
        alone = METALINK_3.replace('type="http"', 'type="bittorrent"')
        ((_, told),) = problems(alone.replace('type="https"', 'type="bittorrent"'))
        assert "has no http or https URL" in told

    def test_version_3(self) -> None:
        assert asked(METALINK_3) == [
            {
                "url": "https://de/repomd.xml",
                "mirrors": ["http://se/repomd.xml"],
                "filename": "repomd.xml",
                "size_bytes": 5285,
                "hash_config": checksum(SHA256),
                "pieces": {"algorithm": "sha1", "length": 262144, "hashes": [SHA1]},
            }
        ]

    @pytest.mark.parametrize(
        ("old", "new", "line", "problem"),
        [
            ('name="leap', 'name="../leap', 6, "name '../leap-x86_64.iso' must not contain '..'"),
            ('name="leap', 'name="/leap', 6, "must be relative"),
            ('name="leap', 'name="C:\\leap', 6, "must be relative"),
            ('name="leap-x86_64.iso"', "", 6, "name '' must name a file"),
            ("<size>4702863360", "<size>many", 6, "size 'many' is not a number of bytes"),
            ("<size>4702863360", "<size>-1", 6, "size '-1' is not a number of bytes"),
            (
                "<size>4702863360",
                "<size>5</size><size>4702863360",
                6,
                "the file has two different sizes: 5 and 4,702,863,360",
            ),
            (SHA256, "12", 6, "2 characters instead of 64"),
            (SHA1[::-1], "12", 6, "piece 2 of 2: sha1 hash has 2 characters instead of 40"),
            (SHA1[::-1], "", 6, "1 of 2 piece hashes are missing or empty"),
            ("<hash>a", '<hash piece="1">a', 6, "1 of 2 piece hashes are missing or empty"),
            ('length="', 'length="0" was="', 6, "piece length is 0 bytes; it must be 1 or"),
            (
                'length="',
                'length="-',
                6,
                "length of a piece '-4294967296' is not a number of bytes",
            ),
            ("length=", "size=", 6, "length of a piece '' is not a number of bytes"),
            (
                "4294967296",
                "262144",
                6,
                "a file of 4,702,863,360 bytes has 17,940 pieces of 262,144 bytes, "
                "but the list has 2 piece hashes",
            ),
            (SHA256, "g" * 64, 6, "is not hexadecimal"),
            ("http", "ftp", 6, "has no http or https URL"),
            ("</metalink>", "", 20, "it ends inside an element"),
            ("<size>", "<size", 7, "not well-formed XML"),
            ("<file", "<other", 19, "not well-formed XML: mismatched tag"),
        ],
    )
    def test_what_is_refused(self, old: str, new: str, line: int, problem: str) -> None:
        ((at, told),) = problems(METALINK_4.replace(old, new))
        assert problem in told
        assert at == line

    @pytest.mark.parametrize(
        "declaration",
        [
            '<!DOCTYPE m SYSTEM "http://evil.example.org/m.dtd">',
            '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
            '<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        ],
    )
    def test_no_entities(self, declaration: str) -> None:
        text = METALINK_4.replace("<metalink", f"{declaration}\n<metalink", 1)
        assert problems(text) == [
            (2, "the Metalink has a document type or entities, which are not allowed")
        ]

    @pytest.mark.parametrize("attributes", ["", ' type=""', ' kind="sha-256"', ' piece="0"'])
    def test_a_hash_without_a_type_is_named_and_not_guessed(self, attributes: str) -> None:
        """RFC 5854 requires the type; a hash of 64 digits has many algorithms."""
        nameless = f"<hash{attributes}>{OTHER}</hash>"
        pieces = f'<pieces length="1"><hash>{SHA1}</hash></pieces>'
        form = (
            '<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="a">{}</file></metalink>'
        )
        url = "<url>http://h/a</url>"
        entry = only(form.format(nameless + url))
        assert (entry.verdict, entry.note) == (Verdict.OK, "ignored: hash without a type")
        assert entry.config is not None and entry.config.hash_config is None
        typed = f'{nameless}{pieces}<hash type="sha-256">{SHA256}</hash>{url}'
        entry = only(form.format(typed))
        assert entry.note == "ignored: hash without a type, pieces without a type"
        assert entry.config is not None and entry.config.hash_config is not None
        assert entry.config.hash_config.expected_hash == SHA256

    def test_the_strongest_pieces_count(self) -> None:
        stronger = f'<pieces length="4702863360" type="sha-256"><hash>{OTHER}</hash></pieces>'
        unknown = '<pieces length="1" type="sha-3"><hash>00</hash></pieces>'
        text = METALINK_4.replace("<pieces", f"{unknown}{stronger}<pieces")
        ((_, pieces),) = [(file["url"], file["pieces"]) for file in asked(text)]
        assert pieces == {"algorithm": "sha256", "length": 4702863360, "hashes": [OTHER]}
        nothing_known = METALINK_4.replace('type="sha-1">\n', 'type="sha-3">\n')
        assert "pieces" not in asked(nothing_known)[0]

    def test_pieces_go_by_their_numbers(self) -> None:
        """Those of Metalink 3."""
        pieces = f'<hash piece="1">{SHA1}</hash><hash piece="0">{SHA1[::-1]}</hash>'
        old = f'"262144" type="sha1"><hash piece="0">{SHA1}</hash>'
        text = METALINK_3.replace(old, f'"4096" type="sha1">{pieces}')
        assert asked(text)[0]["pieces"]["hashes"] == [SHA1[::-1], SHA1]

    @pytest.mark.parametrize(
        "stranger",
        [
            f"<verification><signature>{OTHER_HASH}</signature></verification>",
            f"<signature><verification>{OTHER_HASH}</verification></signature>",
            f'<x:hash xmlns:x="urn:x" type="sha-256">{OTHER}</x:hash>',
            f'<x:more xmlns:x="urn:x">{OTHER_HASH}</x:more>',
            '<x:size xmlns:x="urn:x">5</x:size>',
            "<old><size>5</size></old>",
            "<old><url priority='1'>https://evil/x</url></old>",
            "<x:url xmlns:x='urn:x' priority='1'>https://evil/x</x:url>",
            "<metaurl><resources><url priority='1'>https://evil/x</url></resources></metaurl>",
            f'<old><pieces length="1" type="sha-256"><hash>{OTHER}</hash></pieces></old>',
        ],
    )
    def test_elements_mean_something_only_where_they_belong(self, stranger: str) -> None:
        for text, usual in ((METALINK_4, "</file>"), (METALINK_3, "</file>")):
            assert asked(text.replace(usual, f"{stranger}{usual}")) == asked(text)

    @pytest.mark.parametrize(
        "inside",
        [
            "<x:n/>",
            '<x:n type="md5" priority="9">z</x:n>',
            "<n/>",
            "<!-- z -->",
            "<x:n><n>z</n></x:n>",
        ],
    )
    @pytest.mark.parametrize("text", [SHA256, SHA256[:9], "47", "https://mirror.cz.", SHA1])
    def test_elements_inside_others_change_nothing(self, text: str, inside: str) -> None:
        """Neither their attributes nor their text belong to the element around them."""
        plain = METALINK_4.replace("<metalink", '<metalink xmlns:x="urn:x"', 1)
        assert f">{text}" in plain
        assert asked(plain.replace(f">{text}", f">{text}{inside}", 1)) == asked(plain)

    @pytest.mark.parametrize("kind", [" sha-256", "sha-256 ", "\tSHA-256\n", "Sha256", "sha256"])
    def test_a_type_may_be_written_in_other_ways(self, kind: str) -> None:
        text = METALINK_4.replace('<hash type="sha-256"', f'<hash type="{kind}"')
        assert asked(text) == asked(METALINK_4)

    @pytest.mark.parametrize(
        "kind", ["sha3-256", "sha-224", "sha-512/256", "SHAKE128", "sha-3", "ed2k"]
    )
    def test_a_hash_of_an_unknown_type_is_named(self, kind: str) -> None:
        unknown = f'<hash type=" {kind} ">{OTHER}</hash>'
        entry = only(METALINK_4.replace("</file>", f"{unknown}</file>"))
        assert entry.verdict is Verdict.OK
        assert f"hash of type '{kind}'" in entry.note
        pieces = f'<pieces length="5" type="{kind}"><hash>{OTHER}</hash></pieces>'
        entry = only(METALINK_4.replace("</file>", f"{pieces}</file>"))
        assert f"pieces of type '{kind}'" in entry.note

    @pytest.mark.parametrize("hash_", ['<hash type="sha-512"/>', '<hash type="sha-512"> </hash>'])
    def test_a_hash_without_a_value_is_named(self, hash_: str) -> None:
        entry = only(METALINK_4.replace("</file>", f"{hash_}</file>"))
        assert "hash of type 'sha-512' without a value" in entry.note
        assert entry.config is not None and entry.config.hash_config is not None
        assert entry.config.hash_config.expected_hash == SHA256

    def test_two_lists_of_pieces_of_one_algorithm_are_a_mistake(self) -> None:
        pieces = f'<pieces length="4702863360" type="sha-1"><hash>{SHA1}</hash></pieces>'
        ((_, problem),) = problems(METALINK_4.replace("</file>", f"{pieces}</file>"))
        assert problem == "the file has 2 lists of sha1 piece hashes"

    def test_a_file_within_something_else_is_none(self) -> None:
        inner = "<file name='evil'><url>https://evil/x</url></file>"
        text = METALINK_4.replace("</metalink>", f"<old>{inner}</old></metalink>")
        assert asked(text) == asked(METALINK_4)

    def test_no_file(self) -> None:
        assert problems("<metalink/>") == [(1, "the Metalink contains no file")]

    def test_not_without_end(self) -> None:
        text = "<metalink>\n" + f"<a>{'x' * 1_000_000}</a>\n" * 20
        ((line, told),) = problems(text)
        assert line == 18
        assert "at most" in told


class TestPages:
    def test_a_page_is_no_list_unless_asked(self) -> None:
        entry = only(APACHE_PAGE)
        assert (entry.line, entry.wants) == (1, "links")
        assert "choose links from it" in entry.problem

    def test_links_by_pattern(self) -> None:
        entries = read(APACHE_PAGE, links="*.iso", base=PAGE_ADDRESS)
        assert [(entry.line, entry.text) for entry in entries] == [
            (8, f"{PAGE_ADDRESS}a%20one.iso"),
            (9, f"{PAGE_ADDRESS}b.ISO?x=1&y=2"),
        ]
        assert urls(APACHE_PAGE, links="*/logo*", base=PAGE_ADDRESS) == [f"{PAGE_ADDRESS}logo.png"]
        assert len(urls(APACHE_PAGE, links="*", base=PAGE_ADDRESS)) == 4

    def test_its_address_is_wanted(self) -> None:
        entry = only(APACHE_PAGE, links="*.iso")
        assert (entry.wants, entry.line) == ("base", 6)

    def test_its_own_base(self) -> None:
        text = APACHE_PAGE.replace("<head>", '<head><base href="http://other.org/a/b">')
        assert urls(text, links="a*.iso") == ["http://other.org/a/a%20one.iso"]
        text = text.replace("http://other.org", "")
        assert urls(text, links="a*", base=PAGE_ADDRESS) == ["https://example.org/a/a%20one.iso"]

    def test_the_page_is_no_link_of_itself(self) -> None:
        address = "https://example.org/releases"
        text = '<p><a name="top"></a><a href="#end">down</a><video></video><a href="x.iso">x</a>'
        assert urls(text, links="*", base=address) == ["https://example.org/x.iso"]
        text = f'<base href="{address}"><a href="x.iso">x</a>'
        assert urls(text, links="*") == ["https://example.org/x.iso"]

    def test_no_link_is_meant(self) -> None:
        entry = only(APACHE_PAGE, links="*.zip", base=PAGE_ADDRESS)
        assert entry.problem == "no link of this page matches '*.zip'"
        assert entry.wants == "links"

    def test_not_without_end(self) -> None:
        assert "at most" in only("<p>\n" + ("x" * 1_000_000 + "\n") * 20, links="*").problem


class TestChecksumLists:
    def test_with_its_address(self) -> None:
        folder = "https://example.org/pub/"
        assert asked(CHECKSUMS, base=f"{folder}SHA256SUMS") == [
            {
                "url": f"{folder}Fedora-x.iso",
                "filename": "Fedora-x.iso",
                "hash_config": checksum(SHA256),
            },
            {
                "url": f"{folder}images/boot.iso",
                "filename": "boot.iso",
                "destination_subdir": "images",
                "hash_config": checksum(OTHER),
            },
            {
                "url": f"{folder}tools.zip",
                "filename": "tools.zip",
                "hash_config": checksum(OTHER),
            },
        ]

    def test_signed(self) -> None:
        assert urls(SIGNED_CHECKSUMS, base="http://x/") == [
            "http://x/one.iso", "https://example.org/after.iso",
        ]  # fmt: skip

    def test_its_address_is_wanted(self) -> None:
        first, second = read(f"{CHECKSUMS}\nhttps://example.org/x\n")
        assert (first.line, first.wants) == (2, "base")
        assert second.verdict is Verdict.OK

    @pytest.mark.parametrize("digest", ["12" * 16, "12" * 20, "12" * 48, "12" * 64])
    def test_algorithms_by_length(self, digest: str) -> None:
        (fields,) = asked(f"{digest}  x", base="http://x/")
        assert HashAlgorithm(fields["hash_config"]["algorithm"]).hex_length == len(digest)

    def test_urls_as_names_and_names_of_urls(self) -> None:
        assert urls(f"{SHA256}  https://y/z.iso") == ["https://y/z.iso"]
        assert urls(f"{SHA256}  a#b? c.iso", base="http://x/") == ["http://x/a%23b%3F%20c.iso"]

    @pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "C:\\x"])
    def test_hostile_names(self, name: str) -> None:
        ((line, told),) = problems(f"{SHA256}  {name}", base="http://x/")
        assert line == 1
        assert "must" in told


class TestJson:
    def test_configs_come_back(self) -> None:
        config = FileConfig(
            url="https://x/a", filename="b", destination_subdir="c", priority=3, size_bytes=7,
            mirrors=("https://y/a",), headers={"Cookie": "a=b"}, sidecar=True,
            hash_config={"algorithm": "sha256", "expected_hash": SHA256},
            pieces={"algorithm": "sha1", "length": 4, "hashes": [SHA1, SHA1]},
            file_exists_strategy=FileExistsStrategy.ERROR,
        )  # fmt: skip
        entry = only(config.model_dump_json())
        assert (entry.config, entry.note) == (config, "")

    def test_events(self) -> None:
        speed = SpeedMetrics(
            current_speed_bps=1, average_speed_bps=1, eta_seconds=None, elapsed_seconds=1
        )
        events = [
            event
            for url in ("https://x/a", "https://x/b")
            for event in (
                DownloadQueuedEvent(download_id="1", url=url, priority=1),
                DownloadProgressEvent(
                    download_id="1", url=url, chunk_size=1, bytes_downloaded=1, total_bytes=2,
                    speed=speed, progress_percent=50.0,
                ),
            )
        ]  # fmt: skip
        text = "\n".join(event.model_dump_json() for event in events)
        assert [(e.line, e.form) for e in read(text)] == [(1, "JSON event"), (3, "JSON event")]

    def test_a_secret_left_out_of_an_event(self) -> None:
        text = '{"event_type": "download.failed", "url": "https://x/a?token=***"}'
        assert "secret in the URL of this event was removed" in only(text).problem

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("{", "not valid JSON"),
            ("{" * 100_000, "not valid JSON"),
            ('{"a":' * 10_000, "not valid JSON"),
            ('{"url": 5}', 'needs a "url"'),
            ("{}", 'needs a "url"'),
            ('{"url": "ftp://x"}', "scheme 'ftp'"),
            ('{"url": "http://x/", "filename": "../x"}', "must not contain '..'"),
            ('{"url": "http://x/", "filename": "a/b"}', "use destination_subdir"),
            ('{"url": "http://x/", "destination_subdir": "/etc"}', "must be relative"),
            ('{"url": "http://x/", "priority": 0}', "greater than or equal to 1"),
            ('{"url": "http://x/", "headers": {"Ran ge": "s3cret"}}', "is not valid"),
            ('{"url": "http://x/", "size_bytes": ' + "9" * 5000 + "}", ""),
        ],
    )
    def test_what_is_refused(self, line: str, problem: str) -> None:
        ((at, told),) = problems(f"{line}\nhttp://x/after\n")
        assert at == 1
        assert problem in told
        assert "s3cret" not in told

    @pytest.mark.parametrize("name", ["", " ", "\t"])
    def test_a_name_of_blanks_is_none(self, name: str) -> None:
        entry = only(json.dumps({"url": "https://x/one.iso", "filename": name}))
        assert entry.place == "one.iso"

    def test_unknown_keys_are_named(self) -> None:
        note = only('{"url": "http://x/", "id": "1", "uri": 5}').note
        assert note == "ignored: uri"


def test_what_is_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a.iso").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "too-long").symlink_to("n" * 300)
    (tmp_path / "loop").symlink_to("loop")
    text = (
        "https://x/a.iso\nhttps://x/b.iso\nhttps://x/dangling\nhttps://x/too-long\nhttps://x/loop\n"
        '{"url": "https://y/a.iso", "file_exists_strategy": "overwrite"}\n'
    )
    entries = read(text, folder=tmp_path, finds_files=True)
    assert [(entry.verdict, entry.problem) for entry in entries] == [
        (Verdict.ON_DISK, "already on disk: a.iso"),
        (Verdict.OK, ""),
        *[(Verdict.OK, "")] * 3,  # they lead to no file, which the download will report
        (Verdict.ON_DISK, "already on disk: a.iso"),
    ]


@pytest.mark.parametrize(
    "rule",
    [{"host": "x"}, {"extension": "iso"}, {"pattern": "a"}, {"type": "video/*"}, {"host": "y"}],
    ids=str,
)
@pytest.mark.parametrize("is_absolute", [True, False])
def test_what_is_on_the_disk_is_sought_where_a_rule_puts_it(
    tmp_path: Path, rule: dict[str, str], is_absolute: bool
) -> None:
    base, folder = tmp_path / "base", tmp_path / "other" if is_absolute else tmp_path / "base/isos"
    folder.mkdir(parents=True)
    (folder / "a.iso").touch()
    (tmp_path / "base" / "sub").mkdir(parents=True)
    rules = read_rules([{"folder": str(folder) if is_absolute else "isos", **rule}])
    text = (
        '{"url": "https://x/a.iso", "type": "video/mp4"}\n'
        '{"url": "https://x/a.iso", "destination_subdir": "sub"}\n'
    )
    first, second = read(text, folder=base, rules=rules, finds_files=True)
    found = str(folder / "a.iso") if rule != {"host": "y"} else ""
    assert (first.existing, second.existing) == (found, "")


@pytest.mark.parametrize("exists", ["skip", "error"])
@pytest.mark.parametrize(
    "known",
    [
        {"size_bytes": 5},
        {"pieces": {"algorithm": "md5", "length": 5, "hashes": ["0" * 32]}},
        {"sidecar": True},
        {"hash_config": {"algorithm": "md5", "expected_hash": "0" * 32}},
    ],
)
def test_what_is_on_the_disk_is_compared_if_anything_is_known(
    tmp_path: Path, exists: str, known: dict[str, object]
) -> None:
    (tmp_path / "a").touch()
    text = json.dumps({"url": "https://x/a", "file_exists_strategy": exists, **known})
    (entry,) = read(text, folder=tmp_path, finds_files=True)
    assert (entry.verdict is Verdict.OK) == (exists == "skip")


def test_duplicates_in_other_clothes() -> None:
    entries = read("https://x/a\ncurl https://x/a\ncurl https://x/a -o b\nhttps://x/a\n  out=a\n")
    assert [entry.verdict.value for entry in entries] == ["ok", "duplicate", "ok", "duplicate"]


@pytest.mark.parametrize("text", ["https://x/a https://x/a", "https://x/{a,a}"])
def test_duplicates_on_one_line(text: str) -> None:
    first, second = read(text, patterns=True)
    assert first.verdict is Verdict.OK
    assert second.problem == "already in the list, line 1"


class _Links(HTMLParser):
    """Links that the standard library finds."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        link = dict(reversed(attrs)).get("href")
        if tag == "a" and link and link.strip().startswith("h"):
            self.found.append(link.strip())


ATTRIBUTE = st.sampled_from(
    [
        ' href="http://x/1&amp;2"', " HREF = 'http://x/3'", "\nhref=http://x/4?a=b", " title='>'",
        ' title="<a href=http://x/5>"', " hidden", " href=h", "\tdata-href=http://x/6",
    ]
)  # fmt: skip
TAG = st.builds("<{}{}>".format, st.sampled_from("aA"), st.lists(ATTRIBUTE).map("".join))
PIECE = TAG | st.sampled_from(
    [
        "text", "</a>", "<br>", "<abbr href=http://x/7>", "<!-- <a href=http://x/8> -->",
        "< a href=x>", "<script>'<a href=http://x/9>'</script>", "<SCRIPT async></SCRIPT>",
        "&lt;a href=http://x/>",
    ]
)  # fmt: skip


@given(st.lists(PIECE).map("".join))
def test_links_are_those_that_the_standard_library_finds(text: str) -> None:
    parser = _Links()
    parser.feed(f"<html>{text}")
    parser.close()
    entries = read(f"<html>{text}", links="*", base="http://x/")
    assert [entry.text for entry in entries if not entry.problem] == [
        urljoin("http://x/", link) for link in dict.fromkeys(parser.found)
    ]


class TestShortcuts:
    """The URLs of icons, base addresses and fragments are not downloaded."""

    @pytest.mark.parametrize(
        "text",
        [
            "[InternetShortcut]\r\nURL=https://x/a.iso\r\nIconFile=https://x/favicon.ico\r\n",
            "[DEFAULT]\nBASEURL=https://x/\n[InternetShortcut]\nURL=https://x/a.iso\nHotKey=0\n",
            "[InternetShortcut]\nURL=https://x/a.iso\n\n"
            "[{000214A0-0000-0000-C000-000000000046}]\nProp3=19,2\n",
            "[Desktop Entry]\nType=Link\nName[de]=ein Name\nURL = https://x/a.iso\n"
            "Icon=https://x/icon.png\n",
            '<?xml version="1.0"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
            '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<plist version="1.0"><dict>\n'
            "<key>URL</key>\n<string>https://x/a.iso</string>\n</dict></plist>\n",
        ],
        ids=["url", "url with a base", "url with a property", "desktop", "webloc"],
    )
    def test_the_url_alone(self, text: str) -> None:
        assert urls_of(text) == ["https://x/a.iso"]
        assert problems(text) == []

    def test_what_follows_is_read_too(self) -> None:
        two = "[InternetShortcut]\nURL=https://x/a\n[InternetShortcut]\nURL=https://x/b\n"
        assert urls_of(f"{two}https://x/c?d=e\n") == [
            "https://x/a",
            "https://x/b",
            "https://x/c?d=e",
        ]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("[Desktop Entry]\nName=x\n", "the shortcut contains no URL"),
            ("<plist><dict><key>URL</key><true/></dict></plist>", "the shortcut contains no URL"),
            (
                "<plist><array><string>http://x/</string></array></plist>",
                "the shortcut contains no URL",
            ),
            ("<plist><dict><key>URL</key>", "the property list is damaged"),
            (
                '<!DOCTYPE plist [<!ENTITY a "b">]><plist><string>&a;</string></plist>',
                "the property list is damaged",
            ),
        ],
    )
    def test_without_a_url(self, text: str, problem: str) -> None:
        assert problems(text) == [(1, problem)]

    def test_a_binary_webloc(self, tmp_path: Path) -> None:
        path = tmp_path / "a.webloc"
        path.write_bytes(plistlib.dumps({"URL": "https://x/a"}, fmt=plistlib.FMT_BINARY))
        ((_, entry),) = read_arguments([], [str(path)], ReadOptions())
        assert entry.config is not None and entry.config.url == "https://x/a"

    @pytest.mark.parametrize(
        "damage",
        [
            b"bplist",
            b"bplist00\x00\xff" * 9,
            plistlib.dumps({"URL": "https://x/\x01"}, fmt=plistlib.FMT_BINARY),
        ],
    )
    def test_a_damaged_binary_webloc(self, damage: bytes, tmp_path: Path) -> None:
        path = tmp_path / "a.webloc"
        path.write_bytes(damage)
        ((_, entry),) = read_arguments([], [str(path)], ReadOptions())
        assert entry.config is None and entry.problem.startswith("cannot be read: ")
