"""Rules: which folder a download goes to, decided before its file has a name."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rheo_core import FileConfig
from rheo_core.domain.rules import Rule, folder_by_rule, read_rules
from tests import waiting
from tests.core.engine import Gate, fetch, names_in, quick_retries, serving, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

BODY = body_of(600_000)
SMALL = b"small"


@pytest.mark.parametrize(
    ("fields", "matches"),
    [
        ({}, True),
        ({"host": "example.org"}, True),
        ({"host": "Example.ORG"}, True),
        ({"host": "*.example.org"}, False),
        ({"host": "*.org"}, True),
        ({"host": ["example.net", "example.org"]}, True),
        ({"host": "ample.org"}, False),
        ({"type": "application/pdf"}, True),
        ({"type": "application/*"}, True),
        ({"type": "text/*"}, False),
        ({"extension": "pdf"}, True),
        ({"extension": ".PDF"}, True),
        ({"extension": "v2.pdf"}, True),
        ({"extension": ["zip", "pdf"]}, True),
        ({"extension": "df"}, False),
        ({"pattern": r"/v\d+/"}, True),
        ({"pattern": r"^paper"}, True),
        ({"pattern": r"^book"}, False),
        ({"host": "example.org", "type": "application/pdf", "extension": "pdf"}, True),
        ({"host": "example.org", "type": "text/html", "extension": "pdf"}, False),
    ],
)
def test_a_rule_matches_what_is_true_of_all_it_names(fields: dict[str, Any], matches: bool) -> None:
    rule = Rule(folder="x", **fields)
    url = "https://user:secret@example.org:8443/v2/get?id=1"
    assert rule.matches(url, "Paper.v2.pdf", "application/pdf") is (
        matches if fields.get("pattern") != "^paper" else False
    )
    assert rule.matches(url, "paper.v2.pdf", "application/PDF") is matches


def test_an_unknown_type_matches_no_type() -> None:
    assert not Rule(folder="x", type="*/*").matches("http://a/b", "b", None)
    assert Rule(folder="x", extension="b").matches("http://a/a.b", "a.b", None)


def test_the_first_rule_holds() -> None:
    rules = (Rule(folder="a", extension="zip"), Rule(folder="b"), Rule(folder="c"))
    assert folder_by_rule(rules, "http://x/f.zip", "f.zip", None) == "a"
    assert folder_by_rule(rules, "http://x/f.txt", "f.txt", None) == "b"
    assert folder_by_rule(rules[:1], "http://x/f.txt", "f.txt", None) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("x", "should be tables, each beginning with [[rules]]"),
        ([{"host": "a"}], "has no folder in rule 1"),
        (
            [{"folder": "a"}, {"folder": " "}],
            "has folder = ' ' in rule 2, which should be the path",
        ),
        ([{"folder": "a\0"}], "should be the path of a folder"),
        ([{"folder": "~no-such-user-here/x"}], "the user does not exist"),
        (
            [{"folder": "a", "pattern": "("}],
            "has pattern = '(' in rule 1, which should be a regular",
        ),
        (
            [{"folder": "a", "type": ""}],
            "has type = '' in rule 1, which should be a string or",
        ),
        ([{"folder": "a", "host": ["b", " "]}], "none of them empty"),
        (
            [{"folder": "a", "hosts": "b"}],
            "has the unknown name 'hosts' in rule 1; use folder, host",
        ),
        ([{"foldr": "a"}], "has the unknown name 'foldr' in rule 1; use folder, host"),
        ([{"folder": "a"}, {"host": "b"}], "has no folder in rule 2"),
        ([{"folder": "a", "host": 3}], "has host = 3 in rule 1, which should be a string or"),
        ([{"folder": "a", "extension": ["b", 3]}], "should be a string or a list of strings"),
        (["a"], "in rule 1, which should be"),
    ],
)
def test_a_bad_rule_is_told_in_one_sentence(value: object, problem: str) -> None:
    with pytest.raises(ValueError) as raised:
        read_rules(value)
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value) and str(raised.value).isprintable()


async def test_files_go_where_the_rules_say(server: MisbehavingServer, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    rules = (
        Rule(folder="by type", type="image/*"),
        Rule(folder="by extension/zips", extension="zip"),
        Rule(folder=str(elsewhere), pattern=r"release-\d"),
        Rule(folder="by host", host="localhost"),
    )
    attachment = {"Content_Disposition": 'attachment; filename="real.zip"'}
    image = server.on("/cat?x", serving(BODY, Content_Type="Image/PNG; q=1"))
    urls = [
        image,
        server.on("/small.zip", serving(SMALL, Content_Type="image/gif")),
        server.on("/a.zip", serving(SMALL)),
        server.on("/get", serving(BODY, **attachment)),
        server.on("/release-1", serving(SMALL)),
        server.on("/plain", serving(SMALL, Content_Type="text/plain")),
        server.on("/named", serving(SMALL)).replace("127.0.0.1", "localhost"),
    ]
    configs = [FileConfig(url=url) for url in urls]
    configs.append(FileConfig(url=urls[2], destination_subdir="asked"))
    folder = tmp_path / "files"
    manager, journal = await fetch(folder, configs, rules=rules)
    assert manager.stats.completed == len(configs), journal.names()
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()} == {
        "files/by type/cat",
        "files/by type/small.zip",
        "files/by extension/zips/a.zip",
        "files/by extension/zips/real.zip",
        "elsewhere/release-1",
        "files/plain",
        "files/by host/named",
        "files/asked/a.zip",
    }
    assert (folder / "by type" / "cat").read_bytes() == BODY
    paths = {row.destination for row in manager.snapshot().downloads}
    assert all(Path(path).is_file() for path in paths)


async def test_nothing_is_written_to_the_folder_that_was_only_guessed(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(BODY, 1000, Content_Type="video/mp4")
    running = asyncio.create_task(
        fetch(
            tmp_path,
            [FileConfig(url=server.on("/film", gate))],
            rules=(Rule(folder="films", type="video/*"),),
        )
    )
    await waiting.until((tmp_path / "films" / "film.part.state").exists)
    assert names_in(tmp_path) == ["films", "films/film.part", "films/film.part.state"]
    gate.opened.set()
    await running
    assert names_in(tmp_path) == ["films", "films/film"]


async def test_a_broken_one_goes_on_in_its_folder(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Over two starts that know nothing of each other: only the response tells the type."""
    facts = {"ETag": '"v1"', "Content_Type": "video/mp4"}

    async def broken(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.head(Content_Length=len(BODY), **facts)
            await exchange.send(BODY[:400_000])
            await exchange.close()
        else:
            await exchange.serve(BODY, **facts)

    config = FileConfig(url=server.on("/film", broken))
    rules = (Rule(folder="films", type="video/*"),)
    await fetch(tmp_path, [config], rules=rules)
    assert "films/film.part" in names_in(tmp_path)
    manager, _ = await fetch(tmp_path, [config], rules=rules)
    assert manager.stats.completed == 1
    assert names_in(tmp_path) == ["films", "films/film"]
    assert (tmp_path / "films" / "film").read_bytes() == BODY
    assert server.requests[-1].range_start == 400_000


async def test_another_attempt_stays_in_the_folder_of_the_first(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """The second response has another type: the bytes are where they were begun."""

    async def changing(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.head(Content_Length=len(BODY), ETag='"v1"', Content_Type="video/mp4")
            await exchange.send(BODY[:400_000])
            await exchange.close()
        else:
            await exchange.serve(BODY, ETag='"v1"')

    config = FileConfig(url=server.on("/film", changing))
    rules = (Rule(folder="films", type="video/*"),)
    await fetch(tmp_path, [config], rules=rules, retry_handler=quick_retries())
    assert names_in(tmp_path) == ["films", "films/film"]
    assert server.requests[-1].range_start == 400_000


@pytest.mark.parametrize(
    ("strategy", "names"),
    [
        ("skip", ["films", "films/film", "film"]),
        ("rename", ["films", "films/film", "films/film (1)", "film"]),
    ],
)
async def test_what_is_there_counts_in_the_folder_of_the_rule(
    server: MisbehavingServer, tmp_path: Path, strategy: str, names: list[str]
) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "film").write_bytes(b"mine")
    url = server.on("/film", serving(SMALL, Content_Type="video/mp4"))
    other = server.on("/x/film", serving(SMALL))
    configs = [FileConfig(url=url), FileConfig(url=other)]
    manager, _ = await fetch(
        tmp_path,
        configs,
        rules=(Rule(folder="films", type="video/*"),),
        file_exists_strategy=strategy,
        max_concurrent=1,
    )
    assert names_in(tmp_path) == sorted(names)
    assert (tmp_path / "films" / "film").read_bytes() == b"mine"
    assert (tmp_path / "film").read_bytes() == SMALL
    assert status_of(manager, configs[0]) == ("skipped" if strategy == "skip" else "completed")


async def test_a_server_without_ranges_begins_again_under_its_own_name(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    facts = {"ETag": '"v1"', "Content_Disposition": 'attachment; filename="film"'}

    async def no_ranges(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(BODY), **facts)
        if exchange.number == 1:
            await exchange.send(BODY[:400_000])
            await exchange.close()
        else:
            await exchange.send(BODY)

    config = FileConfig(url=server.on("/get", no_ranges))
    manager, _ = await fetch(tmp_path, [config], retry_handler=quick_retries())
    assert manager.stats.completed == 1
    assert (tmp_path / "film").read_bytes() == BODY


def test_a_pattern_that_would_never_end_is_told_and_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rule = Rule(folder="f", pattern="^(a|aa|aaa)+$")
    assert not rule.matches("http://example.org/", "a" * 60 + "!", None)
    assert "the pattern '^(a|aa|aaa)+$' of a rule takes too long" in caplog.text
    assert rule.matches("http://example.org/", "aaaa", None)
