"""Numbered patterns: what they stand for, how many, and what is none."""

import tracemalloc
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core.inputs import Verdict
from rheo_core.inputs.patterns import MAX_URLS, expand
from tests.inputs.texts import problems, read, urls


def expanded(url: str) -> list[str]:
    found = expand(url)
    assert found is not None
    count, coming = found
    result = [url for url, _ in coming]
    assert len(result) == count
    return result


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("img[8-10].jpg", ["img8.jpg", "img9.jpg", "img10.jpg"]),
        ("img[008-010]", ["img008", "img009", "img010"]),
        ("[0-20:10]", ["0", "10", "20"]),
        ("[a-c]", ["a", "b", "c"]),
        ("[X-Z]", ["X", "Y", "Z"]),
        ("{a,b.c,}x", ["ax", "b.cx", "x"]),
        ("{a,b}[1-2]", ["a1", "a2", "b1", "b2"]),
        ("[5-5]", ["5"]),
    ],
)
def test_what_patterns_stand_for(pattern: str, expected: list[str]) -> None:
    assert expanded(pattern) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1]/x", "http://[2001:db8::1]:80/", "x[0]", "x[]", "x[a-z0-9]", "{a}", "{}",
        'x?q={"a":1,"b":2}', "[a-Z]", "[1-]", "plain", "[-5-5]",
    ],
)  # fmt: skip
def test_what_is_no_pattern(url: str) -> None:
    assert expand(url) is None


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("[9-1]", "the range [9-1] is descending; write the smaller number first"),
        ("[z-a]", "the range [z-a] is descending"),
        ("{a,{b,c}}", "braces within braces are not supported"),
        ("[1-9:0]", "the step of [1-9:0] must be 1 or more"),
        ("[1-100001]", "expands to 100,001 URLs; at most 100,000 are allowed"),
        ("[1-999999999999999999][1-999999999999999999]", "at most 100,000 are allowed"),
        ("[0-9]" * 5000, "expands to far too many URLs; at most 100,000 are allowed"),
        ("[1-9999999999999999999]", "has more than 18 digits"),
    ],
)
def test_what_is_refused(pattern: str, problem: str) -> None:
    (told,) = problems(f"http://x/{pattern}", patterns=True)
    assert told[0] == 1
    assert problem in told[1]


def test_only_when_asked() -> None:
    text = "http://x/[1-2]\nhttp://x/{a,b}\n"
    assert urls(text) == ["http://x/[1-2]", "http://x/{a,b}"]
    entries = read(text, patterns=True)
    assert [(entry.line, entry.text, entry.form) for entry in entries] == [
        (1, "http://x/1", "pattern: 2 files"),
        (1, "http://x/2", "pattern: 2 files"),
        (2, "http://x/a", "pattern: 2 files"),
        (2, "http://x/b", "pattern: 2 files"),
    ]


def test_curl_has_patterns_too_but_not_with_g() -> None:
    assert urls("curl http://x/[1-2]", patterns=True) == ["http://x/1", "http://x/2"]
    assert urls("curl -g http://x/[1-2]", patterns=True) == ["http://x/[1-2]"]


def test_each_is_judged() -> None:
    entries = read("http://x/2\nhttp://x/[1-3]\n", patterns=True)
    assert [entry.verdict for entry in entries] == [
        Verdict.OK, Verdict.OK, Verdict.DUPLICATE, Verdict.OK,
    ]  # fmt: skip


def test_they_come_as_they_are_asked_for() -> None:
    tracemalloc.start()
    found = expand(f"http://x/[1-{MAX_URLS}]")
    assert found is not None
    assert [url for url, _ in islice(found[1], 2)] == ["http://x/1", "http://x/2"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


@given(st.text("[]{},-:0129azAZ.", max_size=40))
def test_nothing_but_one_sentence(text: str) -> None:
    try:
        found = expand(text)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    if found is not None:
        count, coming = found
        assert 1 <= count <= MAX_URLS
        assert len(list(islice(coming, 1000))) == min(count, 1000)
