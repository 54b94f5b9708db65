"""The filter language: what it reads, what it refuses and where, what it matches."""

import time
from collections.abc import Callable
from typing import Any, cast

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.exceptions import HttpStatusError, failure_of
from rheo_core.domain.filter_terms import (
    FIELDS,
    STATUSES,
    PatternFinder,
    SlowPatternError,
    compile_pattern,
)
from rheo_core.domain.filters import (
    NO_FILTER,
    Filter,
    FilterError,
    Moment,
    Term,
    example,
    parse_filter,
    parse_typed,
)

NOW = 1_800_000_000.0
MOMENT = Moment(NOW)
NO_LOGIN = failure_of(HttpStatusError(401))


def row(**facts: Any) -> DownloadSnapshot:
    """Return a download of 2 GB from dl.example.org, added an hour ago."""
    values: dict[str, Any] = {
        "id": "3fa9000000000000",
        "url": "https://dl.example.org/pub/debian-12.iso?lang=en",
        "name": "debian-12.iso",
        "status": DownloadStatus.QUEUED,
        "reason": "",
        "priority": 1,
        "rank": 1.0,
        "total_bytes": 2_000_000_000,
        "added_at": NOW - 3600,
        "destination": "/home/me/isos/debian-12.iso",
    }
    return DownloadSnapshot(**{**values, **facts})


def matches(text: str, **facts: Any) -> bool:
    return parse_filter(text).matches(row(**facts), MOMENT)


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "debian", "DEBIAN", "debian 12", "lang=en", "https://dl.example.org", "*.iso",
        "*bian*12*", '"debian-12.iso"', "/DEB.an-\\d+/", "name:/^deb/", "name:*.ISO", "name:bian",
        "url:/pub/", "url:/pub./", "folder:/home/me", "folder:*isos", "folder:isos", "id:3fa9",
        "host:dl.example.org", "host:example.org", "host:example", "host:org", "host:dl",
        "host:*example*", "host:dl.example.org:443", "host:other.org,example.org",
        "size>1g", "size>=2g", "size:>1g", "size<=2GB", "size>1.5 or size<1", "size>1GiB",
        "age<1d", "age>59m", "age<1h1s", "tries<1", "tries:0", "tries=0", "priority>=1",
        "priority=1", "status:queued", "STATUS:QUEUED", "status:failed,queued", "progress<1",
        "!status:failed", "!windows", "!!debian", "!left<1d", "windows or debian",
        "windows or debian 12", "windows 12 or debian OR x",
    ],
)  # fmt: skip
def test_what_matches(text: str) -> None:
    assert matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "windows", "/pub/", "debian windows", "!debian", "*.is", "debian*.zip", "/^http$/",
        "name:pub", "name:*.zip", "name:/^bian/", "folder:debian", "id:fa9", "host:example.com",
        "host:xample",
        "host:ple.org", "host:example.org.evil.net", "host:dl.example.org:80", "size>2g", "size<2g",
        "speed<10k", "left<1d", "error:404", "age>1d", "tries>2", "priority>=5", "status:failed",
        "status:waiting", "status:active", "debian windows or windows", "!status:queued",
    ],
)  # fmt: skip
def test_what_does_not_match(text: str) -> None:
    assert not matches(text)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("error:404", {"error": "HTTP 404 Not Found", "status": DownloadStatus.FAILED}),
        ("tries>2", {"attempt": 3}),
        ("speed<10k", {"speed_bps": 5000.0, "status": DownloadStatus.IN_PROGRESS}),
        ("left<5m", {"eta_seconds": 299.0, "status": DownloadStatus.IN_PROGRESS}),
        ("progress>90%", {"bytes_downloaded": 1_900_000_000}),
        ("progress>=100", {"status": DownloadStatus.COMPLETED, "total_bytes": None}),
        ("!size>=0", {"total_bytes": None}),
        ("host:::1", {"url": "http://[::1]:8000/a"}),
        ("host:[::1]:8000", {"url": "http://[::1]:8000/a"}),
        ("host:127.0.0.1", {"url": "http://127.0.0.1:8000/a"}),
        ("status:waiting", {"reason": "disk full", "status": DownloadStatus.PAUSED}),
        ("status:waiting", {"start_at": NOW + 1}),
        ("name:/straße/", {"name": "STRASSE straße"}),
        ("straße", {"name": "STRASSE"}),
        ("login", {"status": DownloadStatus.FAILED, "failure": NO_LOGIN}),
        ('"404 not found"', {"status": DownloadStatus.FAILED,
                             "failure": failure_of(HttpStatusError(404, "Not Found"))}),
        ("503", {"status": DownloadStatus.RETRYING, "failure": failure_of(HttpStatusError(503))}),
        ("fail", {"status": DownloadStatus.FAILED}),
        ("disk", {"status": DownloadStatus.PAUSED, "reason": "disk full"}),
    ],
)  # fmt: skip
def test_facts_that_only_some_downloads_have(text: str, facts: dict[str, Any]) -> None:
    assert matches(text, **facts)
    assert not matches(f"!{text}", **facts)


def test_a_word_does_not_find_a_failure_that_is_over() -> None:
    assert not matches("login", failure=NO_LOGIN)  # it is queued again


def test_a_download_waits_for_a_host_that_is_full() -> None:
    waiting = parse_filter("status:waiting")
    assert waiting.matches(row(), Moment(NOW, frozenset({"dl.example.org:443"})))
    assert not waiting.matches(row(), Moment(NOW, frozenset({"dl.example.org:80"})))


def test_every_state_of_the_screen_and_of_the_library_is_a_value() -> None:
    for status in DownloadStatus:
        assert matches(f"status:{status.value}", status=status)
    named = set[DownloadStatus]().union(*STATUSES.values())
    assert named == set(DownloadStatus)


def test_the_examples_of_the_fields_are_valid() -> None:
    for name in FIELDS:
        assert parse_filter(example(name))


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("statsu:failed", 0, "“statsu” is not a field: use status, host"),
        ("a size:5", 6, "size does not support “:”: use < <= > >="),
        ("name>5", 4, "name does not support “>”: use :"),
        ("status:failde", 7, "“failde” is not valid: it should be one or more of queued"),
        ("size>1x", 5, "“1x” is not valid: it should be a size such as"),
        ("speed<fast", 6, "bytes per second"),
        ("age<3", 4, "duration such as 45s"),
        ("progress>101", 9, "percentage from 0 to 100"),
        ("tries>two", 6, "whole number"),
        ("host:a,,b", 5, "separated by single commas"),
        ("size>", 5, "size needs a value, as in size>1g"),
        ("status: failed", 7, "status needs a value"),
        ("ok !", 3, "“!” needs a term after it"),
        ("or a", 0, "“or” needs a term before it"),
        ("a or or b", 5, "“or” needs a term before it"),
        ("a or ", 2, "“or” needs a term after it"),
        ('ok "a', 3, "closing quote is missing"),
        ('""', 0, "the quotes are empty"),
        ('"a"b', 3, "a space must follow the closing quote"),
        ("/pub/linux", 0, "put a path in quotes"),
        ("name:/(/", 5, "regular expression"),
        (f"/{'a' * 201}/", 0, "at most 200 characters"),
        ("a" * 1001, 1000, "at most 1,000 characters"),
    ],
)
def test_a_mistake_has_a_place_and_a_sentence(text: str, column: int, part: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert caught.value.column == column
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "text", ["size>", "status:", "status:fail", "!", "a or", '"a', "/a", "size", "age<3"]
)
def test_what_can_be_completed_is_not_yet_a_mistake(text: str) -> None:
    try:
        parse_filter(text)
    except FilterError as error:
        assert error.is_incomplete


@pytest.mark.parametrize(
    ("text", "taken"),
    [("a size>", "a"), ("a or status:fa", "a"), ("a or", "a"), ("!", ""), ("a b", "a b"),
     ('x "a', "x"), ("statsu:x", None), ("a size:5 b", None)],
)  # fmt: skip
def test_while_typing_what_is_complete_counts(text: str, taken: str | None) -> None:
    found, error = parse_typed(text)
    assert found == (None if taken is None else parse_filter(taken))
    assert (error is None) == (text == taken)


@pytest.mark.parametrize("text", ["statsu:x", "size> b", "status:fail b", "or a", '""', "size:5 a"])
def test_other_mistakes_are_mistakes_at_once(text: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert not caught.value.is_incomplete


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("deb", ["deb"]), ("DEB 12", ["deb", "12"]), ("name:*.iso", [".iso"]),
        ("name:/\\d+/", ["12"]), ("!deb", []), ("url:deb", []), ("status:queued", []),
    ],
)  # fmt: skip
def test_parts_of_a_name_to_highlight(text: str, parts: list[str]) -> None:
    name = "debian-12.iso"
    assert [name[start:end] for start, end in parse_filter(text).spans_in(name)] == parts


def test_what_a_filter_depends_on() -> None:
    assert parse_filter("a speed<1k").depends_on_bytes
    assert parse_filter("a age<1d").depends_on_time
    assert parse_filter("status:waiting").depends_on_time
    still = parse_filter("status:failed size>1g host:x tries>2 /a/")
    assert not still.depends_on_bytes and not still.depends_on_time


@pytest.mark.parametrize(("length", "texts"), [(200, 1), (16, 10_000)])
def test_an_expression_that_backtracks_is_stopped(length: int, texts: int) -> None:
    """At a text that would take longer than a life, or at one of many that take 0.1 ms or more."""
    slow, download = parse_filter("/(a|aa)+$/"), row(name="a" * length + "!")
    with pytest.raises(SlowPatternError, match="takes too long"):
        for _ in range(texts):
            slow.matches(download, MOMENT)


def test_an_expression_may_wait_for_the_cpu_of_a_busy_machine() -> None:
    class Waiting:
        def search(self, text: str, timeout: float) -> None:
            time.sleep(0.3)  # more than it may compute

    assert not PatternFinder(cast("regex.Pattern[str]", Waiting()))("debian")


def test_a_usual_expression_is_in_time_for_a_long_list() -> None:
    usual, download = parse_filter("/windows.*\\.iso$/"), row()
    for _ in range(20_000):
        usual.matches(download, MOMENT)


# Against a slow and obvious model

WORDS = st.text(
    st.sampled_from('abAB*.1/!"\\:=<> \tß') | st.characters(codec="utf-8"), min_size=1, max_size=8
)
NAMES = st.text(st.sampled_from("abAB.1ß "), max_size=8)
STATES = st.sampled_from(sorted(STATUSES))


@given(st.text(max_size=60) | st.lists(st.sampled_from([*FIELDS, *':<>=!/" ', "or", "1", "g"])))
@settings(max_examples=300)
def test_any_text_is_a_filter_or_a_mistake_within_it(text: str | list[str]) -> None:
    text = "".join(text)
    try:
        found = parse_filter(text)
    except FilterError as error:
        assert 0 <= error.column <= len(text)
        assert str(error) and not str(error).endswith(".")
    else:
        found.matches(row(), MOMENT)
        found.spans_in("debian")


def is_expression(text: str) -> bool:
    try:
        compile_pattern(text)
    except ValueError:
        return False
    return True


EXPRESSIONS = st.text(st.sampled_from("ab.*+[]\\/d()"), min_size=1, max_size=6).filter(
    lambda text: is_expression(text) and not text.endswith("/")
)
TERMS = st.one_of(
    st.builds(Term, WORDS, negated=st.booleans()),
    st.builds(
        Term, EXPRESSIONS, st.sampled_from(["", "name", "url", "error"]), st.just(":"),
        st.just(True), st.booleans(),
    ).map(lambda term: term if term.field else Term(term.value, "", "", True, term.negated)),
    st.builds(Term, WORDS, st.sampled_from(["name", "url", "folder", "error", "id"]),
              st.just(":"), negated=st.booleans()),
    st.builds(Term, STATES, st.just("status"), st.just(":"), negated=st.booleans()),
    st.builds(Term, st.sampled_from(["1k", "2.5M", "0", "3 GiB"]), st.just("size"),
              st.sampled_from(["<", ">="]), negated=st.booleans()),
)  # fmt: skip
FILTERS = st.lists(st.lists(TERMS, min_size=1, max_size=3).map(tuple), min_size=0, max_size=3).map(
    lambda alternatives: Filter(tuple(alternatives))
)


@given(FILTERS)
@settings(max_examples=300)
def test_what_is_printed_reads_as_the_same(wanted: Filter) -> None:
    assert parse_filter(str(wanted)) == wanted


Model = Callable[[DownloadSnapshot], bool]


def wild(pattern: str, text: str) -> bool:
    """Match `*` by trying everything."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(wild(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return text[:1] == pattern[0] and wild(pattern[1:], text[1:])


def contains(text: str, value: str) -> bool:
    text, value = text.casefold(), value.casefold()
    return wild(value, text) if "*" in value else wild(f"*{value}*", text)


def drawn(download: DownloadSnapshot) -> list[str]:
    """Return the texts that a row of the app shows, and the URL."""
    fails = download.status in (DownloadStatus.FAILED, DownloadStatus.RETRYING)
    cause = download.cause if fails else ""
    return [download.name, download.url, download.status.word, cause, download.reason]


SMALL = st.text(st.sampled_from("abAB*ß"), min_size=1, max_size=4)
MODELS: st.SearchStrategy[tuple[str, Model]] = st.one_of(
    SMALL.map(lambda w: (w, lambda r: any(contains(text, w) for text in drawn(r)))),
    SMALL.map(lambda w: (f"name:{w}", lambda r: contains(r.name, w))),
    SMALL.map(lambda w: (f"error:{w}", lambda r: contains(r.error or "", w))),
    st.integers(0, 9).map(lambda n: (f"size>{n}", lambda r: (r.total_bytes or -1) > n)),
    st.integers(0, 9).map(lambda n: (f"tries<={n}", lambda r: r.attempt <= n)),
    st.integers(0, 99).map(lambda n: (f"age>={n}s", lambda r: NOW - r.added_at >= n)),
    st.sampled_from([("status:failed", lambda r: r.status == "failed"),
                     ("status:done,skipped", lambda r: r.status in ("completed", "skipped"))]),
)  # fmt: skip
ROWS = st.builds(
    row, name=NAMES, url=NAMES.map(lambda text: f"https://h/{text}"),
    total_bytes=st.none() | st.integers(0, 10), attempt=st.integers(0, 10),
    added_at=st.integers(0, 100).map(lambda age: NOW - age),
    status=st.sampled_from(list(DownloadStatus)), error=st.none() | NAMES,
)  # fmt: skip


@given(
    st.lists(
        st.lists(st.tuples(st.booleans(), MODELS), min_size=1, max_size=3), min_size=1, max_size=2
    ),
    ROWS,
)
@settings(max_examples=400)
def test_downloads_match_as_in_the_model(
    alternatives: list[list[tuple[bool, tuple[str, Model]]]], download: DownloadSnapshot
) -> None:
    text = " or ".join(
        " ".join(f"{'!' if negated else ''}{term}" for negated, (term, _) in terms)
        for terms in alternatives
    )
    expected = any(
        all(model(download) != negated for negated, (_, model) in terms) for terms in alternatives
    )
    assert parse_filter(text).matches(download, MOMENT) is expected


def test_no_filter_matches_everything() -> None:
    assert parse_filter("") == NO_FILTER and not NO_FILTER
    assert NO_FILTER.matches(row())
