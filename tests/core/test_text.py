"""Text from outside on its way to a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core.domain.text import printable, redact_url, visible


@given(st.text(st.characters()))
def test_printable_whatever_comes(text: str) -> None:
    result = printable(text)
    assert all(character.isprintable() or character == "\ufffd" for character in result)
    assert not {unicodedata.category(character) for character in result} & {"Cc", "Cf", "Cs"}
    assert printable(result) == result


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – ü 東京 😀", "plain – ü 東京 😀"),
        ("a\x1b[31mb", "a\ufffd[31mb"),
        ("a\tb\nc\r\nd", "a b c  d"),
        ("a\u2028b\u00a0c", "a b c"),
        ("a\u202eb\u2066c\u200bd\ufeffe", "abcde"),
        ("\x7f\x9b\ud800\ue000", "\ufffd" * 4),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_visible_keeps_lines_and_tabs_and_nothing_hidden(text: str) -> None:
    shown = visible(text)
    kept = shown.replace("\n", "").replace("\r", "").replace("\t", "")
    assert kept.isprintable()
    assert visible(shown) == shown
    # `splitlines` does not count an empty last line; with a mark it does.
    assert len(f"{shown}|".splitlines()) == len(f"{text}|".splitlines())
    assert printable(text).split() == shown.split() or "://" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://x/a\tb\r\nhttp://x/ü – 東京\n", "http://x/a\tb\r\nhttp://x/ü – 東京\n"),
        ("\ufeffhttp://x/a\u200b\u200e", "http://x/a"),
        ("http://x/a\u202egpj.exe", "http://x/a%E2%80%AEgpj.exe"),
        ("http://ex\u200bample.org/", "http://ex%E2%80%8Bample.org/"),
        ("http://x/می\u200cخواهم", "http://x/می%E2%80%8Cخواهم"),
        ("http://x/a\x9b31mb \x9dx", "http://x/a%C2%9B31mb \ufffdx"),
        ("a\u200bb \x1b[31m c\u00a0d", "ab \ufffd[31m c d"),
        ("one\x85two\u2028three\x0bfour", "one\ntwo\nthree\nfour"),
    ],
)
def test_what_is_typed_or_pasted_is_seen_whole(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://example.com/a?b=c", "http://example.com/a?b=c"),
        ("http://example.com/a?b=c#d", "http://example.com/a?b=c#d"),
        ("http://example.com/#!s3cret!x", "http://example.com/#***"),
        (
            "http://example.com/#page=2&access_token=s3cret",
            "http://example.com/#page=2&access_token=***",
        ),
        ("URL 'http://x/#s3cret', no. 2#b", "URL 'http://x/#***', no. 2#b"),
        ("http://user:pass@example.com:8080/a", "http://example.com:8080/a"),
        ("http://a@b@example.com/", "http://example.com/"),
        ("http://x/?a=1&X-Amz-Signature=abc&b=2", "http://x/?a=1&X-Amz-Signature=***&b=2"),
        ("http://x/?TOKEN=abc", "http://x/?TOKEN=***"),
        ("http://x/?api_key=abc;password=d&q=e", "http://x/?api_key=***;password=***&q=e"),
        ("http://x/?sig=a%3Db=c", "http://x/?sig=***"),
        ("http://x/?token=abc;def;g=h", "http://x/?token=***;g=h"),
        ("http://x/?u=http%3A%2F%2Fy%2F%3Ftoken%3Dabc&v=1", "http://x/?u=***&v=1"),
        ("http://x/?u=http%3A%2F%2Fme%3Apw%40y%2F", "http://x/?u=***"),
        ("http://x/?u=http%3A%2F%2Fy%2F", "http://x/?u=http%3A%2F%2Fy%2F"),
        ("Authorization:Basic abc", "Authorization: ***"),
        ("http://[::1/", "http://[::1/"),
        ("http://x/\x1b", "http://x/\ufffd"),
    ],
)
def test_redact_url(url: str, shown: str) -> None:
    assert redact_url(url) == shown


SECRET = "h4unted-SECRET"


@given(st.sampled_from(["token", "Signature", "AWSAccessKey", "auth", "client_secret"]))
def test_no_secret_is_shown(name: str) -> None:
    assert SECRET not in redact_url(f"https://u:{SECRET}@x/y?a=b&{name}={SECRET}&c=d")


@given(st.text(st.characters()))
def test_any_text_may_be_redacted(text: str) -> None:
    redact_url(text)
